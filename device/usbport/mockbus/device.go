//go:build linux && (amd64 || arm64)

package mockbus

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"photongate/device"
	"photongate/device/devicetest"
)

// behind is what is at the other end of a device's cable. Its methods may be called
// concurrently.
type behind interface {
	// do does a transfer, until it is cancelled or closed.
	do(u *urb, closed <-chan struct{})
	// setInterface clears all endpoints, clearHalt one. They report whether the
	// device is there.
	setInterface() bool
	clearHalt(endpoint byte) bool
	// unplug ends all that is under way: the device is gone.
	unplug()
	// Set returns how often the interface was set.
	Set() int
}

// Device is a device plugged into the bus.
type Device struct {
	behind
	info        device.USBInfo
	descriptors []byte // of the device and its configuration
	bus         *Bus
	number      int
	listen      net.Listener // until the bus ends
	bell        *bell

	mu      sync.Mutex
	gone    bool
	driver  string // of the kernel, bound to the interface; empty: none
	bound   string // the driver that is bound when asked to
	files   map[*file]bool
	claimed *file
}

// Plug plugs a device in, until the test ends, and returns it and the instrument's
// end. Where info names no socket it is "1-" and the number of the plug.
func (b *Bus) Plug(t testing.TB, info device.USBInfo) (*Device, *devicetest.USBEnd) {
	t.Helper()
	p := newPlayed(info)
	d, err := b.plug(p, info, descriptors(info))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Unplug)
	return d, p.end
}

// plug plugs in what is described.
func (b *Bus) plug(at behind, info device.USBInfo, descriptors []byte) (*Device, error) {
	d := &Device{behind: at, info: info, descriptors: descriptors, bus: b, files: map[*file]bool{}}
	b.mu.Lock()
	defer b.mu.Unlock()
	d.number = len(b.plugged) + 1
	if d.info.Socket == "" {
		d.info.Socket = fmt.Sprintf("1-%d", d.number)
	}
	if err := d.show(); err != nil {
		return nil, err
	}
	b.plugged = append(b.plugged, d)
	b.serve.Go(d.accept)
	return d, nil
}

// Socket is where the device is plugged in.
func (d *Device) Socket() string { return d.info.Socket }

func (d *Device) node() string { return fmt.Sprintf("bus/usb/001/%03d", d.number) }

// show listens for requests and lays the files in which libusb finds the device, last
// the one by which it begins.
func (d *Device) show() (err error) {
	if d.listen, err = net.Listen("unix", d.bus.path("ioctl/dev", d.node())); err != nil {
		return err
	}
	if d.bell, err = newBell(d.bus.path("dev", d.node())); err != nil {
		return err
	}
	folder := d.bus.path("sys/devices/usb1", d.info.Socket)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	speed := map[string]string{"low": "1.5", "high": "480", "super": "5000"}[d.info.Speed]
	if speed == "" {
		speed = "12"
	}
	minor := d.number - 1
	for name, text := range map[string]string{
		"busnum": "1\n", "devnum": fmt.Sprintf("%d\n", d.number), "speed": speed + "\n",
		"bConfigurationValue": "1\n", "bNumConfigurations": "1\n", "descriptors": string(d.descriptors),
		"idVendor": fmt.Sprintf("%04x\n", d.info.ID.Vendor), "idProduct": fmt.Sprintf("%04x\n", d.info.ID.Product),
		"uevent": fmt.Sprintf("MAJOR=189\nMINOR=%d\nDEVNAME=%s\nDEVTYPE=usb_device\nDRIVER=usb\nBUSNUM=001\nDEVNUM=%03d\n", minor, d.node(), d.number),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return errors.Join(
		os.Symlink("../../../bus/usb", filepath.Join(folder, "subsystem")),
		os.Symlink(fmt.Sprintf("189:%d", minor), d.nodeLink()),
		os.Symlink("../../../devices/usb1/"+d.info.Socket, d.bus.path("sys/bus/usb/devices", d.info.Socket)),
	)
}

func (d *Device) nodeLink() string {
	return d.bus.path("dev/.node", strings.ReplaceAll(d.node(), "/", "_"))
}

// Unplug pulls the plug: what is under way ends, the device is found no more. Who has it
// open, or had just found it, is told so until he closes it. A second Unplug does
// nothing.
func (d *Device) Unplug() {
	d.mu.Lock()
	if d.gone {
		d.mu.Unlock()
		return
	}
	d.gone = true
	d.unplug()
	d.mu.Unlock()
	d.bell.add(1) // rings for good
	_ = os.Remove(d.bus.path("sys/bus/usb/devices", d.info.Socket))
	_ = os.RemoveAll(d.bus.path("sys/devices/usb1", d.info.Socket))
	_ = os.Remove(d.bus.path("dev", d.node()))
	_ = os.Remove(d.nodeLink())
}

// BindDriver has a driver of the kernel take the interface, as it does when a
// device is plugged in that it knows.
func (d *Device) BindDriver(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.driver, d.bound = name, name
}

// Driver returns the kernel's driver that has the interface now, empty for none.
func (d *Device) Driver() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.driver
}

// Open returns how many programs have the device open.
func (d *Device) Open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.files)
}

// Pending returns how many transfers are under way.
func (d *Device) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for f := range d.files {
		f.mu.Lock()
		n += len(f.pending)
		f.mu.Unlock()
	}
	return n
}
