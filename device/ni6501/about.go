package ni6501

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"USB straight into the computer; photongate must be built with USB, and puts the kernel's driver (comedi) aside while the device is open",
		"which terminal the counter is on: see the maker's manual, it is not in the source read",
	},
	Readings: []string{
		"this computer times: it reads the running total of 32 bits, whose edges are those of a question and its answer",
		"an answer that is lost costs nothing; a total that no pulses can have brought means somebody set it, or the device restarted",
		"answers carry neither number nor checksum",
	},
	Sources: []string{"torvalds/linux, drivers/comedi/drivers/ni_usb6501.c"},
	Unknown: []string{
		"whether the counter runs when the device is plugged in; it cannot be asked: option counter starts it",
		"the largest rate",
		"whether it counts rising or falling edges",
	},
}
