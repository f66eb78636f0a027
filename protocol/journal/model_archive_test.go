package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// modelArchive is an archive that fetches from the journal of a model, by a
// session of the thinnest kind: a cursor, an answer, frames in order, acks.
type modelArchive struct {
	m     *model
	done  map[string]int
	fsys  *journaltest.FS
	j     *journal.Journal
	s     *journal.Stream
	begun bool // since it was opened
	at    journal.Position

	reader *journal.Reader // of the journal; nil: no session
	acked  map[identity]bool
	came   map[identity]bool // frames taken since the last crash, and those acked
	denied map[identity]bool // told as a hole
}

func newModelArchive(m *model, done map[string]int) *modelArchive {
	return &modelArchive{m: m, done: done, fsys: journaltest.New(), acked: map[identity]bool{}, came: map[identity]bool{}, denied: map[identity]bool{}}
}

func (a *modelArchive) open() {
	j, err := journal.Open(folder, journal.Options{FS: a.fsys, Place: journal.InArchive, Journal: a.m.j.ID(), Gateway: "pi-lab3",
		SegmentBytes: 1300, TailBytes: 6000, SyncEvery: time.Hour, WaitWhenFull: true})
	if err != nil {
		a.m.t.Fatalf("open the archive: %v", err)
	}
	a.j, a.s, a.begun = j, stream(a.m.t, j, "bench"), false
	a.at = journal.Position{Epoch: a.s.Epoch(), Seq: a.s.NextSeq() - 1}
}

// connect subscribes with the archive's cursor.
func (a *modelArchive) connect() {
	if a.j == nil {
		a.open()
	}
	last, have := a.s.Last()
	if !have {
		a.reader = a.m.s.Reader(journal.Position{Epoch: 1})
		return
	}
	answer := protocol.AnswerHole
	switch h, found, err := a.m.s.Lookup(last.Epoch, last.Seq); {
	case err != nil:
		a.m.t.Fatalf("look up %v: %v", last, err)
	case found && h.HeaderCRC != last.HeaderCRC:
		a.m.t.Fatalf("the archive holds %v, and the journal another frame of that number", last)
	case found:
		answer = protocol.AnswerResumed
	case last.Epoch > a.m.s.Epoch():
		a.m.t.Fatalf("the archive holds %v, and the journal has begun %d epochs only", last, a.m.s.Epoch())
	default:
		end, _, found := a.m.s.EpochEnd(last.Epoch)
		if found && end < last.Seq {
			answer = protocol.AnswerAhead
			if last.Epoch == a.m.epoch {
				a.m.t.Fatalf("the archive is ahead at %v in the epoch that goes on", last)
			}
		}
	}
	a.done["answer "+answer]++
	a.reader = a.m.s.Reader(last)
}

// leave ends the session.
func (a *modelArchive) leave() {
	if a.reader != nil {
		a.reader.Close()
		a.reader = nil
	}
}

// fetch takes some frames. It reports whether there were any.
func (a *modelArchive) fetch(maxBytes int) bool {
	if a.reader == nil {
		a.connect()
	}
	frames, err := a.reader.TryNext(maxBytes)
	if err != nil {
		a.m.t.Fatalf("read: %v", err)
	}
	told(a.m.t, frames, nil)
	for b := slices.Clone(frames); len(b) > 0; {
		h, payload, rest, err := protocol.ParseFrame(b)
		if err != nil {
			a.m.t.Fatalf("read: %v", err)
		}
		a.take(h, b[:h.FrameLen()], payload)
		b = rest
	}
	return len(frames) > 0
}

// take puts one frame into the archive.
func (a *modelArchive) take(h protocol.Header, frame, payload []byte) {
	to := h.Seq
	var hole protocol.Hole
	if h.Type == protocol.TypeHole {
		if err := protocol.DecodeJSON(payload, &hole); err != nil {
			a.m.t.Fatalf("hole: %v", err)
		}
		to = uint64(hole.To)
	}
	if h.Epoch < a.at.Epoch || h.Epoch == a.at.Epoch && to <= a.at.Seq {
		if id := (identity{h.Epoch, h.Seq}); h.Type == protocol.TypeHole || a.denied[id] || a.m.healed[id] {
			return // it is a hole here: what lies behind the cursor may come again
		}
		a.m.t.Fatalf("frame %d to %d of epoch %d came after %v: taken for a duplicate; the archive has %s\nthe journal has %s", h.Seq, to, h.Epoch, a.at, describeFiles(a.m.t, a.fsys, a.s), describeFiles(a.m.t, a.m.fsys, a.m.s))
	}
	first := uint64(1)
	if h.Epoch == a.at.Epoch {
		first = a.at.Seq + 1
	}
	if h.Seq > first {
		a.m.t.Fatalf("frame %d of epoch %d came after %v, and no word of what lies between", h.Seq, h.Epoch, a.at)
	}
	if h.Epoch != a.at.Epoch || !a.begun {
		begin(a.m.t, a.s, h.Epoch, first)
		a.begun = true
	}
	if err := a.s.Append(frame); err != nil {
		a.m.t.Fatalf("append to the archive: %v", err)
	}
	for seq := max(h.Seq, first); seq <= to; seq++ {
		if id := (identity{h.Epoch, seq}); h.Type == protocol.TypeHole {
			a.denied[id] = true
		} else {
			a.came[id] = true
		}
	}
	a.at = journal.Position{Epoch: h.Epoch, Seq: to}
}

// ack syncs the archive: what it has is acked.
func (a *modelArchive) ack() {
	if a.j == nil {
		return
	}
	if err := a.j.Sync(context.Background()); err != nil {
		a.m.t.Fatalf("sync the archive: %v", err)
	}
	for id := range a.came {
		a.acked[id] = true
	}
}

// crash ends the archive, with its power or without.
func (a *modelArchive) crash(how int, seed uint64) {
	a.leave()
	if a.j == nil {
		return
	}
	old := a.fsys
	if how == 4 {
		a.fsys = old.Kill()
	} else {
		a.fsys = old.PowerCut(journaltest.After(how), rand.New(rand.NewPCG(seed, 2)))
	}
	_ = a.j.Close()
	clear(a.came)
	a.open()
	for id := range a.held() { // what lies behind a torn frame comes again before it is acked
		if id.epoch < a.at.Epoch || id.epoch == a.at.Epoch && id.seq <= a.at.Seq {
			a.came[id] = true
		}
	}
}

// held are the frames that the archive has.
func (a *modelArchive) held() map[identity]bool {
	out := map[identity]bool{}
	r := a.s.Reader(journal.Position{})
	defer r.Close()
	for {
		b, err := r.TryNext(1000)
		if err != nil && !errors.Is(err, journal.ErrClosed) {
			a.m.t.Fatalf("read the archive: %v", err)
		}
		if len(b) == 0 {
			return out
		}
		for len(b) > 0 {
			h, _, rest, err := protocol.ParseFrame(b)
			if err != nil {
				a.m.t.Fatalf("read the archive: %v", err)
			}
			if h.Type != protocol.TypeHole {
				out[identity{h.Epoch, h.Seq}] = true
			}
			b = rest
		}
	}
}

// describeFiles says what stands in the files of a stream, for failing tests.
func describeFiles(t tb, fsys *journaltest.FS, s *journal.Stream) string {
	var text strings.Builder
	for _, seg := range s.Segments() {
		fmt.Fprintf(&text, "\n%s: epoch %d, %d to %d, %d bytes of %d, open %t", filepath.Base(seg.Path), seg.Epoch, seg.FirstSeq, seg.LastSeq, seg.Bytes, len(fsys.Data(seg.Path)), seg.Open)
	}
	return text.String() + "\nby readers: " + readStream(t, s, journal.Position{Epoch: 1}, 1<<20) + "\nas a folder: " + readFolder(t, fsys, "bench")
}

// check compares the archive with what it acked.
func (a *modelArchive) check() {
	if a.j == nil {
		return
	}
	held := a.held()
	for id := range a.acked {
		if !held[id] {
			a.m.t.Fatalf("frame %d of epoch %d was acked, and is not in the archive: %s", id.seq, id.epoch, describeFiles(a.m.t, a.fsys, a.s))
		}
	}
	for id := range held {
		if _, appended := a.m.frames[id.epoch][id.seq]; !appended {
			a.m.t.Fatalf("the archive holds frame %d of epoch %d, which never was", id.seq, id.epoch)
		}
	}
}

// finish fetches all there is: then the archive has all that the journal has,
// but what that had called a hole.
func (a *modelArchive) finish() {
	a.m.free()
	a.leave()
	for a.fetch(1 << 20) {
	}
	a.ack()
	a.check()
	held := a.held()
	r := a.m.s.Reader(journal.Position{Epoch: 1})
	defer r.Close()
	for {
		b, err := r.TryNext(1 << 20)
		if err != nil {
			a.m.t.Fatalf("read: %v", err)
		}
		if len(b) == 0 {
			return
		}
		for len(b) > 0 {
			h, _, rest, err := protocol.ParseFrame(b)
			if err != nil {
				a.m.t.Fatalf("read: %v", err)
			}
			if id := (identity{h.Epoch, h.Seq}); h.Type != protocol.TypeHole && !held[id] && !a.denied[id] && !a.m.healed[id] {
				a.m.t.Fatalf("frame %d of epoch %d is in the journal and not in the archive", id.seq, id.epoch)
			}
			b = rest
		}
	}
}

func (a *modelArchive) close() {
	a.leave()
	if a.j != nil {
		_ = a.j.Close()
	}
}
