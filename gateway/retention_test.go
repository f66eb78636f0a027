package gateway

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// What all archives have goes first, the oldest of all streams first, and only
// when room is needed; nobody is told.
func TestFetchedGoesFirst(t *testing.T) {
	t.Attr("fault", "F10")
	t.Attr("injected", "a journal beyond its quota, of which an archive has acknowledged a part")
	t.Attr("promised", "what is acknowledged goes first, oldest first, and only when room is needed")
	r := newKept(t, 1_000_000)
	ana := r.archive("ana", 1, "*")
	r.fill("bench", 40) // 320 kB, the oldest
	r.fill("lamp", 40)
	r.acks(ana, "bench", 20)
	r.acks(ana, "lamp", 30)
	r.look()
	if d := cmp.Diff(r.oldest(), map[string]uint64{"bench": 1, "lamp": 1}); d != "" {
		t.Errorf("within the quota something went (-got +want):\n%s", d)
	}
	r.fill("bench", 60) // 1.1 MB in all
	r.look()
	// A file has nine frames (64 KiB): those of bench that end with 9 and 18 are
	// acknowledged and older than all of lamp.
	got := r.oldest()
	if got["bench"] == 1 || got["bench"] > 21 || got["lamp"] != 1 {
		t.Errorf("oldest: got %v, want some of bench gone, at most up to 20, and none of lamp", got)
	}
	r.fill("bench", 20)
	r.look()
	if got := r.oldest(); got["bench"] > 21 || got["lamp"] == 1 || got["lamp"] > 31 {
		t.Errorf("oldest: got %v, want what is acknowledged of lamp gone as well, and no more", got)
	}
	if s := r.state(); int64(s.Bytes) > 1_000_000 || s.State != protocol.JournalOK || s.DroppedBytes != 0 || len(r.events) != 0 || len(r.alarms) != 0 {
		t.Errorf("got %+v, events %q, alarms %q; want nothing told", s, r.told(), r.alarms)
	}
	t.Attr("seen", fmt.Sprintf("%d bytes of %d; oldest frames %v; no event, no alarm", r.state().Bytes, 1_000_000, r.oldest()))
}

// Beyond what is fetched the oldest of the stream goes that has most for its
// share, as a hole, with an event, an alarm and the state full; and it is over
// when the archive has fetched.
func TestBeyondTheQuota(t *testing.T) {
	t.Attr("fault", "F10")
	t.Attr("injected", "twice the quota of readings that an archive never acknowledged, in two streams of shares 2 and 1")
	t.Attr("promised", "holes of cause quota in the stream most over its share, event, alarm, state full; well again when it is fetched")
	r := newKept(t, 1_200_000)
	r.shares = map[string]float64{"bench": 2, "lamp": 1}
	ana := r.archive("ws-ana", 1, "*")
	for range 30 { // 2.4 MB, both alike
		r.fill("bench", 5)
		r.fill("lamp", 5)
		r.look()
	}
	s := r.state()
	if s.State != protocol.JournalFull || int64(s.Bytes) > 1_200_000 || s.DroppedBytes < 1_000_000 {
		t.Errorf("got %+v, want full, within the quota", s)
	}
	parts := map[string]float64{}
	for _, one := range s.Streams {
		parts[one.Name] = float64(one.Bytes) / float64(s.Bytes)
	}
	if parts["bench"] < 0.6 || parts["bench"] > 0.73 || s.Streams[0].Share != 0.667 || s.Streams[0].OldestUTC == "" {
		t.Errorf("bench has %.2f of the journal, share %v, want about 2/3", parts["bench"], s.Streams[0])
	}
	for _, stream := range []string{"bench", "lamp"} {
		list := holes(t, r.journal, stream)
		if len(list) != 1 || !strings.HasPrefix(list[0], "1:1-") || !strings.HasSuffix(list[0], " quota") {
			t.Errorf("holes of %s: got %q, want one from the begin on, of cause quota", stream, list)
		}
	}
	if len(r.alarms) != 1 || !strings.HasPrefix(r.alarms[0], "journal full: oldest ") || !strings.HasSuffix(r.alarms[0], " dropped, not yet fetched by ws-ana") {
		t.Errorf("alarms: got %q, want one", r.alarms)
	}
	for _, text := range r.told() {
		if !strings.HasPrefix(text, "journal full | journal full: oldest ") || !strings.HasSuffix(text, " dropped, not yet fetched by ws-ana") {
			t.Errorf("event %q", text)
		}
	}
	n := len(r.events)
	if n < 2 || n > 60 {
		t.Errorf("%d events in 50 minutes, want some, and at most one each minute and stream", n)
	}
	info := r.archives.status()
	r.lacking(info)
	if info[0].LostBytes < 1_000_000 || info[0].LostBytes != s.DroppedBytes || !info[0].Holds || info[0].BehindBytes < 1_000_000 {
		t.Errorf("archive: got %+v", info[0])
	}
	r.acks(ana, "bench", 0)
	r.acks(ana, "lamp", 0)
	r.ns.Add(int64(time.Minute))
	r.look()
	r.look()
	r.look()
	if s := r.state(); s.State != protocol.JournalOK || s.HeldBytes != 0 || r.events[len(r.events)-1].What != protocol.EventJournalWell {
		t.Errorf("fetched: got %+v, last event %+v", s, r.events[len(r.events)-1])
	}
	t.Attr("seen", fmt.Sprintf("%d bytes dropped, shares %.2f and %.2f, %d events, 1 alarm: %q", s.DroppedBytes, parts["bench"], parts["lamp"], n, r.alarms[0]))
}

// The sentence that is told, worked out by hand: a file of 64 KiB has nine
// frames of 8,056 bytes, one each 10 s, and the first one the descriptor as well,
// which is 10 s older than the first of them.
func TestSentenceOfWhatIsDropped(t *testing.T) {
	r := newKept(t, 1_000_000)
	r.archive("ws-ana", 1, "bench")
	r.archive("ws-ben", 2, "bench")
	r.fill("bench", 125) // 1,007,000 bytes, and preambles
	r.look()
	if d := cmp.Diff(holes(t, r.journal, "bench"), []string{"1:1-10 quota"}); d != "" {
		t.Errorf("holes (-got +want):\n%s", d)
	}
	if d := cmp.Diff(r.told(), []string{"journal full | journal full: oldest 1 min 30 s of bench dropped, not yet fetched by ws-ana and ws-ben"}); d != "" || r.events[0].Who != "gateway" {
		t.Errorf("told (-got +want):\n%s", d)
	}
	if !strings.Contains(strings.Join(r.log.messages(), "\n"), "oldest 1 min 30 s of bench dropped") {
		t.Errorf("logged %q", r.log.messages())
	}
}

// Which file may go for whom, at the borders.
func TestRankAtTheBorders(t *testing.T) {
	seg := journal.SegmentInfo{Epoch: 3, FirstSeq: 10, LastSeq: 20}
	at := func(epoch uint32, seq uint64) map[string]acked {
		return map[string]acked{"bench": {epoch, protocol.Uint64(seq)}}
	}
	all := []string{"*"}
	r := newKept(t, 1_000_000)
	st, err := r.journal.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		list []archive
		want int
	}{
		{"nobody is known", nil, rankLacking},
		{"all of it", []archive{{Streams: all, Acked: at(3, 20)}}, rankFetched},
		{"all but one frame", []archive{{Streams: all, Acked: at(3, 19)}}, rankLacking},
		{"a later epoch, smaller number", []archive{{Streams: all, Acked: at(4, 1)}}, rankFetched},
		{"an earlier epoch, larger number", []archive{{Streams: all, Acked: at(2, 900)}}, rankLacking},
		{"nothing yet", []archive{{Streams: all}}, rankLacking},
		{"one has it, one lacks it", []archive{{Streams: all, Acked: at(3, 20)}, {Streams: all, Acked: at(3, 12)}}, rankLacking},
		{"who lacks it does not want the stream", []archive{{Streams: all, Acked: at(3, 20)}, {Streams: []string{"lamp"}}}, rankFetched},
		{"who lacks it was released", []archive{{Streams: all, Acked: at(3, 20)}, {Streams: all, Released: true}}, rankFetched},
		{"who lacks it has all it asked for", []archive{{Streams: all, Acked: at(3, 20)}, {Streams: all, Complete: true}}, rankFetched},
		{"wanted by none, others are", []archive{{Streams: []string{"lamp"}}}, rankUnwanted},
		{"a pattern", []archive{{Streams: []string{"b?n*"}, Acked: at(3, 1)}}, rankLacking},
		{"began behind it, nobody has it", []archive{{Streams: all, Acked: at(3, 25), Skipped: at(3, 25)}}, rankUnwanted},
		{"began in it", []archive{{Streams: all, Acked: at(3, 25), Skipped: at(3, 15)}}, rankFetched},
		{"only released ones, that had it", []archive{{Streams: all, Acked: at(3, 20), Released: true}}, rankFetched},
		{"only released ones, that lacked it", []archive{{Streams: all, Acked: at(3, 19), Released: true}}, rankLacking},
		{"of an earlier version, that acknowledged it", []archive{{Acked: at(3, 20)}}, rankFetched},
		{"of an earlier version, that lacks it", []archive{{Acked: at(3, 2)}}, rankLacking},
		{"of an earlier version, of another stream", []archive{{Acked: map[string]acked{"lamp": {1, 1}}}}, rankUnwanted},
	} {
		s := &shelf{stream: st, known: tt.list, alone: true}
		for _, e := range tt.list {
			if e.holds("bench") {
				s.holders = append(s.holders, e)
			}
			s.alone = s.alone && !e.holds("bench") && !e.holds("lamp")
		}
		if got := s.rank(seg); got != tt.want {
			t.Errorf("%s: got rank %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A file whose end could not be read is fetched by nobody who has only its begin.
func TestRankWhereTheEndIsNotKnown(t *testing.T) {
	r := newKept(t, 1_000_000)
	st, err := r.journal.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at   acked
		want int
	}{
		{acked{3, 10}, rankLacking},
		{acked{3, 1000}, rankLacking},
		{acked{4, 1}, rankFetched},
	} {
		e := archive{Streams: []string{"*"}, Acked: map[string]acked{"bench": tt.at}}
		s := &shelf{stream: st, known: []archive{e}, holders: []archive{e}}
		if got := s.rank(journal.SegmentInfo{Epoch: 3, FirstSeq: 10}); got != tt.want {
			t.Errorf("acknowledged up to %v: got rank %d, want %d", tt.at, got, tt.want)
		}
	}
}

// What nobody asked for goes before what an archive lacks, and is told without
// an alarm; the gateway's own stream goes last.
func TestUnwantedGoesBeforeLacking(t *testing.T) {
	r := newKept(t, 1_000_000)
	r.archive("ana", 1, "bench", "gateway")
	r.fill(gatewayStream, 20) // the oldest, and far beyond its share
	r.fill("bench", 50)
	r.fill("lamp", 60)
	r.look()
	if got := r.oldest(); got["bench"] != 1 || got[gatewayStream] != 1 || got["lamp"] == 1 {
		t.Errorf("oldest: got %v, want only lamp to have lost some", got)
	}
	if len(r.alarms) != 0 || r.state().State != protocol.JournalOK || len(r.events) != 1 ||
		!strings.Contains(r.events[0].Text, " of lamp dropped, which no archive waits for") {
		t.Errorf("told %q, alarms %q", r.told(), r.alarms)
	}
	r.fill("bench", 60)
	r.look()
	if got := r.oldest(); got["bench"] == 1 || got[gatewayStream] != 1 {
		t.Errorf("oldest: got %v, want the gateway's own to be last", got)
	}
	if len(r.alarms) != 1 {
		t.Errorf("alarms %q, want one for what ana lacks", r.alarms)
	}
}

// A quota that is a part of the disk stays what it is when the disk does not say
// how large it is: else all beyond the quota of a disk of unknown size would go.
func TestDiskThatDoesNotSayItsSize(t *testing.T) {
	r := newKept(t, 0)
	r.quota = Amount{Percent: 20}
	r.fsys.Capacity(1e14)
	ana := r.archive("ana", 1, "*")
	r.fill("bench", 20)
	r.acks(ana, "bench", 5)
	r.look()
	r.space = func() (free, total int64, err error) { return 0, 0, syscall.EIO }
	r.look()
	if s := r.state(); s.QuotaBytes != 2e13 || s.FreeBytes != nil {
		t.Errorf("quota %d, free %v; want 20 %% of the disk as it was, and nothing of what is free", s.QuotaBytes, s.FreeBytes)
	}
}

// Before the disk has said how large it is nothing goes for a quota in per cent,
// unless it can never say.
func TestQuotaOfADiskThatHasNotSaidItsSize(t *testing.T) {
	for _, tt := range []struct {
		quota Amount
		total int64
		err   error
		open  bool
	}{
		{Amount{}, 0, syscall.EIO, true},
		{Amount{Percent: 20}, 0, syscall.EIO, true},
		{Amount{Percent: 20}, 1e12, syscall.EIO, false}, // it said so before
		{Amount{Bytes: 1e9}, 0, syscall.EIO, false},
		{Amount{Percent: 20}, 0, errors.ErrUnsupported, false},
		{Amount{}, 1e12, nil, false},
	} {
		if got := quotaOpen(tt.quota, tt.total, tt.err); got != tt.open {
			t.Errorf("%v of %d, %v: got %v", tt.quota, tt.total, tt.err, got)
		}
	}
}

// Without any archive all is kept within the quota. Where the list of archives was
// lost, it is not known who lacks what goes, and that is an alarm.
func TestNobodyIsKnown(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		r := newKept(t, 1_000_000)
		if damaged {
			r.archives.aside = "archives.json.damaged"
		}
		r.fill("bench", 110)
		r.fill("lamp", 40)
		r.look()
		if got := r.oldest(); got["bench"] == 1 || got["lamp"] != 1 || r.state().Bytes > 1_000_000 {
			t.Errorf("oldest: got %v, %d bytes", got, r.state().Bytes)
		}
		want, state, alarms := "which no archive waits for", protocol.JournalOK, 0
		if damaged {
			want, state, alarms = "who has not fetched it is not known, as the list of archives was damaged", protocol.JournalFull, 1
		}
		if len(r.events) != 1 || !strings.HasSuffix(r.events[0].Text, want) || r.state().State != state || len(r.alarms) != alarms {
			t.Errorf("told %q, alarms %q, state %s", r.told(), r.alarms, r.state().State)
		}
	}
}

// A stream that appears later is held from its begin on by who asked for all.
func TestStreamThatAppearsLater(t *testing.T) {
	r := newKept(t, 1_000_000)
	ana := r.archive("ana", 1, "*")
	r.fill("bench", 60)
	r.acks(ana, "bench", 0)
	r.fill("lamp", 70) // ana is away
	r.look()
	if got := r.oldest(); got["lamp"] != 1 || got["bench"] == 1 {
		t.Errorf("oldest: got %v, want all of lamp, which ana lacks", got)
	}
}

// A file that is being written and has more than its part of a small quota is
// ended, so that its stream gives room instead of another one. It goes itself
// only when it is not written any more.
func TestLiveFileIsEndedNotDropped(t *testing.T) {
	t.Attr("fault", "F17")
	t.Attr("injected", "a quota made smaller than what stands in live files alone")
	t.Attr("promised", "the live file of the stream most over its share is ended, not touched, and no other stream pays")
	r := newKept(t, 10_000_000)
	r.file = 900_000
	if err := r.journal.Close(); err != nil {
		t.Fatal(err)
	}
	r.open(10_000_000)
	r.archive("ana", 1, "*")
	r.fill("lamp", 50) // 400 kB, an epoch that has ended, and one that goes on
	r.begin("lamp")
	r.fill("bench", 100) // 800 kB in one live file
	r.look()
	before := [2][]string{r.files("bench"), r.files("lamp")}
	if _, _, err := r.set("quota", "1MB"); err != nil {
		t.Fatal(err)
	}
	r.keep(t.Context())
	after := [2][]string{r.files("bench"), r.files("lamp")}
	if !strings.HasSuffix(before[0][0], " live") || len(before[0]) != 1 || len(after[0]) != 2 || !strings.HasPrefix(after[0][0], "1-101") || r.oldest()["bench"] != 1 {
		t.Errorf("bench: %v, then %v; want the live file ended and still there", before[0], after[0])
	}
	r.look()
	if got := r.oldest(); got["lamp"] != 1 || got["bench"] == 1 {
		t.Errorf("oldest: got %v, want bench to have paid, and lamp to have all", got)
	}
	t.Attr("seen", fmt.Sprintf("bench %v, at the first look %v, at the second %v; lamp %v", before[0], after[0], r.files("bench"), r.files("lamp")))
}

// What stays free on the disk is kept free, and it is said why something went.
func TestKeepFree(t *testing.T) {
	r := newKept(t, 1_000_000)
	r.archive("ana", 1, "*")
	r.fill("bench", 60)
	r.fsys.Limit(300_000)
	r.keepFree = Amount{Bytes: 400_000}
	r.look()
	free, _, err := r.fsys.Space(keptDir)
	if err != nil || free < 400_000 {
		t.Errorf("%d bytes are free, %v", free, err)
	}
	if len(r.events) != 1 || !strings.HasSuffix(r.events[0].Text, "not yet fetched by ana (only 300 kB are free on the disk, and keep_free is 400 kB)") {
		t.Errorf("told %q", r.told())
	}
}

// An archive that is away holds for 14 days of the gateway's running, whatever
// the clock on the wall says; one that is connected holds for ever.
func TestArchiveUnseen(t *testing.T) {
	r := newKept(t, 1_000_000)
	away := r.archive("ws-ana", 1, "*")
	here := r.archive("ws-ben", 2, "*")
	r.here[here] = true
	run := func(d time.Duration) {
		for range int(d / passLongest) {
			r.ns.Add(int64(passLongest))
			r.unseen(passLongest)
		}
	}
	wall := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	r.archives.now = func() time.Time { return wall } // as on a Pi without a clock
	run(10 * 24 * time.Hour)
	wall = wall.AddDate(26, 0, 0) // the time of day comes from the network
	run(3 * 24 * time.Hour)
	if len(r.events) != 0 || !r.archives.list[0].holds("bench") {
		t.Fatalf("after 13 days: told %q", r.told())
	}
	if err := r.archives.save(); err != nil {
		t.Fatal(err)
	}
	if err := r.journal.Close(); err != nil {
		t.Fatal(err)
	}
	r.ns.Add(int64(365 * 24 * time.Hour)) // the gateway is off
	r.open(1_000_000)
	run(time.Hour)
	if len(r.events) != 0 {
		t.Fatalf("after a year without the gateway: told %q", r.told())
	}
	run(24 * time.Hour)
	if d := cmp.Diff(r.told(), []string{"archive unseen | nothing is kept any more for ws-ana, which was not seen for 14 d"}); d != "" || r.events[0].Old != "ws-ana" {
		t.Errorf("told (-got +want):\n%s", d)
	}
	if e := r.archives.list; e[0].holds("bench") || !e[1].holds("bench") {
		t.Errorf("holds: %v, %v", e[0].holds("bench"), e[1].holds("bench"))
	}
	if s := r.archives.status(); s[0].Holds || !s[1].Holds {
		t.Errorf("status: got %+v", s)
	}
	if err := r.archives.seen("ws-ana", away, false, nil); err != nil || !r.archives.list[0].holds("bench") {
		t.Errorf("who comes back does not hold: %v", err)
	}
}

// What goes that an archive lacks which was away for too long is not said to be
// wanted by nobody, and the archive is told when it comes back.
func TestUnseenArchiveLost(t *testing.T) {
	for _, others := range []bool{false, true} {
		r := newKept(t, 1_000_000)
		r.archive("ws-ana", 1, "*")
		if others {
			r.here[r.archive("ws-ben", 2, "lamp")] = true
		}
		r.archives.pass(15*24*time.Hour, 14*24*time.Hour, r.here)
		r.fill("bench", 160)
		r.look()
		if len(r.events) != 1 || !strings.HasSuffix(r.events[0].Text, " of bench dropped, not fetched by ws-ana: not seen for so long that nothing is kept for it") {
			t.Errorf("told %q", r.told())
		}
		if a := r.archives.status()[0]; a.LostBytes < 250_000 {
			t.Errorf("lost: %d bytes, want what was dropped", a.LostBytes)
		}
		if s := r.state(); s.State != protocol.JournalOK || len(r.alarms) != 0 {
			t.Errorf("state %s, alarms %q; want none", s.State, r.alarms)
		}
	}
}

// An archive that is just too slow has the journal full again and again: that is
// told each time, and is an alarm every ten minutes.
func TestFullAgainAndAgain(t *testing.T) {
	r := newKept(t, 1_000_000)
	for range 25 {
		r.ns.Add(int64(61 * time.Second))
		r.drops.pending, r.drops.told = map[string]*loss{"bench": {bytes: 1000, lacking: []string{"ana"}}}, map[string]int64{}
		r.tellDrops(r.ns.Load(), false)
		r.tellDrops(r.ns.Load(), false) // it has room again
	}
	if len(r.events) != 50 || len(r.alarms) != 3 || r.state().State != protocol.JournalOK {
		t.Errorf("%d events, %d alarms in 25 minutes, state %s; want 50 and 3", len(r.events), len(r.alarms), r.state().State)
	}
}

// 72 hours without the cable: all is kept, and all of it can be fetched.
func TestAllIsKeptForAWeekend(t *testing.T) {
	t.Attr("fault", "F19")
	t.Attr("injected", "72 h (of a clock of the test) without the archive, at one frame each 10 s")
	t.Attr("promised", "everything since is there for the backfill, without a hole; status says how far it is behind")
	r := newKept(t, 1_000_000_000)
	ana := r.archive("ws-ana", 1, "*")
	r.fill("bench", 10)
	r.acks(ana, "bench", 0)
	frames := uint64(72 * 360)
	st, err := r.journal.Stream("bench", 0)
	if err != nil {
		t.Fatal(err)
	}
	from, _ := st.Last()
	began := r.ns.Load()
	for range 72 {
		r.hour(st)
		r.look()
	}
	info := r.archives.status()
	r.lacking(info)
	if info[0].BehindS == nil || *info[0].BehindS < 70.5*3600 || *info[0].BehindS > 73.1*3600 || !info[0].Holds {
		t.Errorf("archive: got %+v, want about 72 h behind, to the hour of a file", info[0])
	}
	want, got := from.Seq+1, uint64(0)
	eachBehind(t, st, from, func(h protocol.Header, _ []byte) {
		if h.Type == protocol.TypeHole || h.Seq != want {
			t.Fatalf("frame %d: got %v %d", want, h.Type, h.Seq)
		}
		want, got = want+1, got+1
	})
	if got != frames || len(r.events) != 0 {
		t.Errorf("%d frames, want %d; told %q", got, frames, r.told())
	}
	t.Attr("seen", fmt.Sprintf("%d of %d frames of %s, 0 holes; archive %.1f h behind", got, frames, SpanText(time.Duration(r.ns.Load()-began)), *info[0].BehindS/3600))
}

// The keeper dies at each step of what it does to the disk: the journal is
// whole after it, and says of all that is missing that the quota dropped it.
func TestKeeperDiesAtEachStep(t *testing.T) {
	t.Attr("fault", "F04")
	t.Attr("injected", "a crash at each operation on the disk of the keeper that drops files")
	t.Attr("promised", "the journal opens; what is missing is one hole of cause quota per stream, from the begin on; no frame that was not dropped is missing")
	r := newKept(t, 3_000_000)
	r.archive("ana", 1, "*")
	r.fill("bench", 110)
	r.fill("lamp", 60) // 1.4 MB in all
	if err := errors.Join(r.archives.save(), r.journal.Close()); err != nil {
		t.Fatal(err)
	}
	base, steps := r.fsys.Clone(), 0
	for power := range 2 {
		for n := 1; ; n++ {
			r.fsys = base.Clone()
			r.open(1_000_000)
			before := r.fsys.Ops()
			r.fsys.CrashAt(n)
			r.keep(t.Context())
			crashed := r.fsys.Crashed()
			if !crashed {
				if r.fsys.Ops() == before {
					t.Fatalf("the keeper did nothing: %q, %v, %d bytes", r.log.messages(), r.files("bench"), r.journal.Bytes())
				}
				r.journal.Close() //nolint:errcheck // it is looked at below
				break
			}
			steps++
			r.journal.Close() //nolint:errcheck // the disk has crashed
			if power == 1 {
				r.fsys = r.fsys.PowerCut(journaltest.Lost, nil)
			} else {
				r.fsys = r.fsys.Kill()
			}
			r.open(1_000_000)
			for _, stream := range []string{"bench", "lamp"} {
				list := holes(t, r.journal, stream)
				if len(list) > 1 || len(list) == 1 && (!strings.HasPrefix(list[0], "1:1-") || !strings.HasSuffix(list[0], " quota")) {
					t.Errorf("crash at operation %d, power cut %v: holes of %s: %q", n, power == 1, stream, list)
				}
			}
			if e := r.archives.snapshot(); len(e) != 1 || e[0].Name != "ana" {
				t.Errorf("crash at operation %d: archives %+v", n, e)
			}
			r.journal.Close() //nolint:errcheck // it is thrown away
		}
	}
	t.Attr("seen", fmt.Sprintf("%d crashes, each with at most one hole per stream, of cause quota", steps))
}

// countingFS counts what is asked of the disk.
type countingFS struct {
	journal.FS
	spaces int
}

func (c *countingFS) Space(dir string) (int64, int64, error) { c.spaces++; return c.FS.Space(dir) }

// A keeper that has nothing to do asks the disk for its free space, and nothing else.
func TestIdleKeeperLeavesTheDiskAlone(t *testing.T) {
	r := newKept(t, 10_000_000)
	r.archive("ana", 1, "*")
	r.fill("bench", 100)
	r.begin("bench")
	if err := r.journal.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.look() // reads the ends of files that it did not write, once
	counting := &countingFS{FS: r.fsys}
	r.space = func() (int64, int64, error) { return counting.Space(keptDir) }
	before := r.fsys.Ops()
	for range 60 {
		r.look()
	}
	if counting.spaces != 60 || r.fsys.Ops() > before+1 { // the mark of the last sync may come late
		t.Errorf("%d questions for room, %d operations, in 60 looks", counting.spaces, r.fsys.Ops()-before)
	}
}
