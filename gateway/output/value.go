package output

import (
	"math"
	"math/bits"
	"strconv"
)

// value is one field of one reading, as exact as it is known.
type value struct {
	kind     valueKind
	negative bool    // of whole
	whole    uint64  // magnitude
	real     float64 // of a real
	text     []byte  // what the field is in a line of text; of every kind but unknown
}

type valueKind byte

const (
	unknown valueKind = iota // not known: an empty cell, not a number
	whole
	real64
	words
)

// fits reports whether a value can be written in a code without becoming
// another one. What is not known fits a float, as not a number.
func (v value) fits(item recordItem) bool {
	switch item.code {
	case 's':
		return len(v.text) <= item.size
	case 'f':
		return v.kind == unknown || v.kind != words && !(math.Abs(v.float()) > math.MaxFloat32)
	case 'd':
		return v.kind != words
	case '?':
		return v.kind == whole
	}
	width := 8 * item.size
	switch {
	case v.kind != whole:
		return false
	case item.code >= 'A' && item.code <= 'Z': // unsigned
		return !v.negative && bits.Len64(v.whole) <= width
	case v.negative:
		return v.whole <= 1<<(width-1)
	}
	return bits.Len64(v.whole) < width
}

// zero reports whether a whole number is 0.
func (v value) zero() bool { return v.whole == 0 }

// word is a whole number as a word of two's complement.
func (v value) word() uint64 {
	if v.negative {
		return -v.whole
	}
	return v.whole
}

// float is a number as a float, not a number when it is not known.
func (v value) float() float64 {
	switch {
	case v.kind == real64:
		return v.real
	case v.kind != whole:
		return math.NaN()
	case v.negative:
		return -float64(v.whole)
	}
	return float64(v.whole)
}

// setWhole makes v a whole number.
func (v *value) setWhole(negative bool, magnitude uint64) {
	text := v.text[:0]
	if negative {
		text = append(text, '-')
	}
	*v = value{kind: whole, negative: negative, whole: magnitude, text: strconv.AppendUint(text, magnitude, 10)}
}

// setReal makes v a real number whose text the caller wrote into v.text.
func (v *value) setReal(r float64) { v.kind, v.real = real64, r }

// setUnknown makes v a value that is not known.
func (v *value) setUnknown() { *v = value{text: v.text[:0]} }

// setScaled makes v a number times ten to an exponent, whose text the caller
// wrote into v.text: a whole number where it is one.
func (v *value) setScaled(negative bool, magnitude uint64, exponent int) {
	v.kind, v.negative, v.whole = whole, negative, magnitude
	for ; exponent > 0; exponent-- {
		high, low := bits.Mul64(v.whole, 10)
		if high != 0 {
			break
		}
		v.whole = low
	}
	for ; exponent < 0 && v.whole%10 == 0 && v.whole > 0; exponent++ {
		v.whole /= 10
	}
	if exponent != 0 && v.whole != 0 {
		r := float64(magnitude)
		if parsed, err := strconv.ParseFloat(string(v.text), 64); err == nil {
			r = math.Abs(parsed)
		}
		if negative {
			r = -r
		}
		v.kind, v.real = real64, r
	}
}
