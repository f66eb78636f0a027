package journal_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// What the quota dropped is told from what was removed by hand, also later
// and by others, and what was asked for is told to its end.
func TestDroppedIsRememberedAsSuch(t *testing.T) {
	fsys := threeEpochs(t, journal.InJournal) // 12 frames each, in several files
	j := open(t, fsys, journal.Options{})
	s := stream(t, j, "bench")
	last := uint64(0)
	for s.Segments()[0].Epoch == 1 || last == 0 {
		info, err := s.DropOldest()
		if err != nil {
			t.Fatal(err)
		}
		if info.LastSeq < info.FirstSeq || info.LastNs < info.FirstNs || info.FirstNs != int64(info.FirstSeq)*1000 || info.Begun.IsZero() {
			t.Errorf("dropped %+v", info)
		}
		if last = 0; info.Epoch == 2 {
			last = info.LastSeq
		}
	}
	second := s.Segments()[0]
	read := readStream(t, s, journal.Position{Epoch: 1, Seq: 4}, 1<<20)
	if !strings.HasPrefix(read, "1:5-12 quota, 2:1-") || strings.Contains(read, "missing") {
		t.Errorf("read on from frame 4: %s", read)
	}
	closeJournal(t, j)
	if second.Epoch != 2 || second.FirstSeq != last+1 {
		t.Fatalf("dropped up to %d, the next file is %+v", last, second)
	}
	if err := fsys.Remove(second.Path); err != nil { // by hand
		t.Fatal(err)
	}
	j = open(t, fsys, journal.Options{})
	defer j.Close()
	read = readStream(t, stream(t, j, "bench"), journal.Position{Epoch: 1, Seq: 12}, 1<<20)
	if !strings.HasPrefix(read, "2:1-") || !strings.Contains(read, " quota, 2:") || !strings.Contains(read, " file missing, ") {
		t.Errorf("after a file was removed by hand: %s", read)
	}
	if got := lost(t, fsys, journal.VerifyOptions{}); strings.HasPrefix(got, "1:") || !strings.Contains(got, "quota") || !strings.Contains(got, "file missing") {
		t.Errorf("verify: %s", got)
	}
}

// When journal.json is lost it is not known what was dropped, and nobody says
// otherwise.
func TestDroppedAndForgotten(t *testing.T) {
	fsys := threeFiles(t)
	j := open(t, fsys, journal.Options{})
	if _, err := stream(t, j, "bench").DropOldest(); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, j)
	if err := fsys.Remove(filepath.Join(folder, "journal.json")); err != nil {
		t.Fatal(err)
	}
	readBoth(t, fsys, "after journal.json was lost", "1:1-5 not held, 1:6-12")
	j = open(t, fsys, journal.Options{})
	closeJournal(t, j)
	readBoth(t, fsys, "after it was made again", "1:1-5 not held, 1:6-12")
}

// A disk so full that journal.json cannot be replaced is no reason to keep the
// file.
func TestDropOnAFullDisk(t *testing.T) {
	fsys := threeFiles(t)
	j := open(t, fsys, journal.Options{})
	s := stream(t, j, "bench")
	fsys.Limit(0)
	if _, err := s.DropOldest(); err != nil {
		t.Fatal(err)
	}
	same(t, "read", readStream(t, s, journal.Position{}, 1<<20), "1:1-5 quota, 1:6-12")
	closeJournal(t, j)
	readBoth(t, fsys, "later", "1:1-5 quota, 1:6-12")
}

// A live file can be ended, so that a quota smaller than a file can be kept. The
// file that holds an epoch's number, or what is not on the disk yet, stays.
func TestEndTheLiveFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{})
		defer j.Close()
		s := stream(t, j, "bench")
		epoch := begin(t, s, 0, 1)
		appendFrames(t, s, epoch, 1, 5, 100)
		if _, err := s.DropOldest(); err == nil {
			t.Error("the live file was dropped")
		}
		for range 2 { // the second time there is nothing to do
			if err := s.CloseSegment(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		files := s.Segments()
		if len(files) != 2 || files[0].Open || files[0].LastSeq != 5 || !files[1].Open || files[1].FirstSeq != 6 || s.Durable().Seq != 5 {
			t.Fatalf("after the end of the file: %+v, durable %v", files, s.Durable())
		}
		appendFrames(t, s, epoch, 6, 7, 100)
		if _, err := s.DropOldest(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it is written
		same(t, "in the files", readFolder(t, fsys, "bench"), "1:1-5 quota, 1:6-7")
		same(t, "in memory", readStream(t, s, journal.Position{}, 1<<20), "1:1-7")
		fsys.Limit(0)
		fsys.FailSync(syscall.EIO) // the file is closed, a new one cannot be made
		if err := s.CloseSegment(t.Context()); err == nil {
			t.Error("a file was ended and a new one made on a full disk")
		}
		if _, err := s.DropOldest(); err == nil {
			t.Error("dropped what no sync has saved")
		}
		fsys.Limit(-1)
		if err := j.Sync(t.Context()); err != nil || s.Durable().Seq != 7 {
			t.Errorf("durable %v, %v", s.Durable(), err)
		}
	})
}

// What a journal takes, on the disk and in memory, and grows by.
func TestSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{TailBytes: 1 << 20})
		defer j.Close()
		s := stream(t, j, "bench")
		epoch := begin(t, s, 0, 1)
		synctest.Wait()
		fsys.Limit(0)
		appendFrames(t, s, epoch, 1, 10, 100-56) // 100 bytes each
		synctest.Wait()
		if used, limit := j.Tail(); used != 1000 || limit != 1<<20 || s.Appended() != 1000 {
			t.Errorf("%d of %d bytes wait, %d appended; want 1000 of 1 MiB, and 1000", used, limit, s.Appended())
		}
		fsys.Limit(-1)
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if used, _ := j.Tail(); used != 0 {
			t.Errorf("%d bytes wait after a sync", used)
		}
		size := int64(0)
		for _, path := range segmentsOf(fsys, "bench") {
			size += int64(len(fsys.Data(path)))
		}
		if j.Bytes() != size || s.Bytes() != size || size < 1000 {
			t.Errorf("journal %d, stream %d bytes, its files have %d", j.Bytes(), s.Bytes(), size)
		}
	})
}

// The space on a real disk is what the system says; nobody else's number can
// be known, but it makes sense.
func TestSpaceOfARealDisk(t *testing.T) {
	free, total, err := journal.OS{}.Space(t.TempDir())
	if err != nil {
		t.Fatalf("space: %v", err)
	}
	if free < 0 || total < 1<<20 || free > total {
		t.Errorf("%d of %d bytes are free", free, total)
	}
	if _, _, err := (journal.OS{}).Space(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("space of a folder that is not there")
	}
}

// dropping is a file system that does something once: when the n-th step after
// journal.json was read begins.
type dropping struct {
	journal.FS
	steps int
	do    func()
}

func (d *dropping) step() {
	if d.steps--; d.steps == 0 {
		d.do()
	}
}

func (d *dropping) ReadDir(name string) ([]fs.DirEntry, error) {
	d.step()
	return d.FS.ReadDir(name)
}

func (d *dropping) Open(name string) (journal.File, error) {
	if strings.HasSuffix(name, ".pgs") {
		d.step()
	}
	return d.FS.Open(name)
}

// What the quota drops while a folder is read is no damage, whichever step it
// comes between; what was removed by hand meanwhile is.
func TestReadWhileTheQuotaDrops(t *testing.T) {
	for drops := 1; drops <= 8; drops++ { // of 9 files in 3 epochs
		for steps := 1; steps <= 22; steps++ {
			fsys := threeEpochs(t, journal.InJournal)
			j := open(t, fsys, journal.Options{})
			s := stream(t, j, "bench")
			d := &dropping{FS: fsys, steps: steps, do: func() {
				for range drops {
					if _, err := s.DropOldest(); err != nil {
						t.Error(err)
					}
				}
			}}
			r := verify(t, d, journal.VerifyOptions{})
			for _, e := range r.Streams[0].Epochs {
				for _, h := range e.Holes {
					if h.Cause != "quota" {
						t.Errorf("%d drops at step %d: epoch %d, hole %+v", drops, steps, e.Epoch, h)
					}
				}
			}
			if r.Trouble != nil {
				t.Errorf("%d drops at step %d: %q", drops, steps, r.Trouble)
			}
			closeJournal(t, j)
			if got := lost(t, fsys, journal.VerifyOptions{}); strings.Contains(got, "missing") {
				t.Errorf("%d drops at step %d: verified again, %s", drops, steps, got)
			}
		}
	}
	fsys := threeEpochs(t, journal.InJournal)
	d := &dropping{FS: fsys, steps: 1, do: func() {
		if err := fsys.Remove(segmentsOf(fsys, "bench")[0]); err != nil {
			t.Error(err)
		}
	}}
	same(t, "removed by hand", verify(t, d, journal.VerifyOptions{}).Streams[0].Epochs[0].Holes[0].Cause, "file missing")
}
