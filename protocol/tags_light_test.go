package protocol

import (
	"math"
	"math/rand/v2"
	"slices"
)

// light draws tags of some kind of light and knows their entropy.
type light struct {
	name    string
	rate    float64   // of all channels, counts per second
	tick    float64   // seconds
	shares  []float64 // of the channels
	entropy float64   // bits for each tag
	draw    func(r *rand.Rand, l light, n int) *Tags
}

// shannon is the entropy in bits of choosing among shares.
func shannon(shares []float64) (bits float64) {
	for _, p := range shares {
		bits -= p * math.Log2(p)
	}
	return bits
}

func equalShares(n int) []float64 {
	shares := make([]float64, n)
	for i := range shares {
		shares[i] = 1 / float64(n)
	}
	return shares
}

// gapEntropy is that of the ticks between independent tags, mean ticks apart: of
// exponential gaps that are rounded, to much better than 0.0001 bits above 10 ticks.
func gapEntropy(mean float64) float64 { return math.Log2(math.E * mean) }

// poissonLight is independent tags: the entropy is that of a gap and of a channel.
func poissonLight(name string, rate, tick float64, shares []float64) light {
	l := light{name: name, rate: rate, tick: tick, shares: shares, draw: drawPoisson}
	l.entropy = gapEntropy(1/(rate*tick)) + shannon(shares)
	return l
}

func drawPoisson(r *rand.Rand, l light, n int) *Tags {
	t := &Tags{}
	whole, at := uint64(1e15), 0.0 // float64 keeps its exactness only near 0
	for range n {
		at += r.ExpFloat64() / (l.rate * l.tick)
		f := math.Floor(at)
		whole, at = whole+uint64(f), at-f
		t.Ticks = append(t.Ticks, whole)
	}
	t.Until = whole
	t.Channels = drawChannels(r, l.shares, n)
	return t
}

func drawChannels(r *rand.Rand, shares []float64, n int) []uint8 {
	var below []float64
	sum := 0.0
	for _, p := range shares {
		sum += p
		below = append(below, sum)
	}
	c := make([]uint8, n)
	for i := range c {
		at, _ := slices.BinarySearch(below, r.Float64()*sum)
		c[i] = uint8(min(at, len(shares)-1))
	}
	return c
}
