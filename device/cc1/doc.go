// Package cc1 drives the Qubitekk CC1 coincidence counter: inputs 1 and 2, their
// coincidences within a window of some nanoseconds, a delay of input 1, a gate
// input, and on request the subtraction of accidental coincidences.
//
// It is an FT232 at 19200 baud, 8N1. Commands and answers are lines that end in
// LF. FIRM? is answered "Firmware v2.010"; the parts are numbers (2.10), and what
// is above 2.1 has the new command set. The old one writes 1 and 0 instead of ON
// and OFF, and tells the dwell time in milliseconds, whatever unit it prints.
//
// COUN:C1?, COUN:C2? and COUN:CO? ask for running totals. Asking does not clear
// them, and three questions are not one instant. When the dwell time is over the
// box clears them itself (continuous mode), or stands still (start/stop mode).
// Hence two ways of reading:
//
//   - trigger "stop": the driver begins a gate with CLEA, waits, and reads the
//     totals when they stand still. A gate is measured by the box, whole, and the
//     same for all channels; what is lost on the way is asked for again. Between
//     two gates nothing is counted, for somewhat more than 0.1 s. The first total is
//     asked for until it was the same twice: a box that has restarted meanwhile counts
//     on. In the dark that cannot be seen.
//   - trigger "continuous": the totals are asked for around the time at which the
//     box clears them; the last ones before it are the reading, and their time is
//     the live time. When the box cleared shows as a total that is lower than
//     before, and is known to some milliseconds after a few gates. Gates of the
//     length of a few answers (0.2 s and less) are hardly worth reading so. At signs of
//     a restart (silence, a clearing out of turn, or none where one was due) the dwell
//     time is asked for before anything else.
//
// FIRM? follows each set of counts: its answer proves that three questions had
// three answers. After anything unclear (silence, a refusal, lines nobody asked
// for) it is asked until answered: the box answers in order, so a late answer
// cannot be taken for another's.
//
// Opening changes nothing that the configuration does not name. Published clients
// switch acknowledgements off first (":ACKN OF"); here both ways are understood,
// and the option acks switches them. Counts are cleared (CLEA) in start/stop mode
// only, where a gate cannot be had without it. Settings are asked for twice, since
// lines carry no checksum. Window, delay, gate input and subtraction can be
// changed while the box is read; gate and trigger want it to be opened anew.
//
// Not known from public sources: the width of the counters; whether the dwell
// time begins anew with CLEA in continuous mode (the driver does not send it
// there); whether CLEA alone begins a gate in start/stop mode on all units (option
// start); how long after the end of the dwell time the totals stand still, and
// whether the box takes a moment to clear them; whether coincidences can become
// negative when accidentals are subtracted (such a line is no count, and absent);
// whether windows of 0 and 8 ns exist (one client takes 0 to 7, another 1 to 8);
// what an answer to WIND? and DELA? looks like on units that print "ns".
//
// Sources: instrumentkit/InstrumentKit src/instruments/qubitekk/cc1.py with its
// tests and examples; an independent class "Python driver for the CC1 coincidence
// counter"; what both do on the wire.
package cc1
