package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// TagSettings say about single detections what [LightSettings], which have rates, dark
// counts, pairs and dead time, do not. The zero value of all but TickS is steady light
// and partners of pairs that arrive at once.
type TagSettings struct {
	// TickS is how long a tick of the instrument is, in seconds.
	TickS float64
	// PairDelayNs is how much later input B of a [Pair] sees its partner; may be
	// negative.
	PairDelayNs float64
	// JitterNs is the standard deviation of the time of a detection.
	JitterNs float64
	// Afterpulse is the chance that a detection is followed by another one at the same
	// input: as soon as the dead time is over, and then within AfterpulseNs on average.
	Afterpulse, AfterpulseNs float64
	// PulseNs is the period of pulsed light: all but dark counts is detected at whole
	// multiples of it, give or take the jitter. 0: the light is steady.
	PulseNs float64
	// BurstNs, if not 0, is the mean length of bursts in which all light comes but dark
	// counts, BurstEveryNs the mean time from one to the next. Both vary at random; the
	// rates hold on average.
	BurstNs, BurstEveryNs float64
}

// tagSpan is how many candidates are drawn in one go, on average.
const tagSpan = 1 << 14

// maxJitter is the most a detection is off, in standard deviations.
const maxJitter = 6

// TagLight draws when which input of a [Light] detected something: Poisson light, dark
// counts, pairs, dead time and afterpulses, in order of time. Changes of the light are
// changes of it. One goroutine, that of the instrument, uses it.
type TagLight struct {
	light    *Light
	settings TagSettings
	random   fastRandom
	normal   *rand.Rand

	at      time.Time // the light is drawn up to here, which is
	tick    uint64    // this tick
	version int       // of the light the model is of
	model   tagModel

	// Times from here on are in ticks after tick, before any jitter or delay.
	nextLight, nextDark float64
	burstEnd            float64
	phase               float64 // of tick in the pulses, in ticks

	pending []Tag             // candidates, beyond tick too; a block's worth and what is delayed
	after   []Tag             // afterpulses to come, in order
	free    [MaxInputs]uint64 // the first tick at which an input can see again
}

// tagModel is what the settings come to per tick.
type tagModel struct {
	light, dark      float64 // events per tick
	choose           chooser // which one: the inputs, then the pairs
	chooseDark       chooser // which input
	pairs            []Pair
	inputs           int
	dead             uint64
	delay, jitter    float64
	pulse            float64
	burst, every     float64
	afterpulse, tail float64
}

// NewTagLight makes time-resolved light of light.
func NewTagLight(light *Light, s TagSettings) (*TagLight, error) {
	const longest = 1e9 // a second
	for _, v := range []struct {
		what  string
		value float64
		least float64
	}{
		{"pair delay", s.PairDelayNs, -longest}, {"jitter", s.JitterNs, 0}, {"time of afterpulses", s.AfterpulseNs, 0},
		{"period of pulses", s.PulseNs, 0}, {"length of bursts", s.BurstNs, 0}, {"time between bursts", s.BurstEveryNs, 0},
	} {
		if !(v.value >= v.least && v.value <= longest) {
			return nil, fmt.Errorf("light: %s of %g ns, expected %g to %g (1 s)", v.what, v.value, v.least, float64(longest))
		}
	}
	switch {
	case !(s.TickS > 0 && s.TickS <= 1):
		return nil, fmt.Errorf("light: a tick of %g s, expected more than 0 and at most 1", s.TickS)
	case !(s.Afterpulse >= 0 && s.Afterpulse <= 0.5):
		return nil, fmt.Errorf("light: afterpulses of %g, expected a chance of 0 to 0.5", s.Afterpulse)
	case s.BurstNs > 0 && !(s.BurstEveryNs > s.BurstNs):
		return nil, fmt.Errorf("light: bursts of %g ns every %g ns, expected more time from one to the next than one lasts", s.BurstNs, s.BurstEveryNs)
	case s.PulseNs > 0 && s.PulseNs < s.TickS*1e9:
		return nil, fmt.Errorf("light: pulses every %g ns, expected at least a tick, %g ns", s.PulseNs, s.TickS*1e9)
	}
	l := &TagLight{light: light, settings: s, version: -1}
	l.random = fastRandom(light.settings.Seed ^ 0x74616773) // "tags": a stream apart from the light's
	l.normal = rand.New(&l.random)
	return l, nil
}

// Begin lets the light fall on the inputs from now, the given tick, on: nothing is
// left of before, but ticks never go back.
func (l *TagLight) Begin(now time.Time, tick uint64) {
	l.at, l.tick, l.version = now, max(tick, l.tick), -1
	l.pending, l.after = l.pending[:0], l.after[:0]
}

// Until appends to tags the detections that come before tick to, which is at the time
// now, and after those of the last call. Each tick has at most one of each input.
func (l *TagLight) Until(now time.Time, to uint64, tags []Tag) []Tag {
	for l.tick < to {
		end := to
		l.light.mu.Lock()
		until := l.light.hold(l.at, now)
		if until.Before(now) {
			part := float64(until.Sub(l.at)) / float64(now.Sub(l.at))
			end = l.tick + uint64(part*float64(to-l.tick))
		}
		if l.version != l.light.version {
			l.version = l.light.version
			l.model = l.settings.model(l.light.drawn.settings)
			l.restart()
		}
		l.light.mu.Unlock()
		for l.tick < end {
			span := end - l.tick
			if rate := l.model.light + l.model.dark; rate*float64(span) > tagSpan {
				span = max(1, uint64(tagSpan/rate))
			}
			l.draw(float64(span))
			l.tick += span
			tags = l.detect(tags)
		}
		l.at = until
	}
	l.at = now
	return tags
}

// model works out rates per tick.
func (s TagSettings) model(light LightSettings) tagModel {
	perTick := func(list []float64, i int) float64 {
		if len(list) == 0 {
			return 0
		}
		return list[i] * s.TickS
	}
	ticks := func(ns float64) float64 { return ns / (s.TickS * 1e9) }
	n := len(light.Inputs)
	m := tagModel{
		inputs: n, pairs: light.Pairs,
		dead:  max(1, uint64(math.Ceil(ticks(float64(light.DeadTime))-1e-6))),
		delay: ticks(s.PairDelayNs), jitter: ticks(s.JitterNs), pulse: ticks(s.PulseNs),
		burst: ticks(s.BurstNs), every: ticks(s.BurstEveryNs),
		afterpulse: s.Afterpulse, tail: ticks(s.AfterpulseNs),
	}
	weights, dark := make([]float64, n+len(light.Pairs)), make([]float64, n)
	for i := range n {
		weights[i], dark[i] = perTick(light.RatesHz, i), perTick(light.DarkHz, i)
	}
	for k, p := range light.Pairs {
		pair := p.RateHz * s.TickS
		weights[n+k] = pair
		weights[p.A] = max(weights[p.A]-pair, 0)
		weights[p.B] = max(weights[p.B]-pair, 0)
	}
	if s.PulseNs == 0 && s.BurstNs == 0 { // dark counts are as any others
		for i := range n {
			weights[i] += dark[i]
			dark[i] = 0
		}
	}
	for _, w := range weights {
		m.light += w
	}
	for _, w := range dark {
		m.dark += w
	}
	if s.BurstNs > 0 {
		m.light *= m.every / m.burst
	}
	m.choose, m.chooseDark = newChooser(weights), newChooser(dark)
	return m
}

// restart draws what comes next anew: exponential waits have no memory.
func (l *TagLight) restart() {
	l.nextDark = l.random.exponential() / l.model.dark
	l.nextLight, l.burstEnd = 0, math.Inf(1)
	if l.model.burst > 0 {
		l.burstEnd = l.random.exponential() * l.model.burst
	}
	l.step()
}

// step goes on to the next event of the light. Bursts are all the time there is for it.
func (l *TagLight) step() {
	m := &l.model
	l.nextLight += l.random.exponential() / m.light
	for l.nextLight > l.burstEnd && m.light > 0 {
		gap := l.random.exponential() * (m.every - m.burst)
		l.nextLight += gap
		l.burstEnd += gap + l.random.exponential()*m.burst
	}
}

// draw appends to pending the candidates of the next span ticks: what the detectors
// would see if they were always ready.
func (l *TagLight) draw(span float64) {
	m := &l.model
	if m.pulse > 0 {
		l.phase = math.Mod(float64(l.tick), m.pulse)
	}
	plain := m.pulse == 0 // single photons of steady light are as random without jitter
	for {
		if l.nextDark < l.nextLight {
			if l.nextDark >= span {
				break
			}
			l.pending = append(l.pending, l.candidate(l.nextDark, m.chooseDark.choose(&l.random)))
			l.nextDark += l.random.exponential() / m.dark
			continue
		}
		if l.nextLight >= span {
			break
		}
		if kind := m.choose.choose(&l.random); plain && kind < m.inputs {
			l.pending = append(l.pending, l.candidate(l.nextLight, kind))
		} else {
			l.event(kind)
		}
		if m.burst > 0 {
			l.step()
		} else {
			l.nextLight += l.random.exponential() / m.light
		}
	}
	l.nextLight -= span
	l.nextDark -= span
	l.burstEnd -= span
}

// event appends what comes of one event of light that is pulsed, blurred, or a pair.
func (l *TagLight) event(kind int) {
	m := &l.model
	at := l.nextLight
	if m.pulse > 0 { // those of one period are those of its pulse
		since := l.phase + at
		at += max(0, math.Ceil(since/m.pulse)*m.pulse-since)
	}
	if kind < m.inputs {
		l.pending = append(l.pending, l.candidate(l.blur(at), kind))
		return
	}
	p := m.pairs[kind-m.inputs]
	first, second := at+max(0, -m.delay), at+max(0, m.delay)
	l.pending = append(l.pending, l.candidate(l.blur(first), p.A), l.candidate(l.blur(second), p.B))
}

// blur adds jitter, and the same to all, so that none is before its time.
func (l *TagLight) blur(at float64) float64 {
	if l.model.jitter == 0 {
		return at
	}
	return at + l.model.jitter*(maxJitter+min(max(l.normal.NormFloat64(), -maxJitter), maxJitter))
}

func (l *TagLight) candidate(at float64, input int) Tag {
	return NewTag(l.tick+uint64(int64(at)), input) // by way of int64, which processors do in one step
}

// detect appends to tags what inputs that are ready see of the candidates before tick,
// and forgets these.
func (l *TagLight) detect(tags []Tag) []Tag {
	order(l.pending)
	end := NewTag(l.tick, 0)
	n, _ := slices.BinarySearch(l.pending, end)
	if l.model.afterpulse == 0 && len(l.after) == 0 {
		dead := l.model.dead
		for _, c := range l.pending[:n] {
			ready := &l.free[c.Channel()%MaxInputs]
			if tick := c.Tick(); tick >= *ready {
				*ready = tick + dead
				tags = append(tags, c)
			}
		}
	} else {
		for _, c := range l.pending[:n] {
			tags = l.see(l.afterpulses(tags, c), c)
		}
		tags = l.afterpulses(tags, end)
	}
	l.pending = l.pending[:copy(l.pending, l.pending[n:])]
	return tags
}

// see appends a candidate to tags if its input is ready, and draws its afterpulse.
func (l *TagLight) see(tags []Tag, c Tag) []Tag {
	input, tick := c.Channel()%MaxInputs, c.Tick()
	if tick < l.free[input] {
		return tags
	}
	l.free[input] = tick + l.model.dead
	if l.random.unit() < l.model.afterpulse {
		a := NewTag(l.free[input]+uint64(l.random.exponential()*l.model.tail), input)
		i, _ := slices.BinarySearch(l.after, a)
		l.after = slices.Insert(l.after, i, a)
	}
	return append(tags, c)
}

// afterpulses appends the afterpulses that come before end.
func (l *TagLight) afterpulses(tags []Tag, end Tag) []Tag {
	for len(l.after) > 0 && l.after[0] < end {
		a := l.after[0]
		l.after = slices.Delete(l.after, 0, 1)
		tags = l.see(tags, a)
	}
	return tags
}

// order sorts tags that are nearly in order, which jitter and delays leave behind.
func order(tags []Tag) {
	const patience = 16 // moves per tag, from which on sorting is faster
	moves := patience * len(tags)
	for i := 1; i < len(tags); i++ {
		t := tags[i]
		if t >= tags[i-1] {
			continue
		}
		j := i
		for ; j > 0 && tags[j-1] > t; j-- {
			tags[j] = tags[j-1]
		}
		tags[j] = t
		if moves -= i - j; moves < 0 {
			slices.Sort(tags)
			return
		}
	}
}
