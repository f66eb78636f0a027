package journal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// A full disk: the tail takes what it can, the frame that does not fit is whole
// or absent, and when space returns all goes on by itself.
func TestDiskFullAndEmptyAgain(t *testing.T) {
	most := int64(0)
	synctest.Test(t, func(t *testing.T) {
		for space := int64(0); space < 700; space += 37 {
			fsys := journaltest.New()
			var troubles []error
			j := open(t, fsys, journal.Options{SegmentBytes: 1000, TailBytes: 8000, OnTrouble: func(err error) { troubles = append(troubles, err) }})
			s := stream(t, j, "bench")
			epoch := begin(t, s, 0, 1)
			appendFrames(t, s, epoch, 1, 5, 60)
			if err := j.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			fsys.Limit(space)
			appendFrames(t, s, epoch, 6, 40, 60)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if !errors.Is(j.Err(), syscall.ENOSPC) || len(troubles) == 0 || len(troubles) > 10 {
				t.Errorf("space %d: trouble %v, told %d times", space, j.Err(), len(troubles))
			}
			waits, _ := j.Tail()
			most = max(most, waits)
			same(t, "live view", readStream(t, s, journal.Position{}, 5000), "1:1-40")
			if _, err := s.Begin(0, 1); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("space %d: begin on a full disk: %v", space, err)
			}
			durable := s.Durable().Seq
			same(t, "power cut", readFolder(t, fsys.Clone(), "bench"), without(max(durable, s.Durable().Seq), ""))
			fsys.Limit(-1)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			if j.Err() != nil || s.Durable().Seq != 40 {
				t.Errorf("space %d: space is back: trouble %v, durable %v", space, j.Err(), s.Durable())
			}
			for seq := uint64(41); seq <= 120; seq++ { // more than memory holds
				appendFrames(t, s, epoch, seq, seq, 60)
				synctest.Wait()
			}
			same(t, "out of files and memory", readStream(t, s, journal.Position{}, 500), "1:1-120")
			closeJournal(t, j)
			same(t, "after all", readFolder(t, fsys, "bench"), "1:1-120")
		}
	})
	t.Attr("fault", "F10")
	t.Attr("injected", "a disk that is full in each place of 700 bytes, in steps of 37, and has room again later")
	t.Attr("promised", "the tail in memory takes what it can, a frame is whole or absent, all goes on by itself")
	t.Attr("seen", fmt.Sprintf("120 of 120 frames each time, up to %d bytes waited in memory", most))
}

// A sync that fails once: nothing is told durable by it, the file is closed,
// and its frames go into a new one. A power cut then takes what the failed
// sync should have saved.
func TestFailedSync(t *testing.T) {
	told := 0
	for _, tail := range []int64{1 << 20, 4 << 10} { // with the frames in memory, and with most of them only in the file
		synctest.Test(t, func(t *testing.T) {
			fsys := journaltest.New()
			var troubles []error
			j := open(t, fsys, journal.Options{TailBytes: tail, OnTrouble: func(err error) { troubles = append(troubles, err) }})
			s := stream(t, j, "bench")
			epoch := begin(t, s, 0, 1)
			for seq := uint64(1); seq <= 30; seq++ {
				if seq == 11 {
					if err := j.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				appendFrames(t, s, epoch, seq, seq, 400)
				synctest.Wait() // it is written
			}
			if tail > 1<<19 {
				// The disk lost a frame altogether; memory has it.
				path := segmentsOf(fsys, "bench")[0]
				for _, p := range partsOf(t, fsys.Data(path)) {
					if p.seq == 20 {
						fsys.Flip(path, p.from+100, 1)
					}
				}
			}
			fsys.FailSync(syscall.EIO)
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
			if len(troubles) != 1 || !errors.Is(troubles[0], syscall.EIO) {
				t.Errorf("told %v, want one EIO", troubles)
			}
			if d := s.Durable().Seq; d != 10 {
				t.Errorf("durable %d after a failed sync, want 10", d)
			}
			if n := len(segmentsOf(fsys, "bench")); n != 2 {
				t.Errorf("%d files, want 2", n)
			}
			same(t, "live", readStream(t, s, journal.Position{}, 5000), "1:1-30")
			appendFrames(t, s, epoch, 31, 35, 400)
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
			if d := s.Durable().Seq; d != 35 || j.Err() != nil {
				t.Errorf("durable %d, trouble %v after the next round, want 35 and none", d, j.Err())
			}
			cut := fsys.PowerCut(journaltest.Lost, rand.New(rand.NewPCG(1, 1)))
			_ = j.Close()
			same(t, "after a power cut", readFolder(t, cut, "bench"), "1:1-35")
			told += len(troubles)
		})
	}
	t.Attr("fault", "F11")
	t.Attr("injected", "a sync that returns EIO once and loses what it should have saved, as later syncs of the file do not tell; with the frames in memory, and with most of them only in the file")
	t.Attr("promised", "nothing is told durable by it, the file is closed and read again, not synced again, the trouble is told")
	t.Attr("seen", fmt.Sprintf("trouble told %d times in 2 runs, durable stayed at 10, then 35 of 35 frames after a power cut", told))
}

// A disk that stands still for a minute: Append, readers, and the writing of
// files that are open go on.
func TestSlowSyncHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{SyncEvery: 100 * time.Second})
		a, b := stream(t, j, "a"), stream(t, j, "b")
		ea, eb := begin(t, a, 0, 1), begin(t, b, 0, 1)
		release := fsys.BlockSync()
		appendFrames(t, a, ea, 1, 10, 100)
		time.Sleep(101 * time.Second)
		synctest.Wait()
		if fsys.SyncsWaiting() != 1 {
			t.Fatalf("%d syncs wait, want 1", fsys.SyncsWaiting())
		}
		for seq := uint64(11); seq <= 60; seq++ {
			appendFrames(t, a, ea, seq, seq, 100)
			appendFrames(t, b, eb, seq-10, seq-10, 100)
			time.Sleep(time.Second)
			synctest.Wait()
			same(t, "folder", readFolder(t, fsys, "a"), without(seq, ""))
		}
		same(t, "a", readStream(t, a, journal.Position{}, 1000), "1:1-60")
		same(t, "b in its file", readFolder(t, fsys, "b"), "1:1-50")
		if d := a.Durable(); d.Seq != 0 {
			t.Errorf("durable %v while no sync has ended", d)
		}
		changed := a.DurableChanged()
		release()
		synctest.Wait()
		select {
		case <-changed:
		default:
			t.Error("DurableChanged is open although durable changed")
		}
		if d := a.Durable().Seq; d != 10 {
			t.Errorf("durable %d after the sync that began with 10 frames written", d)
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		if a, b := a.Durable().Seq, b.Durable().Seq; a != 60 || b != 50 {
			t.Errorf("durable %d and %d after the next round, want 60 and 50", a, b)
		}
		closeJournal(t, j)
	})
}

// The tail is full: frames are dropped, become a hole, and the sequence goes
// on.
func TestTailFullDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{TailBytes: 4000})
		s := stream(t, j, "bench")
		epoch := begin(t, s, 0, 1)
		appendFrames(t, s, epoch, 1, 3, 100)
		synctest.Wait()
		fsys.Limit(0)
		dropped := uint64(0)
		for seq := uint64(4); seq <= 60; seq++ {
			err := s.Append(frameOf(t, s.ID(), epoch, seq, 100))
			switch {
			case errors.Is(err, journal.ErrTailFull):
				if dropped == 0 {
					dropped = seq
				}
			case err != nil || dropped > 0:
				t.Fatalf("append %d: %v", seq, err)
			}
			synctest.Wait()
		}
		if dropped < 10 || s.NextSeq() != 61 {
			t.Fatalf("dropped from %d on, next %d", dropped, s.NextSeq())
		}
		fsys.Limit(-1)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		same(t, "before the next frame", readStream(t, s, journal.Position{}, 1000), without(dropped-1, ""))
		appendFrames(t, s, epoch, 61, 70, 100)
		want := fmt.Sprintf("1:1-%d, 1:%d-60 overrun, 1:61-70", dropped-1, dropped)
		same(t, "live", readStream(t, s, journal.Position{}, 1000), want)
		closeJournal(t, j)
		same(t, "in the files", readFolder(t, fsys, "bench"), want)
		j = open(t, fsys, journal.Options{})
		same(t, "after a start", readStream(t, stream(t, j, "bench"), journal.Position{}, 1000), want)
		closeJournal(t, j)
	})
}

// Frames dropped at the very end are told too.
func TestDroppedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{TailBytes: 1000})
		s := stream(t, j, "bench")
		epoch := begin(t, s, 0, 1)
		fsys.Limit(0)
		for seq := uint64(1); seq <= 5; seq++ {
			_ = s.Append(frameOf(t, s.ID(), epoch, seq, 600))
		}
		if err := s.Append(frameOf(t, s.ID(), epoch, 6, 600)); !errors.Is(err, journal.ErrTailFull) {
			t.Fatalf("got %v, want ErrTailFull", err)
		}
		fsys.Limit(-1)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		closeJournal(t, j)
		same(t, "in the files", readFolder(t, fsys, "bench"), "1:1-1, 1:2-6 overrun")
	})
}

// An archive waits instead, and Close ends the waiting.
func TestTailFullWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{TailBytes: 4000, WaitWhenFull: true})
		s := stream(t, j, "bench")
		epoch := begin(t, s, 0, 1)
		fsys.Limit(0)
		var done sync.WaitGroup
		done.Go(func() { appendFrames(t, s, epoch, 1, 100, 300) })
		time.Sleep(time.Minute)
		synctest.Wait()
		if next := s.NextSeq(); next > 20 {
			t.Errorf("%d frames were taken into a tail of 4000 bytes", next)
		}
		fsys.Limit(-1)
		done.Wait()
		if err := j.Sync(t.Context()); err != nil {
			t.Error(err)
		}
		same(t, "read", readStream(t, s, journal.Position{}, 1000), "1:1-100")

		fsys.Limit(0)
		var last error
		done.Go(func() {
			for seq := uint64(101); last == nil; seq++ {
				last = s.Append(frameOf(t, s.ID(), epoch, seq, 300))
			}
		})
		synctest.Wait()
		if err := j.Close(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("close on a full disk: %v", err)
		}
		done.Wait()
		if !errors.Is(last, journal.ErrClosed) {
			t.Errorf("append: %v, want ErrClosed", last)
		}
	})
}

// Frames larger than the whole tail go through one by one.
func TestFrameLargerThanTail(t *testing.T) {
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{TailBytes: 1000, WaitWhenFull: true})
	s := stream(t, j, "bench")
	epoch := begin(t, s, 0, 1)
	appendFrames(t, s, epoch, 1, 5, 1<<20-100)
	closeJournal(t, j)
	same(t, "read", readFolder(t, fsys, "bench"), "1:1-5")
}
