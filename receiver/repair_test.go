package receiver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// threeParts gives the stub three parts of bench: 1.1 to 1.7, 2.1 to 2.5 (with its
// end), 3.1 to 3.4.
func (g *stub) threeParts() *stub {
	g.withBench(6)
	part := func(epoch uint32, last uint64, frames int) *frameMaker {
		m := &frameMaker{t: g.t, stream: 2, epoch: epoch, time: baseNs + int64(epoch)*60*second}
		m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "bench", Base: g.base, Boot: "boot", Software: "stub", Cause: "unplugged", Channels: twoChannels(),
			Previous: &protocol.Previous{Epoch: epoch - 1, Seq: protocol.Uint64(last)}})
		for i := range frames {
			m.counts([]uint64{uint64(epoch), uint64(i)})
		}
		return m
	}
	g.streams[1].frames = slices.Concat(g.streams[1].frames,
		part(2, 7, 3).json(protocol.TypeEnd, &protocol.End{Cause: "unplugged"}).out, part(3, 5, 3).out)
	return g
}

// repaired repairs the archive "arch" of the lab.
func (l *lab) repair(ctx context.Context, change ...func(*RepairOptions)) (RepairReport, error) {
	o := RepairOptions{Dir: "arch", Address: "pi-lab3", Dial: l.dial, Software: "test", FS: l.fs}
	for _, c := range change {
		c(&o)
	}
	return repairFolders(ctx, o, []string{filepath.Join("arch", labFolder)})
}

func (l *lab) mustRepair(t *testing.T, change ...func(*RepairOptions)) RepairReport {
	t.Helper()
	r, err := l.repair(t.Context(), change...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// segments lists the files of bench in the lab's archive.
func (l *lab) segments() []string {
	var out []string
	for _, path := range l.fs.Files() {
		if strings.Contains(path, "bench") && strings.HasSuffix(path, segmentExt) {
			out = append(out, path)
		}
	}
	return out
}

// frameAt is where a frame stands in a file, and how long it is.
func frameAt(t *testing.T, data []byte, seq uint64) (at, n int) {
	t.Helper()
	_, at, err := protocol.ParsePreamble(data)
	if err != nil {
		t.Fatal(err)
	}
	for at < len(data) {
		if _, err := protocol.ParseMark(data[at:]); err == nil {
			at += protocol.MarkSize
			continue
		}
		h, err := protocol.ParseHeader(data[at:])
		if err != nil {
			t.Fatal(err)
		}
		if h.Seq == seq {
			return at, h.FrameLen()
		}
		at += h.FrameLen()
	}
	t.Fatalf("no frame %d", seq)
	return 0, 0
}

// holesOf says in short what an archive lacks, with causes.
func holesOf(t *testing.T, fsys journal.FS) string {
	t.Helper()
	var words []string
	for _, f := range held(t, fsys, labFolder, "bench") {
		if h, _ := protocol.ParseHeader(f); h.Type == protocol.TypeHole {
			words = append(words, sequences(t, [][]byte{f}))
		}
	}
	return strings.Join(words, " ")
}

// damages are ways to lose frames of an archive of threeParts, on its disk.
var damages = []struct {
	name string
	do   func(t *testing.T, l *lab)
	lost string // what the archive says then
	n    uint64
}{
	{"a bit in a frame", func(t *testing.T, l *lab) {
		at, n := frameAt(t, l.fs.Data(l.segments()[0]), 4)
		l.fs.Flip(l.segments()[0], at+n-1, 1)
	}, "1.hole4-4(damaged)", 1},
	{"the descriptor", func(t *testing.T, l *lab) {
		at, n := frameAt(t, l.fs.Data(l.segments()[0]), 1)
		l.fs.Flip(l.segments()[0], at+n-1, 1)
	}, "1.hole1-1(damaged)", 1},
	{"bits in two frames", func(t *testing.T, l *lab) {
		for _, seq := range []uint64{2, 5} {
			at, n := frameAt(t, l.fs.Data(l.segments()[0]), seq)
			l.fs.Flip(l.segments()[0], at+n-1, 1)
		}
	}, "1.hole2-2(damaged) 1.hole5-5(damaged)", 2},
	{"a part in the middle", func(t *testing.T, l *lab) { l.remove(t, l.segments()[1]) }, "2.hole1-5(file missing)", 5},
	{"the last file", func(t *testing.T, l *lab) { l.remove(t, l.segments()[2]) }, "3.hole1-4(file missing)", 4},
	{"the end of the last file", func(t *testing.T, l *lab) {
		path := l.segments()[2]
		data := l.fs.Data(path)
		at, _ := frameAt(t, data, 3)
		l.fs.Put(path, data[:at+20])
	}, "3.hole3-4(file missing)", 2},
	{"all files", func(t *testing.T, l *lab) { l.remove(t, l.segments()...) },
		"1.hole1-7(file missing) 2.hole1-5(file missing) 3.hole1-4(file missing)", 16},
}

func (l *lab) remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := l.fs.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRepair: whatever the disk lost comes back from the gateway, byte for byte,
// and the files that were there stay as they are.
func TestRepair(t *testing.T) {
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 0)
				l.threeParts()
				l.mustRecord(t)
				whole := digests(t, l.fs)
				d.do(t, l)
				equal(t, "lost", holesOf(t, l.fs), d.lost)
				before := contents(l.fs)

				dry := l.mustRepair(t, func(o *RepairOptions) { o.DryRun = true })
				equal(t, "dry run", [3]any{dry.Came, dry.Frames, dry.State}, [3]any{protocol.Uint64(d.n), protocol.Uint64(d.n), Whole})
				equal(t, "files after a dry run", contents(l.fs), before)

				r := l.mustRepair(t)
				equal(t, "came", [3]any{r.Came, r.Frames, r.State}, [3]any{protocol.Uint64(d.n), protocol.Uint64(d.n), Whole})
				equal(t, "exit code", r.ExitCode(), 0)
				equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
				equal(t, "digests", digests(t, l.fs), whole)
				for path, data := range before {
					if strings.HasSuffix(path, segmentExt) {
						equal(t, path, string(l.fs.Data(path)), data)
					}
				}
				files := l.segments()
				again := l.mustRepair(t)
				equal(t, "again", [2]any{len(again.Holes), again.State}, [2]any{0, Whole})
				equal(t, "files after it was done again", l.segments(), files)

				// The archive goes on where it ends.
				more := (&frameMaker{t: t, stream: 2, epoch: 4, time: baseNs + 900*second}).describe(l.base, "bench", twoChannels()...).counts([]uint64{1, 2}).out
				l.streams[1].frames = append(l.streams[1].frames, more...)
				l.mustRecord(t)
				equal(t, "after the next recording", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
			})
		})
	}
}

// digests are the SHA-256 of the parts of bench.
func digests(t *testing.T, fsys journal.FS) map[uint32]string {
	t.Helper()
	r, err := journal.Verify(t.Context(), fsys, filepath.Join("arch", labFolder), journal.VerifyOptions{Full: true})
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint32]string{}
	for _, s := range r.Streams {
		for _, e := range s.Epochs {
			if s.Name == "bench" {
				all[e.Epoch] = fmt.Sprint(e.Digest, e.Held, e.Holes)
			}
		}
	}
	return all
}

// contents are all files but locks and notes of verify.
func contents(fsys *journaltest.FS) map[string]string {
	all := map[string]string{}
	for _, path := range fsys.Files() {
		if !strings.HasSuffix(path, "verified.json") {
			all[path] = string(fsys.Data(path))
		}
	}
	return all
}

// TestRepairOfWhatTheGatewayLacks: what does not come stays a hole, of the cause
// that it had, also beside what came.
func TestRepairOfWhatTheGatewayLacks(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(t *testing.T, l *lab) // of the gateway
		says string
		left string
		came protocol.Uint64
	}{
		{"its middle", func(t *testing.T, l *lab) {
			l.streams[1].frames = slices.Concat(l.streams[1].frames[:3], [][]byte{hole(t, 1, 4, 5, protocol.CauseQuota)}, l.streams[1].frames[5:])
		}, "still missing: frames 4 to 5: pi-lab3 does not have them either: quota", "1.hole4-5(damaged)", 2},
		{"its begin", func(t *testing.T, l *lab) {
			l.streams[1].frames = slices.Concat([][]byte{hole(t, 1, 1, 4, protocol.CauseQuota)}, l.streams[1].frames[4:])
		}, "still missing: frames 3 to 4: pi-lab3 does not have them either: quota", "1.hole3-4(damaged)", 2},
		{"its end", func(t *testing.T, l *lab) {
			l.streams[1].frames = slices.Concat(l.streams[1].frames[:4], [][]byte{hole(t, 1, 5, 7, protocol.CauseDamaged)}, l.streams[1].frames[7:])
		}, "still missing: frames 5 to 6: pi-lab3 does not have them either: damaged", "1.hole5-6(damaged)", 2},
		{"its later frames, without a word", func(_ *testing.T, l *lab) {
			l.streams[1].frames = slices.Concat(l.streams[1].frames[:4], l.streams[1].frames[7:])
		}, "still missing: frames 5 to 6: pi-lab3 has no more of this part: it ends there with frame 4", "1.hole5-6(damaged)", 2},
		{"the part", func(_ *testing.T, l *lab) { l.streams[1].frames = l.streams[1].frames[7:] },
			"still missing: frames 3 to 6: pi-lab3 has no more of this part", "1.hole3-6(damaged)", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 0)
				l.threeParts()
				l.mustRecord(t)
				path := l.segments()[0]
				for seq := uint64(3); seq <= 6; seq++ {
					at, n := frameAt(t, l.fs.Data(path), seq)
					l.fs.Flip(path, at+n-1, 1)
				}
				equal(t, "lost", holesOf(t, l.fs), "1.hole3-6(damaged)")
				c.lose(t, l)
				for range 2 {
					r := l.mustRepair(t)
					var text strings.Builder
					if err := r.WriteText(&text); err != nil {
						t.Fatal(err)
					}
					if !strings.Contains(text.String(), c.says) || r.ExitCode() != 1 || r.Came != c.came {
						t.Errorf("%d came, exit code %d:\n%s", r.Came, r.ExitCode(), text.String())
					}
					equal(t, "left", holesOf(t, l.fs), c.left)
					for _, path := range l.segments() {
						if strings.Contains(path, "filled") {
							equal(t, "frames and holes that a file covers", covered(t, l.fs.Data(path)), [2]uint64{3, 6})
						}
					}
					c.came = 0
				}
			})
		})
	}
}

// covered is the first and the last sequence that stand in a file, which must
// follow each other.
func covered(t *testing.T, data []byte) [2]uint64 {
	t.Helper()
	var all [2]uint64
	for _, span := range spans(t, data) {
		h, payload, _, err := protocol.ParseFrame(data[span[0]:])
		if err != nil {
			t.Fatal(err)
		}
		last := h.Seq
		var hole protocol.Hole
		if h.Type == protocol.TypeHole && protocol.DecodeJSON(payload, &hole) == nil {
			last = uint64(hole.To)
		}
		if all[0] == 0 {
			all[0] = h.Seq
		} else if h.Seq != all[1]+1 {
			t.Errorf("frame %d stands behind %d", h.Seq, all[1])
		}
		all[1] = last
	}
	return all
}

// TestRepairCutShort ends a repair at every operation of its disk, with and
// without power: no earlier file changes, no hole gets another cause, and the next
// repair fills the rest.
func TestRepairCutShort(t *testing.T) {
	prepare := func(t *testing.T) *lab {
		l := newLab(t, 0)
		l.threeParts()
		l.mustRecord(t)
		damages[2].do(t, l)
		l.remove(t, l.segments()[1])
		l.fs = l.fs.Clone()
		return l
	}
	ops := 0
	synctest.Test(t, func(t *testing.T) {
		l := prepare(t)
		before := l.fs.Ops()
		l.mustRepair(t)
		ops = l.fs.Ops() - before
	})
	causes := map[string]bool{}
	for at := 1; at <= ops; at++ {
		for _, power := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				l := prepare(t)
				before := contents(l.fs)
				l.fs.CrashAt(at)
				if _, err := l.repair(t.Context()); err == nil && l.fs.Crashed() && at < ops {
					t.Error("it does not say that it was cut short")
				}
				if power {
					l.fs = l.fs.PowerCut(journaltest.Scrambled, rand.New(rand.NewPCG(uint64(at), 1)))
				} else {
					l.fs = l.fs.Kill()
				}
				for path, data := range before {
					equal(t, path, string(l.fs.Data(path)), data)
				}
				for h := range strings.FieldsSeq(holesOf(t, l.fs)) {
					causes[h] = true
				}
				equal(t, "state", l.mustRepair(t).State, Whole)
				equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
				for _, path := range l.fs.Files() {
					if strings.HasSuffix(path, repairTemp) {
						t.Errorf("%s is left over", path)
					}
				}
				if t.Failed() {
					t.Fatalf("crash at operation %d of %d, power cut %v", at, ops, power)
				}
			})
		}
	}
	for h := range causes {
		if !slices.Contains([]string{"1.hole2-2(damaged)", "1.hole5-5(damaged)", "2.hole1-5(file", "missing)"}, h) {
			t.Errorf("a repair cut short left %s", h)
		}
	}
}

// TestRepairOverABadLine: the connection is cut after every 50th byte, and a
// frame comes with a flipped bit once.
func TestRepairOverABadLine(t *testing.T) {
	for cut := 0; cut < 4000; cut += 50 {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 0)
			l.threeParts()
			l.mustRecord(t)
			l.remove(t, l.segments()...)
			first := l.sessions + 1
			l.cutAfter = func(session int) int {
				if session == first+1 || session == first && cut > 2500 {
					return cut
				}
				return -1
			}
			l.mangle = func(session int, h protocol.Header, f []byte) []byte {
				if session > first || h.Stream != 2 || h.Epoch != 1 || h.Seq != 3 {
					return f
				}
				f = slices.Clone(f)
				f[len(f)-1] ^= 0x10
				return f
			}
			r, err := l.repair(t.Context())
			if err != nil {
				t.Fatalf("cut after %d: %v", cut, err)
			}
			equal(t, "state", r.State, Whole)
			equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
		})
	}
}

// TestRepairRefuses what would spoil an archive.
func TestRepairRefuses(t *testing.T) {
	other := func(l *lab, t *testing.T) {
		l.withBench(1)
		l.streams[1].frames = (&frameMaker{t: t, stream: 2, epoch: 3, time: baseNs + 1}).describe(l.base, "bench", twoChannels()...).
			counts([]uint64{9, 9}).counts([]uint64{9, 9}).counts([]uint64{9, 9}).out
	}
	for name, c := range map[string]struct {
		do   func(t *testing.T, l *lab)
		code int
		says string
	}{
		"same numbers, other bytes": {func(t *testing.T, l *lab) { other(l, t) }, 3, "differ under the same numbers: stream bench: the gateway's journal was put back"},
		"an earlier state": {func(_ *testing.T, l *lab) {
			l.answer = func(_ int, s *stubStream) string {
				return map[bool]string{true: protocol.AnswerUnknownJournal}[s.name == "bench"]
			}
		}, 3, "the gateway never had part 3"},
		"another journal": {func(t *testing.T, l *lab) { l.journal = mustID(t, "ff112233445566778899aabbccddeeff") }, 2,
			"arch holds nothing of the gateway at pi-lab3, which is pi-lab3 with the journal ff112233: there are pi-lab3-00112233 (journal 00112233)"},
		"a recording that runs": {func(t *testing.T, l *lab) {
			lock, err := l.fs.Lock(filepath.Join("arch", archiveLock))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { lock.Close() })
		}, 2, "another photonrecv (process id 4711) records into arch, or repairs it: end it with Ctrl-C"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 0)
				l.threeParts()
				l.mustRecord(t)
				damages[0].do(t, l)
				before := contents(l.fs)
				c.do(t, l)
				r, err := l.repair(t.Context())
				code, text := r.ExitCode(), fmt.Sprint(r.Damage)
				if err != nil {
					code, text = map[bool]int{true: 2, false: 1}[errors.Is(err, ErrUsage)], err.Error()
				}
				if code != c.code || !strings.Contains(text, c.says) {
					t.Errorf("exit code %d: %s", code, text)
				}
				equal(t, "files", contents(l.fs), before)
			})
		})
	}
}

// TestRepairOnAFullDisk: nothing is half written, and when there is room it is
// done.
func TestRepairOnAFullDisk(t *testing.T) {
	for room := int64(0); room < 2500; room += 100 {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 0)
			l.threeParts()
			l.mustRecord(t)
			l.remove(t, l.segments()...)
			l.fs.Limit(room)
			r, err := l.repair(t.Context())
			if err == nil {
				t.Fatalf("with %d bytes: %+v", room, r)
			}
			came := 0
			for _, f := range held(t, l.fs, labFolder, "bench") {
				if h, _ := protocol.ParseHeader(f); h.Type != protocol.TypeHole {
					came++
				}
			}
			equal(t, "frames told to have come", int(r.Came), came)
			l.fs.Limit(-1)
			equal(t, "state", l.mustRepair(t).State, Whole)
			equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
		})
	}
}

// TestRepairWhenTheGatewayHangs: a gateway that lives and sends nothing of what it
// says to have is left in the end.
func TestRepairWhenTheGatewayHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0)
		l.threeParts()
		l.mustRecord(t)
		damages[0].do(t, l)
		l.stay = true
		l.mangle = func(_ int, h protocol.Header, f []byte) []byte {
			if h.Stream == 2 && (h.Epoch > 1 || h.Seq >= 4) {
				return nil
			}
			return f
		}
		began := time.Now()
		r, err := l.repair(t.Context())
		if err == nil || r.Came != 0 || time.Since(began) > time.Hour {
			t.Errorf("after %v: %v, %+v", time.Since(began), err, r)
		}
	})
}

// TestRepairOfUnrecorded: what was never asked for is fetched when that is asked for.
func TestRepairOfUnrecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 8)
		l.fromNow = 5
		l.mustRecord(t, func(o *RecordOptions) { o.For = time.Second })
		equal(t, "held", sequences(t, held(t, l.fs, labFolder, "bench")), "1.hole1-5(not held) 1.6 1.7 1.8 1.9")
		r := l.mustRepair(t)
		equal(t, "by itself", [2]any{len(r.Holes), r.State}, [2]any{0, Whole})
		if !strings.Contains(fmt.Sprint(r.Notes), "5 frames that were never asked for") {
			t.Errorf("said %s", r.Notes)
		}
		r = l.mustRepair(t, func(o *RepairOptions) { o.Unrecorded = true })
		equal(t, "asked for", r.Came, protocol.Uint64(5))
		equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
	})
}

// TestRepairOnTheRealDisk goes the whole way, also by the name of the gateway's
// own folder, and refuses what is no recording.
func TestRepairOnTheRealDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).threeParts()
		dir := t.TempDir()
		recordTo(t, g, dir, func(o *RecordOptions) { o.CSV = true })
		csv := fileIn(t, dir, "bench.csv")
		path := pathsOf(t, dir, "000002-*.pgs")[0]
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if text, code := verified(t, dir, VerifyOptions{}); code != 3 {
			t.Fatalf("verify: %d\n%s", code, text)
		}
		r, err := Repair(t.Context(), RepairOptions{Dir: filepath.Join(dir, labFolder), Address: "pi-lab3", Dial: g.dial})
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		if err := r.WriteText(&said); err != nil {
			t.Fatal(err)
		}
		equal(t, "said", said.String(), "pi-lab3/bench, part 2, frames 1 to 5 (file missing): 5 of 5 came\n"+
			"note: CSV files written earlier are as they were: write them anew with photonrecv cat "+filepath.Join(dir, labFolder)+" --out FOLDER\n"+
			"filled: 5 of 5 missing frames came from pi-lab3\n")
		equal(t, "csv", fileIn(t, dir, "bench.csv"), csv)
		equal(t, "files", r.Files, []string{filepath.Join("bench", "000002-000000000001-filled1.pgs")})
		if text, code := verified(t, dir, VerifyOptions{}); code != 0 || !strings.Contains(text, "complete: ") {
			t.Errorf("verify: %d\n%s", code, text)
		}
		for _, o := range []RepairOptions{{Dir: t.TempDir(), Address: "pi-lab3"}, {Dir: dir, Address: "pi lab3"}, {Dir: dir, Address: "pi-lab3", Streams: []string{"bnech"}}} {
			if _, err := Repair(t.Context(), o); !errors.Is(err, ErrUsage) && !errors.Is(err, ErrNoArchive) {
				t.Errorf("%+v: %v", o, err)
			}
		}
	})
}
