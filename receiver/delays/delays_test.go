package delays

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// brute counts all pairs, of all tags with all, by the definition: place 0 lies in
// the bin in the middle.
func brute(ticks []uint64, channels []uint8, a, b uint8, bin int64, side int64) []uint64 {
	counts := make([]uint64, 2*side+1)
	for i := range ticks {
		for j := range ticks {
			if channels[i] != a || channels[j] != b {
				continue
			}
			d := int64(ticks[j]) - int64(ticks[i]) + side*bin + bin/2
			if d >= 0 && d < bin*(2*side+1) {
				counts[d/bin]++
			}
		}
	}
	return counts
}

// TestAgainstAllPairs: whatever the ticks, the bins and the disorder, and
// however the tags come in pieces, it is what comparing all with all gives.
func TestAgainstAllPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 400).Draw(t, "n")
		slack := rapid.Uint64Range(0, 30).Draw(t, "slack")
		bin := rapid.Uint64Range(1, 17).Draw(t, "bin")
		side := rapid.Uint64Range(1, 20).Draw(t, "bins to a side")
		spread := rapid.Uint64Range(1, 60).Draw(t, "spread")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		at := uint64(1) << 62
		var ticks []uint64
		var channels []uint8
		for range n {
			at += r.Uint64N(spread)
			ticks = append(ticks, at-r.Uint64N(slack+1))
			channels = append(channels, uint8(r.IntN(4)))
		}
		h, err := New(side*bin, bin, slack)
		if err != nil {
			t.Fatal(err)
		}
		for rest, of := ticks, channels; len(rest) > 0; {
			k := 1 + r.IntN(len(rest))
			if err := h.Add(rest[:k], of[:k], 2, 0); err != nil {
				t.Fatal(err)
			}
			rest, of = rest[k:], of[k:]
		}
		if diff := cmp.Diff(brute(ticks, channels, 2, 0, int64(bin), int64(side)), h.Counts); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestBins: which differences lie in which bin, by hand.
func TestBins(t *testing.T) {
	h, err := New(7, 3, 0) // rounded up to 9: bins of 3 around -9, -6 ... 9
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []uint64{0, 1, 2, 4, 5, 10, 11} { // 11 is out of range
		h.Break()
		if err := h.Add([]uint64{100, 100 + d}, []uint8{0, 1}, 0, 1); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]uint64{0, 0, 0, 2, 2, 1, 1}, h.Counts); diff != "" {
		t.Error(diff)
	}
	if h.Difference(0) != -9 || h.Difference(3) != 0 || h.Difference(6) != 9 {
		t.Errorf("middles %v, %v, %v", h.Difference(0), h.Difference(3), h.Difference(6))
	}
	if h.A != 7 || h.B != 7 {
		t.Errorf("%d and %d tags, want 7 of each", h.A, h.B)
	}
}

// TestFarOutOfOrder: a tag that is older than the disorder allows is left out
// and told; a break forgets what came before.
func TestFarOutOfOrder(t *testing.T) {
	h, err := New(10, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Add([]uint64{100, 97, 101}, []uint8{0, 1, 1}, 0, 1); err != nil {
		t.Fatal(err)
	}
	h.Break()
	if err := h.Add([]uint64{5}, []uint8{1}, 0, 1); err != nil {
		t.Fatal(err)
	}
	var pairs uint64
	for _, c := range h.Counts {
		pairs += c
	}
	if h.Skipped != 1 || h.B != 2 || pairs != 1 {
		t.Errorf("%d left out, %d of B, %d pairs; want 1, 2, 1", h.Skipped, h.B, pairs)
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string][2]uint64{"no range": {0, 1}, "too many bins": {1 << 20, 1}, "too far": {1 << 40, 1 << 30}} {
		if _, err := New(c[0], c[1], 0); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	h, err := New(1<<29, 1<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	ticks, channels := make([]uint64, maxKept+1), make([]uint8, maxKept+1)
	if err := h.Add(ticks, channels, 0, 1); !errors.Is(err, ErrRange) {
		t.Errorf("%d tags within the range: %v, want ErrRange", len(ticks), err)
	}
}

// light is two channels with rates per tick, of which pairs come at a delay with
// a scatter.
func light(r *rand.Rand, n int, meanGap, pairs, delay, scatter float64) (ticks []uint64, channels []uint8) {
	type tag struct {
		at float64
		ch uint8
	}
	var all []tag
	at := 1e6
	for range n {
		at += r.ExpFloat64() * meanGap
		if r.Float64() < pairs {
			all = append(all, tag{at, 0}, tag{at + delay + scatter*r.NormFloat64(), 1})
			continue
		}
		all = append(all, tag{at, uint8(r.IntN(2))})
	}
	slices.SortFunc(all, func(a, b tag) int { return int(math.Copysign(1, a.at-b.at)) })
	for _, t := range all {
		ticks, channels = append(ticks, uint64(t.at)), append(channels, t.ch)
	}
	return ticks, channels
}

func TestPeak(t *testing.T) {
	const fwhm = 2.3548 // standard deviations
	for name, c := range map[string]struct {
		meanGap, pairs, delay, scatter float64
		reach, bin                     uint64
	}{
		"sharp, strong":        {1000, 0.3, 137, 3, 1000, 1},
		"B earlier":            {1000, 0.3, -512, 10, 1000, 2},
		"wide and few":         {100_000, 0.02, 40_000, 800, 100_000, 100},
		"over much background": {50, 0.05, 333, 20, 1000, 5},
		"all within one bin":   {5000, 0.2, 12_500, 5, 100_000, 100},
		"at the edge":          {1000, 0.3, 990, 4, 1000, 2},
	} {
		t.Run(name, func(t *testing.T) {
			ticks, channels := light(rand.New(rand.NewPCG(3, 4)), 100_000, c.meanGap, c.pairs, c.delay, c.scatter)
			h, err := New(c.reach, c.bin, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Add(ticks, channels, 0, 1); err != nil {
				t.Fatal(err)
			}
			p := h.Peak()
			if !p.Found {
				t.Fatalf("none found: %+v", p)
			}
			if off := math.Abs(p.Position - c.delay); off > max(5*p.Error, float64(c.bin)/2) {
				t.Errorf("at %.1f ± %.1f, the delay is %.1f", p.Position, p.Error, c.delay)
			}
			if p.Error > c.scatter/2+float64(c.bin) {
				t.Errorf("error %.2f of a scatter of %.1f", p.Error, c.scatter)
			}
			width := max(c.scatter*fwhm, float64(c.bin))
			if p.Width < width*0.6 || p.Width > width*1.6 {
				t.Errorf("width %.1f, want about %.1f", p.Width, width)
			}
			if want := 100_000 * c.pairs; name != "at the edge" && (p.Pairs < want*0.8 || p.Pairs > want*1.25) {
				t.Errorf("%.0f pairs in it, %.0f were made", p.Pairs, want)
			}
		})
	}
}

// TestNoPeak: plain noise has none, at any density, and nothing has none.
func TestNoPeak(t *testing.T) {
	for _, meanGap := range []float64{3, 30, 1000, 100_000} {
		ticks, channels := light(rand.New(rand.NewPCG(5, 6)), 100_000, meanGap, 0, 0, 0)
		h, err := New(min(10_000, uint64(300*meanGap)), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Add(ticks, channels, 0, 1); err != nil {
			t.Fatal(err)
		}
		if p := h.Peak(); p.Found {
			t.Errorf("a peak in noise of mean gap %v: %+v", meanGap, p)
		}
	}
	h, err := New(10, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if p := h.Peak(); p != (Peak{}) {
		t.Errorf("of nothing: %+v", p)
	}
}

// BenchmarkAdd is the cost per tag of the sweep, for four channels of which two
// are compared, at 10 million tags/s with 1 ps ticks over ±100 ns.
func BenchmarkAdd(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 1 << 20
	ticks, channels := make([]uint64, n), make([]uint8, n)
	at := uint64(0)
	for i := range ticks {
		at += uint64(r.ExpFloat64() * 100_000)
		ticks[i], channels[i] = at, uint8(r.IntN(4))
	}
	h, err := New(100_000, 100, 0)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		h.Break()
		if err := h.Add(ticks, channels, 0, 1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/tag")
}
