package serialport

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"go.bug.st/serial"

	"photongate/device"
)

// ttyPort is a port of go.bug.st/serial.
type ttyPort struct {
	port    serial.Port
	lock    io.Closer
	clock   device.Clock
	name    string
	timeout time.Duration
	closed  atomic.Bool
}

var (
	_ device.Port       = (*ttyPort)(nil)
	_ device.ModemLines = (*ttyPort)(nil)
	_ device.Breaker    = (*ttyPort)(nil)
)

func openTTY(node string, mode *serial.Mode, clock device.Clock) (device.Port, error) {
	lock, err := lockNode(node)
	if err != nil {
		return nil, explain(node, err)
	}
	if occupied(func() bool { return len(foreign(node)) > 0 }) {
		_ = lock.Close()
		return nil, explain(node, device.ErrBusy)
	}
	port, err := serial.Open(node, mode)
	if err != nil {
		_ = lock.Close()
		return nil, explain(node, err)
	}
	keepFromChildren(node)
	return &ttyPort{port: port, lock: lock, clock: clock, name: node, timeout: serial.NoTimeout}, nil
}

// How often, and at which distance, a port is looked at that another program has
// open: that may have looked at it in passing only.
const (
	passingLooks = 10
	passingPause = 20 * time.Millisecond
)

// occupied reports whether another program uses a port that it did not lock, as
// terminal programs and modem managers do: each would get some of the bytes.
func occupied(used func() bool) bool {
	pause := time.NewTicker(passingPause)
	defer pause.Stop()
	for range passingLooks {
		if !used() {
			return false
		}
		<-pause.C
	}
	return used()
}

// Read implements device.Port.
func (p *ttyPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	if len(b) == 0 {
		return 0, p.clock(), fmt.Errorf("read %s: empty buffer", p.name)
	}
	if timeout = max(timeout, 0); timeout != p.timeout {
		if err := p.port.SetReadTimeout(timeout); err != nil {
			return 0, p.clock(), p.gone(err)
		}
		p.timeout = timeout
	}
	n, err := p.port.Read(b)
	at := p.clock()
	switch {
	case n > 0:
		return n, at, nil // an error behind the bytes comes again
	case err != nil:
		return 0, at, p.gone(err)
	case p.closed.Load():
		return 0, at, device.ErrClosed
	default:
		return 0, at, device.ErrTimeout
	}
}

// Write implements device.Port.
func (p *ttyPort) Write(b []byte) (int64, error) {
	for len(b) > 0 {
		n, err := p.port.Write(b)
		if err != nil {
			return p.clock(), p.gone(err)
		}
		if n == 0 {
			return p.clock(), p.gone(io.ErrShortWrite)
		}
		b = b[n:]
	}
	return p.clock(), nil
}

// gone says who ended the port: ourselves, or whoever pulled the plug. The
// library reports both in the same way.
func (p *ttyPort) gone(err error) error {
	if p.closed.Load() {
		return device.ErrClosed
	}
	var pe *serial.PortError
	if errors.As(err, &pe) && pe.Code() == serial.PortClosed {
		return device.ErrGone
	}
	return fmt.Errorf("%w: %w", device.ErrGone, err)
}

// Discard implements device.Port.
func (p *ttyPort) Discard() error {
	if err := p.port.ResetInputBuffer(); err != nil {
		return p.gone(err)
	}
	return nil
}

// Name implements device.Port.
func (p *ttyPort) Name() string { return p.name }

// Close implements device.Port.
func (p *ttyPort) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	return errors.Join(p.port.Close(), p.lock.Close())
}

// SetDTR implements device.ModemLines.
func (p *ttyPort) SetDTR(on bool) error { return p.port.SetDTR(on) }

// SetRTS implements device.ModemLines.
func (p *ttyPort) SetRTS(on bool) error { return p.port.SetRTS(on) }

// Break implements device.Breaker.
func (p *ttyPort) Break(d time.Duration) error { return p.port.Break(d) }
