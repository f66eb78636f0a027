package gmc

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"USB straight into the computer: inside is a serial chip (CH340, older ones PL2303) whose USB id many things carry; nothing is sent to one on a guess",
		"on Ubuntu the braille daemon (brltty) takes the CH340 away, so that the port vanishes: remove brltty",
	},
	Readings: []string{
		"the unit sends the counts of each second by itself once its heartbeat is on; the driver switches it on, and off when it is closed",
		"times come from counting seconds; records carry neither number nor checksum: lost bytes show by the pause between two, changed ones do not",
		"models 280 to 320 and SE have 14 bits a second, 500 to 800 have 32",
	},
	Sources: []string{
		"Wikilicious/pygmc, pygmc/documentation/GQ-RFC1201.txt and GQ-RFC1801.txt (the maker's documents)",
		"Wikilicious/pygmc, pygmc/devices, pygmc/connection/const.py, tests/data (answers of real units)",
		"raleighlittles/GQ_Geiger_Counter_Comm_Protocol, RFC1801.txt",
	},
	Unknown: []string{
		"whether the first record after HEARTBEAT1 covers a whole second: it is left out",
		"how long after its second a record is sent",
		"whether a counter stays at its largest value, and what 14 bits hold beyond 16383",
		"which of the two tubes of a GMC-500+ the heartbeat counts",
		"what the two reserved bits mean; the document's own example contradicts them",
	},
}
