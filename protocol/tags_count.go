package protocol

import "encoding/binary"

// channelTotals counts the tags of each channel.
type channelTotals [maxTagChannels]uint32

// count replaces the totals by those of c.
func (t *channelTotals) count(c []uint8) {
	// Four tables: a channel that comes again does not wait for its counter.
	var more [3]channelTotals
	clear(t[:])
	for ; len(c) >= 8; c = c[8:] {
		word := binary.LittleEndian.Uint64(c)
		t[uint8(word)]++
		more[0][uint8(word>>8)]++
		more[1][uint8(word>>16)]++
		more[2][uint8(word>>24)]++
		t[uint8(word>>32)]++
		more[0][uint8(word>>40)]++
		more[1][uint8(word>>48)]++
		more[2][uint8(word>>56)]++
	}
	for _, channel := range c {
		t[channel]++
	}
	for i := range t {
		t[i] += more[0][i] + more[1][i] + more[2][i]
	}
}
