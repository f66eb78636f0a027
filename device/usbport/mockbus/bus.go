//go:build linux && (amd64 || arm64)

package mockbus

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"photongate/device"
	"photongate/device/devicetest"
)

// Bus is a USB bus. Its methods may be called concurrently.
type Bus struct {
	root  string // folder in which umockdev and libusb look
	serve sync.WaitGroup

	mu      sync.Mutex
	plugged []*Device // ever, which numbers them as the kernel does
}

// own is the bus of this program, which Main made.
var own = &Bus{root: os.Getenv(rootVariable)}

// Plugged is a device that is plugged in, on whichever bus.
type Plugged interface {
	Socket() string         // where: "1-4"
	Unplug()                // pulls the plug; a second one does nothing
	Pending() int           // transfers under way
	Open() int              // how often it is open
	BindDriver(name string) // has a driver of the kernel take the interface
	Driver() string         // the kernel's driver that has it now, empty for none
	Set() int               // how often the interface was set
}

// Plug plugs a device in, until the test ends, and returns it and the instrument's
// end: into the bus of this test program, or in a virtual machine of vmexec into
// the machine's own.
func Plug(t testing.TB, info device.USBInfo) (Plugged, *devicetest.USBEnd) {
	t.Helper()
	if RealKernel() {
		return Attach(t, info)
	}
	Need(t)
	return own.Plug(t, info)
}

// New makes an empty bus for another program, until the test ends, before which that
// program has to. It must be linked dynamically, as all are that use libusb, and gets what Env says
// in its environment. The test program itself needs no Main for it.
func New(t testing.TB) *Bus {
	t.Helper()
	if find() == "" {
		leftOut(t)
	}
	return newBus(t)
}

// newBus makes an empty bus, until the test ends.
func newBus(t testing.TB) *Bus {
	t.Helper()
	root, err := newRoot()
	if err != nil {
		t.Fatal(err)
	}
	b := &Bus{root: root}
	t.Cleanup(b.end)
	return b
}

// end pulls all plugs and removes the bus, on which no program may be left: one that
// loses its connection to the bus aborts.
func (b *Bus) end() {
	b.mu.Lock()
	plugged := b.plugged
	b.mu.Unlock()
	for _, d := range plugged {
		d.Unplug()
		_ = d.listen.Close()
		d.mu.Lock()
		for f := range d.files { // of a program that was killed, or did not close it
			_ = f.conn.Close()
		}
		d.mu.Unlock()
	}
	b.serve.Wait()
	for _, d := range plugged {
		_ = d.bell.pipe.Close()
	}
	_ = os.RemoveAll(b.root)
}

// Env is what a program on the bus has in its environment besides.
func (b *Bus) Env() []string { return env(b.root, find()) }

func env(root, library string) []string {
	return []string{rootVariable + "=" + root, preloadVariable + "=" + library}
}

// newRoot makes the folders of a bus. Their names are short: those of sockets have
// a bound.
func newRoot() (string, error) {
	root, err := os.MkdirTemp("", "usb")
	if err != nil {
		return "", err
	}
	for _, folder := range []string{"sys/bus/usb/devices", "sys/class", "dev/bus/usb/001", "dev/.node", "ioctl/dev/bus/usb/001", "run/udev"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			return "", err
		}
	}
	return root, nil
}

func (b *Bus) path(parts ...string) string {
	return filepath.Join(append([]string{b.root}, parts...)...)
}
