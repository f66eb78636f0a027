package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// Exit statuses of the machine itself.
const (
	notSetUp   = 124
	notStarted = 123
	odd        = 122 // the program's status cannot be passed on
)

// beFirst is the machine's first process.
func beFirst() {
	mount := func(kind, at, options string) error {
		return errors.Join(os.MkdirAll(at, 0o755), unix.Mount(kind, at, kind, 0, options))
	}
	err := errors.Join(mount("proc", "/proc", ""), mount("sysfs", "/sys", ""), mount("devtmpfs", "/dev", ""),
		mount("devpts", "/dev/pts", "ptmxmode=0666"), os.Symlink("/proc/self/fd", "/dev/fd"))
	out, bad := os.OpenFile("/dev/ttyS0", os.O_RDWR|unix.O_NOCTTY, 0)
	if bad != nil {
		end(notSetUp)
	}
	if err = errors.Join(err, plain(out)); err == nil {
		var j job
		if j, err = prepare(); err == nil {
			end(j.run(out))
		}
	}
	fmt.Fprintln(out, "vmexec: set up the machine:", err)
	end(notSetUp)
}

// plain has a serial line pass bytes as they are.
func plain(out *os.File) error {
	t, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Oflag &^= unix.OPOST
	t.Lflag = 0
	return unix.IoctlSetTermios(int(out.Fd()), unix.TCSETS, t)
}

// prepare loads modules, mounts what is shared and brings up the loopback.
func prepare() (j job, err error) {
	text, err := os.ReadFile(jobFile)
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err != nil {
		return j, err
	}
	for _, file := range j.Modules {
		if err := load(file); err != nil {
			return j, fmt.Errorf("load %s: %w", file, err)
		}
	}
	for i, folder := range j.Shares {
		err := os.MkdirAll(folder, 0o755)
		if err = errors.Join(err, unix.Mount(shareTag(i), folder, "9p", 0, "trans=virtio,version=9p2000.L,msize=262144")); err != nil {
			return j, fmt.Errorf("share %s: %w", folder, err)
		}
	}
	return j, loopback()
}

func load(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := unix.FinitModule(int(f.Fd()), "", 0); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(s) }()
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

// run runs the program and returns its exit status.
func (j job) run(out *os.File) int {
	c := exec.Command(j.Args[0], j.Args[1:]...)
	c.Dir, c.Env, c.Stdout, c.Stderr = j.Dir, j.Env, out, out
	err := c.Run()
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		fmt.Fprintln(out, "vmexec:", err)
		code = notStarted
	}
	// All that was written is on its way to the host before the machine ends.
	if err := unix.IoctlSetInt(int(out.Fd()), unix.TCSBRK, 1); err != nil {
		fmt.Fprintln(out, "vmexec:", err)
	}
	return code
}

// end ends the machine with a status.
func end(code int) {
	if code < 0 || code >= failed {
		code = odd
	}
	unix.Sync()
	if port, err := os.OpenFile("/dev/port", os.O_RDWR, 0); err == nil {
		_, _ = port.WriteAt([]byte{byte(code)}, 0xF4)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}
