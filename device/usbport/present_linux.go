package usbport

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"photongate/device"
)

// Plugged returns the devices on the USB bus, without hubs, ordered by socket. The
// kernel tells them in sysfs: nothing is opened, no right to open is needed, and
// it works in a program built without USB too.
func Plugged() ([]Present, error) { return pluggedIn("/sys", "/dev") }

// classHub is the class of hubs (USB 2.0, 11.23.1).
const classHub = "09"

// pluggedIn lists the devices in a sysfs (Documentation/ABI of the kernel:
// sysfs-bus-usb). A machine without USB has none.
func pluggedIn(sys, dev string) ([]Present, error) {
	bus := filepath.Join(sys, "bus", "usb", "devices")
	entries, err := os.ReadDir(bus)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list USB devices: %w", err)
	}
	var list []Present
	for _, e := range entries {
		if strings.Contains(e.Name(), ":") { // an interface of a device
			continue
		}
		if p, ok := presentAt(filepath.Join(bus, e.Name()), dev); ok {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Present) int { return strings.Compare(a.Socket, b.Socket) })
	return list, nil
}

// presentAt reads one device's folder. One that is unplugged meanwhile, and a hub,
// is none.
func presentAt(folder, dev string) (Present, bool) {
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	vendor, err1 := strconv.ParseUint(text("idVendor"), 16, 16)
	product, err2 := strconv.ParseUint(text("idProduct"), 16, 16)
	if err1 != nil || err2 != nil || text("bDeviceClass") == classHub {
		return Present{}, false
	}
	release, _ := strconv.ParseUint(text("bcdDevice"), 16, 16) // absent: 0
	p := Present{USBInfo: device.USBInfo{
		ID: device.USBID{Vendor: uint16(vendor), Product: uint16(product)}, Release: uint16(release),
		Serial: text("serial"), Manufacturer: text("manufacturer"), Product: text("product"),
		Socket: filepath.Base(folder), Speed: speedOf(text("speed")),
	}}
	number, err1 := strconv.Atoi(text("busnum"))
	address, err2 := strconv.Atoi(text("devnum"))
	if err1 == nil && err2 == nil {
		p.Node = filepath.Join(dev, "bus", "usb", fmt.Sprintf("%03d", number), fmt.Sprintf("%03d", address))
	}
	return p, true
}

// speedOf names a speed in Mbit/s as device.USBInfo does.
func speedOf(mbit string) string {
	switch mbit {
	case "1.5":
		return "low"
	case "12":
		return "full"
	case "480":
		return "high"
	case "5000", "10000", "20000":
		return "super"
	}
	return ""
}
