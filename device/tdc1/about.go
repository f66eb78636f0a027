package tdc1

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"USB straight into the computer: the unit is a serial port of its own (CDC-ACM), and the baud rate has no effect",
		"four inputs, 1 to 4, of up to 250 MHz each, for TTL or NIM pulses (option level) or with a threshold of their own (option threshold)",
		"a reference clock from outside can be used (option refclk)",
	},
	Readings: []string{
		"the unit counts when it is asked, for exactly the integration time by its own clock; between two gates lies dead time, which is part of no interval",
		"its stream of time stamps is not read: a unit that was left streaming is stopped",
		"lines carry no checksum: a digit that was lost or changed cannot be seen",
		"the unit keeps what was set",
	},
	Sources: []string{
		"s-fifteen-instruments/pyS15, S15lib/instruments/usb_counter_fpga.py and serial_connection.py",
		"s-fifteen-instruments/Timestamp_TDC1, python/usbcount_class.py",
		"the TDC1's wiki, and the specification in its datasheet",
	},
	Unknown: []string{
		"USB vendor and product id: it is found by its name or by asking",
		"the text of *IDN? but for the word TDC1",
		"blanks and line ends of the answers: any are taken",
		"whether and how a wrong command is answered",
		"range and steps of the threshold, and the volts of TTL and NIM",
		"how REFCLK? and ECLOCK? are answered",
		"whether commands are taken in the middle of a measurement, and whether ABORT ends one",
		"the width of the counters; more than 250 MHz is flagged",
		"the coincidence window of mode pairs",
		"what INPKT does: it is not sent",
	},
}
