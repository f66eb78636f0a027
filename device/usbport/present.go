package usbport

import "photongate/device"

// Present is a device that is plugged in, as the system knows it.
type Present struct {
	device.USBInfo        // without endpoints
	Node           string // what libusb opens: "/dev/bus/usb/001/004"; empty when not known
}
