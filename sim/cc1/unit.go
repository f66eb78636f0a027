package cc1

import (
	"bytes"
	"fmt"
	"time"

	"photongate/sim"
)

// ByteTime is one byte, 10 bits, at 19200 Bd.
const ByteTime = 10 * time.Second / 19200

// Reply is what a unit says to :ACKN OF while acks are off.
type Reply string

// The answers to :ACKN OF that have been seen.
const (
	ReplyAuto    Reply = "auto"    // nothing; old firmware: Unknown Command
	ReplyEcho    Reply = "echo"    // the command
	ReplyEmpty   Reply = "empty"   // an empty line
	ReplyUnknown Reply = "unknown" // Unknown Command
	ReplySilent  Reply = "silent"  // nothing
)

// Units is what stands behind numbers.
type Units string

// The units behind numbers. The dwell time of old firmware is a number of
// milliseconds whatever is written behind it.
const (
	UnitsNone   Units = "none"
	UnitsMs     Units = "ms" // the dwell time in ms, by any firmware; ns behind window and delay
	UnitsSecond Units = "s"  // s behind the dwell time, which is wrong by old firmware; ns behind window and delay
)

// CommandSet tells the two generations of firmware apart.
type CommandSet string

// The generations. Auto follows from the version: what is above 2.1 is new.
const (
	CommandsAuto CommandSet = "auto"
	CommandsOld  CommandSet = "old"
	CommandsNew  CommandSet = "new"
)

// Settings are what the unit can be told.
type Settings struct {
	Dwell      time.Duration // 0.1 to 30 s
	WindowNs   int           // coincidence window, 0 to 8
	DelayNs    int           // of channel 1: 0, 2, ... 14
	Gate       bool          // count only while the gate input is high
	Subtract   bool          // take accidentals off the coincidences
	StartStop  bool          // stop when the dwell time is over
	Acks       bool          // repeat every command as a line; new firmware only
	CountingOn bool          // false after :COUN:OFF
}

// DefaultSettings are a dwell time of 1 s, counting without end.
func DefaultSettings() Settings {
	return Settings{Dwell: time.Second, WindowNs: 7, CountingOn: true}
}

// Options choose what the unit does.
type Options struct {
	// Light falls on the inputs that Inputs names.
	Light *sim.Light
	// Firmware is the version, such as 2.010 (the default).
	Firmware string
	// Commands is the set of commands; empty means CommandsAuto.
	Commands CommandSet
	// Settings are those it has at first; without a dwell time DefaultSettings.
	Settings Settings
	// AckOff is the answer to :ACKN OF while acks are off; empty means ReplyAuto.
	AckOff Reply
	// Units stand behind numbers; empty means UnitsNone.
	Units Units
	// CRLF ends replies with \r\n, otherwise \n does.
	CRLF bool
	// FirmUnknown is how often FIRM? is answered Unknown Command after power-on.
	FirmUnknown int
	// GateLow says that the gate input is low: with the gate on nothing is counted.
	GateLow bool
	// ReplyDelay passes between a command and what is said to it.
	ReplyDelay time.Duration
	// Forgets makes it start with the settings it was made with.
	Forgets bool
	// Left are commands somebody gave it before, obeyed at the first power-on.
	Left []string
	// FastPPM is how fast its crystal runs, in parts per million.
	FastPPM float64
	// Distinct makes C1 read [sim.DistinctValue] of the number of the dwell time in
	// start/stop mode. In continuous mode it stays a total that falls when it is
	// cleared: how else would a reader know.
	Distinct bool
}

// Unit is one CC1. It implements [sim.Instrument].
type Unit struct {
	options  Options
	old      bool
	settings Settings
	line     []byte // of a command, so far
	skip     bool   // the rest of a line that is too long

	bootUntil time.Time // silent and deaf before
	unknown   int       // how often FIRM? is still not known
	refuse    bool      // the next command is not complied with

	gate    gate
	dwells  int64 // begun so far
	written bool  // the truth holds what the stopped counters read
}

// Inputs names the inputs the light must have.
func Inputs() []string { return []string{"1", "2"} }

// New makes a unit that has no power yet.
func New(o Options) (*Unit, error) {
	if o.Light == nil || o.Light.Inputs() != 2 {
		return nil, fmt.Errorf("cc1: the light must have the inputs 1 and 2")
	}
	if o.Firmware == "" {
		o.Firmware = "2.010"
	}
	old, err := isOld(o.Firmware, o.Commands)
	if err != nil {
		return nil, err
	}
	switch o.AckOff {
	case "", ReplyAuto, ReplyEcho, ReplyEmpty, ReplyUnknown, ReplySilent:
	default:
		return nil, fmt.Errorf("cc1: answer %q to :ACKN OF: expected auto, echo, empty, unknown or silent", o.AckOff)
	}
	switch o.Units {
	case "":
		o.Units = UnitsNone
	case UnitsNone, UnitsMs, UnitsSecond:
	default:
		return nil, fmt.Errorf("cc1: units %q behind numbers: expected none, ms or s", o.Units)
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("cc1: a crystal off by %g ppm; expected within 100000", o.FastPPM)
	}
	if o.Settings.Dwell == 0 {
		acks := o.Settings.Acks
		o.Settings = DefaultSettings()
		o.Settings.Acks = acks
	}
	if old {
		o.Settings.Acks = false
	}
	return &Unit{options: o, old: old, settings: o.Settings,
		gate: gate{patterns: make([]int64, o.Light.Patterns())}}, nil
}

// isOld tells the generation of a version, unless it is chosen.
func isOld(version string, chosen CommandSet) (bool, error) {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d", &major); err != nil {
		return false, fmt.Errorf("cc1: firmware version %q: expected numbers such as 2.010", version)
	}
	if _, rest, found := bytes.Cut([]byte(version), []byte(".")); found {
		if _, err := fmt.Sscanf(string(rest), "%d", &minor); err != nil {
			return false, fmt.Errorf("cc1: firmware version %q: expected numbers such as 2.010", version)
		}
	}
	switch chosen {
	case "", CommandsAuto:
		return major < 2 || major == 2 && minor <= 1, nil
	case CommandsOld, CommandsNew:
		return chosen == CommandsOld, nil
	}
	return false, fmt.Errorf("cc1: commands %q: expected auto, old or new", chosen)
}

// Name implements [sim.Instrument].
func (u *Unit) Name() string { return "cc1" }

// Channels implements [sim.Instrument]: the counters as the commands name them.
func (u *Unit) Channels() []string { return []string{"C1", "C2", "CO"} }

// CheckFault refuses what the unit cannot have.
func (u *Unit) CheckFault(f sim.Fault) error {
	switch f.Kind {
	case sim.FaultReboot, sim.FaultRefuse:
		return nil
	}
	return fmt.Errorf("fault %v: cc1 has no %s", f, f.Kind)
}

// Handle implements [sim.Instrument].
func (u *Unit) Handle(ev sim.Event, line sim.Line) {
	switch ev.Kind {
	case sim.PowerOn:
		u.restart(ev.At)
		for _, command := range u.options.Left {
			u.obey(ev.At, command)
		}
	case sim.Reboot:
		u.restart(ev.At.Add(ev.For))
	case sim.Refuse:
		u.refuse = true
	case sim.Received:
		if ev.At.Before(u.bootUntil) {
			return
		}
		for _, c := range ev.Data {
			u.feed(ev.At, c, line)
		}
	}
}

// restart begins life at ready.
func (u *Unit) restart(ready time.Time) {
	if u.options.Forgets {
		u.settings = u.options.Settings
	}
	u.bootUntil, u.unknown, u.refuse = ready, u.options.FirmUnknown, false
	u.line, u.skip = u.line[:0], false
	u.begin(ready)
}

// Next implements [sim.Instrument]: it says nothing by itself.
func (u *Unit) Next() time.Time { return time.Time{} }

// Advance implements [sim.Instrument]; the counters are brought up to date when
// somebody asks for them.
func (u *Unit) Advance(time.Time, sim.Line) {}
