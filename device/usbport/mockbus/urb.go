//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"syscall"
	"time"

	"photongate/device"
)

// urb is one transfer, and where the program has it: a struct usbdevfs_urb.
type urb struct {
	at, buffer uint64
	endpoint   byte // 0: control
	setup      [8]byte
	data       []byte // to the device, or from it
	length     int    // asked for
	offset     uint64 // of the data in the program's buffer
	moved      int
	status     syscall.Errno // why it failed; 0: it did not
	cancelled  atomic.Bool
}

// Of a struct usbdevfs_urb: size, and where what is.
const (
	urbSize         = 56
	urbKind         = 0
	urbEndpoint     = 1
	urbStatus       = 4
	urbBuffer       = 16
	urbLength       = 24
	urbActual       = 28
	urbKindControl  = 2
	longestTransfer = 1 << 20 // no test asks for more
)

const (
	lookEvery = 10 * time.Millisecond // whether a transfer was cancelled that waits for the device
	waitLimit = 5 * time.Second       // for the device to take what is written; longer than any timeout of a test
)

// submit begins a transfer.
func (f *file) submit(argument uint64) error {
	b, err := f.peek(argument, urbSize)
	if err != nil {
		return err
	}
	u := &urb{
		at: argument, buffer: binary.NativeEndian.Uint64(b[urbBuffer:]), endpoint: b[urbEndpoint],
		length: int(int32(binary.NativeEndian.Uint32(b[urbLength:]))),
	}
	if u.length < 0 || u.length > longestTransfer {
		return f.give(syscall.EINVAL)
	}
	switch {
	case b[urbKind] == urbKindControl:
		if u.length < 8 {
			return f.give(syscall.EINVAL)
		}
		if u.data, err = f.peek(u.buffer, u.length); err != nil {
			return err
		}
		u.endpoint, u.setup, u.offset = 0, [8]byte(u.data), 8
		u.data, u.length = u.data[8:], u.length-8
	case u.endpoint&0x80 == 0:
		if u.data, err = f.peek(u.buffer, u.length); err != nil {
			return err
		}
	}
	f.d.mu.Lock()
	mine := f.d.claimed == f
	f.d.mu.Unlock()
	if _, err := f.d.info.Endpoint(u.endpoint); u.endpoint != 0 && (err != nil || !mine) {
		return f.give(syscall.ENOENT)
	}
	f.queue(u)
	return f.give(0)
}

// queue puts a transfer behind those of its endpoint.
func (f *file) queue(u *urb) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending[u.at] = u
	q := f.queues[u.endpoint]
	if q == nil {
		q = make(chan *urb, 4096) // more than any test keeps under way
		f.queues[u.endpoint] = q
		f.work.Go(func() { f.run(q) })
	}
	q <- u
}

// run does the transfers of one endpoint, one after the other.
func (f *file) run(q chan *urb) {
	for {
		select {
		case <-f.closed:
			return
		case u := <-q:
			switch {
			case u.endpoint == 0:
				f.control(u)
			case u.endpoint&0x80 != 0:
				f.in(u)
			default:
				f.out(u)
			}
			f.finish(u)
		}
	}
}

func (f *file) control(u *urb) {
	if data, ok := standard(f.d.info, u.setup); ok {
		if u.moved = min(len(data), u.length); data == nil && u.setup[0]&0x80 != 0 {
			u.status = syscall.EPIPE
		}
		u.data = data[:u.moved]
		return
	}
	le := binary.LittleEndian
	n, err := f.d.usb.Control(u.setup[0], u.setup[1], le.Uint16(u.setup[2:]), le.Uint16(u.setup[4:]), u.data, waitLimit)
	u.moved, u.status = n, errno(err)
	if u.setup[0]&0x80 != 0 {
		u.data = u.data[:n]
	} else {
		u.data = nil
	}
}

// in takes packets from the device, as a host controller does, until a short one.
func (f *file) in(u *urb) {
	e, _ := f.d.info.Endpoint(u.endpoint)
	u.data = make([]byte, 0, u.length+e.MaxPacket)
	packet := make([]byte, e.MaxPacket)
	for !u.cancelled.Load() {
		n, _, err := f.d.usb.In(u.endpoint, packet, lookEvery)
		switch {
		case errors.Is(err, device.ErrTimeout):
			select {
			case <-f.closed:
				return
			default:
				continue
			}
		case err != nil:
			u.status = errno(err)
			return
		case len(u.data)+n > u.length:
			u.status = syscall.EOVERFLOW
			return
		}
		u.data = append(u.data, packet[:n]...)
		if u.moved = len(u.data); n < e.MaxPacket || u.moved == u.length {
			return
		}
	}
}

func (f *file) out(u *urb) {
	_, err := f.d.usb.Out(u.endpoint, u.data, waitLimit)
	if u.status = errno(err); err == nil {
		u.moved = len(u.data)
	}
	u.data = nil
}

// errno says what the kernel says of a transfer that failed.
func errno(err error) syscall.Errno {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, device.ErrStall):
		return syscall.EPIPE
	case errors.Is(err, device.ErrGone):
		return syscall.ESHUTDOWN
	case errors.Is(err, device.ErrTimeout):
		return syscall.ENOENT // given up long ago
	default:
		return syscall.EPROTO
	}
}

// finish makes a transfer one that can be fetched, unless it was ended before.
func (f *file) finish(u *urb) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending[u.at] != u {
		return
	}
	delete(f.pending, u.at)
	if u.cancelled.Load() {
		u.status = syscall.ENOENT
	}
	f.done = append(f.done, u)
}

// discard cancels a transfer. One from the device ends where it is, with what has
// come; of others nothing more is heard.
func (f *file) discard(at uint64) syscall.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.pending[at]
	if u == nil {
		return syscall.EINVAL
	}
	if u.cancelled.Store(true); u.endpoint&0x80 == 0 {
		delete(f.pending, at)
		f.done = append(f.done, &urb{at: u.at, buffer: u.buffer, status: syscall.ENOENT})
	}
	return 0
}

// endAll ends all transfers under way, as the kernel does when the interface is
// given back.
func (f *file) endAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for at, u := range f.pending {
		u.cancelled.Store(true)
		delete(f.pending, at)
		f.done = append(f.done, &urb{at: u.at, buffer: u.buffer, status: syscall.ENOENT})
	}
}

// reap hands out the transfer that finished first.
func (f *file) reap(argument uint64, gone bool) error {
	f.mu.Lock()
	var u *urb
	if len(f.done) > 0 {
		u, f.done = f.done[0], f.done[1:]
	}
	waits := len(f.pending) > 0
	f.mu.Unlock()
	if u == nil && gone && !waits {
		return f.give(syscall.ENODEV)
	}
	if u == nil {
		return f.give(syscall.EAGAIN)
	}
	if u.endpoint&0x80 != 0 || u.setup[0]&0x80 != 0 {
		if err := f.poke(u.buffer+u.offset, u.data[:u.moved]); err != nil {
			return err
		}
	}
	err := errors.Join(
		f.poke32(u.at+urbStatus, uint32(-int32(u.status))), f.poke32(u.at+urbActual, uint32(u.moved)),
		f.poke(argument, binary.NativeEndian.AppendUint64(nil, u.at)),
	)
	if err != nil {
		return err
	}
	return f.give(0)
}
