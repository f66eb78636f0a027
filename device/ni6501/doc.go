// Package ni6501 drives the one counter of the National Instruments USB-6501: 32
// bits, a running total that the computer reads.
//
// A command and its answer are one packet each. Answers carry no number and no
// checksum but a fixed head, so that after one that did not come in time, or was
// none, the driver listens until nothing more comes before it asks again.
//
// Reading clears nothing, and setting the counter to zero wants it stopped first:
// counts would be lost each time. So the total is read as it runs on, and an answer
// that is lost costs nothing. Its edges are those of the question and its answer. A
// total that is further from the last one than any pulses can have brought it was
// set by somebody, or the device restarted: it is opened again then.
//
// Whether the counter has been started cannot be asked. Opening sends nothing but
// the question for the total, unless the option counter names more. The kernel's
// own driver (comedi's ni_usb6501) is put aside while the device is open.
//
// Not known from public sources: whether the counter runs when it is plugged in,
// what the largest rate is, and whether it counts rising or falling edges.
//
// Source: torvalds/linux drivers/comedi/drivers/ni_usb6501.c.
package ni6501
