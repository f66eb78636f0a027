package devicetest

import (
	"sync"
	"time"

	"photongate/device"
)

// pairBuffer bounds what is in flight in each direction; more blocks nobody and
// is dropped, as a tty does.
const pairBuffer = 1 << 20

// wire is what the two ends of a pair share.
type wire struct {
	mu      sync.Mutex
	toHost  []byte
	toDev   []byte
	gone    bool // the instrument was unplugged
	closed  bool // the host closed its end
	changed chan struct{}
}

// signal wakes whoever waits. The caller holds mu.
func (w *wire) signal() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// Port is the host's end of an in-memory port. It implements device.Port.
type Port struct {
	w     *wire
	clock device.Clock
	name  string
}

var _ device.Port = (*Port)(nil)

// End is the instrument's end. Its methods may be called from one goroutine
// while the host uses the Port.
type End struct{ w *wire }

// NewPair returns the two ends of a port in memory.
func NewPair(clock device.Clock) (*Port, *End) {
	w := &wire{changed: make(chan struct{})}
	return &Port{w: w, clock: clock, name: "memory"}, &End{w: w}
}

// Clock is a time base made of time.Now: fake inside a synctest bubble.
func Clock() int64 { return time.Now().UnixNano() }

// Read implements device.Port.
func (p *Port) Read(b []byte, timeout time.Duration) (int, int64, error) {
	n, err := p.w.read(&p.w.toHost, b, timeout, true)
	return n, p.clock(), err
}

// Write implements device.Port.
func (p *Port) Write(b []byte) (int64, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	switch {
	case p.w.closed:
		return p.clock(), device.ErrClosed
	case p.w.gone:
		return p.clock(), device.ErrGone
	}
	if len(p.w.toDev)+len(b) <= pairBuffer {
		p.w.toDev = append(p.w.toDev, b...)
	}
	p.w.signal()
	return p.clock(), nil
}

// Discard implements device.Port.
func (p *Port) Discard() error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.toHost = p.w.toHost[:0]
	return nil
}

// Name implements device.Port.
func (p *Port) Name() string { return p.name }

// Close implements device.Port.
func (p *Port) Close() error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if !p.w.closed {
		p.w.closed = true
		p.w.signal()
	}
	return nil
}

// Read reads what the host wrote, waiting at most timeout. It returns
// ErrTimeout when nothing came and ErrClosed when the host closed its end or
// the instrument was unplugged.
func (e *End) Read(b []byte, timeout time.Duration) (int, error) {
	return e.w.read(&e.w.toDev, b, timeout, false)
}

// Write sends bytes to the host. It reports whether the host is still there.
func (e *End) Write(b []byte) bool {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.w.gone || e.w.closed {
		return false
	}
	if len(e.w.toHost)+len(b) <= pairBuffer {
		e.w.toHost = append(e.w.toHost, b...)
	}
	e.w.signal()
	return true
}

// Unplug makes the port go away: the host reads what is in flight, then
// ErrGone.
func (e *End) Unplug() {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if !e.w.gone {
		e.w.gone = true
		e.w.signal()
	}
}

// Wait waits for d, or less when the port ends. It reports whether the port is
// still there.
func (e *End) Wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		e.w.mu.Lock()
		ended, changed := e.w.gone || e.w.closed, e.w.changed
		e.w.mu.Unlock()
		if ended {
			return false
		}
		select {
		case <-timer.C:
			return true
		case <-changed:
		}
	}
}

// read takes bytes from one direction.
func (w *wire) read(from *[]byte, b []byte, timeout time.Duration, host bool) (int, error) {
	var timer <-chan time.Time
	if timeout > 0 {
		t := time.NewTimer(timeout)
		defer t.Stop()
		timer = t.C
	}
	for {
		w.mu.Lock()
		if host && w.closed || !host && w.gone {
			w.mu.Unlock()
			return 0, device.ErrClosed
		}
		if len(*from) > 0 {
			n := copy(b, *from)
			*from = append((*from)[:0], (*from)[n:]...)
			w.mu.Unlock()
			return n, nil
		}
		if host && w.gone {
			w.mu.Unlock()
			return 0, device.ErrGone
		}
		if !host && w.closed {
			w.mu.Unlock()
			return 0, device.ErrClosed
		}
		changed := w.changed
		w.mu.Unlock()
		if timeout <= 0 {
			return 0, device.ErrTimeout
		}
		select {
		case <-changed:
		case <-timer:
			return 0, device.ErrTimeout
		}
	}
}
