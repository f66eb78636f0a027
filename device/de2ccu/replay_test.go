package de2ccu

import (
	"strings"
	"testing"

	"photongate/device/devicetest"
)

// What was recorded is read as it was then: a simulated board that works, and
// bytes worked by hand with a packet that lost one.
func TestReplay(t *testing.T) {
	for file, want := range map[string]struct {
		readings, gaps int
		surprise       string
	}{
		"testdata/works.txt": {16, 0, ""},
		"testdata/torn.txt":  {3, 1, "39 data bytes before an end mark, expected 40 or 75"},
	} {
		r := devicetest.Replay(t, Driver, file)
		if r.Readings != want.readings || len(r.Gaps) != want.gaps || (r.Surprise == "") != (want.surprise == "") || !strings.Contains(r.Surprise, want.surprise) {
			t.Errorf("%s: %d readings, surprise %q, gaps %v", file, r.Readings, r.Surprise, r.Gaps)
		}
		if how := r.Quirks["counters"]; how != "8: packets of 41 bytes" {
			t.Errorf("%s: counters: %q", file, how)
		}
	}
}
