package receiver

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// TestSecondInstrumentIsSilent: a run in which one of two instruments gave nothing
// is not complete; one that the gateway has not opened since it was started may have
// been given up, and is a note.
func TestSecondInstrumentIsSilent(t *testing.T) {
	for name, c := range map[string]struct{ earlier, complete bool }{"open": {false, false}, "of an earlier process": {true, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newStub(t).withBench(4)
				base := g.base
				if c.earlier {
					base = protocol.NewID()
				}
				lamp := (&frameMaker{t: t, stream: 3, epoch: 1, time: baseNs}).describe(base, "lamp", twoChannels()...)
				g.streams = append(g.streams, &stubStream{"lamp", 3, lamp.out})
				summary := recordTo(t, g, t.TempDir(), func(o *RecordOptions) { o.For = time.Second })
				equal(t, "complete", summary.Complete, c.complete)
				told := strings.Join(summary.Why, "\n")
				if c.complete {
					told = strings.Join(summary.Notes, "\n")
				}
				if !strings.HasPrefix(told, "pi-lab3/lamp: not one reading came") {
					t.Errorf("why %q, notes %q", summary.Why, summary.Notes)
				}
			})
		})
	}
}
