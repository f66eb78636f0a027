// Package ftdi simulates a USB chip of FTDI and what hangs on it: an instrument with a
// serial line, any that there is, or an FPGA that fills the FIFO of the chip with
// records as fast as it goes.
//
// Sources: legege/libftdi src/ftdi.h, src/ftdi.c; eblot/pyftdi (requests, divisors,
// status bytes). What they leave open, and is our choice here: the size of the buffers
// is that of the data sheets, rounded to what is easy to reckon with; an H chip answers
// like the others in all but packet size and divisor.
package ftdi
