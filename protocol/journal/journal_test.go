package journal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

func TestSecondProcessIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	j, err := journal.Open(dir, journal.Options{Gateway: "pi-lab3"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = journal.Open(dir, journal.Options{Gateway: "pi-lab3"})
	var locked *journal.LockedError
	if !errors.Is(err, journal.ErrLocked) || !errors.As(err, &locked) || locked.PID != os.Getpid() || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second open: %v", err)
	}
	closeJournal(t, j)
	j, err = journal.Open(dir, journal.Options{Gateway: "pi-lab3"})
	if err != nil {
		t.Fatal(err)
	}
	closeJournal(t, j)
	if err := j.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// The real disk, once through.
func TestOnDisk(t *testing.T) {
	dir := t.TempDir()
	o := journal.Options{Gateway: "pi-lab3", SegmentBytes: 4000, TailBytes: 20000, WaitWhenFull: true}
	for life := uint32(1); life <= 3; life++ {
		j, err := journal.Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		s := stream(t, j, "bench")
		if epoch := begin(t, s, 0, 1); epoch != life {
			t.Fatalf("epoch %d in life %d", epoch, life)
		}
		appendFrames(t, s, life, 1, 100, 200)
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := strings.Join([]string{"1:1-100", "2:1-100", "3:1-100"}[:life], ", ")
		same(t, "read", readStream(t, s, journal.Position{}, 1000), want)
		closeJournal(t, j)
	}
	r, err := journal.Verify(t.Context(), nil, dir, journal.VerifyOptions{})
	if err != nil || !r.Complete || len(r.Streams[0].Epochs) != 3 {
		t.Errorf("verify: %+v, %v", r, err)
	}
}

func TestNamesAreCheckedBeforeTheyBecomeFolders(t *testing.T) {
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{})
	defer j.Close()
	before := fsys.Files()
	for _, name := range []string{"", ".", "..", "../x", "a/b", `a\b`, "/etc", "A", "con", "lpt1.x", "x.", strings.Repeat("a", 64), "a\x00"} {
		if _, err := j.Stream(name, 0); !errors.Is(err, protocol.ErrFormat) {
			t.Errorf("stream %q: %v", name, err)
		}
	}
	if _, err := journal.Open("/other", journal.Options{FS: fsys, Gateway: "../x"}); err == nil {
		t.Error("a gateway named ../x was taken")
	}
	if after := slices.DeleteFunc(fsys.Files(), func(s string) bool { return strings.HasPrefix(s, "/other/") }); !slices.Equal(before, after) {
		t.Errorf("files changed from %v to %v", before, after)
	}
}

func TestOptionsMustFitTheFolder(t *testing.T) {
	fsys := threeFiles(t)
	for name, o := range map[string]journal.Options{
		"another journal": {Journal: protocol.NewID()},
		"another place":   {Place: journal.InArchive},
	} {
		o.FS = fsys
		if _, err := journal.Open(folder, o); !errors.Is(err, journal.ErrOther) {
			t.Errorf("%s: %v", name, err)
		}
	}
	j := open(t, fsys, journal.Options{Gateway: "renamed"})
	if _, err := j.Stream("bench", 7); !errors.Is(err, journal.ErrOther) {
		t.Errorf("another id: %v", err)
	}
	if _, err := j.Stream("other", 1); !errors.Is(err, journal.ErrOther) {
		t.Errorf("an id taken: %v", err)
	}
	changed := j.Changed()
	if s := stream(t, j, "other"); s.ID() != 2 {
		t.Errorf("next id %d, want 2", s.ID())
	}
	<-changed
	closeJournal(t, j)
	j = open(t, fsys, journal.Options{Gateway: "renamed"})
	if len(j.Streams()) != 2 || j.Gateway() != "renamed" {
		t.Errorf("streams %d, gateway %s", len(j.Streams()), j.Gateway())
	}
	closeJournal(t, j)
}

func TestWhatAppendAndBeginRefuse(t *testing.T) {
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{})
	s := stream(t, j, "bench")
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, journal.ErrOrder) && !errors.Is(err, protocol.ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("before begin", s.Append(frameOf(t, 1, 1, 1, 5)))
	epoch := begin(t, s, 0, 1)
	appendFrames(t, s, epoch, 1, 5, 5)
	refused("again", s.Append(frameOf(t, 1, epoch, 5, 5)))
	refused("another epoch", s.Append(frameOf(t, 1, 2, 6, 5)))
	refused("another stream", s.Append(frameOf(t, 2, epoch, 6, 5)))
	refused("more than a frame", s.Append(append(frameOf(t, 1, epoch, 6, 5), 0)))
	hello, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeBye}, []byte(`{"reason":""}`))
	if err != nil {
		t.Fatal(err)
	}
	refused("session frame", s.Append(hello))
	_, err = s.Begin(epoch, 5)
	refused("begin what is held", err)
	if err := s.Append(jsonFrame(t, protocol.TypeEnd, 1, epoch, 6, &protocol.End{Cause: protocol.CauseGatewayStopped})); err != nil {
		t.Fatal(err)
	}
	refused("after the end", s.Append(frameOf(t, 1, epoch, 7, 5)))
	_, err = s.Begin(epoch, 7)
	refused("begin after the end", err)
	begin(t, s, 9, 1)
	_, err = s.Begin(8, 1)
	refused("begin an earlier epoch", err)
	closeJournal(t, j)
	if err := s.Append(frameOf(t, 1, 9, 1, 5)); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	if _, err := s.Begin(0, 1); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("begin after close: %v", err)
	}
	j = open(t, fsys, journal.Options{})
	_, err = stream(t, j, "bench").Begin(9, 5)
	refused("go on with an epoch after a start", err)
	if last, clean, found := stream(t, j, "bench").EpochEnd(epoch); last != 6 || !clean || !found {
		t.Errorf("end of epoch: %d %t %t", last, clean, found)
	}
	closeJournal(t, j)
}

// An archive begins in the middle, goes on after a restart, and keeps holes
// that it was told.
func TestArchive(t *testing.T) {
	fsys := journaltest.New()
	o := journal.Options{FS: fsys, Place: journal.InArchive, Journal: protocol.NewID(), Gateway: "pi-lab3", WaitWhenFull: true}
	life := func(use func(s *journal.Stream)) {
		t.Helper()
		j, err := journal.Open(folder, o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := j.Stream("bench", 7)
		if err != nil {
			t.Fatal(err)
		}
		use(s)
		closeJournal(t, j)
	}
	hole := func(s *journal.Stream, from, to uint64) {
		t.Helper()
		if err := s.Append(jsonFrame(t, protocol.TypeHole, 7, 3, from, &protocol.Hole{To: protocol.Uint64(to), Cause: protocol.CauseQuota, By: "pi-lab3"})); err != nil {
			t.Fatal(err)
		}
	}
	descriptor := jsonFrame(t, protocol.TypeDescriptor, 7, 3, 1, &protocol.Descriptor{Stream: "bench", Cause: protocol.CauseGatewayStarted, Channels: []protocol.Channel{}})
	life(func(s *journal.Stream) {
		if _, err := s.Begin(3, 1, descriptor); err != nil {
			t.Fatal(err)
		}
		appendFrames(t, s, 3, 400, 410, 50) // states that what lies before was never fetched
		hole(s, 411, 420)
		if p, _ := s.Last(); p.Seq != 410 || s.NextSeq() != 421 {
			t.Errorf("last %v, next %d", p, s.NextSeq())
		}
	})
	p, _, err := protocol.ParsePreamble(fsys.Data(segmentsOf(fsys, "bench")[0]))
	if err != nil || len(p.Copies) != 1 || !slices.Equal(p.Copies[0], descriptor) {
		t.Errorf("preamble %+v, %v", p, err)
	}
	life(func(s *journal.Stream) {
		if p, ok := s.Last(); !ok || p.Seq != 410 || s.NextSeq() != 421 {
			t.Errorf("last %v, next %d after a start", p, s.NextSeq())
		}
		begin(t, s, 3, 421)
		hole(s, 405, 415) // nothing new
		hole(s, 415, 425) // in part
		appendFrames(t, s, 3, 426, 430, 50)
		want := "3:1-399 not held, 3:400-410, 3:411-420 quota, 3:421-425 quota, 3:426-430"
		same(t, "from the begin", readStream(t, s, journal.Position{}, 100), want)
		same(t, "from 403 on", readStream(t, s, journal.Position{Epoch: 3, Seq: 402}, 100), "3:403-410, 3:411-420 quota, 3:421-425 quota, 3:426-430")
		same(t, "from within a hole", readStream(t, s, journal.Position{Epoch: 3, Seq: 415}, 100), "3:416-420 quota, 3:421-425 quota, 3:426-430")
		same(t, "from within a hole in memory", readStream(t, s, journal.Position{Epoch: 3, Seq: 422}, 100), "3:423-425 quota, 3:426-430")
		if old, _, ok := s.Oldest(); !ok || old.Seq != 400 || old.Epoch != 3 {
			t.Errorf("oldest %v", old)
		}
		begin(t, s, 5, 1)
		appendFrames(t, s, 5, 1, 2, 10)
	})
	same(t, "folder", readFolder(t, fsys, "bench"), "3:1-399 not held, 3:400-410, 3:411-420 quota, 3:421-425 quota, 3:426-430, 5:1-2")
}

func TestReaderAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{SegmentBytes: 2000, TailBytes: 4000})
		s := stream(t, j, "bench")
		end := s.ReaderAtEnd()
		epoch := begin(t, s, 0, 1)
		r := s.Reader(journal.Position{})
		defer r.Close()
		if b, err := r.TryNext(100); b != nil || err != nil {
			t.Fatalf("empty stream: %v, %v", b, err)
		}
		ready := r.Ready()
		select {
		case <-ready:
			t.Error("ready although there is nothing")
		default:
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := r.Next(ctx, 100); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("next: %v", err)
		}
		cancel()
		for seq := uint64(1); seq <= 60; seq++ {
			appendFrames(t, s, epoch, seq, seq, 100)
			synctest.Wait()
		}
		<-ready
		if behind := r.Behind(); behind < 9000 || behind > 11000 {
			t.Errorf("behind %d bytes of %d", behind, 60*156)
		}
		var got []string
		var last int64 = 1 << 40
		for r.Position().Seq < 60 {
			b, err := r.Next(t.Context(), 500)
			if err != nil || len(b) > 500 {
				t.Fatalf("%d bytes, %v", len(b), err)
			}
			got = told(t, b, got)
			if behind := r.Behind(); behind > last {
				t.Errorf("behind grew from %d to %d", last, behind)
			} else {
				last = behind
			}
		}
		same(t, "read", strings.Join(got, ", "), "1:1-60")
		if last != 0 {
			t.Errorf("behind %d at the end", last)
		}
		if b, err := end.TryNext(1 << 20); err != nil || told(t, b, nil)[0][:4] != "1:1-" {
			t.Errorf("reader from the end of an empty stream: %v", err)
		}
		skipped := s.Reader(journal.Position{})
		if p := skipped.SkipToEnd(); p.Seq != 60 || p.HeaderCRC == 0 {
			t.Errorf("skipped to %v", p)
		}
		appendFrames(t, s, epoch, 61, 61, 100)
		synctest.Wait() // it may begin a new file
		b, err := skipped.Next(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "after the skip", strings.Join(told(t, b, nil), ", "), "1:61-61")
		p, _ := s.Last()
		if h, found, err := s.Lookup(1, 61); !found || err != nil || h.HeaderCRC != p.HeaderCRC || skipped.Position() != p {
			t.Errorf("lookup: %v %t %v, last %v, reader at %v", h, found, err, p, skipped.Position())
		}
		if h, found, err := s.Lookup(1, 3); !found || err != nil || h.Seq != 3 {
			t.Errorf("lookup in a file: %v %t %v", h, found, err)
		}
		for _, p := range []journal.Position{{Epoch: 1, Seq: 62}, {Epoch: 2, Seq: 1}, {Epoch: 1, Seq: 0}, {}} {
			if h, found, err := s.Lookup(p.Epoch, p.Seq); found || err != nil {
				t.Errorf("lookup of %v: %v %t %v", p, h, found, err)
			}
		}
		n := len(s.Segments())
		if _, err := s.DropOldest(); err != nil || len(s.Segments()) != n-1 {
			t.Errorf("drop: %v", err)
		}
		if got := readStream(t, s, journal.Position{}, 1000); !strings.Contains(got, "quota") || !strings.HasSuffix(got, "-61") {
			t.Errorf("after a drop: %s", got)
		}
		closeJournal(t, j)
		for range 2 {
			if _, err := r.Next(t.Context(), 1<<20); err != nil && !errors.Is(err, journal.ErrClosed) {
				t.Errorf("after close: %v", err)
			}
		}
		if _, err := r.Next(t.Context(), 1<<20); !errors.Is(err, journal.ErrClosed) {
			t.Errorf("at the end of a closed journal: %v", err)
		}
	})
}

// Readers of all kinds follow while frames are appended, files end and
// epochs begin.
func TestFollowWhileWritten(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{Gateway: "pi-lab3", SegmentBytes: 30000, TailBytes: 60000, WaitWhenFull: true, SyncEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	const epochs, frames = 3, 1500
	s := stream(t, j, "bench")
	begin(t, s, 0, 1)
	want := "1:1-1500, 2:1-1500, 3:1-1500"
	end := journal.Position{Epoch: epochs, Seq: frames}
	var all sync.WaitGroup
	read := func(what string, next func() ([]byte, error), at func() journal.Position) {
		var got []string
		for p := at(); p.Epoch != end.Epoch || p.Seq != end.Seq; p = at() {
			b, err := next()
			if err != nil {
				t.Errorf("%s: %v", what, err)
				return
			}
			got = told(t, b, got)
		}
		same(t, what, strings.Join(got, ", "), want)
	}
	for _, max := range []int{1, 700, 1 << 20} {
		r := s.Reader(journal.Position{})
		all.Go(func() {
			defer r.Close()
			read("reader", func() ([]byte, error) { return r.Next(t.Context(), max) }, r.Position)
		})
	}
	f, err := journal.OpenFolder(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	r := f.Reader("bench")
	all.Go(func() {
		defer r.Close()
		read("folder", func() ([]byte, error) { return r.Follow(t.Context()) }, r.Position)
	})
	for epoch := uint32(1); epoch <= epochs; epoch++ {
		if epoch > 1 {
			begin(t, s, 0, 1)
		}
		appendFrames(t, s, epoch, 1, frames, 60)
	}
	all.Wait()
	closeJournal(t, j)
}

func TestRotationByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := journaltest.New()
		j := open(t, fsys, journal.Options{SegmentAge: time.Minute})
		g, s := stream(t, j, "gateway"), stream(t, j, "bench")
		eg, e := begin(t, g, 0, 1), begin(t, s, 0, 1)
		clock := jsonFrame(t, protocol.TypeClock, g.ID(), eg, 1, &protocol.Clock{Kind: protocol.ClockHost, Cause: protocol.ClockStart, Sync: protocol.SyncUnknown})
		if err := g.Append(clock); err != nil {
			t.Fatal(err)
		}
		descriptor := jsonFrame(t, protocol.TypeDescriptor, s.ID(), e, 1, &protocol.Descriptor{Stream: "bench", Cause: protocol.CauseGatewayStarted, Channels: []protocol.Channel{}})
		if err := s.Append(descriptor); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		appendFrames(t, s, e, 2, 2, 10)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		paths := segmentsOf(fsys, "bench")
		if len(paths) != 2 {
			t.Fatalf("files %v", paths)
		}
		p, _, err := protocol.ParsePreamble(fsys.Data(paths[1]))
		if err != nil || p.FirstSeq != 2 || !slices.EqualFunc(p.Copies, [][]byte{descriptor, clock}, slices.Equal) {
			t.Errorf("second file: %+v, %v", p, err)
		}
		closeJournal(t, j)
		same(t, "read", readFolder(t, fsys, "bench"), "1:1-2")
	})
}

func TestLastTimeAcrossARestart(t *testing.T) {
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{})
	g, s := stream(t, j, "gateway"), stream(t, j, "bench")
	eg, e := begin(t, g, 0, 1), begin(t, s, 0, 1)
	base := protocol.NewID()
	for _, st := range []*journal.Stream{g, s} {
		if err := st.Append(jsonFrame(t, protocol.TypeDescriptor, st.ID(), 1, 1, &protocol.Descriptor{Stream: st.Name(), Base: base, Cause: protocol.CauseGatewayStarted, Channels: []protocol.Channel{}})); err != nil {
			t.Fatal(err)
		}
	}
	// At 2000 of the time base it was 2007 UTC.
	if err := g.Append(jsonFrame(t, protocol.TypeClock, g.ID(), eg, 2, &protocol.Clock{Kind: protocol.ClockHost, UTCNs: 2007, Cause: protocol.ClockSync, Sync: protocol.SyncSynchronised})); err != nil {
		t.Fatal(err)
	}
	c := protocol.Counts{Begin: []int64{5000, 5100}, Length: []int64{100, 100}, Values: [][]uint64{{1, 2}}}
	var enc protocol.CountsEncoder
	frame, err := enc.Append(nil, protocol.Header{Type: protocol.TypeCounts, Stream: s.ID(), Epoch: e, Seq: 2}, &c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(frame); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := s.LastTime(); ok {
		t.Error("a time although Open found nothing")
	}
	closeJournal(t, j)
	j = open(t, fsys, journal.Options{})
	if ns, utcNs, ok := stream(t, j, "bench").LastTime(); ns != 5200 || utcNs != 5207 || !ok {
		t.Errorf("last time %d, UTC %d, %t; want 5200, 5207", ns, utcNs, ok)
	}
	closeJournal(t, j)
}
