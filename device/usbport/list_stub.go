//go:build !cgo || nousb

package usbport

import "fmt"

// List says that this program was built without USB.
func List() ([]Info, error) {
	return nil, fmt.Errorf("%w: this program was built without libusb (cgo off or tag nousb)", ErrUnavailable)
}
