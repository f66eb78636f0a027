package devicetest

import (
	"fmt"
	"time"

	"photongate/device"
)

// usbStream keeps transfers under way on an endpoint in memory.
type usbStream struct {
	b           *bus
	endpoint    uint8
	max         int // bytes of the largest packet
	size, count int
	done        []transfer // at most count
	filling     []byte     // of the transfer under way
	closed      bool
	err         error // why it is over
}

// transfer is one that has finished.
type transfer struct {
	data []byte
	at   int64
}

// Stream implements device.USBDevice.
func (u *USB) Stream(endpoint uint8, size, count int) (device.USBStream, error) {
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	e, err := u.b.info.Endpoint(endpoint)
	switch {
	case u.b.ended() != nil:
		return nil, u.b.ended()
	case err != nil:
		return nil, err
	case !e.In() || size <= 0 || size%e.MaxPacket != 0 || count <= 0:
		return nil, fmt.Errorf("stream of %d transfers of %d bytes on endpoint %#02x: expected an IN endpoint and whole packets of %d", count, size, endpoint, e.MaxPacket)
	case u.b.streams[endpoint] != nil:
		return nil, fmt.Errorf("a stream is open on endpoint %#02x already", endpoint)
	}
	s := &usbStream{b: u.b, endpoint: endpoint, max: e.MaxPacket, size: size, count: count}
	u.b.streams[endpoint] = s
	s.fill()
	return s, nil
}

// fill moves packets into the transfers under way. The caller holds mu.
func (s *usbStream) fill() {
	for len(s.done) < s.count && len(s.b.packets[s.endpoint]) > 0 && !s.b.halted[s.endpoint] {
		packet := s.b.fetch(s.endpoint)
		s.filling = append(s.filling, packet...)
		if len(packet) < s.max || len(s.filling) == s.size {
			s.done = append(s.done, transfer{s.filling, s.b.clock()})
			s.filling = nil
		}
	}
}

// Read implements device.USBStream.
func (s *usbStream) Read(p []byte, timeout time.Duration) (int, int64, error) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if len(p) < s.size {
		return 0, s.b.clock(), fmt.Errorf("read a transfer of %d bytes into %d", s.size, len(p))
	}
	s.fill()
	s.b.until(timeout, func() bool { return len(s.done) > 0 || s.over() != nil })
	if err := s.over(); err != nil && (len(s.done) == 0 || s.closed || s.b.closed) {
		s.err = err
		return 0, s.b.clock(), err
	}
	if len(s.done) == 0 {
		return 0, s.b.clock(), device.ErrTimeout
	}
	t := s.done[0]
	s.done = s.done[1:]
	s.fill()
	return copy(p, t.data), t.at, nil
}

// over says why nothing more will come. The caller holds mu.
func (s *usbStream) over() error {
	switch {
	case s.closed:
		return device.ErrClosed
	case s.err != nil:
		return s.err
	case s.b.ended() != nil:
		return s.b.ended()
	case s.b.halted[s.endpoint]:
		return device.ErrStall
	default:
		return nil
	}
}

// Close implements device.USBStream.
func (s *usbStream) Close() error {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if !s.closed {
		s.closed = true
		delete(s.b.streams, s.endpoint)
		s.b.signal()
	}
	return nil
}
