// Package h11890 simulates a Hamamatsu H11890 counting head: short texts without an end
// to it, packets of 64 bytes back of which 8 count, and one packet per integration once
// it counts.
//
// Source: DCC-Lab/PyHardwareLibrary, commit 8fed8bb, hardwarelibrary/photoncounters/
// hamamatsu.py and its tests. What it leaves open, and is our choice here:
//
//   - the endpoints are bulk, OUT 01 and IN 81;
//   - a setting is repeated as the answer, unless Options.SetSilent;
//   - whatever is said to a head that counts, but \r, is answered BC between the counts;
//   - DV is answered with the voltage behind the letters;
//   - M counts as C does;
//   - a head without high voltage counts nothing, and is without after power-on.
package h11890

import (
	"encoding/binary"
	"fmt"
	"time"

	"photongate/sim"
	"photongate/sim/usb"
)

const (
	vendor, product = 0x0661, 0x3705
	outAddress      = 0x01
	inAddress       = 0x81
	packetSize      = 64

	integrationUnit    = 10 * time.Microsecond
	defaultIntegration = 100_000 // 1 s
	maxIntegration     = 1 << 24 // our choice: under three minutes
	defaultVolts       = 1000
	maxCount           = 1<<32 - 1
	overload           = 0x8000
	// maxWaiting bounds the packets a host has not fetched; what comes then is lost, and
	// the index tells.
	maxWaiting = 64
)

// Options choose what the head is like.
type Options struct {
	// Light falls on the head.
	Light *sim.Light
	// Serial is the serial number; empty: it tells none.
	Serial string
	// HighVoltage says that it is on already at power-on.
	HighVoltage bool
	// Running says that somebody left it counting.
	Running bool
	// SetSilent makes settings be taken without an answer.
	SetSilent bool
	// FastPPM is how fast its crystal runs, in parts per million.
	FastPPM float64
	// Distinct makes a count [sim.DistinctValue] of the number of the row.
	Distinct bool
}

// Head is one H11890. It implements [usb.Device].
type Head struct {
	options Options
	scaler  *sim.Scaler

	integration, repeat, volts uint32
	counting                   bool
	crystal                    sim.Crystal // of the integrations
	index                      int64       // of the next
	before                     uint64      // total of the light at its begin

	rows     int64
	refuse   bool
	overload bool // the next count has the bit
	waiting  []packet
}

// packet is what counts of one.
type packet [8]byte

// Inputs names the input the light must have.
func Inputs() []string { return []string{"A"} }

// New makes a head that has no power yet.
func New(o Options) (*Head, error) {
	if o.Light == nil || o.Light.Inputs() != 1 {
		return nil, fmt.Errorf("h11890: the light must have one input")
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("h11890: a crystal off by %g ppm; expected within 100000", o.FastPPM)
	}
	return &Head{options: o}, nil
}

// Name implements [usb.Device].
func (h *Head) Name() string { return "h11890" }

// Channels implements [usb.Device].
func (h *Head) Channels() []string { return []string{"count"} }

// Descriptors implements [usb.Device].
func (h *Head) Descriptors() usb.Descriptors {
	return usb.Descriptors{Speed: usb.Full, Vendor: vendor, Product: product, Release: 0x0100,
		Maker: "Hamamatsu", Title: "H11890 Series", Serial: h.options.Serial,
		Endpoints: []usb.Endpoint{{Address: outAddress, MaxPacket: packetSize}, {Address: inAddress, MaxPacket: packetSize}}}
}

// CheckFault refuses what the head cannot have.
func (h *Head) CheckFault(f sim.Fault) error {
	if f.Kind == sim.FaultRefuse || f.Kind == sim.FaultOverflow {
		return nil
	}
	return fmt.Errorf("fault %v: h11890 has no %s", f, f.Kind)
}

// Handle implements [usb.Device].
func (h *Head) Handle(ev sim.Event, wire usb.Wire) {
	switch ev.Kind {
	case sim.PowerOn:
		h.scaler = sim.NewScaler(h.options.Light, ev.At)
		h.restart()
		if h.options.HighVoltage {
			h.volts = defaultVolts
		}
		if h.options.Running {
			h.start(ev.At)
		}
	case sim.Plugged:
		h.restart()
	case sim.Unplugged:
		h.counting = false
	case sim.Reboot:
		if ev.For > 0 {
			wire.Leave(ev.For)
			return
		}
		h.restart()
	case sim.Refuse:
		h.refuse = true
	case sim.Overflow:
		h.overload = true
	}
}

func (h *Head) restart() {
	h.integration, h.repeat, h.volts = defaultIntegration, 0, 0
	h.counting, h.refuse, h.overload, h.waiting = false, false, false, nil
}

// start begins to count at index 0.
func (h *Head) start(at time.Time) {
	period := time.Duration(h.integration) * integrationUnit
	h.crystal = sim.Crystal{Start: at, PeriodS: period.Seconds(), FastPPM: h.options.FastPPM}
	h.counting, h.index, h.before = true, 0, h.scaler.Totals(at)[0]
}

// Next implements [usb.Device].
func (h *Head) Next() time.Time {
	if !h.counting {
		return time.Time{}
	}
	return h.crystal.Edge(h.index + 1)
}

// Advance implements [usb.Device].
func (h *Head) Advance(now time.Time, wire usb.Wire) {
	for h.counting {
		end := h.Next()
		if end.After(now) {
			return
		}
		total := h.scaler.Totals(end)[0]
		count := min(total-h.before, maxCount)
		h.before = total
		if h.volts == 0 {
			count = 0
		}
		if h.options.Distinct {
			count = sim.DistinctValue(h.rows, maxCount)
		}
		if h.overload {
			count |= overload
			h.overload = false
		}
		wire.Latched(end, []uint64{count})
		h.rows++
		h.say(uint32(h.index), uint32(count))
		h.index++
		h.counting = h.repeat == 0 || h.index < int64(h.repeat)
	}
}

// say puts a packet where the host fetches it.
func (h *Head) say(tag, value uint32) {
	if len(h.waiting) == maxWaiting {
		return
	}
	var p packet
	binary.LittleEndian.PutUint32(p[0:], tag)
	binary.LittleEndian.PutUint32(p[4:], value)
	h.waiting = append(h.waiting, p)
}

// Control implements [usb.Device]: it has no requests of its own.
func (h *Head) Control(time.Time, usb.Setup, []byte, usb.Wire) ([]byte, usb.Answer) {
	return nil, usb.Stall
}

// In implements [usb.Device].
func (h *Head) In(_ time.Time, _ uint8, p []byte, _ usb.Wire) (int, usb.Answer) {
	if len(h.waiting) == 0 {
		return 0, usb.NAK
	}
	clear(p)
	copy(p, h.waiting[0][:])
	h.waiting = h.waiting[1:]
	return packetSize, usb.ACK
}

const (
	tagUnknown = 'B' | 'C'<<8
	tagDefault = 'D' | 'V'<<8
	settingLen = 8
)

// Out implements [usb.Device]: a packet is a command.
func (h *Head) Out(at time.Time, _ uint8, p []byte, _ usb.Wire) usb.Answer {
	refuse := h.refuse
	h.refuse = false
	switch command := string(p); {
	case command == "\r":
		h.counting = false
	case refuse || h.counting:
		h.say(tagUnknown, 0)
	case command == "DV":
		h.volts = defaultVolts
		h.say(tagDefault, h.volts)
	case command == "C" || command == "M":
		h.start(at)
	case h.setting(p) == nil:
		h.say(tagUnknown, 0)
	case len(p) == 1:
		h.say(uint32(p[0]), *h.setting(p))
	default:
		h.set(p)
	}
	return usb.ACK
}

// setting is what a letter, or a letter and a value, stand for; nil: nothing.
func (h *Head) setting(p []byte) *uint32 {
	if len(p) != 1 && (len(p) != settingLen || p[1] != 0 || p[2] != 0 || p[3] != 0) {
		return nil
	}
	switch p[0] {
	case 'I':
		return &h.integration
	case 'R':
		return &h.repeat
	case 'V':
		return &h.volts
	}
	return nil
}

// set changes a setting. An integration of nothing, or one that would not end, is not
// known.
func (h *Head) set(p []byte) {
	value := binary.LittleEndian.Uint32(p[4:])
	if p[0] == 'I' && (value == 0 || value > maxIntegration) {
		h.say(tagUnknown, 0)
		return
	}
	*h.setting(p) = value
	if !h.options.SetSilent {
		h.say(uint32(p[0]), value)
	}
}
