package journal_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// A disk whose syncs stand still: for how long that is so is told of the oldest
// frame that waits, and of none when all are synced.
func TestUnsynced(t *testing.T) {
	t.Attr("fault", "F15")
	t.Attr("injected", "a sync that does not return for 20 s, while a frame comes each second")
	t.Attr("promised", "the journal tells for how long the oldest frame has waited, and how many bytes do; nothing when all are on the disk")
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{SyncEvery: time.Second})
		a, b := stream(t, j, "a"), stream(t, j, "b")
		ea, eb := begin(t, a, 0, 1), begin(t, b, 0, 1)
		size := int64(len(frameOf(t, a.ID(), ea, 1, 100)))
		want := func(when string, waits time.Duration, frames int64) {
			t.Helper()
			synctest.Wait()
			if w, n := j.Unsynced(); w != waits || n != frames*size {
				t.Errorf("%s: %d bytes wait for %v, want %d for %v", when, n, w, frames*size, waits)
			}
		}
		want("nothing was appended", 0, 0)
		appendFrames(t, b, eb, 1, 1, 100)
		time.Sleep(500 * time.Millisecond)
		want("before the first sync", 500*time.Millisecond, 1)
		time.Sleep(time.Second)
		want("after it", 0, 0)

		release := fsys.BlockSync()
		appendFrames(t, a, ea, 1, 1, 100)
		for seq := uint64(2); seq <= 20; seq++ {
			time.Sleep(time.Second)
			appendFrames(t, a, ea, seq, seq, 100)
		}
		time.Sleep(time.Second)
		want("the disk stands still", 20*time.Second, 20)
		waits, _ := j.Unsynced()
		release()
		time.Sleep(2 * time.Second)
		want("it goes on", 0, 0)
		if _, err := a.Begin(0, 1); err != nil {
			t.Fatal(err)
		}
		want("the next epoch", 0, 0)

		// A slow disk: what came during a sync of 3 s waits for the next one.
		fsys.SlowSync(3 * time.Second)
		longest := time.Duration(0)
		for seq := uint64(2); seq <= 30; seq++ {
			time.Sleep(time.Second)
			appendFrames(t, b, eb, seq, seq, 100)
			synctest.Wait()
			w, _ := j.Unsynced()
			longest = max(longest, w)
		}
		if longest < 3*time.Second || longest > 7*time.Second {
			t.Errorf("a sync takes 3 s, and a frame waits for up to %v; want at most two syncs and a round", longest)
		}
		closeJournal(t, j)
		t.Attr("seen", fmt.Sprintf("20 frames of %d bytes waited for %v; 0 after the next round", size, waits))
	})
}

// A sync that fails leaves what it was to save waiting, until a later one
// does well.
func TestUnsyncedAfterAFailedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{SyncEvery: time.Second})
		a := stream(t, j, "a")
		epoch := begin(t, a, 0, 1)
		time.Sleep(100 * time.Millisecond)
		fsys.ReadOnly(true)
		appendFrames(t, a, epoch, 1, 5, 100)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if w, n := j.Unsynced(); w != 10*time.Second || n == 0 {
			t.Errorf("%d bytes wait for %v, want all for 10 s", n, w)
		}
		fsys.ReadOnly(false)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if w, n := j.Unsynced(); w != 0 || n != 0 {
			t.Errorf("written anew: %d bytes wait for %v, want none", n, w)
		}
		closeJournal(t, j)
	})
}
