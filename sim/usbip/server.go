package usbip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"photongate/sim/usb"
)

// BusID is the name under which the device is offered.
const BusID = "1-1"

// busNumber is the bus it says to be on.
const busNumber = 1

const (
	// greetingTime is how long a host may take to say what it wants.
	greetingTime = 5 * time.Second
	// maxGuests bounds the connections that have not taken the device.
	maxGuests = 16
	// acceptRetry is the pause after a host could not be accepted.
	acceptRetry = 100 * time.Millisecond
)

// Server offers one device. It is a [usb.Port].
type Server struct {
	listener net.Listener
	ready    chan struct{} // 1 element: happenings may be there
	stop     chan struct{}
	done     sync.WaitGroup

	mu         sync.Mutex
	happenings []usb.Happening // bounded by what a host may have under way
	offered    *usb.Descriptors
	number     uint32 // counts the times it was plugged in
	host       *host  // that has the device
	guests     map[net.Conn]struct{}
	closed     bool
}

// Listen offers a device on a TCP address such as 127.0.0.1:3240, the usual port; port
// 0 takes a free one.
func Listen(address string) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for USB/IP hosts (is the port in use?): %w", err)
	}
	return New(listener), nil
}

// New offers a device to those who come through listener, which it closes.
func New(listener net.Listener) *Server {
	s := &Server{
		listener: listener,
		ready:    make(chan struct{}, 1),
		stop:     make(chan struct{}),
		guests:   map[net.Conn]struct{}{},
	}
	s.done.Go(s.accept)
	return s
}

// Where implements [usb.Port].
func (s *Server) Where() string { return "usbip://" + s.listener.Addr().String() + "/" + BusID }

// Ready implements [usb.Port].
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Poll implements [usb.Port].
func (s *Server) Poll() (usb.Happening, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.happenings) == 0 {
		return usb.Happening{}, false
	}
	h := s.happenings[0]
	s.happenings = s.happenings[1:]
	return h, true
}

// put tells of one thing that happened.
func (s *Server) put(h usb.Happening) {
	s.mu.Lock()
	s.happenings = append(s.happenings, h)
	s.mu.Unlock()
	signal(s.ready)
}

// Offer implements [usb.Port].
func (s *Server) Offer(d usb.Descriptors) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered = &d
	s.number++
	return nil
}

// Withdraw implements [usb.Port].
func (s *Server) Withdraw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered = nil
	if s.host != nil {
		s.host.close()
		s.host = nil
	}
	return nil
}

// Close implements [usb.Port].
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.stop)
	err := s.listener.Close()
	for conn := range s.guests {
		conn.Close()
	}
	if s.host != nil {
		s.host.close()
	}
	s.mu.Unlock()
	s.done.Wait()
	return err
}

// accept lets hosts in until Close.
func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors, say: not to be asked again at once
			select {
			case <-s.stop:
				return
			case <-time.After(acceptRetry):
			}
		case s.addGuest(conn):
			s.done.Go(func() { s.serve(conn) })
		default:
			conn.Close()
		}
	}
}

func (s *Server) addGuest(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.guests) == maxGuests {
		return false
	}
	s.guests[conn] = struct{}{}
	return true
}

// serve answers one host, and stays with it when it takes the device. What is wrong
// with what it says ends the connection.
func (s *Server) serve(conn net.Conn) {
	h, err := s.greet(conn)
	s.mu.Lock()
	delete(s.guests, conn)
	s.mu.Unlock()
	if err != nil || h == nil {
		conn.Close()
		return
	}
	h.serve()
	s.mu.Lock()
	if s.host == h {
		s.host = nil
	}
	s.mu.Unlock()
}

// greet answers the first request. It returns a host if the device was taken.
func (s *Server) greet(conn net.Conn) (*host, error) {
	if err := conn.SetDeadline(time.Now().Add(greetingTime)); err != nil {
		return nil, err
	}
	var first [greetingBytes]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return nil, err
	}
	g, err := decodeGreeting(first)
	if err != nil {
		return nil, err
	}
	if g.code == askList {
		_, err := conn.Write(s.list())
		return nil, err
	}
	var id [busIDBytes]byte
	if _, err := io.ReadFull(conn, id[:]); err != nil {
		return nil, err
	}
	h, answer := s.take(conn, busID(id))
	_, err = conn.Write(answer)
	if h == nil {
		return nil, err
	}
	// A host that has left already is found out by who reads from it.
	_ = conn.SetDeadline(time.Time{})
	return h, nil
}

// busID is the text before the first zero.
func busID(id [busIDBytes]byte) string {
	for i, c := range id {
		if c == 0 {
			return string(id[:i])
		}
	}
	return string(id[:])
}

// list tells what is offered.
func (s *Server) list() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := appendAnswer(nil, tellList, 0)
	if s.offered == nil || s.host != nil {
		return append(b, 0, 0, 0, 0)
	}
	b = appendDevice(append(b, 0, 0, 0, 1), *s.offered, s.number)
	const vendorClass = 0xFF
	return append(b, vendorClass, vendorClass, vendorClass, 0)
}

// take gives the device to a host unless another one has it, or it is not there.
func (s *Server) take(conn net.Conn, id string) (*host, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.offered == nil || s.host != nil || id != BusID {
		return nil, appendAnswer(nil, tellImport, refused)
	}
	s.host = newHost(s, conn)
	s.happenings = append(s.happenings, usb.Happening{Kind: usb.Imported, Host: s.host})
	signal(s.ready)
	return s.host, appendDevice(appendAnswer(nil, tellImport, 0), *s.offered, s.number)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
