package mccctr

import (
	"fmt"
	"time"

	"photongate/sim"
	"photongate/sim/usb"
)

// Model is which box it is.
type Model string

// The boxes.
const (
	CTR04 Model = "mcc-ctr04"
	CTR08 Model = "mcc-ctr08"
)

const (
	vendor       = 0x09DB
	productCTR08 = 0x0127
	productCTR04 = 0x012E
	inAddress    = 0x86
	packetHigh   = 512
	packetFull   = 64
	maxCounters  = 8
	// fifoBytes is what waits for the host; more is an overrun.
	fifoBytes = 8192
	// away is how long a reset takes it from the bus.
	away = 300 * time.Millisecond
)

// Options choose what the box is like.
type Options struct {
	// Model is the box; empty: a CTR08.
	Model Model
	// Light falls on the inputs that Inputs names.
	Light *sim.Light
	// Serial is the serial number, 8 characters; empty: 01A2B3C4.
	Serial string
	// FullSpeed has packets of 64 bytes instead of 512.
	FullSpeed bool
	// ImageBytes is how long the image of the FPGA is; 0: as long as what is sent.
	ImageBytes int
	// BadImage says that no image is the right one.
	BadImage bool
	// Configured says that the FPGA has its image already at power-on.
	Configured bool
	// FastPPM is how fast its crystal runs, in parts per million.
	FastPPM float64
	// Distinct makes counter 0 read [sim.DistinctValue] of the number of the row.
	Distinct bool
}

// Box is one USB-CTR. It implements [usb.Device].
type Box struct {
	options  Options
	counters int
	scaler   *sim.Scaler

	configured, loading bool
	image               int // bytes of it so far
	parameters          [maxCounters]parameters
	base                [maxCounters]uint64 // totals of the light that are 0
	rows                int64
	refuse              bool
	scan                scan
}

// parameters of one counter, as bRequest 18 tells them.
type parameters struct{ mode, options, gate, output, debounce uint8 }

// Bits of parameters.
const (
	modeMask    = 3 // 0 is totalize
	clearOnRead = 1
)

// Inputs names the inputs the light of a box must have.
func Inputs(m Model) []string {
	names := []string{"0", "1", "2", "3", "4", "5", "6", "7"}
	if m == CTR04 {
		return names[:4]
	}
	return names
}

// New makes a box that has no power yet.
func New(o Options) (*Box, error) {
	if o.Model == "" {
		o.Model = CTR08
	}
	if o.Model != CTR04 && o.Model != CTR08 {
		return nil, fmt.Errorf("mccctr: model %q, expected %s or %s", o.Model, CTR04, CTR08)
	}
	n := len(Inputs(o.Model))
	if o.Light == nil || o.Light.Inputs() != n {
		return nil, fmt.Errorf("%s: the light must have the inputs 0 to %d", o.Model, n-1)
	}
	if o.Serial == "" {
		o.Serial = "01A2B3C4"
	}
	if len(o.Serial) != serialBytes {
		return nil, fmt.Errorf("%s: serial number %q, expected %d characters", o.Model, o.Serial, serialBytes)
	}
	if !(o.FastPPM > -1e5 && o.FastPPM < 1e5) {
		return nil, fmt.Errorf("%s: a crystal off by %g ppm; expected within 100000", o.Model, o.FastPPM)
	}
	return &Box{options: o, counters: n}, nil
}

// Name implements [usb.Device].
func (b *Box) Name() string { return string(b.options.Model) }

// Channels implements [usb.Device].
func (b *Box) Channels() []string {
	names := make([]string, b.counters)
	for i := range names {
		names[i] = fmt.Sprintf("C%d", i)
	}
	return names
}

// Descriptors implements [usb.Device].
func (b *Box) Descriptors() usb.Descriptors {
	d := usb.Descriptors{Speed: usb.High, Vendor: vendor, Product: productCTR08, Release: 0x0100,
		Maker: "Measurement Computing", Title: "USB-CTR08", Serial: b.options.Serial,
		Endpoints: []usb.Endpoint{{Address: inAddress, MaxPacket: b.packetSize()}}}
	if b.options.Model == CTR04 {
		d.Product, d.Title = productCTR04, "USB-CTR04"
	}
	if b.options.FullSpeed {
		d.Speed = usb.Full
	}
	return d
}

func (b *Box) packetSize() int {
	if b.options.FullSpeed {
		return packetFull
	}
	return packetHigh
}

// CheckFault refuses what the box cannot have.
func (b *Box) CheckFault(f sim.Fault) error {
	if f.Kind == sim.FaultRefuse || f.Kind == sim.FaultOverflow && f.Count < 0 {
		return nil
	}
	if f.Kind != sim.FaultOverflow {
		return fmt.Errorf("fault %v: %s has no %s", f, b.Name(), f.Kind)
	}
	return fmt.Errorf("fault %v: of %s it is the FIFO that overflows, say it without a counter", f, b.Name())
}

// Handle implements [usb.Device].
func (b *Box) Handle(ev sim.Event, wire usb.Wire) {
	switch ev.Kind {
	case sim.PowerOn:
		b.scaler = sim.NewScaler(b.options.Light, ev.At)
		b.restart(ev.At)
		b.configured = b.options.Configured
	case sim.Plugged:
		b.restart(ev.At)
	case sim.Unplugged:
		b.scan.running = false
	case sim.Reboot:
		if ev.For > 0 {
			wire.Leave(ev.For)
			return
		}
		b.restart(ev.At)
	case sim.Refuse:
		b.refuse = true
	case sim.Overflow:
		if b.scan.running {
			b.scan.running, b.scan.overrun = false, true
		}
	}
}

func (b *Box) restart(at time.Time) {
	b.configured, b.loading, b.image, b.refuse = false, false, 0, false
	b.parameters, b.scan = [maxCounters]parameters{}, scan{}
	copy(b.base[:], b.scaler.Totals(at))
}

// read latches all counters, clears those of which clear is true, and writes the truth.
func (b *Box) read(at time.Time, wire usb.Wire, clear func(n int) bool) [maxCounters]uint64 {
	var held [maxCounters]uint64
	for i, total := range b.scaler.Totals(at) {
		if b.parameters[i].mode&modeMask != 0 {
			b.base[i] = total
		}
		held[i] = total - b.base[i]
		if clear(i) && b.parameters[i].options&clearOnRead != 0 {
			b.base[i] = total
		}
	}
	if b.options.Distinct {
		held[0] = sim.DistinctValue(b.rows, 1<<63)
	}
	wire.Latched(at, held[:b.counters])
	b.rows++
	return held
}

// Out implements [usb.Device]: it has no such endpoint.
func (b *Box) Out(time.Time, uint8, []byte, usb.Wire) usb.Answer { return usb.Stall }
