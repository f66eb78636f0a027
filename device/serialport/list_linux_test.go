package serialport

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// Twelve identical adapters without a serial number: each is found by its socket, and
// a name that fits them all opens none.
func TestTwelveIdenticalAdapters(t *testing.T) {
	sys := t.TempDir()
	for n := range 12 {
		plug(t, sys, fmt.Sprintf("1-%d.%d", n/4+1, n%4+1), fmt.Sprintf("ttyUSB%d", n), map[string]string{"idVendor": "1a86", "idProduct": "7523"})
	}
	list := func() ([]Info, error) { return listSysfs(sys, "/dev") }
	for n := range 12 {
		name, want := fmt.Sprintf("usb-path:1-%d.%d", n/4+1, n%4+1), fmt.Sprintf("/dev/ttyUSB%d", n)
		if got, err := resolve(name, list); got != want || err != nil {
			t.Errorf("%s is %s, %v; want %s", name, got, err, want)
		}
	}
	if got, err := resolve("usb:1a86:7523", list); !errors.Is(err, device.ErrAmbiguous) {
		t.Errorf("by the id of all: %q, %v", got, err)
	}
}

// unplug takes a tty out of a fake sysfs, with what it hung on.
func unplug(t *testing.T, sys, socket, tty string) {
	t.Helper()
	for _, path := range []string{filepath.Join(sys, "class/tty", tty), filepath.Join(sys, "devices/pci0000:00/usb1", socket)} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

// An instrument that comes back under another name is found by its serial number
// or its socket at the next open, and what has taken its old name is not touched.
func TestReplugUnderAnotherName(t *testing.T) {
	adapter := func(serial string) map[string]string {
		return map[string]string{"idVendor": "0403", "idProduct": "6001", "serial": serial}
	}
	for name, says := range map[string]string{"usb:0403:6001:FT7": "by serial number", "usb-path:1-1.4": "by socket"} {
		t.Run(says, func(t *testing.T) {
			t.Attr("fault", "F32")
			t.Attr("injected", "a USB adapter on ttyUSB0 is unplugged and comes back as ttyUSB1; another one is ttyUSB0 now")
			t.Attr("promised", "found "+says+", while it is away: no such port")
			sys, dev := t.TempDir(), t.TempDir()
			list := func() ([]Info, error) { return listSysfs(sys, dev) }
			open := func() (device.Port, error) { return openFrom(t.Context(), list, name, line, clock) }
			attach := func(socket, tty, serial string) *os.File {
				master, node := openPty(t)
				plug(t, sys, socket, tty, adapter(serial))
				if err := os.Symlink(node, filepath.Join(dev, tty)); err != nil {
					t.Fatal(err)
				}
				return master
			}
			reads := func(master *os.File, want string) (from string) {
				p, err := open()
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				if _, err := master.WriteString(want); err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 8)
				if n, _, err := p.Read(buf, 5*time.Second); err != nil || string(buf[:n]) != want {
					t.Fatalf("read %q, %v from %s, want %q", buf[:n], err, p.Name(), want)
				}
				return filepath.Base(p.Name())
			}
			before := reads(attach("1-1.4", "ttyUSB0", "FT7"), "first")

			unplug(t, sys, "1-1.4", "ttyUSB0")
			if err := os.Remove(filepath.Join(dev, "ttyUSB0")); err != nil {
				t.Fatal(err)
			}
			if _, err := open(); !errors.Is(err, device.ErrNoPort) {
				t.Errorf("while it is away: %v", err)
			}
			attach("1-2", "ttyUSB0", "FT8")
			_, away := open()
			if !errors.Is(away, device.ErrNoPort) || !strings.Contains(away.Error(), "present: "+filepath.Join(dev, "ttyUSB0")+" usb:0403:6001:FT8 usb-path:1-2") {
				t.Errorf("while another one has its name: %v", away)
			}
			after := reads(attach("1-1.4", "ttyUSB1", "FT7"), "again")
			if before == after {
				t.Errorf("read from %s both times", before)
			}
			t.Attr("seen", "read from "+before+", then "+after)
		})
	}
}
