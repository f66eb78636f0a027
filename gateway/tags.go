package gateway

import (
	"context"
	"slices"
	"time"

	"photongate/device"
	"photongate/protocol"
)

// Sizes of frames of tags, and when they are made.
const (
	frameTags   = protocol.MaxTagsFrame  // at most so many tags in a frame
	directTags  = 1 << 14                // a run of at least so many is encoded from the batch it came in
	frameLosses = 4096                   // so many losses end a frame
	darkEvery   = int64(time.Second)     // how often a frame without tags says how far the clock came
	tagsPiece   = 250 * time.Millisecond // of which rates are taken
)

// tagStage is what a batcher has besides for a device that gives tags.
type tagStage struct {
	clock    tickClock
	channels int
	until    uint64 // the instrument's clock is known to have come to
	told     int64  // base time up to which the last frame tells it
	waiting  protocol.Tags
	piece    protocol.Tags // of a batch
	inline   tagSlot       // what the batcher encodes itself
	encoder  protocol.TagsEncoder
	side     tagEncoders
	rates    tagRates
	alarms   []alarmEvent // that no frame could be made of yet
}

// newTagStage makes ready for a descriptor of tags, nil for one of readings.
func newTagStage(d *protocol.Descriptor) *tagStage {
	if d.Tick == nil {
		return nil
	}
	tick := device.Tick{Num: uint64(d.Tick.Num), Den: uint64(d.Tick.Den)}
	return &tagStage{
		clock: tickClock{tickNs: tick.Ns(1)}, channels: len(d.Channels),
		rates: newTagRates(len(d.Channels)),
	}
}

// isWaiting reports whether something waits for others to make a frame with.
func (t *tagStage) isWaiting() bool { return len(t.waiting.Ticks)+len(t.waiting.Losses) > 0 }

// takeTags takes a batch of tags, and gives it back to the queue when its memory is
// not needed any more.
func (b *batcher) takeTags(ctx context.Context, in *device.Batch) {
	t := b.tags
	if g := &in.Tags; g.At != 0 {
		if pair, ok := t.clock.see(g.Until, g.At); ok {
			b.clocks.add(pair)
			b.alarms.clock(time.Duration(t.clock.behind), time.Duration(t.clock.ahead), g.At)
			t.alarms = append(t.alarms, b.alarms.take()...)
		}
	}
	if b.begun {
		b.countTags(in)
	}
	if b.begun && len(in.Notes) == 0 && in.Len() >= directTags && len(b.made) == 0 {
		b.flushWaiting()
		if b.putWhole(in) {
			return
		}
	}
	row := 0
	for _, note := range in.Notes {
		b.takeTagRows(ctx, in, row, note.Row, false)
		row = note.Row
		b.note(note)
	}
	b.takeTagRows(ctx, in, row, in.Len(), true)
	b.queue.recycle(in)
}

// beginTags begins the epoch with the first tag, or when the instrument's clock is
// known to run; it reports whether it has begun.
func (b *batcher) beginTags(ctx context.Context, in *device.Batch, from, to int, last bool) bool {
	switch {
	case b.begun:
		return true
	case from < to:
		return b.begin(ctx, b.tags.when(in.Tags.Tick[from], b.now))
	case last && in.Tags.At != 0:
		return b.begin(ctx, b.tags.when(in.Tags.Until, b.now))
	}
	return false
}

// when is the time base at a tick; as long as nothing is known of the clock, now.
func (t *tagStage) when(tick uint64, now device.Clock) int64 {
	if !t.clock.begun {
		return now()
	}
	return t.clock.at(tick)
}

// takeTagRows takes tags from..to of a batch; last says that no more follow.
func (b *batcher) takeTagRows(ctx context.Context, in *device.Batch, from, to int, last bool) {
	t := b.tags
	if !b.beginTags(ctx, in, from, to, last) {
		return
	}
	first := from
	for len(b.made) > 0 && first < to {
		row := b.surelyAfterTag(in, first, to)
		if row == to {
			break
		}
		b.keepTags(in, first, row)
		b.flush()
		b.putChange(&protocol.Place{Epoch: b.epoch, Index: protocol.Uint64(b.index)})
		first = row
	}
	b.keepTags(in, first, to)
	if !last {
		return
	}
	if in.Tags.At != 0 {
		t.until = max(t.until, in.Tags.Until)
	}
	t.takeLosses(in, ^uint64(0))
	switch {
	case len(t.waiting.Losses) >= frameLosses:
		b.flush()
	case !t.isWaiting() && in.Tags.At != 0 && t.clock.at(t.until)-t.told >= darkEvery:
		b.tellUntil()
	}
	if b.clocks.due(b.now()) {
		b.putPairs()
	}
}

// surelyAfterTag is the first row from..to whose tag surely came after the oldest
// change that waits for its event; to when there is none. It notes the last one
// surely before.
func (b *batcher) surelyAfterTag(in *device.Batch, from, to int) int {
	c := b.made[0]
	for row := from; row < to; row++ {
		at := b.tags.when(in.Tags.Tick[row], b.now)
		if at-int64(b.descriptor.LateNs) >= c.to {
			return row
		}
		if at <= c.from {
			c.event.Before = &protocol.Place{Epoch: b.epoch, Index: protocol.Uint64(b.index + uint64(len(b.tags.waiting.Ticks)+row-from))}
		}
	}
	return to
}

// keepTags takes tags from..to of a batch. Long runs go into frames at once, from
// where they are; short ones wait for others.
func (b *batcher) keepTags(in *device.Batch, from, to int) {
	t, g := b.tags, &in.Tags
	for from < to {
		n := min(to-from, frameTags)
		if n >= directTags {
			b.flushWaiting()
			b.comeTo(in, from+n)
			t.takeLosses(in, t.until)
			b.putLosses()
			t.piece = protocol.Tags{Ticks: g.Tick[from : from+n], Channels: g.Channel[from : from+n], Until: t.until, Losses: t.waiting.Losses}
			b.encodeTags(&t.piece)
			t.waiting.Losses = t.waiting.Losses[:0]
			from += n
			continue
		}
		n = min(n, frameTags-len(t.waiting.Ticks))
		t.waiting.Ticks = append(t.waiting.Ticks, g.Tick[from:from+n]...)
		t.waiting.Channels = append(t.waiting.Channels, g.Channel[from:from+n]...)
		from += n
		b.comeTo(in, from)
		t.takeLosses(in, t.until)
		if len(t.waiting.Ticks) == frameTags {
			b.flushWaiting()
		}
	}
}

// comeTo notes how far the clock is known to have come with the tag before a row.
func (b *batcher) comeTo(in *device.Batch, row int) {
	t := b.tags
	t.until = max(t.until, in.Tags.Tick[row-1])
	if row == in.Len() && in.Tags.At != 0 {
		t.until = max(t.until, in.Tags.Until)
	}
}

// takeLosses moves the losses of a batch that begin before a tick to what waits.
func (t *tagStage) takeLosses(in *device.Batch, before uint64) {
	list := in.Tags.Losses
	for len(list) > 0 && list[0].From < before {
		t.waiting.Losses = append(t.waiting.Losses, protocol.TagLoss(list[0]))
		list = list[1:]
	}
	in.Tags.Losses = list
}

// flushWaiting makes a frame of what waits for others.
func (b *batcher) flushWaiting() {
	t := b.tags
	if !t.isWaiting() {
		return
	}
	b.putLosses()
	t.waiting.Until = t.until
	b.encodeTags(&t.waiting)
	t.waiting.Ticks, t.waiting.Channels, t.waiting.Losses = t.waiting.Ticks[:0], t.waiting.Channels[:0], t.waiting.Losses[:0]
}

// putLosses puts the losses that wait in order, and those that are too many for one
// frame into frames of their own.
func (b *batcher) putLosses() {
	t := b.tags
	// A loss may have come with bytes behind those of a later one.
	slices.SortStableFunc(t.waiting.Losses, func(a, b protocol.TagLoss) int { return compareTicks(a.From, b.From) })
	for len(t.waiting.Losses) > frameLosses {
		t.piece = protocol.Tags{Until: t.until, Losses: t.waiting.Losses[:frameLosses]}
		b.encodeTags(&t.piece)
		t.waiting.Losses = append(t.waiting.Losses[:0], t.waiting.Losses[frameLosses:]...)
	}
}

func compareTicks(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// tellUntil writes a frame without tags: the clock runs, and it is dark.
func (b *batcher) tellUntil() {
	b.tags.piece = protocol.Tags{Until: b.tags.until}
	b.encodeTags(&b.tags.piece)
}

// flushTags has all tags that came stand in the log.
func (b *batcher) flushTags() {
	b.flushWaiting()
	b.drain()
}

// finishTags tells how far the instrument's clock came at last.
func (b *batcher) finishTags() {
	b.flush()
	if t := b.tags; t.clock.begun && t.clock.at(t.until) > t.told {
		b.tellUntil()
	}
}

// tagsHeader is that of the next frame of tags, behind those that are being
// encoded. Its time is that of the first tag as it is known by now: where the first
// arrivals were late, it goes back once that is known.
func (b *batcher) tagsHeader(tags *protocol.Tags, behind int) protocol.Header {
	t := b.tags
	tick := tags.Until
	if len(tags.Ticks) > 0 {
		tick = tags.Ticks[0]
	}
	h := protocol.Header{Stream: b.log.ID(), Epoch: b.epoch, Seq: b.log.NextSeq() + uint64(behind), Index: b.index, Time: t.when(tick, b.now)}
	b.index += uint64(len(tags.Ticks))
	b.last = max(b.index, 1) - 1
	t.told = t.when(tags.Until, b.now)
	b.lastEnd, b.hasEnd = t.told, true
	return h
}

// encodeTags makes a frame of tags in the batcher's own goroutine.
func (b *batcher) encodeTags(tags *protocol.Tags) {
	b.drain()
	s := &b.tags.inline
	s.header, s.tags = b.tagsHeader(tags, 0), *tags
	s.encode(&b.tags.encoder, b.tags.channels)
	b.putTags(s)
	b.tellAlarms()
}

// putTags appends a frame of tags to the log, and has its numbers in the status
// first: who has the frame finds its tags there.
func (b *batcher) putTags(s *tagSlot) {
	t := b.tags
	b.status.tags(len(s.tags.Ticks), t.when(s.tags.Until, b.now))
	piece := false
	if s.err == nil {
		piece = t.rates.add(s.frame, s.tags.Until, &t.clock)
	}
	if s.err == nil {
		s.err = b.log.Append(s.frame)
	}
	b.status.logged(s.err, cannotTake)
	s.tags = protocol.Tags{}
	if piece {
		b.lookAtRates()
	}
}

// lookAtRates shows the rates of the last piece, and looks whether one is beyond
// its limits. What there is to tell waits for the frames that are under way.
func (b *batcher) lookAtRates() {
	t := b.tags
	b.status.rated(b.descriptor.Channels, t.rates.row)
	b.alarms.look(t.rates.row, 0, 1)
	t.alarms = append(t.alarms, b.alarms.take()...)
}

// tellAlarms writes the alarms that came on or went, when nothing is under way.
func (b *batcher) tellAlarms() {
	list := b.tags.alarms
	b.tags.alarms = nil
	for _, a := range list {
		b.json(protocol.TypeEvent, a.at, &a.event)
	}
}
