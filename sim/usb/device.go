package usb

import (
	"time"

	"photongate/sim"
)

// Answer is what a device says to one packet or request.
type Answer int

// The answers. With NAK the host asks again; Stall ends a control request, and on
// any other endpoint stops it until the host clears it.
const (
	ACK Answer = iota
	NAK
	Stall
)

// Setup is what a control request begins with (USB 2.0, 9.3).
type Setup struct {
	Type, Request        uint8
	Value, Index, Length uint16
}

// In reports whether the data of the request go to the host.
func (s Setup) In() bool { return s.Type&directionIn != 0 }

// Device is a simulated USB instrument: a state machine without goroutines and
// without a clock of its own. All calls come from one goroutine, with times that
// never go back; nothing given to a call may be kept after it returns.
type Device interface {
	// Name is the machine name, such as "labjack-u3".
	Name() string
	// Channels names the columns of the truth.
	Channels() []string
	// Descriptors say what a host sees; they are asked for at each plug.
	Descriptors() Descriptors
	// Handle takes one thing that happened: PowerOn, Opened (a host has imported
	// it), Closed, Unplugged (without power), Plugged, or a fault of its own.
	Handle(ev sim.Event, wire Wire)
	// Control answers a request of its own; the standard ones never get here. data
	// came with an OUT request. What is returned to an IN request is cut to the
	// length asked for, and is valid until the next call. NAK is no answer here.
	Control(at time.Time, setup Setup, data []byte, wire Wire) ([]byte, Answer)
	// Out takes one packet.
	Out(at time.Time, endpoint uint8, packet []byte, wire Wire) Answer
	// In fills packet, which has the endpoint's largest size, and returns how many
	// bytes it has.
	In(at time.Time, endpoint uint8, packet []byte, wire Wire) (int, Answer)
	// Next is when Advance wants to be called again, after which a host that got
	// NAK is heard anew; the zero time means not before something is handled.
	Next() time.Time
	// Advance does everything that was due up to and including now, each at its
	// own nominal time.
	Advance(now time.Time, wire Wire)
}

// Wire is what a device may do besides answering.
type Wire interface {
	// Latched records one row of truth, as that of [sim.Line] does.
	Latched(at time.Time, values []uint64)
	// Leave makes the device vanish from the bus as soon as the host has the answer
	// to what it asked, and return after away with what Descriptors says then. It
	// keeps its power and is told Closed and, when it is back, Reboot.
	Leave(away time.Duration)
}

// TagWire is a [Wire] for a device that gives time tags: what it does is as of
// [sim.TagLine]. The wire of a [Bus] is one.
type TagWire interface {
	Tags(tags []sim.Tag)
	Lost(from, to uint64, channel int, reason string)
}
