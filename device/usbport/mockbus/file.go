//go:build linux && (amd64 || arm64)

package mockbus

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// What the preload library and the one behind its socket say to each other: three
// words of the machine's own order, then bytes where there are some.
const (
	sayIoctl  = 1 // from it: an ioctl; request and address of the argument
	sayReturn = 3 // to it: result and errno
	sayReal   = 4 // to it: do the real call
	sayRead   = 5 // to it: address and length; the bytes come back
	sayWrite  = 6 // to it: address and length, and the bytes
)

// file is the device as one program has it open.
type file struct {
	d    *Device
	conn net.Conn

	mu      sync.Mutex
	pending map[uint64]*urb // by address
	done    []*urb          // finished, not fetched
	queues  map[byte]chan *urb
	closed  chan struct{}
	work    sync.WaitGroup // goroutines of the queues

	pause *time.Timer
}

// accept serves each opening of the device until the bus ends.
func (d *Device) accept() {
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		conn, err := d.listen.Accept()
		if err != nil {
			return
		}
		f := &file{d: d, conn: conn, pending: map[uint64]*urb{}, queues: map[byte]chan *urb{}, closed: make(chan struct{}),
			pause: time.NewTimer(0)}
		d.mu.Lock()
		d.files[f] = true
		d.mu.Unlock()
		serving.Go(f.serve)
	}
}

// serve answers until the program closes the device.
func (f *file) serve() {
	defer func() {
		close(f.closed)
		_ = f.conn.Close()
		f.work.Wait()
		f.d.bell.add(-len(f.done))
		f.d.mu.Lock()
		defer f.d.mu.Unlock()
		delete(f.d.files, f)
		if f.d.claimed == f {
			f.d.claimed = nil
		}
	}()
	for {
		said, err := f.hear()
		if err != nil {
			return
		}
		if said[0] == sayIoctl {
			err = f.ioctl(byte(said[1]), said[2])
		} else {
			err = f.leave()
		}
		if err != nil {
			return
		}
	}
}

// hear takes three words.
func (f *file) hear() (said [3]uint64, err error) {
	var b [24]byte
	_, err = io.ReadFull(f.conn, b[:])
	for i := range said {
		said[i] = binary.NativeEndian.Uint64(b[8*i:])
	}
	return said, err
}

// say sends three words and bytes.
func (f *file) say(what, a, b uint64, data ...byte) error {
	m := make([]byte, 0, 24+len(data))
	for _, word := range [3]uint64{what, a, b} {
		m = binary.NativeEndian.AppendUint64(m, word)
	}
	_, err := f.conn.Write(append(m, data...))
	return err
}

// leave lets the real call be done, and passes on what came of it.
func (f *file) leave() error {
	if err := f.say(sayReal, 0, 0); err != nil {
		return err
	}
	said, err := f.hear()
	if err != nil {
		return err
	}
	return f.say(sayReturn, said[1], said[2])
}

// give ends a call.
func (f *file) give(errno syscall.Errno) error {
	if errno != 0 {
		return f.say(sayReturn, ^uint64(0), uint64(errno))
	}
	return f.say(sayReturn, 0, 0)
}

// peek reads the program's memory.
func (f *file) peek(at uint64, n int) ([]byte, error) {
	b := make([]byte, n)
	if n == 0 {
		return b, nil
	}
	if err := f.say(sayRead, at, uint64(n)); err != nil {
		return nil, err
	}
	_, err := io.ReadFull(f.conn, b)
	return b, err
}

// poke writes the program's memory.
func (f *file) poke(at uint64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	return f.say(sayWrite, at, uint64(len(data)), data...)
}

// poke32 writes one int.
func (f *file) poke32(at uint64, v uint32) error {
	return f.poke(at, binary.NativeEndian.AppendUint32(nil, v))
}
