package receiver

import (
	"testing"
	"testing/synctest"
)

// TestEarlier: the end of a run says whether the folder held more than the run
// brought.
func TestEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		equal(t, "the first run", l.mustRecord(t).Earlier, false)
		equal(t, "the second", l.mustRecord(t).Earlier, true)
	})
}
