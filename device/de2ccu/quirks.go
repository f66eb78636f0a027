package de2ccu

import (
	"fmt"
	"slices"

	"photongate/device"
)

// quirks are what the sources named in the package's description say of the
// board, where they differ from each other or warn of something.
var quirks = []device.Quirk{
	{
		Name: "counters", Title: "there are two editions, of 8 and of 15 counters",
		Source: "Beck, Whitman College (8); Kanjumpa/Capstone DataOut.vhd, Toronto (15)",
		Met:    edition,
	},
	{
		Name: "joined in mid packet", Title: "the board sends from power-on, so the first bytes are the rest of a packet",
		Source: "Kanjumpa/Capstone DataOut.vhd",
		Met: func(talk []device.Exchange) string {
			pieces := device.Pieces(cut, device.Received(talk))
			if len(pieces) == 0 || pieces[0].Kind == device.Reading {
				return ""
			}
			return fmt.Sprintf("it began with %d bytes up to an end mark", pieces[0].Length)
		},
	},
	{
		Name: "first packet", Title: "the first complete packet is often bad; the driver leaves it out",
		Source: "one published reader (QIE_final/serial_data.py) drops it",
		Met:    firstPacket,
	},
	{
		Name: "bunches", Title: "USB adapters and busy computers hand over several packets at once",
		Source: "known of USB-serial adapters; times are taken from counting packets, not from their arrival",
		Met:    bunches,
	},
}

func edition(talk []device.Exchange) string {
	n := map[int]int{}
	for _, p := range readings(talk) {
		n[len(p.Values)]++
	}
	switch {
	case n[8] > 0 && n[15] > 0:
		return fmt.Sprintf("%d packets of 8 counters and %d of 15", n[8], n[15])
	case n[8] > 0:
		return fmt.Sprintf("8: packets of %d bytes", size8)
	case n[15] > 0:
		return fmt.Sprintf("15: packets of %d bytes", size15)
	}
	return ""
}

func readings(talk []device.Exchange) []device.Piece {
	return slices.DeleteFunc(device.Pieces(cut, device.Received(talk)), func(p device.Piece) bool { return p.Kind != device.Reading })
}

// firstPacket holds the first complete packet against the median of the others.
func firstPacket(talk []device.Exchange) string {
	pieces := device.Pieces(cut, device.Received(talk))
	if len(pieces) < 2 {
		return ""
	}
	first := pieces[1] // the first bytes are the rest of one
	if first.Kind != device.Reading {
		return "it was bad: " + first.What
	}
	var others []uint64
	for _, p := range pieces[2:] {
		if p.Kind == device.Reading {
			others = append(others, sum(p.Values))
		}
	}
	if len(others) < 5 {
		return ""
	}
	slices.Sort(others)
	median := others[len(others)/2]
	if got := sum(first.Values); got < median/2 || got > median+median/2+10 {
		return fmt.Sprintf("it counts %d in all, the others about %d", got, median)
	}
	return ""
}

func sum(values []uint64) (total uint64) {
	for _, v := range values {
		total += v
	}
	return total
}

// bunches finds the read that ended most packets.
func bunches(talk []device.Exchange) string {
	var ends []int // where pieces end
	at := 0
	for _, p := range device.Pieces(cut, device.Received(talk)) {
		at += p.Length
		ends = append(ends, at)
	}
	most, received := 0, 0
	for _, e := range talk {
		received += len(e.Bytes)
		n := 0
		for len(ends) > 0 && ends[0] <= received {
			ends = ends[1:]
			n++
		}
		most = max(most, n)
	}
	if most < 2 {
		return ""
	}
	return fmt.Sprintf("up to %d at once", most)
}
