//go:build !cgo || nousb

package usbport

import (
	"context"
	"fmt"

	"photongate/device"
)

// buildHint says how to get a program that can.
const buildHint = "no download has USB in it: build photongate on this computer, on Debian and Raspberry Pi OS with " +
	"apt-get install gcc make pkg-config libusb-1.0-0-dev and then make build"

var errBuilt = fmt.Errorf("%w: this program was built without it", ErrUnavailable)

// Available says that this program was built without USB, and what to do.
func Available() error { return fmt.Errorf("%w (%s)", errBuilt, buildHint) }

// List says that this program was built without USB.
func List() ([]device.USBInfo, error) { return nil, errBuilt }

// Open says that this program was built without USB, and what to do.
func Open(_ context.Context, name string, _ int, _ device.Clock) (device.USBDevice, error) {
	if _, err := parse(name); err != nil {
		return nil, err
	}
	return nil, &device.Error{Op: "open", Port: name, Err: errBuilt, Hint: buildHint}
}
