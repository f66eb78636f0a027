package hotplug

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// kernelGroup is the multicast group of what the kernel says; 2 is that of udev.
const kernelGroup = 1

// socket receives the kernel's messages of devices (netlink(7),
// NETLINK_KOBJECT_UEVENT).
type socket struct {
	file *os.File
	buf  [maxMessage + 1]byte // one more, so that one that is too long is seen
}

func listen() (messages, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMessages, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errNoMessages, err), unix.Close(fd))
	}
	return &socket{file: os.NewFile(uintptr(fd), "uevent")}, nil
}

// next implements messages. Messages that did not fit into the kernel's buffer are
// taken for a change: what they were is seen by looking. Those that another
// process sent are none.
func (s *socket) next() (bool, error) {
	conn, err := s.file.SyscallConn()
	if err != nil {
		return false, err
	}
	var n int
	var from unix.Sockaddr
	var failed error
	err = conn.Read(func(fd uintptr) bool {
		n, from, failed = unix.Recvfrom(int(fd), s.buf[:], 0)
		return !errors.Is(failed, unix.EAGAIN)
	})
	switch {
	case err != nil:
		return false, err
	case errors.Is(failed, unix.ENOBUFS):
		return true, nil
	case errors.Is(failed, unix.EINTR):
		return false, nil
	case failed != nil:
		return false, failed
	}
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
		return false, nil
	}
	m, ok := parse(s.buf[:n])
	return ok && m.matters(), nil
}

// close implements messages.
func (s *socket) close() error { return s.file.Close() }
