package hotplug

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds waits for what must come. It is no measure of speed.
const patience = 10 * time.Second

// heard listens and returns a channel of what matters.
func heard(t *testing.T) <-chan struct{} {
	t.Helper()
	m, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	came, done := make(chan struct{}, 1), make(chan struct{})
	go func() { defer close(done); hear(m, came) }()
	t.Cleanup(func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
		<-done // close frees a blocked next
	})
	return came
}

// The kernel says again that a tty was added when it is asked to (sysfs-uevent): that
// is heard.
func TestKernelIsHeard(t *testing.T) {
	came := heard(t)
	err := os.WriteFile("/sys/class/tty/tty/uevent", []byte("add"), 0)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EROFS) {
		t.Skipf("needs root and a sysfs that can be written: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-came:
	case <-time.After(patience):
		if own, err := os.Readlink("/proc/self/ns/net"); err == nil {
			if first, err := os.Readlink("/proc/1/ns/net"); err != nil || own != first {
				t.Skip("in a network of its own, where the kernel's messages do not come")
			}
		}
		t.Error("nothing was heard")
	}
}

// What another process says in the kernel's place is not believed.
func TestForgedMessage(t *testing.T) {
	m, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	err = unix.Sendto(fd, wire(ttyAdd), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ECONNREFUSED) {
		t.Skipf("only root may forge one: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(patience, func() { _ = m.close() })
	if believed, err := m.next(); believed || err != nil {
		t.Errorf("believed %v, %v", believed, err)
	}
	if limit.Stop() {
		_ = m.close()
	}
}
