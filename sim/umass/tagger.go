package umass

import (
	"fmt"
	"math/rand/v2"
	"time"

	"photongate/sim"
	"photongate/sim/usb"
)

const (
	vendor  = 0x04B4 // Cypress
	product = 0x1004

	commandAddress = 0x02
	dataAddress    = 0x86
	replyAddress   = 0x88
	packetBytes    = 512

	inputs = 4
	// defaultClockHz is a guess; the tagger tells it.
	defaultClockHz = 128e6
	// defaultFIFO is more than any such tagger has: a host in a busy machine may be late.
	defaultFIFO = 4 << 20
	// overrun is how long the fault overflow lets the memory run over.
	overrun = 5 * time.Millisecond
)

// Options choose what the tagger is like.
type Options struct {
	// Light falls on the inputs 1 to 4.
	Light *sim.Light
	// Tags say more of the light; the tagger sets TickS.
	Tags sim.TagSettings
	// ClockHz is the rate of the clock, below 2^32; 0: 128 MHz.
	ClockHz float64
	// FastPPM is how fast it really runs, in parts per million.
	FastPPM float64
	// Version is what register 1 says; 0: 5.
	Version uint32
	// Serial is the serial number; empty: it has none.
	Serial string
	// FIFO is how many bytes of records wait for the host; 0: 4 MiB.
	FIFO int
	// SilentWrites has commands that write be answered with nothing.
	SilentWrites bool
	// WrapIn is how long before its wrap the timer is at power-on and after each reset;
	// 0: it is 0 then.
	WrapIn time.Duration
	// Delta is how often one of the four delta inputs changes its level, in turn; 0: never.
	Delta time.Duration
	// Seed makes where records are cut repeatable.
	Seed uint64
}

// Tagger is one time tagger. It implements [usb.Device].
type Tagger struct {
	options Options
	light   *sim.TagLight
	rng     *rand.Rand

	power     time.Time // ticks of the truth count from here
	registers registers
	command   []byte
	replies   [][]byte
	packet    int // bytes of a packet of data
	refuse    bool

	drawn  time.Time // what came before has been recorded
	tick   uint64    // of the truth, at drawn
	zero   int64     // the timer is tick - zero
	tags   []sim.Tag
	levels uint8 // of the delta inputs

	fifo    fifo
	wraps   int64 // of the timer at the last record
	losing  bool  // the memory runs over
	lost    uint64
	gap     bool      // records were lost since the last one
	overrun time.Time // the memory runs over until then, whatever is in it
}

// Inputs names the inputs the light must have.
func Inputs() []string { return []string{"1", "2", "3", "4"} }

// New makes a tagger that has no power yet.
func New(o Options) (*Tagger, error) {
	if o.Light == nil || o.Light.Inputs() != inputs {
		return nil, fmt.Errorf("umass: the light must have the %d inputs 1 to 4", inputs)
	}
	if o.ClockHz == 0 {
		o.ClockHz = defaultClockHz
	}
	if !(o.ClockHz >= 1 && o.ClockHz < 1<<32) {
		return nil, fmt.Errorf("umass: a clock of %g Hz; expected 1 to 4.29e9", o.ClockHz)
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("umass: a clock off by %g ppm; expected within 100000", o.FastPPM)
	}
	if o.FIFO == 0 {
		o.FIFO = defaultFIFO
	}
	if o.FIFO < packetBytes {
		return nil, fmt.Errorf("umass: %d bytes for records to wait in; expected at least %d", o.FIFO, packetBytes)
	}
	if o.Delta < 0 || o.WrapIn < 0 || float64(o.Delta) > 0 && o.Delta.Seconds()*o.ClockHz < 1 {
		return nil, fmt.Errorf("umass: delta inputs every %v and a wrap in %v; expected at least a tick, and 0 or more", o.Delta, o.WrapIn)
	}
	if o.Version == 0 {
		o.Version = 5
	}
	o.Tags.TickS = 1 / o.ClockHz
	light, err := sim.NewTagLight(o.Light, o.Tags)
	if err != nil {
		return nil, err
	}
	return &Tagger{options: o, light: light,
		rng: rand.New(rand.NewPCG(o.Seed, 0x756d617373))}, nil // "umass": a stream apart from the light's
}

// Name implements [usb.Device].
func (t *Tagger) Name() string { return "umass" }

// Channels implements [usb.Device]: the pulses of the inputs, then changes of the delta
// inputs.
func (t *Tagger) Channels() []string {
	return append(Inputs(), "delta1", "delta2", "delta3", "delta4")
}

// GivesTags says that the tagger gives tags.
func (t *Tagger) GivesTags() bool { return true }

// Descriptors implements [usb.Device].
func (t *Tagger) Descriptors() usb.Descriptors {
	return usb.Descriptors{Speed: usb.High, Vendor: vendor, Product: product, Release: 0x0100,
		Maker: "UMass", Title: "FPGA timetagger (simulated)", Serial: t.options.Serial,
		Endpoints: []usb.Endpoint{
			{Address: commandAddress, MaxPacket: packetBytes},
			{Address: dataAddress, MaxPacket: packetBytes},
			{Address: replyAddress, MaxPacket: packetBytes},
		}}
}

// CheckFault refuses what the tagger cannot have.
func (t *Tagger) CheckFault(f sim.Fault) error {
	switch {
	case f.Kind == sim.FaultRefuse || f.Kind == sim.FaultOverflow && f.Count < 0:
		return nil
	case f.Kind == sim.FaultOverflow:
		return fmt.Errorf("fault %v: of umass it is the memory that overflows, say it without a counter", f)
	}
	return fmt.Errorf("fault %v: umass has no %s", f, f.Kind)
}

// Handle implements [usb.Device].
func (t *Tagger) Handle(ev sim.Event, wire usb.Wire) {
	switch ev.Kind {
	case sim.PowerOn:
		t.power, t.drawn = ev.At, ev.At
		t.restart(ev.At)
	case sim.Plugged:
		t.restart(ev.At)
	case sim.Reboot:
		if ev.For > 0 {
			wire.Leave(ev.For)
			return
		}
		t.restart(ev.At)
	case sim.Unplugged:
		t.record(ev.At, wire)
		t.drop(wire, "unplugged")
		t.registers.control = 0
	case sim.Refuse:
		t.refuse = true
	case sim.Overflow:
		t.record(ev.At, wire)
		t.overrun = ev.At.Add(overrun)
	}
}

// restart is power.
func (t *Tagger) restart(at time.Time) {
	t.registers = registers{strobe: 1<<inputs - 1}
	t.command, t.replies, t.packet, t.refuse = t.command[:0], nil, packetBytes, false
	t.drawn, t.tick = at, t.ticks(at)
	t.resetTimer()
	t.fifo.clear()
	t.losing, t.gap, t.overrun = false, false, time.Time{}
}

// ticks is the time of the truth, which goes on from the first power-on.
func (t *Tagger) ticks(at time.Time) uint64 {
	ns := max(at.Sub(t.power).Nanoseconds(), 0)
	const second = 1_000_000_000
	hz := t.options.ClockHz * (1 + t.options.FastPPM*1e-6)
	return uint64(ns/second)*uint64(hz) + uint64(float64(ns/second)*(hz-float64(uint64(hz)))+float64(ns%second)*hz/second)
}

// resetTimer has the timer begin anew.
func (t *Tagger) resetTimer() {
	t.zero, t.wraps = int64(t.tick), 0
	if t.options.WrapIn > 0 {
		t.zero -= max(0, wrap-int64(t.options.WrapIn.Seconds()*t.options.ClockHz))
	}
}

// running reports whether records are made.
func (t *Tagger) running() bool {
	return t.registers.control&(capturing|counting|resetting) == capturing|counting
}

// Next implements [usb.Device].
func (t *Tagger) Next() time.Time {
	const chunk = time.Millisecond
	if !t.running() {
		return time.Time{}
	}
	return t.drawn.Add(chunk)
}

// Advance implements [usb.Device].
func (t *Tagger) Advance(now time.Time, wire usb.Wire) {
	for {
		at := t.Next()
		if at.IsZero() || at.After(now) {
			return
		}
		t.record(at, wire)
	}
}

// Control implements [usb.Device].
func (t *Tagger) Control(at time.Time, s usb.Setup, _ []byte, wire usb.Wire) ([]byte, usb.Answer) {
	const (
		toDevice      = 0x40
		requestPacket = 1
		requestFlush  = 2
	)
	switch {
	case t.refuse:
		t.refuse = false
	case s.Type == toDevice && s.Request == requestPacket && s.Value >= 1 && s.Value <= packetBytes:
		t.packet = int(s.Value)
		return nil, usb.ACK
	case s.Type == toDevice && s.Request == requestFlush:
		t.record(at, wire)
		t.drop(wire, "flushed")
		return nil, usb.ACK
	}
	return nil, usb.Stall
}
