// Package sr400 drives the Stanford Research SR400 two-channel gated photon
// counter over RS-232, or behind a Prologix-style GPIB adapter (option adapter).
//
// The instrument is DCE. Baud rate, word length, parity and echo are set in its COM
// menu and cannot be changed from here: 9600 Bd (option baud), 8 bits, no parity,
// echo off. Commands end in CR, answers in CR; LF and CR LF are understood as well,
// as behind an adapter. There is no *IDN?: an instrument that answers SS with 0 to
// 255 and CM with 0 to 3 is taken for an SR400. Two bare CR go ahead of the first
// question, since the first character after power-up may be spoiled.
//
// Counters A and B count until T (or B) has reached its preset; then comes a dwell
// time, and the next period. The points of a scan, up to 2000 periods, stay in a
// buffer. They can be asked for by number (QA m, QB m), as often as one likes, and
// are -1 until they are there. That is how the driver reads:
//
//   - Nothing that is lost on the way, and no delay of this computer, costs a count,
//     unless it is longer than a scan. Polling the bit "data ready" for the last point
//     would lose one with every answer that does not come, since reading it clears it;
//     so would the streams (FA, FB, FT), which end with a reset besides.
//   - Each point is asked for until it was the same twice: lines carry no checksum.
//   - A period ends between the last -1 and the first count. All periods of a scan are
//     alike, so that this is narrowed down gate by gate, and the period is learned.
//   - Answers say nothing of what they answer, and one that comes late would be taken
//     for the next. So a point is given only after a question (a level, or the dwell
//     time) was answered by a number that is not whole, and so no count; and after any
//     trouble more whole numbers are asked for than answers can be owed, and then for
//     such a number, before anything is believed again (step.go).
//   - -1 is never a count. A point that stays -1 while the next one is there is
//     absent; in mode a-b a difference of -1 cannot be told from that.
//
// A reading's interval is dwell time and period, and its live time the period, where
// the 10 MHz clock times it. Otherwise (B preset, other T inputs) it is as long as
// this computer sees, less the dwell time; with an external dwell time nobody knows
// how much less, and readings are flagged short. Between two scans that this computer
// starts nothing is counted, and the intervals do not touch.
//
// The status byte is asked for with each point. An overflow flags all channels,
// since which one it was is not said; a rate error flags the reading short; a
// change at the front panel flags it mixed, and those after it unverified until the
// settings were asked for. Counters that were reset make the driver give up, and
// begin anew. One thing only is lost with its answer: the bits of that status byte;
// an event says so.
//
// Opening asks only, and clears the status byte; it joins a scan that is going on.
// With start = true it resets the counters and starts (CR, CS), and again after
// each scan. Settings that the configuration names are sent if the instrument has
// others, since some reset or pause it; when it counted before, CS follows.
// Presets and dwell time have one significant digit: others are refused by the
// configuration, and what the instrument says is compared. Where at_end is "again"
// the points of a new scan are known from the old ones if the buffer is cleared; if
// it is not, by "data ready" and the clock. Its last point can be asked for as the one
// completed last only: it is absent where another may have been completed meanwhile.
// Points that the next scan may have overwritten end the reading.
//
// Not known from public sources: the form of real numbers (any usual one is read);
// the capacity of the counters; whether QA gives A, or A-B and A+B, in those modes;
// whether a new scan clears the buffer, and whether there is a dwell time before it;
// how much longer a period is than gate and dwell time (up to 2 ms are allowed for);
// whether settings sent from here set the bit "changed on the panel"; whether MI, PL
// and the gate widths can be asked for (if not, they are told as sent). What NN
// means while counting is open, so it is not used. Scanned levels, gates and outputs
// (DM, DY, GM 2, PM) are left as they are, and SE and SW are not touched; an end of
// answers set with SE to something without CR or LF is not understood.
//
// Sources: public copy of the SRS manual; qrspeter/Photon-counting-spectral
// srs_counter/srs_counter.cpp; ISISComputingGroup/EPICS-Stanford_SR400_Photon_Counter
// stanford_sr400_photon_counterSup; lantzproject/lantz-drivers
// lantz/drivers/stanford_rs/sr400.py; heeres/qtlab instrument_plugins/SR_400.py;
// pekermilas/InstrumentControlLibraries sr400_PhotonCounter_Control.py;
// horowitz-lab/photon-counting Photon_Counter_GPIB.py; kkucc/sr400 (Prologix).
package sr400
