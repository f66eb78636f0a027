//go:build !windows

package output

import (
	"errors"
	"syscall"
)

// isReset reports whether an error says that the other side is gone.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ETIMEDOUT)
}
