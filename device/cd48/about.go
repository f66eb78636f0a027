package cd48

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"USB straight into the computer: the box is a serial port of its own (CDC-ACM), and the baud rate has no effect",
		"four inputs A, B, C, D, all with one threshold of 0 to 4.08 V (option threshold) and one impedance, 50 ohm or high (option impedance)",
		"one output voltage of 0 to 4.08 V (option dac)",
	},
	Readings: []string{
		"gate of 100 ms or more: the box times the intervals itself, and sends a line of eight counts after each",
		"shorter gate: this computer asks; a count covers the time between two questions, and each reading says how well that is known",
		"asking clears the counters: nothing is counted twice, and a line that is lost is a gap",
		"counters 0 to 6 have 24 bits, counter 7 has 16; one that overflowed is flagged",
		"lines carry no checksum: a digit that was lost or changed on the line cannot be seen",
		"the box keeps its settings when it is switched off: what the configuration names stays in it",
	},
	Sources: []string{
		"amcdawes/coincidence, README.md (help text of a real box) and coinc/main.py",
		"MATLAB programs of B. Khajavi and E. Galvez, Colgate University",
		"OpenPhysics/pycd48, pycd48/cd48.py and constants.py (its tests are mocks and no evidence)",
	},
	Unknown: []string{
		"whether commands that set something are answered: silence, \"OK\" and echoes are taken",
		"how the answers to v (version) and p (settings) are written, in which order a mask has its inputs there, and how impedance is shown",
		"whether a counter that is full stays so or begins anew, and whether c clears the overflow flags: such a reading is flagged, and E is sent",
		"the width of the coincidence window: one program says 25 ns, another takes 20 ns",
	},
}
