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
		"mode = \"timestamp\": a time tag for each event, in ticks of 2 ns by the unit's clock; edges of several inputs in one tick are several tags",
		"in that mode silence is told from lost bytes by the markers that the unit sends every 134 ms, and by the computer's clock; what cannot be told ends the part of the record",
		"records that are lost whole while the line or the computer stands still: where times stay late by a period of 268 ms or more although nothing waits any more, the part of the record ends and the times since are a loss; a step unlike those of late, next to a standstill, is a loss",
		"records that are lost whole otherwise leave no trace: they look like the dark",
		"two bytes that the unit loses at high rates are noticed, and the tags around them are a loss of known extent in time and unknown number",
		"a unit that was left streaming is stopped",
		"nothing carries a checksum: a digit that was changed goes unseen; of a record of a tag what shows is a time out of order by more than 66 us or further than 20 ms from the computer's clock, and a marker out of place; other inputs, or a time between its neighbours', are a wrong tag unseen, and so may be one word that is cut wrong behind lost bytes, at low rates",
		"the unit keeps what was set",
	},
	Sources: []string{
		"s-fifteen-instruments/pyS15, S15lib/instruments/usb_counter_fpga.py and serial_connection.py; for time stamps examples/TDC1_time_to_digital_converter.ipynb, which prints a capture",
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
		"what INPKT does: it is sent before a stream, as the maker's programs do",
		"whether the unit tells of events that it had no room for",
		"how its reference clock is while it streams: it can only be asked between two streams, and is when it is opened",
	},
}
