package gateway

import (
	"context"
	"fmt"
	"time"

	"photongate/device"
	"photongate/protocol"
)

// begin starts the epoch: its number is taken, then come descriptor, what was
// held, and the gap since the epoch before. firstNs is the begin of the first
// reading. While the disk refuses it tries again, until ctx ends; the queue
// holds what comes meanwhile.
func (b *batcher) begin(ctx context.Context, firstNs int64) bool {
	for {
		if ctx.Err() != nil {
			if !b.givenUp {
				b.givenUp = true
				b.status.givenUp()
			}
			return false
		}
		err := b.tryBegin(ctx, firstNs)
		if ctx.Err() != nil && err != nil {
			continue
		}
		b.status.logged(err, cannotBegin)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(beginAgain):
		}
	}
	b.status.epoch(b.epoch)
	b.status.part(false)
	for _, note := range b.held {
		b.note(note)
	}
	b.held = nil
	if p := b.previous; p != nil && p.hasEnd {
		gap := protocol.Gap{Cause: p.cause, Detail: p.detail, Approximate: p.approximate}
		begin := p.endNs
		if p.undated {
			begin = firstNs
		} else if d := firstNs - begin; d > 0 {
			gap.DurationNs = protocol.Ref(protocol.Int64(d))
		}
		b.status.gap()
		b.json(protocol.TypeGap, begin, &gap)
	}
	return true
}

// beginAgain is the pause between two attempts to begin an epoch.
const beginAgain = time.Second

// tryBegin takes a number and writes the descriptor. When the journal has no
// room for that, the number is lost: sequence 1 was used, and has to be it.
func (b *batcher) tryBegin(ctx context.Context, firstNs int64) (err error) {
	if b.epoch, err = b.takeNumber(ctx); err != nil {
		return fmt.Errorf("begin an epoch: %w", err)
	}
	d := b.descriptor
	if p := b.previous; p != nil {
		d.Previous = &protocol.Previous{Epoch: p.epoch, Seq: protocol.Uint64(p.seq), Cause: p.cause}
	}
	h := b.header(protocol.TypeDescriptor)
	h.Time = firstNs
	frame, err := protocol.AppendJSON(b.frame[:0], h, &d)
	b.frame = frame
	if err == nil {
		err = b.log.Append(frame)
	}
	b.begun = err == nil
	return err
}

// takeNumber waits for the disk, at the latest until ctx ends. Then the wait is
// left behind, and nothing is appended any more.
func (b *batcher) takeNumber(ctx context.Context) (epoch uint32, err error) {
	done := make(chan struct{})
	var taken uint32
	var refused error
	go func() { defer close(done); taken, refused = b.log.Begin(0, 1) }()
	select {
	case <-done:
		return taken, refused
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// note takes what happened between two readings.
func (b *batcher) note(n device.Note) {
	if !b.begun {
		if len(b.held) < heldNotes {
			b.held = append(b.held, n)
		}
		return
	}
	switch {
	case n.Pair != nil:
		b.clocks.add(*n.Pair)
		if b.clocks.due(n.Pair.Base) {
			b.putPairs()
		}
	case n.Event != nil:
		b.flush()
		e := n.Event
		b.json(protocol.TypeEvent, e.Time, &protocol.Event{What: e.What, Who: whoDriver, Old: e.Old, New: e.New, Text: e.Text})
	case n.Gap != nil:
		b.flush()
		b.gap(n.Gap)
	}
}

// gap writes a gap that the driver or the read loop found.
func (b *batcher) gap(g *device.Gap) {
	begin := g.Begin
	if begin == 0 {
		if begin = b.lastEnd; !b.hasEnd {
			begin = b.now()
		}
	}
	p := protocol.Gap{Cause: g.Cause, Detail: g.Detail}
	if g.Duration > 0 {
		p.DurationNs = protocol.Ref(protocol.Int64(g.Duration))
	}
	if g.Known {
		p.Missing = protocol.Ref(protocol.Uint64(g.Missing))
	}
	b.status.gap()
	b.json(protocol.TypeGap, begin, &p)
	b.index += g.Missing
	if b.tags != nil {
		b.tags.rates.restart()
	}
}

// json appends a frame with a JSON payload.
func (b *batcher) json(t protocol.Type, at int64, v any) {
	h := b.header(t)
	h.Time = at
	frame, err := protocol.AppendJSON(b.frame[:0], h, v)
	b.put(frame, err)
}

// finish ends the epoch in good order: what waits, the last clock pairs, and
// an end frame. It returns what the next epoch has to know; when none was
// begun, that is what this one knew.
func (b *batcher) finish(cause, detail string) *lastEpoch {
	if !b.begun {
		return b.previous
	}
	b.flush()
	if b.tags != nil {
		b.finishTags()
	}
	for len(b.made) > 0 {
		b.putChange(nil)
	}
	b.putPairs()
	b.json(protocol.TypeEnd, b.now(), &protocol.End{Cause: cause, Detail: detail})
	b.status.part(b.hasEnd && cause != protocol.CauseGatewayStopped)
	return &lastEpoch{
		epoch: b.epoch, seq: b.log.NextSeq() - 1, cause: cause, detail: detail, endNs: b.lastEnd, hasEnd: b.hasEnd, index: b.last,
	}
}

func (b *batcher) putPairs() {
	if list := b.clocks.take(); len(list) > 0 {
		b.json(protocol.TypeClock, b.now(), &protocol.Clock{Kind: protocol.ClockDevice, Pairs: list})
	}
}

// pairs collects a device's clock pairs until they are due: after 10 s, then
// 20 s, and so on to 60 s.
type pairs struct {
	list   []protocol.ClockPair
	began  int64 // base time of the first in list
	period time.Duration
}

// pairsMax bounds the pairs of one frame, should a driver give more than one a
// second.
const pairsMax = 512

func (p *pairs) add(c device.ClockPair) {
	if len(p.list) == 0 {
		p.began = c.Base
	}
	p.list = append(p.list, protocol.ClockPair{Index: protocol.Uint64(c.Index), BaseNs: protocol.Int64(c.Base)})
}

func (p *pairs) due(now int64) bool {
	return now-p.began >= int64(max(p.period, clockPeriod)) || len(p.list) >= pairsMax
}

// take returns what was collected, valid until the next add, and begins anew
// with a longer period.
func (p *pairs) take() []protocol.ClockPair {
	list := p.list
	p.list = p.list[:0]
	p.period = min(max(p.period, clockPeriod)+clockPeriod, clockPeriodMax)
	return list
}
