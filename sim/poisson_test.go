package sim

import (
	"math"
	"math/rand/v2"
	"testing"
)

// moments draws n numbers and returns their mean and variance.
func moments(n int, draw func() int64) (mean, variance float64) {
	var sum, squares float64
	for range n {
		x := float64(draw())
		sum += x
		squares += x * x
	}
	mean = sum / float64(n)
	return mean, squares/float64(n) - mean*mean
}

// near reports whether got is within five standard errors of want.
func near(got, want, standardError float64) bool {
	return math.Abs(got-want) <= 5*standardError
}

func TestPoissonHasMeanAndVariance(t *testing.T) {
	const n = 200_000
	for _, mean := range []float64{0.01, 0.7, 5, 11.9, 12, 13.5, 100, 12345, 3e8} {
		rng := rand.New(rand.NewPCG(1, uint64(mean*100)))
		m, v := moments(n, func() int64 { return poisson(rng, mean) })
		if !near(m, mean, math.Sqrt(mean/n)) {
			t.Errorf("mean %g: drew a mean of %g", mean, m)
		}
		// The variance of the sample variance of a Poisson law is (mean + 2 mean^2)/n.
		if !near(v, mean, math.Sqrt((mean+2*mean*mean)/n)) {
			t.Errorf("mean %g: drew a variance of %g", mean, v)
		}
	}
}

// TestPoissonHasShape compares frequencies with the law itself, on both sides of
// the change of method.
func TestPoissonHasShape(t *testing.T) {
	const n = 200_000
	for _, mean := range []float64{3, 11.5, 12.5, 40} {
		rng := rand.New(rand.NewPCG(2, uint64(mean*10)))
		seen := map[int64]int{}
		for range n {
			seen[poisson(rng, mean)]++
		}
		for k := range int64(80) {
			lg, _ := math.Lgamma(float64(k) + 1)
			expected := n * math.Exp(float64(k)*math.Log(mean)-mean-lg)
			if !near(float64(seen[k]), expected, math.Sqrt(expected)+1) {
				t.Errorf("mean %g: drew %d %d times, expected %.0f", mean, k, seen[k], expected)
			}
		}
	}
}

func TestPoissonOfNothingIsZero(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, mean := range []float64{0, -1, math.Inf(-1)} {
		if got := poisson(rng, mean); got != 0 {
			t.Errorf("poisson(%g) = %d", mean, got)
		}
	}
}

func TestSqueezedHasMeanAndVariance(t *testing.T) {
	const n = 100_000
	for _, c := range []struct{ mean, fano float64 }{
		{0.5, 0.5}, {10, 0.8}, {60, 0.5}, {5000, 0.7}, {1e6, 0.1}, {300, 1},
	} {
		rng := rand.New(rand.NewPCG(3, uint64(c.mean)))
		m, v := moments(n, func() int64 { return squeezed(rng, c.mean, c.fano) })
		want := c.mean * c.fano
		if !near(m, c.mean, math.Sqrt(want/n)) {
			t.Errorf("%+v: drew a mean of %g", c, m)
		}
		// Broken trials and rounding may cost a quarter of a count squared.
		if math.Abs(v-want) > 0.25+0.03*want {
			t.Errorf("%+v: drew a variance of %g, expected %g", c, v, want)
		}
	}
}
