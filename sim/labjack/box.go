package labjack

import (
	"fmt"
	"strconv"
	"time"

	"photongate/sim"
	"photongate/sim/usb"
)

// Model is which box it is.
type Model string

// The boxes.
const (
	U3 Model = "labjack-u3"
	U6 Model = "labjack-u6"
)

const (
	vendor     = 0x0CD5
	productU3  = 3
	productU6  = 6
	outAddress = 0x01
	inAddress  = 0x82
	streamIn   = 0x83 // never used here
	packetSize = 64

	counters   = 2
	maxCount   = 1<<32 - 1
	maxReplies = 16 // that wait for the host; more are lost

	// firstPin and lastPin bound the pin offset of a U3; the pins below are analog
	// on the HV, which every script reckons with.
	firstPin, lastPin = 4, 8
	// nearOverflow is how far before the end a counter is put that is to run over.
	nearOverflow = 1000
)

// Options choose what the box is like.
type Options struct {
	// Model is the box; empty: a U3.
	Model Model
	// Light falls on the inputs that Inputs names.
	Light *sim.Light
	// Serial is the serial number; 0: 320012345.
	Serial uint32
	// Analog are the pins FIO0 to FIO7 that are analog at power-on, a bit each; of a
	// U3 only. The HV has 0F for ever.
	Analog uint8
	// HV makes a U3-HV of a U3-LV.
	HV bool
	// ReplyDelay passes between a command and its answer.
	ReplyDelay time.Duration
	// Distinct makes counter 0 read [sim.DistinctValue] of the number of the row.
	Distinct bool
}

// Box is one LabJack. It implements [usb.Device].
type Box struct {
	options Options

	scaler  *sim.Scaler
	base    [counters]uint64 // totals at the last reset
	enabled [counters]bool
	timers  uint8
	offset  uint8
	analog  uint8 // FIO
	eAnalog uint8
	rows    int64
	refuse  bool
	replies []reply
}

// reply waits to be fetched.
type reply struct {
	at    time.Time
	bytes []byte
}

// Inputs names the inputs the light must have.
func Inputs() []string { return []string{"0", "1"} }

// New makes a box that has no power yet.
func New(o Options) (*Box, error) {
	if o.Light == nil || o.Light.Inputs() != counters {
		return nil, fmt.Errorf("labjack: the light must have the inputs 0 and 1")
	}
	if o.Model == "" {
		o.Model = U3
	}
	if o.Model != U3 && o.Model != U6 {
		return nil, fmt.Errorf("labjack: model %q, expected %s or %s", o.Model, U3, U6)
	}
	if o.Serial == 0 {
		o.Serial = 320012345
	}
	if o.HV {
		o.Analog |= 0x0F
	}
	return &Box{options: o}, nil
}

// Name implements [usb.Device].
func (b *Box) Name() string { return string(b.options.Model) }

// Channels implements [usb.Device].
func (b *Box) Channels() []string { return []string{"Counter0", "Counter1"} }

// Descriptors implements [usb.Device].
func (b *Box) Descriptors() usb.Descriptors {
	d := usb.Descriptors{
		Speed: usb.Full, Vendor: vendor, Product: productU3, Release: 0x0000,
		Maker: "LabJack Corporation", Title: "LabJack U3",
		Serial: strconv.FormatUint(uint64(b.options.Serial), 10),
		Endpoints: []usb.Endpoint{
			{Address: outAddress, MaxPacket: packetSize},
			{Address: inAddress, MaxPacket: packetSize},
			{Address: streamIn, MaxPacket: packetSize},
		},
	}
	if b.options.Model == U6 {
		d.Product, d.Title = productU6, "LabJack U6"
	}
	return d
}

// CheckFault refuses what the box cannot have.
func (b *Box) CheckFault(f sim.Fault) error {
	switch {
	case f.Kind == sim.FaultRefuse:
		return nil
	case f.Kind == sim.FaultOverflow && f.Count < counters:
		return nil
	}
	if f.Kind != sim.FaultOverflow {
		return fmt.Errorf("fault %v: %s has no %s", f, b.Name(), f.Kind)
	}
	return fmt.Errorf("fault %v: %s has the counters 0 and 1", f, b.Name())
}

// Handle implements [usb.Device].
func (b *Box) Handle(ev sim.Event, wire usb.Wire) {
	switch ev.Kind {
	case sim.PowerOn:
		b.scaler = sim.NewScaler(b.options.Light, ev.At)
		b.restart(ev.At)
	case sim.Plugged:
		b.restart(ev.At)
	case sim.Reboot:
		if ev.For > 0 { // a brown-out; the bus tells when it is over
			wire.Leave(ev.For)
			return
		}
		b.restart(ev.At)
	case sim.Closed:
		b.replies = nil
	case sim.Refuse:
		b.refuse = true
	case sim.Overflow:
		totals := b.scaler.Totals(ev.At)
		for i := range b.base {
			if ev.Channel < 0 || ev.Channel == i {
				b.base[i] = totals[i] - (maxCount + 1 - nearOverflow)
			}
		}
	}
}

// restart begins life anew: nothing counts until it is told to.
func (b *Box) restart(now time.Time) {
	b.enabled, b.timers, b.offset, b.refuse, b.replies = [counters]bool{}, 0, firstPin, false, nil
	b.analog, b.eAnalog = b.options.Analog, 0
	if b.options.Model == U6 {
		b.offset = 0
	}
	b.clear(now)
}

// clear sets all counters to 0.
func (b *Box) clear(now time.Time) { copy(b.base[:], b.scaler.Totals(now)) }

// read is what the counters hold.
func (b *Box) read(now time.Time) [counters]uint32 {
	totals := b.scaler.Totals(now)
	var held [counters]uint32
	for i := range held {
		if b.enabled[i] {
			held[i] = uint32(totals[i] - b.base[i])
		}
	}
	if b.options.Distinct && b.enabled[0] {
		held[0] = uint32(sim.DistinctValue(b.rows, maxCount))
	}
	return held
}

// Next implements [usb.Device].
func (b *Box) Next() time.Time {
	if len(b.replies) == 0 {
		return time.Time{}
	}
	return b.replies[0].at
}

// Advance implements [usb.Device]; counters are brought up to date when they are read.
func (b *Box) Advance(time.Time, usb.Wire) {}

// Control implements [usb.Device]: it has no requests of its own.
func (b *Box) Control(time.Time, usb.Setup, []byte, usb.Wire) ([]byte, usb.Answer) {
	return nil, usb.Stall
}

// Out implements [usb.Device]: a packet is a command.
func (b *Box) Out(at time.Time, _ uint8, packet []byte, wire usb.Wire) usb.Answer {
	if answer := b.obey(at, packet, wire); answer != nil && len(b.replies) < maxReplies {
		b.replies = append(b.replies, reply{at.Add(b.options.ReplyDelay), answer})
	}
	return usb.ACK
}

// In implements [usb.Device].
func (b *Box) In(at time.Time, endpoint uint8, packet []byte, _ usb.Wire) (int, usb.Answer) {
	if endpoint != inAddress || len(b.replies) == 0 || b.replies[0].at.After(at) {
		return 0, usb.NAK
	}
	n := copy(packet, b.replies[0].bytes)
	b.replies = b.replies[1:]
	return n, usb.ACK
}
