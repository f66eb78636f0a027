//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"syscall"
)

// wire is the device's end of USB/IP, as the kernel's
// Documentation/usb/usbip_protocol.rst has it.
type wire struct {
	p    *played
	conn net.Conn
	work sync.WaitGroup

	// send is held, before mu, from the decision what a transfer came to until that is
	// said: the kernel drops a device that answers for one which it took for cancelled.
	send sync.Mutex

	mu     sync.Mutex
	urbs   map[uint32]*urb
	active map[*urb]bool   // that the device is at
	unlink map[*urb]uint32 // the number of the message that cancelled it, to be answered
	queues map[byte]chan *urb
	gone   chan struct{}
}

// Of the messages of USB/IP.
const (
	wireHeader    = 48
	wireSubmit    = 1
	wireUnlink    = 2
	wireSubmitted = 3
	wireUnlinked  = 4
)

func newWire(p *played, conn net.Conn) *wire {
	w := &wire{
		p: p, conn: conn, urbs: map[uint32]*urb{}, active: map[*urb]bool{}, unlink: map[*urb]uint32{},
		queues: map[byte]chan *urb{}, gone: make(chan struct{}),
	}
	w.work.Go(w.serve)
	return w
}

// end cuts the wire and waits for who serves it.
func (w *wire) end() {
	_ = w.conn.Close()
	w.work.Wait()
}

func (w *wire) pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, u := range w.urbs {
		if u.endpoint != 0 || u.setup[0]&0x60 != 0 {
			n++
		}
	}
	return n
}

// serve takes what the kernel asks.
func (w *wire) serve() {
	defer close(w.gone)
	be := binary.BigEndian
	var h [wireHeader]byte
	for {
		if _, err := io.ReadFull(w.conn, h[:]); err != nil {
			return
		}
		number := be.Uint32(h[4:])
		switch be.Uint32(h[0:]) {
		case wireSubmit:
			u := &urb{at: uint64(number), endpoint: byte(be.Uint32(h[16:])), length: int(int32(be.Uint32(h[24:]))), setup: [8]byte(h[40:])}
			if u.length < 0 || u.length > longestTransfer {
				return
			}
			if in := be.Uint32(h[12:]) == 1; in && u.endpoint != 0 {
				u.endpoint |= 0x80
			} else if in {
				u.data = make([]byte, u.length)
			} else if u.data = make([]byte, u.length); u.length > 0 {
				if _, err := io.ReadFull(w.conn, u.data); err != nil {
					return
				}
			}
			w.queue(u)
		case wireUnlink:
			w.cancel(number, be.Uint32(h[20:]))
		default:
			return
		}
	}
}

// queue puts a transfer behind those of its endpoint.
func (w *wire) queue(u *urb) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.urbs[uint32(u.at)] = u
	q := w.queues[u.endpoint]
	if q == nil {
		q = make(chan *urb, 4096)
		w.queues[u.endpoint] = q
		w.work.Go(func() { w.run(q) })
	}
	q <- u
}

func (w *wire) run(q chan *urb) {
	for {
		select {
		case <-w.gone:
			return
		case u := <-q:
			w.mu.Lock()
			_, waits := w.urbs[uint32(u.at)]
			w.active[u] = waits
			w.mu.Unlock()
			if waits {
				w.p.do(u, w.gone)
				w.finish(u)
			}
		}
	}
}

// finish answers for a transfer, and then for its cancelling: one that had begun
// to come ends with what has come, as on a cable.
func (w *wire) finish(u *urb) {
	w.send.Lock()
	defer w.send.Unlock()
	w.mu.Lock()
	_, waits := w.urbs[uint32(u.at)]
	number, cancelled := w.unlink[u]
	delete(w.urbs, uint32(u.at))
	delete(w.active, u)
	delete(w.unlink, u)
	w.mu.Unlock()
	if !waits {
		return
	}
	if cancelled && u.moved == 0 {
		w.say(wireUnlinked, number, syscall.ECONNRESET, 0, nil)
		return
	}
	var data []byte
	moved := u.moved
	switch {
	case u.endpoint&0x80 != 0 || u.endpoint == 0 && u.setup[0]&0x80 != 0:
		data = u.data[:moved]
	case u.status == 0:
		moved = u.length
	}
	w.say(wireSubmitted, uint32(u.at), u.status, moved, data)
	if cancelled {
		w.say(wireUnlinked, number, 0, 0, nil)
	}
}

// cancel cancels a transfer. One that the device is at and that comes from it is
// answered for when the device has left it.
func (w *wire) cancel(number, victim uint32) {
	w.send.Lock()
	defer w.send.Unlock()
	w.mu.Lock()
	u := w.urbs[victim]
	later := u != nil && w.active[u] && u.endpoint&0x80 != 0
	switch {
	case later:
		w.unlink[u] = number
		u.cancelled.Store(true)
	case u != nil:
		delete(w.urbs, victim)
	}
	w.mu.Unlock()
	switch {
	case later:
	case u != nil:
		w.say(wireUnlinked, number, syscall.ECONNRESET, 0, nil)
	default:
		w.say(wireUnlinked, number, 0, 0, nil)
	}
}

// say sends a message. The caller holds send.
func (w *wire) say(what, number uint32, status syscall.Errno, moved int, data []byte) {
	be := binary.BigEndian
	m := make([]byte, wireHeader, wireHeader+len(data))
	be.PutUint32(m[0:], what)
	be.PutUint32(m[4:], number)
	be.PutUint32(m[20:], uint32(-int32(status)))
	be.PutUint32(m[24:], uint32(moved))
	_, _ = w.conn.Write(append(m, data...)) // a wire that was cut ends serve
}
