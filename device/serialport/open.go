package serialport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"go.bug.st/serial"

	"photongate/device"
)

// openLimit is how long an open may take before it is abandoned. Some drivers
// hang in open for ever when the hardware is half gone.
const openLimit = 5 * time.Second

// Open opens a port by its name in the configuration:
//
//	/dev/ttyACM0, /dev/serial/by-id/..., COM3   a port; links are followed anew at each open
//	usb:04b4:f232, usb:04b4:f232:SERIAL         the one serial port of that USB device, whatever its name is now
//	usb-path:1-1.4                              the serial port of what is plugged into that socket
//	tcp://host:port                             a serial server that passes bytes as they are
//
// It applies the line settings, locks the port and returns it ready to be read.
// Errors are a *device.Error and one of ErrNoPort, ErrBusy, ErrPermission,
// ErrAmbiguous, ErrTimeout. An open that takes longer than 5 s is abandoned, and
// the same port is refused until it has come back. Open may be called
// concurrently.
func Open(ctx context.Context, name string, line device.Line, clock device.Clock) (device.Port, error) {
	if address, ok := strings.CutPrefix(name, "tcp://"); ok {
		return dialTCP(ctx, name, address, clock)
	}
	node, err := resolve(name, List)
	if err != nil {
		return nil, err
	}
	mode, err := modeOf(line)
	if err != nil {
		return nil, &device.Error{Op: "open", Port: node, Err: err}
	}
	return bounded(ctx, node, openLimit, func() (device.Port, error) { return openTTY(node, mode, clock) })
}

// hanging lists ports of which an abandoned open has not come back. It is the
// state of this process's threads in the kernel, so there is one of it.
var hanging = struct {
	sync.Mutex
	nodes map[string]bool
}{nodes: map[string]bool{}}

// bounded runs open, but gives up waiting for it after limit. The abandoned call
// closes what it opened, should it ever return.
func bounded(ctx context.Context, node string, limit time.Duration, open func() (device.Port, error)) (device.Port, error) {
	const hint = "the system's driver for this port hangs: unplug the instrument and plug it in again"
	hanging.Lock()
	busy := hanging.nodes[node]
	hanging.nodes[node] = true
	hanging.Unlock()
	if busy {
		return nil, &device.Error{Op: "open", Port: node, Hint: hint,
			Err: fmt.Errorf("%w: an earlier open of it has not come back yet", device.ErrBusy)}
	}
	type result struct {
		port device.Port
		err  error
	}
	done := make(chan result)
	gaveUp := make(chan struct{})
	go func() {
		port, err := open()
		hanging.Lock()
		delete(hanging.nodes, node)
		hanging.Unlock()
		select {
		case done <- result{port, err}:
		case <-gaveUp:
			if err == nil {
				_ = port.Close()
			}
		}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.port, r.err
	case <-timer.C:
		close(gaveUp)
		return nil, &device.Error{Op: "open", Port: node, Hint: hint,
			Err: fmt.Errorf("%w: open did not return within %v and was abandoned", device.ErrTimeout, limit)}
	case <-ctx.Done():
		close(gaveUp)
		return nil, &device.Error{Op: "open", Port: node, Err: context.Cause(ctx)}
	}
}

// modeOf translates line settings.
func modeOf(l device.Line) (*serial.Mode, error) {
	m := &serial.Mode{BaudRate: l.Baud, DataBits: l.DataBits}
	if m.DataBits == 0 {
		m.DataBits = 8
	}
	switch l.Parity {
	case device.NoParity:
		m.Parity = serial.NoParity
	case device.EvenParity:
		m.Parity = serial.EvenParity
	case device.OddParity:
		m.Parity = serial.OddParity
	default:
		return nil, fmt.Errorf("parity %d is not known", l.Parity)
	}
	switch l.StopBits {
	case 0, 1:
		m.StopBits = serial.OneStopBit
	case 2:
		m.StopBits = serial.TwoStopBits
	default:
		return nil, fmt.Errorf("%d stop bits: must be 1 or 2", l.StopBits)
	}
	if l.Baud <= 0 {
		return nil, fmt.Errorf("baud rate %d: must be positive", l.Baud)
	}
	return m, nil
}

// explain turns an error of opening a tty into one with a kind and a hint.
func explain(node string, err error) error {
	e := &device.Error{Op: "open", Port: node, Err: err}
	code := serial.PortErrorCode(-1)
	if pe, ok := errors.AsType[*serial.PortError](err); ok {
		code = pe.Code()
	}
	switch {
	case errors.Is(err, device.ErrBusy):
		e.Hint = holderHint(node)
	case code == serial.PortBusy:
		e.Err, e.Hint = device.ErrBusy, holderHint(node)
	case code == serial.PermissionDenied || errors.Is(err, fs.ErrPermission):
		e.Err, e.Hint = device.ErrPermission, permissionHint(node)
	case code == serial.PortNotFound || errors.Is(err, fs.ErrNotExist) || isAbsent(err):
		e.Err, e.Hint = device.ErrNoPort, presentHint()
	case code == serial.InvalidSerialPort:
		e.Err = fmt.Errorf("%w: it is no serial port: %w", device.ErrNoPort, err)
		e.Hint = presentHint()
	}
	return e
}

// presentHint lists the serial ports there are.
func presentHint() string {
	ports, err := List()
	if err != nil || len(ports) == 0 {
		return "no serial port is present: is the instrument plugged in and on?"
	}
	return "present: " + describeAll(ports)
}
