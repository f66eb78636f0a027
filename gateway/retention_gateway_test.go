package gateway

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// smallDisk is a gateway whose journal is on a disk of the test.
type smallDisk struct {
	*running
	fsys   *journaltest.FS
	source *fakeSource
	log    *logLines
	at     int64  // begin of the next reading
	fed    uint64 // readings
	random *rand.Rand
}

func newSmallDisk(t *testing.T, fsys journal.FS, memory *journaltest.FS, quota int64) *smallDisk {
	t.Helper()
	f := newBench()
	f.gate = time.Minute // nobody stalls
	config := testConfig(t, "bench")
	config.Quota, config.KeepFree = Amount{Bytes: quota}, Amount{Bytes: 1}
	r := &smallDisk{fsys: memory, log: &logLines{}, random: rand.New(rand.NewPCG(4, 2))}
	r.running = launchWith(t, config, Deps{Drivers: []device.Driver{f.driver("fake")}, OpenPort: f.openPort, Log: zerolog.New(r.log), FS: fsys})
	r.source = <-f.sources
	r.at = r.server.base.now() - int64(10*time.Hour)
	return r
}

// feed has the instrument deliver readings that nothing can make small: about 6 kB
// for each thousand. It returns when the gateway has read them.
func (r *smallDisk) feed(thousands int) {
	r.t.Helper()
	for range thousands {
		a, b := make([]uint64, 1000), make([]uint64, 1000)
		for i := range a {
			a[i], b[i] = r.random.Uint64N(1<<24), r.random.Uint64N(1<<24)
		}
		begin := r.at
		r.source.feed <- func(batch *device.Batch) {
			for i := range a {
				addReading(batch, begin+int64(i)*int64(time.Millisecond), int64(time.Millisecond), a[i], b[i])
			}
		}
		r.at += int64(time.Second)
		r.fed += 1000
	}
	r.wait("the readings are read", func(s *protocol.Status) bool { return uint64(s.Devices[0].Readings) == r.fed })
}

// wait looks at the status until it is as wanted.
func (r *smallDisk) wait(what string, is func(*protocol.Status) bool) protocol.Status {
	r.t.Helper()
	limit := time.After(patience)
	for {
		s := r.Status()
		if is(&s) {
			return s
		}
		select {
		case <-limit:
			r.t.Fatalf("waited in vain until %s: %+v\n%s", what, s.Journal, strings.Join(r.log.messages(), "\n"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// events are what stands in the stream of the gateway.
func (r *smallDisk) events() (list []string) {
	r.t.Helper()
	eachFrame(r.t, r.journal, gatewayStream, func(h protocol.Header, payload []byte) {
		list = appendEvent(list, h, payload)
	})
	return list
}

// eventsOnDisk are those of them that stand on the disk, and not in memory only.
func (r *smallDisk) eventsOnDisk() (list []string) {
	r.t.Helper()
	folder, err := journal.OpenFolder(r.fsys, r.config.Journal)
	if err != nil {
		r.t.Fatal(err)
	}
	reader := folder.Reader(gatewayStream)
	defer reader.Close()
	for {
		frames, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			r.t.Fatal(err)
		}
		each(r.t, frames, func(h protocol.Header, payload []byte) { list = appendEvent(list, h, payload) })
	}
}

func appendEvent(list []string, h protocol.Header, payload []byte) []string {
	var e protocol.Event
	if h.Type == protocol.TypeEvent && protocol.DecodeJSON(payload, &e) == nil {
		list = append(list, e.What+": "+e.Text)
	}
	return list
}

// afterwards ends the gateway, and returns how many readings of bench its journal
// has, and what is missing: while it runs, the newest are read from its memory.
func (r *smallDisk) afterwards() (n uint64, missing []string) {
	r.t.Helper()
	r.end()
	j, err := journal.Open(r.config.Journal, journal.Options{FS: r.fsys, Gateway: r.config.Name})
	if err != nil {
		r.t.Fatal(err)
	}
	defer j.Close() //nolint:errcheck // nothing was written
	r.journal = j
	return r.readingsIn("bench")
}

// has reports whether an event begins so.
func has(events []string, begin string) bool {
	return slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, begin) })
}

// ask is a request of somebody on this computer who may change things.
func (r *smallDisk) ask(ask protocol.Request) *protocol.Reply {
	ana := &asker{name: "ana", from: "127.0.0.1", local: true, rights: []string{protocol.RightRead, protocol.RightChange}}
	ask.ID = 1
	return r.server.control.answer(r.t.Context(), ana, &ask)
}

// readingsIn counts the readings that a stream has, and those that are missing.
func (r *smallDisk) readingsIn(stream string) (n uint64, missing []string) {
	r.t.Helper()
	eachFrame(r.t, r.journal, stream, func(h protocol.Header, payload []byte) {
		switch h.Type {
		case protocol.TypeCounts:
			n += uint64(h.Count)
		case protocol.TypeHole, protocol.TypeGap:
			missing = append(missing, fmt.Sprintf("%v %s", h.Type, payload))
		}
	})
	return n, missing
}

// A disk becomes full: what waits is kept in memory, it is told at once, what is
// acknowledged goes first, then what is not; and when there is room again, all
// is well.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F10")
	t.Attr("injected", "a disk of 2.4 MB under a journal that may have 6 MB, filled by 3 MB and more of readings")
	t.Attr("promised", "DEGRADED and told; acknowledged files go first; then the oldest, with hole and alarm; well again when there is room")
	fsys := journaltest.New()
	fsys.Capacity(2_400_000)
	r := newSmallDisk(t, fsys, fsys, 6_000_000)
	c := connect(t, r.Addr(), "ws-ana", protocol.NewID())
	c.keepAlive()
	c.subscribe(archiveFrom(protocol.FromOldest, "*"))
	r.feed(150)
	list := c.untilIndex(benchID, r.fed-1)
	c.ack(1, list)
	r.wait("the ack is taken", func(s *protocol.Status) bool { return len(s.Archives) == 1 && s.Archives[0].BehindBytes < 20_000 })
	c.say(protocol.TypeBye, &protocol.Bye{})

	for i := 0; !has(r.events(), "journal degraded"); i++ {
		if i > 60 {
			t.Fatalf("5 MB are taken by a disk of 2.4 MB: %+v", r.Status().Journal)
		}
		r.feed(25)
		r.pass()
	}
	s := r.wait("the disk takes all again", func(s *protocol.Status) bool {
		return s.Journal.State == protocol.JournalOK && s.Journal.TailUsedBytes == 0
	})
	if s.Journal.DroppedBytes != 0 || has(r.events(), "journal full") {
		t.Errorf("what is not acknowledged went while there was what is: %+v, %q", s.Journal, r.events())
	}
	if !has(r.events(), "journal degraded: journal degraded: the disk is full; readings wait in memory, which") || !has(r.events(), "journal well: the disk takes all again") {
		t.Errorf("events: %q", r.events())
	}
	st, err := r.journal.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	went := st.Segments()[0].FirstSeq - 1
	if last := list[len(list)-1].Seq; went == 0 || went > last {
		t.Errorf("frames up to %d went, want some of those acknowledged, which are 1 to %d", went, last)
	}

	for i := 0; r.Status().Journal.DroppedBytes == 0; i++ {
		if i > 200 {
			t.Fatalf("nothing was dropped: %+v", r.Status().Journal)
		}
		r.feed(25)
		r.pass()
	}
	full := r.wait("it is told", func(s *protocol.Status) bool { return s.Journal.Dropped != "" })
	if !strings.Contains(full.Journal.Dropped, " of bench dropped, not yet fetched by ws-ana (the disk is full)") {
		t.Errorf("told %q", full.Journal.Dropped)
	}
	fsys.Capacity(20_000_000)
	r.wait("all is well", func(s *protocol.Status) bool {
		return s.Journal.State != protocol.JournalDegraded && s.Journal.TailUsedBytes == 0
	})
	n, missing := r.afterwards()
	if len(missing) != 1 || !strings.Contains(missing[0], `"cause":"quota"`) {
		t.Errorf("missing: %q, want one hole, of cause quota", missing)
	}
	t.Attr("seen", fmt.Sprintf("frames 1 to %d went of 1 to %d that were acknowledged, and none that was not; later: %q; %d of %d readings are there, %d hole(s); %s",
		went, list[len(list)-1].Seq, full.Journal.Dropped, n, r.fed, len(missing), recordOfTrouble(t)))
}

// recordOfTrouble fills a disk on which there is nothing that could go: what is wrong
// stands on it all the same, in the room that was set aside for it.
func recordOfTrouble(t *testing.T) (seen string) {
	t.Helper()
	fsys := journaltest.New()
	fsys.Capacity(1 << 30)
	r := newSmallDisk(t, fsys, fsys, 6_000_000)
	r.feed(20)
	s := r.wait("room is set aside", func(s *protocol.Status) bool { return s.Journal.ReserveBytes > 0 })
	fsys.Limit(0)
	r.feed(40)
	r.wait("what is wrong stands on the disk", func(*protocol.Status) bool { return has(r.eventsOnDisk(), "journal degraded") })
	waits := r.wait("readings wait in memory", func(s *protocol.Status) bool { return s.Journal.TailUsedBytes > 0 })
	fsys.Capacity(1 << 30)
	r.wait("all is well, and room is set aside again", func(now *protocol.Status) bool {
		return now.Journal.TailUsedBytes == 0 && now.Journal.ReserveBytes == s.Journal.ReserveBytes
	})
	if n, missing := r.afterwards(); n != r.fed || len(missing) != 0 {
		t.Errorf("%d of %d readings, missing %q", n, r.fed, missing)
	}
	return fmt.Sprintf("where nothing could go, the record of it took the %s set aside, while %s waited", SizeText(int64(s.Journal.ReserveBytes)), SizeText(int64(waits.Journal.TailUsedBytes)))
}

// pass waits until the gateway's keeper has looked again.
func (r *smallDisk) pass() {
	r.t.Helper()
	select {
	case <-r.t.Context().Done():
	case <-time.After(100 * time.Millisecond): // no measure: what comes meanwhile is more, or less
	}
}

// A disk that turns read-only while the gateway runs: it is told within 5 s, and who
// looks on goes on doing so.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F16")
	t.Attr("injected", "the disk under the journal refuses all that changes it (EROFS), and takes it again later")
	t.Attr("promised", "DEGRADED and event within 5 s; live view continues; nothing lost that the memory could hold")
	fsys := journaltest.New()
	fsys.Capacity(1 << 30)
	r := newSmallDisk(t, fsys, fsys, 100_000_000)
	view := connect(t, r.Addr(), "screen", protocol.NewID())
	view.keepAlive()
	view.subscribe(protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeView, Streams: []string{"bench", "gateway"}, From: protocol.FromNow})
	r.feed(1)
	view.untilIndex(benchID, r.fed-1)

	fsys.ReadOnly(true)
	began := time.Now()
	r.feed(1)
	r.wait("it is told", func(s *protocol.Status) bool { return s.Journal.State == protocol.JournalDegraded })
	took := time.Since(began)
	r.feed(3)
	seen := view.untilIndex(benchID, r.fed-1)
	event := ""
	for _, g := range seen {
		if g.Type == protocol.TypeEvent && strings.Contains(string(g.payload), protocol.EventJournalDegraded) {
			event = string(g.payload)
		}
	}
	if !strings.Contains(event, "the disk cannot be written any more, only read") {
		t.Errorf("the view was not told: %q", event)
	}
	if took > 5*time.Second {
		t.Errorf("told after %v, want within 5 s", took)
	}
	fsys.ReadOnly(false)
	r.wait("all is well", func(s *protocol.Status) bool {
		return s.Journal.State == protocol.JournalOK && s.Journal.TailUsedBytes == 0
	})
	n, missing := r.readingsIn("bench")
	if n != r.fed || len(missing) != 0 {
		t.Errorf("%d of %d readings, missing %q", n, r.fed, missing)
	}
	t.Attr("seen", fmt.Sprintf("state degraded and event after %v; the view saw all %d readings; %d of %d in the journal afterwards, %d holes", took.Round(10*time.Millisecond), r.fed, n, r.fed, len(missing)))
}

// stuckFS is a disk whose writes wait while it is stuck.
type stuckFS struct {
	journal.FS
	mu   sync.Mutex
	gate chan struct{} // closed when it goes on; nil: it is not stuck
}

type stuckFile struct {
	journal.File
	fs *stuckFS
}

func (s *stuckFS) Create(name string) (journal.File, error) {
	f, err := s.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return &stuckFile{f, s}, nil
}

func (s *stuckFS) wait() {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

func (f *stuckFile) Write(b []byte) (int, error) { f.fs.wait(); return f.File.Write(b) }
func (f *stuckFile) Sync() error                 { f.fs.wait(); return f.File.Sync() }

// stick makes the disk stand still until the function returned is called.
func (s *stuckFS) stick() (release func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	s.gate = gate
	s.mu.Unlock()
	return sync.OnceFunc(func() {
		s.mu.Lock()
		s.gate = nil
		s.mu.Unlock()
		close(gate)
	})
}

// A disk that stands still delays no reading, and costs none while the memory
// lasts, for as long as status says.
func TestDiskThatStandsStill(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F15")
	t.Attr("injected", "syncs that take 50 ms each, and a disk whose writes and syncs stand still while 2 MB are read")
	t.Attr("promised", "reads are not delayed, nothing is lost while the memory lasts, and for how many seconds that is is told")
	memory := journaltest.New()
	memory.Capacity(1 << 30)
	memory.SlowSync(50 * time.Millisecond)
	stuck := &stuckFS{FS: memory}
	r := newSmallDisk(t, stuck, memory, 100_000_000)
	r.feed(20)
	r.wait("how long the memory lasts is told", func(s *protocol.Status) bool { return s.Journal.TailLastsS != nil })
	release := stuck.stick()
	t.Cleanup(release) // before the gateway ends, which waits for the disk
	began := time.Now()
	r.feed(330) // about 2 MB
	reading := time.Since(began)
	s := r.wait("the status tells what waits", func(s *protocol.Status) bool { return s.Journal.TailUsedBytes > 1_500_000 })
	lasts := s.Journal.TailLastsS
	left := float64(s.Journal.TailBytes-s.Journal.TailUsedBytes) / s.Journal.RateBps
	if s.Journal.TailBytes != tailBytes || lasts == nil || *lasts <= 0 || math.Abs(*lasts-left) > 0.1 {
		t.Errorf("status: %+v, want the memory to last %.1f s", s.Journal, left)
	}
	release()
	r.wait("the disk has all", func(s *protocol.Status) bool { return s.Journal.TailUsedBytes == 0 })
	n, missing := r.readingsIn("bench")
	if n != r.fed || len(missing) != 0 {
		t.Errorf("%d of %d readings, missing %q", n, r.fed, missing)
	}
	start := strings.Join(r.log.messages(), "\n")
	if !strings.Contains(start, "while the disk stands still") {
		t.Errorf("the start does not say what waits:\n%s", start)
	}
	if lasts != nil {
		t.Attr("seen", fmt.Sprintf("330,000 readings read in %v while the disk stood still, %s waited in memory, which was said to last %s more; %d of %d recorded, %d gaps or holes",
			reading.Round(time.Millisecond), SizeText(int64(s.Journal.TailUsedBytes)), SpanText(seconds(*lasts)), n, r.fed, len(missing)))
	}
}

// The quota is made smaller and larger while readings come: no live file is
// touched, what is over it goes, and who did it stands in the record.
func TestQuotaChangedWhileRunning(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F17")
	t.Attr("injected", "quota 20 MB -> 1 MB -> 20 MB over a session while readings come")
	t.Attr("promised", "no live data touched: the live file goes on, only the oldest files go")
	fsys := journaltest.New()
	fsys.Capacity(1 << 30)
	r := newSmallDisk(t, fsys, fsys, 20_000_000)
	r.feed(400) // 2.4 MB, files of 625 kB
	live := func() (name string, begin []byte) {
		st, err := r.journal.Stream("bench", 0)
		if err != nil {
			t.Fatal(err)
		}
		segs := st.Segments()
		last := segs[len(segs)-1]
		data := fsys.Data(last.Path)
		return last.Path, slices.Clone(data[:last.Bytes])
	}
	if err := r.journal.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	name, begin := live()
	reply := r.ask(protocol.Request{Do: protocol.DoSet, Device: "gateway", Key: "quota", Value: "1MB", Who: "ana"})
	if reply.Code != "" || reply.Change == nil || reply.Change.Old != "20MB" || reply.Change.New != "1MB" || reply.Change.Who != "ana" ||
		reply.Text != `this lasts until the gateway ends; to keep it, write quota = "1MB" under [gateway]` {
		t.Errorf("reply %+v, change %+v", reply, reply.Change)
	}
	s := r.wait("the journal is within it", func(s *protocol.Status) bool {
		return r.journal.Bytes() <= 1_000_000 && s.Journal.Bytes <= 1_000_000 && s.Journal.Bytes > 100_000 && s.Journal.QuotaBytes == 1_000_000
	})
	if now := fsys.Data(name); len(now) < len(begin) || !slices.Equal(now[:len(begin)], begin) {
		t.Errorf("the live file %s changed: %d bytes, now %d", name, len(begin), len(now))
	}
	dropped := s.Journal.Bytes
	if reply := r.ask(protocol.Request{Do: protocol.DoSet, Device: "gateway", Key: "quota", Value: "20MB"}); reply.Code != "" {
		t.Errorf("reply %+v", reply)
	}
	r.feed(50)
	if err := r.journal.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if events := r.events(); !has(events, "set: quota of the gateway from 20MB to 1MB") || !has(events, "set: quota of the gateway from 1MB to 20MB") {
		t.Errorf("events: %q", events)
	}
	for _, tt := range []struct{ key, value, want string }{
		{"quota", "much", `quota = much: "much" is no size (expected a size with its unit, in quotes: "20GB", "512MiB", or a part of the disk, "20%")`},
		{"quota", "3kB", `quota = 3kB is too small (expected at least 1MB)`},
		{"keep_free", "95%", `keep_free = 95% leaves no room for the journal (expected at most 90%)`},
		{"size", "1GB", `the gateway has no setting "size" (expected one of quota, keep_free)`},
	} {
		if reply := r.ask(protocol.Request{Do: protocol.DoSet, Device: "gateway", Key: tt.key, Value: tt.value}); reply.Text != tt.want {
			t.Errorf("%s=%s: got %q, want %q", tt.key, tt.value, reply.Text, tt.want)
		}
	}
	got := r.ask(protocol.Request{Do: protocol.DoGet, Device: "gateway"})
	if len(got.Settings) != 2 || got.Settings[0].Value != "20MB" || got.Settings[1].Key != "keep_free" {
		t.Errorf("get: %+v", got.Settings)
	}
	n, missing := r.afterwards()
	if len(missing) != 1 || !strings.Contains(missing[0], `"cause":"quota"`) || n < 100_000 {
		t.Errorf("%d readings, missing %q", n, missing)
	}
	t.Attr("seen", fmt.Sprintf("live file of %s unchanged in its first %d bytes; %s left of 2.4 MB, one hole: %s", name[strings.LastIndexByte(name, '/')+1:], len(begin), SizeText(int64(dropped)), strings.Join(missing, " ")))
}

// Archives are forgotten, and a name is taken over.
func TestForgetAndTakeOver(t *testing.T) {
	t.Parallel()
	fsys := journaltest.New()
	r := newSmallDisk(t, fsys, fsys, 20_000_000)
	old, fresh := protocol.NewID(), protocol.NewID()
	c := connect(t, r.Addr(), "ws-ana", old)
	c.keepAlive()
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))

	if reply := r.ask(protocol.Request{Do: protocol.DoForget, Name: "ws-anna"}); reply.Code != protocol.ReplyUnknown || reply.Text != `there is no archive "ws-anna" (expected one of ws-ana)` {
		t.Errorf("unknown: %+v", reply)
	}
	if reply := r.ask(protocol.Request{Do: protocol.DoForget, Name: "ws-ana"}); reply.Code != protocol.ReplyBusy || reply.Text != `the archive "ws-ana" is connected: end its photonrecv first` {
		t.Errorf("connected: %+v", reply)
	}
	other := connect(t, r.Addr(), "ws-ana", fresh)
	other.say(protocol.TypeSubscribe, &protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeArchive, Streams: []string{"bench"}, From: protocol.FromOldest, Credit: 1})
	if refusal := other.refusedWith(protocol.RefuseName); !strings.Contains(refusal.Text, "photonrecv record --take-over") {
		t.Errorf("refused: %s", refusal.Text)
	}
	other = connect(t, r.Addr(), "ws-ana", fresh)
	other.keepAlive()
	take := archiveFrom(protocol.FromOldest, "bench")
	take.TakeOver = true
	other.subscribe(take)
	c.refusedWith(protocol.RefuseName)
	s := r.wait("the old one is gone", func(s *protocol.Status) bool {
		return len(s.Archives) == 1 && s.Archives[0].ID == fresh && s.Archives[0].Connected
	})
	if !s.Archives[0].Holds {
		t.Errorf("archive: %+v", s.Archives[0])
	}
	other.say(protocol.TypeBye, &protocol.Bye{})
	r.wait("it is away", func(s *protocol.Status) bool { return !s.Archives[0].Connected })
	if reply := r.ask(protocol.Request{Do: protocol.DoForget, Name: "ws-ana", Who: "ben"}); reply.Code != "" {
		t.Errorf("forget: %+v", reply)
	}
	if s := r.Status(); len(s.Archives) != 0 {
		t.Errorf("archives: %+v", s.Archives)
	}
	events := r.events()
	var got []string
	for _, e := range events {
		if strings.HasPrefix(e, protocol.EventArchiveForget) {
			_, why, _ := strings.Cut(e, "UTC)")
			got = append(got, why)
		}
	}
	if d := cmp.Diff(got, []string{fmt.Sprintf(": its name is now that of another archive (id %.8s...)", fresh), ""}); d != "" {
		t.Errorf("events (-got +want):\n%s\n%q", d, events)
	}
	r.wait("the list is saved", func(*protocol.Status) bool {
		return !strings.Contains(string(fsys.Data(r.config.Journal+"/"+archivesFile)), "ws-ana")
	})
	reader := &asker{name: "x", rights: []string{protocol.RightRead}}
	if reply := r.server.control.answer(t.Context(), reader, &protocol.Request{Do: protocol.DoForget, Name: "ws-ana"}); reply.Code != protocol.ReplyRights {
		t.Errorf("without the right: %+v", reply)
	}
}

// An archive that asked for readings up to an end, and has them, holds nothing
// when it has gone; one that lacks some does.
func TestArchiveThatHasAllItAskedFor(t *testing.T) {
	t.Parallel()
	fsys := journaltest.New()
	r := newSmallDisk(t, fsys, fsys, 20_000_000)
	r.feed(100) // many frames
	for _, all := range []bool{true, false} {
		name := map[bool]string{true: "done", false: "torn"}[all]
		c := connect(t, r.Addr(), name, protocol.NewID())
		req := archiveFrom(protocol.FromOldest, "bench")
		req.ToNs = protocol.Ref(protocol.Int64(r.at - int64(50*time.Second)))
		c.keepAlive()
		c.subscribe(req)
		list := c.until(protocol.TypeFinished)
		if all {
			c.ack(1, list)
		}
		c.say(protocol.TypeBye, &protocol.Bye{})
		s := r.wait(name+" has gone", func(s *protocol.Status) bool {
			i := slices.IndexFunc(s.Archives, func(a protocol.ArchiveInfo) bool { return a.Name == name })
			return i >= 0 && !s.Archives[i].Connected
		})
		for _, a := range s.Archives {
			if a.Name == name && a.Holds == all {
				t.Errorf("%s: holds %v", name, a.Holds)
			}
		}
	}
}
