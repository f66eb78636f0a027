// Package tdc1 simulates the S-Fifteen Instruments TDC1: a counter of four inputs
// and of their coincidences that also tells the time of every pulse, on a USB
// virtual COM port that is its power supply as well.
//
// Facts come from programs of the maker's: s-fifteen-instruments/pyS15
// S15lib/instruments/usb_counter_fpga.py and
// examples/TDC1_time_to_digital_converter.ipynb (data of a real unit);
// s-fifteen-instruments/Timestamp_TDC1 python/usbcount_class.py.
//
// A stream of tags has neither head nor end: records of 4 bytes, little-endian,
// bits 31 to 5 the time in units of 2 ns, bit 4 a marker, bits 3 to 0 the inputs.
// Markers come 7.92 us after each half of the 268 ms in which the time wraps.
//
// Where the sources are silent, this unit does the following. The clock of the tags
// runs from power-on. What is under way (a measurement, a stream) goes on whatever is
// set meanwhile, until it is over, ABORT or *RST comes, or another COUNTS? begins
// anew; ABORT of a measurement gives no reply. A TIME of 0 never ends a measurement
// either. After power-on and *RST it counts singles for 1 s with NIM inputs. Values
// out of range and unknown commands change nothing; what it says to them is an
// option, as are its name, separators and line ends.
package tdc1
