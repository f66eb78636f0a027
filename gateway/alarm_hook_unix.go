//go:build unix

package gateway

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a program and what it starts into a process group of their own,
// which is ended as one: a shell that is killed leaves its children behind.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
