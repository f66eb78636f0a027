// Package tdc1 drives the S-Fifteen Instruments TDC1 (four inputs; also sold as
// USB mini counter) in its two counting modes, singles and pairs. Its stream of
// time stamps is not read: a unit that was left streaming is stopped.
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
// coincidence window of pairs mode; what INPKT does (it is not sent: programs send
// it before a stream only).
//
// The line carries no checksum: a digit that was lost or changed cannot be seen.
//
// Sources: s-fifteen-instruments/pyS15 S15lib/instruments/usb_counter_fpga.py and
// serial_connection.py; s-fifteen-instruments/Timestamp_TDC1
// python/usbcount_class.py; the TDC1's wiki and the specification in its datasheet.
package tdc1
