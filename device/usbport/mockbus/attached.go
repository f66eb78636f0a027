//go:build linux && (amd64 || arm64)

package mockbus

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"photongate/device"
	"photongate/device/devicetest"
)

// The kernel's virtual host controller, which a virtual machine of vmexec has.
const (
	vhci       = "/sys/devices/platform/vhci_hcd.0"
	usbDevices = "/sys/bus/usb/devices"
)

// RealKernel reports whether devices are plugged into this machine's own kernel.
func RealKernel() bool {
	_, err := os.Stat(vhci)
	return os.Getenv("VMEXEC") != "" && err == nil
}

// Attached is a device plugged into the kernel through its virtual host
// controller.
type Attached struct {
	*played
	port   int
	socket string
	node   string // of the device
	wire   *wire
	once   sync.Once
}

// attaching has one device at a time look for a free port.
var attaching sync.Mutex

// Attach plugs a device into this machine's kernel, until the test ends, and
// waits until the kernel has looked at it.
func Attach(t testing.TB, info device.USBInfo) (*Attached, *devicetest.USBEnd) {
	t.Helper()
	a := &Attached{played: newPlayed(info)}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(pair[1]) }() // the kernel keeps its own
	ours := os.NewFile(uintptr(pair[0]), "device")
	conn, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	a.wire = newWire(a.played, conn)
	attaching.Lock()
	defer attaching.Unlock()
	before := plugged()
	if a.port, err = freePort(); err == nil {
		speed := map[string]int{"low": 1, "high": 3}[info.Speed]
		if speed == 0 {
			speed = 2
		}
		line := fmt.Sprintf("%d %d %d %d", a.port, pair[1], 1<<16|a.port+1, speed)
		err = os.WriteFile(filepath.Join(vhci, "attach"), []byte(line), 0)
	}
	if err != nil {
		a.wire.end()
		t.Fatalf("attach a device: %v", err)
	}
	t.Cleanup(a.Unplug)
	wait(t, "the kernel to look at the device", func() bool {
		for name := range plugged() {
			if !before[name] && attribute(name, "bConfigurationValue") == "1" {
				a.socket = name
			}
		}
		return a.socket != ""
	})
	bus, _ := strconv.Atoi(attribute(a.socket, "busnum"))
	number, _ := strconv.Atoi(attribute(a.socket, "devnum"))
	a.node = fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, number)
	return a, a.end
}

// wait waits until something is so.
func wait(t testing.TB, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); !so(); <-tick.C {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// plugged lists the sockets that have something in them.
func plugged() map[string]bool {
	sockets := map[string]bool{}
	entries, _ := os.ReadDir(usbDevices)
	for _, e := range entries {
		if strings.Contains(e.Name(), "-") && !strings.Contains(e.Name(), ":") {
			sockets[e.Name()] = true
		}
	}
	return sockets
}

func attribute(socket, name string) string {
	text, _ := os.ReadFile(filepath.Join(usbDevices, socket, name))
	return strings.TrimSpace(string(text))
}

// freePort finds a port for a device of up to high speed: "hs 0000 004 ...", where
// 4 says that nothing is there.
func freePort() (int, error) {
	text, err := os.ReadFile(filepath.Join(vhci, "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "hs" && f[2] == "004" {
			return strconv.Atoi(f[1])
		}
	}
	return 0, fmt.Errorf("all ports of %s are taken", vhci)
}

// Socket is where the device is plugged in.
func (a *Attached) Socket() string { return a.socket }

// Unplug pulls the plug and waits until the kernel has noticed. A second Unplug
// does nothing.
func (a *Attached) Unplug() {
	a.once.Do(func() {
		a.end.Unplug()
		_ = os.WriteFile(filepath.Join(vhci, "detach"), []byte(strconv.Itoa(a.port)), 0)
		a.wire.end()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for k := 0; k < 10_000 && a.socket != "" && plugged()[a.socket]; k++ {
			<-tick.C
		}
	})
}

// Pending returns how many transfers on endpoints are under way.
func (a *Attached) Pending() int { return a.wire.pending() }

// Open returns how often this program has the device open.
func (a *Attached) Open() int {
	n := 0
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.HasPrefix(to, a.node) {
			n++
		}
	}
	return n
}

// BindDriver waits for the kernel to bind the driver that it has for the device.
func (a *Attached) BindDriver(name string) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for k := 0; k < 10_000 && a.Driver() != name; k++ {
		<-tick.C
	}
}

// Driver returns the kernel's driver that has the interface now, empty for none
// and for the one that serves programs.
func (a *Attached) Driver() string {
	link := filepath.Join(usbDevices, fmt.Sprintf("%s:1.%d", a.socket, a.info.Interface), "driver")
	to, err := os.Readlink(link)
	if err != nil || filepath.Base(to) == "usbfs" {
		return ""
	}
	return filepath.Base(to)
}
