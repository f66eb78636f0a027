package sim

import (
	"errors"
	"os"
	"sync"
	"time"
)

// memoryBytes bounds what waits in memory for a host that does not read, about
// what a pseudo-terminal holds; what comes then is dropped.
const memoryBytes = 20 * 1024

// Memory is a port without any file: the host opens it with Open. It works on
// every system and inside testing/synctest.
type Memory struct {
	inbox *inbox

	mu      sync.Mutex
	absent  bool // unplugged or closed
	current *MemoryPort
	baud    int // as the last host set it
}

// NewMemory makes a port that nobody has open.
func NewMemory() *Memory { return &Memory{inbox: newInbox()} }

// Open opens the port as a host does. It answers ErrUnplugged while the port is
// unplugged, and that it is busy while another host has it open. It may be
// called from any goroutine.
func (m *Memory) Open() (*MemoryPort, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.absent {
		return nil, ErrUnplugged
	}
	if m.current != nil {
		return nil, errors.New("the port is already open")
	}
	m.current = &MemoryPort{
		memory:  m,
		changed: make(chan struct{}, 1),
		gone:    make(chan struct{}),
	}
	m.inbox.put(Opened)
	return m.current, nil
}

// Baud is the speed a host has set with SetBaud; 0 before.
func (m *Memory) Baud() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.baud
}

// Ready implements [Conn].
func (m *Memory) Ready() <-chan struct{} { return m.inbox.ready }

// Poll implements [Conn].
func (m *Memory) Poll() (Event, bool) { return m.inbox.poll() }

// Where implements [Conn].
func (m *Memory) Where() string { return "memory" }

// TryWrite implements [Conn].
func (m *Memory) TryWrite(p []byte) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		return 0
	}
	return m.current.deliver(p)
}

// Unplug implements [Conn]: the host's port answers ErrUnplugged from now on.
func (m *Memory) Unplug() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.absent = true
	if m.current != nil {
		m.current.end(ErrUnplugged)
		m.current = nil
	}
	m.inbox.clear()
	return nil
}

// Plug implements [Conn].
func (m *Memory) Plug() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.absent = false
	return nil
}

// Close implements [Conn].
func (m *Memory) Close() error { return m.Unplug() }

// release is the host closing its port.
func (m *Memory) release(p *MemoryPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == p {
		m.current = nil
		m.inbox.put(Closed)
	}
}

// MemoryPort is the host's end of a [Memory]. Read and Write may run at the same
// time; Close and SetReadDeadline may be called from any goroutine.
type MemoryPort struct {
	memory  *Memory
	changed chan struct{} // 1 element: bytes or a deadline came
	gone    chan struct{} // closed by end

	mu       sync.Mutex
	unread   []byte
	deadline time.Time
	err      error // why gone is closed
}

// Read waits for bytes and returns what is there. After the deadline it returns
// os.ErrDeadlineExceeded, after Close os.ErrClosed, when the cable was pulled and
// all bytes before that are read ErrUnplugged; in all cases with 0 bytes.
func (p *MemoryPort) Read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		n, err, deadline := copy(b, p.unread), p.err, p.deadline
		p.unread = p.unread[n:]
		p.mu.Unlock()
		switch {
		case n > 0 || len(b) == 0:
			return n, nil
		case err != nil:
			return 0, err
		}
		if err := p.wait(deadline); err != nil {
			return 0, err
		}
	}
}

// wait returns when there may be something to read, or the deadline is over.
func (p *MemoryPort) wait(deadline time.Time) error {
	var expired <-chan time.Time
	if !deadline.IsZero() {
		left := time.Until(deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		timer := time.NewTimer(left)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-p.changed:
	case <-p.gone:
	case <-expired:
	}
	return nil
}

// Write hands all of b to the instrument, waiting if it has not taken what was
// written before.
func (p *MemoryPort) Write(b []byte) (int, error) {
	p.mu.Lock()
	err := p.err
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if len(b) > 0 && !p.memory.inbox.write(b, p.gone) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return 0, p.err
	}
	return len(b), nil
}

// SetReadDeadline makes Read, also one that is waiting, return by t; the zero
// time means it may wait for ever.
func (p *MemoryPort) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.deadline = t
	signal(p.changed)
	return nil
}

// SetBaud sets the speed of the port.
func (p *MemoryPort) SetBaud(baud int) {
	p.memory.mu.Lock()
	defer p.memory.mu.Unlock()
	p.memory.baud = baud
}

// Close gives the port back; a second Close does nothing.
func (p *MemoryPort) Close() error {
	p.memory.release(p)
	p.end(os.ErrClosed)
	p.forget()
	return nil
}

// deliver takes what fits of bytes from the instrument.
func (p *MemoryPort) deliver(b []byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(b), memoryBytes-len(p.unread))
	p.unread = append(p.unread, b[:n]...)
	signal(p.changed)
	return n
}

// forget throws away what was not read.
func (p *MemoryPort) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unread = nil
}

// end makes every call return err from now on.
func (p *MemoryPort) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		close(p.gone)
	}
	p.err = err
}
