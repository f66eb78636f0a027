package de2ccu

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"the board's RS-232 socket (DB9) to the computer, with a USB adapter where it has no such port; the board only sends",
		"slide switches on the board choose which coincidences are counted, and the pulse width; it does not tell how they are set",
	},
	Readings: []string{
		"the board counts for 0.1 s, sends a packet, and counts on: no dead time, no running totals, 32 bits each",
		"times come from counting packets by the board's crystal, not from when they arrive",
		"packets carry no checksum: a missing or additional byte shows and becomes a gap, a flipped low bit does not show",
		"with 8 counters they are A, B, A', B' and four coincidences that the switches choose: name the channels in the configuration",
	},
	Sources: []string{
		"Kanjumpa/Capstone, DE2_115_2012Capstone_DONT_EDIT/DataOut.vhd and RS232coincidencecounter.vhd (the transmitter itself) and QIE_final/serial_data.py",
		"controller of Harvey Mudd College (K. W. Shi, A. Roberson), ccu.py",
		"MATLAB programs of B. Khajavi and E. Galvez, Colgate University",
		"a Python class PhotonCounter of another group",
	},
	Unknown: []string{
		"how the switches of a board are set: nothing on the line says so",
		"why one published reader drops the first packet; this driver drops it too",
	},
}
