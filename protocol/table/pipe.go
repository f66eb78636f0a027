package table

import "photongate/protocol"

// Pipe makes the rows that a view asks for of one stream, and hands them to the
// sink at its end: it chooses gates by time, turns totals into counts where
// they are needed, and sums gates into bins. One goroutine uses it.
type Pipe struct {
	first Sink
	end   Sink
	tags  *TagCounts // tags are counted; nil: they are handed on
	cut   *between   // nil: all rows pass
	bins  *bins      // nil: gates are not summed
	ended func() error
}

// NewPipe returns a pipe for a stream whose gateway's clocks are in the table.
func NewPipe(v *View, clocks *ClockTable, end Sink) *Pipe {
	p := &Pipe{first: end, end: end}
	if v.counts() {
		p.tags = &TagCounts{}
	}
	if in, ok := end.(*mergeInput); ok {
		p.ended = in.finish
	}
	if v.Every > 0 {
		p.bins = newBins(v.Every, clocks, p.first)
		p.first = p.bins
	}
	if !v.From.IsZero() || !v.To.IsZero() {
		p.cut = newBetween(v, clocks, p.first)
		p.first = p.cut
	}
	if v.Every > 0 || v.Rate || v.Correct != 0 {
		p.first = &totals{out: p.first}
	}
	return p
}

// Expecter is a sink that wants to know the channels of a part before its
// readings come.
type Expecter interface{ Expect(p *Part) error }

// expect tells a sink of the channels of a part, if it wants to know.
func expect(s Sink, p *Part) error {
	if e, ok := s.(Expecter); ok {
		return e.Expect(p)
	}
	return nil
}

// Expect tells of the channels of a part that will come. So what cannot be
// shown is refused (ErrMixed, ErrShortBin) before the first row is written.
func (p *Pipe) Expect(part *Part) error { return expect(p.first, p.counted(part)) }

// counted is the part as its rows have it.
func (p *Pipe) counted(part *Part) *Part {
	if p.tags == nil || !part.IsTags() {
		return part
	}
	return p.tags.Part(part)
}

// Tags implements TagSink. Where a view sums, or shows rates, tags are counted, in
// the stretches in which they come.
func (p *Pipe) Tags(part *Part, f *TagFrame) error {
	if p.tags != nil {
		if index, c, ok := p.tags.Counts(part, f); ok {
			return p.first.Readings(p.tags.Part(part), index, c)
		}
		return nil
	}
	if p.cut != nil && !p.cut.narrow(part, f) {
		return nil
	}
	if to, ok := p.end.(TagSink); ok {
		return to.Tags(part, f)
	}
	return nil
}

// Readings implements Sink.
func (p *Pipe) Readings(part *Part, firstIndex uint64, c *protocol.Counts) error {
	return p.first.Readings(part, firstIndex, c)
}

// Gap implements Sink.
func (p *Pipe) Gap(part *Part, g Gap) error { return p.first.Gap(p.counted(part), g) }

// Event implements Sink.
func (p *Pipe) Event(part *Part, e Event) error { return p.first.Event(p.counted(part), e) }

// Untimed is how many readings were left out because a time was asked for, and
// theirs is not known.
func (p *Pipe) Untimed() uint64 {
	if p.cut == nil {
		return 0
	}
	return p.cut.untimed
}

// Finish passes on the bin at hand: the stream ends.
func (p *Pipe) Finish() error {
	if p.bins != nil {
		if err := p.bins.finish(); err != nil {
			return err
		}
	}
	if p.ended != nil {
		return p.ended()
	}
	return nil
}

// Expect implements Expecter.
func (b *between) Expect(p *Part) error { return expect(b.out, p) }
