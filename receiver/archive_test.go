package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// recordTo records all the stub has into a folder of the real disk.
func recordTo(t *testing.T, g *stub, dir string, change ...func(*RecordOptions)) Summary {
	t.Helper()
	o := RecordOptions{Addresses: []string{"pi-lab3"}, Dir: dir, Name: "ws-ana", Dial: g.dial, Software: "test"}
	for _, c := range change {
		c(&o)
	}
	summary, err := Record(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

const fourRows = `time_utc,t_s,gate_s,live_s,stream,part,index,flags,A,B
2026-11-20T13:30:12.100000Z,0.000000,0.100000,0.100000,pi-lab3/bench,1,0,,1000,7
2026-11-20T13:30:12.200000Z,0.100000,0.100000,0.100000,pi-lab3/bench,1,1,,1001,8
2026-11-20T13:30:12.300000Z,0.200000,0.100000,0.100000,pi-lab3/bench,1,2,,1002,7
2026-11-20T13:30:12.400000Z,0.300000,0.100000,0.100000,pi-lab3/bench,1,3,,1003,8
`

func catText(t *testing.T, o CatOptions) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := Cat(t.Context(), &out, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// fileIn reads a file in an archive's only folder.
func fileIn(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, labFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCSVAsItGoes: files are complete after the end, and are what cat writes.
func TestCSVAsItGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(2)
		dir := t.TempDir()
		summary := recordTo(t, g, dir, func(o *RecordOptions) { o.CSV = true })
		equal(t, "names", summary.Streams[0].CSV, []string{filepath.Join(dir, labFolder, "bench.csv")})
		equal(t, "csv", fileIn(t, dir, "bench.csv"), fourRows)
		equal(t, "gaps", fileIn(t, dir, "bench.gaps.csv"), table.GapsHeader)
		equal(t, "events", fileIn(t, dir, "bench.events.csv"), table.EventsHeader+"2026-11-20T13:30:12.100000Z,0.000000,1,0,gateway,part began,,gateway started,\n")
		equal(t, "cat", catText(t, CatOptions{Source: dir}), fourRows)
		var meta csvMeta
		if err := json.Unmarshal([]byte(fileIn(t, dir, "bench.json")), &meta); err != nil {
			t.Fatal(err)
		}
		equal(t, "readings", meta.Readings, protocol.Uint64(4))
		equal(t, "closed", meta.Closed, true)
		equal(t, "driver", meta.Parts[0].Descriptor.Driver, "cd48")

		// The next recording writes the next set; what was there is kept.
		more := (&frameMaker{t: t, stream: 2, epoch: 1, seq: 3, index: 4, time: baseNs + 400_000_000}).
			json(protocol.TypeEvent, &protocol.Event{What: "note", Text: "mirror moved"}).counts([]uint64{5, 6}).out
		g.streams[1].frames = append(g.streams[1].frames, more...)
		recordTo(t, g, dir, func(o *RecordOptions) { o.CSV = true })
		events := fileIn(t, dir, "bench-2.events.csv")
		if !strings.Contains(events, "mirror moved") {
			t.Errorf("events are %s", events)
		}
		equal(t, "first", fileIn(t, dir, "bench.csv"), fourRows)
		equal(t, "second", fileIn(t, dir, "bench-2.csv"), "time_utc,t_s,gate_s,live_s,stream,part,index,flags,A,B\n2026-11-20T13:30:12.500000Z,0.000000,0.100000,0.100000,pi-lab3/bench,1,4,,5,6\n")

		// After a crash the unfinished set is written again, whole.
		stem := filepath.Join(dir, labFolder, "bench-2")
		if err := os.WriteFile(stem+".csv", []byte("time_utc,t_s,ga"), 0o644); err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(fileIn(t, dir, "bench-2.json"), `"closed": true`, `"closed": false`, 1)
		if err := os.WriteFile(stem+".json", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		last := (&frameMaker{t: t, stream: 2, epoch: 1, seq: 5, index: 5, time: baseNs + 500_000_000}).counts([]uint64{6, 7}).out
		g.streams[1].frames = append(g.streams[1].frames, last...)
		recordTo(t, g, dir, func(o *RecordOptions) { o.CSV = true })
		equal(t, "second again", fileIn(t, dir, "bench-2.csv"), "time_utc,t_s,gate_s,live_s,stream,part,index,flags,A,B\n"+
			"2026-11-20T13:30:12.500000Z,0.000000,0.100000,0.100000,pi-lab3/bench,1,4,,5,6\n2026-11-20T13:30:12.600000Z,0.100000,0.100000,0.100000,pi-lab3/bench,1,5,,6,7\n")
		equal(t, "events before the first reading again", fileIn(t, dir, "bench-2.events.csv"), events)
		if _, err := os.Stat(filepath.Join(dir, labFolder, "bench-3.csv")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("there is a third set: %v", err)
		}
	})
}

// TestCSVOfChangedChannels: a new set of files, and cat refuses to mix.
func TestCSVOfChangedChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(2)
		later := (&frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 9*second}).describe(g.base, "bench", protocol.Channel{Name: "X", Kind: "count"}).
			json(protocol.TypeGap, &protocol.Gap{Cause: "reopened"}).counts([]uint64{5})
		g.streams[1].frames = append(g.streams[1].frames, later.out...)
		dir := t.TempDir()
		recordTo(t, g, dir, func(o *RecordOptions) { o.CSV = true })
		equal(t, "first", fileIn(t, dir, "bench.csv"), fourRows)
		equal(t, "second", fileIn(t, dir, "bench-2.csv"), "time_utc,t_s,gate_s,live_s,stream,part,index,flags,X\n2026-11-20T13:30:21.100000Z,0.000000,0.100000,0.100000,pi-lab3/bench,2,0,,5\n")
		equal(t, "gaps of the second", fileIn(t, dir, "bench-2.gaps.csv"), table.GapsHeader+"2026-11-20T13:30:21.100000Z,0.000000,,2,0,,reopened,\n")

		var out bytes.Buffer
		_, err := Cat(t.Context(), &out, CatOptions{Source: dir})
		if !errors.Is(err, ErrMixed) || out.Len() > 0 || !strings.Contains(err.Error(), "--out") {
			t.Errorf("cat wrote %d bytes and said %v", out.Len(), err)
		}
		summary, err := Cat(t.Context(), &out, CatOptions{Source: dir, Folder: filepath.Join(dir, "tables")})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "files", summary.Files, []string{filepath.Join(dir, "tables", "bench.csv"), filepath.Join(dir, "tables", "bench-2.csv")})
	})
}

// TestCatChoosesStreams: two streams of different channels, and a third like
// the first.
func TestCatChoosesStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(1)
		for i, name := range []string{"ccu", "bench2"} {
			channels := twoChannels()[:1+i]
			m := (&frameMaker{t: t, stream: uint32(3 + i), epoch: 1, time: baseNs}).describe(g.base, name, channels...).counts(make([]uint64, len(channels)))
			g.streams = append(g.streams, &stubStream{name, uint32(3 + i), m.out})
		}
		dir := t.TempDir()
		recordTo(t, g, dir)
		var out bytes.Buffer
		_, err := Cat(t.Context(), &out, CatOptions{Source: dir})
		if !errors.Is(err, ErrMixed) || out.Len() > 0 || !strings.Contains(err.Error(), "--stream") {
			t.Errorf("cat wrote %d bytes and said %v", out.Len(), err)
		}
		for pattern, rows := range map[string]int{"bench": 2, "bench*": 3, "ccu": 1, "pi-lab3/bench?": 1, "*/ccu": 1} {
			if got := strings.Count(catText(t, CatOptions{Source: dir, Streams: []string{pattern}}), "\n") - 1; got != rows {
				t.Errorf("%s: %d rows, want %d", pattern, got, rows)
			}
		}
		if got := strings.Count(catText(t, CatOptions{Source: dir, View: table.View{Format: table.NDJSON}}), `"type":"reading"`); got != 4 {
			t.Errorf("NDJSON: %d readings, want 4", got)
		}
		for _, o := range []CatOptions{{Source: dir, Streams: []string{"nobody"}}, {Source: dir, Streams: []string{"["}}, {Source: dir, View: table.View{Format: "xml"}}} {
			if _, err := Cat(t.Context(), &out, o); !errors.Is(err, ErrUsage) {
				t.Errorf("%+v: %v", o, err)
			}
		}
		if _, err := Cat(t.Context(), &out, CatOptions{Source: t.TempDir()}); !errors.Is(err, ErrNoArchive) {
			t.Errorf("an empty folder: %v", err)
		}
	})
}

// TestCatTwoGatewaysIntoFiles: each has a folder of its own.
func TestCatTwoGatewaysIntoFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		recordTo(t, newStub(t).withBench(1), dir)
		other := newStub(t).withBench(2)
		other.name, other.journal = "pi-lab4", mustID(t, "ffeeddccbbaa99887766554433221100")
		recordTo(t, other, dir)
		out := filepath.Join(t.TempDir(), "tables")
		summary, err := Cat(t.Context(), nil, CatOptions{Source: dir, Folder: out})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "files", summary.Files, []string{filepath.Join(out, labFolder, "bench.csv"), filepath.Join(out, "pi-lab4-ffeeddcc", "bench.csv")})
		text, err := os.ReadFile(summary.Files[1])
		if rows := strings.Count(string(text), "\n"); err != nil || rows != 5 {
			t.Errorf("%d lines, %v", rows, err)
		}
	})
}

// TestCatWhileWriting follows a folder that grows.
func TestCatWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		folder := filepath.Join(dir, labFolder)
		g := newStub(t).withBench(2)
		j, err := journal.Open(folder, journal.Options{Place: journal.InArchive, Journal: g.journal, Gateway: g.name})
		if err != nil {
			t.Fatal(err)
		}
		s, err := j.Stream("bench", 2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Begin(1, 1); err != nil {
			t.Fatal(err)
		}
		write := func(frames ...[]byte) {
			for _, f := range frames {
				if err := s.Append(f); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		write(g.streams[1].frames[:2]...)
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		done := make(chan error, 1)
		go func() {
			_, err := Cat(ctx, &out, CatOptions{Source: dir, Follow: true})
			done <- err
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		equal(t, "rows so far", strings.Count(out.String(), "\n"), 3)
		write(g.streams[1].frames[2:]...)
		time.Sleep(time.Second)
		synctest.Wait()
		equal(t, "all", out.String(), fourRows)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestCatLive shows a gateway, over a lost connection too.
func TestCatLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(2)
		g.stay = true
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		done := make(chan error, 1)
		go func() {
			_, err := Cat(ctx, &out, CatOptions{Source: "pi-lab3", Dial: g.dial})
			done <- err
		}()
		synctest.Wait()
		equal(t, "rows", out.String(), fourRows)
		equal(t, "kind", g.asks[0].Kind, protocol.SubscribeView)
		g.mu.Lock()
		more := (&frameMaker{t: t, stream: 2, epoch: 1, seq: 9, index: 20, time: baseNs + 2*second}).counts([]uint64{5, 6}).out
		g.streams[1].frames = more
		g.streams[0].frames = nil
		conn := g.conns[0]
		g.mu.Unlock()
		conn.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		equal(t, "rows", out.String(), fourRows+"2026-11-20T13:30:14.100000Z,2.000000,0.100000,0.100000,pi-lab3/bench,1,20,,5,6\n")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		equal(t, "byes", g.byes, 1)
	})
}

// TestVerify: exit codes, what the text says, what is allowed.
func TestVerify(t *testing.T) {
	gap := func(g *stub) {
		m := (&frameMaker{t: t, stream: 2, epoch: 1, seq: 3, index: 4, time: baseNs + 400_000_000}).
			json(protocol.TypeGap, &protocol.Gap{Cause: "unplugged", DurationNs: protocol.Ref(protocol.Int64(5 * second)), Missing: protocol.Ref(protocol.Uint64(50))})
		m.index, m.time = 54, baseNs+5_400_000_000
		g.streams[1].frames = append(g.streams[1].frames, m.counts([]uint64{1, 1}).out...)
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, g *stub, dir string)
		o    VerifyOptions
		code int
		says []string
	}{
		"whole": {func(t *testing.T, g *stub, dir string) { recordTo(t, g, dir) }, VerifyOptions{}, 0,
			[]string{"pi-lab3/bench", "complete: 4 of 4 readings", "2026-11-20T13:30:12.100Z", "synchronised with UTC for all of 400ms"}},
		"a gap": {func(t *testing.T, g *stub, dir string) { gap(g); recordTo(t, g, dir) }, VerifyOptions{}, 1,
			[]string{"gap: unplugged, from 2026-11-20T13:30:12.500Z, for 5.000 s, 50 readings missing", "incomplete: 5 of 55 readings, 1 gap, 0 holes"}},
		"an allowed gap": {func(t *testing.T, g *stub, dir string) { gap(g); recordTo(t, g, dir) }, VerifyOptions{Allow: []string{"unplugged"}}, 0,
			[]string{"unplugged", "allowed", "complete but for what was allowed (--allow unplugged): 5 of 55 readings"}},
		"a gap before --since": {func(t *testing.T, g *stub, dir string) { gap(g); recordTo(t, g, dir) }, VerifyOptions{Since: time.Unix(0, baseNs+5_450_000_000)}, 0,
			[]string{"complete"}},
		"a hole": {func(t *testing.T, g *stub, dir string) {
			g.withBench(4)
			all := g.streams[1].frames
			g.streams[1].frames = [][]byte{all[0], all[1], hole(t, 1, 3, 4, "quota"), all[4]}
			recordTo(t, g, dir)
		}, VerifyOptions{}, 1, []string{"hole: quota, from 2026-11-20T13:30:12.300Z, for 0.400 s, 4 readings missing, frames 3 to 4", "incomplete: 4 of 8 readings, 0 gaps, 1 hole"}},
		"dropped by the gateway": {func(t *testing.T, g *stub, dir string) {
			g.withBench(4)
			all := g.streams[1].frames
			g.streams[1].frames = [][]byte{all[0], all[1], hole(t, 1, 3, 4, "not held"), all[4]}
			recordTo(t, g, dir)
		}, VerifyOptions{}, 1, []string{"hole: not held", "incomplete"}},
		"begun in the middle": {func(t *testing.T, g *stub, dir string) {
			g.withBench(4)
			g.fromNow = 3
			recordTo(t, g, dir, func(o *RecordOptions) { o.For = time.Second })
		}, VerifyOptions{}, 0, []string{"not recorded here: frames 1 to 3", "complete: 4 of 4 readings"}},
		"a hole before --since": {func(t *testing.T, g *stub, dir string) {
			g.withBench(4)
			all := g.streams[1].frames
			g.streams[1].frames = [][]byte{all[0], all[1], hole(t, 1, 3, 4, "quota"), all[4]}
			recordTo(t, g, dir)
		}, VerifyOptions{Since: time.Unix(0, baseNs+750_000_000)}, 0, []string{"complete"}},
		"without the end of a part": {func(t *testing.T, g *stub, dir string) { twoParts(t, g, 1, 9); recordTo(t, g, dir) }, VerifyOptions{}, 1,
			[]string{"part 1: hole: not held, from 2026-11-20T13:30:12.500Z", "part 2 says that this one went on to frame 9, frames 4 to 9"}},
		"with all of a part": {func(t *testing.T, g *stub, dir string) { twoParts(t, g, 1, 3); recordTo(t, g, dir) }, VerifyOptions{}, 0, []string{"complete"}},
		"without a part between": {func(t *testing.T, g *stub, dir string) { twoParts(t, g, 2, 9); recordTo(t, g, dir) }, VerifyOptions{}, 1,
			[]string{"part 2: hole: not held", "part 3 says that this one went on to frame 9, frames 1 to 9"}},
		"run that ended in the middle": {func(t *testing.T, g *stub, dir string) {
			twoParts(t, g, 1, 9)
			g.fromNow = 2
			recordTo(t, g, dir, func(o *RecordOptions) { o.For = time.Second })
		}, VerifyOptions{}, 0, []string{"not recorded here: frames 1 to 2", "not recorded here: frames 4 to 9", "complete"}},
		"run that begins with a later part": {func(t *testing.T, g *stub, dir string) {
			recordTo(t, g, dir)
			twoParts(t, g, 1, 9)
			g.fromNow = 3
			g.onAck = func(a protocol.AckStream) {
				if a.ID == 2 && a.Epoch < 2 {
					t.Errorf("acked %+v, which was not sent", a)
				}
			}
			recordTo(t, g, dir, func(o *RecordOptions) { o.For = time.Second })
		}, VerifyOptions{}, 0, []string{"part 1: not recorded here: frames 4 to 9", "complete: 5 of 5 readings"}},
		"a first file removed": {func(t *testing.T, g *stub, dir string) {
			recordTo(t, g, dir)
			g.withBench(4)
			recordTo(t, g, dir)
			if err := os.Remove(filepath.Join(dir, labFolder, "bench", "000001-000000000001.pgs")); err != nil {
				t.Fatal(err)
			}
		}, VerifyOptions{}, 3, []string{"hole: file missing", "frames 1 to 3", "DAMAGED"}},
		"a stream removed": {func(t *testing.T, g *stub, dir string) {
			recordTo(t, g, dir)
			if err := os.RemoveAll(filepath.Join(dir, labFolder, "bench")); err != nil {
				t.Fatal(err)
			}
		}, VerifyOptions{}, 3, []string{"pi-lab3/bench", "no file of it is here, frames 1 to 3", "DAMAGED"}},
		"journal.json removed": {func(t *testing.T, g *stub, dir string) {
			recordTo(t, g, dir)
			if err := os.Remove(filepath.Join(dir, labFolder, "journal.json")); err != nil {
				t.Fatal(err)
			}
		}, VerifyOptions{}, 3, []string{"journal.json", "4 of 4 readings"}},
		"a file of zeros": {func(t *testing.T, g *stub, dir string) {
			recordTo(t, g, dir)
			if err := os.WriteFile(filepath.Join(dir, labFolder, "bench", "000001-000000000004.pgs"), make([]byte, 300<<10), 0o600); err != nil {
				t.Fatal(err)
			}
		}, VerifyOptions{}, 3, []string{"000001-000000000004.pgs", "DAMAGED: 4 of 4 readings"}},
		"damaged": {func(t *testing.T, g *stub, dir string) {
			recordTo(t, g, dir)
			flipInFile(t, filepath.Join(dir, labFolder, "bench"), g.streams[1].frames[1])
		}, VerifyOptions{}, 3, []string{"hole: damaged", "DAMAGED: 2 of 4 readings"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				g := newStub(t).withBench(2)
				c.make(t, g, dir)
				for _, again := range []bool{false, true} { // from the files, and from what was kept of them
					r, err := Verify(t.Context(), dir, c.o)
					if err != nil {
						t.Fatal(err)
					}
					var text strings.Builder
					if err := r.WriteText(&text); err != nil {
						t.Fatal(err)
					}
					if r.ExitCode() != c.code {
						t.Errorf("again %v: exit code %d, want %d\n%s", again, r.ExitCode(), c.code, text.String())
					}
					for _, s := range c.says {
						if !strings.Contains(text.String(), s) {
							t.Errorf("again %v: no %q in\n%s", again, s, text.String())
						}
					}
				}
			})
		})
	}
	if _, err := Verify(t.Context(), filepath.Join(t.TempDir(), "nowhere"), VerifyOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
}

// twoParts gives the stub a later part of the stream "bench" that tells of the one
// before it.
func twoParts(t *testing.T, g *stub, previous uint32, seq uint64) {
	t.Helper()
	m := &frameMaker{t: t, stream: 2, epoch: previous + 1, time: baseNs + 10_000_000_000}
	m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "bench", Base: g.base, Boot: "boot", Software: "stub", Cause: "unplugged", Channels: twoChannels(),
		Previous: &protocol.Previous{Epoch: previous, Seq: protocol.Uint64(seq)}})
	g.streams[1].frames = append(g.streams[1].frames, m.counts([]uint64{1, 2}).out...)
}

// flipInFile flips a bit in the payload of a frame in one of a folder's files.
func flipInFile(t *testing.T, dir string, frame []byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(text, frame); at >= 0 && strings.HasSuffix(name, segmentExt) {
			text[at+protocol.HeaderSize] ^= 4
			if err := os.WriteFile(name, text, 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("the frame is in no file")
}

// TestDigests: both ends print the same for the same frames.
func TestDigests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(3)
		a, b := t.TempDir(), t.TempDir()
		recordTo(t, g, a)
		recordTo(t, g, b, func(o *RecordOptions) { o.Streams = []string{"bench"} })
		ra, err := Verify(t.Context(), a, VerifyOptions{Streams: []string{"bench"}})
		if err != nil {
			t.Fatal(err)
		}
		rb, err := Verify(t.Context(), b, VerifyOptions{Streams: []string{"bench"}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "digests", ra.Streams[0].Parts[0].Digest, rb.Streams[0].Parts[0].Digest)
		equal(t, "held", ra.Streams[0].Parts[0].Held, [][2]protocol.Uint64{{1, 4}})
	})
}

// TestClockSideFile: the receiver's clock against the gateway's. The stub's is
// 3 s ahead, its replies take 1 ms each way in its own reckoning.
func TestClockSideFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStub(t).withBench(1)
		g.stay = true
		dir := t.TempDir()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		if _, err := Record(ctx, RecordOptions{Addresses: []string{"pi-lab3"}, Dir: dir, Dial: g.dial}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(fileIn(t, dir, "receiver-clock.csv"), "\n")
		if len(lines) != 3 || lines[0] != "receiver_utc,base,base_ns,offset_ns,round_trip_ns" || !strings.HasSuffix(lines[1], ",3001000000,0") || !strings.Contains(lines[1], g.base.String()) {
			t.Errorf("got %q", lines)
		}
	})
}
