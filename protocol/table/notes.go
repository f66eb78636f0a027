package table

import (
	"io"
	"strconv"
	"strings"

	"photongate/protocol"
)

// The headers of the files of gaps and of events.
const (
	GapsHeader   = "time_utc,t_s,duration_s,part,first_index,readings_missing,cause,detail\n"
	EventsHeader = "time_utc,t_s,part,index,who,what,old,new,text\n"
)

// NotesWriter writes gaps or events as CSV. As long as the output has no reading,
// rows have no t_s, which counts from the first one. One goroutine uses it.
type NotesWriter struct {
	w     io.Writer
	clock *RowClock
	style style
	utc   utcText
	local utcText
	buf   []byte
}

// NewGapsWriter writes gaps to w, below a header, with the times that a view
// shows.
func NewGapsWriter(w io.Writer, clock *RowClock, v *View) *NotesWriter {
	return newNotesWriter(w, clock, v, GapsHeader)
}

// NewTagGapsWriter is NewGapsWriter for a stream of tags: what is missing is tags.
func NewTagGapsWriter(w io.Writer, clock *RowClock, v *View) *NotesWriter {
	return newNotesWriter(w, clock, v, strings.Replace(GapsHeader, "readings_missing", "tags_missing", 1))
}

// NewEventsWriter writes events to w, below a header, with the times that a view
// shows.
func NewEventsWriter(w io.Writer, clock *RowClock, v *View) *NotesWriter {
	return newNotesWriter(w, clock, v, EventsHeader)
}

func newNotesWriter(w io.Writer, clock *RowClock, v *View, header string) *NotesWriter {
	n := &NotesWriter{w: w, clock: clock, style: styleOf(v.Excel)}
	n.utc, n.local = timeTexts(v)
	if v.Zone != nil {
		header = strings.Replace(header, "time_utc,", "time_utc,time_local,", 1)
	}
	n.buf = n.style.header(header)
	return n
}

// Gap appends a gap.
func (n *NotesWriter) Gap(p *Part, g Gap) {
	n.times(p.Base(), g.BeginNs, g.BeginKnown)
	b, s := n.buf, n.style
	b = append(b, s.sep)
	if g.DurationKnown {
		b = s.seconds(b, roundMicros(g.DurationNs))
	}
	b = strconv.AppendUint(append(b, s.sep), uint64(p.Epoch), 10)
	b = strconv.AppendUint(append(b, s.sep), g.FirstIndex, 10)
	b = append(b, s.sep)
	if g.MissingKnown {
		b = strconv.AppendUint(b, g.Missing, 10)
	}
	b = s.cell(append(b, s.sep), g.Cause)
	b = s.cell(append(b, s.sep), g.Detail)
	n.buf = append(b, '\n')
}

// Event appends an event.
func (n *NotesWriter) Event(p *Part, e Event) {
	n.times(p.Base(), e.AtNs, true)
	b, s := n.buf, n.style
	b = strconv.AppendUint(append(b, s.sep), uint64(p.Epoch), 10)
	b = strconv.AppendUint(append(b, s.sep), e.Index, 10)
	for _, text := range [...]string{e.Who, e.What, e.Old, e.New, e.Text} {
		b = s.cell(append(b, s.sep), text)
	}
	n.buf = append(b, '\n')
}

// times appends the times of a row.
func (n *NotesWriter) times(base protocol.ID, at int64, known bool) {
	counted := n.clock.set
	if known && counted {
		n.clock.Use(base, at)
	}
	utc, utcKnown := n.clock.clocks.UTC(base, at)
	b := n.buf
	if known && utcKnown {
		b = n.utc.append(b, roundMicros(utc))
	}
	b = append(b, n.style.sep)
	if n.local.zone != nil {
		if known && utcKnown {
			b = n.local.append(b, roundMicros(utc))
		}
		b = append(b, n.style.sep)
	}
	if known && counted {
		_, _, t := n.clock.Micros(at)
		b = n.style.seconds(b, t)
	}
	n.buf = b
}

// Flush writes what was gathered.
func (n *NotesWriter) Flush() error {
	if len(n.buf) == 0 {
		return nil
	}
	_, err := n.w.Write(n.buf)
	n.buf = n.buf[:0]
	return err
}
