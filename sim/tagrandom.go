package sim

import (
	"math"
	"math/bits"
)

// fastRandom is SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom
// number generators", OOPSLA 2014): one number per tag must cost next to nothing. It is
// a [rand.Source].
type fastRandom uint64

// Uint64 implements [rand.Source].
func (r *fastRandom) Uint64() uint64 {
	*r += 0x9E3779B97F4A7C15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// unit is uniform above 0 and up to 1.
func (r *fastRandom) unit() float64 {
	const bits = 53
	return float64(r.Uint64()>>(64-bits)+1) * (1.0 / (1 << bits))
}

// exponential has the mean 1.
func (r *fastRandom) exponential() float64 { return -math.Log(r.unit()) }

// chooser draws numbers with given weights at a cost that does not depend on how many
// there are (A. J. Walker, ACM Trans. Math. Software 3 (1977) 253).
type chooser struct {
	keep  []uint32 // of 2^32: how often a place keeps its own number
	other []uint8
}

// newChooser takes at most 256 weights, of which one is positive.
func newChooser(weights []float64) chooser {
	n := len(weights)
	c := chooser{make([]uint32, n), make([]uint8, n)}
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	left := make([]float64, n)
	var poor, rich []int
	for i, w := range weights {
		left[i] = w / sum * float64(n)
		if left[i] < 1 {
			poor = append(poor, i)
		} else {
			rich = append(rich, i)
		}
	}
	for len(poor) > 0 && len(rich) > 0 {
		p, r := poor[len(poor)-1], rich[len(rich)-1]
		poor = poor[:len(poor)-1]
		c.keep[p], c.other[p] = uint32(left[p]*(1<<32)), uint8(r)
		left[r] -= 1 - left[p]
		if left[r] < 1 {
			rich = rich[:len(rich)-1]
			poor = append(poor, r)
		}
	}
	for _, i := range append(poor, rich...) { // of weight 1, but for rounding
		c.keep[i], c.other[i] = math.MaxUint32, uint8(i)
	}
	return c
}

// choose draws one number.
func (c *chooser) choose(r *fastRandom) int {
	place, part := bits.Mul64(r.Uint64(), uint64(len(c.keep)))
	number := uint64(c.other[place])
	if uint32(part>>32) < c.keep[place] { // no branch: it would be guessed wrong
		number = place
	}
	return int(number)
}
