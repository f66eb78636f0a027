package output

import (
	"errors"

	"photongate/protocol"
	"photongate/protocol/table"
)

// shown is what one request shows: the rows of a table.Output. When the
// channels of a stream change, as after another instrument was plugged in, CSV
// goes on below a new header.
type shown struct {
	w    *rowWriter
	view table.View
	out  *table.Output
	list []*shownStream
}

// shownStream is the sink of one stream.
type shownStream struct {
	s      *shown
	clocks *table.ClockTable
	pipe   *table.Pipe
}

func newShown(w *rowWriter, v table.View) (*shown, error) {
	out, err := table.NewOutput(w, v)
	return &shown{w: w, view: v, out: out}, err
}

// stream makes the sink of one more stream.
func (s *shown) stream(clocks *table.ClockTable) table.Sink {
	one := &shownStream{s, clocks, s.out.Stream(clocks)}
	s.list = append(s.list, one)
	return one
}

// open writes the header where the channels are known, so that a client sees
// it before the first row.
func (s *shown) open(f *follower) error {
	for _, one := range f.streams {
		if err := one.expect(); err != nil {
			return err
		}
	}
	s.out.Open()
	return s.flush()
}

// again begins a new output, with a header of its own.
func (s *shown) again() error {
	if err := s.finish(); err != nil {
		return err
	}
	out, err := table.NewOutput(s.w, s.view)
	if err != nil {
		return err
	}
	s.out, s.w.begun = out, false
	for _, one := range s.list {
		one.pipe = out.Stream(one.clocks)
	}
	return nil
}

// Expect implements table.Expecter.
func (one *shownStream) Expect(p *table.Part) error { return one.pipe.Expect(p) }

// Readings implements table.Sink.
func (one *shownStream) Readings(p *table.Part, firstIndex uint64, c *protocol.Counts) error {
	err := one.pipe.Readings(p, firstIndex, c)
	if !errors.Is(err, table.ErrMixed) || len(one.s.list) > 1 {
		return err
	}
	if err := one.s.again(); err != nil {
		return err
	}
	return one.pipe.Readings(p, firstIndex, c)
}

// Gap implements table.Sink.
func (one *shownStream) Gap(p *table.Part, g table.Gap) error { return one.pipe.Gap(p, g) }

// Event implements table.Sink.
func (one *shownStream) Event(p *table.Part, e table.Event) error { return one.pipe.Event(p, e) }

// mergePatience is how long a merged row waits for a stream that is late, so
// many bins.
const mergePatience = 5

// flush emits the rows that are final.
func (s *shown) flush() error {
	if m := s.out.Merger(); m != nil {
		if err := m.Overdue(mergePatience * int64(s.view.Every)); err != nil {
			return err
		}
	}
	return errors.Join(s.out.Flush(), s.w.flush())
}

// finish emits all there is.
func (s *shown) finish() error { return errors.Join(s.out.Finish(), s.w.flush()) }
