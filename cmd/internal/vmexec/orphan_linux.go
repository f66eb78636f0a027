package main

import (
	"os/exec"
	"runtime"
	"syscall"
)

// noOrphan has a program that is about to be started end with this one, however that
// ends. The caller starts it, and stays on its thread: it is the thread that counts.
func noOrphan(c *exec.Cmd) {
	runtime.LockOSThread()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
