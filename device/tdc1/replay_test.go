package tdc1

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device/devicetest"
)

// What was recorded is read as it was then.
func TestReplay(t *testing.T) {
	r := devicetest.Replay(t, Driver, "testdata/works.txt")
	if r.Surprise != "" || len(r.Gaps) != 0 {
		t.Errorf("surprise %q, gaps %v", r.Surprise, r.Gaps)
	}
	if diff := cmp.Diff(r.Rows, [][]uint64{{81403, 79218, 5, 0}, {81511, 79102, 7, 1}, {81390, 79344, 4, 0}}); diff != "" {
		t.Errorf("readings (-got +want):\n%s", diff)
	}
	want := map[string]string{
		"answer to *idn?":         `"TDC1 USB counter\r"`,
		"line end":                "CR LF after each of 3 answers",
		"blanks":                  `"00000 00000 0 0\r", with 0 for each digit`,
		"signed time":             `"-5536\r"`,
		"answer to level?":        `"-0.5 V\r"`,
		"answer to refclk?":       `"0\r"`,
		"answer to eclock?":       `"0\r"`,
		"answers to set commands": "silence after 1 of 1",
		"late answers":            "3.0 to 3.0 ms after 500ms, of 3 answers",
	}
	if diff := cmp.Diff(r.Quirks, want); diff != "" {
		t.Errorf("quirks (-got +want):\n%s", diff)
	}
}
