package cd48

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"photongate/sim"
)

const (
	inputs   = 4
	counters = 8
)

// inputNames are the inputs in the order of the S command's digits.
const inputNames = "ABCD"

// maxCount is the largest value of counter n: 24 bits, the last one 16 (help text
// of the unit, amcdawes/coincidence README.md).
func maxCount(n int) uint64 {
	if n == counters-1 {
		return 1<<16 - 1
	}
	return 1<<24 - 1
}

// Ack is what the box answers to a set command.
type Ack string

// The answers to a set command.
const (
	AckSilent Ack = "silent" // nothing
	AckOK     Ack = "ok"     // a line OK
	AckEcho   Ack = "echo"   // the command as a line
)

// Settings are what the box remembers without power.
type Settings struct {
	// Masks are the inputs each counter watches, bit 0 for A to bit 3 for D.
	Masks [counters]int
	// Threshold is the input threshold in steps of 16 mV, 0 to 255.
	Threshold int
	// Output is the DAC output in steps of 16 mV, 0 to 255.
	Output int
	// IntervalMs is the repeat interval, 100 to 65535.
	IntervalMs int
	// Repeat says that lines come unasked.
	Repeat bool
	// HighImpedance tells inputs of high impedance from those of 50 ohm.
	HighImpedance bool
}

// DefaultSettings are A, B, C, D, AB, AC, AD, ABC (as amcdawes/coincidence
// README.md sets its unit), a threshold of 0.8 V, and repeat off at 1 s.
func DefaultSettings() Settings {
	const a, b, c, d = 1, 2, 4, 8
	return Settings{
		Masks:      [counters]int{a, b, c, d, a | b, a | c, a | d, a | b | c},
		Threshold:  50,
		IntervalMs: 1000,
	}
}

// Options choose what the box does.
type Options struct {
	// Light falls on the inputs A, B, C and D.
	Light *sim.Light
	// Settings are those stored in the box; with an interval of 0,
	// DefaultSettings are.
	Settings Settings
	// Ack is the answer to set commands; empty means AckSilent.
	Ack Ack
	// Stick makes a full counter keep its largest value; otherwise it wraps.
	Stick bool
	// ReadClearsFlags makes c and C clear the overflow flags; otherwise only E does.
	ReadClearsFlags bool
	// RepeatAsRead makes repeated lines follow the form last asked for, c or C;
	// otherwise they are always in the form of c.
	RepeatAsRead bool
	// RightFirstLine makes the first line after repeat is switched on cover one
	// interval. Otherwise its counts begin at the last reading and it comes when
	// the box's own timer, which never stops, next runs out.
	RightFirstLine bool
	// FastPPM is how fast the box's crystal runs, in parts per million.
	FastPPM float64
	// Forgets makes it lose its settings without power: when it restarts it has
	// those it was made with.
	Forgets bool
	// Ignores are the set commands, by their letters, that it does not heed so many
	// times; -1: ever.
	Ignores map[byte]int
	// Banner is what it says when it has restarted, if anything.
	Banner string
	// Distinct makes counter 0 read [sim.DistinctValue] instead of its light.
	Distinct bool
}

// Box is one CD48. It implements [sim.Instrument].
type Box struct {
	options  Options
	settings Settings
	ignores  map[byte]int // how often still
	columns  []string
	parser   parser

	dead      bool      // without power
	bootUntil time.Time // silent and deaf before
	banner    bool      // still to be said
	timer     sim.Crystal
	lines     int64 // periods of timer that are over

	counted  time.Time // what came before is in counts
	counts   [counters]uint64
	flags    uint64 // bit n: counter n ran over
	human    bool   // C was the last form asked for
	rows     int64
	patterns []int64
	reply    []byte
	lastLine []byte // the last one sent unasked
}

// New makes a box that has no power yet.
func New(o Options) (*Box, error) {
	if o.Light == nil || o.Light.Inputs() != inputs {
		return nil, fmt.Errorf("cd48: the light must have the %d inputs A, B, C, D", inputs)
	}
	switch o.Ack {
	case "":
		o.Ack = AckSilent
	case AckSilent, AckOK, AckEcho:
	default:
		return nil, fmt.Errorf("cd48: answer %q to set commands: expected %s, %s or %s", o.Ack, AckSilent, AckOK, AckEcho)
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("cd48: a crystal off by %g ppm; expected within 100000", o.FastPPM)
	}
	if o.Settings.IntervalMs == 0 {
		o.Settings = DefaultSettings()
	}
	o.Settings.IntervalMs = clampInterval(o.Settings.IntervalMs)
	return &Box{
		options:  o,
		settings: o.Settings,
		ignores:  maps.Clone(o.Ignores),
		columns:  columnNames(o.Settings.Masks),
		dead:     true,
		patterns: make([]int64, o.Light.Patterns()),
	}, nil
}

// Inputs names the inputs the light must have.
func Inputs() []string { return strings.Split(inputNames, "") }

// columnNames names counters by the inputs they watch at first. S may change
// that; the columns stay.
func columnNames(masks [counters]int) []string {
	names := make([]string, counters)
	for n, mask := range masks {
		for i := range inputs {
			if mask&(1<<i) != 0 {
				names[n] += inputNames[i : i+1]
			}
		}
		if names[n] == "" {
			names[n] = fmt.Sprintf("counter%d", n)
		}
	}
	return names
}

// Name implements [sim.Instrument].
func (b *Box) Name() string { return "cd48" }

// Channels implements [sim.Instrument]: the eight counters by number, named by
// the inputs they watched when the box was made.
func (b *Box) Channels() []string { return b.columns }

// CheckFault refuses what a box cannot have, and an overflow of a counter that
// does not exist.
func (b *Box) CheckFault(f sim.Fault) error {
	switch {
	case f.Kind != sim.FaultOverflow && f.Kind != sim.FaultReboot:
		return fmt.Errorf("fault %v: cd48 has no %s", f, f.Kind)
	case f.Count >= counters && f.Kind == sim.FaultOverflow:
		return fmt.Errorf("fault %v: cd48 has counters 0 to %d, not %d", f, counters-1, f.Count)
	}
	return nil
}

// Handle implements [sim.Instrument].
func (b *Box) Handle(ev sim.Event, line sim.Line) {
	switch ev.Kind {
	case sim.PowerOn, sim.Plugged: // the cable is its power supply
		b.restart(ev.At)
	case sim.Reboot:
		b.restart(ev.At.Add(ev.For))
	case sim.Unplugged:
		b.dead = true
	case sim.Opened:
		// What of the last line still stood in the USB buffer comes first.
		if b.settings.Repeat && len(b.lastLine) > 0 {
			line.TearNext()
			line.Send(ev.At, b.lastLine)
		}
	case sim.Overflow:
		b.overflow(ev)
	case sim.Received:
		if b.dead || ev.At.Before(b.bootUntil) {
			return
		}
		for _, c := range ev.Data {
			b.parser.feed(c, func(letter byte, digits string) {
				b.obey(ev.At, letter, digits, line)
			})
		}
	}
}

// restart begins life with the stored settings and empty counters at ready.
func (b *Box) restart(ready time.Time) {
	b.dead = false
	if b.options.Forgets {
		b.settings = b.options.Settings
	}
	b.bootUntil, b.banner = ready, b.options.Banner != ""
	b.parser = parser{}
	b.counted = ready
	b.counts, b.flags, b.human = [counters]uint64{}, 0, false
	b.lastLine = nil
	b.startTimer(ready)
}

func (b *Box) startTimer(at time.Time) {
	b.timer = sim.Crystal{Start: at, PeriodS: float64(b.settings.IntervalMs) / 1e3, FastPPM: b.options.FastPPM}
	b.lines = 0
}

// Next implements [sim.Instrument].
func (b *Box) Next() time.Time {
	switch {
	case b.dead:
		return time.Time{}
	case b.banner:
		return b.bootUntil
	case b.settings.Repeat:
		return b.timer.Edge(b.lines + 1)
	}
	return time.Time{}
}

// Advance sends the lines that are due in repeat mode.
func (b *Box) Advance(now time.Time, line sim.Line) {
	for due := b.Next(); !due.IsZero() && !due.After(now); due = b.Next() {
		if b.banner {
			b.banner = false
			line.Send(due, []byte(b.options.Banner))
			continue
		}
		b.lines++
		b.read(due, b.options.RepeatAsRead && b.human, line)
		b.lastLine = append(b.lastLine[:0], b.reply...)
	}
}

// accumulate adds what came since the last time to the counters.
func (b *Box) accumulate(now time.Time) {
	if !now.After(b.counted) {
		return
	}
	clear(b.patterns)
	b.options.Light.Draw(b.counted, now, b.patterns)
	b.counted = now
	for n, mask := range b.settings.Masks {
		b.add(n, uint64(sim.Together(b.patterns, mask)))
	}
}

// add lets counter n count, and run over.
func (b *Box) add(n int, count uint64) {
	limit := maxCount(n)
	b.counts[n] += count
	if b.counts[n] <= limit {
		return
	}
	b.flags |= 1 << n
	if b.options.Stick {
		b.counts[n] = limit
	} else {
		b.counts[n] %= limit + 1
	}
}

// overflow makes a counter run over once, by default the narrow one.
func (b *Box) overflow(ev sim.Event) {
	n := ev.Channel
	if n < 0 {
		n = counters - 1
	}
	b.accumulate(ev.At)
	b.add(n, maxCount(n)+1)
}

// read reports and clears the counters.
func (b *Box) read(now time.Time, human bool, line sim.Line) {
	b.accumulate(now)
	if b.options.Distinct {
		b.counts[0] = sim.DistinctValue(b.rows, maxCount(0))
	}
	b.rows++
	line.Latched(now, b.counts[:])
	if human {
		b.reply = appendHumanCounts(b.reply[:0], b.counts, b.flags)
	} else {
		b.reply = appendCounts(b.reply[:0], b.counts, b.flags)
	}
	b.counts = [counters]uint64{}
	if b.options.ReadClearsFlags {
		b.flags = 0
	}
	line.Send(now, b.reply)
}
