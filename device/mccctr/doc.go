// Package mccctr drives the counters of Measurement Computing's USB-CTR04 and
// USB-CTR08: 4 or 8 of them, 64 bits each.
//
// After it is plugged in the device is without its logic. The option image names the
// file that holds it (usb-ctr.rbf, which comes with the maker's software and with
// mcc-libusb); it is sent where the device says that it has none, in blocks of 64
// bytes. An image that another program had half sent is done away with by a reset,
// which has the device come back under another address.
//
// Three ways of reading (option read):
//
//   - "total": the computer asks one counter after the other for its running total.
//     Nothing is cleared, and an answer that is lost costs nothing.
//   - "clear": the same with counters that are cleared by being read. An answer that
//     is lost is a gap.
//   - "scan": the device reads all counters in the same moment, paced by its own
//     clock of 96 MHz, and sends their totals. A device that cannot send in time
//     says so (overrun); it is stopped and started anew then.
//
// Asked one after the other, the counters are read some tenths of a millisecond
// apart; the uncertainty of an edge covers all of them. Totals that go down, with
// 64 bits, were set by another program, or the device restarted: it is opened
// again then.
//
// Opening asks each counter for its settings and changes those named. Without the
// option read the counters are read as they are set: cleared by reading where all
// of them are, else as totals; one that measures periods, counts down or within
// limits is not taken for a counter of photons then. With it these are made plain.
//
// Not known from public sources: whether the first scan comes at once or after one
// period (its time is fitted to the arrivals either way), and whether a scan clears
// counters that are cleared by being read (the driver switches that off for it).
//
// Source: wjasper/Linux_Drivers USB/mcc-libusb/usb-ctr.h, usb-ctr.c,
// test-usb-ctr.c; one author, widely used.
package mccctr
