package receiver

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"photongate/protocol/pulse"
)

// Bounds of a connection.
const (
	lifeSlice   = time.Second / 4 // longest wait in one system call, to look whether bytes move
	writeBuffer = 32 << 10        // the system doubles it: acks and heartbeats that wait longer are of no use
)

// lifeline is a connection, below TLS if there is any, that ends when no byte
// has moved either way for deadAfter: it is then as if a deadline had passed. A
// slow line that moves bytes is alive, within a frame too. One goroutine reads
// and another one writes.
type lifeline struct {
	net.Conn
	pulse *pulse.Pulse // the reader's
	begin time.Time
	moved atomic.Int64 // ns since begin
	open  atomic.Bool  // the opening is over: bytes must move
	heard atomic.Bool  // bytes came

	mu        sync.Mutex
	readEnds  time.Time // deadlines of the user; zero: none
	writeEnds time.Time
}

// watched puts a lifeline on a connection, unless it has one.
func watched(conn net.Conn) *lifeline {
	for under := conn; under != nil; {
		if l, ok := under.(*lifeline); ok {
			return l
		}
		above, ok := under.(interface{ NetConn() net.Conn }) // TLS and the like
		if !ok {
			break
		}
		under = above.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(writeBuffer) // a wish: where it is refused, more waits
	}
	return &lifeline{Conn: conn, pulse: pulse.Of(conn), begin: time.Now()}
}

// NetConn is the connection itself.
func (l *lifeline) NetConn() net.Conn { return l.Conn }

// opened begins to watch.
func (l *lifeline) opened() {
	l.touch()
	l.open.Store(true)
}

func (l *lifeline) touch() { l.moved.Store(int64(time.Since(l.begin))) }

func (l *lifeline) idle() time.Duration {
	return time.Since(l.begin) - time.Duration(l.moved.Load())
}

// until is when the next system call is to return: at the user's deadline, or
// after look, to see whether bytes move. over: the user's deadline has passed.
func (l *lifeline) until(ends time.Time, look time.Duration) (at time.Time, over bool) {
	now := time.Now()
	if !ends.IsZero() && !ends.After(now) {
		return ends, true
	}
	if !l.open.Load() {
		return ends, false
	}
	at = now.Add(look)
	if !ends.IsZero() && ends.Before(at) {
		at = ends
	}
	return at, false
}

// Read reads at least one byte.
func (l *lifeline) Read(p []byte) (int, error) {
	for {
		l.mu.Lock()
		at, over := l.until(l.readEnds, max(0, min(lifeSlice, deadAfter-l.idle())))
		err := l.Conn.SetReadDeadline(at)
		l.mu.Unlock()
		if err != nil {
			return 0, err
		}
		n, err := l.Conn.Read(p)
		if n > 0 {
			l.touch()
			l.heard.Store(true)
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || over || !l.open.Load() {
			return n, err
		}
		if l.pulse.Moved() {
			l.touch()
		}
		if l.idle() >= deadAfter {
			return 0, err
		}
	}
}

// Write writes all of p, for as long as bytes move. What the first system call
// takes proves nothing: the system takes bytes for whoever is gone.
func (l *lifeline) Write(p []byte) (int, error) {
	for done, first := 0, true; ; first = false {
		l.mu.Lock()
		at, over := l.until(l.writeEnds, lifeSlice)
		err := l.Conn.SetWriteDeadline(at)
		l.mu.Unlock()
		if err != nil {
			return done, err
		}
		n, err := l.Conn.Write(p[done:])
		done += n
		if n > 0 && !first && l.pulse == nil {
			l.touch()
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || over || !l.open.Load() {
			return done, err
		}
		if l.idle() > deadAfter+lifeSlice { // the reader, which looks at the pulse, has the first word
			return done, err
		}
	}
}

// SetReadDeadline ends reading at a moment, also a read that waits; zero: never.
func (l *lifeline) SetReadDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readEnds = t
	return l.Conn.SetReadDeadline(t)
}

// SetWriteDeadline ends writing at a moment, also a write that waits; zero:
// never.
func (l *lifeline) SetWriteDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writeEnds = t
	return l.Conn.SetWriteDeadline(t)
}

// SetDeadline is both.
func (l *lifeline) SetDeadline(t time.Time) error {
	return errors.Join(l.SetReadDeadline(t), l.SetWriteDeadline(t))
}

// CloseWrite tells the other end that nothing more will come.
func (l *lifeline) CloseWrite() error {
	if half, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// leave bounds what is still written: the session ends.
func (l *lifeline) leave() {
	_ = l.SetWriteDeadline(time.Now().Add(writeTimeout)) // a connection that is gone fails the write as well
}
