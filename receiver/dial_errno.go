//go:build !windows

package receiver

import (
	"errors"
	"syscall"
)

// isRefused reports whether the other machine is there and refused the
// connection.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// isNoRoute reports whether the network knows no way to the other machine.
func isNoRoute(err error) bool {
	return errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.ENETDOWN) || errors.Is(err, syscall.EHOSTDOWN)
}
