package cmd_test

import (
	"io"
	"maps"
	"net"
	"sync"
	"testing"

	"photongate/protocol"
)

// position is an epoch of a stream; streams go by their ids in the journal.
type position struct{ id, epoch uint32 }

// snoop is a TCP proxy between receivers and a gateway on this computer that
// remembers what was acknowledged: the one who knows what must not be lost.
type snoop struct {
	t    *testing.T
	addr string
	to   string

	listener net.Listener
	done     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	acked map[position]uint64
}

// listenIn begins to pass connections on to the gateway of a bench, until the
// test ends.
func listenIn(t *testing.T, to string) *snoop {
	t.Helper()
	l, err := net.Listen("tcp", freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &snoop{t: t, addr: l.Addr().String(), to: to, listener: l, conns: map[net.Conn]bool{}, acked: map[position]uint64{}}
	s.done.Go(s.accept)
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for c := range s.conns {
			c.Close()
		}
		s.conns = nil
		s.mu.Unlock()
		s.done.Wait()
	})
	return s
}

func (s *snoop) accept() {
	for {
		near, err := s.listener.Accept()
		if err != nil {
			return // closed at the end of the test
		}
		far, err := net.Dial("tcp", s.to)
		if err != nil || !s.keep(near, far) {
			near.Close() // as if nobody listened there
			continue
		}
		s.done.Go(func() {
			io.Copy(near, far) //nolint:errcheck // ends when either end is killed
			s.drop(near, far)
		})
		s.done.Go(func() {
			tapped, tap := io.Pipe()
			s.done.Go(func() { s.read(tapped) })
			io.Copy(io.MultiWriter(far, tap), near) //nolint:errcheck // likewise
			tap.Close()
			s.drop(near, far)
		})
	}
}

func (s *snoop) keep(conns ...net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	for _, c := range conns {
		s.conns[c] = true
	}
	return true
}

func (s *snoop) drop(conns ...net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(s.conns, c)
	}
}

// read takes the acknowledgements out of what a receiver says.
func (s *snoop) read(from io.Reader) {
	defer io.Copy(io.Discard, from) //nolint:errcheck // so that what is passed on never waits for what is read here
	frames := protocol.NewFrameReader(from, protocol.MaxFrame)
	for {
		h, frame, err := frames.Next()
		if err != nil {
			return // the receiver was killed in the middle
		}
		if h.Type != protocol.TypeAck {
			continue
		}
		var ack protocol.Ack
		if err := protocol.DecodeJSON(frame[h.HeaderLen:], &ack); err != nil {
			s.t.Errorf("an acknowledgement that cannot be read: %v", err)
			return
		}
		s.mu.Lock()
		for _, a := range ack.Streams {
			at := position{a.ID, a.Epoch}
			s.acked[at] = max(s.acked[at], uint64(a.Seq))
		}
		s.mu.Unlock()
	}
}

// all returns the last sequence acknowledged of each epoch of each stream.
func (s *snoop) all() map[position]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.acked)
}
