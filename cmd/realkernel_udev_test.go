//go:build linux && (amd64 || arm64)

package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// udevadmVariable names udev's program, which is its daemon, too.
const udevadmVariable = "PHOTONGATE_UDEVADM"

// plugdev is the number of the group plugdev.
const plugdev = 46

// TestRealKernelUdev has udev's own daemon heed the rules, and plugs instruments in: a
// USB-6501, and a CD48 behind an FTDI chip, whose driver of the kernel makes it a serial
// port. They are labelled, and who is in the group plugdev may open the USB-6501.
func TestRealKernelUdev(t *testing.T) {
	needsRealKernel(t)
	daemon := startUdev(t)
	box := usbBench(t, "ni6501", "usb:3923:718a", "", "ni-usb6501")
	box.startSim()
	socket := box.plugIn().Socket()
	node := daemon.settled("/sys/bus/usb/devices/" + socket)
	checkNode(t, node, 0o660, plugdev)
	daemon.check(node, "PHOTONGATE_DRIVERS=ni6501", "ID_MM_DEVICE_IGNORE=1", "TAGS=:uaccess:")

	ours := []string{"devices", "--probe", "--json"}
	if code, out := daemon.asUser(ours, plugdev); code != 0 || !strings.Contains(out, `"confirmed"`) {
		t.Errorf("a member of plugdev: exit %d\n%s", code, out)
	}
	if code, out := daemon.asUser(ours); !strings.Contains(out, "may not open") || !strings.Contains(out, "make install-udev") {
		t.Errorf("somebody else: exit %d\n%s", code, out)
	}

	chip := usbBench(t, "cd48", "ftdi:0403:6001", "", "cd48", "--chip", "ft232r")
	chip.startSim()
	socket = chip.plugIn().Socket()
	checkNode(t, daemon.settled("/sys/bus/usb/devices/"+socket), 0o660, plugdev)
	var ports []string
	awaitThat(t, "the kernel's serial port", func() bool {
		ports, _ = filepath.Glob("/sys/bus/usb/devices/" + socket + ":1.0/ttyUSB*/tty/ttyUSB*")
		return len(ports) == 1
	})
	port := daemon.settled(ports[0])
	daemon.check(port, "PHOTONGATE_DRIVERS=cc1", "ID_MM_DEVICE_IGNORE=1", "TAGS=:uaccess:")
	checkNode(t, port, 0o660, 0) // whose group is that of the system's rules, which are not here
}

// udevd is udev's daemon.
type udevd struct {
	t       *testing.T
	program string
}

// startUdev installs the rules and starts the daemon, until the test ends.
func startUdev(t *testing.T) udevd {
	t.Helper()
	d := udevd{t, os.Getenv(udevadmVariable)}
	if d.program == "" {
		t.Fatalf("%s does not say where udevadm is; .ci/vm does", udevadmVariable)
	}
	rules, err := filepath.Glob("../udev/*.rules")
	if err != nil || len(rules) == 0 {
		t.Fatalf("rules %v, %v", rules, err)
	}
	const installed = "/etc/udev/rules.d"
	for _, folder := range []string{installed, "/run/udev"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("/etc/group", fmt.Appendf(nil, "root:x:0:\nplugdev:x:%d:\n", plugdev), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range rules {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(installed, filepath.Base(file)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command(d.program)
	run.Args = []string{"systemd-udevd"} // by this name it is the daemon
	said := &strings.Builder{}
	run.Stdout, run.Stderr = said, said
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Signal(syscall.SIGTERM)
		_ = run.Wait()
		if t.Failed() {
			t.Logf("udevd said\n%s", said)
		}
	})
	awaitThat(t, "udev's daemon", func() bool { _, err := os.Stat("/run/udev/control"); return err == nil })
	return d
}

// do runs udevadm.
func (d udevd) do(args ...string) string {
	d.t.Helper()
	out, err := exec.Command(d.program, args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("udevadm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// settled waits until the daemon is done with a device, and returns its node.
func (d udevd) settled(folder string) (node string) {
	d.t.Helper()
	d.do("wait", "--timeout=30", folder)
	d.do("settle", "--timeout=30")
	return strings.TrimSpace(d.do("info", "--query=name", "--root", folder))
}

// check demands that the daemon knows some properties of a device, which begin so.
func (d udevd) check(node string, want ...string) {
	d.t.Helper()
	got := strings.Split(d.do("info", "--query=property", "--name="+node), "\n")
	for _, line := range want {
		if !slices.ContainsFunc(got, func(has string) bool { return strings.HasPrefix(has, line) }) {
			d.t.Errorf("%s has not %s:\n%s", node, line, strings.Join(got, "\n"))
		}
	}
}

// asUser runs photongate as somebody who is not root, and a member of groups.
func (d udevd) asUser(args []string, groups ...uint32) (code int, said string) {
	d.t.Helper()
	const nobody = 65534
	p := startAs(d.t, &syscall.Credential{Uid: nobody, Gid: nobody, Groups: groups}, "photongate", args...)
	code = p.exit()
	return code, p.stdout.String() + p.stderr()
}

func checkNode(t *testing.T, node string, mode os.FileMode, group uint32) {
	t.Helper()
	about, err := os.Stat(node)
	if err != nil {
		t.Fatal(err)
	}
	if gid := about.Sys().(*syscall.Stat_t).Gid; about.Mode().Perm() != mode || gid != group {
		t.Errorf("%s has mode %o and group %d, want %o and %d", node, about.Mode().Perm(), gid, mode, group)
	}
}

// awaitThat waits until something is so.
func awaitThat(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !so(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
