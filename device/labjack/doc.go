// Package labjack drives the two counters of a LabJack U3 or U6: 32 bits each, on
// pins that also serve other ends. The product id tells the models apart
// (0cd5:0003, 0cd5:0006).
//
// Commands and answers are packets of at most 64 bytes with two checksums. A command
// that arrived damaged is answered B8 B8 and not carried out, so it is sent again.
// The command Feedback reads both counters at once and, on request, sets them to
// zero in the same moment; its echo byte tells which question an answer belongs to.
// Hence two ways of reading:
//
//   - read "clear": each answer holds what was counted since the one before. Nothing
//     is counted twice and nothing is missed between two answers; what an answer held
//     that is lost on the way is a gap.
//   - read "total": the counters run on and each answer is a running total of 32
//     bits. An answer that is lost costs nothing, and other programs may read along.
//
// A counter counts once ConfigIO has enabled it. That command sets timers, counters
// and the first of their pins together, and which pins are analog; the driver asks
// first, changes only what the option counters (and pin) names, and keeps all else
// as it found it. Setting it restarts the counters. Without the option the counters
// found enabled are read, and nothing is set.
//
// The pins: timers come first, then counter 0, then counter 1, from the pin offset
// on. So counter 1 moves by a pin when counter 0 is enabled as well; the channels
// say where they are.
//
// A U6 answers ConfigIO with timers, counters and offset in bytes 8, 9 and 10, a byte
// further on than they are sent: so the maker's manual and LabJackPython. (A helper
// beside exodriver's examples takes them from bytes 7 to 9, and nothing uses what
// it gives.)
//
// Sources: labjack/LabJackPython src/u3.py, src/u6.py, src/LabJackPython.py;
// labjack/exodriver liblabjackusb/labjackusb.h and examples/U6/u6.c; U6 User's Guide,
// table 5.2.3-1; what published clients do on the wire when they open a U3.
package labjack
