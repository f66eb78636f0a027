// Package mccctr simulates a USB-CTR08 or USB-CTR04 of Measurement Computing: counters of
// 64 bits that are read one at a time, or scanned at a pace of the box's own.
//
// Source: wjasper/Linux_Drivers USB/mcc-libusb/usb-ctr.h, usb-ctr.c, test-usb-ctr.c and
// USB/python/usb_ctr.py. What they leave open, and is our choice here:
//
//   - any bytes are an image; it is complete when as many came as Options.ImageBytes, or
//     with 0, when the status is asked for after the first block;
//   - before it is configured, all but status, serial number, unlock, image and reset is
//     stalled;
//   - a reset empties the FPGA, as power-on does;
//   - a scan begins at 0 unless the counts are to be kept, and each scan of it reads as
//     bRequest 10 does, so that counters which clear on read clear;
//   - bit 6 of an element of a counter is passed over, since a published program sets it;
//     digital lines read 0;
//   - only totalizing is simulated: a counter in another mode reads 0, and limits, gates
//     and debouncing are stored but do nothing;
//   - a flush throws away what waits, and sends no packets of its own.
package mccctr
