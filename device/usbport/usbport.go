// Package usbport opens and lists devices on the USB bus through libusb. It is
// the only importer of gousb, which needs cgo; a program built without it, or
// with the tag nousb, gets a stub that says so.
//
// What is awkward about the library is absorbed here once: a failed control
// transfer moves a negative number of bytes; an unplugged device shows in two
// ways; a read that waited in vain ends a stream; closing a stream cancels
// nothing; transfers that nobody waits for crash the program when they are
// collected; a busy interface is told by its text alone; interfaces that are not
// numbered from 0 are beyond it; and it panics where libusb cannot start.
package usbport

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"photongate/device"
)

// ErrUnavailable says that this program or this machine cannot look at the USB
// bus. Instruments on serial ports are not concerned.
var ErrUnavailable = errors.New("USB is not available")

// wanted is what a port's name in a configuration asks for.
type wanted struct {
	name            string
	socket          string // usb-path:; empty: the ids count
	vendor, product uint16
	serial          string // empty: any
}

// parse reads "usb:VID:PID", "usb:VID:PID:SERIAL" or "usb-path:SOCKET".
func parse(name string) (wanted, error) {
	bad := func(what string) (wanted, error) {
		return wanted{}, &device.Error{Op: "open", Port: name, Err: fmt.Errorf("%w: %s", device.ErrNoPort, what),
			Hint: "this instrument is on USB: write usb:VID:PID, usb:VID:PID:SERIAL or usb-path:SOCKET as `photongate devices` prints them"}
	}
	if socket, ok := strings.CutPrefix(name, "usb-path:"); ok {
		if socket == "" {
			return bad("no socket is named")
		}
		return wanted{name: name, socket: socket}, nil
	}
	rest, ok := strings.CutPrefix(name, "usb:")
	if !ok {
		return bad("it is no USB device")
	}
	part := strings.SplitN(rest, ":", 3)
	if len(part) < 2 {
		return bad("the product id is missing")
	}
	vendor, err1 := strconv.ParseUint(part[0], 16, 16)
	product, err2 := strconv.ParseUint(part[1], 16, 16)
	if err1 != nil || err2 != nil {
		return bad("ids are four hexadecimal digits each")
	}
	w := wanted{name: name, vendor: uint16(vendor), product: uint16(product)}
	if len(part) == 3 {
		w.serial = part[2]
	}
	return w, nil
}

// fits reports whether a device may be meant, as far as that is known without
// its serial number.
func (w wanted) fits(i device.USBInfo) bool {
	if w.socket != "" {
		return i.Socket == w.socket
	}
	return i.ID.Vendor == w.vendor && i.ID.Product == w.product
}

// Describe returns one line for people.
func Describe(i device.USBInfo) string {
	text := fmt.Sprintf("%s usb-path:%s %s speed", i.Name(), i.Socket, i.Speed)
	if i.Product != "" {
		text += " " + strconv.Quote(i.Product)
	}
	return text
}

// describeAll lists devices for people.
func describeAll(list []device.USBInfo) string {
	const most = 8
	var lines []string
	for k, i := range list {
		if k == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		lines = append(lines, Describe(i))
	}
	return strings.Join(lines, ", ")
}
