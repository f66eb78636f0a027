package pulse

import (
	"net"

	"golang.org/x/sys/unix"
)

// feeler reads struct tcp_info (tcp(7), linux/tcp.h). Its fields are of Linux
// 4.6 and later; an older one leaves them zero, and nothing ever moves.
func feeler(conn *net.TCPConn) func() (counters, bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	return func() (c counters, ok bool) {
		err := raw.Control(func(fd uintptr) {
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			if ok = err == nil; ok {
				c = counters{came: uint64(info.Data_segs_in), left: info.Bytes_acked, waiting: uint64(info.Notsent_bytes)}
			}
		})
		return c, ok && err == nil
	}
}

// unsent asks for SIOCOUTQ (tcp(7)).
func unsent(conn *net.TCPConn) (n int, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		var err error
		n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		ok = err == nil
	})
	return n, ok && err == nil
}
