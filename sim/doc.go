// Package sim makes instruments that do not exist: seeded light, the counters
// that would have counted it, and the ways in which cables and boxes fail.
//
// A simulated instrument is a state machine (see [Instrument]) that speaks the
// real bytes. A [Runner] gives it time, plugs it into a [Conn] (a pty, a TCP
// port, or memory), applies [Fault]s to what it sends, and writes what it really
// counted (the truth): as CSV, or 9 bytes for each detection of an instrument that
// gives time tags. [TagLight] draws these. Everything random follows from one seed.
//
// The package knows nothing of the drivers that read these instruments: both
// were written separately from the same descriptions of the hardware, so that a
// mistake in one cannot hide in the other.
package sim
