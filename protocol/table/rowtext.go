package table

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/protocol"
)

// RowClock gives rows their two times: UTC, and seconds since the first row of
// the output. One goroutine uses it.
type RowClock struct {
	clocks *ClockTable
	set    bool        // zero is known
	base   protocol.ID // of zero
	zero   int64       // begin of the first row
	shifts map[protocol.ID]int64

	// Of the base in use.
	current          protocol.ID
	shift            int64
	offset, from, to int64 // UTC = base + offset within [from, to)
	known            bool
}

// NewRowClock returns a clock that takes UTC from the table.
func NewRowClock(clocks *ClockTable) *RowClock {
	return &RowClock{clocks: clocks, shifts: map[protocol.ID]int64{}}
}

// SetClocks goes on with rows of another gateway: its bases are in this table.
func (r *RowClock) SetClocks(clocks *ClockTable) { r.clocks = clocks }

// Use goes on with rows of a base, the first of which begins at.
func (r *RowClock) Use(base protocol.ID, at int64) {
	if !r.set {
		r.set, r.base, r.zero = true, base, at
	}
	shift, ok := r.shifts[base]
	if !ok {
		shift = r.clocks.Shift(r.base, base)
		r.shifts[base] = shift
	}
	r.current, r.shift = base, shift
	r.offset, r.from, r.to, r.known = r.clocks.Offset(base, at)
}

// Micros returns UTC and the time since the first row, both in microseconds,
// of a moment of the base in use. utc means nothing unless known.
func (r *RowClock) Micros(at int64) (utc int64, known bool, t int64) {
	if at < r.from || at >= r.to {
		r.offset, r.from, r.to, r.known = r.clocks.Offset(r.current, at)
	}
	return roundMicros(at + r.offset), r.known, roundMicros(at + r.shift - r.zero)
}

// roundMicros rounds ns to microseconds, halves up.
func roundMicros(ns int64) int64 {
	q := ns / 1000
	if r := ns % 1000; r >= 500 {
		q++
	} else if r < -500 {
		q--
	}
	return q
}

// appendSeconds appends microseconds as seconds with six decimals.
func appendSeconds(dst []byte, micros int64) []byte {
	if micros < 0 {
		dst = append(dst, '-')
	}
	u := uint64(micros)
	if micros < 0 {
		u = -u
	}
	return appendSix(strconv.AppendUint(dst, u/1_000_000, 10), u%1_000_000)
}

// appendSix appends a point and six digits.
func appendSix(dst []byte, v uint64) []byte {
	return append(dst, '.', byte('0'+v/100_000), byte('0'+v/10_000%10), byte('0'+v/1000%10), byte('0'+v/100%10), byte('0'+v/10%10), byte('0'+v%10))
}

// FormatUTC is a moment in ns since 1970 as rows show it:
// 2026-11-20T13:30:12.100000Z.
func FormatUTC(ns int64) string {
	return string(new(utcText).append(nil, roundMicros(ns)))
}

// utcText writes UTC as 2026-11-20T13:30:12.100000Z and remembers the second.
// In a zone it is 2026-11-20T14:30:12.100000+01:00, and for Excel, to the
// millisecond, 2026-11-20 14:30:12.100.
type utcText struct {
	zone   *time.Location // nil: UTC
	excel  bool
	point  byte // for Excel
	second int64
	text   []byte // up to the point; empty: none remembered
	behind []byte // the zone
}

func (u *utcText) append(dst []byte, micros int64) []byte {
	if u.excel {
		micros = (micros + 500) / 1000 * 1000
	}
	second, rest := micros/1_000_000, micros%1_000_000
	if rest < 0 {
		second, rest = second-1, rest+1_000_000
	}
	if len(u.text) == 0 || second != u.second {
		u.remember(second)
	}
	dst = appendSix(append(dst, u.text...), uint64(rest))
	if u.excel {
		dst[len(dst)-7] = u.point
		return dst[:len(dst)-3]
	}
	return append(dst, u.behind...)
}

func (u *utcText) remember(second int64) {
	t, form := time.Unix(second, 0).UTC(), "2006-01-02T15:04:05"
	if u.zone != nil {
		t = t.In(u.zone)
	}
	if u.excel {
		form = "2006-01-02 15:04:05"
	}
	u.second, u.text = second, t.AppendFormat(u.text[:0], form)
	if u.zone == nil {
		u.behind = append(u.behind[:0], 'Z')
	} else {
		u.behind = t.AppendFormat(u.behind[:0], "-07:00")
	}
}

// valueText writes the values of one channel in its unit: the integer times
// ten to the exponent, exactly.
type valueText struct {
	signed   bool
	exponent int
}

func (v valueText) append(dst []byte, word uint64) []byte {
	if v.signed && int64(word) < 0 {
		dst = append(dst, '-')
		word = -word
	}
	if v.exponent == 0 || word == 0 {
		return strconv.AppendUint(dst, word, 10)
	}
	start := len(dst)
	dst = strconv.AppendUint(dst, word, 10)
	for range min(v.exponent, maxExponent) {
		dst = append(dst, '0')
	}
	if v.exponent > 0 {
		return dst
	}
	places := min(-v.exponent, maxExponent)
	for len(dst)-start <= places {
		dst = slices.Insert(dst, start, '0')
	}
	return slices.Insert(dst, len(dst)-places, '.')
}

// maxExponent bounds how many zeros an exponent from the network can ask for.
const maxExponent = 40

// flagText knows the words of the flags of a stream's rows.
type flagText struct {
	channels []protocol.Channel
	merged   []mergedStream
}

const utcUnknown = "utc_unknown"

// visit calls yield with the word of each flag of row i, in the order reading
// flags, value flags by channel, utc_unknown.
func (f flagText) visit(c *protocol.Counts, i int, utcKnown bool, yield func(word, channel string)) {
	if len(c.Flags) > 0 {
		for rest := c.Flags[i]; rest != 0; rest &= rest - 1 {
			yield(protocol.ReadingFlagWord(bits.TrailingZeros32(rest)), "")
		}
	}
	for _, m := range f.merged {
		for rest := uint32(c.Values[m.flags][i]); rest != 0; rest &= rest - 1 {
			yield(protocol.ReadingFlagWord(bits.TrailingZeros32(rest)), m.name)
		}
	}
	for ch := range f.channels {
		if len(c.ValueFlags) <= ch || len(c.ValueFlags[ch]) == 0 {
			continue
		}
		for rest := c.ValueFlags[ch][i] &^ protocol.ValueAbsent; rest != 0; rest &= rest - 1 {
			yield(protocol.ValueFlagWord(bits.TrailingZeros8(rest)), f.channels[ch].Name)
		}
	}
	if !utcKnown {
		yield(utcUnknown, "")
	}
}

// append appends the words joined by |.
func (f flagText) append(dst []byte, c *protocol.Counts, i int, utcKnown bool) []byte {
	start := len(dst)
	f.visit(c, i, utcKnown, func(word, channel string) {
		if len(dst) > start {
			dst = append(dst, '|')
		}
		dst = append(dst, word...)
		if channel != "" {
			dst = append(append(dst, ':'), channel...)
		}
	})
	return dst
}

// Absent reports whether the value of a channel in row i is not known.
func Absent(c *protocol.Counts, ch, i int) bool {
	return len(c.ValueFlags) > ch && len(c.ValueFlags[ch]) > 0 && c.ValueFlags[ch][i]&protocol.ValueAbsent != 0
}

// LiveNs is the live time of row i in ns.
func LiveNs(c *protocol.Counts, i int) int64 {
	if len(c.Dead) == 0 {
		return c.Length[i]
	}
	return c.Length[i] - c.Dead[i]
}

// appendCell appends a CSV cell, quoted where RFC 4180 asks for it.
func appendCell(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\n\r") {
		return append(dst, s...)
	}
	return appendQuoted(dst, s)
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// SameColumns reports whether the channels of two parts make the same columns.
func SameColumns(a, b []protocol.Channel) bool {
	return slices.EqualFunc(a, b, func(x, y protocol.Channel) bool {
		return x.Name == y.Name && x.Kind == y.Kind && x.Exponent == y.Exponent && x.Unit == y.Unit && x.Signed == y.Signed
	})
}
