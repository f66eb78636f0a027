package protocol

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// columnEncoder writes columns, each in the codec that makes it shortest. It
// keeps scratch memory; the zero value is ready.
type columnEncoder struct {
	z         []uint64 // zigzag words of the reference or differences, whichever is tried last
	quotients []uint64 // of bell, tried last
	samples   [maxSamples]uint64
}

const (
	maxSamples = 31      // values that a median is guessed from
	maxPairs   = 128     // neighbours that a mean difference is guessed from, at least
	exactSpan  = 1 << 40 // spans below it cannot overflow sums of MaxValues words
)

// choice is a codec with its parameters and its exact cost.
type choice struct {
	codec byte
	ref   uint64
	step  uint64 // of differences, zigzag
	rice  riceCost
	bell  bellCost
	size  int64 // bytes of the whole column
}

// append appends x, of at least one value, as a column to dst.
func (e *columnEncoder) append(dst []byte, x []uint64) []byte {
	s := surveyOf(x)
	if s.span() == 0 {
		return appendConstantOrRaw(dst, x[0], len(x))
	}
	best, tried := e.choose(x, s)
	e.prepare(x, best, tried)
	return e.write(dst, x, best)
}

// choose finds the shortest way for x, whose values are not all equal. tried is the
// one whose words stand in e.z.
func (e *columnEncoder) choose(x []uint64, s survey) (best, tried choice) {
	e.z = resize(e.z, len(x))
	best = choice{codec: codecRaw, size: 1 + 8*int64(len(x))}
	if fixed := s.fixed(x); fixed.size < best.size {
		best = fixed
	}
	tried = e.tryRice(x, s, &best)
	return best, tried
}

// prepare makes the words of what was chosen, where another way was tried later in
// vain.
func (e *columnEncoder) prepare(x []uint64, best, tried choice) {
	if tried == best || best.codec == codecRaw || best.codec >= codecFixed && best.codec < codecRice {
		return
	}
	e.words(x, best)
	if isBell(best.codec) {
		bellQuotients(e.z, e.quotients, best.bell.k, best.bell.s)
	}
}

// write appends x in the way chosen, whose words are in e.z.
func (e *columnEncoder) write(dst []byte, x []uint64, c choice) []byte {
	switch {
	case c.codec == codecRaw:
		return appendRaw(dst, x)
	case c.codec >= codecFixed && c.codec < codecRice:
		return appendFixed(dst, x, e.z, c.ref, uint(c.codec&codecParameter))
	}
	dst = append(dst, c.codec)
	dst = binary.AppendUvarint(dst, c.ref)
	if isBell(c.codec) {
		return appendBell(dst, e.z, e.quotients, c.bell)
	}
	if c.codec >= codecRiceDiff {
		dst = binary.AppendUvarint(dst, c.step)
	}
	return appendRice(dst, e.z, c.rice)
}

// survey is what one pass over a column tells.
type survey struct {
	first  uint64
	lo, hi int64 // smallest and largest value less the first, modulo 2^64
	sum    int64 // of all values less the first; good while span is below exactSpan
}

func surveyOf(x []uint64) survey {
	first := x[0]
	var lo, hi, sum int64
	for _, v := range x {
		d := int64(v - first)
		lo, hi = min(lo, d), max(hi, d)
		sum += d
	}
	return survey{first, lo, hi, sum}
}

// span is the largest value less the smallest.
func (s survey) span() uint64 { return uint64(s.hi) - uint64(s.lo) }

// meanDifference is the mean of the zigzag differences of x, of at least two
// values, or of maxPairs to 2 x maxPairs of them, evenly spread, where there are more.
func meanDifference(x []uint64) uint64 {
	stride := max((len(x)-1)/maxPairs, 1)
	var high, low, carry uint64
	n := 0
	for i := 1; i < len(x); i += stride {
		low, carry = bits.Add64(low, zigzag(x[i]-x[i-1]), 0)
		high += carry
		n++
	}
	return meanOf(high, low, n)
}

// meanOf divides the sum of n words by n; the sum's high word is less than n.
func meanOf(high, low uint64, n int) uint64 {
	mean, _ := bits.Div64(high, low, uint64(n))
	return mean
}

// fixed is the choice of fields above the smallest value.
func (s survey) fixed(x []uint64) choice {
	w := uint(bits.Len64(s.span()))
	if w > codecParameter {
		return choice{size: 1 << 62}
	}
	ref := s.first + uint64(s.lo)
	return choice{codec: codecFixed + byte(w), ref: ref, size: 1 + int64(uvarintSize(ref)) + bitBytes(len(x), w)}
}

// mean is the mean value, for spans below exactSpan.
func (s survey) mean(n int) uint64 {
	ref := s.first + uint64(floorDiv(s.sum+int64(n)/2, int64(n)))
	if int64(ref) < 0 && int64(s.first)+s.hi >= 0 {
		return 0 // a negative reference takes ten bytes
	}
	return ref
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// tryRice puts into best the shortest of the Rice choices, if it is shorter, and
// returns the one whose words stand in e.z.
func (e *columnEncoder) tryRice(x []uint64, s survey, best *choice) (tried choice) {
	n := len(x)
	referred := choice{codec: codecRice}
	if s.span() < exactSpan {
		referred.ref = s.mean(n)
	} else {
		referred.ref = e.medianValue(x)
	}
	mean := e.try(x, &referred)
	if uint(bits.Len64(s.span())) > referred.rice.k+5 && n > maxSamples {
		// Some values lie far out and have drawn the mean, or there are two heaps.
		median := choice{codec: codecRice, ref: e.medianValue(x)}
		if m := e.try(x, &median); median.size < referred.size {
			referred, mean = median, m
		} else {
			tried = median
		}
	}
	if tried == (choice{}) {
		tried = referred
	}
	if referred.size < best.size {
		*best = referred
	}
	// Differences of values that scatter freely are larger by a factor of 1.4 than the
	// distances from their mean: not worth a try.
	if d := meanDifference(x); d-d/8 <= mean {
		tried = e.tryDifferences(x, best)
	}
	return tried
}

// tryDifferences is tryRice for the differences.
func (e *columnEncoder) tryDifferences(x []uint64, best *choice) (tried choice) {
	step := e.medianStep(x)
	tried = choice{codec: codecRiceDiff, ref: x[0] - step, step: zigzag(step)}
	e.try(x, &tried)
	if tried.size < best.size {
		*best = tried
	}
	return tried
}

// try makes the words of c in e.z, fills in k and the size, and returns the mean word.
// It makes bell of Rice where that is shorter.
func (e *columnEncoder) try(x []uint64, c *choice) (mean uint64) {
	high, low, all := e.words(x, *c)
	mean = meanOf(high, low, len(x))
	c.rice = bestRice(e.z, mean, all)
	c.codec = c.codec&^codecParameter | byte(c.rice.k)
	c.size = 1 + int64(uvarintSize(c.ref)) + c.rice.bytes(len(x))
	if c.codec >= codecRiceDiff {
		c.size += int64(uvarintSize(c.step))
	} else {
		e.tryBell(c)
	}
	return mean
}

// tryBell makes bell of Rice around a reference where that is shorter.
func (e *columnEncoder) tryBell(c *choice) {
	k, s, guess := guessBell(e.z, c.rice.k)
	if guess >= c.rice.bits(len(e.z)) {
		return
	}
	e.quotients = resize(e.quotients, len(e.z))
	bell := bellQuotients(e.z, e.quotients, k, s)
	if size := 1 + int64(uvarintSize(c.ref)) + bell.bytes(len(e.z)); size < c.size {
		c.codec, c.bell, c.size = bellCodec(k, s), bell, size
	}
}

// words makes the zigzag words of c in e.z, and gives their sum and OR.
func (e *columnEncoder) words(x []uint64, c choice) (high, low, all uint64) {
	z := e.z[:len(x)]
	var carry uint64
	if c.codec >= codecRiceDiff {
		last, step := c.ref, unzigzag(c.step)
		for i, v := range x {
			w := zigzag(v - last - step)
			last = v
			z[i] = w
			all |= w
			low, carry = bits.Add64(low, w, 0)
			high += carry
		}
		return high, low, all
	}
	ref := c.ref
	for i, v := range x {
		w := zigzag(v - ref)
		z[i] = w
		all |= w
		low, carry = bits.Add64(low, w, 0)
		high += carry
	}
	return high, low, all
}

// medianValue guesses the median of x from some of its values.
func (e *columnEncoder) medianValue(x []uint64) uint64 {
	s := e.samples[:min(len(x), maxSamples)]
	for i := range s {
		s[i] = x[i*len(x)/len(s)]
	}
	slices.SortFunc(s, func(a, b uint64) int { return compareSigned(a-x[0], b-x[0]) })
	return s[len(s)/2]
}

// medianStep guesses the median difference of x, or 0 when differences have no
// common direction.
func (e *columnEncoder) medianStep(x []uint64) uint64 {
	n := len(x) - 1
	s := e.samples[:min(n, maxSamples)]
	rising, falling := 0, 0
	for i := range s {
		at := i * n / len(s)
		s[i] = x[at+1] - x[at]
		switch d := int64(s[i]); {
		case d > 0:
			rising++
		case d < 0:
			falling++
		}
	}
	if 4*max(rising, falling) < 3*len(s) {
		return 0
	}
	slices.SortFunc(s, compareSigned)
	return s[len(s)/2]
}

func compareSigned(a, b uint64) int {
	switch {
	case int64(a) < int64(b):
		return -1
	case int64(a) > int64(b):
		return 1
	}
	return 0
}
