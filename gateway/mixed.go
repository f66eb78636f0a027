package gateway

import (
	"context"

	"photongate/device"
	"photongate/protocol"
)

// madeChange is a setting that was changed, until its event stands in the
// record: before the first reading surely after it. Readings that may hold some of
// both are flagged Mixed.
type madeChange struct {
	event    protocol.Event
	from, to int64 // of the time base: it was made between
}

// tell tells the batcher of a change before readings come that it may concern.
func (q *queue) tell(c *madeChange) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.made = append(q.made, c)
}

// told appends the changes that the batcher was not told of before.
func (q *queue) told(list []*madeChange) []*madeChange {
	q.mu.Lock()
	defer q.mu.Unlock()
	list = append(list, q.made...)
	q.made = q.made[:0]
	return list
}

// learn takes the changes made before the next batch was read. All readings that
// passed so far came before them.
func (b *batcher) learn(q *queue) {
	known := len(b.made)
	b.made = q.told(b.made)
	for _, c := range b.made[known:] {
		c.event.Before = b.lastReading()
	}
}

// lastReading is the last reading that passed, nil when there was none.
func (b *batcher) lastReading() *protocol.Place {
	n := b.waiting.Len()
	if b.tags != nil {
		n = len(b.tags.waiting.Ticks)
	}
	if n > 0 {
		return &protocol.Place{Epoch: b.epoch, Index: protocol.Uint64(b.index + uint64(n) - 1)}
	}
	if b.hasEnd && b.index > 0 {
		return &protocol.Place{Epoch: b.epoch, Index: protocol.Uint64(b.last)}
	}
	return b.previous.lastReading()
}

// lastReading is the last reading of an epoch, nil when none is known.
func (p *lastEpoch) lastReading() *protocol.Place {
	if p == nil || !p.hasEnd {
		return nil
	}
	return &protocol.Place{Epoch: p.epoch, Index: protocol.Uint64(p.index)}
}

// takeRows takes readings from..to of a batch.
func (b *batcher) takeRows(ctx context.Context, in *device.Batch, from, to int) {
	if from >= to || !b.begun && !b.begin(ctx, in.Begin[from]) {
		return
	}
	if len(b.made) > 0 {
		b.mixRows(ctx, in, from, to)
		return
	}
	b.addRows(ctx, in, from, to)
}

// mixRows takes readings from..to of a batch while changes wait for their
// events: it flags those that may be mixed, and writes each event before the first
// reading surely after its change.
func (b *batcher) mixRows(ctx context.Context, in *device.Batch, from, to int) {
	first := from
	for row := from; row < to && len(b.made) > 0; row++ {
		for len(b.made) > 0 && b.surelyAfter(in, row, b.made[0]) {
			b.addRows(ctx, in, first, row)
			first = row
			b.flush()
			b.putChange(&protocol.Place{Epoch: b.epoch, Index: protocol.Uint64(b.index)})
		}
		end := in.Begin[row] + in.Length[row] + in.Uncertainty[row]
		for _, c := range b.made {
			if end <= c.from {
				place := protocol.Place{Epoch: b.epoch, Index: protocol.Uint64(b.index + uint64(b.waiting.Len()+row-first))}
				c.event.Before = &place
			} else if !b.surelyAfter(in, row, c) {
				in.Flags[row] |= device.Mixed
			}
		}
	}
	b.addRows(ctx, in, first, to)
}

// surelyAfter reports whether a reading began after a change was made.
func (b *batcher) surelyAfter(in *device.Batch, row int, c *madeChange) bool {
	return in.Flags[row]&device.First == 0 && in.Begin[row]-in.Uncertainty[row]-int64(b.descriptor.LateNs) >= c.to
}

// putChange writes the event of the oldest change that waits for it.
func (b *batcher) putChange(after *protocol.Place) {
	c := b.made[0]
	b.made = b.made[1:]
	c.event.After = after
	b.json(protocol.TypeEvent, c.to, &c.event)
}
