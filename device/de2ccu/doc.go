// Package de2ccu drives the coincidence counting unit built into an Altera DE2
// or DE2-115 board (M. Beck and J. Lord, Whitman College; in use at Colgate,
// Harvey Mudd and Toronto).
//
// The board sends one packet every 0.1 s on RS-232 at 19200 8N1, from power-on,
// and listens to nothing: it can neither be identified nor configured. Each
// packet holds the counts of the 0.1 s before it, so there is no dead time and
// no running total.
//
// A counter is five bytes of seven bits, least significant first; bit 7 is
// always clear and the fifth byte holds bits 28 to 31 only. A byte FF, which no
// counter can contain, ends the packet:
//
//	counter 0 (5 bytes) ... counter 7 (5 bytes) FF       41 bytes, 8 counters
//	counter 0 (5 bytes) ... counter 14 (5 bytes) FF      76 bytes, 15 counters
//
// Sources: the transmitter, Kanjumpa/Capstone
// DE2_115_2012Capstone_DONT_EDIT/DataOut.vhd and RS232coincidencecounter.vhd
// (baud clock 50 MHz / 2604, a packet every 1920 baud ticks, latched and cleared
// at its start); its reader QIE_final/serial_data.py; and three readers of other
// groups that agree on the frame.
//
// With 8 counters the first four are A, B, A', B'; what the other four are
// depends on the board's slide switches, which are not reported: name them in
// the configuration. The edition is recognised by the distance between the FFs.
//
// There is no checksum: a flipped bit among the low seven of a data byte changes
// a count and cannot be seen. A missing or extra byte, a set bit 7 and a fifth
// byte beyond 0F can: such a packet becomes a gap.
package de2ccu
