package homebuilt

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"photongate/instrument"
	"photongate/sim"
)

const (
	// slot is how finely the times of single events are drawn.
	slot = 10 * time.Millisecond
	// usualEvery is how often a reading comes when a file does not say.
	usualEvery = time.Second
)

// Options choose what the instrument does.
type Options struct {
	// File describes it.
	File *instrument.File
	// Light falls on the inputs that Inputs names.
	Light *sim.Light
	// Seed makes what is made up repeatable: auxiliary values, stretched gates.
	Seed uint64
	// FastPPM is how fast its crystal runs, in parts per million.
	FastPPM float64
	// Stretch is by how much each gate may be longer than it should be, as that of
	// a sketch is that waits and then prints.
	Stretch time.Duration
	// Total is what running totals begin at, so that one near the top wraps soon.
	Total uint64
	// Distinct makes the first channel that counts read [sim.DistinctValue]; a
	// running total then goes up by one with each reading. Events are told apart
	// anyway.
	Distinct bool
	// Tags say more of the light of an instrument of tags; its tick is the file's.
	Tags sim.TagSettings
}

// Counter is one instrument. It implements [sim.Instrument].
type Counter struct {
	file     *instrument.File
	play     instrument.Simulate
	light    *sim.Light
	rng      *rand.Rand
	fastPPM  float64
	stretch  time.Duration
	total    uint64
	distinct int // the channel that makes rows distinct; -1: none

	masks    []int    // see wire
	places   []int    // digits behind the point of each channel as it is sent
	limits   []uint64 // the largest number each channel can say
	owns     []string // see owned
	message  message
	words    []word
	settings map[string]any // what holds, by name

	ready   time.Time // silent and deaf before
	banner  bool      // still to be said
	gate    sim.Crystal
	gates   int64         // of this crystal that are over
	elapsed time.Duration // by its own clock, since the start
	asked   bool          // counting because it was asked
	refuse  bool          // the next thing it understands is refused
	over    int           // the channel that is to run over; -1: none
	chatter []time.Time   // when each is due
	heard   hearing

	counted  time.Time // until when the light has been counted
	patterns []int64
	totals   []uint64
	reading  reading
	number   uint64 // of readings, or events, since the start
	rows     int64  // of truth, ever

	tagger *tagger // nil for one that counts
}

// New makes an instrument that has no power yet. It refuses a file that does not
// say enough, with what is to be added.
func New(o Options) (*Counter, error) {
	f := o.File
	inputs, masks := wire(f)
	if f.Tags != nil {
		inputs, _ = tagInputs(f)
	}
	if o.Light == nil || o.Light.Inputs() != len(inputs) {
		return nil, fmt.Errorf("%s: the light must have the inputs %v", f.Name, inputs)
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("%s: a crystal off by %g ppm; expected within 100000", f.Name, o.FastPPM)
	}
	if o.Stretch < 0 {
		return nil, fmt.Errorf("%s: a gate cannot be stretched by %v; expected a time from 0", f.Name, o.Stretch)
	}
	c := &Counter{
		file: f, light: o.Light, masks: masks, fastPPM: o.FastPPM, stretch: o.Stretch, total: o.Total, distinct: -1,
		rng:      rand.New(rand.NewPCG(o.Seed, 0x61757869)), // "auxi": a stream apart from the light's
		patterns: make([]int64, o.Light.Patterns()),
		totals:   make([]uint64, len(f.Channels)),
		over:     -1,
	}
	if f.Simulate != nil {
		c.play = *f.Simulate
	}
	if o.Distinct {
		c.distinct = litChannels(f)[0]
	}
	c.forget()
	if f.Tags != nil {
		var err error
		if c.tagger, err = newTagger(c, o.Tags); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if err := errors.Join(c.learn(), c.rehearse()); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	c.prepare()
	return c, nil
}

// Name implements [sim.Instrument].
func (c *Counter) Name() string { return c.file.Name }

// Channels implements [sim.Instrument]: all channels of the file. A row is written
// for each reading, as its values are stored; for single events one for each, with
// the number of the event.
func (c *Counter) Channels() []string {
	var names []string
	for _, ch := range c.file.Channels {
		names = append(names, ch.Name)
	}
	return names
}

// GivesTags reports whether the truth is one of tags.
func (c *Counter) GivesTags() bool { return c.tagger != nil }

// Decimals is how many digits of each value of the truth stand behind its point.
func (c *Counter) Decimals() []int {
	var list []int
	for _, ch := range c.file.Channels {
		list = append(list, -ch.Exponent)
	}
	return list
}

// CheckFault refuses what the instrument cannot have.
func (c *Counter) CheckFault(f sim.Fault) error {
	if c.tagger != nil && f.Kind == sim.FaultOverflow {
		return c.checkTagFault(f)
	}
	switch f.Kind {
	case sim.FaultReboot:
		return nil
	case sim.FaultRefuse:
		if c.play.Unknown == "" {
			return fmt.Errorf("fault %v: %s refuses nothing: say what it says then (unknown under [simulate])", f, c.file.Name)
		}
		return nil
	case sim.FaultOverflow:
		if i := c.overflowing(f.Count); i < 0 {
			return fmt.Errorf("fault %v: %s does not tell of an overflow (expected a [[channel]] with overflow; one that wraps does so with --total)", f, c.file.Name)
		}
		return nil
	}
	return fmt.Errorf("fault %v: %s has no %s", f, c.file.Name, f.Kind)
}

// overflowing is the channel that can tell of an overflow, or the first that can
// for -1; -1 when there is none.
func (c *Counter) overflowing(channel int) int {
	for i, ch := range c.file.Channels {
		if ch.Overflow != nil && (channel < 0 || channel == i) {
			return i
		}
	}
	return -1
}

// Handle implements [sim.Instrument].
func (c *Counter) Handle(ev sim.Event, line sim.Line) {
	switch ev.Kind {
	case sim.PowerOn:
		c.restart(ev.At.Add(c.play.Boot))
	case sim.Opened:
		if c.play.Boot > 0 || c.play.Banner != "" {
			c.restart(ev.At.Add(c.play.Boot))
			return
		}
		switch {
		case c.tagger != nil:
			c.tagger.tear = c.tagger.streams
		case c.file.Poll == nil:
			line.TearNext()
		}
	case sim.Reboot:
		c.restart(ev.At.Add(ev.For))
	case sim.Refuse:
		c.refuse = true
	case sim.Overflow:
		if c.tagger != nil {
			c.tagger.over = overflowTime
			return
		}
		c.over = c.overflowing(ev.Channel)
	case sim.Received:
		if !ev.At.Before(c.ready) {
			c.receive(ev.At, ev.Data, line)
		}
	}
}

// restart begins life at ready.
func (c *Counter) restart(ready time.Time) {
	c.forget()
	c.ready, c.banner, c.counted = ready, c.play.Banner != "", ready
	c.heard = hearing{}
	c.asked, c.refuse, c.over, c.number, c.elapsed = false, false, -1, 0, 0
	for i := range c.totals {
		c.totals[i] = c.total
	}
	c.chatter = c.chatter[:0]
	for _, chat := range c.play.Chatter {
		c.chatter = append(c.chatter, ready.Add(chat.Every))
	}
	if c.tagger != nil {
		c.restartTags(ready)
	}
	c.begin(ready)
}

// overflowTime is for how long an instrument of tags whose memory runs over loses them.
const overflowTime = 10 * time.Millisecond

// begin begins a gate.
func (c *Counter) begin(at time.Time) {
	length := c.gateTime()
	if c.stretch > 0 && !c.events() {
		length += time.Duration(c.rng.Int64N(int64(c.stretch) + 1))
	}
	c.gate, c.gates = sim.Crystal{Start: at, PeriodS: length.Seconds(), FastPPM: c.fastPPM}, 0
}

// gateTime is how long a gate should be.
func (c *Counter) gateTime() time.Duration {
	if c.events() {
		return slot
	}
	if c.tagger != nil {
		return tagChunk
	}
	length, _ := c.settings[c.file.Gate.Setting].(time.Duration)
	for _, d := range []time.Duration{c.file.Gate.Time, c.play.Every, usualEvery} {
		if length <= 0 {
			length = d
		}
	}
	return length
}

// events reports whether every line or record is one event.
func (c *Counter) events() bool { return c.file.Channels[0].Kind == instrument.Event }

// runs reports whether gates follow one another, whoever asks.
func (c *Counter) runs() bool {
	if c.tagger != nil {
		return c.tagger.streams
	}
	switch c.file.Gate.By {
	case instrument.ByAnswer:
		return c.asked
	case instrument.ByPoll:
		return c.play.Every > 0
	}
	return true
}

// Next implements [sim.Instrument].
func (c *Counter) Next() time.Time {
	at, _ := c.next()
	return at
}

// next is what is due next, and when; nil when nothing is.
func (c *Counter) next() (at time.Time, do func(at time.Time, line sim.Line)) {
	sooner := func(t time.Time, what func(time.Time, sim.Line)) {
		if at.IsZero() || t.Before(at) {
			at, do = t, what
		}
	}
	if c.banner {
		sooner(c.ready, c.greet)
	}
	if c.runs() && !c.ready.IsZero() {
		sooner(c.gate.Edge(c.gates+1), c.endGate)
	}
	for i, t := range c.chatter {
		sooner(t, func(at time.Time, line sim.Line) {
			c.chatter[i] = at.Add(c.play.Chatter[i].Every)
			line.Send(at, c.fill(c.play.Chatter[i].Say))
		})
	}
	if !c.heard.until.IsZero() {
		sooner(c.heard.until, c.quiet)
	}
	return at, do
}

// Advance implements [sim.Instrument].
func (c *Counter) Advance(now time.Time, line sim.Line) {
	for {
		at, do := c.next()
		if do == nil || at.After(now) {
			return
		}
		do(at, line)
	}
}

// greet says the banner.
func (c *Counter) greet(at time.Time, line sim.Line) {
	c.banner = false
	line.Send(at, []byte(c.play.Banner))
}

// endGate ends a gate: what it counted is told, or kept until somebody asks.
func (c *Counter) endGate(at time.Time, line sim.Line) {
	began := c.gate.Edge(c.gates)
	c.gates++
	c.elapsed += time.Duration(c.gate.PeriodS * float64(time.Second))
	if c.stretch > 0 {
		c.begin(at)
	}
	if c.tagger != nil {
		c.sendTags(at, line)
		return
	}
	if c.events() {
		c.sendEvents(began, at, line)
		return
	}
	c.count(at)
	c.latch(at.Sub(began))
	if c.file.Gate.By != instrument.ByPoll {
		c.tell(at, line)
	}
	if c.asked {
		c.asked = false
		c.obey(at, line) // what came meanwhile
	}
}

// poll answers the question for a reading.
func (c *Counter) poll(now time.Time, line sim.Line) {
	if c.file.Gate.By == instrument.ByAnswer {
		c.asked, c.counted = true, now
		c.begin(now)
		return
	}
	if c.play.Every == 0 {
		began := c.counted
		c.count(now)
		c.latch(now.Sub(began))
	}
	c.tell(now, line)
}

// tell sends the reading and writes its row of truth.
func (c *Counter) tell(at time.Time, line sim.Line) {
	line.Latched(at, c.reading.stored)
	c.rows++
	delay := c.play.Delay
	if c.file.Poll == nil {
		delay = 0
	}
	line.Send(at.Add(delay), c.message(c.value))
}
