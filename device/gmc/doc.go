// Package gmc drives the GQ GMC Geiger counters, of both protocols: RFC1201 (models
// 280, 300, 320, SE) and RFC1801 (500, 600, 800). It reads their heartbeat: the counts
// of each second, sent by the unit itself.
//
// They hang on a USB-serial chip (CH340 1a86:7523, older ones PL2303), 8N1 at 115200
// baud; GMC-300 of firmware 3 and older have 57600, and some models can be set to other
// rates: option baud. Rates are never tried one after the other, since anything may hang
// on such an adapter. On Ubuntu the braille daemon (brltty) takes 1a86:7523 away, so that
// the port vanishes: remove brltty.
//
// Commands are "<NAME>>" without an end; answers are binary or text without an end.
//
//	<GETVER>>       "GMC-300Re 2.10", 13 to 16 characters; the model tells the protocol
//	<GETSERIAL>>    7 bytes
//	<GETVOLT>>      RFC1201: 1 byte, tenths of a volt; RFC1801: 5 bytes of text, "4.0v" and a NUL
//	<HEARTBEAT1>>   from now on the counts of each second: RFC1201 two bytes, RFC1801 four,
//	                most significant first; of the two bytes the upper two bits are reserved
//	<HEARTBEAT0>>   no more
//
// The heartbeat is off until it is asked for. The driver sends HEARTBEAT0 and waits for
// silence before anything else, since a unit that was left beating corrupts answers;
// switches the heartbeat on, which it says in the event of the opening; and switches it
// off when it is closed. It changes nothing else.
//
// Records carry no mark. Bytes that come within 0.3 s of each other are one burst; a
// burst of another length than whole records, or of more records than seconds have
// passed, is damaged, and the next begins after the pause.
//
// Not known from public sources: whether the first record after HEARTBEAT1 covers a whole
// second (it is left out); how long after its second a record is sent; whether a counter
// stays at its largest value; what the 14 bits hold beyond 16383; which of the two tubes
// of a GMC-500+ the heartbeat counts; what the reserved bits mean. The maker's document
// gives "10 1C" as the heartbeat of 28 counts, which contradicts its own 14 bits (4124);
// published programs mask 14 bits, and so does this driver. The GMC-800 says it is of
// RFC1201; published programs found four bytes and 512 bytes of configuration.
//
// Sources: Wikilicious/pygmc pygmc/documentation/GQ-RFC1201.txt and GQ-RFC1801.txt,
// pygmc/devices/device_rfc1201.py, device_rfc1801.py, device_spec404.py,
// auto_get_device.py, pygmc/connection/const.py, tests/data (answers of real units);
// raleighlittles/GQ_Geiger_Counter_Comm_Protocol RFC1801.txt.
package gmc
