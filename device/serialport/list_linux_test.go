package serialport

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

// plug puts a USB serial device into a fake sysfs: the device's folder, an
// interface, and a tty whose place depends on the kernel driver.
func plug(t *testing.T, sys, socket, tty string, attributes map[string]string) {
	t.Helper()
	usb := filepath.Join(sys, "devices/pci0000:00/usb1", socket)
	port := filepath.Join(usb, socket+":1.0")
	if strings.HasPrefix(tty, "ttyUSB") {
		port = filepath.Join(port, tty)
	}
	class := filepath.Join(port, "tty", tty)
	for _, err := range []error{
		os.MkdirAll(class, 0o755),
		os.WriteFile(filepath.Join(usb, socket+":1.0", "bInterfaceNumber"), []byte("00\n"), 0o644),
		os.Symlink(port, filepath.Join(class, "device")),
		os.MkdirAll(filepath.Join(sys, "class/tty"), 0o755),
		os.Symlink(class, filepath.Join(sys, "class/tty", tty)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range attributes {
		if err := os.WriteFile(filepath.Join(usb, name), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func cd48(serial string) map[string]string {
	a := map[string]string{"idVendor": "04b4", "idProduct": "f232", "product": "CD48", "manufacturer": "Red Dog"}
	if serial != "" {
		a["serial"] = serial
	}
	return a
}

func TestListSysfs(t *testing.T) {
	sys := t.TempDir()
	plug(t, sys, "1-1.4", "ttyACM0", cd48("7"))
	plug(t, sys, "1-2", "ttyUSB3", map[string]string{"idVendor": "0403", "idProduct": "6001"})
	// A virtual console has no device; a UART that is not there has type 0.
	if err := os.MkdirAll(filepath.Join(sys, "class/tty/tty0"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]string{"ttyS0": "4", "ttyS1": "0"} {
		folder := filepath.Join(sys, "class/tty", name)
		if err := os.MkdirAll(filepath.Join(folder, "device"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "type"), []byte(kind), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := listSysfs(sys, "/dev")
	if err != nil {
		t.Fatal(err)
	}
	want := []Info{
		{Name: "/dev/ttyACM0", USB: true, ID: device.USBID{Vendor: 0x04b4, Product: 0xf232}, Serial: "7", Socket: "1-1.4",
			Manufacturer: "Red Dog", Product: "CD48", Interface: "00"},
		{Name: "/dev/ttyS0"},
		{Name: "/dev/ttyUSB3", USB: true, ID: device.USBID{Vendor: 0x0403, Product: 0x6001}, Socket: "1-2", Interface: "00"},
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("(-got +want):\n%s", d)
	}
	if empty, err := listSysfs(filepath.Join(sys, "none"), "/dev"); err != nil || len(empty) != 0 {
		t.Errorf("without sysfs: %v, %v", empty, err)
	}
}

func TestResolve(t *testing.T) {
	sys := t.TempDir()
	plug(t, sys, "1-1", "ttyACM0", cd48("7"))
	plug(t, sys, "1-2", "ttyACM1", cd48("8"))
	plug(t, sys, "1-3", "ttyUSB0", map[string]string{"idVendor": "0403", "idProduct": "6001"})
	list := func() ([]Info, error) { return listSysfs(sys, "/dev") }
	for _, tc := range []struct {
		name, want string
		err        error
		says       []string
	}{
		{name: "/dev/ttyX", want: "/dev/ttyX"},
		{name: "COM3", want: "COM3"},
		{name: "usb:0403:6001", want: "/dev/ttyUSB0"},
		{name: "usb:04B4:F232:8", want: "/dev/ttyACM1"},
		{name: "usb-path:1-1", want: "/dev/ttyACM0"},
		{name: "usb:04b4:f232", err: device.ErrAmbiguous, says: []string{"/dev/ttyACM0 usb:04b4:f232:7 usb-path:1-1", "/dev/ttyACM1", "1-2"}},
		{name: "usb:04b4:f232:9", err: device.ErrNoPort, says: []string{"present: /dev/ttyACM0"}},
		{name: "usb-path:9-9", err: device.ErrNoPort},
	} {
		got, err := resolve(tc.name, list)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("resolve(%s) = %q, %v, want %q, %v", tc.name, got, err, tc.want, tc.err)
		}
		for _, s := range tc.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("resolve(%s): %v\ndoes not say %q", tc.name, err, s)
			}
		}
	}
}

// An instrument that comes back under another name is found at the next open.
func TestResolveAfterReplug(t *testing.T) {
	before, after := t.TempDir(), t.TempDir()
	plug(t, before, "1-1", "ttyACM0", cd48("7"))
	plug(t, after, "1-1", "ttyACM3", cd48("7"))
	for sys, want := range map[string]string{before: "/dev/ttyACM0", after: "/dev/ttyACM3"} {
		got, err := resolve("usb:04b4:f232:7", func() ([]Info, error) { return listSysfs(sys, "/dev") })
		if err != nil || got != want {
			t.Errorf("resolve = %q, %v, want %q", got, err, want)
		}
	}
}

func TestHolderIsNamed(t *testing.T) {
	_, node := openPty(t)
	p := mustOpen(t, node)
	if hint := holderHint(node); !strings.Contains(hint, "this program itself") {
		t.Errorf("hint %q", hint)
	}
	pids := fdsOf(node)
	if len(pids[os.Getpid()]) < 2 {
		t.Errorf("descriptors %v: want the lock's and the library's", pids)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if pids := fdsOf(node); len(pids) != 0 {
		t.Errorf("after Close still open: %v", pids)
	}
}
