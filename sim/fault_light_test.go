package sim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Stray light and a dead detector come at their time, in the midst of a gate; what
// they leave alone goes on.
func TestFaultsOfTheLight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		light, err := NewLight(LightSettings{
			Inputs: []string{"A", "B", "C"}, RatesHz: []float64{1e5, 1e5, 1e5}, DarkHz: []float64{100, 100, 100},
			Pairs: []Pair{{A: 0, B: 1, RateHz: 1e4}, {A: 0, B: 2, RateHz: 1e4}}, Seed: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		conn := NewMemory()
		var told []string
		options := Options{Light: light, OnFault: func(f Fired) { told = append(told, f.String()) }}
		for _, text := range []string{"leak@1s:A=1M", "dead@2s:B", "leak@byte=25", "dead@4s"} {
			f, err := ParseFault(text)
			if err != nil {
				t.Fatal(err)
			}
			options.Faults = append(options.Faults, f)
		}
		r, err := NewRunner(&teller{}, conn, options)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- r.Run(t.Context()) }()
		time.Sleep(3*time.Second - time.Millisecond)
		if _, err := conn.Open(); err != nil { // ten bytes each 100 ms: byte 25 comes at 3.2 s
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		// Draw is otherwise the instrument's: singles of A, B, C and pairs AB, AC.
		singles := func(from, to time.Duration) (n [5]int64) {
			patterns := make([]int64, light.Patterns())
			light.Draw(start.Add(from), start.Add(to), patterns)
			for i, mask := range []int{1, 2, 4, 3, 5} {
				n[i] = Together(patterns, mask)
			}
			return n
		}
		for _, c := range []struct {
			from, to time.Duration
			want     [5]float64 // per second
		}{
			{0, time.Second, [5]float64{1e5, 1e5, 1e5, 1e4, 1e4}},
			{time.Second, 2 * time.Second, [5]float64{1.1e6, 1e5, 1e5, 1e4, 1e4}},
			{2 * time.Second, 3200 * time.Millisecond, [5]float64{1.1e6, 0, 1e5, 0, 1e4}},
			{3200 * time.Millisecond, 4 * time.Second, [5]float64{4.1e6, 3e6, 3.1e6, 0, 1e4}},
			{4 * time.Second, 5 * time.Second, [5]float64{}},
		} {
			got := singles(c.from, c.to)
			for i, hz := range c.want {
				rate := float64(got[i]) / (c.to - c.from).Seconds()
				if rate < 0.97*hz || rate > 1.03*hz {
					t.Errorf("from %v: %d at %g per second, want %g", c.from, i, rate, hz)
				}
			}
		}
		want := []string{
			"fault leak@1s fired at 1.000 s, byte 0: 1e+06 more photons per second on input A",
			"fault dead@2s fired at 2.000 s, byte 0: input B counts nothing any more",
			"fault leak@byte=25 fired at 3.200 s, byte 25: 3e+06 more photons per second on every input",
			"fault dead@4s fired at 4.000 s, byte 110: every input counts nothing any more",
		}
		if d := cmp.Diff(told, want); d != "" {
			t.Errorf("told (-got +want):\n%s", d)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { <-done })
	})
}

func TestFaultsThatTheLightCannotHave(t *testing.T) {
	light, err := NewLight(LightSettings{Inputs: []string{"A", "B"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		light *Light
		text  string
		want  string
	}{
		{nil, "leak@1s", "fault leak@1s: there is no light that could change"},
		{light, "dead@1s:C", `fault dead@1s: there is no input "C"; there are A B`},
		{light, "leak@1s:A=1e11", "fault leak@1s: 1e+11 photons per second are too many, at most 1e+10 can leak in"},
	} {
		f, err := ParseFault(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewRunner(&teller{}, NewMemory(), Options{Light: c.light, Faults: []Fault{f}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.text, err, c.want)
		}
	}
}
