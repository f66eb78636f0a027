package de2ccu

import (
	"fmt"

	"photongate/device"
)

// cut implements device.Driver's Cut: whatever an end mark ends is a packet or
// is not.
func cut(received []byte) device.Piece {
	n := badSegment(received)
	if n == 0 {
		return device.Piece{}
	}
	segment := received[:n]
	for _, size := range []int{size8, size15} {
		if n == size && valid(segment, size) {
			counters := size / counterBytes
			return device.Piece{
				Length: n, Kind: device.Reading, What: fmt.Sprintf("packet of %d counters", counters),
				Values: values(segment, counters),
			}
		}
	}
	p := device.Piece{Length: n, What: describe(segment, size8)}
	if n != size8 && n != size15 && segment[n-1] == endMark && n > 1 {
		p.What = fmt.Sprintf("%d data bytes before an end mark, expected %d or %d", n-1, size8-1, size15-1)
	}
	return p
}

// values decodes one valid packet.
func values(packet []byte, counters int) []uint64 {
	var row [15][1]uint64
	var cols [15][]uint64
	for c := range cols {
		cols[c] = row[c][:]
	}
	decode(packet, len(packet), 1, cols[:counters])
	list := make([]uint64, counters)
	for c := range list {
		list[c] = row[c][0]
	}
	return list
}
