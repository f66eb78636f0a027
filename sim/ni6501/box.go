// Package ni6501 simulates the counter of an NI USB-6501: 32 bits, total since it was
// written, read by one packet and answered by one.
//
// Source: torvalds/linux drivers/comedi/drivers/ni_usb6501.c. What it leaves open, and
// is our choice here: which endpoints the two are (they are to be taken from the
// descriptor), and that whatever is not known, the lines of the digital ports among it,
// is answered as an error, with 80 at byte 7.
package ni6501

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"photongate/sim"
	"photongate/sim/usb"
)

const (
	vendor, product = 0x3923, 0x718A
	inAddress       = 0x81
	outAddress      = 0x02
	packetSize      = 64
	maxCount        = 1<<32 - 1
	maxReplies      = 16 // that wait for the host; more are lost
	// nearOverflow is how far before the end the counter is put that is to run over.
	nearOverflow = 1000

	valueSize = 4 // the high byte first
)

// Requests are 00 01 00, length, 00, length behind byte 4, 01, what, 02 20 00 00.
const (
	doAt    = 7
	doStart = 0x09
	doStop  = 0x0C
	doRead  = 0x0E
	doWrite = 0x0F
)

var (
	request = []byte{0x00, 0x01, 0x00, 0x0C, 0x00, 0x08, 0x01, 0, 0x02, 0x20, 0x00, 0x00}
	written = []byte{0x00, 0x01, 0x00, 0x10, 0x00, 0x0C, 0x01, doWrite, 0x02, 0x20, 0x00, 0x00}
	done    = []byte{0x00, 0x01, 0x00, 0x0C, 0x00, 0x08, 0x01, 0x00, 0x00, 0x00, 0x00, 0x02}
	value   = []byte{0x00, 0x01, 0x00, 0x10, 0x00, 0x0C, 0x01, 0x00, 0x00, 0x00, 0x00, 0x02}
	failed  = []byte{0x00, 0x01, 0x00, 0x0C, 0x00, 0x08, 0x01, 0x80, 0x00, 0x00, 0x00, 0x02}
)

// Options choose what the box is like.
type Options struct {
	// Light falls on the input that Inputs names.
	Light *sim.Light
	// Serial is the serial number; 0: 01A2B3C4.
	Serial uint32
	// Running says that somebody left the counter running.
	Running bool
	// Distinct makes the counter read [sim.DistinctValue] of the number of the reading.
	Distinct bool
}

// Box is one USB-6501. It implements [usb.Device].
type Box struct {
	options Options
	scaler  *sim.Scaler
	running bool
	held    uint64 // while it does not run
	base    uint64 // total of the light that is 0 while it runs
	rows    int64
	refuse  bool
	replies [][]byte
}

// Inputs names the input the light must have.
func Inputs() []string { return []string{"PFI0"} }

// New makes a box that has no power yet.
func New(o Options) (*Box, error) {
	if o.Light == nil || o.Light.Inputs() != 1 {
		return nil, fmt.Errorf("ni-usb6501: the light must have one input")
	}
	if o.Serial == 0 {
		o.Serial = 0x01A2B3C4
	}
	return &Box{options: o}, nil
}

// Name implements [usb.Device].
func (b *Box) Name() string { return "ni-usb6501" }

// Channels implements [usb.Device].
func (b *Box) Channels() []string { return []string{"counter"} }

// Descriptors implements [usb.Device].
func (b *Box) Descriptors() usb.Descriptors {
	return usb.Descriptors{Speed: usb.Full, Vendor: vendor, Product: product, Release: 0x0100,
		Maker: "National Instruments", Title: "USB-6501", Serial: fmt.Sprintf("%08X", b.options.Serial),
		Endpoints: []usb.Endpoint{{Address: inAddress, MaxPacket: packetSize}, {Address: outAddress, MaxPacket: packetSize}}}
}

// CheckFault refuses what the box cannot have.
func (b *Box) CheckFault(f sim.Fault) error {
	if f.Kind == sim.FaultRefuse || f.Kind == sim.FaultOverflow && f.Count <= 0 {
		return nil
	}
	if f.Kind != sim.FaultOverflow {
		return fmt.Errorf("fault %v: ni-usb6501 has no %s", f, f.Kind)
	}
	return fmt.Errorf("fault %v: ni-usb6501 has no such %s (it has one counter, number 0)", f, f.Kind)
}

// Handle implements [usb.Device].
func (b *Box) Handle(ev sim.Event, wire usb.Wire) {
	switch ev.Kind {
	case sim.PowerOn:
		b.scaler = sim.NewScaler(b.options.Light, ev.At)
		b.restart(ev.At)
		if b.options.Running {
			b.start(ev.At)
		}
	case sim.Plugged:
		b.restart(ev.At)
	case sim.Reboot:
		if ev.For > 0 {
			wire.Leave(ev.For)
			return
		}
		b.restart(ev.At)
	case sim.Closed:
		b.replies = nil
	case sim.Refuse:
		b.refuse = true
	case sim.Overflow:
		b.write(ev.At, maxCount+1-nearOverflow)
	}
}

func (b *Box) restart(at time.Time) {
	b.running, b.held, b.refuse, b.replies = false, 0, false, nil
	b.base = b.scaler.Totals(at)[0]
}

func (b *Box) start(at time.Time) {
	if !b.running {
		b.base = b.scaler.Totals(at)[0] - b.held
	}
	b.running = true
}

func (b *Box) stop(at time.Time) {
	b.held, b.running = b.read(at), false
}

// read is what the counter holds.
func (b *Box) read(at time.Time) uint64 {
	if b.running {
		b.held = (b.scaler.Totals(at)[0] - b.base) & maxCount
	}
	return b.held
}

func (b *Box) write(at time.Time, v uint64) {
	b.held, b.base = v, b.scaler.Totals(at)[0]-v
}

// Next implements [usb.Device].
func (b *Box) Next() time.Time { return time.Time{} }

// Advance implements [usb.Device]; the counter is brought up to date when it is read.
func (b *Box) Advance(time.Time, usb.Wire) {}

// Control implements [usb.Device]: it has no requests of its own.
func (b *Box) Control(time.Time, usb.Setup, []byte, usb.Wire) ([]byte, usb.Answer) {
	return nil, usb.Stall
}

// Out implements [usb.Device]: a packet is a request.
func (b *Box) Out(at time.Time, _ uint8, packet []byte, wire usb.Wire) usb.Answer {
	if answer := b.obey(at, packet, wire); len(b.replies) < maxReplies {
		b.replies = append(b.replies, answer)
	}
	return usb.ACK
}

// obey does a request and returns the answer.
func (b *Box) obey(at time.Time, p []byte, wire usb.Wire) []byte {
	refuse := b.refuse
	b.refuse = false
	if refuse {
		return failed
	}
	if n := len(written); len(p) == n+valueSize && bytes.Equal(p[:n], written) {
		b.write(at, uint64(binary.BigEndian.Uint32(p[n:])))
		return done
	}
	if len(p) != len(request) || !bytes.Equal(p[:doAt], request[:doAt]) || !bytes.Equal(p[doAt+1:], request[doAt+1:]) {
		return failed
	}
	switch p[doAt] {
	case doStart:
		b.start(at)
		return done
	case doStop:
		b.stop(at)
		return done
	case doRead:
		v := b.read(at)
		if b.options.Distinct {
			v = sim.DistinctValue(b.rows, maxCount)
		}
		wire.Latched(at, []uint64{v})
		b.rows++
		return binary.BigEndian.AppendUint32(bytes.Clone(value), uint32(v))
	}
	return failed
}

// In implements [usb.Device].
func (b *Box) In(_ time.Time, _ uint8, packet []byte, _ usb.Wire) (int, usb.Answer) {
	if len(b.replies) == 0 {
		return 0, usb.NAK
	}
	n := copy(packet, b.replies[0])
	b.replies = b.replies[1:]
	return n, usb.ACK
}
