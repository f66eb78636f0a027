// Package sr400 simulates the Stanford Research SR400 two-channel gated photon
// counter on its RS-232 port, or behind an adapter from USB to GPIB that is spoken
// to as Prologix' are.
//
// Facts come from the SRS manual (pages 10, 37, 39, 42, 45, 46) and from programs
// used with the instrument: qrspeter/Photon-counting-spectral
// srs_counter/srs_counter.cpp; ISISComputingGroup/EPICS-Stanford_SR400_Photon_Counter
// stanford_sr400_photon_counterSup; heeres/qtlab instrument_plugins/SR_400.py;
// lantzproject/lantz-drivers lantz/drivers/stanford_rs/sr400.py; kkucc/sr400
// (Prologix).
//
// Nothing is said to a command that sets something, nor to one that is wrong: that
// sets bit 7 of the status byte. A reply takes its time on the wire.
//
// Where these sources are silent, this instrument does the following. A finished
// scan has to be reset before CS starts another. A dwell time of 0 (external) ends
// with CS. E sends the points there are. A counter holds 999 999 999. The signal
// levels, the gates and the analogue ports are kept and told, and change nothing
// that is counted. A preset that counts pulses is met within a thousandth of a second,
// the other counter's counts being divided in proportion. Numbers with a point or an
// exponent are told as 1E7 or 10000000, as [Options] has it.
package sr400
