// Package ftdi makes a port of an FTDI chip that is reached as a USB device, not
// through the system's serial driver: ftdi:VID:PID or ftdi:VID:PID:SERIAL. For a
// plain serial line the system's own port does as well; this one is for chips
// whose FIFO streams faster than a tty carries, and for systems that have no
// driver for the chip.
//
// The chip is set as asked for with every opening. Like a tty the port raises DTR
// and RTS then. Bytes are fetched all the time by a goroutine of the port's own,
// in transfers that are kept under way; up to 16 MiB of a line wait to be
// read, and beyond that the newest are dropped and counted. Of a FIFO up to 4 MiB
// wait; it is not emptied then, which is how whatever fills it learns of it.
//
// The chip's requests and packets are those of libftdi (src/ftdi.h, src/ftdi.c)
// and pyftdi.
package ftdi
