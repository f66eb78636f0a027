package receiver

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// TestDiskGetsWorse: what changes while the disk is full is told when it does, and
// not much more often: the gateway can hold half as long, less than 10 min, it begins
// to drop, and the disk is full again after it had room for a moment.
func TestDiskGetsWorse(t *testing.T) {
	t.Attr("fault", "F45")
	t.Attr("injected", "the archive's disk full twice with 2 s of room between, while the time that the gateway holds shrinks to nothing")
	t.Attr("promised", "told anew when it is full again, when that time halves or is short, and when the gateway drops")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		var lasts atomic.Int64
		lasts.Store(int64(196 * time.Second))
		l.onRequest = func(ask protocol.Request) []protocol.Reply {
			seconds := time.Duration(lasts.Load()).Seconds()
			s := &protocol.Status{Journal: protocol.JournalStatus{State: protocol.JournalOK, HeldBytes: 5000, LastsS: &seconds}}
			if seconds == 0 {
				s.Journal.State, s.Journal.LastsS = protocol.JournalFull, nil
			}
			return []protocol.Reply{{ID: ask.ID, Status: s}}
		}
		var shown atomic.Value
		stop := l.standing(t, func(o *RecordOptions) { o.OnProgress = func(p Progress) { shown.Store(p.Trouble + ": " + p.Waiting) } })
		time.Sleep(10 * time.Second)
		m := &frameMaker{stream: 2, epoch: 1, seq: 4, index: 6, time: baseNs + second}
		said := 0
		expect := func(what, words string) {
			t.Helper()
			synctest.Wait()
			text := l.log.String()[said:]
			said += len(text)
			if strings.Count(text, "which can hold")+strings.Count(text, "WHICH IS FULL ITSELF") != strings.Count(words, "|")+1 && words != "" || !strings.Contains(text, strings.TrimSuffix(words, "|")) || words == "" && strings.Contains(text, "wait at") {
				t.Errorf("%s: want once %q:\n%s", what, words, text)
			}
		}
		l.fs.Limit(0)
		l.push(l.more(t, m, 2))
		time.Sleep(40 * time.Second)
		expect("full", "the archive's disk is full: 5 kB wait at pi-lab3, which can hold about 3 min 16 s more")
		equal(t, "on the way", shown.Load().(string), "the archive's disk is full: 5 kB wait at pi-lab3, which can hold about 3 min 16 s more")

		l.fs.Limit(-1)
		time.Sleep(2 * time.Second)
		l.fs.Limit(0)
		l.push(l.more(t, m, 2))
		time.Sleep(40 * time.Second)
		expect("full again", "the archive's disk is full again: 5 kB wait")

		lasts.Store(int64(150 * time.Second))
		time.Sleep(40 * time.Second)
		expect("a little less", "")
		lasts.Store(int64(34 * time.Second))
		time.Sleep(40 * time.Second)
		expect("halved", "which can hold about 34 s more")
		lasts.Store(0)
		time.Sleep(20 * time.Second)
		expect("dropping", "WHICH IS FULL ITSELF and drops the oldest")
		time.Sleep(2 * time.Minute)
		expect("still dropping", "")
		l.fs.Limit(-1)
		time.Sleep(10 * time.Second)
		stop()
		t.Attr("seen", "told at once each time")
	})
}

// TestDroppedBeforeTheTrouble: what the gateway had dropped unconfirmed before the disk
// was full, as of an archive that began past the quota, is no loss by it; what it drops
// then is.
func TestDroppedBeforeTheTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		var dropped atomic.Int64
		dropped.Store(65_600)
		l.onRequest = func(ask protocol.Request) []protocol.Reply {
			return []protocol.Reply{{ID: ask.ID, Status: &protocol.Status{
				Journal: protocol.JournalStatus{State: protocol.JournalOK, HeldBytes: 9000},
				Archives: []protocol.ArchiveInfo{{ID: protocol.ID{2}, BehindBytes: 99, LostBytes: protocol.Int64(1000 + 2*dropped.Load())},
					{ID: archiveID(t, l), BehindBytes: 5000, LostBytes: protocol.Int64(dropped.Load())}},
			}}}
		}
		stop := l.standing(t)
		time.Sleep(10 * time.Second)
		l.fs.Limit(0)
		m := &frameMaker{stream: 2, epoch: 1, seq: 4, index: 6, time: baseNs + second}
		l.push(l.more(t, m, 2))
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if text := l.log.String(); !strings.Contains(text, "5 kB wait at pi-lab3, which can hold more") || strings.Contains(text, "FULL ITSELF") {
			t.Errorf("dropped before: %s", text)
		}
		dropped.Add(1)
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if text := l.log.String(); strings.Count(text, "5 kB wait at pi-lab3, WHICH IS FULL ITSELF") != 1 {
			t.Errorf("dropped since: %s", text)
		}
		l.fs.Limit(-1)
		time.Sleep(10 * time.Second)
		stop()
	})
}

// TestWorse is what counts as worse than what was told.
func TestWorse(t *testing.T) {
	for _, c := range []struct {
		before, now waitingThen
		want        bool
	}{
		{waitingThen{lasts: 20 * time.Minute}, waitingThen{lasts: 11 * time.Minute}, false},
		{waitingThen{lasts: 20 * time.Minute}, waitingThen{lasts: 10 * time.Minute}, true},
		{waitingThen{lasts: 11 * time.Minute}, waitingThen{lasts: 9 * time.Minute}, true},
		{waitingThen{lasts: 9 * time.Minute}, waitingThen{lasts: 8 * time.Minute}, false},
		{waitingThen{}, waitingThen{lasts: time.Hour}, true},
		{waitingThen{lasts: time.Hour}, waitingThen{}, false},
		{waitingThen{lasts: time.Second}, waitingThen{dropping: true}, true},
		{waitingThen{dropping: true}, waitingThen{dropping: true, lasts: time.Second}, false},
	} {
		equal(t, "worse", c.now.worse(c.before), c.want)
	}
}

// TestCSVNotComplete: files that could not be written to their end make the end
// say so, and how to have them.
func TestCSVNotComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		dir := filepath.Join(t.TempDir(), "arch")
		if err := os.WriteFile(dir, nil, 0o644); err != nil { // the archive is in memory: it is CSV files that find no folder
			t.Fatal(err)
		}
		stop := l.standing(t, func(o *RecordOptions) { o.CSV, o.Dir = true, dir })
		time.Sleep(10 * time.Second)
		summary := stop()
		why := strings.Join(summary.Why, "; ")
		if summary.Complete || !strings.Contains(why, "the CSV files of pi-lab3 end where") || !strings.Contains(why, "photonrecv cat "+dir+" --out FOLDER") {
			t.Errorf("complete %v: %s", summary.Complete, why)
		}
	})
}
