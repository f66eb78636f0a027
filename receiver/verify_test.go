package receiver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// verified is what verify says of a folder, and its exit code.
func verified(t *testing.T, dir string, o VerifyOptions) (string, int) {
	t.Helper()
	r, err := Verify(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	return text.String(), r.ExitCode()
}

// pathsOf lists the files of a stream in an archive of the stub's.
func pathsOf(t *testing.T, dir, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, labFolder, "bench", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	return paths
}

// TestVerifyTellsWhatWasRemoved: whatever is taken from a whole record makes it
// damaged, at the first look and at the next ones.
func TestVerifyTellsWhatWasRemoved(t *testing.T) {
	remove := func(t *testing.T, paths ...string) {
		t.Helper()
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		take func(t *testing.T, dir string)
		code int
		says []string
	}{
		"nothing": {func(*testing.T, string) {}, 0, []string{"complete: 10 of 10 readings"}},
		"the last file": {func(t *testing.T, dir string) { remove(t, pathsOf(t, dir, "000003-*.pgs")...) }, 3,
			[]string{"part 3: hole: file missing", "no file of it is here, frames 1 to 2", "DAMAGED: 9 readings, and an unknown number"}},
		"a middle part": {func(t *testing.T, dir string) { remove(t, pathsOf(t, dir, "000002-*.pgs")...) }, 3,
			[]string{"part 2: hole: file missing", "frames 1 to 2"}},
		"the stream": {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, labFolder, "bench")) }, 3,
			[]string{"part 1: hole: file missing", "frames 1 to 5", "part 3: hole: file missing"}},
		"a byte of the end": {func(t *testing.T, dir string) { shorten(t, pathsOf(t, dir, "000003-*.pgs")[0], protocol.MarkSize+1) }, 3,
			[]string{"part 3: hole: file missing", "was cut short", "frames 2 to 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				g := newStub(t).withBench(4)
				twoParts(t, g, 1, 5)
				g.streams[1].frames = append(g.streams[1].frames, thirdPart(t, g)...)
				recordTo(t, g, dir)
				c.take(t, dir)
				for range 3 {
					text, code := verified(t, dir, VerifyOptions{})
					if code != c.code {
						t.Errorf("exit code %d, want %d\n%s", code, c.code, text)
					}
					for _, s := range c.says {
						if !strings.Contains(text, s) {
							t.Errorf("no %q in\n%s", s, text)
						}
					}
				}
				if _, code := verified(t, dir, VerifyOptions{Allow: []string{protocol.CauseFileMissing}}); code != 0 {
					t.Errorf("what is allowed ends with %d", code)
				}
			})
		})
	}
}

// thirdPart is a part that follows the one twoParts makes.
func thirdPart(t *testing.T, g *stub) [][]byte {
	t.Helper()
	m := &frameMaker{t: t, stream: 2, epoch: 3, time: baseNs + 20_000_000_000}
	m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "bench", Base: g.base, Boot: "boot", Software: "stub", Cause: "unplugged", Channels: twoChannels(),
		Previous: &protocol.Previous{Epoch: 2, Seq: 2}})
	return m.counts([]uint64{3, 4}).out
}

// shorten cuts bytes from the end of a file.
func shorten(t *testing.T, path string, n int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)-n], 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyRefuses what cannot be meant, and says what there is.
func TestVerifyRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		g := newStub(t).withBench(2)
		m := (&frameMaker{t: t, stream: 2, epoch: 1, seq: 3, index: 4, time: baseNs + 400_000_000}).json(protocol.TypeGap, &protocol.Gap{Cause: "a driver's own"})
		g.streams[1].frames = append(g.streams[1].frames, m.out...)
		recordTo(t, g, dir)
		for _, c := range []struct {
			dir  string
			o    VerifyOptions
			says string
		}{
			{dir, VerifyOptions{Streams: []string{"bench", "bnech"}}, "no stream fits bnech: there are pi-lab3/bench, pi-lab3/gateway"},
			{dir, VerifyOptions{Allow: []string{"unpluged"}}, `no gap or hole has the cause "unpluged": there are a driver's own, bytes lost,`},
			{filepath.Join(dir, archiveFile), VerifyOptions{}, "is a file, not a folder of recordings"},
		} {
			if _, err := Verify(t.Context(), c.dir, c.o); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if _, code := verified(t, dir, VerifyOptions{Allow: []string{"a driver's own", "host slept"}}); code != 0 {
			t.Errorf("causes that there are: exit code %d", code)
		}
	})
}

// TestVerifyDoesNotCountTheUnknown: what nobody knows is no number, and what was
// not read again is told.
func TestVerifyDoesNotCountTheUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		g := newStub(t).withBench(2)
		m := (&frameMaker{t: t, stream: 2, epoch: 1, seq: 3, index: 4, time: baseNs + 400_000_000}).
			json(protocol.TypeGap, &protocol.Gap{Cause: "stalled", DurationNs: protocol.Ref(protocol.Int64(14_400_000_000))})
		g.streams[1].frames = append(g.streams[1].frames, m.out...)
		recordTo(t, g, dir)
		text, code := verified(t, dir, VerifyOptions{})
		if code != 1 || !strings.HasSuffix(text, "\nincomplete: 4 readings, and an unknown number missing in 14.4 s (1 gap), each with its cause above\n") {
			t.Errorf("exit code %d\n%s", code, text)
		}
		// The end of the last reading, though a gap follows it.
		if !strings.Contains(text, "4+?  2026-11-20T13:30:12.100Z  2026-11-20T13:30:12.500Z") {
			t.Errorf("the last column is not the end of the last reading:\n%s", text)
		}
		text, _ = verified(t, dir, VerifyOptions{})
		if today := time.Now().UTC().Format("2006-01-02"); !strings.HasSuffix(text, " (2 of 2 files were read on "+today+" and have not changed in size or time since; --full reads them again)\n") {
			t.Errorf("it is not said that files were not read:\n%s", text)
		}
		if text, _ = verified(t, dir, VerifyOptions{Full: true}); strings.Contains(text, "--full") {
			t.Errorf("all were read:\n%s", text)
		}
	})
}

// nothingLost checks that a crash is not taken for something removed or damaged.
func nothingLost(t *testing.T, fsys journal.FS) {
	t.Helper()
	r, err := journal.Verify(t.Context(), fsys, filepath.Join("arch", labFolder), journal.VerifyOptions{})
	if err != nil {
		return // nothing was recorded yet
	}
	for _, s := range r.Streams {
		for _, e := range s.Epochs {
			for _, h := range e.Holes {
				if lostHere(journal.InArchive, h.Hole) {
					t.Errorf("%s, part %d: frames %d to %d: %s, %s", s.Name, e.Epoch, h.From, h.To, h.Cause, h.Detail)
				}
			}
		}
	}
}

// TestVerifyAGatewaysJournal: what the quota dropped before the oldest file is no
// loss, and what lacks elsewhere is one.
func TestVerifyAGatewaysJournal(t *testing.T) {
	dir := t.TempDir()
	g := newStub(t).withBench(6)
	j, err := journal.Open(dir, journal.Options{Gateway: g.name, SegmentBytes: 700})
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
	for _, frame := range g.streams[1].frames {
		if err := s.Append(frame); err != nil {
			t.Fatal(err)
		}
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.DropOldest(); err != nil {
		t.Fatal(err)
	}
	segments := s.Segments()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if text, code := verified(t, dir, VerifyOptions{}); code != 0 || !strings.Contains(text, "not kept any more: frames 1 to ") {
		t.Errorf("after the quota: exit code %d\n%s", code, text)
	}
	if err := os.Remove(segments[len(segments)-1].Path); err != nil {
		t.Fatal(err)
	}
	if text, code := verified(t, dir, VerifyOptions{}); code != 3 || !strings.Contains(text, "hole: file missing") {
		t.Errorf("without its last file: exit code %d\n%s", code, text)
	}
}

// TestVerifyDoesNotTellOfAGapWhatIsHeld: a gateway forgot in a crash what the archive
// has. Its frames 1 to 3 are here, the last of them to 400 ms; it knew 2, to 200 ms,
// and read again at 10 s.
func TestVerifyDoesNotTellOfAGapWhatIsHeld(t *testing.T) {
	for seq, want := range map[uint64]string{
		3: "part 2: gap: gateway crashed, from 2026-11-20T13:30:12.300Z, for 9.800 s, an unknown number of readings missing",
		2: "part 2: gap: gateway crashed, from 2026-11-20T13:30:12.500Z, for 9.600 s, an unknown number of readings missing",
	} {
		g, dir := newStub(t).withBench(2), t.TempDir()
		m := &frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 10_000_000_000}
		m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "bench", Base: g.base, Boot: "boot", Software: "stub", Cause: "gateway started", Channels: twoChannels(),
			Previous: &protocol.Previous{Epoch: 1, Seq: protocol.Uint64(seq)}})
		m.time = baseNs + 200_000_000
		m.json(protocol.TypeGap, &protocol.Gap{Cause: "gateway crashed", DurationNs: protocol.Ref(protocol.Int64(9_800_000_000)), Approximate: true})
		m.time = baseNs + 10_000_000_000
		g.streams[1].frames = append(g.streams[1].frames, m.counts([]uint64{1, 2}).out...)
		summary := recordTo(t, g, dir)
		text, code := verified(t, dir, VerifyOptions{})
		if equal(t, "exit code", code, 1); !strings.Contains(text, want) {
			t.Errorf("previous frame %d: verify does not say %q:\n%s", seq, want, text)
		}
		told := map[uint64]string{3: "missing in 9.8 s (1 gap)", 2: "missing in 9.6 s (1 gap)"}[seq]
		if why := strings.Join(summary.Why, "\n"); !strings.Contains(why, told) {
			t.Errorf("previous frame %d: record says %q, want %q", seq, why, told)
		}
	}
}
