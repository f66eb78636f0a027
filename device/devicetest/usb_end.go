package devicetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"photongate/device"
)

// USBEnd is the instrument's end of a USB device in memory. Its methods may be
// called concurrently, and while the host uses the device.
type USBEnd struct{ b *bus }

// USBRequest is what the host asks of the instrument: a control request, or one
// OUT transfer.
type USBRequest struct {
	Endpoint      uint8 // the OUT endpoint written to; 0: a control request
	Type, Request uint8 // of a control request
	Value, Index  uint16
	Length        int    // bytes asked for, or given
	Data          []byte // what the host wrote

	b                 *bus
	answered, stalled bool
	reply             []byte
}

// String returns the request as a capture shows it, for failure messages.
func (r *USBRequest) String() string {
	if r.Endpoint != 0 {
		return fmt.Sprintf("OUT %02x: % x", r.Endpoint, r.Data)
	}
	return fmt.Sprintf("control %02x %02x value %04x index %04x length %d: % x", r.Type, r.Request, r.Value, r.Index, r.Length, r.Data)
}

// Reply answers a control request: with data, of which the host gets no more than
// it asked for, or with none when the host wrote. A request that the host gave
// up is answered in vain. OUT transfers need no answer.
func (r *USBRequest) Reply(data ...byte) { r.answer(data, false) }

// Stall refuses a control request.
func (r *USBRequest) Stall() { r.answer(nil, true) }

func (r *USBRequest) answer(data []byte, stall bool) {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	if r.answered {
		return
	}
	r.answered, r.stalled, r.reply = true, stall, slices.Clone(data)
	r.b.signal()
}

// Next returns what the host asks next, waiting at most timeout. It returns
// ErrTimeout when nothing came and ErrClosed when the host closed the device or
// it was unplugged. A control request that is never answered times out for the
// host.
func (e *USBEnd) Next(timeout time.Duration) (*USBRequest, error) {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	var r *USBRequest
	e.b.until(timeout, func() bool {
		for r == nil && len(e.b.requests) > 0 {
			r, e.b.requests = e.b.requests[0], e.b.requests[1:]
			if r.Endpoint == 0 && r.answered { // given up
				r = nil
			}
			e.b.signal()
		}
		return r != nil || e.b.ended() != nil
	})
	switch {
	case e.b.ended() != nil:
		return nil, device.ErrClosed
	case r == nil:
		return nil, device.ErrTimeout
	}
	return r, nil
}

// Serve hands each request to handle until the device ends. A control request
// that handle did not answer is refused.
func (e *USBEnd) Serve(handle func(*USBRequest)) {
	for {
		r, err := e.Next(time.Hour)
		switch {
		case err == nil:
			handle(r)
			r.Stall()
		case errors.Is(err, device.ErrClosed):
			return
		}
	}
}

// Send puts bytes on an IN endpoint as packets of the endpoint's size, the last
// one shorter where they do not fill it; no bytes are one empty packet. What the
// host did not fetch is kept up to 1 MiB, further packets are lost. It reports
// whether the host is still there.
func (e *USBEnd) Send(endpoint uint8, data ...byte) bool {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	ep, err := e.b.info.Endpoint(endpoint)
	if err != nil || !ep.In() || ep.MaxPacket <= 0 {
		panic(fmt.Sprintf("devicetest: send on endpoint %#02x: it is none to send on (%v)", endpoint, err))
	}
	if e.b.ended() != nil {
		return false
	}
	for {
		packet := slices.Clone(data[:min(len(data), ep.MaxPacket)])
		data = data[len(packet):]
		if e.b.queued[endpoint]+len(packet) <= usbFIFO && len(e.b.packets[endpoint]) < usbFIFO {
			e.b.packets[endpoint] = append(e.b.packets[endpoint], packet)
			e.b.queued[endpoint] += len(packet)
		}
		if len(data) == 0 {
			break
		}
	}
	if s := e.b.streams[endpoint]; s != nil {
		s.fill()
	}
	e.b.signal()
	return true
}

// Queued returns how many bytes of an IN endpoint the host has not fetched: an
// instrument whose own memory is smaller loses what it sends then.
func (e *USBEnd) Queued(endpoint uint8) int {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	return e.b.queued[endpoint]
}

// Flush throws away what the host did not fetch from an IN endpoint, as a reset of
// the instrument does.
func (e *USBEnd) Flush(endpoint uint8) {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	delete(e.b.packets, endpoint)
	delete(e.b.queued, endpoint)
}

// Halt makes an endpoint answer ErrStall until the host clears that.
func (e *USBEnd) Halt(endpoint uint8) {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	e.b.halted[endpoint] = true
	e.b.signal()
}

// Unplug makes the device go away: what the host has not fetched is lost.
func (e *USBEnd) Unplug() {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	if !e.b.gone {
		e.b.gone = true
		clear(e.b.packets)
		clear(e.b.queued)
		e.b.signal()
	}
}

// Wait waits for d, or less when the device ends. It reports whether the device is
// still there. Requests wait meanwhile.
func (e *USBEnd) Wait(d time.Duration) bool {
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	return !e.b.until(d, func() bool { return e.b.ended() != nil })
}
