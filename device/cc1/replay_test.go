package cc1

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device/devicetest"
)

// What was recorded is read as it was then, of either generation of firmware.
func TestReplay(t *testing.T) {
	for file, quirks := range map[string]map[string]string{
		"works.txt": {
			"firmware": "v2.010, the new command set", "acknowledgements": "26 commands sent back",
			"how a gate is begun": "CLEA was sent 3 times; the totals were as before in 0 of 2 gates",
		},
		"old.txt": {
			"firmware": "v2, the old command set", "first exchange": `the first question was answered "Unknown Command"`, "refusals": "1 refusals",
			"stray lines": "1 lines that are none the box is known to give", "units": "3 ns, 0 ns",
			"how a gate is begun": "CLEA was sent 3 times; the totals were as before in 0 of 2 gates",
		},
	} {
		t.Run(file, func(t *testing.T) {
			r := devicetest.Replay(t, Driver, "testdata/"+file)
			if r.Surprise != "" || len(r.Gaps) != 0 {
				t.Errorf("surprise %q, gaps %v", r.Surprise, r.Gaps)
			}
			if diff := cmp.Diff(r.Rows, [][]uint64{{20, 17, 3}, {26, 21, 5}}); diff != "" {
				t.Errorf("readings (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(r.Quirks, quirks); diff != "" {
				t.Errorf("quirks (-got +want):\n%s", diff)
			}
		})
	}
}
