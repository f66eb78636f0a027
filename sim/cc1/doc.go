// Package cc1 simulates the Qubitekk CC1 coincidence counter: two inputs, their
// coincidences, lines of text over a USB serial adapter (FTDI, 19200 8N1).
//
// What is known of the box comes from programs used with it:
// instrumentkit/InstrumentKit src/instruments/qubitekk/cc1.py and
// tests/test_qubitekk/test_qubitekk_cc1.py; a class "Python driver for the CC1
// coincidence counter" (K below).
//
// Firmware up to 2.1 has another set of commands than what came after; which one a
// unit has follows from its version or is chosen in [Options], as are acknowledged
// commands, units behind numbers and the line end, which differ between reports.
//
// Where the programs are silent, this unit does the following. Commands are upper
// case. Values out of range, and odd delays, are answered "Unable to comply" and
// change nothing; the window goes to 8 as K has it. Counters are running totals,
// cleared when the dwell time is over; in start/stop mode they stop instead. CLEA,
// :COUN:ON and a new trigger mode clear them and begin a dwell time; :COUN:OFF
// stops counting. A new dwell time holds from the next beginning on. An empty line
// is answered by nothing. Its power does not come from the cable, and settings
// survive without power unless told otherwise.
package cc1
