package output

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// Words of fields that are no channel.
const (
	fieldIndex   = "index"    // of the reading, from 0 in each part
	fieldPart    = "part"     // 1, 2, 3...
	fieldTime    = "t_s"      // begin of the gate, seconds since the first reading that the output saw
	fieldUTC     = "utc_s"    // the same in seconds since 1970, UTC; not known before the gateway knows UTC
	fieldTimeUTC = "time_utc" // the same as text
	fieldGate    = "gate_s"
	fieldLive    = "live_s"
	fieldStream  = "stream" // "pi-lab3/bench"
	fieldFlags   = "flags"  // words joined by |; where a number is asked for, the bits below
)

// Bits of the field flags as a number. Those below are reading flags as they
// stand in the data.
const (
	flagAbsent     = 1 << 12 // the count of a channel is not known
	flagOverflow   = 1 << 13 // a counter overflowed
	flagSuspect    = 1 << 14 // a count is beyond what the counter can hold or the light can make
	flagUTCUnknown = 1 << 15
	readingFlags   = flagAbsent - 1
)

// FieldWords are the fields that are no channel.
func FieldWords() []string {
	return []string{fieldIndex, fieldPart, fieldTime, fieldUTC, fieldTimeUTC, fieldGate, fieldLive, fieldStream, fieldFlags}
}

// IsField reports whether a field of a configuration is something else than
// the name of a channel.
func IsField(word string) bool {
	return slices.Contains(FieldWords(), word) || strings.HasPrefix(word, "=")
}

// kindOfField is what a field's values are. Those of a channel may be any
// number.
func kindOfField(word string) valueKind {
	switch word {
	case fieldTime, fieldUTC, fieldGate, fieldLive:
		return real64
	case fieldTimeUTC, fieldStream:
		return words
	}
	if strings.HasPrefix(word, "=") {
		v := constant(word[1:])
		return v.kind
	}
	return whole
}

// constant is the value of a field "=TEXT", the same in all readings: a number
// where it reads as one.
func constant(text string) value {
	v := value{kind: words, text: []byte(text)}
	magnitude, negative := strings.CutPrefix(text, "-")
	if n, err := strconv.ParseUint(magnitude, 10, 64); err == nil {
		v.kind, v.whole, v.negative = whole, n, negative
	} else if f, err := strconv.ParseFloat(text, 64); err == nil {
		v.kind, v.real = real64, f
	}
	return v
}

// columns find the fields of one output in the readings of one part. One
// goroutine uses them.
type columns struct {
	words    []string
	channel  []int // for each word its channel, -1 for none
	channels []protocol.Channel
	values   []value // of the reading computed last
	clock    *table.RowClock
}

// newColumns resolves fields for a part's channels; no fields are the usual
// ones and all channels.
func newColumns(fields []string, channels []protocol.Channel, clock *table.RowClock) (*columns, error) {
	c := &columns{words: fields, channels: channels, clock: clock}
	if len(fields) == 0 {
		c.words = []string{fieldIndex, fieldTime, fieldGate, fieldFlags}
		for _, ch := range channels {
			c.words = append(c.words, ch.Name)
		}
	}
	c.values = make([]value, len(c.words))
	for i, word := range c.words {
		at := -1
		for n, ch := range channels {
			if ch.Name == word && (len(fields) == 0 && i >= 4 || !IsField(word)) {
				at = n
				break
			}
		}
		if at < 0 && !IsField(word) {
			names := make([]string, len(channels))
			for n, ch := range channels {
				names[n] = ch.Name
			}
			return nil, fmt.Errorf("there is no channel %q (there are %s)", word, strings.Join(names, ", "))
		}
		if strings.HasPrefix(word, "=") && at < 0 {
			c.values[i] = constant(word[1:])
		}
		c.channel = append(c.channel, at)
	}
	return c, nil
}

// compute returns the fields of row i. They are valid until the next call.
func (c *columns) compute(p *table.Part, index uint64, rows *protocol.Counts, i int) []value {
	utc, known, t := c.clock.Micros(rows.Begin[i])
	for n, word := range c.words {
		v := &c.values[n]
		if ch := c.channel[n]; ch >= 0 {
			c.count(v, ch, rows, i)
			continue
		}
		switch word {
		case fieldIndex:
			v.setWhole(false, index)
		case fieldPart:
			v.setWhole(false, uint64(p.Epoch))
		case fieldTime:
			v.setMicros(t)
		case fieldUTC, fieldTimeUTC:
			c.utc(v, word, utc, known)
		case fieldGate:
			v.setMicros(table.RoundMicros(rows.Length[i]))
		case fieldLive:
			v.setMicros(table.RoundMicros(table.LiveNs(rows, i)))
		case fieldStream:
			v.kind, v.text = words, append(append(append(v.text[:0], p.Gateway...), '/'), p.Stream...)
		case fieldFlags:
			v.text = table.AppendFlags(v.text[:0], c.channels, rows, i, known)
			v.kind, v.whole = whole, flagBits(rows, i, known)
		}
	}
	return c.values
}

func (v *value) setMicros(micros int64) {
	v.text = table.AppendSeconds(v.text[:0], micros)
	v.setReal(float64(micros) / 1e6)
}

func (c *columns) utc(v *value, word string, utc int64, known bool) {
	switch {
	case !known:
		v.setUnknown()
	case word == fieldUTC:
		v.setMicros(utc)
	default:
		v.kind, v.text = words, time.UnixMicro(utc).UTC().AppendFormat(v.text[:0], "2006-01-02T15:04:05.000000Z")
	}
}

func (c *columns) count(v *value, ch int, rows *protocol.Counts, i int) {
	if table.Absent(rows, ch, i) {
		v.setUnknown()
		return
	}
	channel := c.channels[ch]
	word := rows.Values[ch][i]
	v.text = table.AppendValue(v.text[:0], channel, word)
	negative := channel.Signed && int64(word) < 0
	if negative {
		word = -word
	}
	v.setScaled(negative, word, channel.Exponent)
}

// flagBits are the flags of row i as a number.
func flagBits(rows *protocol.Counts, i int, utcKnown bool) uint64 {
	bits := uint64(0)
	if len(rows.Flags) > 0 {
		bits = uint64(rows.Flags[i]) & readingFlags
	}
	for _, column := range rows.ValueFlags {
		if len(column) == 0 {
			continue
		}
		f := column[i]
		if f&protocol.ValueAbsent != 0 {
			bits |= flagAbsent
		}
		if f&protocol.ValueOverflow != 0 {
			bits |= flagOverflow
		}
		if f&protocol.ValueSuspect != 0 {
			bits |= flagSuspect
		}
	}
	if !utcKnown {
		bits |= flagUTCUnknown
	}
	return bits
}
