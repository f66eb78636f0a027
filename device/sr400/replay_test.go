package sr400

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device/devicetest"
)

// What was recorded is read as it was then: the three points of the scan, the last of
// which ran over.
func TestReplay(t *testing.T) {
	r := devicetest.Replay(t, Driver, "testdata/works.txt")
	if r.Surprise != "" || len(r.Gaps) != 0 {
		t.Errorf("surprise %q, gaps %v", r.Surprise, r.Gaps)
	}
	if diff := cmp.Diff(r.Rows, [][]uint64{{10, 1}, {11, 2}, {12, 3}}); diff != "" {
		t.Errorf("readings (-got +want):\n%s", diff)
	}
	want := map[string]string{
		"line end": "CR after 87 lines", "changed on the panel": "1 status bytes with bit 0", "not there yet": "19 answers were -1",
		"one digit": "CP2 1E7, CP1 1E3, DT 2E-3", "overflow": "1 status bytes with bit 3", "real numbers": "-1.00E-2, 1E7, 1E3, 2E-3",
	}
	if diff := cmp.Diff(r.Quirks, want); diff != "" {
		t.Errorf("quirks (-got +want):\n%s", diff)
	}
}
