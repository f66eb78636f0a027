package table

import (
	"io"
	"strconv"

	"photongate/protocol"
)

// flushBytes is how much text a writer gathers before it writes.
const flushBytes = 64 << 10

// CSVWriter is a sink that writes readings as CSV: a header, then one row for
// each, all of the same channels; gaps and events have no room in it. The times
// of a row are the begin of its gate. It does not allocate per row. One
// goroutine uses it.
type CSVWriter struct {
	w        io.Writer
	clock    *RowClock
	channels []protocol.Channel
	values   []valueText
	flags    flagText
	quote    bool // a channel's name needs quotes, so a cell of flags may
	cell     []byte
	utc      utcText
	stream   string
	middle   []byte // ",<stream>,<part>,"
	epoch    uint32
	buf      []byte
}

// NewCSVWriter writes to w rows of the channels, with the times of clock. The
// header is written at once (into its buffer).
func NewCSVWriter(w io.Writer, clock *RowClock, channels []protocol.Channel) *CSVWriter {
	c := &CSVWriter{w: w, clock: clock, channels: channels, flags: flagText{channels}, buf: make([]byte, 0, flushBytes+4096)}
	for _, ch := range channels {
		c.values = append(c.values, valueText{ch.Signed, ch.Exponent})
		if len(appendCell(nil, ch.Name)) != len(ch.Name) {
			c.quote = true
		}
	}
	c.buf = append(c.buf, "time_utc,t_s,gate_s,live_s,stream,part,index,flags"...)
	for _, ch := range channels {
		c.buf = appendCell(append(c.buf, ','), ch.Name)
	}
	c.buf = append(c.buf, '\n')
	return c
}

// Channels are those of the rows.
func (c *CSVWriter) Channels() []protocol.Channel { return c.channels }

// Readings implements Sink.
func (c *CSVWriter) Readings(p *Part, firstIndex uint64, rows *protocol.Counts) error {
	c.clock.Use(p.Desc.Base, rows.Begin[0])
	if name := p.Name(); name != c.stream || p.Epoch != c.epoch {
		c.stream, c.epoch = name, p.Epoch
		c.middle = append(strconv.AppendUint(append(appendCell(append(c.middle[:0], ','), name), ','), uint64(p.Epoch), 10), ',')
	}
	for i := range rows.Begin {
		c.row(firstIndex+uint64(i), rows, i)
		if len(c.buf) >= flushBytes {
			if err := c.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Gap implements Sink.
func (c *CSVWriter) Gap(*Part, Gap) error { return nil }

// Event implements Sink.
func (c *CSVWriter) Event(*Part, Event) error { return nil }

func (c *CSVWriter) row(index uint64, rows *protocol.Counts, i int) {
	utc, known, t := c.clock.Micros(rows.Begin[i])
	b := c.buf
	if known {
		b = c.utc.append(b, utc)
	}
	b = appendSeconds(append(b, ','), t)
	b = appendSeconds(append(b, ','), roundMicros(rows.Length[i]))
	b = appendSeconds(append(b, ','), roundMicros(LiveNs(rows, i)))
	b = append(b, c.middle...)
	b = append(strconv.AppendUint(b, index, 10), ',')
	if c.quote {
		c.cell = c.flags.append(c.cell[:0], rows, i, known)
		b = appendCell(b, string(c.cell))
	} else {
		b = c.flags.append(b, rows, i, known)
	}
	for ch, v := range c.values {
		b = append(b, ',')
		if !Absent(rows, ch, i) {
			b = v.append(b, rows.Values[ch][i])
		}
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
