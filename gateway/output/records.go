package output

import (
	"errors"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// blocks is a sink that makes blocks of readings. One goroutine uses it.
type blocks struct {
	fields  []string
	encoder *encoder
	clock   *table.RowClock
	emit    func(block []byte)
	unfit   func(err error)                // a reading cannot be written as the configuration wants; nil: all can, for a minute
	lacking func(p *table.Part, err error) // a part has not the channels that are to be sent; nil: it has

	columns *columns // nil: not yet, or the part lacks a channel
	epoch   uint32   // of the columns; 0: none
	leftOut bool     // a reading could not be written,
	last    int64    // and so long after the begin of the time base the last of them began
}

// fitFor is for how long all readings must have been written before one that
// could not be is no trouble any more.
const fitFor = int64(time.Minute)

// Readings implements table.Sink.
func (b *blocks) Readings(p *table.Part, firstIndex uint64, c *protocol.Counts) error {
	if p.Epoch != b.epoch || b.columns != nil && !table.SameColumns(b.columns.channels, p.Channels()) {
		b.flush()
		var err error
		b.epoch = p.Epoch
		b.columns, err = newColumns(b.fields, append([]protocol.Channel(nil), p.Channels()...), b.clock)
		b.lacking(p, err)
	}
	if b.columns == nil {
		return nil
	}
	b.clock.Use(p.Base(), c.Begin[0])
	if b.leftOut && c.Begin[0]-b.last >= fitFor {
		b.leftOut = false
		b.unfit(nil)
	}
	for i := range c.Begin {
		if err := b.encoder.add(b.columns.compute(p, firstIndex+uint64(i), c, i)); err != nil {
			b.leftOut, b.last = true, c.Begin[i]
			b.unfit(b.explain(err))
			continue
		}
		if b.encoder.full() {
			b.flush()
		}
	}
	return nil
}

// summed is a sink that sums gates before they reach blocks. What cannot be
// summed is told and left out.
type summed struct {
	*table.Pipe
	wrong func(error)
}

// Readings implements table.Sink.
func (s summed) Readings(p *table.Part, firstIndex uint64, c *protocol.Counts) error {
	s.wrong(s.Pipe.Readings(p, firstIndex, c))
	return nil
}

// explain names the field that does not fit.
func (b *blocks) explain(err error) error {
	if e, ok := errors.AsType[unfit](err); ok {
		return e.named(b.columns.words[e.at], b.columns.values[e.at])
	}
	return err
}

// Gap implements table.Sink: no block holds readings from both sides of a gap.
func (b *blocks) Gap(*table.Part, table.Gap) error {
	b.flush()
	return nil
}

// Event implements table.Sink.
func (b *blocks) Event(*table.Part, table.Event) error { return nil }

// flush sends the block as it is.
func (b *blocks) flush() {
	block, err := b.encoder.block()
	if err != nil {
		b.unfit(err)
	}
	if block != nil {
		b.emit(block)
	}
}
