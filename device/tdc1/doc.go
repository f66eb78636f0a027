// Package tdc1 drives the S-Fifteen Instruments TDC1 (four inputs; also sold as
// USB mini counter) in its two counting modes, singles and pairs, and in its mode
// of time stamps. A unit that was left streaming is stopped first.
//
// It is a USB CDC-ACM port; the baud rate is irrelevant. Commands are ASCII, in
// either case, ended by ";", LF or CR LF. Answers are lines. "counts?" begins one
// measurement of the time set with "time", and its answer comes when that is over:
//
//	81403 79218 5 0                                singles: inputs 1 to 4
//	81403 79218 40211 40007 3102 12 9 2988         pairs: besides 1-3, 1-4, 2-3, 2-4
//
// A count is of exactly that time by the unit's own clock. It begins some time
// after the question was written and ends before the answer's first byte: that is
// how well the begin is known. From the end of one measurement until the unit has
// the next question it counts nothing. This dead time is no part of any interval:
// the intervals of the readings do not touch.
//
// Opening asks only, with two exceptions that reading needs and the event says: a
// unit in timestamp mode is set to singles, and a time of 0 (without end) to 1 s.
// What the configuration names is set and read back; a unit keeps it afterwards.
//
// # Time stamps
//
// "inpkt;time 0;timestamp;counts?" begins a stream without header and end, of records
// of 4 bytes (stamps.go); "abort" ends it, which is sent when the source is closed.
//
//	81 3e 00 00    an event of input 1 at 1000 ns
//	05 7d 00 00    of inputs 1 and 3 at 2000 ns: two tags
//	11 ef 01 00    a marker, at 7920 ns; none of it comes out
//	11 ef 01 80    the marker half a period later
//
// Where in a period markers come is learned from the first of them. What the bytes
// alone tell is taken from them: a wrap is a fall of the time by more than 33.5 ms, or
// the same marker again. A silence of more than a period cannot be told from a shorter
// one by the bytes. Three things make it sure (streaming.go, tie.go):
//
//   - markers come every 134 ms, and one that is missing leaves no doubt;
//   - a record cannot arrive before its time, and those that find the port empty arrive
//     some ms behind it. Where the computer's clock says that whole periods have passed
//     in a silence, and says so still 0.7 s later (what only came late has caught up by
//     then), and the port was seen to be empty shortly before, they are counted, and the
//     silence is a loss and a gap "bytes lost";
//   - where it says so and when they passed is not known (the computer had not looked
//     for a while, the unit was seen to hold records back, arrivals vary too much, or too
//     few have come since the begin to say) the stream ends with an
//     error that is ErrChanged. It is opened again, in a new epoch with a clock of its
//     own.
//
// Behind a standstill of the line or the host records are late, and some may have been
// lost (standstill.go). They are given out as they come while they show no hole, as all
// may be well. If they are late by a period or more even 0.7 s after the port was found
// empty, or for 10 s, records were lost, and the stream ends as above; a loss from the
// standstill on says that the times since may be wrong. Where times are late and come
// back into time the wraps are right. A step beyond those of late, or without a marker
// that is due, next to a standstill is a loss "bytes lost", as some may be missing there.
// What is lost without a standstill, or in less time than the light is dark by chance,
// cannot be told from the dark.
//
// At high rates the unit may lose two bytes: all words behind are cut in the wrong place.
// That shows by markers out of place, by times that run ahead of the computer's clock or
// fall back. The place where records go on is looked for (repair.go); what is left out is
// a loss and a gap "damaged bytes". Bytes that leave a doubt are held back until enough
// have come to judge by, for 0.7 s at the longest.
//
// While the unit streams it is asked nothing, as an answer would be buried among the
// records. So a reference clock that goes away is only told when the stream is opened.
//
// A unit that restarted by itself may count for another time and answer as if nothing
// were. After an answer that was lost or late the settings are asked for again, before
// the late one becomes a reading; where they differ the unit is given up, to be opened
// again.
//
// TIME? answers with a signed 16-bit number: from 32768 ms on it is negative.
//
// Not known from public sources: VID and PID; the text of *IDN? but for the word
// TDC1; blanks and line ends of the answers (runs of blanks, tabs, commas and
// semicolons, CR LF and LF are taken); whether a wrong command is answered, and
// how; the range and the steps of the threshold (20 mV of difference are taken for
// rounding); the words behind the number of LEVEL?, and the volts of TTL and NIM;
// how REFCLK? and ECLOCK? are answered; whether commands are taken in the middle of
// a measurement, and whether ABORT ends one; the width of the counters, and what a
// full one does (more than the 250 MHz of the specification is flagged); the
// coincidence window of pairs mode; what INPKT does (it is sent before a stream, as
// programs do); whether the unit tells of events it had no room for, beyond the average
// 10 million a second of its specification; how far events may come out of order (66 us
// are taken without a question); when markers are left out, as one is in the only capture
// that is printed (it fits that there is one only where a half of a period had no event).
//
// The line carries no checksum: a digit that was lost or changed cannot be seen.
//
// Sources: s-fifteen-instruments/pyS15 S15lib/instruments/usb_counter_fpga.py and
// serial_connection.py; s-fifteen-instruments/Timestamp_TDC1
// python/usbcount_class.py; the TDC1's wiki and the specification in its datasheet; for
// time stamps pyS15's examples/TDC1_time_to_digital_converter.ipynb, which prints a
// capture, and its decoder read_timestamps_bin3 for the two bytes.
package tdc1
