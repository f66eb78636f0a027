package serialport

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"photongate/device"
)

// List returns the serial ports that are present, ordered by name.
func List() ([]Info, error) { return listSysfs("/sys", "/dev") }

// listSysfs lists the ttys under sysfs that are hardware. Nothing is opened.
func listSysfs(sys, dev string) ([]Info, error) {
	class := filepath.Join(sys, "class", "tty")
	entries, err := os.ReadDir(class)
	if os.IsNotExist(err) {
		return nil, nil // a container without sysfs
	}
	if err != nil {
		return nil, err
	}
	var list []Info
	for _, e := range entries {
		folder := filepath.Join(class, e.Name())
		hardware, err := filepath.EvalSymlinks(filepath.Join(folder, "device"))
		if err != nil || attribute(folder, "type") == "0" { // a virtual console; a UART that is not there
			continue
		}
		i := Info{Name: filepath.Join(dev, e.Name())}
		i.fromUSB(hardware)
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// fromUSB fills in the USB device that a folder of sysfs lies in, if any. For
// cdc_acm the tty's device is the interface, for USB-serial adapters a port
// below it.
func (i *Info) fromUSB(folder string) {
	for ; len(folder) > 1; folder = filepath.Dir(folder) {
		if n := attribute(folder, "bInterfaceNumber"); n != "" {
			i.Interface = n
		}
		vendor, err := strconv.ParseUint(attribute(folder, "idVendor"), 16, 16)
		if err != nil {
			continue
		}
		product, err := strconv.ParseUint(attribute(folder, "idProduct"), 16, 16)
		if err != nil {
			return
		}
		i.USB = true
		i.ID = device.USBID{Vendor: uint16(vendor), Product: uint16(product)}
		i.Serial = attribute(folder, "serial")
		i.Manufacturer = attribute(folder, "manufacturer")
		i.Product = attribute(folder, "product")
		i.Socket = filepath.Base(folder)
		return
	}
}

// attribute returns the text of a file in sysfs, empty when there is none.
func attribute(folder, name string) string {
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
