// Package usbport looks at the USB bus through libusb. It is the only importer
// of gousb, which needs cgo; a program built without it, or with the tag nousb,
// gets a stub that says so.
package usbport

import (
	"errors"
	"fmt"

	"photongate/device"
)

// ErrUnavailable says that this program or this machine cannot look at the USB
// bus. Instruments on serial ports are not concerned.
var ErrUnavailable = errors.New("USB is not available")

// Info describes a device on the USB bus.
type Info struct {
	ID           device.USBID // vendor and product id; Shared is not set
	Serial       string       // empty when it has none or may not be opened by this user
	Manufacturer string
	Product      string // product text
	Socket       string // where it is plugged in, as in usb-path: "1-1.4"
	Speed        string // "full", "high", "super"
}

// String returns one line for people.
func (i Info) String() string {
	s := fmt.Sprintf("usb:%s", i.ID)
	if i.Serial != "" {
		s += ":" + i.Serial
	}
	return fmt.Sprintf("%s usb-path:%s %s speed %q", s, i.Socket, i.Speed, i.Product)
}
