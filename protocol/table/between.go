package table

import (
	"math"

	"photongate/protocol"
)

// between is a sink that passes on what lies between two times, by the begin of
// gates; of gaps those that overlap it. One goroutine uses it.
type between struct {
	times    utcCache
	from, to int64 // UTC, ns
	out      Sink
	untimed  uint64 // readings left out because UTC is not known

	piece protocol.Counts // of a frame; its columns are the frame's
}

func newBetween(v *View, clocks *ClockTable, out Sink) *between {
	b := &between{times: utcCache{clocks: clocks}, from: math.MinInt64, to: math.MaxInt64, out: out}
	if !v.From.IsZero() {
		b.from = v.From.UnixNano()
	}
	if !v.To.IsZero() {
		b.to = v.To.UnixNano()
	}
	return b
}

// Readings implements Sink.
func (b *between) Readings(p *Part, firstIndex uint64, c *protocol.Counts) error {
	b.times.forget()
	n := len(c.Begin)
	for i := 0; i < n; {
		wanted, j := b.wanted(p, c, i), i+1
		for j < n && b.wanted(p, c, j) == wanted {
			j++
		}
		if err := b.pass(p, firstIndex, c, i, j, wanted); err != nil {
			return err
		}
		i = j
	}
	return nil
}

// narrow bounds which tags of a frame are meant, and reports whether any may be.
func (b *between) narrow(p *Part, f *TagFrame) bool {
	b.times.forget()
	if _, known := b.times.utc(p.Base(), f.Header.Time); !known {
		b.untimed += uint64(f.Header.Count)
		return false
	}
	offset := b.times.offset
	if b.from != math.MinInt64 {
		f.FromNs = max(f.FromNs, b.from-offset)
	}
	if b.to != math.MaxInt64 {
		f.ToNs = min(f.ToNs, b.to-offset)
	}
	// Tags may lie a little before the time of the header.
	return f.FromNs < f.ToNs && f.EndNs >= f.FromNs && f.BeginNs < f.ToNs
}

// pass passes on the rows i to j, or tells a sink that looks for holes that
// they are there.
func (b *between) pass(p *Part, firstIndex uint64, c *protocol.Counts, i, j int, wanted bool) error {
	if !wanted {
		for k := i; k < j; k++ {
			if _, known := b.times.utc(p.Base(), c.Begin[k]); !known {
				b.untimed++
			}
		}
		if sums, ok := b.out.(*bins); ok {
			return sums.passedOver(p, firstIndex, c, i, j)
		}
		return nil
	}
	if j-i < len(c.Begin) {
		firstIndex, c = firstIndex+uint64(i), b.rows(c, i, j)
	}
	return b.out.Readings(p, firstIndex, c)
}

// wanted reports whether row i is passed on.
func (b *between) wanted(p *Part, c *protocol.Counts, i int) bool {
	utc, known := b.times.utc(p.Base(), c.Begin[i])
	if !known {
		return false
	}
	return utc >= b.from && utc < b.to
}

// rows are the rows i to j of c.
func (b *between) rows(c *protocol.Counts, i, j int) *protocol.Counts {
	r := &b.piece
	r.Begin, r.Length = c.Begin[i:j], c.Length[i:j]
	r.Dead, r.Uncertainty, r.Flags = some(c.Dead, i, j), some(c.Uncertainty, i, j), some(c.Flags, i, j)
	r.Values, r.ValueFlags = r.Values[:0], r.ValueFlags[:0]
	for _, column := range c.Values {
		r.Values = append(r.Values, column[i:j])
	}
	for _, column := range c.ValueFlags {
		r.ValueFlags = append(r.ValueFlags, some(column, i, j))
	}
	return r
}

// some are elements of a column that may be empty.
func some[T any](column []T, i, j int) []T {
	if len(column) == 0 {
		return nil
	}
	return column[i:j]
}

// Gap implements Sink. A gap whose begin nobody knows is passed on.
func (b *between) Gap(p *Part, g Gap) error {
	if g.BeginKnown && !b.overlaps(p, g.BeginNs, max(g.DurationNs, 1)) {
		return nil
	}
	return b.out.Gap(p, g)
}

// Event implements Sink.
func (b *between) Event(p *Part, e Event) error {
	if !b.overlaps(p, e.AtNs, 1) {
		return nil
	}
	return b.out.Event(p, e)
}

func (b *between) overlaps(p *Part, at, duration int64) bool {
	b.times.forget()
	utc, known := b.times.utc(p.Base(), at)
	return !known || utc+duration > b.from && utc < b.to
}
