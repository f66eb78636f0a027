package receiver

import (
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// killedLab is an archive of threeParts whose recorder was killed before it noted
// anything of part 3 but its number.
func killedLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t, 0)
	l.threeParts()
	l.mustRecord(t)
	name := filepath.Join("arch", labFolder, "journal.json")
	var meta map[string]any
	if err := json.Unmarshal(l.fs.Data(name), &meta); err != nil {
		t.Fatal(err)
	}
	delete(meta, "crc")
	for _, s := range meta["streams"].([]any) {
		s := s.(map[string]any)
		s["ends"] = slices.DeleteFunc(s["ends"].([]any), func(end any) bool { return end.(map[string]any)["epoch"] == 3.0 })
	}
	text, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	l.fs.Put(name, text)
	return l
}

// goesOnWith gives part 3 of bench more frames, and bench further parts.
func (l *lab) goesOnWith(t *testing.T, n int, parts ...uint32) {
	t.Helper()
	m := &frameMaker{t: t, stream: 2, epoch: 3, time: baseNs + 300*second, seq: 4, index: 3}
	for i := range n {
		m.counts([]uint64{7, uint64(i)})
	}
	l.streams[1].frames = append(l.streams[1].frames, m.out...)
	for _, part := range parts {
		l.streams[1].frames = append(l.streams[1].frames,
			(&frameMaker{t: t, stream: 2, epoch: part, time: baseNs + 900*second}).describe(l.base, "bench", twoChannels()...).counts([]uint64{1, 2}).out...)
	}
}

// unlessHeld fails where verify tells no loss although frames of part 3 are missing that
// the gateway has.
func (l *lab) unlessHeld(t *testing.T, last uint64, what string) {
	t.Helper()
	r, err := journal.Verify(t.Context(), l.fs, filepath.Join("arch", labFolder), journal.VerifyOptions{Full: true, NoCache: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Streams {
		if s.Name != "bench" {
			continue
		}
		if n := len(s.Epochs); n != 3 {
			t.Fatalf("%s: verify tells of %d parts", what, n)
		}
		e := s.Epochs[2]
		if len(e.Holes) == 0 && (len(e.Held) != 1 || e.Held[0] != [2]protocol.Uint64{1, protocol.Uint64(last)}) {
			t.Fatalf("%s: verify tells of no hole, and held is %v", what, e.Held)
		}
	}
}

// TestRepairOfAnUnknownExtent: where a killed recorder's newest file is gone, nobody
// knows how many frames it had. All that the gateway has of the part comes, and only
// then the part is whole.
func TestRepairOfAnUnknownExtent(t *testing.T) {
	for _, c := range []struct {
		name    string
		gateway func(t *testing.T, l *lab)
		came    protocol.Uint64
		state   State
		left    string // of part 3
	}{
		{"it has what was there", func(*testing.T, *lab) {}, 4, Whole, ""},
		{"its part went on", func(t *testing.T, l *lab) { l.goesOnWith(t, 5) }, 9, Whole, ""},
		{"its part ended", func(t *testing.T, l *lab) {
			l.goesOnWith(t, 5, 4)
		}, 9, Whole, ""},
		{"it dropped it", func(t *testing.T, l *lab) {
			l.streams[1].frames = append(l.streams[1].frames[:12:12], hole(t, 3, 1, 4, protocol.CauseQuota))
			l.goesOnWith(t, 0, 4)
		}, 0, Incomplete, "3.hole1-4(file missing)"},
		{"it lacks frames in the middle", func(t *testing.T, l *lab) {
			l.goesOnWith(t, 5)
			l.streams[1].frames = slices.Concat(l.streams[1].frames[:15], [][]byte{hole(t, 3, 4, 6, protocol.CauseQuota)}, l.streams[1].frames[18:])
		}, 6, Incomplete, "3.hole4-6(file missing)"},
		{"it lacks the end", func(t *testing.T, l *lab) {
			l.streams[1].frames = append(l.streams[1].frames[:15:15], hole(t, 3, 4, 6, protocol.CauseDamaged))
			l.goesOnWith(t, 0, 4)
		}, 3, Incomplete, "3.hole4-6(file missing)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := killedLab(t)
				l.remove(t, l.segments()[2])
				equal(t, "lost", holesOf(t, l.fs), "3.hole1-1(file missing)")
				c.gateway(t, l)
				r := l.mustRepair(t, func(o *RepairOptions) { o.DryRun = true })
				equal(t, "dry run", [2]any{r.Came, r.State}, [2]any{c.came, c.state})
				r = l.mustRepair(t)
				equal(t, "came", [2]any{r.Came, r.State}, [2]any{c.came, c.state})
				equal(t, "left", holesOf(t, l.fs), c.left)
				if c.left == "" {
					equal(t, "again", len(l.mustRepair(t).Holes), 0)
				} else {
					equal(t, "again", l.mustRepair(t).State, Incomplete)
				}
				if c.came > 0 && c.state == Whole {
					l.mustRecord(t)
					equal(t, "after the next recording", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
				}
			})
		})
	}
}

// TestRepairOfAnUnknownExtentCutShort ends such a repair at every operation of its
// disk, with files of few frames: what is not here yet stays a hole throughout.
func TestRepairOfAnUnknownExtentCutShort(t *testing.T) {
	few := func(o *RepairOptions) { o.fileBytes = 400 }
	for _, parts := range [][]uint32{nil, {4}} {
		prepare := func(t *testing.T) *lab {
			l := killedLab(t)
			l.remove(t, l.segments()[2])
			l.goesOnWith(t, 8, parts...)
			l.fs = l.fs.Clone()
			return l
		}
		ops, files := 0, 0
		synctest.Test(t, func(t *testing.T) {
			l := prepare(t)
			before := l.fs.Ops()
			files = len(l.mustRepair(t, few).Files)
			ops = l.fs.Ops() - before
		})
		if files < 3 {
			t.Fatalf("it wrote %d files", files)
		}
		for at := 1; at <= ops; at++ {
			synctest.Test(t, func(t *testing.T) {
				l := prepare(t)
				l.fs.CrashAt(at)
				_, _ = l.repair(t.Context(), few) // cut short
				l.fs = l.fs.PowerCut(journaltest.Scrambled, rand.New(rand.NewPCG(uint64(at), 1)))
				l.unlessHeld(t, 12, "cut short")
				equal(t, "state", l.mustRepair(t, few).State, Whole)
				l.unlessHeld(t, 12, "repaired")
				equal(t, "holes", holesOf(t, l.fs), "")
			})
		}
		for cut := 0; cut < 3000; cut += 60 {
			synctest.Test(t, func(t *testing.T) {
				l := prepare(t)
				first := l.sessions + 1
				l.cutAfter = func(session int) int {
					return map[bool]int{true: cut, false: -1}[session >= first && cut < 1500 || session == first]
				}
				r, err := l.repair(t.Context(), few)
				if (r.State == Whole) != (err == nil) && len(r.Holes) > 0 {
					t.Errorf("cut after %d: %v, %v", cut, r.State, err)
				}
				l.unlessHeld(t, 12, "after a bad line")
				l.cutAfter = nil
				equal(t, "state", l.mustRepair(t, few).State, Whole)
				l.unlessHeld(t, 12, "repaired")
			})
		}
	}
}

// TestRecordTellsWhatWasCutOff: the newest file of an archive was cut short; whoever
// records on is told, and the frames come again.
func TestRecordTellsWhatWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0)
		l.threeParts()
		l.mustRecord(t)
		data := l.fs.Data(l.segments()[2])
		at, _ := frameAt(t, data, 3)
		l.fs.Put(l.segments()[2], data[:at])
		l.log.Reset()
		l.mustRecord(t)
		if !strings.Contains(l.log.String(), "part 3 went up to frame 4 at least, and its files end with frame 2") {
			t.Errorf("log: %s", l.log.String())
		}
		equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
	})
}
