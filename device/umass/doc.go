// Package umass drives the FPGA timetagger of the University of Massachusetts (Ben
// Gamari's, on a KNJN Xylo-EM board: Cypress FX2 and FPGA). Four strobe inputs are
// recorded at their rising edges; four delta inputs, which the board's own sequencer
// drives by default, at each change.
//
// USB 04b4:1004 once the FX2 has its firmware (timetag-fx2); without, it is a bare
// 04b4:8613. Interface 0; endpoints 02 for commands, 88 for answers of 4 bytes, 86 for
// data. A command reads or writes a register, and is answered with its value:
//
//	aa 00 02 00 00 00 00 00 -> 00 20 a1 07    register 02, the clock rate: 128000000 Hz
//	aa 01 03 00 03 00 00 00 -> 03 00 00 00    register 03: capture and count
//
// Opening stops the capture, clears counter and memories and starts it: the first record
// is of a tick soon behind 0. Which inputs are recorded stays as it is unless the
// configuration says so, or no strobe is on, as after plugging in. Closing stops the
// capture.
//
// Data are records of 6 bytes, high bytes first (wire.go):
//
//	00 10 00 00 03 e8    strobe 0 at tick 1000
//	00 50 00 00 03 e9    strobes 0 and 2 at tick 1001: two tags
//	20 30 00 00 03 ea    a delta input changed at tick 1002: now 0 and 1 are high
//	40 00 00 00 00 00    the time wrapped, 537 s at 128 MHz; no event
//	80 10 00 00 07 d0    strobe 0 at tick 2000; records before it found no room
//
// # Delta records
//
// A delta record has the state of all delta inputs after a change. The driver gives the
// edges: markers on channels D0+ (rising) and D0- (falling) and so on. How the inputs were
// before the first such record, and before the first one behind lost records, is not
// known. Where one delta input alone is on, it has changed. Where more are, it is open
// which did: that tick is a loss of those channels, and the next edges are known again.
//
// # Wraps and losses
//
// 2^36 ticks are added for a wrap flag but that of the first record (published programs add
// one less). A fall of the time without the flag is a wrap only beside a lost flag: the
// record of the wrap was among those lost. Any other one is damage.
//
// A lost flag is a loss of all channels from the tick of the record before to that of the
// record that has it. Register 07 counts such records: how many is told by an event, once a
// second at most. It is no number of tags, for a record may be of several inputs or of none,
// so that the losses themselves are of unknown number.
//
// A packet may end inside a record: the rest is taken from the next one. Bytes that are no
// records are left out up to where four fit, as a loss and a gap "damaged bytes".
//
// The clock is held against the computer's. A record cannot arrive before its time: one
// that is of a time more than 20 ms before the fastest data's is believed only when three
// more follow it, as those before came late then. Otherwise it is left out as damaged, and
// so is one behind which all others are of earlier times. Where the clock is 5 s ahead, or
// behind by half a wrap, it began anew or records are missing: the source fails with
// ErrChanged. What no clock tells is a time that still lies between the neighbours', and
// other inputs, where those are on.
//
// Not known from public sources: whether the rest of a cut record always comes; whether a
// strobe in the tick of a delta change is really left out, as the design has it; how long
// the FX2 keeps a packet that is not full (by its firmware until it is, which is what the
// option packet is for).
//
// Sources: bgamari/timetag-tools timetagger.cpp, record_format.h, record.cpp,
// timetag_acquire.cpp; bgamari/timetag-fpga docs/registers, docs/timetag-format,
// docs/performance-characteristics, event_tagger.v, timetag.v, config.v;
// bgamari/timetag-fx2 README.mkd, timetag.rules.
package umass
