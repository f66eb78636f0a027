package output

import (
	"errors"
	"syscall"
)

// isReset reports whether an error says that the other side is gone.
func isReset(err error) bool {
	const aborted, timedOut = syscall.Errno(10053), syscall.Errno(10060) // WSAECONNABORTED, WSAETIMEDOUT
	return errors.Is(err, syscall.WSAECONNRESET) || errors.Is(err, aborted) || errors.Is(err, timedOut)
}
