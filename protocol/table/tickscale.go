package table

import (
	"math"
	"math/bits"

	"photongate/protocol"
)

// tickScale turns ticks into time. The zero value is that of a tick nobody knows:
// no time passes.
type tickScale struct {
	num, den uint64
	ps       uint64 // picoseconds of a tick, when that is a whole number, of up to
	most     uint64 // so many ticks; else 0
}

const psPerSecond = 1_000_000_000_000

func newTickScale(t *protocol.Tick) tickScale {
	if t == nil {
		return tickScale{den: 1}
	}
	s := tickScale{num: uint64(t.Num), den: uint64(t.Den)}
	if hi, lo := bits.Mul64(s.num, psPerSecond); hi < s.den {
		if q, r := bits.Div64(hi, lo, s.den); r == 0 {
			s.ps, s.most = q, math.MaxInt64/q
		}
	}
	return s
}

// seconds is how long ticks last: whole seconds and the rest in 1/parts of one,
// rounded down. More than 2^64 s is 2^64 - 1 s.
func (s tickScale) seconds(ticks, parts uint64) (whole, rest uint64) {
	hi, lo := bits.Mul64(ticks, s.num)
	if hi >= s.den {
		return math.MaxUint64, 0
	}
	whole, r := bits.Div64(hi, lo, s.den)
	hi, lo = bits.Mul64(r, parts)
	rest, _ = bits.Div64(hi, lo, s.den) // r < den, so that the quotient is below parts
	return whole, rest
}

// ns is the time from one tick to another, negative backwards; at most 292 years.
func (s tickScale) ns(from, to uint64) int64 {
	if int64(to-from) < 0 {
		return -s.ns(to, from)
	}
	whole, rest := s.seconds(to-from, 1_000_000_000)
	if whole > math.MaxInt64/1_000_000_000-1 {
		return math.MaxInt64
	}
	return int64(whole*1_000_000_000 + rest)
}

// psOf is the time from one tick to another in ps, negative backwards; at most
// 106 days.
func (s tickScale) psOf(from, to uint64) int64 {
	d := to - from
	if d <= s.most {
		return int64(d * s.ps)
	}
	if int64(d) < 0 {
		return -s.psOf(to, from)
	}
	whole, rest := s.seconds(d, psPerSecond)
	if whole > math.MaxInt64/psPerSecond-1 {
		return math.MaxInt64
	}
	return int64(whole*psPerSecond + rest)
}

// reaches is the number of ticks that a time takes, rounded up; 2^64 - 1 when
// they are more, or when nobody knows how long they are.
func (s tickScale) reaches(ns int64) uint64 {
	if ns <= 0 {
		return 0
	}
	seconds, rest := uint64(ns)/1_000_000_000, uint64(ns)%1_000_000_000
	if s.num == 0 {
		return math.MaxUint64
	}
	// (seconds x 10^9 + rest) x den / (num x 10^9)
	hi, lo := bits.Mul64(seconds*1_000_000_000+rest, s.den)
	over, divisor := bits.Mul64(s.num, 1_000_000_000)
	if over > 0 || hi >= divisor {
		return math.MaxUint64
	}
	q, r := bits.Div64(hi, lo, divisor)
	if r > 0 {
		q++
	}
	return q
}
