package homebuilt

import (
	"reflect"
	"testing"
)

// Two detections within one tick are the same bytes twice, and so are two turns of
// the clock in the dark.
func TestTagTwice(t *testing.T) {
	for name, tc := range map[string]struct {
		text   string
		pieces []string
		ticks  []uint64
	}{
		"8 bytes": {tagger8, []string{"0A00000000000000 1400000000000000 1E00000000000000 2800000000000000", // 10, 20, 30, 40
			"3200000000000100 3200000000000100 3C00000000000000"}, []uint64{10, 20, 30, 40, 50, 50, 60}},
		"wraps": {tagger4, []string{"10000001 10000002 10000003 10000004", "F0000001 F0000001 10000005"},
			[]uint64{1, 2, 3, 4, 1<<29 + 5}},
		"patterns": {patterned, []string{"A5 E8030000 01 0000 4F", "A5 DC050000 01 0000 7D A5 DC050000 01 0000 7D"},
			[]uint64{1000, 1500, 1500}},
		"patterns at once": {seconds8, []string{"0A00000100000001 1400000100000001 1E00000100000001 2800000100000001",
			"3200000100000003 3200000100000003 3C00000100000001"},
			[]uint64{1000010, 1000020, 1000030, 1000040, 1000050, 1000050, 1000050, 1000050, 1000060}},
	} {
		for _, many := range []bool{false, true} {
			f := parse(t, tc.text)
			if name == "wraps" {
				f.Tags.Tick.Den = 1e9 // so that turns are short
			}
			tags, notes, err := readTags(t, f, piecesOf(t, tc.pieces...), many)
			if !reflect.DeepEqual(tags.Tick, tc.ticks) || len(tags.Losses)+len(notes) > 0 {
				t.Errorf("%s, many at once %v: ticks %d, losses %+v, notes %+v, want ticks %d (%v)", name, many, tags.Tick, tags.Losses, notes, tc.ticks, err)
			}
		}
	}
}
