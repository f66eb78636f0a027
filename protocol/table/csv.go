package table

import (
	"io"
	"strconv"
	"strings"

	"photongate/protocol"
)

// flushBytes is how much text a writer gathers before it writes.
const flushBytes = 64 << 10

// CSVWriter is a sink that writes readings as CSV: a header, then one row for
// each, all of the same channels; gaps and events have no room in it. The times
// of a row are the begin of its gate. It does not allocate per row. One
// goroutine uses it.
type CSVWriter struct {
	w      io.Writer
	clock  *RowClock
	view   *View
	layout *layout
	merged bool
	values []valueText // of the layout when it is plain and points are points, else none
	cells  cellText
	style  style
	flags  flagText
	quote  bool // a channel's name needs quotes, so a cell of flags may
	cell   []byte
	utc    utcText
	local  utcText
	stream string
	middle []byte // ",<stream>,<part>,"
	epoch  uint32
	rows   int
	buf    []byte
}

// NewCSVWriter writes to w rows of the channels, with the times of clock. The
// header is written at once (into its buffer).
func NewCSVWriter(w io.Writer, clock *RowClock, channels []protocol.Channel) *CSVWriter {
	return NewViewWriter(w, clock, &View{}, &Part{channels: channels})
}

// NewViewWriter is NewCSVWriter for rows as a view shows them, with the channels
// of a part.
func NewViewWriter(w io.Writer, clock *RowClock, v *View, p *Part) *CSVWriter {
	c := &CSVWriter{w: w, clock: clock, view: v, layout: newLayout(v, p), style: styleOf(v.Excel), buf: make([]byte, 0, flushBytes+4096)}
	c.merged = len(c.layout.merged) > 0
	c.flags = flagText{c.layout.channels, c.layout.merged}
	c.cells = cellText{point: c.style.point}
	c.utc, c.local = timeTexts(v)
	for _, ch := range c.layout.channels {
		if len(c.style.cell(nil, ch.Name)) != len(ch.Name) {
			c.quote = true
		}
	}
	if c.layout.plain && c.style.point == '.' {
		for _, s := range c.layout.show {
			c.values = append(c.values, s.text)
		}
	}
	names := timeColumns(v, c.merged)
	c.buf = append(c.buf, c.style.header(strings.Join(names, ","))...)
	for _, column := range c.layout.columns(v) {
		c.buf = c.style.cell(append(c.buf, c.style.sep), column.Name)
		c.cells.before = append(c.cells.before, []byte{c.style.sep})
	}
	c.buf = append(c.buf, '\n')
	return c
}

// Channels are those of the rows.
func (c *CSVWriter) Channels() []protocol.Channel { return c.layout.channels }

// Readings implements Sink. The error is ErrSheetFull when Excel would not open
// more rows; those before are written.
func (c *CSVWriter) Readings(p *Part, firstIndex uint64, rows *protocol.Counts) error {
	c.clock.Use(p.Base(), rows.Begin[0])
	c.layout.use(c.view, p)
	if name := p.Name(); name != c.stream || p.Epoch != c.epoch {
		c.stream, c.epoch = name, p.Epoch
		c.middle = append(strconv.AppendUint(append(c.style.cell(append(c.middle[:0], c.style.sep), name), c.style.sep), uint64(p.Epoch), 10), c.style.sep)
	}
	for i := range rows.Begin {
		if c.style.excel && c.Full(1) {
			return ErrSheetFull
		}
		c.row(firstIndex+uint64(i), rows, i)
		c.rows++
		if len(c.buf) >= flushBytes {
			if err := c.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Full reports whether Excel would not open so many rows more.
func (c *CSVWriter) Full(rows int) bool { return c.style.excel && 1+c.rows+rows > ExcelRows }

// Gap implements Sink.
func (c *CSVWriter) Gap(*Part, Gap) error { return nil }

// Event implements Sink.
func (c *CSVWriter) Event(*Part, Event) error { return nil }

func (c *CSVWriter) row(index uint64, rows *protocol.Counts, i int) {
	utc, known, t := c.clock.Micros(rows.Begin[i])
	b, s := c.buf, c.style
	if known {
		b = c.utc.append(b, utc)
	}
	if c.local.zone != nil {
		b = append(b, s.sep)
		if known {
			b = c.local.append(b, utc)
		}
	}
	numbers := len(b)
	b = appendSeconds(append(b, s.sep), t)
	b = appendSeconds(append(b, s.sep), roundMicros(rows.Length[i]))
	if !c.merged {
		b = appendSeconds(append(b, s.sep), roundMicros(LiveNs(rows, i)))
	}
	if s.point != '.' {
		s.comma(b[numbers:])
	}
	if !c.merged {
		b = append(b, c.middle...)
		b = strconv.AppendUint(b, index, 10)
	}
	b = append(b, s.sep)
	if c.quote {
		c.cell = c.flags.append(c.cell[:0], rows, i, known)
		b = s.cell(b, string(c.cell))
	} else {
		b = c.flags.append(b, rows, i, known)
	}
	for ch, v := range c.values {
		b = append(b, s.sep)
		if !Absent(rows, ch, i) {
			b = v.append(b, rows.Values[ch][i])
		}
	}
	if c.values == nil {
		b = c.layout.append(b, rows, i, &c.cells)
	}
	c.buf = append(b, '\n')
}

// Flush writes what was gathered.
func (c *CSVWriter) Flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	_, err := c.w.Write(c.buf)
	c.buf = c.buf[:0]
	return err
}

// timeTexts write the two times of a view.
func timeTexts(v *View) (utc, local utcText) {
	s := styleOf(v.Excel)
	utc = utcText{excel: s.excel, point: s.point}
	local = utc
	local.zone = v.Zone
	return utc, local
}

// timeColumns are the names of the columns before the values.
func timeColumns(v *View, merged bool) []string {
	names := []string{"time_utc"}
	if v.Zone != nil {
		names = append(names, "time_local")
	}
	names = append(names, "t_s", "gate_s")
	if !merged {
		names = append(names, "live_s", "stream", "part", "index")
	}
	return append(names, "flags")
}

// Columns describes the columns of CSV for the channels of a part.
func Columns(v *View, p *Part) []Column {
	says := map[string]Column{
		"time_utc":   {"", "", "begin of the gate, UTC as the gateway knows it; empty when it is not known"},
		"time_local": {"", "", "the same in local time"},
		"t_s":        {"", "s", "begin of the gate, since the first row of this file"},
		"gate_s":     {"", "s", "length of the gate"},
		"live_s":     {"", "s", "part of the gate that was really counted"},
		"stream":     {"", "", "gateway/stream"},
		"part":       {"", "", "unbroken stretch of the stream, numbered"},
		"index":      {"", "", "number of the reading within its part, lost ones counted"},
		"flags":      {"", "", "words joined by |, empty when all is well"},
	}
	if v.Every > 0 {
		says["time_utc"] = Column{"", "", "begin of the bin, UTC as the gateway knows it; empty when it is not known"}
		says["t_s"] = Column{"", "s", "begin of the bin, since the first row of this file"}
		says["gate_s"] = Column{"", "s", "length of the bin"}
		says["live_s"] = Column{"", "s", "what the gates that began in the bin really counted"}
		says["index"] = Column{"", "", "number of the bin's first reading within its part, lost ones counted"}
	}
	var list []Column
	for _, name := range timeColumns(v, p.Merged()) {
		column := says[name]
		column.Name = name
		list = append(list, column)
	}
	return append(list, newLayout(v, p).columns(v)...)
}
