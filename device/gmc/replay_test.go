package gmc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device/devicetest"
)

// What was recorded is read as it was then, and the heartbeat is switched off at last.
func TestReplay(t *testing.T) {
	r := devicetest.Replay(t, Driver, "testdata/works.txt")
	if r.Surprise != "" || len(r.Gaps) != 0 {
		t.Errorf("surprise %q, gaps %v", r.Surprise, r.Gaps)
	}
	if diff := cmp.Diff(r.Rows, [][]uint64{{22}, {17}, {25}, {300}, {18}}); diff != "" {
		t.Errorf("readings (-got +want):\n%s", diff)
	}
	want := map[string]string{"version": `15 characters, "GMC-500+Re 2.22"`, "voltage": `34 2e 30 76 00 "4.0v\x00"`}
	if diff := cmp.Diff(r.Quirks, want); diff != "" {
		t.Errorf("quirks (-got +want):\n%s", diff)
	}
}
