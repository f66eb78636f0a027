package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// MaxInputs bounds the inputs of one [Light]: 2^inputs patterns are drawn per gate.
const MaxInputs = 8

// maxChanges bounds the changes of rates that wait for a gate to reach them. Of
// more, the oldest are forgotten.
const maxChanges = 1024

// LightSettings says what falls on the inputs of an instrument. Rates are per
// second; slices have one element per input.
type LightSettings struct {
	// Inputs names the inputs, such as A, B, C, D.
	Inputs []string
	// RatesHz are the photons detected per second if there were no dead time,
	// partners of pairs included, dark counts not.
	RatesHz []float64
	// DarkHz are dark counts per second; nil means none.
	DarkHz []float64
	// Pairs are photons that arrive together.
	Pairs []Pair
	// DeadTime follows each detection; what falls into it is not seen and does
	// not prolong it (non-paralyzable).
	DeadTime time.Duration
	// Window is the coincidence window: chance coincidences of two inputs come
	// at rate x rate x Window.
	Window time.Duration
	// Seed makes everything drawn repeatable.
	Seed uint64
}

// Pair is a rate of photon pairs whose partners are detected by inputs A and B
// (indexes into Inputs).
type Pair struct {
	A, B   int
	RateHz float64
}

// Light draws how often which inputs fired during an interval.
//
// It draws, for each interval, the number of events in which exactly a given set
// of inputs fired (a pattern), so that any counts derived from it agree: no
// coincidence exceeds its singles. The numbers are Poisson distributed, with two
// approximations: dead time lowers the rates by 1/(1+rate x dead time) and the
// variance of singles by the square of that (exact for gates much longer than
// the dead time), and it does not change the chance of accidentals within the
// window itself.
//
// Draw belongs to one goroutine; the setters may be called from any other.
type Light struct {
	inputs []string
	rng    *rand.Rand

	mu       sync.Mutex
	settings LightSettings // as last set
	drawn    lightState    // as last drawn with
	version  int           // counts the changes of drawn
	changes  []lightChange
	now      func() time.Time // of the instrument
}

// lightModel is what LightSettings come to: rate per exclusive pattern, and per
// input the variance of its lone detections in units of their mean.
type lightModel struct {
	patternHz []float64
	fano      []float64
}

// lightState is what light is drawn with for as long as nothing is changed.
type lightState struct {
	settings LightSettings
	model    lightModel
}

type lightChange struct {
	at time.Time
	lightState
}

// NewLight checks the settings and makes the light. Without RatesHz it is dark.
func NewLight(s LightSettings) (*Light, error) {
	s = s.clone()
	if len(s.Inputs) == 0 || len(s.Inputs) > MaxInputs {
		return nil, fmt.Errorf("light: %d inputs, expected 1 to %d", len(s.Inputs), MaxInputs)
	}
	model, err := s.model()
	if err != nil {
		return nil, err
	}
	return &Light{
		inputs:   s.Inputs,
		rng:      rand.New(rand.NewPCG(s.Seed, 0x6c69676874)), // "light": a stream apart from the faults'
		settings: s,
		drawn:    lightState{s, model},
		now:      time.Now,
	}, nil
}

// Inputs is how many inputs there are.
func (l *Light) Inputs() int { return len(l.inputs) }

// Patterns is how long the slice given to Draw has to be: 2^Inputs.
func (l *Light) Patterns() int { return 1 << len(l.inputs) }

// SetRates sets the rate of every input from now on, in the middle of a gate if
// need be, and returns the moment from which it holds. It refuses what NewLight
// would refuse and then changes nothing.
func (l *Light) SetRates(ratesHz []float64) (time.Time, error) {
	return l.change(func(s *LightSettings) { s.RatesHz = slices.Clone(ratesHz) })
}

// SetPairs sets the pairs from now on, as SetRates does the rates.
func (l *Light) SetPairs(pairs []Pair) (time.Time, error) {
	return l.change(func(s *LightSettings) { s.Pairs = slices.Clone(pairs) })
}

func (l *Light) change(set func(*LightSettings)) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.settings
	set(&s)
	model, err := s.model()
	if err != nil {
		return time.Time{}, err
	}
	l.settings = s
	if len(l.changes) == maxChanges {
		l.changes = slices.Delete(l.changes, 0, 1)
	}
	at := l.now()
	l.changes = append(l.changes, lightChange{at, lightState{s, model}})
	return at, nil
}

// keepsTime has changes take place by the clock of the instrument that the light falls
// on, where that is another one.
func (l *Light) keepsTime(now func() time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = now
}

// hold makes all changes up to from and returns how long from then on, to at most, the
// light stays as it is then.
func (l *Light) hold(from, to time.Time) time.Time {
	for len(l.changes) > 0 && !l.changes[0].at.After(from) {
		l.drawn = l.changes[0].lightState
		l.version++
		l.changes = slices.Delete(l.changes, 0, 1)
	}
	if len(l.changes) > 0 && l.changes[0].at.Before(to) {
		return l.changes[0].at
	}
	return to
}

// Draw adds to patterns, for every set of inputs (bit i of the index is input
// i), how often exactly these fired together between from and to. Intervals must
// follow one another; an empty one adds nothing.
func (l *Light) Draw(from, to time.Time, patterns []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		until := l.hold(from, to)
		l.draw(until.Sub(from), patterns)
		if !until.Before(to) {
			return
		}
		from = until
	}
}

func (l *Light) draw(d time.Duration, patterns []int64) {
	for m, hz := range l.drawn.model.patternHz {
		if hz <= 0 || d <= 0 {
			continue
		}
		fano := 1.0
		if m&(m-1) == 0 {
			fano = l.drawn.model.fano[m]
		}
		patterns[m] += squeezed(l.rng, hz*d.Seconds(), fano)
	}
}

// Together is how often all inputs of mask fired together (others may have
// fired as well), given patterns from Draw. For mask 0 it is 0.
func Together(patterns []int64, mask int) int64 {
	sum := int64(0)
	if mask == 0 {
		return 0
	}
	for m := mask; m < len(patterns); m++ {
		if m&mask == mask {
			sum += patterns[m]
		}
	}
	return sum
}

func (s LightSettings) clone() LightSettings {
	s.Inputs = slices.Clone(s.Inputs)
	s.RatesHz = slices.Clone(s.RatesHz)
	s.DarkHz = slices.Clone(s.DarkHz)
	s.Pairs = slices.Clone(s.Pairs)
	return s
}

// maxRateHz keeps every count of a long gate within 64 bits.
const maxRateHz = 1e10

// perInput is list, zeros if it is empty, refused if its length or a rate is impossible.
func (s LightSettings) perInput(what string, list []float64) ([]float64, error) {
	n := len(s.Inputs)
	if len(list) == 0 {
		return make([]float64, n), nil
	}
	if len(list) != n {
		return nil, fmt.Errorf("light: %d %s for %d inputs (%v)", len(list), what, n, s.Inputs)
	}
	for i, hz := range list {
		if !(hz >= 0 && hz <= maxRateHz) {
			return nil, fmt.Errorf("light: %s of input %s is %g per second, expected 0 to %g", what, s.Inputs[i], hz, float64(maxRateHz))
		}
	}
	return list, nil
}

// model checks the settings and works out the rates of all patterns.
func (s LightSettings) model() (lightModel, error) {
	rates, err := s.perInput("rates", s.RatesHz)
	if err != nil {
		return lightModel{}, err
	}
	dark, err := s.perInput("dark rates", s.DarkHz)
	if err != nil {
		return lightModel{}, err
	}
	if s.DeadTime < 0 || s.Window < 0 {
		return lightModel{}, fmt.Errorf("light: dead time %v and window %v must not be negative", s.DeadTime, s.Window)
	}
	n := len(s.Inputs)
	live := make([]float64, n) // the part of the time an input can see
	singles := make([]float64, n)
	for i := range n {
		live[i] = 1 / (1 + (rates[i]+dark[i])*s.DeadTime.Seconds())
		singles[i] = (rates[i] + dark[i]) * live[i]
	}
	pairs, err := s.pairMatrix(rates, live)
	if err != nil {
		return lightModel{}, err
	}
	const noWindowS = 1e-15 // a window of zero leaves true pairs and no accidentals
	model := lightModel{
		patternHz: patternRates(singles, pairs, max(s.Window.Seconds(), noWindowS)),
		fano:      make([]float64, 1<<n),
	}
	for i := range n {
		// The detections of an input scatter with live^2; those that belong to
		// a coincidence are drawn as Poisson, the lone ones make up for it.
		lone := model.patternHz[1<<i]
		shared := singles[i] - lone
		const mostRegular = 0.01
		model.fano[1<<i] = max((live[i]*live[i]*singles[i]-shared)/max(lone, 1e-9), mostRegular)
	}
	return model, nil
}

// pairMatrix is the symmetric matrix of pairs that both inputs of see.
func (s LightSettings) pairMatrix(ratesHz, live []float64) ([][]float64, error) {
	n := len(s.Inputs)
	matrix := make([][]float64, n)
	for i := range matrix {
		matrix[i] = make([]float64, n)
	}
	inPairs := make([]float64, n)
	for _, p := range s.Pairs {
		if p.A < 0 || p.B < 0 || p.A >= n || p.B >= n || p.A == p.B {
			return nil, fmt.Errorf("light: pair of inputs %d and %d, expected two different ones of %v", p.A, p.B, s.Inputs)
		}
		if !(p.RateHz >= 0) {
			return nil, fmt.Errorf("light: %g pairs per second for %s and %s, expected 0 or more", p.RateHz, s.Inputs[p.A], s.Inputs[p.B])
		}
		seen := p.RateHz * live[p.A] * live[p.B]
		matrix[p.A][p.B] += seen
		matrix[p.B][p.A] += seen
		inPairs[p.A] += p.RateHz
		inPairs[p.B] += p.RateHz
	}
	for i, hz := range inPairs {
		if hz > ratesHz[i] {
			return nil, fmt.Errorf("light: input %s takes part in %g pairs per second but detects only %g photons; raise its rate or lower the pairs", s.Inputs[i], hz, ratesHz[i])
		}
	}
	return matrix, nil
}
