package table

import (
	"encoding/json"
	"io"
	"strconv"

	"photongate/protocol"
)

// NDJSONWriter is a sink that writes one JSON object per line: readings, gaps and
// events, told apart by "type". 64-bit integers are plain numbers, times have
// six decimals as in CSV. One goroutine uses it.
type NDJSONWriter struct {
	w     io.Writer
	clock *RowClock
	view  *View
	utc   utcText
	local utcText
	buf   []byte

	// Of the part in use.
	epoch   uint32
	stream  string
	middle  []byte // ,"stream":...,"part":...
	layout  *layout
	cells   cellText
	flags   flagText
	wordBuf []byte
}

// NewNDJSONWriter writes to w, with the times of clock.
func NewNDJSONWriter(w io.Writer, clock *RowClock) *NDJSONWriter {
	return newNDJSONWriter(w, clock, &View{})
}

func newNDJSONWriter(w io.Writer, clock *RowClock, v *View) *NDJSONWriter {
	return &NDJSONWriter{w: w, clock: clock, view: v, local: utcText{zone: v.Zone}}
}

func (n *NDJSONWriter) use(p *Part) {
	if n.stream == p.Name() && n.epoch == p.Epoch && len(n.flags.channels) == len(p.Channels()) {
		return
	}
	n.stream, n.epoch = p.Name(), p.Epoch
	n.middle = append(n.middle[:0], `,"stream":`...)
	n.middle = appendJSONText(n.middle, n.stream)
	n.middle = strconv.AppendUint(append(n.middle, `,"part":`...), uint64(p.Epoch), 10)
	if p.Merged() {
		n.middle = n.middle[:0]
	}
	shown := *p
	shown.channels = append([]protocol.Channel{}, p.Channels()...)
	n.layout = newLayout(n.view, &shown)
	n.layout.use(n.view, p)
	n.flags = flagText{n.layout.channels, n.layout.merged}
	n.cells = cellText{absent: "null", point: '.'}
	for _, column := range n.layout.columns(n.view) {
		name := append(appendJSONText(nil, column.Name), ':')
		if len(n.cells.before) > 0 {
			name = append([]byte{','}, name...)
		}
		n.cells.before = append(n.cells.before, name)
	}
}

// Readings implements Sink.
func (n *NDJSONWriter) Readings(p *Part, firstIndex uint64, c *protocol.Counts) error {
	n.use(p)
	n.clock.Use(p.Base(), c.Begin[0])
	for i := range c.Begin {
		n.reading(firstIndex+uint64(i), c, i)
		if len(n.buf) >= flushBytes {
			if err := n.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *NDJSONWriter) reading(index uint64, c *protocol.Counts, i int) {
	utc, known, t := n.clock.Micros(c.Begin[i])
	b := n.times(append(n.buf, `{"type":"reading"`...), utc, known)
	b = appendSeconds(append(b, `,"t_s":`...), t)
	b = appendSeconds(append(b, `,"gate_s":`...), roundMicros(c.Length[i]))
	if len(n.layout.merged) == 0 {
		b = appendSeconds(append(b, `,"live_s":`...), roundMicros(LiveNs(c, i)))
		b = append(append(b, n.middle...), `,"index":`...)
		b = strconv.AppendUint(b, index, 10)
	}
	b = append(b, `,"flags":[`...)
	first := true
	n.flags.visit(c, i, known, func(word, channel string) {
		if !first {
			b = append(b, ',')
		}
		first = false
		n.wordBuf = append(n.wordBuf[:0], word...)
		if channel != "" {
			n.wordBuf = append(append(n.wordBuf, ':'), channel...)
		}
		b = appendJSONText(b, n.wordBuf)
	})
	b = n.layout.append(append(b, `],"values":{`...), c, i, &n.cells)
	n.buf = append(b, "}}\n"...)
}

func (n *NDJSONWriter) times(b []byte, utc int64, known bool) []byte {
	b = append(b, `,"time_utc":`...)
	if !known {
		b = append(b, "null"...)
	} else {
		b = append(n.utc.append(append(b, '"'), utc), '"')
	}
	if n.local.zone != nil && known {
		b = append(n.local.append(append(b, `,"time_local":"`...), utc), '"')
	}
	return b
}

// Gap implements Sink.
func (n *NDJSONWriter) Gap(p *Part, g Gap) error {
	n.use(p)
	b := append(n.buf, `{"type":"gap"`...)
	b = n.noteTimes(b, p, g.BeginNs, g.BeginKnown)
	if g.DurationKnown {
		b = appendSeconds(append(b, `,"duration_s":`...), roundMicros(g.DurationNs))
	}
	b = append(append(b, n.middle...), `,"first_index":`...)
	b = strconv.AppendUint(b, g.FirstIndex, 10)
	if g.MissingKnown {
		name := `,"readings_missing":`
		if p.IsTags() {
			name = `,"tags_missing":`
		}
		b = strconv.AppendUint(append(b, name...), g.Missing, 10)
	}
	b = appendJSONText(append(b, `,"cause":`...), g.Cause)
	b = appendJSONText(append(b, `,"detail":`...), g.Detail)
	n.buf = append(b, "}\n"...)
	return nil
}

// Event implements Sink.
func (n *NDJSONWriter) Event(p *Part, e Event) error {
	n.use(p)
	b := append(n.buf, `{"type":"event"`...)
	b = n.noteTimes(b, p, e.AtNs, true)
	b = append(append(b, n.middle...), `,"index":`...)
	b = strconv.AppendUint(b, e.Index, 10)
	for _, field := range [...][2]string{{"who", e.Who}, {"what", e.What}, {"old", e.Old}, {"new", e.New}, {"text", e.Text}} {
		b = append(append(append(b, `,"`...), field[0]...), `":`...)
		b = appendJSONText(b, field[1])
	}
	n.buf = append(b, "}\n"...)
	return nil
}

func (n *NDJSONWriter) noteTimes(b []byte, p *Part, at int64, atKnown bool) []byte {
	if !atKnown {
		return b
	}
	offset, _, _, known := n.clock.clocks.Offset(p.Base(), at)
	b = n.times(b, roundMicros(at+offset), known)
	if n.clock.set {
		n.clock.Use(p.Base(), at)
		_, _, t := n.clock.Micros(at)
		b = appendSeconds(append(b, `,"t_s":`...), t)
	}
	return b
}

// Flush writes what was gathered.
func (n *NDJSONWriter) Flush() error {
	if len(n.buf) == 0 {
		return nil
	}
	_, err := n.w.Write(n.buf)
	n.buf = n.buf[:0]
	return err
}

// appendJSONText appends s as a JSON string.
func appendJSONText[T string | []byte](dst []byte, s T) []byte {
	plain := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' || s[i] >= 0x7f {
			plain = false
		}
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	text, err := json.Marshal(string(s))
	if err != nil {
		return append(dst, `""`...) // a string always has a JSON form
	}
	return append(dst, text...)
}
