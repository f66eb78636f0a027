//go:build linux && (amd64 || arm64)

package mockbus

import (
	"os"
	"sync"
	"syscall"
)

// bell is the file in the place of a device's node. A program is to be woken, where the
// kernel says that such a file can be written to, when a transfer has finished. This
// one is a pipe that takes one byte, and is full of it while nothing has.
type bell struct {
	pipe *os.File

	mu       sync.Mutex
	finished int // transfers that nobody fetched
}

const (
	setPipeSize = 1031 // F_SETPIPE_SZ, include/uapi/linux/fcntl.h
	onePage     = 4096 // the smallest pipe; it takes no second byte that was written by itself
)

// newBell makes the file of a name.
func newBell(name string) (*bell, error) {
	if err := syscall.Mkfifo(name, 0o644); err != nil {
		return nil, err
	}
	pipe, err := os.OpenFile(name, os.O_RDWR, 0) // for both, or opening would wait for the other end
	if err != nil {
		return nil, err
	}
	raw, err := pipe.SyscallConn()
	if err != nil {
		return nil, err
	}
	var refused syscall.Errno
	if err := raw.Control(func(fd uintptr) { _, _, refused = syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, onePage) }); err != nil {
		return nil, err
	}
	if refused != 0 {
		return nil, refused
	}
	_, err = pipe.Write([]byte{0})
	return &bell{pipe: pipe}, err
}

// add counts transfers that finished, or were fetched.
func (b *bell) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.finished
	b.finished += n
	switch { // the pipe's errors are those of a bus that has ended
	case before == 0 && b.finished > 0:
		_, _ = b.pipe.Read(make([]byte, 1))
	case before > 0 && b.finished == 0:
		_, _ = b.pipe.Write([]byte{0})
	}
}
