// Package usb is the bus a simulated USB instrument hangs on.
//
// A [Device] is a state machine, as a [sim.Instrument] is: it answers control
// requests and gives and takes packets, one at a time, at times given from
// outside. A [Bus] is the host controller above it: it answers the standard
// requests from the descriptors, makes transfers of packets as USB does (a packet
// shorter than the largest ends one, a longer one than there is room for spoils
// it), keeps stalled endpoints stalled, and lets faults have their way with each
// packet. A [Port] is where hosts come from, such as a USB/IP server.
//
// A Bus is a sim.Instrument and a [sim.Conn] at once, so that a [sim.Runner] gives
// it time, faults and truth as it does for every other instrument.
//
// Source of the rules: Universal Serial Bus Specification 2.0, chapters 5, 8 and 9.
package usb
