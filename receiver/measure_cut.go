package receiver

import (
	"math"

	"photongate/protocol"
	"photongate/protocol/table"
)

// cut says which readings are a measurement's (protocol/SPEC.md, 7.3). Times are
// ns of the time base beside them. It may be shared by the streams of a
// measurement.
type cut struct {
	base   protocol.ID // of fromNs
	fromNs int64       // readings that surely began at or after this

	ended   bool
	endBase protocol.ID // of toNs
	toNs    int64       // readings that ended at or before this, when ended

	forNs int64  // of each stream so long, from the begin of its first one; 0: no such end
	asked uint64 // of each stream so many; 0: no such end
}

// cutStream is a sink that hands on what of one stream belongs to a measurement.
// One goroutine uses it.
type cutStream struct {
	cut    *cut
	clocks *table.ClockTable
	out    table.Sink

	seen     bool        // what follows lies behind the measurement's begin, whatever clocks say
	begun    bool        // a reading was handed on
	done     bool        // what follows belongs no more
	firstNs  int64       // begin of the first one
	lastNs   int64       // end of the last one
	firstIn  protocol.ID // time bases of these two
	lastIn   protocol.ID
	readings uint64
	rows     protocol.Counts
}

func newCutStream(c *cut, clocks *table.ClockTable, out table.Sink) *cutStream {
	return &cutStream{cut: c, clocks: clocks, out: out}
}

// Readings implements table.Sink.
func (s *cutStream) Readings(p *table.Part, firstIndex uint64, c *protocol.Counts) error {
	s.pass(p)
	run := 0 // readings from run on belong, and were not handed on yet
	for i := range c.Begin {
		if s.belongs(p, c, i) {
			s.take(p, c, i)
			continue
		}
		if err := s.give(p, firstIndex, c, run, i); err != nil {
			return err
		}
		run = i + 1
	}
	return s.give(p, firstIndex, c, run, len(c.Begin))
}

// pass notes that the stream has come to the time base in which the measurement
// began: whatever comes in others is later.
func (s *cutStream) pass(p *table.Part) {
	s.seen = s.seen || p.Desc.Base == s.cut.base
}

// belongs reports whether reading i is one of the measurement.
func (s *cutStream) belongs(p *table.Part, c *protocol.Counts, i int) bool {
	first := len(c.Flags) > 0 && c.Flags[i]&protocol.FlagFirst != 0
	switch {
	case s.done || first:
		return false
	case s.beyond(p.Desc.Base, c.Begin[i]+c.Length[i], c.Begin[i]+c.Length[i]/2):
		s.done = true
		return false
	}
	return s.begun || s.surelyAfter(p, c, i)
}

// beyond reports whether a reading of a base lies behind the measurement's end.
func (s *cutStream) beyond(base protocol.ID, endNs, middleNs int64) bool {
	if s.cut.ended && endNs+s.clocks.Shift(s.cut.endBase, base) > s.cut.toNs {
		return true
	}
	return s.begun && s.cut.forNs > 0 && middleNs+s.clocks.Shift(s.firstIn, base) > s.firstNs+s.cut.forNs
}

// surelyAfter reports whether reading i surely began at or after the
// measurement's begin (SPEC.md, 7.1).
func (s *cutStream) surelyAfter(p *table.Part, c *protocol.Counts, i int) bool {
	at := c.Begin[i] - int64(p.Desc.LateNs)
	if len(c.Uncertainty) > 0 {
		at -= c.Uncertainty[i]
	}
	return s.isLater(p.Desc.Base, at)
}

// isLater reports whether a moment of a base is at or after the measurement's
// begin.
func (s *cutStream) isLater(base protocol.ID, at int64) bool {
	if base == s.cut.base {
		return at >= s.cut.fromNs
	}
	return s.seen || at+s.clocks.Shift(s.cut.base, base) >= s.cut.fromNs
}

// take notes a reading that belongs, and whether it is the last one.
func (s *cutStream) take(p *table.Part, c *protocol.Counts, i int) {
	end := c.Begin[i] + c.Length[i]
	if !s.begun {
		s.begun, s.firstNs, s.firstIn = true, c.Begin[i], p.Desc.Base
	}
	s.lastNs, s.lastIn = end, p.Desc.Base
	s.readings++
	if s.cut.asked > 0 && s.readings >= s.cut.asked {
		s.done = true
	}
	left := s.firstNs + s.cut.forNs - end - s.clocks.Shift(s.firstIn, p.Desc.Base)
	if s.cut.forNs > 0 && left < c.Length[i]/2 {
		s.done = true
	}
}

// give hands on readings from..to-1.
func (s *cutStream) give(p *table.Part, firstIndex uint64, c *protocol.Counts, from, to int) error {
	if from >= to {
		return nil
	}
	sliceCounts(&s.rows, c, from, to)
	return s.out.Readings(p, firstIndex+uint64(from), &s.rows)
}

// Tags implements table.TagSink: it hands on those that were detected within the
// measurement.
func (s *cutStream) Tags(p *table.Part, f *table.TagFrame) error {
	s.pass(p)
	to, ok := s.out.(table.TagSink)
	if s.done || !ok {
		return nil
	}
	base, late := p.Desc.Base, int64(p.Desc.LateNs)
	if !s.begun {
		from := s.cut.fromNs + late
		if base != s.cut.base {
			if from -= s.clocks.Shift(s.cut.base, base); s.seen {
				from = f.BeginNs
			}
		}
		if f.EndNs < from {
			return nil
		}
		s.begun, s.firstNs, s.firstIn = true, max(from, f.BeginNs), base
		f.FromNs = max(f.FromNs, from)
	}
	end := int64(math.MaxInt64)
	if s.cut.ended {
		end = s.cut.toNs - s.clocks.Shift(s.cut.endBase, base)
	}
	if s.cut.forNs > 0 {
		end = min(end, s.firstNs+s.cut.forNs-s.clocks.Shift(s.firstIn, base))
	}
	f.ToNs, s.done = min(f.ToNs, end), f.EndNs >= end
	s.lastNs, s.lastIn = min(f.EndNs, end), base
	return to.Tags(p, f)
}

// Gap implements table.Sink. A measurement begins with its first reading: gaps
// before that are none of it.
func (s *cutStream) Gap(p *table.Part, g table.Gap) error {
	s.pass(p)
	if !s.begun || s.done || g.BeginKnown && s.beyond(p.Desc.Base, g.BeginNs, g.BeginNs) {
		return nil
	}
	return s.out.Gap(p, g)
}

// Event implements table.Sink.
func (s *cutStream) Event(p *table.Part, e table.Event) error {
	s.pass(p)
	if s.done || !s.isLater(p.Desc.Base, e.AtNs) || s.beyond(p.Desc.Base, e.AtNs, e.AtNs) {
		return nil
	}
	return s.out.Event(p, e)
}

// sliceCounts makes dst the readings from..to-1 of c, sharing its memory.
func sliceCounts(dst, c *protocol.Counts, from, to int) {
	dst.Begin, dst.Length = c.Begin[from:to], c.Length[from:to]
	dst.Dead, dst.Uncertainty, dst.Flags = part(c.Dead, from, to), part(c.Uncertainty, from, to), part(c.Flags, from, to)
	dst.Values, dst.ValueFlags = dst.Values[:0], dst.ValueFlags[:0]
	for _, v := range c.Values {
		dst.Values = append(dst.Values, v[from:to])
	}
	for _, f := range c.ValueFlags {
		dst.ValueFlags = append(dst.ValueFlags, part(f, from, to))
	}
}

// part is a stretch of a column that may be left out.
func part[T any](column []T, from, to int) []T {
	if len(column) == 0 {
		return column
	}
	return column[from:to]
}
