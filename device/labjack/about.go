package labjack

import "photongate/device"

// aboutLabJack is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var aboutLabJack = device.About{
	Wiring: []string{
		"USB straight into the computer; photongate must be built with USB",
		"the counters are on pins shared with other uses: timers come first, then counter 0, then counter 1, from the first pin on (option pin); each channel says which pin it is on",
		"freshly plugged no counter is enabled: option counters enables them and makes their pins digital inputs",
	},
	Readings: []string{
		"this computer times: each reading's edges are those of a question and its answer",
		"read \"clear\": each answer holds what was counted since the one before, and what an answer held that was lost is a gap",
		"read \"total\": the counters run on, 32 bits, and an answer that was lost costs nothing",
		"commands and answers carry checksums",
	},
	Sources: []string{
		"labjack/LabJackPython, src/u3.py, src/u6.py, src/LabJackPython.py (with dumps)",
		"labjack/exodriver, liblabjackusb/labjackusb.h",
		"U6 User's Guide, 5.2.3 (ConfigIO): where a U6 answers which counters are on",
	},
	Unknown: []string{
		"the largest rate, and what the pins take: see the maker's manual",
	},
}
