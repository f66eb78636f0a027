package sr400

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"RS-232: the instrument is DCE; baud rate, word length, parity and echo are set in its COM menu and cannot be changed from here: 8 bits, no parity, echo off",
		"or its GPIB socket with a Prologix-style adapter, which is a serial port to the computer (option adapter; address 23 unless it was changed)",
		"signals at INPUT 1 and INPUT 2, discriminator levels from -0.3 to 0.3 V; trigger at TRIG, level from -2 to 2 V",
		"PORT 1 and PORT 2 at the rear put out -10 to 10 V (options port_1, port_2)",
	},
	Readings: []string{
		"counters A and B count until T (or B) has reached its preset; then comes the dwell time, and the next period",
		"points are read by number from the scan's buffer, each until it was the same twice: an answer that is lost costs no count",
		"each point is given after a question was answered that no count can be the answer to (a level, the dwell time): an answer that comes late is never taken for that to another question",
		"the last point of a scan that begins anew by itself is absent where another may have been completed before it was read",
		"a reading's interval is dwell time and period; its live time is the period, where the 10 MHz clock times it",
		"between two scans that photongate starts nothing is counted",
		"without start = true it is read as it counts, and somebody presses START",
	},
	Sources: []string{
		"public copy of the maker's manual, printed pages 10, 37, 39, 42, 45, 46",
		"qrspeter/Photon-counting-spectral, srs_counter/srs_counter.cpp (RS-232)",
		"ISISComputingGroup/EPICS-Stanford_SR400_Photon_Counter, stanford_sr400_photon_counterSup",
		"lantzproject/lantz-drivers, lantz/drivers/stanford_rs/sr400.py",
		"heeres/qtlab, instrument_plugins/SR_400.py",
		"pekermilas/InstrumentControlLibraries, sr400_PhotonCounter_Control.py",
		"horowitz-lab/photon-counting, Photon_Counter_GPIB.py",
		"kkucc/sr400 (Prologix)",
	},
	Unknown: []string{
		"how real numbers are written: any usual form is read",
		"the capacity of the counters",
		"whether QA gives A, or the difference or sum, in modes that count these",
		"whether a new scan clears the buffer, and whether there is a dwell time before it",
		"how much longer a period is than gate and dwell time: up to 2 ms are allowed for",
		"whether settings sent from here set the bit \"changed on the panel\"",
		"whether MI, PL and the gate widths can be asked for: if not, they are told as sent",
		"what NN means while it counts: it is not used",
		"whether gate widths can be asked for matters where levels A and B and the dwell time are whole numbers: if not, nobody can tell a late answer from another, and all readings are flagged unverified",
		"which point of a scan that begins anew by itself an answer belongs to, where nobody knows how long a period is and this computer is behind by a whole scan",
	},
}
