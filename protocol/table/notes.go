package table

import (
	"io"
	"strconv"

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
	utc   utcText
	buf   []byte
}

// noteRow is a row but for its two times.
type noteRow struct {
	base      protocol.ID
	at        int64
	timeKnown bool
	cells     string // all that follows t_s, with its comma
}

// NewGapsWriter writes gaps to w, below a header.
func NewGapsWriter(w io.Writer, clock *RowClock) *NotesWriter {
	return &NotesWriter{w: w, clock: clock, buf: []byte(GapsHeader)}
}

// NewEventsWriter writes events to w, below a header.
func NewEventsWriter(w io.Writer, clock *RowClock) *NotesWriter {
	return &NotesWriter{w: w, clock: clock, buf: []byte(EventsHeader)}
}

// Gap appends a gap.
func (n *NotesWriter) Gap(p *Part, g Gap) {
	cells := []byte{','}
	if g.DurationKnown {
		cells = appendSeconds(cells, roundMicros(g.DurationNs))
	}
	cells = strconv.AppendUint(append(cells, ','), uint64(p.Epoch), 10)
	cells = strconv.AppendUint(append(cells, ','), g.FirstIndex, 10)
	cells = append(cells, ',')
	if g.MissingKnown {
		cells = strconv.AppendUint(cells, g.Missing, 10)
	}
	cells = appendCell(append(cells, ','), g.Cause)
	cells = appendCell(append(cells, ','), g.Detail)
	n.write(noteRow{p.Desc.Base, g.BeginNs, g.BeginKnown, string(cells)})
}

// Event appends an event.
func (n *NotesWriter) Event(p *Part, e Event) {
	cells := strconv.AppendUint([]byte{','}, uint64(p.Epoch), 10)
	cells = strconv.AppendUint(append(cells, ','), e.Index, 10)
	for _, s := range []string{e.Who, e.What, e.Old, e.New, e.Text} {
		cells = appendCell(append(cells, ','), s)
	}
	n.write(noteRow{p.Desc.Base, e.AtNs, true, string(cells)})
}

func (n *NotesWriter) write(row noteRow) {
	counted := n.clock.set
	if row.timeKnown {
		if counted {
			n.clock.Use(row.base, row.at)
		}
		offset, _, _, known := n.clock.clocks.Offset(row.base, row.at)
		if known {
			n.buf = n.utc.append(n.buf, roundMicros(row.at+offset))
		}
	}
	n.buf = append(n.buf, ',')
	if row.timeKnown && counted {
		_, _, t := n.clock.Micros(row.at)
		n.buf = appendSeconds(n.buf, t)
	}
	n.buf = append(append(n.buf, row.cells...), '\n')
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
