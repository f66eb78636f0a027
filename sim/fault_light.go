package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// leakHz is how much stray light leaks in when it is not said: too much for any
// single-photon detector.
const leakHz = 3e6

// setLeak reads INPUT, CPS or INPUT=CPS.
func (f *Fault) setLeak(text string) error {
	input, rate, both := strings.Cut(text, "=")
	hz, err := ParseRate(input)
	switch {
	case both:
		f.Input = input
		hz, err = ParseRate(rate)
	case err != nil && input != "":
		f.Input, hz, err = input, leakHz, nil
	}
	if err != nil || both && input == "" {
		return fmt.Errorf("%s takes an input and a rate, such as A=3M, or one of them, not %q", f.Kind, text)
	}
	f.RateHz = hz
	return nil
}

// ParseRate reads counts per second: 50000, 50k, 1.5M, 250cps, 3Mcps.
func ParseRate(text string) (float64, error) {
	number := strings.TrimSuffix(strings.TrimSpace(text), "cps")
	scale := 1.0
	switch {
	case strings.HasSuffix(number, "k"):
		number, scale = strings.TrimSuffix(number, "k"), 1e3
	case strings.HasSuffix(number, "M"):
		number, scale = strings.TrimSuffix(number, "M"), 1e6
	}
	hz, err := strconv.ParseFloat(number, 64)
	if err != nil || !(hz >= 0) {
		return 0, fmt.Errorf("%q is no rate: expected counts per second such as 50000, 50k or 1.5M", text)
	}
	return hz * scale, nil
}

// ofLight reports whether a fault is one of the light rather than of the
// instrument or its cable.
func (f Fault) ofLight() bool { return f.Kind == FaultLeak || f.Kind == FaultDead }

// lightDetail says what a fault of the light does.
func (f Fault) lightDetail() string {
	where := "every input"
	if f.Input != "" {
		where = "input " + f.Input
	}
	if f.Kind == FaultDead {
		return where + " counts nothing any more"
	}
	return fmt.Sprintf("%g more photons per second on %s", f.RateHz, where)
}

// canSuffer refuses a fault that the light could not have.
func (l *Light) canSuffer(f Fault) error {
	if l == nil {
		return fmt.Errorf("fault %v: there is no light that could change", f)
	}
	if f.Input != "" && !slices.Contains(l.inputs, f.Input) {
		return fmt.Errorf("fault %v: there is no input %q; there are %s", f, f.Input, strings.Join(l.inputs, " "))
	}
	if f.RateHz > maxRateHz {
		return fmt.Errorf("fault %v: %g photons per second are too many, at most %g can leak in", f, f.RateHz, float64(maxRateHz))
	}
	return nil
}

// suffer does a fault to the light from now on.
func (l *Light) suffer(f Fault) error {
	hit := func(i int) bool { return f.Input == "" || l.inputs[i] == f.Input }
	_, err := l.change(func(s *LightSettings) {
		*s = s.clone()
		s.RatesHz = append(s.RatesHz, make([]float64, len(l.inputs)-len(s.RatesHz))...)
		for i := range l.inputs {
			switch {
			case !hit(i):
			case f.Kind == FaultLeak:
				s.RatesHz[i] = min(s.RatesHz[i]+f.RateHz, maxRateHz)
			default:
				s.RatesHz[i] = 0
				if len(s.DarkHz) > 0 {
					s.DarkHz[i] = 0
				}
			}
		}
		if f.Kind == FaultDead {
			s.Pairs = slices.DeleteFunc(s.Pairs, func(p Pair) bool { return hit(p.A) || hit(p.B) })
		}
	})
	return err
}
