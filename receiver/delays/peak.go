package delays

import (
	"math"
	"slices"
)

// Peak is what stands out in a histogram. Differences are in ticks, of the times
// of B less those of A.
type Peak struct {
	Found      bool
	Position   float64 // its centre of mass
	Error      float64 // one standard deviation of it
	Width      float64 // full width at half height; of a peak within one bin that bin's
	Pairs      float64 // in it, above the background
	Height     float64 // pairs in its highest bin, above the background
	Background float64 // pairs in a bin, beside it
	Sigma      float64 // how many standard deviations it stands out
}

// leastSigma is how far the best of many places has to stand out to be a peak,
// and leastPairs how many pairs it has at least: the highest of a million bins of
// plain noise reaches about five.
const (
	leastSigma = 7
	leastPairs = 8
)

// Peak looks for the peak, narrow or wide: sums over 1, 2, 4... bins are held
// against the background, which is the mean of the bins that are not near it.
// Found is false when nothing stands out; what there is of background is told all
// the same.
func (h *Histogram) Peak() Peak {
	sums := make([]uint64, len(h.Counts)+1)
	for i, c := range h.Counts {
		sums[i+1] = sums[i] + c
	}
	background := h.firstBackground(sums)
	for range 4 { // each time without the peak that the one before has found
		p, from, to := search(sums, background)
		p.Found = p.Sigma >= leastSigma
		without := meanWithout(sums, from-(to-from), to+(to-from))
		if !p.Found || math.Abs(without-background) < background/1000 {
			return h.finish(p, from, to)
		}
		background = without
	}
	return h.finish(search(sums, background))
}

// search finds the place that stands out most from a background.
func search(sums []uint64, background float64) (p Peak, from, to int) {
	n := len(sums) - 1
	p.Background = background
	for width := 1; width <= max(1, n/4); width *= 2 {
		expected := background * float64(width)
		scale := 1 / math.Sqrt(expected+1)
		for i := 0; i+width <= n; i++ {
			excess := float64(sums[i+width]-sums[i]) - expected
			if sigma := excess * scale; sigma > p.Sigma && excess >= leastPairs {
				p.Sigma, from, to = sigma, i, i+width
			}
		}
	}
	return p, from, to
}

// finish measures the peak, if it is one.
func (h *Histogram) finish(p Peak, from, to int) Peak {
	if p.Found = p.Sigma >= leastSigma; !p.Found {
		return Peak{Background: p.Background}
	}
	h.shape(&p, from, to)
	return p
}

// firstBackground is the number of pairs in a bin, as far as that can be told
// before the peak is known: the median, or where bins are nearly empty the mean.
func (h *Histogram) firstBackground(sums []uint64) float64 {
	mean := meanWithout(sums, 0, 0)
	if median := slices.Sorted(slices.Values(h.Counts))[len(h.Counts)/2]; median >= 5 {
		return min(mean, float64(median))
	}
	return mean
}

// meanWithout is the mean of the bins that do not lie between from and to.
func meanWithout(sums []uint64, from, to int) float64 {
	n := len(sums) - 1
	from, to = max(0, from), min(n, to)
	if to-from >= n {
		from, to = 0, 0
	}
	return float64(sums[n]-(sums[to]-sums[from])) / float64(n-(to-from))
}

// shape measures a peak that lies in the bins from to to.
func (h *Histogram) shape(p *Peak, from, to int) {
	top := from
	for i := from; i < to; i++ {
		if h.Counts[i] > h.Counts[top] {
			top = i
		}
	}
	p.Height = float64(h.Counts[top]) - p.Background
	left, right := h.half(top, -1, p), h.half(top, 1, p)
	p.Width = max(right-left, 1) * float64(h.Bin)
	// The centre of mass within a width to either side of the middle.
	reach := max((right-left)*1.5, float64(to-from)/2, 1)
	middle := (left + right) / 2
	var pairs, moment, square, all float64
	for i := max(0, int(math.Ceil(middle-reach))); i <= min(len(h.Counts)-1, int(middle+reach)); i++ {
		excess := float64(h.Counts[i]) - p.Background
		x := float64(i) - middle
		pairs, moment, square, all = pairs+excess, moment+excess*x, square+float64(h.Counts[i])*x*x, all+float64(h.Counts[i])
	}
	p.Pairs = pairs
	at := middle
	if pairs > 0 {
		if shift := moment / pairs; math.Abs(shift) <= reach {
			at += shift
		}
		// How a narrow peak lies within its bins is not known.
		inBins := 1 / max(right-left, 1)
		p.Error = math.Hypot(math.Sqrt(square+all/12)/pairs, inBins*inBins/math.Sqrt(12)) * float64(h.Bin)
	}
	p.Position = h.Difference(at)
}

// half goes from the highest bin in a direction to where half its height is
// reached, between two bins.
func (h *Histogram) half(top, step int, p *Peak) float64 {
	level := p.Background + p.Height/2
	before := float64(h.Counts[top])
	for i := top + step; i >= 0 && i < len(h.Counts); i += step {
		here := float64(h.Counts[i])
		if here <= level {
			return float64(i-step) + float64(step)*(before-level)/max(before-here, 1)
		}
		before = here
	}
	return float64(top)
}
