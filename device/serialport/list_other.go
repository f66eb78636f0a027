//go:build !linux && (!darwin || cgo)

package serialport

import (
	"strconv"

	"go.bug.st/serial/enumerator"

	"photongate/device"
)

// List returns the serial ports that are present.
func List() ([]Info, error) {
	ports, err := enumerator.GetDetailedPortsList()
	if err != nil {
		return nil, err
	}
	var list []Info
	for _, p := range ports {
		i := Info{Name: p.Name, Serial: p.SerialNumber, Manufacturer: p.Manufacturer, Product: p.Product}
		vendor, err1 := strconv.ParseUint(p.VID, 16, 16)
		product, err2 := strconv.ParseUint(p.PID, 16, 16)
		if p.IsUSB && err1 == nil && err2 == nil {
			i.USB, i.ID = true, device.USBID{Vendor: uint16(vendor), Product: uint16(product)}
		}
		list = append(list, i)
	}
	return list, nil
}
