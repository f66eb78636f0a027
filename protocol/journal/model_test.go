package journal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// state says of a frame what may be found of it.
type state int

const (
	appended state = iota // there for as long as the process lives
	durable               // there whatever happens
	possible              // there or not: appended before a crash, not told durable
	broken                // damaged by us: not there
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
}

func (m *model) open() {
	j, err := journal.Open(folder, journal.Options{FS: m.fsys, Gateway: "pi-lab3", SegmentBytes: 900, TailBytes: 5000, SyncEvery: time.Hour, WaitWhenFull: true})
	if err != nil {
		m.t.Fatalf("open: %v", err)
	}
	m.j = j
	m.s = stream(m.t, j, "bench")
	m.begin()
}

func (m *model) begin() {
	epoch := begin(m.t, m.s, 0, 1)
	if epoch <= m.used {
		m.t.Fatalf("epoch %d begun after %d", epoch, m.used)
	}
	m.epoch, m.used, m.next = epoch, epoch, 1
	m.frames[epoch] = map[uint64]state{}
}

func (m *model) append(n, size int) {
	for range n {
		if err := m.s.Append(frameOf(m.t, m.s.ID(), m.epoch, m.next, size)); err != nil {
			m.t.Fatalf("append: %v", err)
		}
		m.frames[m.epoch][m.next] = appended
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
		m.t.Fatalf("sync: %v", err)
	}
	m.told()
	if d := m.s.Durable(); m.next > 1 && (d.Epoch != m.epoch || d.Seq != m.next-1) {
		m.t.Fatalf("durable %v after a sync, want %d of epoch %d", d, m.next-1, m.epoch)
	}
}

func (m *model) crash(how int, seed uint64) {
	m.told()
	rnd := rand.New(rand.NewPCG(seed, 1))
	old := m.fsys
	if how == 3 {
		m.fsys = old.Kill()
	} else {
		m.fsys = old.PowerCut(journaltest.After(how), rnd)
	}
	m.leave()
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
	before := m.everything()
	m.fsys.Flip(path, at, 0x10)
	after := m.everything()
	lost := 0
	for id := range before {
		if !after[id] {
			lost++
			m.frames[id.epoch][id.seq] = broken
		}
	}
	for id := range after {
		if !before[id] { // the bit was flipped back
			m.frames[id.epoch][id.seq] = possible
		}
	}
	if lost > 1 {
		m.t.Fatalf("%d frames lost by one flipped bit in %s at %d", lost, path, at)
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
	r := m.s.Reader(journal.Position{})
	defer r.Close()
	got := map[identity]bool{}
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
			for seq := from; seq <= to && !strings.Contains(word, " "); seq++ {
				got[identity{epoch, seq}] = true
			}
		}
	}
	for epoch, frames := range m.frames {
		for seq, is := range frames {
			has := got[identity{epoch, seq}]
			if (is == appended || is == durable) && !has || is == broken && has {
				m.t.Fatalf("frame %d of epoch %d: held %t, state %d", seq, epoch, has, is)
			}
			delete(got, identity{epoch, seq})
		}
	}
	if len(got) > 0 {
		m.t.Fatalf("frames held that were never appended: %v", got)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, fsys: journaltest.New(), frames: map[uint32]map[uint64]state{}}
		m.open()
		defer func() { m.leave(); _ = m.j.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { m.append(rapid.IntRange(1, 12).Draw(t, "n"), rapid.IntRange(0, 400).Draw(t, "size")) },
			"read":   func(t *rapid.T) { m.step(rapid.IntRange(1, 3000).Draw(t, "max")) },
			"sync":   func(*rapid.T) { m.sync() },
			"begin":  func(*rapid.T) { m.begin() },
			"crash":  func(t *rapid.T) { m.crash(rapid.IntRange(0, 3).Draw(t, "how"), rapid.Uint64().Draw(t, "seed")) },
			"reopen": func(*rapid.T) { m.reopen() },
			"damage": func(t *rapid.T) {
				m.damage(rapid.IntRange(0, 1000).Draw(t, "file"), rapid.IntRange(0, 100000).Draw(t, "at"))
			},
			"": func(*rapid.T) { m.check() },
		})
	})
}
