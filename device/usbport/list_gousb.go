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

// Available says whether this program can use USB: nil, or an error that is
// ErrUnavailable and says what to do.
func Available() error { return nil }

// List returns the devices on the USB bus, without hubs, ordered by socket.
// Texts are read from those this user may open; endpoints are not listed.
// It may be called while devices are open, and concurrently.
func List() (list []device.USBInfo, err error) {
	bus, err := look(func(device.USBInfo) bool { return true })
	if err != nil {
		return nil, err
	}
	if bus.err != nil && len(bus.seen) == 0 {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, bus.err), bus.close(nil))
	}
	return bus.seen, bus.close(nil)
}

// bus is what a look at the bus found.
type bus struct {
	ctx  *gousb.Context
	all  []device.USBInfo // everything but hubs, without texts, since it was not opened
	seen []device.USBInfo // that were asked for, ordered by socket; texts of those that could be opened
	open map[string]*gousb.Device
	err  error // of the last one that could not be opened
}

// look opens the devices that fits chooses by ids and socket. A context of its
// own is made for each look: one kept open learns of new devices only where udev
// runs.
func look(fits func(device.USBInfo) bool) (*bus, error) {
	ctx, err := newContext()
	if err != nil {
		return nil, err
	}
	b := &bus{ctx: ctx, open: map[string]*gousb.Device{}}
	devices, openErr := ctx.OpenDevices(func(d *gousb.DeviceDesc) bool {
		i := infoOf(d)
		if d.Class == gousb.ClassHub {
			return false
		}
		b.all = append(b.all, i)
		if !fits(i) {
			return false
		}
		b.seen = append(b.seen, i)
		return true
	})
	b.err = openErr
	for _, d := range devices {
		b.open[socket(d.Desc)] = d
	}
	for k := range b.seen {
		i := &b.seen[k]
		if d := b.open[i.Socket]; d != nil {
			// A device without a text, or one that does not answer, is listed without it.
			i.Serial, _ = d.SerialNumber()
			i.Manufacturer, _ = d.Manufacturer()
			i.Product, _ = d.Product()
		}
	}
	slices.SortFunc(b.seen, func(x, y device.USBInfo) int { return strings.Compare(x.Socket, y.Socket) })
	return b, nil
}

// close gives back all devices but one, and the context if there is none to keep.
func (b *bus) close(keep *gousb.Device) (err error) {
	for _, d := range b.open {
		if d != keep {
			err = errors.Join(err, d.Close())
		}
	}
	if keep == nil {
		err = errors.Join(err, b.ctx.Close())
	}
	return err
}

// infoOf is what the descriptor says without asking the device.
func infoOf(d *gousb.DeviceDesc) device.USBInfo {
	i := device.USBInfo{
		ID:     device.USBID{Vendor: uint16(d.Vendor), Product: uint16(d.Product)},
		Socket: socket(d), Release: uint16(d.Device),
	}
	if d.Speed != gousb.SpeedUnknown {
		i.Speed = d.Speed.String()
	}
	return i
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
