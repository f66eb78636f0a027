package sim

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// tcpPatience is how long a write waits for a host that does not read.
const tcpPatience = time.Millisecond

// tcpRetry is the pause after a host could not be accepted.
const tcpRetry = 100 * time.Millisecond

// TCP is a port of a terminal server: one host at a time, a second one waits
// until the first has gone. A host that does not read loses bytes.
type TCP struct {
	inbox   *inbox
	address string // with the port really used

	current *tcpServer // nil while unplugged
}

// OpenTCP listens on an address such as 127.0.0.1:7400; port 0 takes a free one.
func OpenTCP(address string) (*TCP, error) {
	t := &TCP{inbox: newInbox(), address: address}
	if err := t.Plug(); err != nil {
		return nil, err
	}
	return t, nil
}

// Address is where it listens, with the port really used.
func (t *TCP) Address() string { return t.address }

// Ready implements [Conn].
func (t *TCP) Ready() <-chan struct{} { return t.inbox.ready }

// Poll implements [Conn].
func (t *TCP) Poll() (Event, bool) { return t.inbox.poll() }

// Where implements [Conn].
func (t *TCP) Where() string { return "tcp://" + t.address }

// TryWrite implements [Conn]; a host that does not read holds it up for a
// millisecond.
func (t *TCP) TryWrite(p []byte) int {
	if t.current == nil {
		return 0
	}
	return t.current.tryWrite(p)
}

// Unplug stops listening and cuts off the host.
func (t *TCP) Unplug() error {
	if t.current == nil {
		return nil
	}
	err := t.current.close()
	t.current = nil
	t.inbox.clear()
	return err
}

// Plug listens again on the same port.
func (t *TCP) Plug() error {
	if t.current != nil {
		return nil
	}
	l, err := net.Listen("tcp", t.address)
	if err != nil {
		return fmt.Errorf("listen for a host (is the port in use?): %w", err)
	}
	t.address = l.Addr().String()
	t.current = &tcpServer{listener: l, stop: make(chan struct{})}
	t.current.done.Go(func() { t.current.serve(t.inbox) })
	return nil
}

// Close implements [Conn].
func (t *TCP) Close() error { return t.Unplug() }

// tcpServer is one stretch of listening.
type tcpServer struct {
	listener net.Listener
	stop     chan struct{}
	done     sync.WaitGroup

	mu   sync.Mutex
	host net.Conn // nil when nobody is there
}

// serve takes one host after the other until close.
func (s *tcpServer) serve(in *inbox) {
	for {
		host, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, say: not to be asked again at once
			select {
			case <-s.stop:
				return
			case <-time.After(tcpRetry):
			}
			continue
		}
		if !s.setHost(host) {
			host.Close()
			return
		}
		in.put(Opened)
		s.listen(host, in)
		s.setHost(nil)
		host.Close()
		in.put(Closed)
	}
}

// listen passes on what the host sends until it goes.
func (s *tcpServer) listen(host net.Conn, in *inbox) {
	buf := make([]byte, 1024)
	for {
		n, err := host.Read(buf)
		if n > 0 && !in.write(buf[:n], s.stop) || err != nil {
			return
		}
	}
}

// setHost reports false when close was called before.
func (s *tcpServer) setHost(host net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host = host
	select {
	case <-s.stop:
		return false
	default:
		return true
	}
}

func (s *tcpServer) tryWrite(p []byte) int {
	s.mu.Lock()
	host := s.host
	s.mu.Unlock()
	if host == nil {
		return 0
	}
	if err := host.SetWriteDeadline(time.Now().Add(tcpPatience)); err != nil {
		return 0
	}
	n, _ := host.Write(p) // a host that is slow or gone loses the rest
	return n
}

func (s *tcpServer) close() error {
	s.mu.Lock()
	close(s.stop)
	err := s.listener.Close()
	if s.host != nil {
		err = errors.Join(err, s.host.Close())
	}
	s.mu.Unlock()
	s.done.Wait()
	return err
}
