//go:build !linux

package usbport

// Plugged returns the devices on the USB bus, without hubs, ordered by socket. Only
// libusb tells them here, which opens those it may to read their texts; it is
// ErrUnavailable where this program was built without.
func Plugged() ([]Present, error) {
	infos, err := List()
	if err != nil {
		return nil, err
	}
	list := make([]Present, 0, len(infos))
	for _, i := range infos {
		list = append(list, Present{USBInfo: i})
	}
	return list, nil
}
