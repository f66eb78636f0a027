// Package h11890 drives the Hamamatsu H11890 photon counting head on USB: a
// photomultiplier with its high voltage and one counter.
//
// What is known comes from one reverse engineering with a real head. Questions are
// one letter without a line end; settings are the letter and a value, four bytes
// each, little-endian; every packet from the head has 64 bytes, of which 8 count:
// a tag (the letter, or the index of an integration, from 0) and a value. "C" starts
// counting: one packet after each integration time, by the head's own clock. A
// carriage return stops it, and nothing else is heeded before.
//
// So opening stops a head that is counting, asks for its settings, pushes those the
// configuration names, and starts it anew. To go on without end the repetition
// count must be 0, which is the one thing set unasked, where it is another. The
// high voltage is left as it is: where it is off all counts are dark and almost
// zero. Closing stops the count.
//
// The edges of readings are fitted to the arrivals of the packets; an index that is
// left out says how many are missing, and one that goes back that the head restarted.
//
// Not known: whether the head counts between two integrations; whether settings
// are answered (either way is taken); what the largest high voltage is (the option
// takes no more than the default that was seen); whether bit 15 of a count is a sign
// of too much light, as the source tests it, or just a bit of a count above 32767:
// the option overload chooses.
//
// Source: DCC-Lab/PyHardwareLibrary, commit 8fed8bb,
// hardwarelibrary/photoncounters/hamamatsu.py with its tests.
package h11890
