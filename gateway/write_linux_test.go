package gateway

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// isNoDelay tells whether TCP_NODELAY is set; known: the system tells.
func isNoDelay(t *testing.T, conn net.Conn) (on, known bool) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		v, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY)
		on, known = v != 0, err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return on, known
}

// segmentsSent is how many segments with data a connection has sent.
func segmentsSent(t *testing.T, conn net.Conn) (n uint32, known bool) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n, known = info.Data_segs_out, true
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, known
}
