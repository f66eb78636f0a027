package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// pass lets seconds go by, by wait, with a frame of 200 bytes and a look in each.
func (r *keptJournal) pass(st *journal.Stream, seconds int, wait func()) {
	r.t.Helper()
	for range seconds {
		frame, err := protocol.AppendFrame(nil, protocol.Header{
			Type: protocol.TypeTags, Stream: st.ID(), Epoch: st.Epoch(), Seq: st.NextSeq(), Index: st.NextSeq(), Count: 1, Time: r.ns.Load(),
		}, make([]byte, 200))
		if err == nil {
			err = st.Append(frame)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		wait()
		r.look()
	}
}

// A disk whose writes and syncs do not return, while it goes on to say how much
// room it has, as a frozen file system does, is told within seconds: all that is
// read since stands in memory alone.
func TestDiskThatAnswersNothing(t *testing.T) {
	t.Attr("fault", "F15")
	t.Attr("injected", "writes and syncs that do not return for 10 s, while the disk says how much room it has and no error")
	t.Attr("promised", "degraded with event, log, alarm and a sentence once a frame has waited for more than 5 s, and well again when it is synced")
	synctest.Test(t, func(t *testing.T) {
		r := newKept(t, 10_000_000)
		if err := r.journal.Close(); err != nil {
			t.Fatal(err)
		}
		stuck := &stuckFS{FS: r.fsys}
		r.disk, r.synced = stuck, time.Second
		r.open(10_000_000)
		r.begin("bench")
		st, err := r.journal.Stream("bench", 0)
		if err != nil {
			t.Fatal(err)
		}
		pass := func(seconds int) {
			r.pass(st, seconds, func() {
				time.Sleep(time.Second)
				synctest.Wait()
			})
		}
		pass(30)
		if s := r.state(); s.State != protocol.JournalOK || len(r.events) != 0 {
			t.Fatalf("before: %+v, told %q", s, r.told())
		}
		release := stuck.stick()
		defer release()
		pass(5)
		if s := r.state(); s.State != protocol.JournalOK || len(r.events) != 0 {
			t.Errorf("after 5 s: %s, told %q; want nothing yet", s.State, r.told())
		}
		pass(3)
		s := r.state()
		if s.State != protocol.JournalDegraded || s.Cause != "the disk has not answered for 8 s" || s.Trouble != s.Cause || len(r.alarms) != 1 {
			t.Errorf("after 8 s: %+v, alarms %q", s, r.alarms)
		}
		// 264 bytes come each second; 65,536 - 8 * 264 bytes are left.
		told := "journal degraded | journal degraded: the disk has not answered for 6 s; readings wait in memory, which at the present rate lasts "
		if all := strings.Join(r.told(), " & "); !strings.HasPrefix(all, told) || !strings.HasSuffix(all, "; until the disk has them a crash or power cut loses them") {
			t.Errorf("told %q, want one event that begins %q", r.told(), told)
		}
		if !strings.Contains(strings.Join(r.log.messages(), "\n"), "the disk has not answered for 6 s") {
			t.Errorf("logged %q", r.log.messages())
		}
		text := DegradedText(&s)
		if !strings.HasPrefix(text, "the disk has not answered for 8 s: readings wait in memory, which at the present rate lasts 4 min") {
			t.Errorf("status says %q", text)
		}
		pass(2)
		release()
		pass(5)
		if s := r.state(); s.State != protocol.JournalOK || s.Cause != "" || len(r.events) != 2 || len(r.alarms) != 1 {
			t.Errorf("it goes on: %+v, told %q", s, r.told())
		}
		t.Attr("seen", fmt.Sprintf("event and alarm 6 s after the last write that was taken; status: %q; events %q", text, r.told()))
	})
}

// What the disk says is one plain sentence, whatever the journal makes of it.
func TestWhatTheDiskSays(t *testing.T) {
	of := func(errno syscall.Errno) error {
		return fmt.Errorf("journal: write /j/a.pgs: %w", &fs.PathError{Op: "write", Path: "/j/a.pgs", Err: errno})
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{of(syscall.ENOSPC), "the disk is full"},
		{of(syscall.EDQUOT), "this user may take no more of the disk"},
		{errors.Join(of(syscall.EROFS), of(syscall.EROFS)), "the disk cannot be written any more, only read: it may be broken, look at it soon"},
		{of(syscall.EIO), "the disk reports errors: it may be broken, look at it soon"},
		{of(syscall.ENODEV), "the disk gives errors: no such device"},
		{errors.Join(errors.New("short write"), errors.New("again")), "the disk gives errors: short write"},
		{muteError(10_900 * time.Millisecond), "the disk has not answered for 10 s"},
	} {
		if got := diskText(tt.err); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
	}
}

// While the disk is full, neither what is free nor for how long the quota would
// last is said without saying that readings cannot have it.
func TestRoomOfAFullDisk(t *testing.T) {
	s := protocol.JournalStatus{
		State: protocol.JournalDegraded, Cause: textFull, Trouble: "journal: write: no space left on device", Bytes: 3_000_000, QuotaBytes: 20_000_000, ReserveBytes: 2_500_000,
		FreeBytes: protocol.Ref(protocol.Int64(4_000_000)), RateBps: 100, LastsS: protocol.Ref(1e6), TailBytes: 40_000, TailUsedBytes: 4_000,
	}
	want := []string{"3 MB of at most 20 MB", "2.5 MB besides, set aside for a full disk", "4 MB free on the disk, which readings cannot have: they go on when there is more"}
	if d := cmp.Diff(JournalText(&s), want); d != "" {
		t.Errorf("text (-got +want):\n%s", d)
	}
	if got, want := DegradedText(&s), "the disk is full: readings wait in memory, which at the present rate lasts 6 min; until the disk has them a crash or power cut loses them"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What an archive that is connected has not confirmed may be there all the same;
// and the journal is not full any more soon after it has confirmed all.
func TestFullIsOverSoonAfterTheArchiveHasAll(t *testing.T) {
	r := newKept(t, 1_000_000)
	ana := r.archive("ws-ana", 1, "*")
	r.archive("ws-ben", 2, "lamp", "bench")
	r.here[ana] = true
	r.fill("bench", 125)
	r.look()
	if len(r.events) != 1 || !strings.HasSuffix(r.events[0].Text, " of bench dropped, not yet fetched by ws-ben, not yet confirmed by ws-ana") {
		t.Errorf("told %q", r.told())
	}
	r.archives.begins(protocol.ID{2}, []string{"lamp"}, nil, true)
	r.fill("bench", 10)
	r.drops.told["bench"] = r.ns.Load() // more goes, and is not told at once
	r.look()
	if s := r.state(); s.State != protocol.JournalFull {
		t.Fatalf("state %s, want full", s.State)
	}
	r.acks(ana, "bench", 0)
	seconds := 0
	for ; r.state().State == protocol.JournalFull && seconds < 60; seconds++ {
		r.look()
	}
	if seconds > 6 || len(r.events) != 3 || r.events[2].What != protocol.EventJournalWell {
		t.Errorf("full for %d s after the archive has all, told %q", seconds, r.told())
	}
}
