package badline

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Line is a proxy on a port of its own. Its methods may be called concurrently.
type Line struct {
	listener net.Listener
	to       string
	script   func(n int) Script
	stop     context.CancelFunc
	wg       sync.WaitGroup

	mu     sync.Mutex
	joints []*Joint // of all connections, in order
	away   bool     // nothing is carried, and nobody can connect
	err    error    // why the last connection was not carried
}

// Lay lays a line to an address. script says what happens to connection n = 1,
// 2...; nil: nothing. The line must be closed.
func Lay(to string, script func(n int) Script) (*Line, error) {
	if script == nil {
		script = func(int) Script { return Script{} }
	}
	ctx, stop := context.WithCancel(context.Background())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		stop()
		return nil, fmt.Errorf("bad line to %s: %w", to, err)
	}
	l := &Line{listener: listener, to: to, script: script, stop: stop}
	l.wg.Go(func() { l.accept(ctx) })
	return l, nil
}

// Addr is where programs connect.
func (l *Line) Addr() string { return l.listener.Addr().String() }

// accept carries connections until the line is closed.
func (l *Line) accept(ctx context.Context) {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.carry(ctx, near)
	}
}

// carry connects to the far end. Whoever does something to the line meanwhile
// waits for it, so that no connection is forgotten.
func (l *Line) carry(ctx context.Context, near net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		_ = near.Close()
		return
	}
	far, err := new(net.Dialer).DialContext(ctx, "tcp", l.to)
	if err != nil {
		_ = near.Close()
		l.err = err
		return
	}
	l.joints = append(l.joints, Join(near, far, l.script(len(l.joints)+1)))
}

// Conns is how many connections were carried so far.
func (l *Line) Conns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.joints)
}

// Conn is connection n = 1, 2..., nil when there was none yet.
func (l *Line) Conn(n int) *Joint {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 1 || n > len(l.joints) {
		return nil
	}
	return l.joints[n-1]
}

// Err says why the last connection that was not carried was not; nil: all were.
func (l *Line) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Do does something to all connections now.
func (l *Line) Do(a Action) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, j := range l.joints {
		j.Do(a)
	}
}

// Unplug ends all connections with an action, and ends new ones at once, until
// [Line.Plug].
func (l *Line) Unplug(a Action) {
	l.mu.Lock()
	l.away = true
	l.mu.Unlock()
	l.Do(a)
}

// Plug carries new connections again.
func (l *Line) Plug() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = false
}

// Close ends all and waits until nothing is carried any more.
func (l *Line) Close() error {
	l.stop()
	err := l.listener.Close()
	l.wg.Wait()
	for n := 1; n <= l.Conns(); n++ {
		l.Conn(n).Close()
	}
	return err
}
