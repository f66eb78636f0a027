package h11890

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"USB straight into the computer; photongate must be built with USB",
		"photomultiplier and its high voltage are in the head",
	},
	Readings: []string{
		"the head times its integrations by its own clock and sends a packet after each; times come from counting packets",
		"packets carry an index: one that is left out says how many are missing",
		"opening stops a head that counts, and starts it anew without end; closing stops it; the high voltage stays as it is unless the configuration names it",
	},
	Sources: []string{"DCC-Lab/PyHardwareLibrary, commit 8fed8bb, hardwarelibrary/photoncounters/hamamatsu.py with its tests (one reverse engineering, with a real head)"},
	Unknown: []string{
		"the numbers of the endpoints: they are taken from what the device says of itself",
		"whether it counts between two integrations",
		"whether settings are answered: either way is taken",
		"the largest high voltage: the option takes no more than the default that was seen",
		"whether bit 15 of a count says that there was too much light, or is part of a count above 32767: option overload",
	},
}
