package cc1

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"USB straight into the computer: inside is an FT232 serial chip, of whose USB id every FTDI cable is; nothing is sent to one on a guess",
		"two inputs, 1 and 2, and a gate input that can be made to count (option gate_input)",
	},
	Readings: []string{
		"trigger \"stop\": each gate is begun by the driver, measured by the box, and read when it has ended; whole, but nothing is counted for somewhat more than 0.1 s between two",
		"trigger \"continuous\": the box clears its totals itself; the last ones seen before are the reading, and what came after them is lost and said not to be live",
		"trigger \"stop\": the first total of each gate is asked for until it was the same twice: a box that restarted, and counts on, shows; then readings are unverified until its settings were asked for",
		"trigger \"continuous\": the dwell time is asked for at once when the box was silent, cleared out of turn, or not when it should have; of a box that restarted it is not claimed how many gates are missing",
		"lines carry no checksum: settings are asked for twice",
	},
	Sources: []string{
		"instrumentkit/InstrumentKit, src/instruments/qubitekk/cc1.py with its tests and examples",
		"an independent class \"Python driver for the CC1 coincidence counter\"",
	},
	Unknown: []string{
		"what cannot be seen with trigger \"continuous\": a box that restarts between two questions, when its totals are not lower at the second; the reading of that gate is then of a shorter time than is said. With trigger \"stop\" it shows, but in the dark, where totals of 0 stand still whatever the box does",
		"the width of the counters",
		"whether the dwell time begins anew with CLEA in continuous mode: the driver does not send it there",
		"whether CLEA alone begins a gate in start/stop mode on all boxes: option start",
		"how long totals stand still after the dwell time, and whether the box takes a moment to clear them",
		"whether coincidences become negative when accidentals are subtracted: such a line is no count, and absent",
		"whether there are windows of 0 and 8 ns: one client takes 0 to 7, another 1 to 8",
		"how WIND? and DELA? are answered by boxes that print units",
		"what the inputs take (levels, impedance)",
	},
}
