package homebuilt

import (
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"photongate/device"
)

// disordered is tagger8 with a count in what tells of a loss, and slower channels.
var disordered = strings.NewReplacer(`tick    = "10ns"`, "tick = \"10ns\"\ndisorder = 100",
	`means = "lost"`, "means = \"lost\"\ncount = \"time\"", "lost = 1\n", "lost = 0\n",
	"00 00 00 00 00 00 00 01  FF", "FF").Replace(tagger8)

// piecesOf are pieces that come 1 ms after each other, as scriptOf wants them.
func piecesOf(t *testing.T, pieces ...string) (data []byte) {
	t.Helper()
	for _, piece := range pieces {
		b, err := hex.DecodeString(strings.ReplaceAll(piece, " ", ""))
		if err != nil || len(b) == 0 || len(b) > 64 {
			t.Fatalf("%q: %d bytes, %v", piece, len(b), err)
		}
		data = append(append(data, byte(len(b)-1)<<2|1), b...)
	}
	return data
}

// Hand-worked: a loss covers all ticks that what is lost may have.
func TestTagLosses(t *testing.T) {
	const (
		at970To1000 = "CA03000000000000 D403000000000000 E303000000000000 E803000000000000" // 970, 980, 995, 1000
		lost3       = "0300000000000001"
		at990       = "DE03000000000200"
		at1000      = "E803000000000200"
		at1500      = "DC05000000000000"

		sum1000, sum990 = "A5 E8030000 01 0000 4F", "A5 DE030000 02 0000 7A"
		sum1500, sumBad = "A5 DC050000 01 0000 7D", "A5 DC050000 01 0000 7E"
	)
	for name, tc := range map[string]struct {
		text   string
		pieces []string
		ticks  []uint64
		losses []device.Loss
		gaps   []int // rows
	}{
		"said, then a tag in order": {disordered, []string{at970To1000, lost3, at1500},
			[]uint64{970, 980, 995, 1000, 1500}, []device.Loss{{From: 900, To: 1601, Channel: -1, Missing: 3, Known: true}}, nil},
		"said, then one of a slower channel": {disordered, []string{at970To1000, lost3, at990, at1500},
			[]uint64{970, 980, 995, 1000, 990, 1500}, []device.Loss{{From: 900, To: 1601, Channel: -1, Missing: 3, Known: true}}, nil},
		"said twice, with tags not later between": {disordered, []string{at970To1000, lost3 + at990 + at1000, lost3, at990 + at1500},
			[]uint64{970, 980, 995, 1000, 990, 1000, 990, 1500}, []device.Loss{{From: 900, To: 1601, Channel: -1, Missing: 6, Known: true}}, nil},
		"said, and nothing later": {disordered, []string{at970To1000, lost3, at990},
			[]uint64{970, 980, 995, 1000, 990}, []device.Loss{{From: 900, To: 1100, Channel: -1, Missing: 3, Known: true}}, nil},
		"damage": {patterned, []string{sum1000, sumBad, sum1500},
			[]uint64{1000, 1500}, []device.Loss{{From: 960, To: 1541, Channel: -1}}, []int{1}},
		"damage, then a tag of a slower channel": {patterned, []string{sum1000, sumBad, sum990, sum1500},
			[]uint64{1000, 990, 1500}, []device.Loss{{From: 960, To: 1541, Channel: -1}}, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			tags, notes, err := readTags(t, parse(t, tc.text), piecesOf(t, tc.pieces...), true)
			if !reflect.DeepEqual(tags.Tick, tc.ticks) || !reflect.DeepEqual(tags.Losses, tc.losses) {
				t.Errorf("ticks %d, losses %+v, want %d, %+v (%v)", tags.Tick, tags.Losses, tc.ticks, tc.losses, err)
			}
			var gaps []int
			for _, n := range notes {
				if n.Gap != nil {
					gaps = append(gaps, n.Row)
				}
			}
			if !reflect.DeepEqual(gaps, tc.gaps) {
				t.Errorf("gaps before rows %d, want %d", gaps, tc.gaps)
			}
		})
	}
}
