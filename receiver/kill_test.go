package receiver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// TestResumeAfterKill ends the receiver's process at any operation of its disk,
// with and without power, and goes on in what is left.
func TestResumeAfterKill(t *testing.T) {
	t.Attr("fault", "F02")
	t.Attr("injected", "the receiver's process ended at every operation of its disk, with and without power")
	t.Attr("promised", "all that was acked is there, no frame twice, no hole, recording goes on from its own files")
	ops := 0
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		l.mustRecord(t)
		ops = l.fs.Ops()
	})
	rounds, ackedFrames, whole := 0, 0, 0
	for at := range ops {
		for _, power := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 3)
				l.fs.CrashAt(at)
				acked := map[uint32]protocol.AckStream{}
				l.onAck = func(a protocol.AckStream) { acked[a.ID] = a }
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				_, _ = l.record(ctx) // it fails in one way or another
				if power {
					l.fs = l.fs.PowerCut(journaltest.After(0), rand.New(rand.NewPCG(uint64(at), 1)))
				} else {
					l.fs = l.fs.Kill()
				}
				if a, ok := acked[2]; ok {
					kept := 0
					for _, f := range held(t, l.fs, labFolder, "bench") {
						if h, _ := protocol.ParseHeader(f); h.Type != protocol.TypeHole && h.Seq <= uint64(a.Seq) {
							kept++
						}
					}
					equal(t, "frames that were acked", kept, int(a.Seq))
					ackedFrames += kept
				}
				nothingLost(t, l.fs)
				last := lastOfBench(t, l.fs)
				l.asks = nil
				l.mustRecord(t)
				equal(t, "cursor of the session after it", cursorOfBench(l.asks[0]), last)
				nothingLost(t, l.fs)
				equal(t, "bench", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
				if t.Failed() {
					t.Fatalf("crash at operation %d of %d, power cut %v", at, ops, power)
				}
				rounds++
				whole += len(l.streams[1].frames)
			})
		}
	}
	if ackedFrames == 0 {
		t.Error("no crash came after an ack")
	}
	t.Attr("seen", fmt.Sprintf("%d rounds: %d acked frames, all there; then %d frames, each once", rounds, ackedFrames, whole))
}

// lastOfBench is the sequence of the last frame of bench that the archive holds; 0:
// it holds none.
func lastOfBench(t *testing.T, fsys journal.FS) protocol.Uint64 {
	t.Helper()
	if _, err := journal.OpenFolder(fsys, filepath.Join("arch", labFolder)); err != nil {
		return 0 // nothing was recorded yet
	}
	last := protocol.Uint64(0)
	for _, f := range held(t, fsys, labFolder, "bench") {
		if h, err := protocol.ParseHeader(f); err == nil && h.Type != protocol.TypeHole {
			last = protocol.Uint64(h.Seq)
		}
	}
	return last
}

// cursorOfBench is the sequence behind which a subscription asks for bench; 0: for
// all of it.
func cursorOfBench(ask protocol.Subscribe) protocol.Uint64 {
	for _, c := range ask.Cursors {
		if c.Stream == "bench" {
			return c.Seq
		}
	}
	return 0
}
