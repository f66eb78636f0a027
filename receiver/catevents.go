package receiver

import (
	"errors"
	"slices"
	"strings"

	"photongate/protocol"
	"photongate/protocol/table"
)

// wantsEvents reports whether the stream "gateway" was asked for by its name: its
// events are what the gateway did, as what it dropped. A pattern means readings.
func (o *CatOptions) wantsEvents(gateway string) bool {
	return slices.ContainsFunc(o.Streams, func(p string) bool { return isEvents(p) && matches([]string{p}, gateway, gatewayStream) })
}

func isEvents(pattern string) bool {
	return pattern == gatewayStream || strings.HasSuffix(pattern, "/"+gatewayStream)
}

// eventsOnly reports whether nothing but events was asked for.
func (o *CatOptions) eventsOnly() bool {
	return len(o.Streams) > 0 && !slices.ContainsFunc(o.Streams, func(p string) bool { return !isEvents(p) })
}

// checkEvents refuses what does not go together with events.
func (o *CatOptions) checkEvents() error {
	switch {
	case !slices.ContainsFunc(o.Streams, isEvents):
		return nil
	case o.Folder != "":
		return errors.New("--out writes the events of each stream beside it; those of the stream gateway go to the standard output: leave out --out, as in --stream gateway > events.csv")
	case o.eventsOnly() && (o.View.Merge || o.View.Every > 0):
		return errors.New("--stream gateway gives events, which --every and --merge cannot sum: leave these out")
	case !o.eventsOnly() && o.View.Format != table.NDJSON:
		return errors.New("the stream gateway gives events, which have other columns than readings: ask for it alone, or for both with --format ndjson")
	}
	return nil
}

// addEvents begins to read the stream "gateway": for its clocks, and for its
// events where they were asked for.
func (c *catter) addEvents(s *catStream, cut *cut) {
	s.first = table.Discard{}
	clocks := s.decoder.Clocks()
	switch {
	case !c.o.wantsEvents(s.decoder.Part().Gateway):
		return
	case c.events != nil:
		s.end = &eventsOf{c.events, clocks}
	default:
		s.end = c.output.End(clocks)
	}
	s.pipe = table.NewPipe(&table.View{From: c.o.View.From, To: c.o.View.To}, clocks, s)
	s.first = s.pipe
	if cut != nil {
		s.first = newCutStream(cut, clocks, s.pipe)
	}
}

// eventRows are events as CSV.
type eventRows struct {
	c     *catter
	clock *table.RowClock
	w     *table.NotesWriter
}

func newEventRows(c *catter) *eventRows {
	clock := table.NewRowClock(table.NewClockTable())
	return &eventRows{c: c, clock: clock, w: table.NewEventsWriter(c.w, clock, &c.o.View)}
}

// eventsOf is the end of one gateway's events.
type eventsOf struct {
	rows   *eventRows
	clocks *table.ClockTable
}

// Readings implements table.Sink: there are none.
func (e *eventsOf) Readings(*table.Part, uint64, *protocol.Counts) error { return nil }

// Gap implements table.Sink: cat counts it.
func (e *eventsOf) Gap(*table.Part, table.Gap) error { return nil }

// Event implements table.Sink.
func (e *eventsOf) Event(p *table.Part, event table.Event) error {
	e.rows.clock.SetClocks(e.clocks)
	e.rows.c.summary.Rows++
	e.rows.w.Event(p, event)
	return nil
}
