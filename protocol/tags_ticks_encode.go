package protocol

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// ticks appends the ticks x, of at least one, to dst.
func (e *TagsEncoder) ticks(dst []byte, x []uint64, sorted bool) []byte {
	start := len(dst)
	if !sorted || x[len(x)-1] == x[0] || e.regular(x) {
		return e.column.append(dst, x)
	}
	dst = e.rising(dst, x, maxRisingShift)
	if len(dst)-start > 1+8*len(x) {
		return appendRaw(dst[:start], x)
	}
	return dst
}

// regular tells from some gaps whether they scatter around a common length,
// rather than as those of photons do.
func (e *TagsEncoder) regular(x []uint64) bool {
	var gaps [maxSamples]uint64
	n := min(len(x)-1, maxSamples)
	if n < 3 {
		return false
	}
	sum := 0.0
	for i := range n {
		at := i * (len(x) - 1) / n
		gaps[i] = x[at+1] - x[at]
		sum += float64(gaps[i])
	}
	slices.Sort(gaps[:n])
	// Of exponential gaps the middle half is 1.1 means wide.
	return float64(gaps[n*3/4]-gaps[n/4]) < sum/float64(n)/2
}

// rising appends sorted ticks as their gaps, in blocks of 1<<shift.
func (e *TagsEncoder) rising(dst []byte, x []uint64, shift uint) []byte {
	dst = binary.AppendUvarint(append(dst, codecRising, byte(shift)), x[0])
	last := x[0]
	for len(x) > 0 {
		block := x[:min(1<<shift, len(x))]
		dst = e.block(dst, block, last)
		last = block[len(block)-1]
		x = x[len(block):]
	}
	return dst
}

// block appends one block of sorted ticks that go on behind last.
func (e *TagsEncoder) block(dst []byte, x []uint64, last uint64) []byte {
	n := len(x)
	mean := (x[n-1] - last) / uint64(n)
	e.words = resize(e.words, n)
	var all uint64
	for i, v := range x {
		e.words[i] = v - last
		all |= v - last
		last = v
	}
	c := bestRice(e.words, mean, all)
	if !thirdsPay(c, n, float64(mean)) {
		return appendRice(append(dst, byte(c.k)), e.words, c)
	}
	at := len(dst)
	dst = append(dst, 0)
	dst = e.thirds(dst, n)
	c = bestRice(e.words, mean/3, all/3) // of all/3 no bit is lower than those of the words
	dst[at] = risingThirds | byte(c.k)
	return appendRice(dst, e.words, c)
}

// thirdsPay tells whether dividing the gaps by three makes them noticeably shorter than
// c does, as far as they scatter as those of photons do.
func thirdsPay(c riceCost, n int, mean float64) bool {
	if mean < 1 || n < 64 {
		return false
	}
	have := float64(c.bits(n)) / float64(n)
	const inEight = 8.0 / 5 // bits of a third: five in a byte
	best := math.Inf(1)
	guess := bits.Len64(uint64(mean / 3))
	for k := max(guess-2, 0); k <= guess; k++ {
		best = min(best, inEight+riceBits(mean, 3*math.Ldexp(1, k))+float64(k))
	}
	return best*1.004 < have
}

// riceBits is what the quotients of exponentially distributed words cost, in bits each,
// when they are divided by divisor.
func riceBits(mean, divisor float64) float64 { return 1 / -math.Expm1(-divisor/mean) }

// thirds divides the words by three and appends what is left over.
func (e *TagsEncoder) thirds(dst []byte, n int) []byte {
	z := e.words[:n]
	for len(z) > 0 {
		five := z[:min(5, len(z))]
		number, place := uint64(0), uint64(1)
		for i, v := range five {
			w := v / 3
			number += place * (v - 3*w)
			place *= 3
			five[i] = w
		}
		dst = append(dst, byte(number))
		z = z[len(five):]
	}
	return dst
}
