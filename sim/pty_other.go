//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package sim

import "errors"

// PTY is a serial port made of a pseudo-terminal. This system has none.
type PTY struct{ Conn }

// OpenPTY answers that there are no pseudo-terminals on this system.
func OpenPTY(link string) (*PTY, error) {
	return nil, errors.New("make " + link + ": this system has no pseudo-terminals; use a TCP port instead (--tcp 127.0.0.1:7400)")
}
