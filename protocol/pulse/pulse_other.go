//go:build !linux

package pulse

import "net"

func feeler(*net.TCPConn) func() (counters, bool) { return nil }

func unsent(*net.TCPConn) (int, bool) { return 0, false }
