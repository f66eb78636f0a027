package output

import (
	"io"

	"photongate/protocol"
	"photongate/protocol/table"
)

type view struct{ format string }

func (r *request) options(words []string) error {
	r.streams = words
	r.view.format = r.verb
	return nil
}

type rowOutput struct {
	w   io.Writer
	v   view
	csv *table.CSVWriter
	js  *table.NDJSONWriter
}

func newRowOutput(w io.Writer, v view) (*rowOutput, error) { return &rowOutput{w: w, v: v}, nil }

type standinSink struct {
	o     *rowOutput
	clock *table.RowClock
}

func (o *rowOutput) Stream(clocks *table.ClockTable) table.Sink {
	return &standinSink{o, table.NewRowClock(clocks)}
}

func (s *standinSink) Readings(p *table.Part, first uint64, c *protocol.Counts) error {
	if s.o.v.format == verbNDJSON {
		if s.o.js == nil {
			s.o.js = table.NewNDJSONWriter(s.o.w, s.clock)
		}
		return s.o.js.Readings(p, first, c)
	}
	if s.o.csv == nil {
		s.o.csv = table.NewCSVWriter(s.o.w, s.clock, p.Desc.Channels)
	}
	if !table.SameColumns(s.o.csv.Channels(), p.Desc.Channels) {
		return errMixed
	}
	return s.o.csv.Readings(p, first, c)
}
func (s *standinSink) Gap(*table.Part, table.Gap) error     { return nil }
func (s *standinSink) Event(*table.Part, table.Event) error { return nil }

func (o *rowOutput) Flush() error {
	if o.csv != nil {
		return o.csv.Flush()
	}
	if o.js != nil {
		return o.js.Flush()
	}
	return nil
}
func (o *rowOutput) Finish() error { return o.Flush() }
