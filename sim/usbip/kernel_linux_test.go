package usbip_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"photongate/sim"
	"photongate/sim/usb"
	"photongate/sim/usbip"
	"photongate/sim/usbip/usbiptest"
)

// Requests of usbfs (include/uapi/linux/usbdevice_fs.h), on 64-bit machines.
const (
	usbfsBulk  = 0xC0185502
	usbfsClaim = 0x8004550F
)

// bulk is one transfer over usbfs.
func bulk(t *testing.T, f *os.File, endpoint uint32, data []byte) int {
	t.Helper()
	request := struct {
		endpoint, length, timeoutMs uint32
		data                        *byte
	}{endpoint, uint32(len(data)), 5000, &data[0]}
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), usbfsBulk, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		t.Fatalf("endpoint %02x: %v", endpoint, errno)
	}
	return int(n)
}

// A real kernel takes the device, reads its descriptors and talks to it; unplugged it
// sees it go, and plugged in again it takes it anew. Runs in a virtual machine:
// .ci/vm ./sim/usbip
func TestKernelTakesIt(t *testing.T) {
	if !usbiptest.KernelTakes() {
		if os.Getenv("VMEXEC") != "" {
			t.Fatal("the machine made for it has no vhci-hcd")
		}
		t.Skip("needs a kernel with vhci-hcd: .ci/vm ./sim/usbip")
	}
	server, err := usbip.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(server.Where(), "usbip://"), "/1-1")
	bus, err := usb.NewBus(&parrot{}, server)
	if err != nil {
		t.Fatal(err)
	}
	runner, err := sim.NewRunner(bus, bus, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- runner.Run(ctx) }()
	for range 5 {
		attach(t, address)
		folder := waitFor(t, true)
		node, err := os.OpenFile(nodeOf(t, folder), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		var number uint32
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, node.Fd(), usbfsClaim, uintptr(unsafe.Pointer(&number))); errno != 0 {
			t.Fatal(errno)
		}
		bulk(t, node, 0x02, []byte("a bit more than two"))
		heard := make([]byte, 64)
		if n := bulk(t, node, 0x81, heard); string(heard[:n]) != "a bit more than two" {
			t.Errorf("it says %q", heard[:n])
		}
		if err := node.Close(); err != nil {
			t.Error(err)
		}
		runner.Unplug()
		waitFor(t, false)
		runner.Plug()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// attach hands the device to the kernel as soon as it is offered.
func attach(t *testing.T, address string) {
	t.Helper()
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = usbiptest.Attach(conn.(*net.TCPConn), usbip.BusID); err == nil {
			return
		}
		pause(t, err)
	}
}

// waitFor waits until the parrot is there, or gone, and returns its folder.
func waitFor(t *testing.T, there bool) string {
	t.Helper()
	for {
		titles, err := filepath.Glob("/sys/bus/usb/devices/*/product")
		if err != nil {
			t.Fatal(err)
		}
		found := ""
		for _, name := range titles {
			if title, err := os.ReadFile(name); err == nil && string(title) == "Parrot\n" {
				found = filepath.Dir(name)
			}
		}
		if (found != "") == there {
			return found
		}
		pause(t, nil)
	}
}

// nodeOf is the file of the device once it is configured.
func nodeOf(t *testing.T, folder string) string {
	t.Helper()
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(folder, name))
		return strings.TrimSpace(string(text))
	}
	for read("bConfigurationValue") != "1" {
		pause(t, nil)
	}
	if got := read("idVendor") + ":" + read("idProduct") + " " + read("speed"); got != "1234:5678 480" {
		t.Errorf("the kernel sees %s", got)
	}
	for line := range strings.SplitSeq(read("uevent"), "\n") {
		if name, ok := strings.CutPrefix(line, "DEVNAME="); ok {
			return "/dev/" + name
		}
	}
	t.Fatal("the device has no node")
	return ""
}

// pause lets the kernel do its work before it is asked again.
func pause(t *testing.T, err error) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal(err)
	case <-time.After(5 * time.Millisecond):
	}
}
