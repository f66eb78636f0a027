package gateway

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// keptJournal is a journal in memory with its keeper, whose looks are the test's.
type keptJournal struct {
	*keeper
	t      *testing.T
	fsys   *journaltest.FS
	ns     atomic.Int64  // the time base, which reads UTC
	file   int64         // bytes of a segment file; 0: the smallest
	disk   journal.FS    // what the journal has instead of fsys; nil: fsys
	synced time.Duration // between two syncs; 0: none but those of the test
	here   map[protocol.ID]bool
	events []protocol.Event
	alarms []string
	log    *logLines
}

const keptDir = "/kept"

// keptStart is when keptJournals begin.
var keptStart = time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)

func newKept(t *testing.T, quota int64) *keptJournal {
	t.Helper()
	r := &keptJournal{t: t, fsys: journaltest.New(), here: map[protocol.ID]bool{}, log: &logLines{}}
	r.ns.Store(keptStart.UnixNano())
	r.fsys.Capacity(1 << 40)
	r.open(quota)
	return r
}

// open opens the journal as a gateway does.
func (r *keptJournal) open(quota int64) {
	r.t.Helper()
	now := func() time.Time { return time.Unix(0, r.ns.Load()).UTC() }
	o := journal.Options{FS: r.fsys, Gateway: "pi-lab3", SegmentBytes: max(r.file, minSegmentBytes), TailBytes: minSegmentBytes, SyncEvery: time.Hour, Now: now}
	if r.disk != nil {
		o.FS = r.disk
	}
	if r.synced != 0 {
		o.SyncEvery = r.synced
	}
	j, err := journal.Open(keptDir, o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { j.Close() }) //nolint:errcheck // it may be on a disk that has crashed
	known, err := loadArchives(r.fsys, keptDir, now)
	if err != nil {
		r.t.Fatal(err)
	}
	r.keeper = &keeper{
		journal: j, archives: known, now: func() int64 { return r.ns.Load() }, utc: now, forgetAfter: 14 * 24 * time.Hour,
		space: func() (free, total int64, err error) { return r.fsys.Space(keptDir) }, shares: map[string]float64{},
		here:  func() map[protocol.ID]bool { return r.here },
		alarm: func(text string, _ uint64) { r.alarms = append(r.alarms, text) },
		record: func(e *protocol.Event) (int64, error) {
			r.events = append(r.events, *e)
			return r.ns.Load(), nil
		},
		log: zerolog.New(r.log), trouble: &diskTrouble{}, quota: Amount{Bytes: quota}, keepFree: Amount{Bytes: 1},
	}
	known.gone = r.forgotten
}

// record appends frames of 8 kB to a stream, one each ten seconds, and has them on
// the disk. The first of a stream begins its epoch.
func (r *keptJournal) fill(stream string, frames int) {
	r.t.Helper()
	st, err := r.journal.Stream(stream, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	epoch := st.Epoch()
	if epoch == 0 {
		epoch = r.begin(stream)
	}
	for range frames {
		r.ns.Add(int64(10 * time.Second))
		frame, err := protocol.AppendFrame(nil, protocol.Header{
			Type: protocol.TypeTags, Stream: st.ID(), Epoch: epoch, Seq: st.NextSeq(), Index: st.NextSeq(), Count: 1, Time: r.ns.Load(),
		}, make([]byte, 8000))
		if err != nil {
			r.t.Fatal(err)
		}
		if err := st.Append(frame); err != nil {
			r.t.Fatal(err)
		}
		if err := r.journal.Sync(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
}

// begin begins an epoch of a stream.
func (r *keptJournal) begin(stream string) uint32 {
	r.t.Helper()
	st, err := r.journal.Stream(stream, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	epoch, err := st.Begin(0, 1)
	if err != nil {
		r.t.Fatal(err)
	}
	frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeDescriptor, Stream: st.ID(), Epoch: epoch, Seq: 1, Time: r.ns.Load()}, &protocol.Descriptor{
		Stream: stream, Base: protocol.ID{1}, Boot: "b", Software: "test", Cause: protocol.CauseGatewayStarted,
	})
	if err == nil {
		err = st.Append(frame)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return epoch
}

// archive makes an archive known that wants streams from their begin on.
func (r *keptJournal) archive(name string, id byte, streams ...string) protocol.ID {
	r.t.Helper()
	if err := r.archives.seen(name, protocol.ID{id}, false, nil); err != nil {
		r.t.Fatal(err)
	}
	r.archives.begins(protocol.ID{id}, streams, nil, true)
	return protocol.ID{id}
}

// acks has an archive acknowledge a stream up to a frame; 0 is all of it.
func (r *keptJournal) acks(id protocol.ID, stream string, seq uint64) {
	r.t.Helper()
	st, err := r.journal.Stream(stream, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	at, _ := st.Last()
	if seq > 0 {
		at.Seq = seq
	}
	r.archives.ack(id, stream, at)
}

// look has the keeper look, as it does each second.
func (r *keptJournal) look() {
	r.t.Helper()
	r.ns.Add(int64(time.Second))
	r.keep(r.t.Context())
	r.watch()
}

// oldest is the first frame that each stream has.
func (r *keptJournal) oldest() map[string]uint64 {
	m := map[string]uint64{}
	for _, st := range r.journal.Streams() {
		p, _, _ := st.Oldest()
		m[st.Name()] = p.Seq
	}
	return m
}

// told are the events so far.
func (r *keptJournal) told() (texts []string) {
	for _, e := range r.events {
		texts = append(texts, e.What+" | "+e.Text)
	}
	return texts
}

func (r *keptJournal) state() protocol.JournalStatus {
	var s protocol.JournalStatus
	r.status(&s)
	return s
}

// holes are the ranges that a reader of a stream is told to be missing.
func holes(t testing.TB, j *journal.Journal, stream string) (list []string) {
	t.Helper()
	eachFrame(t, j, stream, func(h protocol.Header, payload []byte) {
		if h.Type != protocol.TypeHole {
			return
		}
		var hole protocol.Hole
		if err := protocol.DecodeJSON(payload, &hole); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%d:%d-%d %s", h.Epoch, h.Seq, hole.To, hole.Cause))
	})
	return list
}

// eachFrame goes through what a journal has of a stream, its holes included.
func eachFrame(t testing.TB, j *journal.Journal, stream string, do func(h protocol.Header, payload []byte)) {
	t.Helper()
	st, err := j.Stream(stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	eachBehind(t, st, journal.Position{}, do)
}

// eachBehind goes through what a stream has behind a frame.
func eachBehind(t testing.TB, st *journal.Stream, after journal.Position, do func(h protocol.Header, payload []byte)) {
	t.Helper()
	reader := st.Reader(after)
	defer reader.Close()
	for {
		frames, err := reader.TryNext(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		if len(frames) == 0 {
			return
		}
		each(t, frames, do)
	}
}

// each goes through whole frames, back to back.
func each(t testing.TB, frames []byte, do func(h protocol.Header, payload []byte)) {
	t.Helper()
	for len(frames) > 0 {
		h, payload, rest, err := protocol.ParseFrame(frames)
		if err != nil {
			t.Fatal(err)
		}
		do(h, payload)
		frames = rest
	}
}

// files are the files of a stream, those that are written marked.
func (r *keptJournal) files(stream string) (list []string) {
	st, err := r.journal.Stream(stream, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, seg := range st.Segments() {
		name := fmt.Sprintf("%d-%d", seg.FirstSeq, seg.LastSeq)
		if seg.Open {
			name += " live"
		}
		list = append(list, name)
	}
	return list
}

// hour records an hour of small frames.
func (r *keptJournal) hour(st *journal.Stream) {
	r.t.Helper()
	for range 360 {
		r.ns.Add(int64(10 * time.Second))
		frame, err := protocol.AppendFrame(nil, protocol.Header{
			Type: protocol.TypeTags, Stream: st.ID(), Epoch: st.Epoch(), Seq: st.NextSeq(), Index: st.NextSeq(), Count: 1, Time: r.ns.Load(),
		}, make([]byte, 100))
		if err == nil {
			err = st.Append(frame)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.journal.Sync(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}
