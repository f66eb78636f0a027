package tdc1

import (
	"fmt"
	"time"

	"photongate/sim"
)

const inputs = 4

// Separator is what stands between counts.
type Separator string

// The separators; the true one is not known.
const (
	SeparatorSpace   Separator = "space"
	SeparatorTab     Separator = "tab"
	SeparatorAligned Separator = "aligned" // ten characters for each, blanks in front
)

// Options choose what the unit does.
type Options struct {
	// Light falls on the inputs 1 to 4.
	Light *sim.Light
	// Identity is the line given to *IDN?; empty is one with TDC1 in it.
	Identity string
	// LF ends lines with \n, otherwise \r\n does.
	LF bool
	// Separator stands between counts; empty means SeparatorSpace.
	Separator Separator
	// ErrorText is said to what it does not understand; empty says nothing.
	ErrorText string
	// ReplyDelay passes before every line it says.
	ReplyDelay time.Duration
	// Tail is how many bytes of further words follow when a stream ends.
	Tail int
	// ExternalClock says that a reference clock is connected; while it is used, the
	// unit's own crystal does not matter.
	ExternalClock bool
	// Tags say more of the light, for the stream of tags; the unit sets TickS.
	Tags sim.TagSettings
	// FIFO is how many bytes of the stream wait for a host that does not take them;
	// then whole words are lost, and the stream does not tell. 0: 4 MiB.
	FIFO int
	// Left is a line of commands somebody gave it before, obeyed at the first
	// power-on.
	Left string
	// FastPPM is how fast its crystal runs, in parts per million.
	FastPPM float64
	// Distinct makes input 1 read [sim.DistinctValue] instead of its light.
	Distinct bool
}

// The modes, by the number that MODE? tells.
const (
	modeSingles   = 0
	modePairs     = 1
	modeTimestamp = 3
)

// settings are what the unit forgets without power.
type settings struct {
	mode    int
	timeMs  int // 0: unlimited
	levelV  float64
	falling bool
	refClk  int
}

func defaultSettings() settings {
	return settings{mode: modeSingles, timeMs: 1000, levelV: nimV, falling: true}
}

// Unit is one TDC1. It implements [sim.Instrument].
type Unit struct {
	options  Options
	settings settings
	command  []byte // received so far
	tooLong  bool

	dead  bool      // without power
	power time.Time // deaf and silent before
	run   run
	rows  int64

	patterns []int64

	clock    clock
	light    *sim.TagLight
	tags     []sim.Tag
	words    []byte
	marker   uint32 // the pattern of the last event, which markers repeat
	loseNext bool   // the next marker
	sent     []sent
}

// run is the measurement or the stream under way.
type run struct {
	active bool
	mode   int
	drawn  time.Time // what came before has been counted or sent
	sent   int64     // bytes of the stream
	left   bool      // begun by somebody before: the truth is not of it
	end    time.Time // zero: never by itself
}

// Inputs names the inputs the light must have.
func Inputs() []string { return []string{"1", "2", "3", "4"} }

// pairMasks are the coincidences counted: 1-3, 1-4, 2-3, 2-4.
func pairMasks() []int { return []int{1 | 4, 1 | 8, 2 | 4, 2 | 8} }

// New makes a unit that has no power yet.
func New(o Options) (*Unit, error) {
	if o.Light == nil || o.Light.Inputs() != inputs {
		return nil, fmt.Errorf("tdc1: the light must have the %d inputs 1 to 4", inputs)
	}
	switch o.Separator {
	case "":
		o.Separator = SeparatorSpace
	case SeparatorSpace, SeparatorTab, SeparatorAligned:
	default:
		return nil, fmt.Errorf("tdc1: separator %q: expected space, tab or aligned", o.Separator)
	}
	if o.Identity == "" {
		o.Identity = "S-Fifteen Instruments TDC1 (simulated) TDC1_0014"
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("tdc1: a crystal off by %g ppm; expected within 100000", o.FastPPM)
	}
	if o.Tail < 0 || o.Tail > maxTail {
		return nil, fmt.Errorf("tdc1: %d bytes after the end of a stream; expected 0 to %d", o.Tail, maxTail)
	}
	if o.FIFO == 0 {
		o.FIFO = defaultFIFO
	}
	if o.FIFO < wordBytes {
		return nil, fmt.Errorf("tdc1: %d bytes for the stream to wait in; expected at least %d", o.FIFO, wordBytes)
	}
	o.Tags.TickS = tickNs * 1e-9
	light, err := sim.NewTagLight(o.Light, o.Tags)
	if err != nil {
		return nil, err
	}
	return &Unit{
		options:  o,
		light:    light,
		dead:     true,
		patterns: make([]int64, o.Light.Patterns()),
	}, nil
}

// Name implements [sim.Instrument].
func (u *Unit) Name() string { return "tdc1" }

// Channels implements [sim.Instrument]: the inputs and the coincidences, also in a
// mode in which the unit tells the inputs only.
func (u *Unit) Channels() []string {
	return append(Inputs(), "1-3", "1-4", "2-3", "2-4")
}

// GivesTags says that the unit gives tags besides counts.
func (u *Unit) GivesTags() bool { return true }

// CheckFault refuses what the unit cannot have.
func (u *Unit) CheckFault(f sim.Fault) error {
	switch f.Kind {
	case sim.FaultReboot, sim.FaultLostMarker:
		return nil
	case sim.FaultLostClock:
		if u.options.ExternalClock {
			return nil
		}
		return fmt.Errorf("fault %v: no reference clock is connected to this tdc1", f)
	}
	return fmt.Errorf("fault %v: tdc1 has no %s", f, f.Kind)
}

// Handle implements [sim.Instrument].
func (u *Unit) Handle(ev sim.Event, line sim.Line) {
	switch ev.Kind {
	case sim.PowerOn:
		u.clock = clock{since: ev.At, connected: u.options.ExternalClock, crystalPPM: u.options.FastPPM}
		u.restart(ev.At)
		for _, c := range []byte(u.options.Left + "\n") {
			u.feed(ev.At, c, line)
		}
		u.run.left = true
	case sim.Plugged: // the cable is its power supply
		u.restart(ev.At)
	case sim.Reboot:
		u.lose(ev.At, "restarted", line)
		u.restart(ev.At.Add(ev.For))
	case sim.Unplugged:
		u.lose(ev.At, "unplugged", line)
		u.dead = true
	case sim.Closed:
		u.lose(ev.At, "nobody has the port open", line)
	case sim.LostClock:
		u.clock.lose(ev.At, ev.For)
	case sim.Opened:
		// A host that opens the port in the middle of a stream need not find the
		// beginning of a word.
		if u.streaming() {
			line.TearNext()
		}
	case sim.LostMarker:
		u.loseNext = true
	case sim.Received:
		if u.dead || ev.At.Before(u.power) {
			return
		}
		for _, c := range ev.Data {
			u.feed(ev.At, c, line)
		}
	}
}

// restart begins life at ready.
func (u *Unit) restart(ready time.Time) {
	u.dead, u.power = false, ready
	u.settings = defaultSettings()
	u.command, u.tooLong = u.command[:0], false
	u.run, u.loseNext = run{}, false
	u.marker, u.sent = input1, u.sent[:0]
	u.clock.begin(ready)
}

func (u *Unit) streaming() bool { return !u.dead && u.run.active && u.run.mode == modeTimestamp }

// Next implements [sim.Instrument].
func (u *Unit) Next() time.Time {
	switch {
	case u.dead || !u.run.active:
		return time.Time{}
	case u.streaming():
		return u.chunkEnd()
	}
	return u.run.end
}

// Advance implements [sim.Instrument].
func (u *Unit) Advance(now time.Time, line sim.Line) {
	for {
		next := u.Next()
		if next.IsZero() || next.After(now) {
			return
		}
		if u.streaming() {
			u.sendTags(next, line)
			if next.Equal(u.run.end) {
				u.endStream(next, line)
			}
			continue
		}
		u.run.active = false
		u.count(next, line)
	}
}

// begin is COUNTS?: a measurement or a stream begins.
func (u *Unit) begin(now time.Time) {
	u.run = run{active: true, mode: u.settings.mode, drawn: now}
	if u.streaming() {
		u.light.Begin(now, u.clock.ticks(now))
	}
	if ms := u.settings.timeMs; ms > 0 {
		u.run.end = sim.Crystal{Start: now, PeriodS: float64(ms) / 1e3, FastPPM: u.options.FastPPM}.Edge(1)
	}
}

// count ends a measurement and tells what it counted.
func (u *Unit) count(now time.Time, line sim.Line) {
	clear(u.patterns)
	u.options.Light.Draw(u.run.drawn, now, u.patterns)
	values := make([]uint64, 0, inputs+len(pairMasks()))
	for i := range inputs {
		values = append(values, uint64(sim.Together(u.patterns, 1<<i)))
	}
	for _, mask := range pairMasks() {
		values = append(values, uint64(sim.Together(u.patterns, mask)))
	}
	if u.options.Distinct {
		const most = 1<<32 - 1
		values[0] = sim.DistinctValue(u.rows, most)
	}
	u.rows++
	line.Latched(now, values)
	if u.run.mode == modeSingles {
		values = values[:inputs]
	}
	u.say(now, u.joined(values), line)
}
