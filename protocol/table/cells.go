package table

import "photongate/protocol"

// AppendValue appends a value of a channel as rows show it: in the channel's
// unit, exactly.
func AppendValue(dst []byte, ch protocol.Channel, word uint64) []byte {
	return valueText{ch.Signed, ch.Exponent}.append(dst, word)
}

// AppendFlags appends the flags of row i as rows show them: words joined by |,
// those of values with the channel's name.
func AppendFlags(dst []byte, channels []protocol.Channel, c *protocol.Counts, i int, utcKnown bool) []byte {
	return flagText{channels: channels}.append(dst, c, i, utcKnown)
}

// AppendSeconds appends microseconds as rows show times: seconds with six
// decimals.
func AppendSeconds(dst []byte, micros int64) []byte { return appendSeconds(dst, micros) }

// RoundMicros rounds ns to microseconds as rows do, halves up.
func RoundMicros(ns int64) int64 { return roundMicros(ns) }
