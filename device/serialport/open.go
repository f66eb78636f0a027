package serialport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
// ErrAmbiguous, ErrHangs. An open that takes longer than 5 s is abandoned, and
// the same port is refused until it has come back. Open may be called
// concurrently.
func Open(ctx context.Context, name string, line device.Line, clock device.Clock) (device.Port, error) {
	return openFrom(ctx, List, name, line, clock)
}

// openFrom opens one of the ports that list gives.
func openFrom(ctx context.Context, list func() ([]Info, error), name string, line device.Line, clock device.Clock) (device.Port, error) {
	if address, ok := strings.CutPrefix(name, "tcp://"); ok {
		return dialTCP(ctx, name, address, clock)
	}
	node, err := resolve(name, list)
	if err != nil {
		return nil, err
	}
	mode, err := modeOf(line)
	if err != nil {
		return nil, &device.Error{Op: "open", Port: node, Err: err}
	}
	return bounded(ctx, node, openLimit, func() (device.Port, error) { return openTTY(node, mode, clock) })
}

// hanging are the ports of which an open has not come back, with when it began.
// It is the state of this process's threads in the kernel, so there is one of it.
var hanging = struct {
	sync.Mutex
	since map[string]time.Time
}{since: map[string]time.Time{}}

// bounded runs open, but gives up waiting for it after limit. The abandoned call
// closes what it opened, should it ever return; until then there is no second one
// on that port.
func bounded(ctx context.Context, node string, limit time.Duration, open func() (device.Port, error)) (device.Port, error) {
	hangs := func(since time.Time) error {
		return &device.Error{Op: "open", Port: node, Err: fmt.Errorf("%w since %s", device.ErrHangs, since.Format(time.TimeOnly)),
			Hint: "the system's driver for this port hangs: unplug the instrument and plug it in again"}
	}
	began := time.Now()
	hanging.Lock()
	since, busy := hanging.since[node]
	if !busy {
		hanging.since[node] = began
	}
	hanging.Unlock()
	if busy {
		return nil, hangs(since)
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
		delete(hanging.since, node)
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
		return nil, hangs(began)
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
	case errors.Is(err, device.ErrBusy) || code == serial.PortBusy:
		e.Hint, e.Err = inUse(node)
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

// inUse says who has a port open, as far as this user may know, and what to try.
func inUse(node string) (hint string, err error) {
	who := Holders(node)
	switch {
	case len(who) == 0:
		return unknownHolderHint(node), device.ErrBusy
	case len(who) == 1 && who[0].PID == os.Getpid():
		return "is it named twice in the configuration?", fmt.Errorf("%w by this program itself", device.ErrBusy)
	}
	var list []string
	for _, h := range who {
		if h.PID != os.Getpid() {
			list = append(list, h.String())
		}
	}
	return "end that program, or choose another port", fmt.Errorf("%w by %s", device.ErrBusy, strings.Join(list, ", "))
}

// Holder is a process that has a port open or locked.
type Holder struct {
	PID     int
	Program string // its name; empty when not known
}

// String returns "minicom (process 4711)".
func (h Holder) String() string {
	if h.Program == "" {
		return fmt.Sprintf("process %d", h.PID)
	}
	return fmt.Sprintf("%s (process %d)", h.Program, h.PID)
}

// presentHint lists the serial ports there are.
func presentHint() string {
	ports, err := List()
	if err != nil || len(ports) == 0 {
		return "no serial port is present: is the instrument plugged in and on?"
	}
	return "present: " + describeAll(ports)
}
