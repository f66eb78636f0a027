package journal_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// state says of a frame what may be found of it.
type state int

const (
	appended state = iota // there for as long as the process lives
	durable               // there whatever happens
	possible              // there or not: appended before a crash, not told durable
	broken                // damaged or removed by us, or refused on a full disk: not there
	quota                 // dropped: not there for that cause, or there again after a power cut
)

// model is what a journal of one stream should hold.
type model struct {
	t      *rapid.T
	fsys   *journaltest.FS
	j      *journal.Journal
	s      *journal.Stream
	epoch  uint32
	next   uint64
	used   uint32                      // highest epoch that Begin returned
	frames map[uint32]map[uint64]state // by epoch and sequence
	follow *journal.Reader
	seen   journal.Position
	full   bool // the disk
	lost   bool // the last frame was refused

	archive *modelArchive
	healed  map[identity]bool // damaged, and the bit was flipped back
	unnoted map[identity]bool // dropped on a full disk: a crash may have come before that was noted
}

func (m *model) open() {
	j, err := journal.Open(folder, journal.Options{FS: m.fsys, Gateway: "pi-lab3", SegmentBytes: 900, TailBytes: 5000, SyncEvery: time.Hour, ReserveBytes: 300})
	if err != nil {
		m.t.Fatalf("open: %v", err)
	}
	m.j = j
	m.s = stream(m.t, j, "bench")
	m.full = false
	m.begin()
}

func (m *model) begin() {
	epoch, err := m.s.Begin(0, 1)
	if err != nil {
		if !m.full {
			m.t.Fatalf("begin: %v", err)
		}
		return
	}
	m.lost = false
	if epoch <= m.used {
		m.t.Fatalf("epoch %d begun after %d", epoch, m.used)
	}
	m.epoch, m.used, m.next = epoch, epoch, 1
	m.frames[epoch] = map[uint64]state{}
}

func (m *model) append(n, size int) {
	for range n {
		err := m.s.Append(frameOf(m.t, m.s.ID(), m.epoch, m.next, size))
		m.frames[m.epoch][m.next] = appended
		if m.lost = err != nil; m.lost {
			if !errors.Is(err, journal.ErrTailFull) {
				m.t.Fatalf("append: %v", err)
			}
			m.frames[m.epoch][m.next] = broken
		}
		m.next++
	}
}

// told takes over what the journal says to be durable.
func (m *model) told() {
	d := m.s.Durable()
	for epoch, frames := range m.frames {
		for seq, is := range frames {
			if is == appended && (epoch < d.Epoch || epoch == d.Epoch && seq <= d.Seq) {
				frames[seq] = durable
			}
		}
	}
}

func (m *model) sync() {
	if err := m.j.Sync(context.Background()); err != nil {
		if !m.full {
			m.t.Fatalf("sync: %v", err)
		}
		return
	}
	m.told()
	if m.lost {
		return
	}
	if d := m.s.Durable(); m.next > 1 && (d.Epoch != m.epoch || d.Seq != m.next-1) {
		m.t.Fatalf("durable %v after a sync, want %d of epoch %d", d, m.next-1, m.epoch)
	}
}

func (m *model) crash(how int, seed uint64) {
	m.told()
	rnd := rand.New(rand.NewPCG(seed, 1))
	old := m.fsys
	if how == 4 {
		m.fsys = old.Kill()
	} else {
		m.fsys = old.PowerCut(journaltest.After(how), rnd)
	}
	m.leave()
	m.archive.leave()
	_ = m.j.Close()
	for _, frames := range m.frames {
		for seq, is := range frames {
			if is == appended {
				frames[seq] = possible
			}
		}
	}
	m.open()
}

func (m *model) reopen() {
	m.leave()
	m.archive.leave()
	m.fsys.Limit(-1)
	if err := m.j.Close(); err != nil {
		m.t.Fatalf("close: %v", err)
	}
	for _, frames := range m.frames {
		for seq, is := range frames {
			if is == appended {
				frames[seq] = durable
			}
		}
	}
	m.open()
}

// damage flips a byte of a frame that was on the disk, or of a mark or
// preamble, in a file that is not being written.
func (m *model) damage(file, at int) {
	m.reopen()
	paths := segmentsOf(m.fsys, "bench")
	path := paths[file%len(paths)]
	data := m.fsys.Data(path)
	if len(data) == 0 {
		return
	}
	at %= len(data)
	if lost := m.breaking(func() { m.fsys.Flip(path, at, 0x10) }); lost > 1 {
		m.t.Fatalf("%d frames lost by one flipped bit in %s at %d", lost, path, at)
	}
}

// breaking counts the frames that something done to the files costs.
func (m *model) breaking(do func()) (lost int) {
	before := m.everything()
	do()
	after := m.everything()
	for id := range before {
		if !after[id] {
			lost++
			m.frames[id.epoch][id.seq] = broken
		}
	}
	for id := range after {
		if !before[id] { // the bit was flipped back
			m.frames[id.epoch][id.seq] = possible
			m.healed[id] = true
		}
	}
	return lost
}

// remove removes a file by hand, but for the newest.
func (m *model) remove(file int) {
	m.reopen()
	if paths := segmentsOf(m.fsys, "bench"); len(paths) > 1 {
		m.reopenAfter(func() {
			m.breaking(func() { _ = m.fsys.Remove(paths[file%(len(paths)-1)]) })
		})
	}
}

// reopenAfter does something to the files of a journal that nobody writes.
func (m *model) reopenAfter(do func()) {
	m.leave()
	m.archive.leave()
	if err := m.j.Close(); err != nil {
		m.t.Fatalf("close: %v", err)
	}
	do()
	m.open()
}

// fill leaves some bytes on the disk.
func (m *model) fill(bytes int64) { m.full = true; m.fsys.Limit(bytes) }

// free ends that, and what waited goes to the disk.
func (m *model) free() { m.full = false; m.fsys.Limit(-1); m.sync() }

// drop keeps the quota.
func (m *model) drop() {
	m.told()
	info, err := m.s.DropOldest()
	if err != nil {
		if !strings.Contains(err.Error(), "cannot be dropped") {
			m.t.Fatalf("drop: %v", err)
		}
		return
	}
	for seq, is := range m.frames[info.Epoch] {
		if seq >= info.FirstSeq && seq <= info.LastSeq && is != broken {
			m.frames[info.Epoch][seq] = quota
			m.unnoted[identity{info.Epoch, seq}] = m.full
		}
	}
}

func (m *model) endFile() {
	if err := m.s.CloseSegment(context.Background()); err != nil && !m.full {
		m.t.Fatalf("end a file: %v", err)
	}
}

type identity struct {
	epoch uint32
	seq   uint64
}

// everything reads all frames there are, without the lock.
func (m *model) everything() map[identity]bool {
	out := map[identity]bool{}
	for word := range strings.SplitSeq(readFolder(m.t, m.fsys, "bench"), ", ") {
		var epoch uint32
		var from, to uint64
		if n, _ := fmt.Sscanf(word, "%d:%d-%d", &epoch, &from, &to); n != 3 || strings.Contains(word, " ") {
			continue
		}
		for seq := from; seq <= to; seq++ {
			out[identity{epoch, seq}] = true
		}
	}
	return out
}

func (m *model) leave() {
	if m.follow != nil {
		m.follow.Close()
		m.follow = nil
	}
}

// step lets a reader that stays open read on.
func (m *model) step(max int) {
	if m.follow == nil {
		m.follow = m.s.Reader(m.seen)
	}
	b, err := m.follow.TryNext(max)
	if err != nil {
		m.t.Fatalf("read: %v", err)
	}
	told(m.t, b, nil)
	p := m.follow.Position()
	if p.Epoch < m.seen.Epoch || p.Epoch == m.seen.Epoch && p.Seq < m.seen.Seq {
		m.t.Fatalf("reader went back from %v to %v", m.seen, p)
	}
	m.seen = p
}

// check compares all that is held with what should be.
func (m *model) check() {
	r := m.s.Reader(journal.Position{Epoch: 1})
	defer r.Close()
	got, cause := map[identity]bool{}, map[identity]string{}
	var at journal.Position
	for {
		b, err := r.TryNext(777)
		if err != nil {
			m.t.Fatalf("read: %v", err)
		}
		if b == nil {
			break
		}
		for _, word := range told(m.t, b, nil) {
			var epoch uint32
			var from, to uint64
			if n, err := fmt.Sscanf(word, "%d:%d-%d", &epoch, &from, &to); n != 3 {
				m.t.Fatalf("word %s: %v", word, err)
			}
			want := at.Seq + 1
			if epoch != at.Epoch {
				want = 1
			}
			if from != want || epoch < at.Epoch {
				m.t.Fatalf("%s after %v: no frame and no hole may be missing", word, at)
			}
			at = journal.Position{Epoch: epoch, Seq: to}
			_, why, hole := strings.Cut(word, " ")
			for seq := from; seq <= to; seq++ {
				if hole {
					cause[identity{epoch, seq}] = why
				} else {
					got[identity{epoch, seq}] = true
				}
			}
		}
	}
	for epoch, frames := range m.frames {
		for seq, is := range frames {
			has := got[identity{epoch, seq}]
			if (is == appended || is == durable) && !has || is == broken && has {
				m.t.Fatalf("frame %d of epoch %d: held %t, state %d, hole %q: %s", seq, epoch, has, is, cause[identity{epoch, seq}], describeFiles(m.t, m.fsys, m.s))
			}
			if is == quota && !has && cause[identity{epoch, seq}] != protocol.CauseQuota && !m.unnoted[identity{epoch, seq}] {
				m.t.Fatalf("frame %d of epoch %d was dropped, and is a hole %q: %s", seq, epoch, cause[identity{epoch, seq}], describeFiles(m.t, m.fsys, m.s))
			}
			delete(got, identity{epoch, seq})
		}
	}
	if len(got) > 0 {
		m.t.Fatalf("frames held that were never appended: %v", got)
	}
}

// A journal and an archive that fetches from it, against a model: whatever
// happens to the one or the other.
func TestModel(t *testing.T) {
	checks, steps := 60, 40
	if os.Getenv("PHOTONGATE_CHAOS") == "long" {
		checks, steps = 1500, 120
	}
	seed := rand.Uint64() >> 1
	if text := os.Getenv("PHOTONGATE_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatalf("PHOTONGATE_SEED: %v", err)
		}
	}
	for name, value := range map[string]any{"rapid.seed": seed, "rapid.checks": checks, "rapid.steps": steps} {
		if err := flag.Set(name, fmt.Sprint(value)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d: PHOTONGATE_SEED=%d go test ./protocol/journal -run '^TestModel$'", seed, seed)
	done := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, fsys: journaltest.New(), frames: map[uint32]map[uint64]state{}, healed: map[identity]bool{}, unnoted: map[identity]bool{}}
		m.archive = newModelArchive(m, done)
		m.open()
		defer func() { m.leave(); m.archive.close(); m.fsys.Limit(-1); _ = m.j.Close() }()
		actions := m.actions()
		for name, act := range actions {
			actions[name] = func(t *rapid.T) { m.t = t; done[name]++; act(t) }
		}
		t.Repeat(actions)
		m.archive.finish()
	})
	if t.Failed() {
		return
	}
	delete(done, "")
	t.Attr("fault", "F04")
	t.Attr("fault", "F10")
	t.Attr("fault", "F13")
	t.Attr("fault", "F14")
	t.Attr("injected", fmt.Sprintf("%d lives of a journal and an archive, of random actions: %v", checks, done))
	t.Attr("promised", "both hold what the model says, holes have their cause, the archive has all that the journal has and all it ever acked")
	t.Attr("seen", fmt.Sprintf("%d of %d lives as the model has it, %d times ahead, seed %d", checks, checks, done["answer ahead"], seed))
}

// actions are what may happen.
func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"append": func(t *rapid.T) { m.append(rapid.IntRange(1, 12).Draw(t, "n"), rapid.IntRange(0, 400).Draw(t, "size")) },
		"read":   func(t *rapid.T) { m.step(rapid.IntRange(1, 3000).Draw(t, "max")) },
		"sync":   func(*rapid.T) { m.sync() },
		"begin":  func(*rapid.T) { m.begin() },
		"crash":  func(t *rapid.T) { m.crash(rapid.IntRange(0, 4).Draw(t, "how"), rapid.Uint64().Draw(t, "seed")) },
		"reopen": func(*rapid.T) { m.reopen() },
		"damage": func(t *rapid.T) {
			m.damage(rapid.IntRange(0, 1000).Draw(t, "file"), rapid.IntRange(0, 100000).Draw(t, "at"))
		},
		"remove":   func(t *rapid.T) { m.remove(rapid.IntRange(0, 1000).Draw(t, "file")) },
		"fill":     func(t *rapid.T) { m.fill(rapid.Int64Range(0, 1500).Draw(t, "left")) },
		"free":     func(*rapid.T) { m.free() },
		"drop":     func(*rapid.T) { m.drop() },
		"end file": func(*rapid.T) { m.endFile() },

		"fetch":         func(t *rapid.T) { m.archive.fetch(rapid.IntRange(1, 3000).Draw(t, "max")) },
		"ack":           func(*rapid.T) { m.archive.ack() },
		"disconnect":    func(*rapid.T) { m.archive.leave() },
		"archive crash": func(t *rapid.T) { m.archive.crash(rapid.IntRange(0, 4).Draw(t, "how"), rapid.Uint64().Draw(t, "seed")) },

		"": func(*rapid.T) { m.check(); m.archive.check() },
	}
}
