//go:build linux && (amd64 || arm64)

package mockbus

import (
	"errors"
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

// inKernel is where a device is in the kernel.
type inKernel struct {
	port   int
	socket string
	number string // of the device on its bus
	once   sync.Once
}

// attaching has one device at a time look for a free port.
var attaching sync.Mutex

// speeds are the kernel's numbers (enum usb_device_speed).
var speeds = map[string]uint32{"low": 1, "full": 2, "high": 3}

// attach hands a device's wire to the kernel and waits until that has looked at the
// device.
func (k *inKernel) attach(wire *os.File, id, speed uint32) error {
	attaching.Lock()
	defer attaching.Unlock()
	before := plugged()
	var err error
	if k.port, err = freePort(); err == nil {
		line := fmt.Sprintf("%d %d %d %d", k.port, wire.Fd(), id, speed)
		err = os.WriteFile(filepath.Join(vhci, "attach"), []byte(line), 0)
	}
	if err != nil {
		return fmt.Errorf("attach a device: %w", err)
	}
	looked := awaited(func() bool {
		for name := range plugged() {
			if !before[name] && attribute(name, "bConfigurationValue") == "1" {
				k.socket, k.number = name, attribute(name, "devnum")
			}
		}
		return k.socket != ""
	})
	if !looked {
		return errors.New("attach a device: the kernel does not look at it")
	}
	return nil
}

// Socket is where the device is plugged in.
func (k *inKernel) Socket() string { return k.socket }

// there reports whether the device is still in its socket: another one may be in it
// since.
func (k *inKernel) there() bool {
	return k.socket != "" && attribute(k.socket, "devnum") == k.number
}

// detach takes the device away, unless that has happened, and waits until the kernel
// has noticed.
func (k *inKernel) detach() {
	if k.socket != "" && !k.there() {
		return
	}
	_ = os.WriteFile(filepath.Join(vhci, "detach"), []byte(strconv.Itoa(k.port)), 0)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; n < 10_000 && k.there(); n++ {
		<-tick.C
	}
}

// Attached is a device plugged into the kernel through its virtual host
// controller.
type Attached struct {
	*played
	inKernel
	node string // of the device
	wire *wire
}

// Attach plugs a device into this machine's kernel, until the test ends, and
// waits until the kernel has looked at it.
func Attach(t testing.TB, info device.USBInfo) (*Attached, *devicetest.USBEnd) {
	t.Helper()
	a := &Attached{played: newPlayed(info)}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := os.NewFile(uintptr(pair[1]), "kernel"), os.NewFile(uintptr(pair[0]), "device")
	defer func() { _ = theirs.Close() }() // the kernel keeps its own
	conn, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	a.wire = newWire(a.played, conn)
	t.Cleanup(a.Unplug)
	speed := speeds[info.Speed]
	if speed == 0 {
		speed = speeds["full"]
	}
	if err := a.attach(theirs, 1<<16|1, speed); err != nil {
		t.Fatal(err)
	}
	bus, _ := strconv.Atoi(attribute(a.socket, "busnum"))
	number, _ := strconv.Atoi(attribute(a.socket, "devnum"))
	a.node = fmt.Sprintf("/dev/bus/usb/%03d/%03d", bus, number)
	return a, a.end
}

// awaited waits until something is so and reports whether it came to that.
func awaited(so func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); !so(); <-tick.C {
		if time.Since(began) > 30*time.Second {
			return false
		}
	}
	return true
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

// Unplug pulls the plug and waits until the kernel has noticed. A second Unplug
// does nothing.
func (a *Attached) Unplug() {
	a.once.Do(func() {
		a.end.Unplug()
		a.detach()
		a.wire.end()
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
