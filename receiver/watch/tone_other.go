//go:build !windows

package watch

import (
	"os/exec"
	"time"
)

// newTone finds something that makes a tone: a program that plays samples, or
// else the terminal's bell.
func newTone(bell func() error) tone {
	if t := startPlayer(exec.LookPath); t != nil {
		return t
	}
	return &bellTone{ring: bell, now: time.Now}
}
