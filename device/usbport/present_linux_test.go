package usbport

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

// A sysfs with a hub, a LabJack, a device that says nothing but its ids, an
// interface, and one that is being unplugged.
func TestPluggedIn(t *testing.T) {
	sys := t.TempDir()
	for folder, files := range map[string]map[string]string{
		"usb1":    {"idVendor": "1d6b", "idProduct": "0002", "bDeviceClass": "09"},
		"1-1.4":   {"idVendor": "0cd5", "idProduct": "0003", "bDeviceClass": "ff", "bcdDevice": "0130", "serial": "320012345", "product": "U3", "manufacturer": "LabJack", "speed": "12", "busnum": "1", "devnum": "14"},
		"1-1.4:0": {"bInterfaceNumber": "00", "idVendor": "0cd5", "idProduct": "0003"},
		"2-1":     {"idVendor": "3923", "idProduct": "718a"},
		"2-2":     {"idVendor": "3923"},
	} {
		at := filepath.Join(sys, "bus/usb/devices", folder)
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(at, name), []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := pluggedIn(sys, "/dev")
	if err != nil {
		t.Fatal(err)
	}
	want := []Present{
		{Node: "/dev/bus/usb/001/014", USBInfo: device.USBInfo{ID: device.USBID{Vendor: 0x0cd5, Product: 3}, Release: 0x130,
			Serial: "320012345", Manufacturer: "LabJack", Product: "U3", Socket: "1-1.4", Speed: "full"}},
		{USBInfo: device.USBInfo{ID: device.USBID{Vendor: 0x3923, Product: 0x718a}, Socket: "2-1"}},
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("(-got +want):\n%s", d)
	}
	if none, err := pluggedIn(filepath.Join(sys, "none"), "/dev"); err != nil || len(none) != 0 {
		t.Errorf("without USB: %v, %v", none, err)
	}
}
