package journal

import (
	"testing"

	"photongate/protocol"
)

// pairsOf are the ends of readings of 100 ms, from..to-1, each later by what late
// says.
func pairsOf(from, to uint64, late func(i uint64) int64) []protocol.ClockPair {
	var list []protocol.ClockPair
	for i := from; i < to; i++ {
		list = append(list, protocol.ClockPair{Index: protocol.Uint64(i), BaseNs: protocol.Int64(int64(i)*100_000_000 + late(i))})
	}
	return list
}

// TestDeviceClockKeepsTheLeastLate: of 10,000 pairs of which every 100th is on
// time, and all others 5 ms late, those on time are kept, wherever the record is
// cut into files.
func TestDeviceClockKeepsTheLeastLate(t *testing.T) {
	late := func(i uint64) int64 {
		if i%100 == 50 {
			return 0
		}
		return 5_000_000
	}
	for _, cut := range []uint64{0, 1, 17, 4000, 9999} {
		var whole, second DeviceClock
		whole.add(pairsOf(0, cut, late))
		second.add(pairsOf(cut, 10_000, late))
		whole.join(second)
		if len(whole) != 1 || len(whole[0].Pairs) > maxPairs || len(whole[0].Pairs) < maxPairs/3 {
			t.Fatalf("cut at %d: %d stretches: %+v", cut, len(whole), whole)
		}
		pairs, onTime := whole[0].Pairs, 0
		for i, p := range pairs {
			if i > 0 && p.Index <= pairs[i-1].Index {
				t.Fatalf("cut at %d: pair %d is not in order: %v", cut, i, pairs)
			}
			if p.BaseNs == protocol.Int64(p.Index)*100_000_000 {
				onTime++
			}
		}
		if onTime < len(pairs)-3 || pairs[0].Index > 300 || pairs[len(pairs)-1].Index < 9_700 {
			t.Errorf("cut at %d: %d of %d pairs on time, from %d to %d", cut, onTime, len(pairs), pairs[0].Index, pairs[len(pairs)-1].Index)
		}
	}
}

// TestDeviceClockBreaks: no line goes through a gap of unknown count, also where
// that stands at the begin of a file.
func TestDeviceClockBreaks(t *testing.T) {
	none := func(uint64) int64 { return 0 }
	var first, second DeviceClock
	first.add(pairsOf(0, 10, none))
	second.part()
	second.add(pairsOf(10, 30, none))
	first.join(second)
	if len(first) != 2 || len(first[0].Pairs) != 10 || len(first[1].Pairs) != 20 {
		t.Fatalf("got %+v", first)
	}
	// Of too many the short ones are given up.
	for i := range uint64(500) {
		first.part()
		first.part()
		first.add(pairsOf(100+10*i, 102+10*i, none))
	}
	if len(first) != maxStretches || len(first[0].Pairs) != 10 || len(first[1].Pairs) != 20 {
		t.Errorf("%d stretches, the first two of %d and %d pairs", len(first), len(first[0].Pairs), len(first[1].Pairs))
	}
}

// TestDeviceClockOfTagsGoesOn: the ticks of an instrument that gives tags go on while
// tags are missing, wherever the record is cut into files, and whatever of a file
// comes first.
func TestDeviceClockOfTagsGoesOn(t *testing.T) {
	none := func(uint64) int64 { return 0 }
	frame := func(e *EpochReport, typ protocol.Type, v any) {
		t.Helper()
		h := protocol.Header{Type: typ, Stream: 1, Epoch: 1, Seq: uint64(e.Frames) + 1, Count: map[protocol.Type]uint32{protocol.TypeTags: 1}[typ]}
		var b []byte
		var err error
		if typ == protocol.TypeTags {
			b, err = (&protocol.TagsEncoder{}).Append(nil, h, 1, &protocol.Tags{Ticks: []uint64{7}, Channels: []uint8{0}, Until: 7})
		} else {
			b, err = protocol.AppendJSON(nil, h, v)
		}
		if err != nil {
			t.Fatal(err)
		}
		h, payload, _, err := protocol.ParseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		e.frame(h, payload)
	}
	pairs := func(e *EpochReport, from, to uint64) {
		frame(e, protocol.TypeClock, &protocol.Clock{Kind: protocol.ClockDevice, Pairs: pairsOf(from, to, none)})
	}
	lost := &protocol.Gap{Cause: "overrun"}
	for _, tc := range []struct {
		name          string
		first, second func(e *EpochReport)
		tick          bool
		want          int // stretches
	}{
		{"the descriptor tells", func(e *EpochReport) { pairs(e, 0, 10) },
			func(e *EpochReport) { frame(e, protocol.TypeGap, lost); pairs(e, 10, 30) }, true, 1},
		{"tags tell, later", func(e *EpochReport) { pairs(e, 0, 5); frame(e, protocol.TypeGap, lost); pairs(e, 5, 10) },
			func(e *EpochReport) {
				frame(e, protocol.TypeGap, lost)
				pairs(e, 10, 30)
				frame(e, protocol.TypeTags, nil)
			}, false, 1},
		{"readings", func(e *EpochReport) { pairs(e, 0, 10) },
			func(e *EpochReport) { frame(e, protocol.TypeGap, lost); pairs(e, 10, 30) }, false, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			desc := &protocol.Descriptor{Stream: "tagger"}
			if tc.tick {
				desc.Tick = &protocol.Tick{Num: 1, Den: 1e12}
			}
			var whole, first, second EpochReport
			frame(&first, protocol.TypeDescriptor, desc)
			tc.first(&first)
			tc.second(&second)
			whole.add(first)
			whole.add(second)
			if len(whole.Device) != tc.want {
				t.Fatalf("%d stretches, want %d: %+v", len(whole.Device), tc.want, whole.Device)
			}
			if all := whole.Device[len(whole.Device)-1].Pairs; tc.want == 1 && (len(all) != 30 || all[29].Index != 29) {
				t.Errorf("pairs %v", all)
			}
		})
	}
}
