package sim

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func newLight(t *testing.T, s LightSettings) *Light {
	t.Helper()
	l, err := NewLight(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// count draws n gates and returns mean and variance of the counts of mask.
func count(l *Light, n int, gate time.Duration, mask int) (mean, variance float64) {
	at := time.Unix(0, 0)
	patterns := make([]int64, l.Patterns())
	return moments(n, func() int64 {
		clear(patterns)
		l.Draw(at, at.Add(gate), patterns)
		at = at.Add(gate)
		return Together(patterns, mask)
	})
}

func TestSinglesFollowTheirRates(t *testing.T) {
	l := newLight(t, LightSettings{
		Inputs:  []string{"A", "B", "C"},
		RatesHz: []float64{50_000, 300, 0},
		DarkHz:  []float64{250, 0, 10},
		Window:  20 * time.Nanosecond,
		Seed:    1,
	})
	const n = 20_000
	for mask, want := range map[int]float64{1: 5025, 2: 30, 4: 1} { // per 0.1 s
		m, v := count(l, n, 100*time.Millisecond, mask)
		if !near(m, want, math.Sqrt(want/n)) {
			t.Errorf("input %d: mean %g, expected %g", mask, m, want)
		}
		if !near(v, want, math.Sqrt((want+2*want*want)/n)) {
			t.Errorf("input %d: variance %g, expected %g", mask, v, want)
		}
	}
}

// A detector of 1 M photons per second and 1 us of dead time counts half of
// them, with a quarter of the Poisson variance.
func TestDeadTimeLowersRateAndScatter(t *testing.T) {
	l := newLight(t, LightSettings{
		Inputs:   []string{"A"},
		RatesHz:  []float64{1e6},
		DeadTime: time.Microsecond,
		Seed:     1,
	})
	const n, want = 20_000, 5000 // per 10 ms
	m, v := count(l, n, 10*time.Millisecond, 1)
	if !near(m, want, math.Sqrt(want/4./n)) {
		t.Errorf("mean %g, expected %d", m, want)
	}
	if math.Abs(v-want/4) > 0.05*want/4 {
		t.Errorf("variance %g, expected %d", v, want/4)
	}
}

// With 100 k and 200 k counts per second and a window of 50 ns, 1000 accidentals
// per second join the true pairs; a third input at 1 M makes
// 2000 x 1 M x 50 ns = 100 pairs per second and 1e5 x 2e5 x 1e6 x (50 ns)^2 = 50
// chance meetings into triples.
func TestCoincidencesArePairsAndAccidentals(t *testing.T) {
	l := newLight(t, LightSettings{
		Inputs:  []string{"A", "B", "C"},
		RatesHz: []float64{100_000, 200_000, 1e6},
		Pairs:   []Pair{{A: 0, B: 1, RateHz: 2000}},
		Window:  50 * time.Nanosecond,
		Seed:    4,
	})
	const n = 5000
	for mask, want := range map[int]float64{
		1: 100_000, 2: 200_000, 4: 1e6,
		3: 3000, 5: 5000, 6: 10_000, 7: 150,
	} { // per second
		m, _ := count(l, n, time.Second, mask)
		if !near(m, want, math.Sqrt(want/n)) {
			t.Errorf("inputs %03b: mean %g, expected %g", mask, m, want)
		}
	}
}

func TestCoincidencesNeverExceedTheirParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const inputs = 4
		s := LightSettings{
			Inputs:   []string{"A", "B", "C", "D"},
			Window:   time.Duration(rapid.IntRange(0, 1000).Draw(t, "window")),
			DeadTime: time.Duration(rapid.IntRange(0, 1000).Draw(t, "dead time")),
			Seed:     rapid.Uint64().Draw(t, "seed"),
		}
		for range inputs {
			s.RatesHz = append(s.RatesHz, rapid.Float64Range(0, 2e7).Draw(t, "rate"))
			s.DarkHz = append(s.DarkHz, rapid.Float64Range(0, 1e4).Draw(t, "dark"))
		}
		s.Pairs = []Pair{{A: 0, B: 3, RateHz: min(s.RatesHz[0], s.RatesHz[3]) * rapid.Float64Range(0, 1).Draw(t, "pairs")}}
		l, err := NewLight(s)
		if err != nil {
			t.Fatal(err)
		}
		patterns := make([]int64, l.Patterns())
		l.Draw(time.Unix(0, 0), time.Unix(0, 1e8), patterns)
		for mask := 1; mask < 1<<inputs; mask++ {
			for part := 1; part < mask; part++ {
				if part&mask == part && Together(patterns, mask) > Together(patterns, part) {
					t.Fatalf("inputs %04b fired together %d times, their part %04b only %d", mask, Together(patterns, mask), part, Together(patterns, part))
				}
			}
		}
	})
}

func TestLightIsRepeatable(t *testing.T) {
	draw := func(seed uint64) []int64 {
		l := newLight(t, LightSettings{Inputs: []string{"A", "B"}, RatesHz: []float64{5e4, 5e4}, Window: 25 * time.Nanosecond, Seed: seed})
		patterns := make([]int64, l.Patterns())
		for i := range int64(10) {
			l.Draw(time.Unix(i, 0), time.Unix(i+1, 0), patterns)
		}
		return patterns
	}
	if diff := cmp.Diff(draw(7), draw(7)); diff != "" {
		t.Errorf("the same seed gave something else (-first +second):\n%s", diff)
	}
	if cmp.Equal(draw(7), draw(8)) {
		t.Error("another seed gave the same counts")
	}
}

// A rate that changes in the middle of a gate changes what the rest of it
// counts, no more.
func TestRatesChangeWithinAGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLight(t, LightSettings{Inputs: []string{"A"}, RatesHz: []float64{1e6}, Seed: 1})
		begin := time.Now()
		time.Sleep(250 * time.Millisecond)
		if _, err := l.SetRates([]float64{0}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(750 * time.Millisecond)
		patterns := make([]int64, l.Patterns())
		l.Draw(begin, time.Now(), patterns)
		if got := float64(patterns[1]); !near(got, 250_000, 500) {
			t.Errorf("counted %g, expected about 250000", got)
		}
	})
}

func TestLightRefuses(t *testing.T) {
	two := []string{"A", "B"}
	for name, c := range map[string]struct {
		settings LightSettings
		want     string
	}{
		"no inputs":     {LightSettings{}, "0 inputs, expected 1 to 8"},
		"missing rate":  {LightSettings{Inputs: two, RatesHz: []float64{1}}, "1 rates for 2 inputs"},
		"negative rate": {LightSettings{Inputs: two, RatesHz: []float64{1, -1}}, "rates of input B is -1"},
		"no number":     {LightSettings{Inputs: two, DarkHz: []float64{math.NaN(), 0}}, "dark rates of input A is NaN"},
		"endless rate":  {LightSettings{Inputs: two, RatesHz: []float64{math.Inf(1), 0}}, "is +Inf"},
		"self pair":     {LightSettings{Inputs: two, Pairs: []Pair{{A: 1, B: 1}}}, "two different ones"},
		"foreign pair":  {LightSettings{Inputs: two, Pairs: []Pair{{A: 0, B: 2}}}, "two different ones"},
		"many pairs":    {LightSettings{Inputs: two, RatesHz: []float64{10, 10}, Pairs: []Pair{{A: 0, B: 1, RateHz: 11}}}, "raise its rate or lower the pairs"},
		"dead time":     {LightSettings{Inputs: two, DeadTime: -1}, "must not be negative"},
	} {
		_, err := NewLight(c.settings)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, expected one with %q", name, err, c.want)
		}
	}
}

func TestRefusedChangeChangesNothing(t *testing.T) {
	l := newLight(t, LightSettings{Inputs: []string{"A"}, RatesHz: []float64{1000}, Seed: 1})
	if _, err := l.SetRates([]float64{-1}); err == nil {
		t.Fatal("a negative rate was taken")
	}
	if _, err := l.SetPairs([]Pair{{A: 0, B: 0}}); err == nil {
		t.Fatal("a pair with itself was taken")
	}
	if m, _ := count(l, 1000, time.Second, 1); !near(m, 1000, 1) {
		t.Errorf("mean %g, expected 1000", m)
	}
}

func TestDistinctValuesStayWithinTheirCounter(t *testing.T) {
	const limit = 1<<24 - 1
	for row, want := range map[int64]uint64{
		0: 1_000_000, 1: 1_000_001,
		15_777_215: 16_777_215, // the largest of 24 bits
		15_777_216: 1_000_000,
	} {
		if got := DistinctValue(row, limit); got != want {
			t.Errorf("row %d reads %d, expected %d", row, got, want)
		}
	}
	// 14 bits hold 16383, half of it is 8191.
	for row, want := range map[int64]uint64{0: 8191, 8192: 16383, 8193: 8191} {
		if got := DistinctValue(row, 1<<14-1); got != want {
			t.Errorf("14 bits: row %d reads %d, expected %d", row, got, want)
		}
	}
}

func TestCrystalKeepsItsPhase(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	c := Crystal{Start: start, PeriodS: 0.1, FastPPM: 100}
	// 864000 periods of 0.1 s / 1.0001 are 86391.360863913609 s.
	if got, want := c.Edge(864_000).Sub(start), 86391360863914*time.Nanosecond; got != want {
		t.Errorf("a day of periods took %v, expected %v", got, want)
	}
	for _, n := range []int64{0, 1, 2, 863_999, 864_000} {
		if got := c.Periods(c.Edge(n)); got != n {
			t.Errorf("at the end of period %d, %d are over", n, got)
		}
		if got := c.Periods(c.Edge(n + 1).Add(-1)); got != n {
			t.Errorf("just before the end of period %d, %d are over", n+1, got)
		}
	}
}
