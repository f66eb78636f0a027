package receiver

import (
	"errors"
	"syscall"
)

// Error numbers of Windows sockets (Windows Sockets Error Codes, WSAECONNREFUSED
// and others), which package syscall does not name.
const (
	wsaNetDown     = syscall.Errno(10050)
	wsaNetUnreach  = syscall.Errno(10051)
	wsaConnRefused = syscall.Errno(10061)
	wsaHostDown    = syscall.Errno(10064)
	wsaHostUnreach = syscall.Errno(10065)
)

// isRefused reports whether the other machine is there and refused the
// connection.
func isRefused(err error) bool { return errors.Is(err, wsaConnRefused) }

// isNoRoute reports whether the network knows no way to the other machine.
func isNoRoute(err error) bool {
	return errors.Is(err, wsaNetDown) || errors.Is(err, wsaNetUnreach) || errors.Is(err, wsaHostDown) || errors.Is(err, wsaHostUnreach)
}
