package ftdi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"photongate/device"
)

// Prefix begins the name of a port in a configuration that is meant for this
// package.
const Prefix = "ftdi:"

// OpenUSB opens a USB device by a name like usb:0403:6001 and takes its interface
// of a number.
type OpenUSB func(ctx context.Context, name string, interfaceNumber int, clock device.Clock) (device.USBDevice, error)

const (
	requestLimit = time.Second
	// latency is how long the chip waits for more bytes before it sends a packet
	// that is not full; 16 ms is its own default. It blurs when bytes arrived.
	latency = 2 * time.Millisecond
)

// Open opens the port of a chip named ftdi:VID:PID or ftdi:VID:PID:SERIAL, port A
// of one with several, with the line settings. A baud rate of 0 leaves the
// chip's. Errors are a *device.Error of a kind as those of openUSB are, or
// ErrSetting for a line the chip does not have.
func Open(ctx context.Context, openUSB OpenUSB, name string, line device.Line, clock device.Clock) (device.Port, error) {
	rest, ok := strings.CutPrefix(name, Prefix)
	if !ok {
		return nil, &device.Error{Op: "open", Port: name, Err: device.ErrNoPort, Hint: "write ftdi:VID:PID or ftdi:VID:PID:SERIAL"}
	}
	usb, err := openUSB(ctx, "usb:"+rest, 0, clock)
	if err != nil {
		if e, ok := errors.AsType[*device.Error](err); ok {
			named := *e
			named.Port = name
			return nil, &named
		}
		return nil, err
	}
	p, err := newPort(usb, Prefix+strings.TrimPrefix(usb.Name(), "usb:"), line, clock)
	if err != nil {
		return nil, errors.Join(&device.Error{Op: "open", Port: name, Err: err, Hint: "is this an FTDI chip, and does it have that line?"}, usb.Close())
	}
	return p, nil
}

// newPort sets up the chip behind a USB device and begins to fetch.
func newPort(usb device.USBDevice, name string, line device.Line, clock device.Clock) (*Port, error) {
	p := &Port{usb: usb, name: name, clock: clock, chip: chipOf(usb.Info()), came: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	p.timer.Stop()
	p.room.L = &p.mu
	var err error
	if p.in, err = usb.Info().First(true); err != nil {
		return nil, err
	}
	if p.out, err = usb.Info().First(false); err != nil {
		return nil, err
	}
	if p.in.MaxPacket <= statusBytes {
		return nil, fmt.Errorf("%w: its packets have %d bytes", device.ErrNonsense, p.in.MaxPacket)
	}
	if p.format, err = format(line); err != nil {
		return nil, err
	}
	if err := p.setUp(line); err != nil {
		return nil, err
	}
	return p, p.fetch(lineTransfers)
}

// setUp brings the chip into a known state: whoever used it before may have left
// it in another mode.
func (p *Port) setUp(line device.Line) error {
	type step struct {
		what         string
		request      uint8
		value, index uint16
	}
	port := p.chip.port
	steps := []step{
		{"reset", reqReset, resetAll, port},
		{"leave other modes", reqBitMode, modeOff << 8, port},
		{"set flow control", reqFlow, 0, flowNone<<8 | port},
		{"set data format", reqData, p.format, port},
		{"set latency timer", reqLatency, uint16(latency / time.Millisecond), port},
		{"raise DTR", reqModem, 0x0101, port},
		{"raise RTS", reqModem, 0x0202, port},
	}
	if line.Baud != 0 {
		value, index, err := p.chip.baud(line.Baud)
		if err != nil {
			return err
		}
		steps = append(steps, step{"set baud rate", reqBaud, value, index})
	}
	steps = append(steps, step{"purge", reqReset, purgeIn, port}, step{"purge", reqReset, purgeOut, port})
	for _, s := range steps {
		if err := p.request(s.request, s.value, s.index); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

// request sends one request.
func (p *Port) request(request uint8, value, index uint16) error {
	_, err := p.usb.Control(requestOut, request, value, index, nil, requestLimit)
	return err
}
