package sim

import (
	"strings"
	"testing"
	"time"
)

func TestTruthWithAPoint(t *testing.T) {
	var out strings.Builder
	tr := truth{w: &out, decimals: []int{0, 2, 1, 3}}
	tr.latched(time.Unix(0, 7), []uint64{12, 12, 120, 12345, 12})
	tr.latched(time.Unix(0, 8), []uint64{0, 0, 5, 0, 0})
	if got, want := out.String(), "0,7,12,0.12,12.0,12.345,12\n1,8,0,0.00,0.5,0.000,0\n"; got != want || tr.err != nil {
		t.Errorf("wrote %q (%v), expected %q", got, tr.err, want)
	}
}
