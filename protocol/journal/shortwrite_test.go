package journal_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// A write that ends at any byte, by itself, by a signal or because the disk
// has trouble: the frame is whole or absent for whoever looks, and nothing is
// lost.
func TestShortWrite(t *testing.T) {
	size := len(frameOf(t, 1, 1, 1, 30))
	tried := 0
	for what, cause := range map[string]error{"short": nil, "interrupted": syscall.EINTR, "I/O error": syscall.EIO, "full": syscall.ENOSPC} {
		synctest.Test(t, func(t *testing.T) {
			for n := 0; n <= 3*size; n++ {
				if n == 3*size && cause == nil {
					continue // that is not short
				}
				tried++
				fsys := journaltest.New()
				j := open(t, fsys, journal.Options{})
				s := stream(t, j, "bench")
				epoch := begin(t, s, 0, 1)
				appendFrames(t, s, epoch, 1, 4, 30)
				if err := j.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // the mark is written
				fsys.ShortWrite(n, cause)
				appendFrames(t, s, epoch, 5, 7, 30)
				synctest.Wait()
				where := fmt.Sprintf("%s after %d bytes", what, n)
				same(t, where+", live", readStream(t, s, journal.Position{}, 1<<20), "1:1-7")
				killed := fsys.Kill() // whoever looks at the files sees whole frames
				var to uint64
				if got := readFolder(t, killed, "bench"); !whole(got, &to) || to < 4 {
					t.Errorf("%s, in the files: %s", where, got)
				}
				_ = j.Close()
				j = open(t, killed, journal.Options{})
				got := readStream(t, stream(t, j, "bench"), journal.Position{}, 1<<20)
				frames, torn, _ := strings.Cut(got, ", ") // a frame of which only the header is there is told as a hole
				if !whole(frames, &to) || torn != "" && torn != fmt.Sprintf("1:%d-%d unsynced tail", to+1, to+1) {
					t.Errorf("%s, after a crash: %s", where, got)
				}
				closeJournal(t, j)
			}
			for n := 0; n <= 3*size; n++ { // and the life goes on
				if n == 3*size && cause == nil {
					continue
				}
				fsys := journaltest.New()
				j := open(t, fsys, journal.Options{})
				s := stream(t, j, "bench")
				epoch := begin(t, s, 0, 1)
				fsys.ShortWrite(n, cause)
				appendFrames(t, s, epoch, 1, 3, 30)
				time.Sleep(3 * time.Second)
				synctest.Wait()
				if d := s.Durable().Seq; d != 3 || j.Err() != nil {
					t.Errorf("%s after %d bytes: durable %d, trouble %v", what, n, d, j.Err())
				}
				cut := fsys.PowerCut(journaltest.Lost, rand.New(rand.NewPCG(1, 1)))
				_ = j.Close()
				same(t, "in the files", readFolder(t, cut, "bench"), "1:1-3")
			}
		})
	}
	t.Attr("fault", "F12")
	t.Attr("injected", "a write that ends after each number of bytes of three frames: short without an error, EINTR, EIO, ENOSPC")
	t.Attr("promised", "each frame is whole or absent, also for who looks at the files; nothing is lost")
	t.Attr("seen", fmt.Sprintf("%d places: all frames whole, all on the disk later", tried))
}

// whole reports whether what was read is frames from the first one on without a
// hole, and up to which.
func whole(read string, to *uint64) bool {
	n, _ := fmt.Sscanf(read, "1:1-%d", to)
	return n == 1 && read == fmt.Sprintf("1:1-%d", *to)
}

// A disk that takes 50 ms for each sync, and stands still for 5 s at a time:
// Append never waits, and nothing is lost.
func TestSlowDisk(t *testing.T) {
	var waited time.Duration
	var most int64
	frames := uint64(0)
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		fsys.SlowSync(50 * time.Millisecond)
		j := open(t, fsys, journal.Options{SegmentBytes: 20_000, TailBytes: 256 << 10})
		s := stream(t, j, "bench")
		epoch := begin(t, s, 0, 1)
		release := func() {}
		for ; frames < 6000; frames++ { // a minute at 100 frames/s
			switch frames % 1000 {
			case 200:
				release = fsys.BlockSync()
				fsys.SlowSync(0)
			case 700:
				release()
				fsys.SlowSync(50 * time.Millisecond)
			}
			began := time.Now()
			if err := s.Append(frameOf(t, s.ID(), epoch, frames+1, 200)); err != nil {
				t.Fatalf("frame %d: %v", frames+1, err)
			}
			waited += time.Since(began)
			waits, _ := j.Tail()
			most = max(most, waits)
			time.Sleep(10 * time.Millisecond)
		}
		same(t, "live", readStream(t, s, journal.Position{}, 1<<20), without(frames, ""))
		closeJournal(t, j)
		same(t, "in the files", readFolder(t, fsys, "bench"), without(frames, ""))
	})
	if waited > 0 || most < 50_000 {
		t.Errorf("Append waited %v, and at most %d bytes waited: want 0, and that the disk was slow", waited, most)
	}
	t.Attr("fault", "F15")
	t.Attr("injected", "50 ms for each sync, and 5 s of standstill every 10 s, at 100 frames/s")
	t.Attr("promised", "appending is never delayed and nothing is lost while the memory tail lasts")
	t.Attr("seen", fmt.Sprintf("%d of %d frames, appending waited %v, up to %d bytes waited for the disk", frames, frames, waited, most))
}
