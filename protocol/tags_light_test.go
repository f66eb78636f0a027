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

// burstyLight changes between two rates, a few thousand tags each time. Its entropy is
// that of the gaps while the rate is known.
func burstyLight(name string, rate, dim, tick float64, shares []float64) light {
	l := light{name: name, rate: rate, tick: tick, shares: shares}
	l.entropy = (gapEntropy(1/(rate*tick))+gapEntropy(1/(dim*tick)))/2 + shannon(shares)
	l.draw = func(r *rand.Rand, l light, n int) *Tags {
		t := &Tags{}
		now, left, whole, at := rate, 0, uint64(1e15), 0.0
		for range n {
			if left--; left <= 0 {
				left, now = 3000+r.IntN(2000), rate+dim-now
			}
			at += r.ExpFloat64() / (now * tick)
			f := math.Floor(at)
			whole, at = whole+uint64(f), at-f
			t.Ticks = append(t.Ticks, whole)
		}
		t.Until, t.Channels = whole, drawChannels(r, shares, n)
		return t
	}
	return l
}

// afterpulsingLight is independent tags, each of which is followed by another of
// its own with some probability, after an exponential time, unless one comes before.
func afterpulsingLight(name string, rate, tick, probability, delay float64, shares []float64) light {
	l := light{name: name, rate: rate, tick: tick, shares: shares}
	mean, after := 1/(rate*tick), delay/tick
	// Gaps outlast t with e^(-t/mean) (1 - p + p e^(-t/after)); their density is integrated in steps of 0.1 %.
	const step = 1.001
	for t := after / 1e6; t < 40*mean; t *= step {
		x := t * math.Sqrt(step)
		fast := math.Exp(-x / after)
		density := math.Exp(-x/mean) * ((1-probability+probability*fast)/mean + probability*fast/after)
		l.entropy -= density * math.Log2(density) * t * (step - 1)
	}
	l.entropy += shannon(shares)
	l.draw = func(r *rand.Rand, l light, n int) *Tags {
		t := &Tags{}
		whole, at := uint64(1e15), 0.0
		for range n {
			gap := r.ExpFloat64() * mean
			if r.Float64() < probability {
				gap = min(gap, r.ExpFloat64()*after)
			}
			at += gap
			f := math.Floor(at)
			whole, at = whole+uint64(f), at-f
			t.Ticks = append(t.Ticks, whole)
		}
		t.Until, t.Channels = whole, drawChannels(r, shares, n)
		return t
	}
	return l
}

// pulsedLight is a source of so many pulses a second, of which each gives a tag with the
// probability that makes rate, normally distributed around the pulse.
func pulsedLight(name string, rate, pulses, jitter, tick float64, shares []float64) light {
	l := light{name: name, rate: rate, tick: tick, shares: shares}
	p := rate / pulses
	l.entropy = shannon([]float64{p, 1 - p})/p + math.Log2(jitter/tick*math.Sqrt(2*math.Pi*math.E)) + shannon(shares)
	l.draw = func(r *rand.Rand, l light, n int) *Tags {
		t := &Tags{}
		pulse := 0
		for range n {
			pulse += 1 + int(math.Log(1-r.Float64())/math.Log(1-p))
			whole, part := math.Modf(float64(pulse) / pulses / tick)
			t.Ticks = append(t.Ticks, 1e15+uint64(whole)+uint64(math.Floor(part+20*jitter/tick+r.NormFloat64()*jitter/tick)))
		}
		slices.Sort(t.Ticks)
		t.Until, t.Channels = t.Ticks[n-1], drawChannels(r, shares, n)
		return t
	}
	return l
}
