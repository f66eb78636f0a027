package cd48

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device/devicetest"
)

// What was recorded is read as it was then: a whole session of a simulated box,
// in which counter 1 ran over and stayed at its limit.
func TestReplay(t *testing.T) {
	r := devicetest.Replay(t, Driver, "testdata/works.txt")
	if r.Surprise != "" || r.Readings != 20 || len(r.Gaps) != 0 {
		t.Errorf("%d readings, surprise %q, gaps %v", r.Readings, r.Surprise, r.Gaps)
	}
	over := slices.IndexFunc(r.Rows, func(row []uint64) bool { return row[1] == 1<<24-1 })
	if over < 0 || r.Rows[over+1][1] == 1<<24-1 {
		t.Errorf("counter 1 is full in row %d: %v", over, r.Rows)
	}
	for quirk, how := range map[string]string{
		"answers to set commands":    "silence after 2 of 2",
		"order of masks":             "A is the highest bit",
		"full counter":               "counter 1 stayed at 16777215",
		"clearing of overflow flags": "c does not clear them: E answered 2 after overflow byte 2",
	} {
		if r.Quirks[quirk] != how {
			t.Errorf("%s: %q, want %q", quirk, r.Quirks[quirk], how)
		}
	}
}

// A line with eight numbers among good ones is a surprise, and a gap.
func TestReplayOfABadLine(t *testing.T) {
	r := devicetest.Replay(t, Driver, "testdata/repeat.txt")
	if !strings.Contains(r.Surprise, "line of 8 numbers, expected 9 single-spaced") || len(r.Gaps) != 1 || r.Readings != 3 {
		t.Errorf("%d readings, surprise %q, gaps %v", r.Readings, r.Surprise, r.Gaps)
	}
	if d := cmp.Diff(r.Rows[0], []uint64{57012, 27003, 26944, 101, 3007, 2988, 12, 60}); d != "" {
		t.Errorf("first reading (-got +want):\n%s", d)
	}
}
