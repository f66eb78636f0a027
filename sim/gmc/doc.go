// Package gmc simulates the Geiger counters GMC-300 to GMC-800 of GQ Electronics:
// commands such as <GETCPM>> without a terminator, binary replies, and a heartbeat
// that tells the counts of every second until it is stopped.
//
// There are two protocols, GQ-RFC1201 (GMC-280, 300, 320, SE: 16-bit numbers, of
// which a heartbeat uses 14) and GQ-RFC1801 (GMC-500, 600, 800: 32-bit numbers).
// Facts come from the maker's descriptions as kept in Wikilicious/pygmc
// pygmc/documentation/GQ-RFC1201.txt and raleighlittles/GQ_Geiger_Counter_Comm_Protocol
// RFC1801.txt, and from pygmc/devices/device_rfc1201.py.
//
// The counter has a battery: a pulled cable stops nothing. Seconds are those of its
// own clock from power-on. Where the sources are silent: numbers that do not fit are
// told as the largest that does; a command it does not know is answered by nothing;
// the second tube of RFC1801 counts nothing; the heartbeat is off after a restart.
package gmc
