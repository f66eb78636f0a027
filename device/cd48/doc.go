// Package cd48 drives the Red Dog Physics CD48 coincidence counter (designed by
// Eric Ayars; Cypress PSoC5): inputs A B C D and eight counters, each counting
// the coincidence of any subset of the inputs.
//
// It is a USB CDC-ACM port; the baud rate is irrelevant. Commands are single
// letters, case-sensitive, with zero-padded arguments, one Write each and 50 ms
// apart. The machine form of the counts, the answer to "c" and the line of
// repeat mode alike, is
//
//	57012 27003 26944 101 3007 2988 12 60 0
//
// eight counters and an overflow byte, whose bit n says that counter n
// overflowed. Reading clears the counters. Counters 0 to 6 have 24 bits, counter
// 7 has 16.
//
// Two ways of reading. With a gate of 100 ms to 65.535 s the box times the
// intervals itself (repeat mode, "r" and "R"); the first line after enabling is
// wrong and is dropped. With a shorter gate the driver asks with "c", and the
// interval is known as well as the host's clock allows. With no gate in the
// configuration nothing is changed: a box that already repeats is listened to,
// any other is asked every 100 ms.
//
// The box keeps its settings over a power cycle, and there is no way to set
// something for the session only: whatever the configuration names stays in the
// instrument. "R" toggles; the driver reads "p" first and sends it only when
// needed.
//
// Whether set commands answer, in which order the bits of the masks come in the
// answer to "p", and how impedance is shown there is not known from public
// sources: silence, "OK" and echoes are accepted, and the order is recognised
// where it shows.
//
// Threshold, impedance and DAC can be changed while the box is read: a command
// goes out between two lines or two questions. Masks, gate and terminator change
// what is read, and want the box to be opened anew.
//
// A box that restarted by itself may have other settings and go on as if nothing
// were: Check asks "p" while it is read. What it does not take at the opening is
// sent once more and then told as it is.
//
// The line carries no checksum: a digit that was lost or changed cannot be seen.
//
// Sources: amcdawes/coincidence README.md (help text of a real unit) and
// coinc/main.py; MATLAB programs of B. Khajavi and E. Galvez, Colgate
// University; OpenPhysics/pycd48 pycd48/cd48.py and constants.py.
package cd48
