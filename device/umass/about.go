package umass

import "photongate/device"

// about is what the page of the driver has beside what the driver says itself. The facts
// are those of the sources it names.
var about = device.About{
	Wiring: []string{
		"USB straight into the computer; photongate must be built with USB",
		"freshly plugged it is a bare FX2 chip, 04b4:8613: timetag-fx2 and fxload give it its firmware, after which it is 04b4:1004",
		"four strobe inputs, recorded at rising edges; four delta inputs, recorded at each change: by default these are the board's own sequencer outputs",
		"option deltas has them recorded as markers: when a laser was switched, say",
	},
	Readings: []string{
		"a time tag for each event, in ticks of the tagger's clock: 128 MHz, 7.8125 ns, in the published design; it tells the rate itself",
		"edges of several strobe inputs in one tick are several tags",
		"where its memory of 2048 records was full, the stretch is a loss; how many records it lost, which need not be tags, is an event",
		"USB carries at most about 680000 records a second",
		"at low rates tags wait in the tagger until a packet is full: option packet",
		"a record of a time that cannot be yet, or behind which all others are earlier, is left out as damaged; one that was changed to another input, or to a time between its neighbours', goes unseen: nothing carries a checksum",
	},
	Sources: []string{
		"bgamari/timetag-tools, timetagger.cpp, record_format.h, record.cpp, timetag_acquire.cpp",
		"bgamari/timetag-fpga, docs and event_tagger.v, timetag.v: the design of the FPGA",
		"bgamari/timetag-fx2, README.mkd and timetag.rules: its firmware",
	},
	Unknown: []string{
		"whether the rest of a record that a packet cuts off always comes: where it does not, the bytes around are a loss",
		"how the delta inputs are when it is opened: it only tells changes",
		"whether a strobe in the same tick as a delta change is left out, as the design has it: nothing would tell",
		"serial numbers: it has none, so that two of them are told apart by the socket only",
	},
}
