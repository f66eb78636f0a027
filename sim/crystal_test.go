package sim

import (
	"testing"
	"time"
)

// A crystal that wanders by 10 ppm over an hour has gained 10e-6 x 3600 s / pi =
// 11.459156 ms after half of it, and nothing after the whole.
func TestCrystalWanders(t *testing.T) {
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	c := Crystal{Start: start, PeriodS: 0.1, WanderPPM: 10, WanderEvery: time.Hour}
	for _, e := range []struct {
		n    int64
		want time.Duration
	}{{1, 100 * time.Millisecond}, {18_000, 1800*time.Second - 11_459_156}, {36_000, time.Hour}, {54_000, 5400*time.Second - 11_459_156}} {
		if got := c.Edge(e.n).Sub(start); (got - e.want).Abs() > time.Microsecond {
			t.Errorf("edge %d: %v, want %v", e.n, got, e.want)
		}
		if got := c.Periods(c.Edge(e.n)); got != e.n {
			t.Errorf("%d periods at edge %d", got, e.n)
		}
		if got := c.Periods(c.Edge(e.n).Add(-1)); got != e.n-1 {
			t.Errorf("%d periods before edge %d", got, e.n)
		}
	}
	c.FastPPM = 200
	if got, want := c.Edge(36_000).Sub(start), time.Duration(3_599_280_143_971); (got - want).Abs() > 20*time.Microsecond { // 3600 s / 1.0002
		t.Errorf("and 200 ppm fast: %v, want %v", got, want)
	}
	for last, n := start, int64(1); n < 40_000; n++ {
		edge := c.Edge(n)
		if d := edge.Sub(last); d < 99_978_000 || d > 99_982_000 {
			t.Fatalf("period %d lasts %v", n, d)
		}
		last = edge
	}
}
