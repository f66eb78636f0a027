package mccctr

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"USB straight into the computer; photongate must be built with USB",
		"4 counters (USB-CTR04) or 8 (USB-CTR08), each with a gate input (option gate_input); which terminals they are on: see the maker's manual, it is not in the source read",
		"freshly plugged it is without its logic: option image names the file usb-ctr.rbf that holds it, which comes with the maker's software and with mcc-libusb",
	},
	Readings: []string{
		"64 bits each, which do not overflow in practice",
		"read \"total\": this computer asks one counter after the other for its running total; an answer that is lost costs nothing",
		"read \"clear\": the same with counters that are cleared by being read; an answer that is lost is a gap",
		"read \"scan\": the device reads all counters in the same moment, paced by its own clock, and says when it could not send in time",
		"asked one after the other, the counters are read some tenths of a millisecond apart; the uncertainty of a reading covers that",
	},
	Sources: []string{"wjasper/Linux_Drivers, USB/mcc-libusb/usb-ctr.h, usb-ctr.c, test-usb-ctr.c (one author, widely used)"},
	Unknown: []string{
		"whether the first scan comes at once or after one period: its time is fitted to the arrivals either way",
		"whether a scan clears counters that are cleared by being read: the driver switches that off for it",
		"why the source's test program sets a bit (0x40) in the list of a scan that is described as filling with zeros: it is left clear",
	},
}
