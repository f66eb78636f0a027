package ftdi

import (
	"fmt"
	"math/rand/v2"
	"time"

	"photongate/sim"
	"photongate/sim/usb"
)

// Chip is which one it is.
type Chip string

// The chips.
const (
	FT232R Chip = "ft232r" // full speed, packets of 64 bytes
	FT245R Chip = "ft245r" // the same with a FIFO
	FT232H Chip = "ft232h" // high speed, packets of 512 bytes
)

const (
	vendor      = 0x0403
	inAddress   = 0x81
	outAddress  = 0x02
	statusBytes = 2 // at the head of every packet

	// modemLines are CTS, DSR, RI, DCD and a constant: nothing is connected.
	modemLines = 0x01
	lineIdle   = 0x60 // THRE and TEMT
	overrunBit = 0x02

	defaultLatency = 16 * time.Millisecond
	defaultBaud    = 9600
)

// kinds are what the chips differ in.
var kinds = map[Chip]struct {
	product, release uint16
	speed            usb.Speed
	packet           int // bytes
	title            string
}{
	FT232R: {0x6001, 0x0600, usb.Full, 64, "FT232R USB UART"},
	FT245R: {0x6001, 0x0600, usb.Full, 64, "FT245R USB FIFO"},
	FT232H: {0x6014, 0x0900, usb.High, 512, "FT232H USB FIFO"},
}

// behind is what hangs on the chip.
type behind interface {
	// Name and Channels are those of [sim.Instrument].
	Name() string
	Channels() []string
	// CheckFault refuses a fault it cannot have.
	CheckFault(f sim.Fault) error
	// Fill writes bytes for the host at the start of p, and returns how many of them
	// there are by now. lost says that some were lost since the last call.
	Fill(now time.Time, p []byte, line sim.Line) (n int, lost bool)
	// Waiting is how many bytes Fill would find.
	Waiting(now time.Time) int
	// Full is when so many bytes will wait; the zero time means that something else will
	// happen before.
	Full(bytes int) time.Time
	// Next is when Advance wants to be called, as that of [sim.Instrument]; after it a
	// host is heard anew.
	Next() time.Time
	// Advance does what was due.
	Advance(now time.Time, line sim.Line)
	// Handle takes what happened to the chip.
	Handle(ev sim.Event, line sim.Line)
	// Hear takes bytes of the host.
	Hear(now time.Time, p []byte, line sim.Line)
	// Purge forgets what waits.
	Purge(now time.Time)
}

// Options choose what the chip is like.
type Options struct {
	// Chip is the chip; empty: an FT232R.
	Chip Chip
	// Serial is the serial number it tells; empty: it has none.
	Serial string
	// Instrument hangs on the serial line; nil: Stream does.
	Instrument sim.Instrument
	// Baud is the speed of the instrument: while the host has set another, both hear
	// noise. 0: any will do.
	Baud int
	// Stream hangs on the FIFO.
	Stream *Stream
	// Seed makes noise repeatable.
	Seed uint64
}

// Device is a chip and what hangs on it. It implements [usb.Device].
type Device struct {
	options Options
	behind  behind

	latency time.Duration
	baud    int
	last    time.Time // when the last packet was given
	asked   bool      // a host waits for one
	overrun bool      // to be told
	rng     *rand.Rand
}

// New makes a chip that has no power yet.
func New(o Options) (*Device, error) {
	if o.Chip == "" {
		o.Chip = FT232R
	}
	if _, ok := kinds[o.Chip]; !ok {
		return nil, fmt.Errorf("ftdi: chip %q, expected %s, %s or %s", o.Chip, FT232R, FT245R, FT232H)
	}
	if (o.Instrument == nil) == (o.Stream == nil) {
		return nil, fmt.Errorf("ftdi: either an instrument or a stream hangs on the chip")
	}
	d := &Device{options: o, rng: rand.New(rand.NewPCG(o.Seed, 0x66746469))} // "ftdi"
	if o.Stream != nil {
		d.behind = o.Stream
	} else {
		d.behind = &serial{instrument: o.Instrument}
	}
	d.reset()
	return d, nil
}

func (d *Device) reset() { d.latency, d.baud, d.overrun = defaultLatency, defaultBaud, false }

// Name implements [usb.Device].
func (d *Device) Name() string { return d.behind.Name() }

// Channels implements [usb.Device].
func (d *Device) Channels() []string { return d.behind.Channels() }

// GivesTags reports whether what hangs on the chip gives time tags.
func (d *Device) GivesTags() bool {
	s, ok := d.behind.(*serial)
	if !ok {
		return false
	}
	tagger, ok := s.instrument.(interface{ GivesTags() bool })
	return ok && tagger.GivesTags()
}

// Descriptors implements [usb.Device].
func (d *Device) Descriptors() usb.Descriptors {
	kind := kinds[d.options.Chip]
	return usb.Descriptors{Speed: kind.speed, Vendor: vendor, Product: kind.product, Release: kind.release,
		Maker: "FTDI", Title: kind.title, Serial: d.options.Serial,
		Endpoints: []usb.Endpoint{{Address: inAddress, MaxPacket: kind.packet}, {Address: outAddress, MaxPacket: kind.packet}}}
}

// CheckFault refuses what neither the chip nor what hangs on it can have.
func (d *Device) CheckFault(f sim.Fault) error {
	if f.Kind == sim.FaultOverflow {
		return nil // the chip's own: it loses a byte, and says so
	}
	return d.behind.CheckFault(f)
}

// Handle implements [usb.Device].
func (d *Device) Handle(ev sim.Event, wire usb.Wire) {
	switch ev.Kind {
	case sim.Plugged:
		d.reset()
	case sim.Opened:
		d.last = ev.At
	case sim.Overflow:
		d.overrun = true
		d.behind.Fill(ev.At, make([]byte, 1), tap{d, wire})
		return
	case sim.Reboot:
		if ev.For == 0 {
			return // the bus tells that the chip is back
		}
	}
	d.behind.Handle(ev, tap{d, wire})
}

// Next implements [usb.Device].
func (d *Device) Next() time.Time {
	next := d.behind.Next()
	if due := d.due(); d.asked && (next.IsZero() || due.Before(next)) {
		return due
	}
	return next
}

// due is when the next packet is.
func (d *Device) due() time.Time {
	due := d.last.Add(d.latency)
	if full := d.behind.Full(d.room()); !full.IsZero() && full.Before(due) {
		return full
	}
	return due
}

// room is what a packet holds besides the status.
func (d *Device) room() int { return kinds[d.options.Chip].packet - statusBytes }

// Advance implements [usb.Device].
func (d *Device) Advance(now time.Time, wire usb.Wire) {
	d.behind.Advance(now, tap{d, wire})
	if d.asked && !d.due().After(now) {
		d.asked = false // who still waits asks again
	}
}

// In implements [usb.Device]: a full packet at once, or what there is when the latency
// time is over, if only the status.
func (d *Device) In(at time.Time, _ uint8, packet []byte, wire usb.Wire) (int, usb.Answer) {
	due := !d.last.Add(d.latency).After(at)
	if !due && d.behind.Waiting(at) < len(packet)-statusBytes {
		d.asked = true
		return 0, usb.NAK
	}
	d.asked = false
	n, lost := d.behind.Fill(at, packet[statusBytes:], tap{d, wire})
	packet[0], packet[1] = modemLines, lineIdle
	if lost || d.overrun {
		packet[1] |= overrunBit
		d.overrun = false
	}
	d.last = at
	return statusBytes + n, usb.ACK
}

// Out implements [usb.Device].
func (d *Device) Out(at time.Time, _ uint8, packet []byte, wire usb.Wire) usb.Answer {
	if d.wrongBaud() {
		packet = d.noise(packet)
	}
	d.behind.Hear(at, packet, tap{d, wire})
	return usb.ACK
}

// wrongBaud reports whether the host has set another speed than the instrument's.
func (d *Device) wrongBaud() bool {
	const slack = 30 // a UART bears about 3 %
	off := d.baud - d.options.Baud
	return d.options.Baud > 0 && max(off, -off)*slack > d.options.Baud
}

// noise is what bytes sound like at another speed.
func (d *Device) noise(p []byte) []byte {
	noise := make([]byte, len(p))
	for i := range noise {
		noise[i] = byte(d.rng.Uint32()) | 0x80
	}
	return noise
}

// tap is the line on which an instrument speaks into the chip.
type tap struct {
	device *Device
	wire   usb.Wire
}

// Send implements [sim.Line].
func (t tap) Send(at time.Time, message []byte) {
	if t.device.wrongBaud() {
		message = t.device.noise(message)
	}
	if s, ok := t.device.behind.(*serial); ok {
		s.send(at, message)
	}
}

// Tags implements [sim.TagLine].
func (t tap) Tags(tags []sim.Tag) {
	if w, ok := t.wire.(usb.TagWire); ok {
		w.Tags(tags)
	}
}

// Lost implements [sim.TagLine].
func (t tap) Lost(from, to uint64, channel int, reason string) {
	if w, ok := t.wire.(usb.TagWire); ok {
		w.Lost(from, to, channel, reason)
	}
}

// Waiting implements [sim.TagLine].
func (t tap) Waiting() int {
	if s, ok := t.device.behind.(*serial); ok {
		return len(s.waiting)
	}
	return 0
}

// Stream implements [sim.TagLine].
func (t tap) Stream(at time.Time, piece []byte) string {
	if t.device.wrongBaud() {
		piece = t.device.noise(piece)
	}
	if s, ok := t.device.behind.(*serial); ok {
		s.stream(at, piece)
	}
	return ""
}

// TearNext implements [sim.Line]: a chip that nobody reads loses bytes by itself.
func (t tap) TearNext() {}

// Latched implements [sim.Line].
func (t tap) Latched(at time.Time, values []uint64) { t.wire.Latched(at, values) }
