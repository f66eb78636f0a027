// Package labjack simulates the counters of a LabJack U3 or U6: a USB device that
// answers one packet with one packet. It knows the commands that count (ConfigIO,
// Feedback with the counters, ConfigU3 or U6, ReadCal) and nothing else of the box.
//
// Sources: labjack/LabJackPython src/u3.py, src/u6.py and src/LabJackPython.py (layouts
// and recorded bytes), labjack/exodriver liblabjackusb (ids, endpoints), U6 User's Guide
// table 5.2.3-1 (what ConfigIO answers). What they leave
// open, and is our choice here:
//
//   - a command that is not known is not answered, as one that is cut short;
//   - an I/O type that is not known gets error 101, and a block of calibration that is
//     not there error 22;
//   - a counter is told to use an analog pin: error 97, and nothing is changed;
//   - a counter that is not enabled reads 0;
//   - the U6 answers the command of ConfigU3 with the same layout.
package labjack
