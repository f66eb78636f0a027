package umass

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"photongate/device"
)

// Each bit of a record is turned over, wherever in a packet the record lies and however
// long the packets are. What is wrong then lies in a loss, but for what is stated here: a
// record that names another input that is on, or of a time between its neighbours' or so
// little behind that no clock tells, and that is the last of its packet.
func TestEachBitTurned(t *testing.T) {
	const (
		hertz = 128e6
		step  = 640_000 // ticks between two records: 5 ms
		many  = 60
	)
	tickOf := func(n int) uint64 { return 77_777 + uint64(n)*step }
	blind := 0
	for _, packet := range []int{1, 4, 10} { // records of a packet
		for victim := 20; victim < 32; victim++ {
			for bit := range 48 {
				s, b := newSource(wire(0xF, 0x3)), device.NewBatch(8)
				var truth []uint64
				for n := 0; n < many; n += packet {
					var p []byte
					for k := n; k < n+packet; k++ {
						w := tickOf(k) | 1<<(36+k%4)
						truth = append(truth, tickOf(k))
						if k == victim {
							w ^= 1 << bit
						}
						p = append(p, binary.BigEndian.AppendUint64(nil, w<<16)[:recordBytes]...)
					}
					size := s.left + copy(s.data[s.left:], p)
					at := 1e9 + s.ns(tickOf(n+packet-1)) + int64(n%3)*1e6 // up to 2 ms late
					if err := s.take(b, size, at); err != nil {
						t.Fatalf("packets of %d, record %d, bit %d: %v", packet, victim, bit, err)
					}
				}
				said := func(tick uint64) bool {
					return slices.ContainsFunc(b.Tags.Losses, func(l device.Loss) bool { return l.From <= tick && tick < l.To })
				}
				wrong, missing := 0, 0
				for n, tick := range b.Tags.Tick {
					at, ok := slices.BinarySearch(truth, tick)
					if (!ok || int(b.Tags.Channel[n]) != at%4) && !said(tick) {
						wrong++
					}
				}
				for _, tick := range truth[:many-sure] {
					if !slices.Contains(b.Tags.Tick, tick) && !said(tick) {
						missing++
					}
				}
				what := fmt.Sprintf("packets of %d, record %d, bit %d: %d wrong, %d missing, losses %+v", packet, victim, bit, wrong, missing, b.Tags.Losses)
				if len(b.Tags.Tick) < many-12 {
					t.Errorf("%s: only %d tags", what, len(b.Tags.Tick))
				}
				flipped := tickOf(victim) ^ 1<<bit
				switch between := flipped > tickOf(victim-1) && flipped < tickOf(victim+1); {
				case wrong+missing == 0:
				case wrong <= 2 && missing <= 1 && bit < 36 && between, bit >= 36 && bit <= 39 && wrong <= 1 && missing <= 1, bit == 45:
					blind++
				default:
					t.Error(what)
				}
			}
		}
	}
	if t.Logf("%d of %d unseen", blind, 3*12*48); blind == 0 {
		t.Error("nothing is unseen: the comparison sees nothing")
	}
}
