package protocol

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// ticks appends the ticks x, of at least one, to dst, and tells whether they never
// decrease. It first takes them for steady light; what they may be besides is found out
// while they are in the caches.
func (e *TagsEncoder) ticks(dst []byte, x []uint64) (out []byte, sorted bool) {
	if x[0] == x[len(x)-1] {
		return e.column.append(dst, x), slices.IsSorted(x)
	}
	start := len(dst)
	if out, sorted = e.rising(dst, x, maxRisingShift); !sorted {
		return e.column.appendBy(&e.disordered, dst, x), false
	}
	if e.regular(x) {
		out = e.shorter(out, start, func(dst []byte) []byte { return e.column.append(dst, x) })
	} else if shift := blockShift(x); shift < maxRisingShift {
		out = e.shorter(out, start, func(dst []byte) []byte { dst, _ = e.rising(dst, x, shift); return dst })
	}
	if fit, ok := e.finder.find(x); ok {
		out = e.shorter(out, start, func(dst []byte) []byte { return e.pulses(dst, x, fit) })
	}
	if len(out)-start > 1+8*len(x) {
		return appendRaw(out[:start], x), true
	}
	return out, true
}

// shorter replaces what stands in out from start on by what another way appends, if that
// is shorter and not nothing.
func (e *TagsEncoder) shorter(out []byte, start int, another func(dst []byte) []byte) []byte {
	e.other = append(e.other[:0], out[start:]...)
	out = another(out[:start])
	if size := len(out) - start; size == 0 || size >= len(e.other) {
		return append(out[:start], e.other...)
	}
	return out
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

// rising appends ticks as their gaps, in blocks of 1<<shift. It gives up where
// they are not sorted.
func (e *TagsEncoder) rising(dst []byte, x []uint64, shift uint) (out []byte, sorted bool) {
	dst = binary.AppendUvarint(append(dst, codecRising, byte(shift)), x[0])
	last := x[0]
	for len(x) > 0 {
		block := x[:min(1<<shift, len(x))]
		if dst, sorted = e.block(dst, block, last); !sorted {
			return nil, false
		}
		last = block[len(block)-1]
		x = x[len(block):]
	}
	return dst, true
}

// blockShift finds the length of blocks, 1 << shift, for which ticks are shortest,
// when each has the parameter for its own rate.
func blockShift(x []uint64) (shift uint) {
	const (
		head  = 40   // bits that a block costs by itself
		least = 0.02 // bits a tag that blocks have to save: those of steady light do not
	)
	n := len(x)
	best := gapBits(x[n-1]-x[0], n) - least*float64(n)
	shift = maxRisingShift
	for s := uint(8); 2<<s <= n; s += 2 {
		bits, last := 0.0, x[0]
		for at := 0; at < n; at += 1 << s {
			end := min(at+1<<s, n)
			bits += head + gapBits(x[end-1]-last, end-at)
			last = x[end-1]
		}
		if bits < best {
			best, shift = bits, s
		}
	}
	return shift
}

// gapBits is what n gaps of some length together cost, but for what it is more than their
// logarithm.
func gapBits(length uint64, n int) float64 {
	return float64(n) * math.Log2(max(float64(length)/float64(n), 1))
}

// block appends one block of ticks that go on behind last, if they are sorted.
func (e *TagsEncoder) block(dst []byte, x []uint64, last uint64) (out []byte, sorted bool) {
	n := len(x)
	if x[n-1] < last {
		return nil, false
	}
	mean := (x[n-1] - last) / uint64(n)
	e.words = resize(e.words, n)
	const surely = 63 - maxRisingShift // bits of gaps whose sum has no more than 63
	if k, expected, pays := expectThirds(n, mean); pays {
		out, c := e.thirds(dst, x, last, k)
		if bits.Len64(c.all)+2 <= surely && math.Abs(float64(c.bits(n))/float64(n)+bitsOfThird-expected) < surprise {
			return appendRice(out, e.words, c), true
		}
	}
	c := e.gaps(x, last, mean)
	if bits.Len64(c.all) > surely && (x[0] < last || !slices.IsSorted(x)) {
		return nil, false
	}
	k, _, pays := thirdsPay(float64(c.bits(n))/float64(n), n, float64(mean))
	if !pays {
		return appendRice(append(dst, byte(c.k)), e.words, c), true
	}
	dst, c = e.thirds(dst, x, last, k)
	return appendRice(dst, e.words, c), true
}

const (
	manyGaps    = 4096 // so many tell whether they are those of photons
	surprise    = 0.03 // bits that they may take more or less, then
	bitsOfThird = 8.0 / 5
)

// gaps makes the words of a block and finds their k.
func (e *TagsEncoder) gaps(x []uint64, last, mean uint64) riceCost {
	const runs, run = 64, 16 // of many gaps, so many are looked at
	n := len(x)
	if n < manyGaps || mean < 8 {
		c := gapsInto(e.words, x, last, 0)
		return bestRice(e.words, mean, c.all)
	}
	k, expected := expectRice(mean)
	c := gapsInto(e.words, x, last, k)
	if math.Abs(float64(c.bits(n))/float64(n)-expected) < surprise {
		return c
	}
	var part [runs * run]uint64
	for i := range runs {
		copy(part[i*run:(i+1)*run], e.words[i*((n-run)/(runs-1)):])
	}
	if k := searchRice(part[:], mean, c.all).k; k != c.k {
		return costOf(e.words, k, c.all)
	}
	return c
}

// gapsInto makes the gaps of x behind last and tells what k costs for them.
func gapsInto(gaps, x []uint64, last uint64, k uint) riceCost {
	var all, unary uint64
	gaps = gaps[:len(x)]
	for i, v := range x {
		gap := v - last
		last = v
		gaps[i] = gap
		all |= gap
		unary += gap >> (k & 63)
	}
	if all>>k >= escapeQuotient {
		return costOf(gaps, k, all)
	}
	return riceCost{k, all, int64(len(x)) + int64(unary), 0}
}

// expectRice is the k of exponential gaps, and what they take, in bits each.
func expectRice(mean uint64) (k uint, expected float64) {
	k = uint(bits.Len64(mean-mean>>2)) - 1
	if math.Ldexp(1, int(k)) < 0.481*float64(mean) { // where two are as good
		k++
	}
	return k, float64(k) + riceBits(float64(mean), math.Ldexp(1, int(k)))
}

// expectThirds is thirdsPay of many gaps, as far as they are exponential.
func expectThirds(n int, mean uint64) (k uint, expected float64, pays bool) {
	if n < manyGaps || mean < 8 {
		return 0, 0, false
	}
	_, have := expectRice(mean)
	return thirdsPay(have, n, float64(mean))
}

// thirdsPay tells whether dividing n gaps by three makes them noticeably shorter than
// the bits that each of them takes, as far as they scatter as those of photons do, the k for
// the thirds, and what they take then.
func thirdsPay(have float64, n int, mean float64) (k uint, expected float64, pays bool) {
	if mean < 1 || n < 64 {
		return 0, 0, false
	}
	best := math.Inf(1)
	for i := range 4 {
		try := uint(max(bits.Len64(uint64(mean/3))-i, 0))
		if bits := bitsOfThird + riceBits(mean, 3*math.Ldexp(1, int(try))) + float64(try); bits < best {
			best, k = bits, try
		}
	}
	return k, best, best*1.0015 < have // less is not worth the time
}

// riceBits is what the quotients of exponentially distributed words cost, in bits each,
// when they are divided by divisor.
func riceBits(mean, divisor float64) float64 { return 1 / -math.Expm1(-divisor/mean) }

// thirds divides the gaps of x behind last by three, into the words, and appends what
// comes before these. It tells what k costs for them.
func (e *TagsEncoder) thirds(dst []byte, x []uint64, last uint64, k uint) ([]byte, riceCost) {
	n := len(x)
	dst = append(slices.Grow(dst, 2+n/5), risingThirds|byte(k))
	out, z := dst[len(dst):len(dst)+n/5], e.words[:n]
	dst = dst[:len(dst)+n/5]
	var all, unary uint64
	for i := range out {
		gaps, five := x[:5:5], z[:5:5]
		x, z = x[5:], z[5:]
		g0, g1, g2, g3, g4 := gaps[0]-last, gaps[1]-gaps[0], gaps[2]-gaps[1], gaps[3]-gaps[2], gaps[4]-gaps[3]
		last = gaps[4]
		a, b, c, d, e := g0/3, g1/3, g2/3, g3/3, g4/3
		out[i] = byte(g0 - 3*a + 3*(g1-3*b+3*(g2-3*c+3*(g3-3*d+3*(g4-3*e)))))
		five[0], five[1], five[2], five[3], five[4] = a, b, c, d, e
		all |= a | b | c | d | e
		unary += a>>(k&63) + b>>(k&63) + c>>(k&63) + d>>(k&63) + e>>(k&63)
	}
	if len(x) > 0 {
		number, place := uint64(0), uint64(1)
		for i, v := range x {
			gap := v - last
			last = v
			z[i] = gap / 3
			number += place * (gap - 3*z[i])
			place *= 3
			all |= z[i]
			unary += z[i] >> (k & 63)
		}
		dst = append(dst, byte(number))
	}
	if all>>k >= escapeQuotient {
		return dst, costOf(e.words[:n], k, all)
	}
	return dst, riceCost{k, all, int64(n) + int64(unary), 0}
}
