// Package umass simulates the FPGA time tagger of the University of Massachusetts (by
// Ben Gamari): a Cypress FX2 with its firmware loaded, and an FPGA that writes down
// when which of four inputs fired.
//
// Facts come from bgamari/timetag-tools (timetagger.cpp, record_format.h, record.cpp,
// timetag_acquire.cpp). Registers are read and written with commands of 8 bytes on
// endpoint 0x02: AA, 1 for writing, the number of the register (16 bits, low byte
// first), a value (32 bits, low byte first); the value comes back on 0x88. Tags come on
// 0x86 as records of 6 bytes, the high byte first: bits 35 to 0 the time in ticks of
// the clock of register 2, 36 to 39 the inputs, 45 that it tells of levels (delta) and
// not of pulses (strobe), 46 that the time has wrapped since the record before, 47 that
// records were lost before this one.
//
// Where the source is silent, this tagger does the following. A command to write is
// answered too, with what the register holds then; there is an option for one that does
// not. Bytes that begin no command are passed over. At power-on all inputs make strobe
// records and none delta records, and the timer stands at 0. While bit 2 of the capture
// control is set the timer is 0; while bit 1 is not set it stands still. The counts of
// records and of those lost begin at power-on. A packet of data goes out when it is full,
// 512 bytes unless vendor request 1 said otherwise. Flushing throws away what waits. When
// its memory runs over, the packet that is being filled ends in the middle of a record,
// whose rest is lost, and records go on when there is room for a packet. A delta record
// has the levels of all the inputs that its mask names.
package umass
