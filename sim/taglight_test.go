package sim

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

var tagStart = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newTagLight(t testing.TB, light LightSettings, s TagSettings) *TagLight {
	t.Helper()
	light.Inputs = []string{"A", "B", "C", "D"}[:max(1, len(light.RatesHz))]
	l, err := NewLight(light)
	if err != nil {
		t.Fatal(err)
	}
	if s.TickS == 0 {
		s.TickS = 1e-9
	}
	tags, err := NewTagLight(l, s)
	if err != nil {
		t.Fatal(err)
	}
	tags.Begin(tagStart, 0)
	return tags
}

// seconds draws so many seconds in pieces of a millisecond, and holds every stretch
// against its bounds and the order.
func (l *TagLight) seconds(t testing.TB, s float64) []Tag {
	t.Helper()
	var tags []Tag
	for ms := range int64(s * 1000) {
		n := len(tags)
		from := l.tick
		to := from + uint64(math.Round(1e-3/l.settings.TickS))
		tags = l.Until(tagStart.Add(time.Duration(ms+1)*time.Millisecond), to, tags)
		if len(tags) > n && (tags[n].Tick() < from || tags[len(tags)-1].Tick() >= to) {
			t.Fatalf("ticks %d to %d asked between %d and %d", tags[n].Tick(), tags[len(tags)-1].Tick(), from, to)
		}
	}
	if !slices.IsSorted(tags) {
		t.Fatal("not in order")
	}
	return tags
}

func ofInput(tags []Tag, input int) (ticks []uint64) {
	for _, tag := range tags {
		if tag.Channel() == input {
			ticks = append(ticks, tag.Tick())
		}
	}
	return ticks
}

// within wants a number no further from its mean than five deviations.
func within(t *testing.T, what string, got int, mean float64) {
	t.Helper()
	if slack := 5*math.Sqrt(mean) + 1; math.Abs(float64(got)-mean) > slack {
		t.Errorf("%s: %d, expected %.0f give or take %.0f", what, got, mean, slack)
	}
}

// apart counts the pairs of ticks of a and b whose difference b-a lies from low to high.
func apart(a, b []uint64, low, high int64) int {
	n, from := 0, 0
	for _, at := range a {
		for from < len(b) && int64(b[from]) < int64(at)+low {
			from++
		}
		for j := from; j < len(b) && int64(b[j]) <= int64(at)+high; j++ {
			n++
		}
	}
	return n
}

func TestTagRates(t *testing.T) {
	tags := newTagLight(t, LightSettings{RatesHz: []float64{1e6, 2e5, 0, 0}, DarkHz: []float64{0, 0, 0, 1000}, Seed: 3}, TagSettings{}).seconds(t, 2)
	for input, mean := range []float64{2e6, 4e5, 0, 2000} {
		within(t, "input", len(ofInput(tags, input)), mean)
	}
}

// The counts of bins scatter as their mean, and the waits as an exponential law.
func TestTagsArePoisson(t *testing.T) {
	ticks := ofInput(newTagLight(t, LightSettings{RatesHz: []float64{1e6}, Seed: 5}, TagSettings{}).seconds(t, 1), 0)
	const bins = 20_000
	var counts [bins]float64
	long := 0
	for i, tick := range ticks {
		counts[tick/(1e9/bins)]++
		if i > 0 && tick-ticks[i-1] > 1000 {
			long++
		}
	}
	mean, square := 0.0, 0.0
	for _, n := range counts {
		mean += n / bins
		square += n * n / bins
	}
	if fano := (square - mean*mean) / mean; math.Abs(fano-1) > 5*math.Sqrt(2.0/bins) {
		t.Errorf("variance over mean of the counts is %.4f, expected 1", fano)
	}
	within(t, "waits longer than the mean", long, float64(len(ticks))/math.E)
}

func TestTagsOfPairs(t *testing.T) {
	for delay, at := range map[float64]int64{0: 0, 37: 37, -120: -120, 2e6: 2e6} {
		l := newTagLight(t, LightSettings{RatesHz: []float64{1e5, 2e5}, Pairs: []Pair{{A: 0, B: 1, RateHz: 5e4}}, Seed: 9},
			TagSettings{PairDelayNs: delay, JitterNs: 3})
		tags := l.seconds(t, 1)
		a, b := ofInput(tags, 0), ofInput(tags, 1)
		within(t, "input A", len(a), 1e5)
		within(t, "input B", len(b), 2e5)
		// Chance: rate x rate x width; the difference of two jitters of 3 ns has 4.24 ns.
		chance := 1e5 * 2e5 * 31e-9
		within(t, "within 15 ns of the delay", apart(a, b, at-15, at+15), 5e4*0.9997+chance)
		within(t, "within 4 ns of the delay", apart(a, b, at-4, at+4), 5e4*math.Erf(4.5/4.243/math.Sqrt2)+chance*9/31)
		within(t, "far away", apart(a, b, at+1000, at+1030), chance)
	}
	// Without jitter they are in the same tick, or where it is cut.
	tags := newTagLight(t, LightSettings{RatesHz: []float64{1e5, 1e5}, Pairs: []Pair{{A: 0, B: 1, RateHz: 1e5}}},
		TagSettings{TickS: 2e-9, PairDelayNs: 12}).seconds(t, 0.1)
	a, b := ofInput(tags, 0), ofInput(tags, 1)
	if n := apart(a, b, 6, 6); n < len(a)-5 || len(a) < 9000 {
		t.Errorf("%d of %d pairs are 6 ticks apart", n, len(a))
	}
}

func TestDeadTimeOfTags(t *testing.T) {
	const dead = 50
	tags := newTagLight(t, LightSettings{RatesHz: []float64{2e7, 1e7}, DeadTime: dead * time.Nanosecond, Seed: 2}, TagSettings{}).seconds(t, 0.1)
	for input, rate := range []float64{2e7, 1e7} {
		ticks := ofInput(tags, input)
		least := ticks[1] - ticks[0]
		for i := 1; i < len(ticks); i++ {
			least = min(least, ticks[i]-ticks[i-1])
		}
		if least != dead {
			t.Errorf("two detections of input %d are %d ns apart, expected %d at least and once", input, least, dead)
		}
		// A wait is the dead time, what is left of its tick, and the wait for a photon.
		mean := 0.1 * rate / (1 + rate*(dead-0.5)*1e-9)
		within(t, "detections", len(ticks), mean)
	}
	// Two of one tick are one.
	tags = newTagLight(t, LightSettings{RatesHz: []float64{1e9}}, TagSettings{TickS: 1e-8}).seconds(t, 0.01)
	if ticks := ofInput(tags, 0); len(slices.Compact(ticks)) != len(tags) {
		t.Error("an input detected twice in a tick")
	}
}

func TestAfterpulses(t *testing.T) {
	l := newTagLight(t, LightSettings{RatesHz: []float64{1e5}, DeadTime: 40 * time.Nanosecond, Seed: 8}, TagSettings{Afterpulse: 0.1, AfterpulseNs: 30})
	ticks := ofInput(l.seconds(t, 2), 0)
	early, short := 0, 0
	for i := 1; i < len(ticks); i++ {
		switch wait := ticks[i] - ticks[i-1]; {
		case wait < 70:
			short++
			fallthrough
		case wait < 400:
			early++
		}
	}
	primary := 2e5 * (1 - 1e5*40e-9)
	within(t, "all", len(ticks), primary/0.9)
	within(t, "soon after another", early, 0.1*primary/0.9+primary*1e5*360e-9)
	within(t, "within the time constant", short, 0.1*primary/0.9*(1-1/math.E)+primary*1e5*30e-9)
}

func TestPulsedLight(t *testing.T) {
	const period = 12.5
	l := newTagLight(t, LightSettings{RatesHz: []float64{4e6, 0}, DarkHz: []float64{0, 1e6}, Seed: 4}, TagSettings{TickS: 1e-11, PulseNs: period, JitterNs: 0.1})
	tags := l.seconds(t, 0.05)
	pulsed, dark := ofInput(tags, 0), ofInput(tags, 1)
	phase := func(tick uint64) float64 { return math.Mod(float64(tick)*0.01-0.6, period) } // six jitters late
	n := 0
	for _, tick := range pulsed {
		if p := phase(tick); p < 0.2 || p > period-0.2 {
			n++
		}
	}
	// 0.05 photons per pulse, of which those of one tick are one: a few in 10 000.
	if mean := 4e6 * 0.05; math.Abs(float64(len(pulsed))-mean) > 5*math.Sqrt(mean)+mean*2e-3 {
		t.Errorf("%d pulsed, expected about %.0f", len(pulsed), mean)
	}
	within(t, "within two deviations", n, float64(len(pulsed))*math.Erf(math.Sqrt2))
	within(t, "dark", len(dark), 5e4)
	n = 0
	for _, tick := range dark {
		if phase(tick) < period/2 {
			n++
		}
	}
	within(t, "dark ones of half a period", n, 2.5e4)
}

func TestBursts(t *testing.T) {
	l := newTagLight(t, LightSettings{RatesHz: []float64{1e6}, Seed: 6}, TagSettings{BurstNs: 1e4, BurstEveryNs: 1e5})
	ticks := ofInput(l.seconds(t, 2), 0)
	silent, waits := uint64(0), 0
	for i := 1; i < len(ticks); i++ {
		if wait := ticks[i] - ticks[i-1]; wait > 2000 { // twenty of the waits within a burst
			silent += wait
			waits++
		}
	}
	if n := float64(len(ticks)); math.Abs(n/2e6-1) > 0.05 {
		t.Errorf("%g detections, expected about 2e6", n)
	}
	if share := float64(silent) / 2e9; share < 0.87 || share > 0.93 {
		t.Errorf("silent for %.3f of the time, expected 0.9", share)
	}
	if waits < 18_000 || waits > 22_000 {
		t.Errorf("%d bursts, expected about 20000", waits)
	}
}

func TestTagsAreRepeatable(t *testing.T) {
	draw := func(seed uint64) []Tag {
		return newTagLight(t, LightSettings{RatesHz: []float64{1e5, 1e5}, Pairs: []Pair{{A: 0, B: 1, RateHz: 1e4}}, Seed: seed},
			TagSettings{JitterNs: 10, Afterpulse: 0.05, AfterpulseNs: 50}).seconds(t, 0.05)
	}
	if !slices.Equal(draw(1), draw(1)) {
		t.Error("the same seed gives other tags")
	}
	if slices.Equal(draw(1), draw(2)) {
		t.Error("another seed gives the same tags")
	}
}

// A change takes place when it was made, in the middle of what is drawn.
func TestTagLightChanges(t *testing.T) {
	l := newTagLight(t, LightSettings{RatesHz: []float64{1e6, 0}}, TagSettings{})
	l.light.keepsTime(func() time.Time { return tagStart.Add(250 * time.Millisecond) })
	if _, err := l.light.SetRates([]float64{0, 1e6}); err != nil {
		t.Fatal(err)
	}
	tags := l.Until(tagStart.Add(time.Second), 1e9, nil)
	a, b := ofInput(tags, 0), ofInput(tags, 1)
	within(t, "before", len(a), 2.5e5)
	within(t, "after", len(b), 7.5e5)
	if a[len(a)-1] >= 250e6 || b[0] < 250e6 {
		t.Errorf("the last before at %d, the first after at %d ns, expected 250 ms between", a[len(a)-1], b[0])
	}
}

func TestNewTagLightRefuses(t *testing.T) {
	light, err := NewLight(LightSettings{Inputs: []string{"A"}})
	if err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]TagSettings{
		"a tick of 0 s":          {},
		"jitter of -1 ns":        {TickS: 1, JitterNs: -1},
		"pair delay of NaN ns":   {TickS: 1, PairDelayNs: math.NaN()},
		"a chance of 0 to 0.5":   {TickS: 1e-9, Afterpulse: 0.6},
		"than one lasts":         {TickS: 1e-9, BurstNs: 5, BurstEveryNs: 5},
		"expected at least a ti": {TickS: 1e-9, PulseNs: 0.5},
	} {
		if _, err := NewTagLight(light, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, expected one with %q", err, want)
		}
	}
}

func BenchmarkTagLight(b *testing.B) {
	rates := []float64{8e6, 4e6, 4e6, 4e6}
	for name, c := range map[string]struct {
		light LightSettings
		tags  TagSettings
	}{
		"plain":       {LightSettings{RatesHz: rates, DeadTime: 30 * time.Nanosecond}, TagSettings{TickS: 2e-9}},
		"pairs":       {LightSettings{RatesHz: rates, Pairs: []Pair{{A: 0, B: 2, RateHz: 1e6}}}, TagSettings{TickS: 2e-9, PairDelayNs: 50}},
		"jitter":      {LightSettings{RatesHz: rates, Pairs: []Pair{{A: 0, B: 2, RateHz: 1e6}}}, TagSettings{TickS: 1e-12, PairDelayNs: 50, JitterNs: 0.3}},
		"afterpulses": {LightSettings{RatesHz: rates, DeadTime: 30 * time.Nanosecond}, TagSettings{TickS: 1e-12, Afterpulse: 0.03, AfterpulseNs: 50}},
		"pulsed":      {LightSettings{RatesHz: rates}, TagSettings{TickS: 1e-12, PulseNs: 12.5, JitterNs: 0.3}},
		"bursts":      {LightSettings{RatesHz: rates}, TagSettings{TickS: 1e-12, BurstNs: 1e4, BurstEveryNs: 1e5}},
	} {
		b.Run(name, func(b *testing.B) {
			l := newTagLight(b, c.light, c.tags)
			l.Begin(tagStart, 1<<40)
			var tags []Tag
			n, now, tick := 0, tagStart, uint64(1<<40)
			for b.Loop() {
				now, tick = now.Add(time.Millisecond), tick+uint64(1e-3/c.tags.TickS)
				tags = l.Until(now, tick, tags[:0])
				n += len(tags)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/tag")
			b.ReportMetric(0, "ns/op")
		})
	}
}
