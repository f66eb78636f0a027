//go:build cgo && !nousb

package usbport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/google/gousb"

	"photongate/device"
)

// The kernel's own driver may be half bound to a device that was just plugged
// in: the interface is asked for a few times.
const (
	claimTries = 5
	claimPause = 100 * time.Millisecond
)

// Open opens a device by its name in the configuration, usb:VID:PID,
// usb:VID:PID:SERIAL or usb-path:SOCKET, takes the interface of the number (or the
// only one there is) from the kernel's driver, if one has it, and returns the
// device. It looks at what is plugged in now. Closing the device gives the
// interface back to that driver.
//
// Errors are a *device.Error and one of ErrNoPort, ErrBusy, ErrPermission,
// ErrAmbiguous, ErrGone or ErrUnavailable. Open may be called concurrently. It
// looks at ctx between its steps, each of which takes a few seconds at most.
func Open(ctx context.Context, name string, interfaceNumber int, clock device.Clock) (device.USBDevice, error) {
	want, err := parse(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, &device.Error{Op: "open", Port: name, Err: err}
	}
	b, err := look(want.fits)
	if err != nil {
		return nil, &device.Error{Op: "open", Port: name, Err: err, Hint: "is there a /dev/bus/usb, and may this program see it?"}
	}
	info, err := b.choose(want)
	if err != nil {
		return nil, errors.Join(err, b.close(nil))
	}
	handle := b.open[info.Socket]
	d := &usbDevice{ctx: b.ctx, handle: handle, info: info, clock: clock}
	if err = b.close(handle); err == nil {
		err = d.claim(ctx, interfaceNumber)
	}
	if err != nil {
		return nil, errors.Join(explain(name, info, err), d.release())
	}
	d.life, d.end = context.WithCancel(context.Background())
	d.streams = map[uint8]*usbStream{}
	return d, nil
}

// choose returns the one device that is wanted and could be opened.
func (b *bus) choose(want wanted) (device.USBInfo, error) {
	var found []device.USBInfo
	var denied *device.USBInfo
	for _, i := range b.seen {
		opened := b.open[i.Socket] != nil
		if !opened {
			denied = &i
		}
		if want.serial == "" || opened && i.Serial == want.serial {
			found = append(found, i)
		}
	}
	switch {
	case len(found) > 1:
		return device.USBInfo{}, &device.Error{Op: "open", Port: want.name,
			Err:  fmt.Errorf("%w: %s", device.ErrAmbiguous, describeAll(found)),
			Hint: "add the serial number, or name the socket with usb-path:"}
	case len(found) == 1 && b.open[found[0].Socket] != nil:
		return found[0], nil
	case denied != nil:
		return device.USBInfo{}, explain(want.name, *denied, b.err)
	}
	hint := "nothing of this kind is plugged in"
	if len(b.seen) > 0 {
		hint = "of this kind there is " + describeAll(b.seen)
	} else if len(b.all) > 0 {
		hint = "on USB there is " + describeAll(b.all)
	}
	return device.USBInfo{}, &device.Error{Op: "open", Port: want.name, Err: device.ErrNoPort, Hint: hint}
}

// claim chooses the configuration and takes an interface of it.
func (d *usbDevice) claim(ctx context.Context, number int) error {
	active, err := d.handle.ActiveConfigNum()
	if err != nil {
		return err
	}
	if active == 0 && len(d.handle.Desc.Configs) > 0 { // nobody chose one
		active = slices.Min(slices.Collect(maps.Keys(d.handle.Desc.Configs)))
	}
	// Without automatic detaching until now, or it would take all interfaces from
	// their drivers, and give back one.
	if d.config, err = d.handle.Config(active); err != nil {
		return err
	}
	if err := d.handle.SetAutoDetach(true); err != nil {
		return err
	}
	if number, err = d.number(number); err != nil {
		return err
	}
	pause := time.NewTicker(claimPause)
	defer pause.Stop()
	for try := 1; ; try++ {
		if d.claimed, err = d.config.Interface(number, 0); err == nil {
			break
		}
		if try == claimTries || !tells(err, gousb.ErrorBusy) {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.info.Interface = number
	d.info.Endpoints = endpoints(d.claimed.Setting)
	return nil
}

// number returns the number of the interface to take, and lays the list of
// interfaces so that the library finds it: that looks for the number n at place n.
func (d *usbDevice) number(wanted int) (int, error) {
	there := d.config.Desc.Interfaces
	if len(there) == 1 {
		wanted = there[0].Number
	}
	laid := make([]gousb.InterfaceDesc, 0, len(there))
	var numbers []int
	found := false
	for _, i := range there {
		for len(laid) <= i.Number {
			laid = append(laid, gousb.InterfaceDesc{Number: -1})
		}
		laid[i.Number] = i
		numbers = append(numbers, i.Number)
		found = found || i.Number == wanted
	}
	if !found {
		return 0, fmt.Errorf("%w: it has no interface %d, only %v", device.ErrNonsense, wanted, numbers)
	}
	d.config.Desc.Interfaces = laid
	return wanted, nil
}

// endpoints lists the endpoints of an interface by address.
func endpoints(s gousb.InterfaceSetting) []device.USBEndpoint {
	var list []device.USBEndpoint
	for _, e := range s.Endpoints {
		kind := "bulk"
		switch e.TransferType {
		case gousb.TransferTypeInterrupt:
			kind = "interrupt"
		case gousb.TransferTypeIsochronous:
			kind = "isochronous"
		}
		// Above the size stand bits that only fast interrupt endpoints have.
		list = append(list, device.USBEndpoint{Address: uint8(e.Address), Kind: kind, MaxPacket: e.MaxPacketSize & 0x7FF})
	}
	slices.SortFunc(list, func(a, b device.USBEndpoint) int { return cmp.Compare(a.Address, b.Address) })
	return list
}

// explain turns an error of opening a device into one with a kind and a hint.
func explain(name string, i device.USBInfo, err error) error {
	e := &device.Error{Op: "open", Port: name, Err: kind(err)}
	switch {
	case errors.Is(e.Err, device.ErrPermission):
		e.Hint = permissionHint(i)
	case errors.Is(e.Err, device.ErrBusy):
		e.Hint = "another program has " + Describe(i) + " open: end that program"
	case errors.Is(e.Err, device.ErrGone):
		e.Hint = "was it just unplugged?"
	case runtime.GOOS == "windows":
		e.Hint = "give the device the driver WinUSB, with Zadig (https://zadig.akeo.ie)"
	default:
		e.Hint = "unplug " + Describe(i) + " and plug it in again"
	}
	return e
}

// permissionHint says how this user gets to open a device.
func permissionHint(i device.USBInfo) string {
	if runtime.GOOS != "linux" {
		return "this user may not open " + Describe(i)
	}
	return "this user may not open USB devices: sudo make install-udev installs the rules that allow it (from an archive of a release: sudo cp udev/*.rules /etc/udev/rules.d); " +
		"join the group plugdev where you do not sit at the computer, and plug " + Describe(i) + " in again"
}
