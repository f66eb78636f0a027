// Package de2ccu simulates the coincidence counting unit made of an Altera DE2 or
// DE2-115 board, as used in teaching laboratories (Beck and Lord, Whitman College;
// Colgate, Toronto, Harvey Mudd).
//
// The board sends and never listens: RS-232, 19200 8N1, one packet of counters per
// gate from power-on, whether anybody reads or not. A host that opens the port
// finds itself in the middle of a packet.
//
// Facts come from the VHDL of the design and from readers used with it:
// Kanjumpa/Capstone DE2_115_2012Capstone_DONT_EDIT/DataOut.vhd and
// RS232coincidencecounter.vhd; its reader QIE_final/serial_data.py.
package de2ccu
