package table

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"photongate/protocol"
)

// ErrMixed says that streams of different channels cannot share one output.
var ErrMixed = errors.New("different channels cannot share one output")

// What does not go together with the streams there are.
var (
	ErrNotCounts = errors.New("not for time tags")
	ErrNotTags   = errors.New("only for time tags")
)

// MixedError is ErrMixed with what differs.
type MixedError struct {
	Stream           string // gateway/stream that does not fit
	Channels, Before []protocol.Channel
}

// Error says which channels differ; the ways out are for who knows them.
func (e *MixedError) Error() string {
	return fmt.Sprintf("%v: %s has the channels %s, what comes before it %s", ErrMixed, e.Stream, channelText(e.Channels), channelText(e.Before))
}

// Unwrap is ErrMixed.
func (*MixedError) Unwrap() error { return ErrMixed }

func channelText(channels []protocol.Channel) string {
	names := make([]string, len(channels))
	for i, ch := range channels {
		names[i] = ch.Name
	}
	return strings.Join(names, ",")
}

// Output writes the rows of one or more streams as one text, as a view asks.
// Streams in one CSV must have the same channels, unless they are merged. One
// goroutine uses it.
type Output struct {
	v      *View
	w      io.Writer
	clock  *RowClock
	merger *Merger
	pipes  []*Pipe
	csv    *CSVWriter
	json   *NDJSONWriter
	tags   *TagWriter
	head   *Part // has the channels of the CSV; nil: not known yet
}

// NewOutput returns an output to w. The error says what in the view does not go
// together.
func NewOutput(w io.Writer, v View) (*Output, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	if v.Merge && v.Every == 0 {
		return nil, errors.New("--merge puts bins side by side: say how long they are, as in --every 1s")
	}
	o := &Output{v: &v, w: w}
	if v.Merge {
		o.merger = NewMerger(&v, &outputStream{o: o, clocks: NewClockTable()})
	}
	return o, nil
}

// Stream returns where a decoder puts one more stream, whose gateway's clocks
// are in the table.
func (o *Output) Stream(clocks *ClockTable) *Pipe {
	end := o.End(clocks)
	if o.merger != nil {
		end = o.merger.Stream(end)
	}
	p := NewPipe(o.v, clocks, end)
	o.pipes = append(o.pipes, p)
	return p
}

// End is where rows go that are made already, as by a [Pipe], of a stream whose
// gateway's clocks are in the table.
func (o *Output) End(clocks *ClockTable) Sink { return &outputStream{o, clocks} }

// Merger is what merges the streams; nil: nothing does.
func (o *Output) Merger() *Merger { return o.merger }

// outputStream is the end of one stream.
type outputStream struct {
	o      *Output
	clocks *ClockTable
}

// Expect implements Expecter.
func (s *outputStream) Expect(p *Part) error {
	o := s.o
	if err := o.v.Fits(p); err != nil {
		return err
	}
	switch {
	case len(p.Channels()) == 0:
	case o.v.Format == NDJSON:
	case o.head == nil:
		if err := o.v.Correct.Fits(*p); err != nil && !o.v.Merge {
			return fmt.Errorf("%w. This is part %d of %s, whose columns all rows share; where a later part says more, cut that out as a measurement's folder, or record it into a folder of its own",
				err, p.Epoch, p.Name())
		}
		head := *p
		o.head = &head
	case !SameColumns(o.head.Channels(), p.Channels()) || p.IsTags() && p.Name() != o.head.Name():
		return &MixedError{Stream: p.Name(), Channels: p.Channels(), Before: o.head.Channels()}
	}
	return nil
}

// clockFor returns the clock of the output. Rows of another gateway bring
// their own clocks; t_s goes on from the first row of all.
func (s *outputStream) clockFor() *RowClock {
	o := s.o
	if o.clock == nil {
		o.clock = NewRowClock(s.clocks)
	}
	o.clock.SetClocks(s.clocks)
	return o.clock
}

// writer is the writer of NDJSON.
func (s *outputStream) writer() *NDJSONWriter {
	clock := s.clockFor()
	if s.o.json == nil {
		s.o.json = newNDJSONWriter(s.o.w, clock, s.o.v)
	}
	return s.o.json
}

// Readings implements Sink.
func (s *outputStream) Readings(p *Part, firstIndex uint64, c *protocol.Counts) error {
	if s.o.v.Format == NDJSON {
		return s.writer().Readings(p, firstIndex, c)
	}
	if err := s.Expect(p); err != nil {
		return err
	}
	return s.o.openCSV(s.clockFor()).Readings(p, firstIndex, c)
}

// Tags implements TagSink.
func (s *outputStream) Tags(p *Part, f *TagFrame) error {
	o := s.o
	if err := s.Expect(p); err != nil {
		return err
	}
	if o.json != nil {
		if err := o.json.Flush(); err != nil {
			return err
		}
	}
	clock := s.clockFor()
	if o.tags == nil {
		o.tags = NewTagWriter(clock, o.v, o.w)
		o.tags.Bad = s.Gap
	}
	_, err := o.tags.Tags(p, f)
	return err
}

// Gap implements Sink.
func (s *outputStream) Gap(p *Part, g Gap) error {
	if s.o.v.Format != NDJSON {
		return nil
	}
	if s.o.tags != nil && g.Cause != undecoded {
		if err := s.o.tags.Flush(); err != nil {
			return err
		}
	}
	return s.writer().Gap(p, g)
}

// Event implements Sink.
func (s *outputStream) Event(p *Part, e Event) error {
	if s.o.v.Format != NDJSON {
		return nil
	}
	if s.o.tags != nil {
		if err := s.o.tags.Flush(); err != nil {
			return err
		}
	}
	return s.writer().Event(p, e)
}

func (o *Output) openCSV(clock *RowClock) *CSVWriter {
	if o.csv == nil {
		o.csv = NewViewWriter(o.w, clock, o.v, o.head)
	}
	return o.csv
}

// Open writes the header of CSV, when the channels are known: there may be no
// row for long.
func (o *Output) Open() {
	if o.head != nil && o.csv == nil && !o.head.IsTags() {
		o.clock = NewRowClock(NewClockTable())
		o.openCSV(o.clock)
	}
}

// Tagged is how many tags were written.
func (o *Output) Tagged() uint64 {
	if o.tags == nil {
		return 0
	}
	return o.tags.Rows()
}

// Flush writes what was gathered.
func (o *Output) Flush() error {
	if o.tags != nil {
		if err := o.tags.Flush(); err != nil {
			return err
		}
	}
	if o.csv != nil {
		return o.csv.Flush()
	}
	if o.json != nil {
		return o.json.Flush()
	}
	return nil
}

// Finish ends all streams: it writes bins at hand, and all else that waits.
func (o *Output) Finish() error {
	var err error
	for _, p := range o.pipes {
		err = errors.Join(err, p.Finish())
	}
	if o.merger != nil {
		err = errors.Join(err, o.merger.Finish())
	}
	err = errors.Join(err, o.Flush())
	if o.tags != nil {
		o.tags.Stop()
	}
	return err
}
