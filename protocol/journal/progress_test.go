package journal_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// killed is the folder of a process that was killed in the middle of epoch 2, of
// which 300 frames were on the disk more than a minute before and 340 in all; epoch 1
// ended with frame 5.
func killed(t *testing.T, place journal.Place) (fsys *journaltest.FS) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		disk := journaltest.New()
		j := open(t, disk, journal.Options{Place: place, Journal: protocol.ID{1}, WaitWhenFull: true})
		s := stream(t, j, "bench")
		appendFrames(t, s, begin(t, s, 0, 1), 1, 5, 30)
		epoch := begin(t, s, 0, 1)
		appendFrames(t, s, epoch, 1, 300, 30)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		appendFrames(t, s, epoch, 301, 340, 30)
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		fsys = disk.Kill()
		_ = j.Close() // its disk is gone
	})
	return fsys
}

// newest is the file of epoch 2.
func newest(fsys *journaltest.FS) string {
	paths := segmentsOf(fsys, "bench")
	return paths[len(paths)-1]
}

// How far the open epoch was on the disk is noted each minute: what is cut off or
// removed of it after a crash is told up to there, by a verify and by whoever opens
// the folder next.
func TestOpenEpochCutShortAfterACrash(t *testing.T) {
	half := func(t *testing.T, fsys *journaltest.FS) {
		data := fsys.Data(newest(fsys))
		for _, p := range partsOf(t, data) {
			if p.seq == 150 {
				fsys.Put(newest(fsys), data[:p.to+10]) // within frame 151
				return
			}
		}
		t.Fatal("no frame 150")
	}
	gone := func(t *testing.T, fsys *journaltest.FS) {
		if err := fsys.Remove(newest(fsys)); err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range []journal.Place{journal.InJournal, journal.InArchive} {
		for name, c := range map[string]struct {
			damage func(t *testing.T, fsys *journaltest.FS)
			holes  string // as verify tells them
			opened string
		}{
			"nothing": {func(*testing.T, *journaltest.FS) {}, "", ""},
			"cut":     {half, "2:151-300 file missing, open", "went up to frame 300 at least, and its files end with frame 150"},
			"removed": {gone, "2:1-300 file missing, open", "went up to frame 300 at least, and its files end with frame 0"},
		} {
			t.Run(name+" "+string(place), func(t *testing.T) {
				fsys := killed(t, place)
				c.damage(t, fsys)
				same(t, "holes", openHoles(t, fsys), c.holes)
				same(t, "holes again", openHoles(t, fsys), c.holes)
				var told []string
				j := open(t, fsys, journal.Options{Place: place, OnTrouble: func(err error) { told = append(told, err.Error()) }})
				closeJournal(t, j)
				said := slices.ContainsFunc(told, func(s string) bool { return c.opened != "" && strings.Contains(s, c.opened) })
				if said != (c.opened != "") || c.opened == "" && len(told) > 0 {
					t.Errorf("told when opened: %q", told)
				}
			})
		}
	}
}

// openHoles lists the holes that Verify finds, and which of them may go on.
func openHoles(t *testing.T, fsys *journaltest.FS) string {
	t.Helper()
	var words []string
	for _, s := range verify(t, fsys, journal.VerifyOptions{}).Streams {
		for _, e := range s.Epochs {
			for _, h := range e.Holes {
				word := fmt.Sprintf("%d:%d-%d %s", e.Epoch, h.From, h.To, h.Cause)
				if h.Open {
					word += ", open"
				}
				words = append(words, word)
			}
		}
	}
	return strings.Join(words, "; ")
}

// An epoch of which nothing was noted, and that lost its files: it is known only
// that it was there. After a clean end it is known how far it went.
func TestWhetherALostEpochMayHaveGoneOn(t *testing.T) {
	made := func(end func(fsys *journaltest.FS, j *journal.Journal)) *journaltest.FS {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{Place: journal.InArchive, Journal: protocol.ID{1}})
		s := stream(t, j, "bench")
		appendFrames(t, s, begin(t, s, 0, 1), 1, 5, 30)
		end(fsys, j)
		return fsys
	}
	fsys := made(func(_ *journaltest.FS, j *journal.Journal) { closeJournal(t, j) })
	var crashed *journaltest.FS
	made(func(fsys *journaltest.FS, j *journal.Journal) {
		crashed = fsys.Kill()
		_ = j.Close() // its disk is gone
	})
	for _, c := range []struct {
		fsys *journaltest.FS
		want string
	}{{crashed, "1:1-1 file missing, open"}, {fsys, "1:1-5 file missing"}} {
		if err := c.fsys.Remove(newest(c.fsys)); err != nil {
			t.Fatal(err)
		}
		same(t, "holes", openHoles(t, c.fsys), c.want)
	}
	// Whoever fills it says how far that went.
	for _, c := range []struct {
		seq  uint64
		open bool
		want string
	}{{3, true, "1:1-3 file missing, open"}, {2, false, "1:1-3 file missing, open"}, {4, false, "1:1-4 file missing"}} {
		if err := journal.NoteEnd(crashed, folder, "bench", 1, c.seq, c.open); err != nil {
			t.Fatal(err)
		}
		same(t, "holes", openHoles(t, crashed), c.want)
	}
	if err := journal.NoteEnd(crashed, folder, "nobody", 1, 3, true); err == nil {
		t.Error("an end of a stream that is not there is noted")
	}
}

// Zeros over the begin of a file take its head and its first frames: they are
// damaged, no file is missing. So it is of the first file of a part and of others.
func TestZerosOverTheBeginOfAFile(t *testing.T) {
	for n, want := range []string{"1:1-", "1:"} {
		fsys := threeFiles(t)
		path := segmentsOf(fsys, "bench")[n]
		data := fsys.Data(path)
		clear(data[:partsOf(t, data)[1].to])
		fsys.Put(path, data)
		got := openHoles(t, fsys)
		if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " damaged") || strings.Contains(got, ";") {
			t.Errorf("%s: %s", filepath.Base(path), got)
		}
	}
}
