//go:build cgo && !nousb

package usbport

import (
	"context"
	"fmt"
	"time"

	"github.com/google/gousb"

	"photongate/device"
)

// usbStream is a stream of gousb. A goroutine of its own waits for the transfers,
// since a wait that is given up ends the stream; besides those under way at most
// as many finished ones wait to be read.
type usbStream struct {
	d        *usbDevice
	endpoint uint8
	size     int
	in       *gousb.ReadStream // used by the goroutine alone
	life     context.Context
	end      context.CancelFunc
	free     chan []byte
	done     chan transfer // closed when nothing more comes
	err      error         // why not; set before done is closed
	timer    *time.Timer
}

// transfer is one that has finished.
type transfer struct {
	data []byte // of the stream's size
	n    int
	at   int64
}

// Stream implements device.USBDevice.
func (d *usbDevice) Stream(endpoint uint8, size, count int) (device.USBStream, error) {
	e, err := d.endpoint(endpoint, true)
	if err != nil {
		return nil, err
	}
	started := false
	defer func() {
		if !started {
			d.calls.Done()
		}
	}()
	if size <= 0 || e.MaxPacket <= 0 || size%e.MaxPacket != 0 || count <= 0 {
		return nil, fmt.Errorf("stream of %d transfers of %d bytes on endpoint %#02x of %s: expected whole packets of %d", count, size, endpoint, d.Name(), e.MaxPacket)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.streams[endpoint] != nil {
		return nil, fmt.Errorf("a stream is open on endpoint %#02x of %s already", endpoint, d.Name())
	}
	in, err := d.claimed.InEndpoint(int(endpoint & 0x0F))
	if err != nil {
		return nil, err
	}
	s := &usbStream{
		d: d, endpoint: endpoint, size: size,
		free: make(chan []byte, count), done: make(chan transfer, count), timer: time.NewTimer(time.Hour),
	}
	if s.in, err = in.NewStream(size, count); err != nil {
		return nil, kind(err)
	}
	for range count {
		s.free <- make([]byte, size)
	}
	s.life, s.end = context.WithCancel(d.life)
	d.streams[endpoint] = s
	started = true
	go s.run()
	return s, nil
}

// run moves finished transfers out of the library until the stream ends. Then it
// takes back those under way, without which freeing them would crash.
func (s *usbStream) run() {
	defer s.d.calls.Done()
	defer close(s.done)
	var err error
	for err == nil {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-s.life.Done():
		}
		if buf == nil {
			break
		}
		t := transfer{data: buf}
		if t.n, err = s.in.ReadContext(s.life, buf); err == nil {
			t.at = s.d.clock()
			s.done <- t // there is room for all buffers
		}
	}
	closed := s.life.Err() != nil
	s.drain()
	if s.err = device.ErrClosed; !closed {
		s.err = s.d.failed(err)
	}
}

// drain cancels the transfers under way and waits for them.
func (s *usbStream) drain() {
	_ = s.in.Close() // no new ones; it cancels nothing
	s.end()
	buf := make([]byte, s.size)
	for {
		if _, err := s.in.ReadContext(s.life, buf); err != nil {
			return
		}
	}
}

// Read implements device.USBStream.
func (s *usbStream) Read(p []byte, timeout time.Duration) (int, int64, error) {
	if len(p) < s.size {
		return 0, s.d.clock(), fmt.Errorf("read a transfer of %d bytes into %d", s.size, len(p))
	}
	s.timer.Reset(max(timeout, time.Millisecond))
	select {
	case t, ok := <-s.done:
		return s.hand(p, t, ok)
	default:
	}
	select {
	case t, ok := <-s.done:
		return s.hand(p, t, ok)
	case <-s.timer.C:
		return 0, s.d.clock(), device.ErrTimeout
	}
}

// hand copies a finished transfer out and gives its buffer back.
func (s *usbStream) hand(p []byte, t transfer, ok bool) (int, int64, error) {
	if !ok {
		return 0, s.d.clock(), s.err
	}
	n := copy(p, t.data[:t.n])
	s.free <- t.data
	return n, t.at, nil
}

// Close implements device.USBStream.
func (s *usbStream) Close() error {
	s.end()
	s.timer.Stop()
	for range s.done { // until the goroutine has ended
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if s.d.streams[s.endpoint] == s {
		delete(s.d.streams, s.endpoint)
	}
	return nil
}
