//go:build cgo && !nousb

package usbport

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/gousb"

	"photongate/device"
)

// List returns the devices on the USB bus, without hubs, ordered by socket.
// Texts are read from those this user may open. A context of its own is made for
// each call: one kept open learns of new devices only where udev runs.
func List() (list []Info, err error) {
	ctx, err := newContext()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ctx.Close()) }()
	var descriptions []*gousb.DeviceDesc
	devices, openErr := ctx.OpenDevices(func(d *gousb.DeviceDesc) bool {
		if d.Class == gousb.ClassHub {
			return false
		}
		descriptions = append(descriptions, d)
		return true
	})
	texts := map[*gousb.DeviceDesc]Info{}
	for _, d := range devices {
		var i Info
		// A device without a text, or one that does not answer, is listed without it.
		i.Serial, _ = d.SerialNumber()
		i.Manufacturer, _ = d.Manufacturer()
		i.Product, _ = d.Product()
		texts[d.Desc] = i
		err = errors.Join(err, d.Close())
	}
	if openErr != nil && len(descriptions) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, openErr)
	}
	for _, d := range descriptions {
		i := texts[d]
		i.ID = device.USBID{Vendor: uint16(d.Vendor), Product: uint16(d.Product)}
		i.Socket, i.Speed = socket(d), d.Speed.String()
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b Info) int { return strings.Compare(a.Socket, b.Socket) })
	return list, err
}

// newContext starts libusb. The library panics where libusb cannot start, as in
// a container without /dev/bus/usb.
func newContext() (ctx *gousb.Context, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			ctx, err = nil, fmt.Errorf("%w: libusb does not start: %v", ErrUnavailable, cause)
		}
	}()
	return gousb.NewContext(), nil
}

// socket names where a device is plugged in, as the kernel does: bus, then the
// ports down to it.
func socket(d *gousb.DeviceDesc) string {
	ports := make([]string, len(d.Path))
	for k, p := range d.Path {
		ports[k] = strconv.Itoa(p)
	}
	return strconv.Itoa(d.Bus) + "-" + strings.Join(ports, ".")
}
