package homebuilt

import (
	"math"
	"math/bits"

	"photongate/device"
	"photongate/instrument"
)

// verdict says what bytes are.
type verdict int

const (
	unclear verdict = iota // more bytes are needed to tell
	reading
	event    // one event, without numbers
	ignored  // documented, and no reading: a banner, a header, an answer
	trouble  // the instrument says that something is wrong
	unfit    // nothing that the file describes
	nothings // ignored without a word: an empty line, an echo
)

// format is the way of cutting bytes into pieces and of reading them. It is the
// one judgement of bytes: opening, resynchronising, reading and showing all use it.
// It is used by one goroutine.
type format interface {
	// cut says what buf begins with and how many bytes that takes. Of a reading it
	// fills the row.
	cut(buf []byte, row *row) (n int, v verdict)
	// explain says in words what a piece is that cut found.
	explain(piece []byte, v verdict) string
}

// row is what one line or record says.
type row struct {
	values []uint64
	flags  []device.ChannelFlags
	marks  device.ReadingFlags
	own    [ownValues]uint64 // in the units of ownDecimals
	tag    tag               // of an instrument of tags
	cr     bool              // the line ended in CR and LF
}

// What a reading may say of itself besides its channels.
const (
	ownLength = iota
	ownClock
	ownNumber
	ownTime // of a tag in a line of text
	ownChannel
	ownEdge
	ownValues
)

// ownDecimals are the digits behind the point that are kept of a length or clock
// in a line of text.
const ownDecimals = 6

func newRow(channels int) row {
	return row{values: make([]uint64, channels), flags: make([]device.ChannelFlags, channels)}
}

// slot is a place that one value goes to: a channel, or one of the row's own.
type slot struct {
	ref     instrument.Ref
	channel int // -1 for one of the row's own
	own     int
	spec    number
}

// slots lists where the values of a file go.
func slots(f *instrument.File) []slot {
	var list []slot
	for i := range f.Channels {
		if ch := &f.Channels[i]; !ch.From.IsZero() {
			list = append(list, slot{ref: ch.From, channel: i, spec: numberOf(ch, f)})
		}
	}
	if f.Tags != nil {
		return tagSlots(f)
	}
	for own, ref := range []instrument.Ref{ownLength: f.Gate.Length, ownClock: f.Gate.Clock, ownNumber: f.Gate.Number} {
		if ref.IsZero() {
			continue
		}
		spec := number{base: 10, factor: 1, max: math.MaxUint64}
		if f.Text != nil {
			spec.base = uint64(f.Text.Base)
			if own != ownNumber && spec.base == 10 {
				spec.decimals = ownDecimals
			}
		}
		list = append(list, slot{ref: ref, channel: -1, own: own, spec: spec})
	}
	return list
}

// put stores what was read for a slot.
func (r *row) put(s *slot, v uint64, f device.ChannelFlags) {
	if s.channel < 0 {
		if f&device.Overflow != 0 { // of an edge: the word for a rising one
			v = 1
		}
		r.own[s.own] = v
		return
	}
	r.values[s.channel], r.flags[s.channel] = v, f
	if f&device.Suspect != 0 {
		r.marks |= device.Implausible
	}
}

// number says how the digits of one value become what is stored.
type number struct {
	base     uint64
	decimals int
	factor   uint64
	signed   bool
	width    int // bits of the instrument's counter, 0 when unknown or none
	max      uint64
	overflow *instrument.Sentinel
	absent   []instrument.Sentinel
}

func numberOf(ch *instrument.Channel, f *instrument.File) number {
	n := number{
		base: 10, decimals: ch.Decimals, factor: ch.Factor, signed: ch.Signed,
		max: math.MaxUint64, overflow: ch.Overflow, absent: ch.Absent,
	}
	if f.Text != nil {
		n.base = uint64(f.Text.Base)
	}
	if ch.Max != nil {
		n.max = *ch.Max
	}
	if ch.Kind == instrument.Count || ch.Kind == instrument.Total {
		n.width = ch.Width
	}
	return n
}

// stored brings a number that was read, without its sign, into the form in which
// it is kept; whole is what stands before its point, or one more where something
// stands behind it. It reports false for one that is too large to be.
func (n *number) stored(v, whole uint64, negative bool) (uint64, device.ChannelFlags, bool) {
	var f device.ChannelFlags
	if whole > n.max || negative && !n.signed {
		return 0, 0, false
	}
	if n.width > 0 && n.width < 64 && whole>>n.width != 0 {
		f = device.Suspect
	}
	high, low := bits.Mul64(v, n.factor)
	if high != 0 || n.signed && low > math.MaxInt64 {
		return 0, 0, false
	}
	if negative {
		low = -low
	}
	return low, f, true
}

// scaled reads digits, with as many behind the point as are kept, and the whole
// number that is no less. It reports false for what is no number, has too many digits, or is too
// large.
func (n *number) scaled(digits []byte) (v, whole uint64, ok bool) {
	seen, behind, point, fraction := 0, 0, false, false
	for _, c := range digits {
		if c == '.' && n.base == 10 && !point {
			point, whole = true, v
			continue
		}
		d := digit(c)
		if d >= n.base {
			return 0, 0, false
		}
		seen++
		if point {
			if behind == n.decimals {
				if d != 0 {
					return 0, 0, false // more digits than are kept
				}
				continue
			}
			behind++
			fraction = fraction || d != 0
		}
		high, low := bits.Mul64(v, n.base)
		sum, carry := bits.Add64(low, d, 0)
		if high != 0 || carry != 0 {
			return 0, 0, false
		}
		v = sum
	}
	if !point {
		whole = v
	} else if fraction {
		whole++
	}
	for ; behind < n.decimals; behind++ {
		high, low := bits.Mul64(v, 10)
		if high != 0 {
			return 0, 0, false
		}
		v = low
	}
	return v, whole, seen > 0
}

// digit is the value of a digit, 255 for none.
func digit(c byte) uint64 {
	switch {
	case '0' <= c && c <= '9':
		return uint64(c - '0')
	case 'a' <= c && c <= 'f':
		return uint64(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return uint64(c-'A') + 10
	}
	return 255
}
