package protocol

import "strconv"

// Reading flags, bits of Counts.Flags.
const (
	FlagFirst       uint32 = 1 << iota // begin of the interval unknown; length is 0; never a rate
	FlagUnverified                     // the settings are not known to be in force
	FlagMixed                          // a setting changed within the interval
	FlagShort                          // live for less than the interval, by an unknown part
	FlagImplausible                    // values that no photons make
	FlagLate                           // the host was held up: longer than the gate, or edges uncertain by more than a tenth of it
)

// Value flags, bits of Counts.ValueFlags.
const (
	ValueAbsent   uint8 = 1 << iota // unknown; the word in the column means nothing, and is no zero
	ValueOverflow                   // the counter overflowed in the interval
	ValueSuspect                    // beyond what the counter can hold or the light can make
)

// ReadingFlagWord is the word for bit 0, 1, 2, ... of a reading's flags, or
// "flagN" for a bit that this version does not know.
func ReadingFlagWord(bit int) string {
	return flagWord(bit, "first", "unverified", "mixed", "short", "implausible", "late")
}

// ValueFlagWord is the word for bit 0, 1, 2, ... of a value's flags, or "flagN"
// for a bit that this version does not know.
func ValueFlagWord(bit int) string {
	return flagWord(bit, "absent", "overflow", "suspect")
}

func flagWord(bit int, words ...string) string {
	if bit >= 0 && bit < len(words) {
		return words[bit]
	}
	return "flag" + strconv.Itoa(bit)
}
