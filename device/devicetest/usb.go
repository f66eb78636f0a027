package devicetest

import (
	"fmt"
	"sync"
	"time"

	"photongate/device"
)

// What a USB device in memory holds back.
const (
	usbFIFO     = 1 << 20 // bytes of an IN endpoint that the host did not fetch; further packets are lost
	usbRequests = 16      // requests and OUT transfers the instrument did not look at; further ones wait
)

// bus is what the two ends of a USB device share.
type bus struct {
	mu       sync.Mutex
	clock    device.Clock
	info     device.USBInfo
	gone     bool // the instrument was unplugged
	closed   bool // the host closed it
	packets  map[uint8][][]byte
	queued   map[uint8]int
	halted   map[uint8]bool
	streams  map[uint8]*usbStream
	requests []*USBRequest
	changed  chan struct{}
}

// signal wakes whoever waits. The caller holds mu.
func (b *bus) signal() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// until waits until ready, or the time is up, and reports whether it is ready. The
// caller holds mu, and holds it again when it returns.
func (b *bus) until(timeout time.Duration, ready func() bool) bool {
	timer := time.NewTimer(max(timeout, time.Millisecond))
	defer timer.Stop()
	for !ready() {
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
			b.mu.Lock()
		case <-timer.C:
			b.mu.Lock()
			return ready()
		}
	}
	return true
}

// ended says why the host can do nothing more, nil when it can.
func (b *bus) ended() error {
	switch {
	case b.closed:
		return device.ErrClosed
	case b.gone:
		return device.ErrGone
	default:
		return nil
	}
}

// USB is the host's end of a USB device in memory. It implements
// device.USBDevice.
type USB struct{ b *bus }

var _ device.USBDevice = (*USB)(nil)

// NewUSB returns the two ends of a USB device in memory, with the endpoints that
// info has.
func NewUSB(info device.USBInfo, clock device.Clock) (*USB, *USBEnd) {
	b := &bus{
		clock: clock, info: info, packets: map[uint8][][]byte{}, queued: map[uint8]int{}, halted: map[uint8]bool{},
		streams: map[uint8]*usbStream{}, changed: make(chan struct{}),
	}
	return &USB{b}, &USBEnd{b}
}

// Info implements device.USBDevice.
func (u *USB) Info() device.USBInfo { return u.b.info }

// Name implements device.USBDevice.
func (u *USB) Name() string { return u.b.info.Name() }

// Control implements device.USBDevice.
func (u *USB) Control(requestType, request uint8, value, index uint16, data []byte, timeout time.Duration) (int, error) {
	r := &USBRequest{Type: requestType, Request: request, Value: value, Index: index, Length: len(data), b: u.b}
	if requestType&0x80 == 0 {
		r.Data = append([]byte(nil), data...)
	}
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	if err := u.ask(r, timeout); err != nil {
		return 0, err
	}
	u.b.until(timeout, func() bool { return r.answered || u.b.ended() != nil })
	switch {
	case r.stalled:
		return 0, device.ErrStall
	case r.answered && requestType&0x80 != 0:
		return copy(data, r.reply), nil
	case r.answered:
		return len(data), nil
	}
	r.answered = true // whoever answers now is too late
	if err := u.b.ended(); err != nil {
		return 0, err
	}
	return 0, device.ErrTimeout
}

// ask hands a request to the instrument. The caller holds mu.
func (u *USB) ask(r *USBRequest, timeout time.Duration) error {
	room := func() bool { return len(u.b.requests) < usbRequests || u.b.ended() != nil || u.b.halted[r.Endpoint] }
	ready := u.b.until(timeout, room)
	switch err := u.b.ended(); {
	case err != nil:
		return err
	case r.Endpoint != 0 && u.b.halted[r.Endpoint]:
		return device.ErrStall
	case !ready:
		return device.ErrTimeout
	}
	u.b.requests = append(u.b.requests, r)
	u.b.signal()
	return nil
}

// In implements device.USBDevice.
func (u *USB) In(endpoint uint8, p []byte, timeout time.Duration) (int, int64, error) {
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	e, err := u.b.info.Endpoint(endpoint)
	if err != nil || !e.In() || len(p) == 0 || u.b.streams[endpoint] != nil {
		return 0, u.b.clock(), fmt.Errorf("read %d bytes from endpoint %#02x: empty buffer, a stream is open, or no such endpoint (%w)", len(p), endpoint, err)
	}
	n, done := 0, false
	u.b.until(timeout, func() bool {
		if u.b.ended() != nil || u.b.halted[endpoint] {
			return true
		}
		for !done && err == nil && len(u.b.packets[endpoint]) > 0 {
			packet := u.b.fetch(endpoint)
			if len(packet) > len(p)-n {
				err = fmt.Errorf("%w: a packet of %d bytes, with room for %d", device.ErrNonsense, len(packet), len(p)-n)
				break
			}
			n += copy(p[n:], packet)
			done = len(packet) < e.MaxPacket || n == len(p)
		}
		return done || err != nil
	})
	switch {
	case done || err != nil:
	case u.b.ended() != nil:
		err = u.b.ended()
	case n > 0:
	case u.b.halted[endpoint]:
		err = device.ErrStall
	default:
		err = device.ErrTimeout
	}
	if err != nil {
		n = 0
	}
	return n, u.b.clock(), err
}

// fetch takes the oldest packet of an endpoint. The caller holds mu.
func (b *bus) fetch(endpoint uint8) []byte {
	packet := b.packets[endpoint][0]
	b.packets[endpoint] = b.packets[endpoint][1:]
	b.queued[endpoint] -= len(packet)
	return packet
}

// Out implements device.USBDevice.
func (u *USB) Out(endpoint uint8, p []byte, timeout time.Duration) (int64, error) {
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	e, err := u.b.info.Endpoint(endpoint)
	if err != nil || e.In() {
		return u.b.clock(), fmt.Errorf("write to endpoint %#02x: no such endpoint (%w)", endpoint, err)
	}
	err = u.ask(&USBRequest{Endpoint: endpoint, Length: len(p), Data: append([]byte(nil), p...), b: u.b, answered: true}, timeout)
	return u.b.clock(), err
}

// ClearHalt implements device.USBDevice.
func (u *USB) ClearHalt(endpoint uint8) error {
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	if err := u.b.ended(); err != nil {
		return err
	}
	if _, err := u.b.info.Endpoint(endpoint); err != nil {
		return err
	}
	delete(u.b.halted, endpoint)
	u.b.signal()
	return nil
}

// Close implements device.USBDevice.
func (u *USB) Close() error {
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	if !u.b.closed {
		u.b.closed = true
		u.b.signal()
	}
	return nil
}
