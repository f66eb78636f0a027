package receiver

import (
	"encoding/json"
	"io"
	"strconv"

	"photongate/protocol"
)

// ndjson is a sink that writes one JSON object per line: readings, gaps and
// events, told apart by "type". 64-bit integers are plain numbers, times have
// six decimals as in CSV. One goroutine uses it.
type ndjson struct {
	w     io.Writer
	clock *rowClock
	utc   utcText
	buf   []byte

	// Of the part in use.
	epoch   uint32
	stream  string
	middle  []byte   // ,"stream":...,"part":...,"index":
	names   [][]byte // "A":
	values  []valueText
	flags   flagText
	wordBuf []byte
}

func newNDJSON(w io.Writer, clock *rowClock) *ndjson {
	return &ndjson{w: w, clock: clock}
}

func (n *ndjson) use(p *part) {
	if n.stream == p.name() && n.epoch == p.epoch && len(n.values) == len(p.desc.Channels) {
		return
	}
	n.stream, n.epoch = p.name(), p.epoch
	n.middle = append(n.middle[:0], `,"stream":`...)
	n.middle = appendJSONText(n.middle, n.stream)
	n.middle = strconv.AppendUint(append(n.middle, `,"part":`...), uint64(p.epoch), 10)
	n.names, n.values, n.flags = nil, nil, flagText{append([]protocol.Channel(nil), p.desc.Channels...)}
	for _, ch := range p.desc.Channels {
		n.names = append(n.names, append(appendJSONText(nil, ch.Name), ':'))
		n.values = append(n.values, valueText{ch.Signed, ch.Exponent})
	}
}

// readings implements sink.
func (n *ndjson) readings(p *part, firstIndex uint64, c *protocol.Counts) error {
	n.use(p)
	n.clock.use(p.desc.Base, c.Begin[0])
	for i := range c.Begin {
		n.reading(firstIndex+uint64(i), c, i)
		if len(n.buf) >= flushBytes {
			if err := n.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *ndjson) reading(index uint64, c *protocol.Counts, i int) {
	utc, known, t := n.clock.micros(c.Begin[i])
	b := n.times(append(n.buf, `{"type":"reading","time_utc":`...), utc, known)
	b = appendSeconds(append(b, `,"t_s":`...), t)
	b = appendSeconds(append(b, `,"gate_s":`...), roundMicros(c.Length[i]))
	b = appendSeconds(append(b, `,"live_s":`...), roundMicros(live(c, i)))
	b = append(append(b, n.middle...), `,"index":`...)
	b = append(strconv.AppendUint(b, index, 10), `,"flags":[`...)
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
		b = appendJSONText(b, string(n.wordBuf))
	})
	b = append(b, `],"values":{`...)
	for ch := range n.values {
		if ch > 0 {
			b = append(b, ',')
		}
		b = append(b, n.names[ch]...)
		if absent(c, ch, i) {
			b = append(b, "null"...)
		} else {
			b = n.values[ch].append(b, c.Values[ch][i])
		}
	}
	n.buf = append(b, "}}\n"...)
}

func (n *ndjson) times(b []byte, utc int64, known bool) []byte {
	if !known {
		return append(b, "null"...)
	}
	return append(n.utc.append(append(b, '"'), utc), '"')
}

// gap implements sink.
func (n *ndjson) gap(p *part, g gapRow) error {
	n.use(p)
	b := append(n.buf, `{"type":"gap"`...)
	b = n.noteTimes(b, p, g.beginNs, g.beginKnown)
	if g.durationKnown {
		b = appendSeconds(append(b, `,"duration_s":`...), roundMicros(g.durationNs))
	}
	b = append(append(b, n.middle...), `,"first_index":`...)
	b = strconv.AppendUint(b, g.firstIndex, 10)
	if g.missingKnown {
		b = strconv.AppendUint(append(b, `,"readings_missing":`...), g.missing, 10)
	}
	b = appendJSONText(append(b, `,"cause":`...), g.cause)
	b = appendJSONText(append(b, `,"detail":`...), g.detail)
	n.buf = append(b, "}\n"...)
	return nil
}

// event implements sink.
func (n *ndjson) event(p *part, e eventRow) error {
	n.use(p)
	b := append(n.buf, `{"type":"event"`...)
	b = n.noteTimes(b, p, e.at, true)
	b = append(append(b, n.middle...), `,"index":`...)
	b = strconv.AppendUint(b, e.index, 10)
	for _, field := range [...][2]string{{"who", e.event.Who}, {"what", e.event.What}, {"old", e.event.Old}, {"new", e.event.New}, {"text", e.event.Text}} {
		b = append(append(append(b, `,"`...), field[0]...), `":`...)
		b = appendJSONText(b, field[1])
	}
	n.buf = append(b, "}\n"...)
	return nil
}

func (n *ndjson) noteTimes(b []byte, p *part, at int64, atKnown bool) []byte {
	if !atKnown {
		return b
	}
	offset, _, _, known := n.clock.clocks.offset(p.desc.Base, at)
	b = n.times(append(b, `,"time_utc":`...), roundMicros(at+offset), known)
	if n.clock.set {
		n.clock.use(p.desc.Base, at)
		_, _, t := n.clock.micros(at)
		b = appendSeconds(append(b, `,"t_s":`...), t)
	}
	return b
}

func (n *ndjson) flush() error {
	if len(n.buf) == 0 {
		return nil
	}
	_, err := n.w.Write(n.buf)
	n.buf = n.buf[:0]
	return err
}

// appendJSONText appends s as a JSON string.
func appendJSONText(dst []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' || s[i] >= 0x7f {
			plain = false
		}
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	text, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...) // a string always has a JSON form
	}
	return append(dst, text...)
}
