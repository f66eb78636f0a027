//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"errors"
	"syscall"
	"time"
)

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
			f.d.do(u, f.closed)
			f.finish(u)
		}
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
	f.fetchable(u)
}

// fetchable has the program fetch a transfer. The caller holds mu.
func (f *file) fetchable(u *urb) {
	f.done = append(f.done, u)
	f.d.bell.add(1)
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
		f.fetchable(&urb{at: u.at, buffer: u.buffer, status: syscall.ENOENT})
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
		f.fetchable(&urb{at: u.at, buffer: u.buffer, status: syscall.ENOENT})
	}
}

// reapPause is how long who has a device open that was unplugged waits for an answer where
// nothing has finished: the real libusb asks without end until it is closed, woken by
// the bell.
const reapPause = time.Millisecond

// reap hands out the transfer that finished first.
func (f *file) reap(argument uint64, gone bool) error {
	f.mu.Lock()
	var u *urb
	if len(f.done) > 0 {
		u, f.done = f.done[0], f.done[1:]
		f.d.bell.add(-1)
	}
	waits := len(f.pending) > 0
	f.mu.Unlock()
	if u == nil && gone {
		f.pause.Reset(reapPause)
		<-f.pause.C
	}
	switch {
	case u == nil && gone && !waits:
		return f.give(syscall.ENODEV)
	case u == nil:
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
