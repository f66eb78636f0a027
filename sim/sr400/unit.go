package sr400

import (
	"fmt"
	"time"

	"photongate/sim"
)

// Options choose what the instrument does.
type Options struct {
	// Light falls on INPUT 1 and INPUT 2.
	Light *sim.Light
	// Baud is the speed of its replies, 300 to 19200; 0 sends them at once.
	Baud int
	// Echo sends back what is received, and ends replies with \r\n.
	Echo bool
	// GPIB puts it behind an adapter as Prologix makes them, at address 23.
	GPIB bool
	// Garbage makes a byte of noise come in, and one go out, when power is applied.
	Garbage bool
	// FinishedNN makes NN name the last period that is over; otherwise it names
	// the one that counts or comes next.
	FinishedNN bool
	// Stick makes a full counter keep its largest value; otherwise it wraps.
	Stick bool
	// PlainNumbers tells 10000000 and 0.002 instead of 1E7 and 2E-3.
	PlainNumbers bool
	// Width puts blanks before counts until they have so many characters.
	Width int
	// TriggerHz is the rate of pulses at the TRIG input.
	TriggerHz float64
	// Forgets makes it lose its settings without power.
	Forgets bool
	// Left is a line of commands somebody gave it before, obeyed at the first
	// power-on.
	Left string
	// FastPPM is how fast its crystal runs, in parts per million.
	FastPPM float64
	// Distinct makes A read [sim.DistinctValue] instead of its light.
	Distinct bool
}

// Unit is one SR400. It implements [sim.Instrument].
type Unit struct {
	options  Options
	knobs    knobs
	stored   [10]*knobs // by ST; 0 holds the defaults
	ending   []byte     // by SE; nil is the default
	status   byte
	refuse   bool
	boot     time.Time // deaf and silent before
	inPeriod period
	scan     scan
	rows     int64

	command []byte // received so far
	tooLong bool
	echo    []byte // not yet sent
	out     []record
	outFrom time.Time // when the first of out begins on the wire
	adapter adapter
}

// Inputs names the inputs the light must have.
func Inputs() []string { return []string{"1", "2"} }

// New makes an instrument that has no power yet.
func New(o Options) (*Unit, error) {
	if o.Light == nil || o.Light.Inputs() != len(Inputs()) {
		return nil, fmt.Errorf("sr400: the light must have the inputs 1 and 2")
	}
	switch o.Baud {
	case 0, 300, 600, 1200, 2400, 4800, 9600, 19200:
	default:
		return nil, fmt.Errorf("sr400: %d Bd: expected 300, 600, 1200, 2400, 4800, 9600 or 19200", o.Baud)
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("sr400: a crystal off by %g ppm; expected within 100000", o.FastPPM)
	}
	const mostTriggerHz = 1e9
	if !(o.TriggerHz >= 0 && o.TriggerHz <= mostTriggerHz) {
		return nil, fmt.Errorf("sr400: %g triggers per second; expected 0 to %g", o.TriggerHz, mostTriggerHz)
	}
	if o.Echo && o.GPIB {
		return nil, fmt.Errorf("sr400: it has no echo on GPIB; choose one of the two")
	}
	if o.Width < 0 || o.Width > 40 {
		return nil, fmt.Errorf("sr400: counts of %d characters; expected 0 to 40", o.Width)
	}
	u := &Unit{options: o, knobs: defaultKnobs()}
	u.inPeriod.patterns = make([]int64, o.Light.Patterns())
	if o.GPIB {
		u.adapter = newAdapter()
	}
	return u, nil
}

// Name implements [sim.Instrument].
func (u *Unit) Name() string { return "sr400" }

// Channels implements [sim.Instrument].
func (u *Unit) Channels() []string { return []string{"A", "B"} }

// CheckFault refuses what the instrument cannot have.
func (u *Unit) CheckFault(f sim.Fault) error {
	switch f.Kind {
	case sim.FaultOverflow:
		if f.Count > 1 {
			return fmt.Errorf("fault %v: sr400 has counters 0 (A) and 1 (B), not %d", f, f.Count)
		}
	case sim.FaultReboot, sim.FaultRefuse, sim.FaultPanel:
	default:
		return fmt.Errorf("fault %v: sr400 has no %s", f, f.Kind)
	}
	return nil
}

// Handle implements [sim.Instrument].
func (u *Unit) Handle(ev sim.Event, line sim.Line) {
	switch ev.Kind {
	case sim.PowerOn:
		u.restart(ev.At, line)
		if u.options.Left != "" {
			for _, c := range []byte(u.options.Left + "\r") {
				u.feed(ev.At, c, line)
			}
		}
		u.forget()
		u.garbage(ev.At, line)
	case sim.Reboot:
		if u.options.Forgets {
			u.knobs, u.stored = defaultKnobs(), [10]*knobs{}
		}
		u.restart(ev.At.Add(ev.For), line)
		u.garbage(u.boot, line)
	case sim.Plugged: // the adapter lives on the cable, the instrument does not
		if u.options.GPIB {
			u.adapter = newAdapter()
		}
	case sim.Overflow:
		u.overflow(max(ev.Channel, 0))
	case sim.Refuse:
		u.refuse = true
	case sim.Panel:
		u.turnKnob()
	case sim.Received:
		if ev.At.Before(u.boot) {
			return
		}
		for _, c := range ev.Data {
			if u.options.GPIB {
				u.adapter.feed(c, func(text string) { u.throughAdapter(ev.At, text, line) })
			} else {
				u.feed(ev.At, c, line)
			}
		}
		u.flushEcho(ev.At, line)
	}
}

// restart begins life at ready, with the settings there are.
func (u *Unit) restart(ready time.Time, line sim.Line) {
	u.boot, u.status, u.refuse, u.ending = ready, 0, false, nil
	u.command, u.tooLong = u.command[:0], false
	u.forget()
	u.reset(ready, line)
}

// garbage is the noise of power being applied.
func (u *Unit) garbage(at time.Time, line sim.Line) {
	if !u.options.Garbage || u.options.GPIB {
		return
	}
	const noise = 0xFF
	u.command = append(u.command, noise)
	line.Send(at, []byte{noise})
}

// turnKnob is somebody at the front panel who raises the level of A, unless it is
// locked out.
func (u *Unit) turnKnob() {
	const lockedOut, up = 2, 0.01
	if u.knobs[knobMI][0] == lockedOut {
		return
	}
	u.knobs[knobDL][0] = min(u.knobs[knobDL][0]+up, 0.3)
	u.status |= statusPanel
}

// Next implements [sim.Instrument].
func (u *Unit) Next() time.Time {
	next := u.nextCount()
	if sent := u.nextSent(); next.IsZero() || !sent.IsZero() && sent.Before(next) {
		return sent
	}
	return next
}

// Advance implements [sim.Instrument].
func (u *Unit) Advance(now time.Time, line sim.Line) {
	u.run(now, line)
	u.transmit(now, line)
}
