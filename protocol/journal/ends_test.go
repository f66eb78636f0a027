package journal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// changeMeta changes journal.json by hand.
func changeMeta(t *testing.T, fsys *journaltest.FS, change func(stream map[string]any)) {
	t.Helper()
	name := filepath.Join(folder, "journal.json")
	var meta map[string]any
	if err := json.Unmarshal(fsys.Data(name), &meta); err != nil {
		t.Fatal(err)
	}
	for _, s := range meta["streams"].([]any) {
		change(s.(map[string]any))
	}
	text, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	fsys.Put(name, text)
}

// forgetEnds makes journal.json one that does not know how far epochs were on
// the disk, as it is when no file was ever closed.
func forgetEnds(t *testing.T, fsys *journaltest.FS) {
	t.Helper()
	changeMeta(t, fsys, func(s map[string]any) { delete(s, "ends") })
}

// threeEpochs makes a folder of one stream with the epochs 1 to 3, twelve frames
// each, in several files.
func threeEpochs(t *testing.T, place journal.Place) *journaltest.FS {
	t.Helper()
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{Place: place, Journal: protocol.ID{1}, SegmentBytes: 620, WaitWhenFull: true})
	s := stream(t, j, "bench")
	for range 3 {
		epoch := begin(t, s, 0, 1)
		for seq := uint64(1); seq <= 12; seq++ {
			appendFrames(t, s, epoch, seq, seq, 30)
			if err := j.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeJournal(t, j)
	return fsys
}

// lost lists the holes that Verify finds, with what it says of them.
func lost(t *testing.T, fsys *journaltest.FS, o journal.VerifyOptions) string {
	t.Helper()
	var words []string
	for _, s := range verify(t, fsys, o).Streams {
		for _, e := range s.Epochs {
			for _, h := range e.Holes {
				words = append(words, fmt.Sprintf("%d:%d-%d %s (%s)", e.Epoch, h.From, h.To, h.Cause, h.Detail))
			}
		}
	}
	return strings.Join(words, ", ")
}

// What was on the disk and is not any more is told, whatever is removed or cut
// short: from journal.json, and where that knows nothing, from what an earlier
// verify kept. It is told the second time as well.
func TestVerifyKnowsHowFarTheDiskWas(t *testing.T) {
	remove := func(t *testing.T, fsys *journaltest.FS, paths []string) {
		t.Helper()
		for _, path := range paths {
			if err := fsys.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	of := func(fsys *journaltest.FS, epoch int) []string {
		var out []string
		for _, path := range segmentsOf(fsys, "bench") {
			if strings.HasPrefix(filepath.Base(path), fmt.Sprintf("%06d", epoch)) {
				out = append(out, path)
			}
		}
		return out
	}
	cut := func(t *testing.T, fsys *journaltest.FS, path string, where func(p part) int) uint64 {
		t.Helper()
		data := fsys.Data(path)
		parts := partsOf(t, data)
		fsys.Put(path, data[:where(parts[1])])
		return parts[1].seq
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, fsys *journaltest.FS) (from uint64)
		want   string // %d: where the hole begins
	}{
		"nothing": {func(*testing.T, *journaltest.FS) uint64 { return 0 }, ""},
		"last file removed": {func(t *testing.T, fsys *journaltest.FS) uint64 {
			paths := of(fsys, 3)
			first := partsOf(t, fsys.Data(paths[len(paths)-1]))[1].seq
			remove(t, fsys, paths[len(paths)-1:])
			return first
		}, "3:%d-12 file missing"},
		"last file of an earlier part removed": {func(t *testing.T, fsys *journaltest.FS) uint64 {
			paths := of(fsys, 1)
			first := partsOf(t, fsys.Data(paths[len(paths)-1]))[1].seq
			remove(t, fsys, paths[len(paths)-1:])
			return first
		}, "1:%d-12 file missing"},
		"middle part removed": {func(t *testing.T, fsys *journaltest.FS) uint64 { remove(t, fsys, of(fsys, 2)); return 1 }, "2:%d-12 file missing"},
		"last part removed":   {func(t *testing.T, fsys *journaltest.FS) uint64 { remove(t, fsys, of(fsys, 3)); return 1 }, "3:%d-12 file missing"},
		"last file cut behind a frame": {func(t *testing.T, fsys *journaltest.FS) uint64 {
			paths := of(fsys, 3)
			return 1 + cut(t, fsys, paths[len(paths)-1], func(p part) int { return p.to })
		}, "3:%d-12 file missing"},
		"last file cut within a frame": {func(t *testing.T, fsys *journaltest.FS) uint64 {
			paths := of(fsys, 3)
			return cut(t, fsys, paths[len(paths)-1], func(p part) int { return p.to - 1 })
		}, "3:%d-12 file missing"},
		"last file cut behind its preamble": {func(t *testing.T, fsys *journaltest.FS) uint64 {
			paths := of(fsys, 3)
			return cut(t, fsys, paths[len(paths)-1], func(p part) int { return p.from })
		}, "3:%d-12 file missing"},
		"last file of an earlier part cut": {func(t *testing.T, fsys *journaltest.FS) uint64 {
			paths := of(fsys, 2)
			return 1 + cut(t, fsys, paths[len(paths)-1], func(p part) int { return p.to })
		}, "2:%d-12 file missing"},
	} {
		for _, by := range []string{"journal.json", "an earlier verify"} {
			for _, place := range []journal.Place{journal.InJournal, journal.InArchive} {
				t.Run(name+", by "+by+", "+string(place), func(t *testing.T) {
					fsys := threeEpochs(t, place)
					if by != "journal.json" {
						forgetEnds(t, fsys)
						if got := lost(t, fsys, journal.VerifyOptions{}); got != "" {
							t.Fatalf("before: %s", got)
						}
					}
					want := c.want
					if from := c.damage(t, fsys); from > 0 {
						want = fmt.Sprintf(c.want, from)
					}
					for _, o := range []journal.VerifyOptions{{}, {}, {Full: true}, {}} {
						got := lost(t, fsys, o)
						if !strings.HasPrefix(got, want) || want == "" && got != "" || strings.Contains(got, "), ") {
							t.Errorf("%+v:\n got %s\nwant %s", o, got, want)
						}
						if want != "" && !strings.Contains(got, by) {
							t.Errorf("it is not said that %s knows: %s", by, got)
						}
					}
				})
			}
		}
	}
}

// A stream whose folder is gone was there; all its parts are told in an archive.
func TestVerifyAStreamWithoutFolder(t *testing.T) {
	fsys := threeEpochs(t, journal.InArchive)
	for _, path := range fsys.Files() {
		if filepath.Dir(path) == filepath.Join(folder, "bench") {
			if err := fsys.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := lost(t, fsys, journal.VerifyOptions{})
	for _, want := range []string{"1:1-12 file missing", "2:1-12 file missing", "3:1-12 file missing", "no file of it is here"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	same(t, "read", readFolder(t, fsys, "bench"), "1:1-12 file missing, 2:1-12 file missing, 3:1-12 file missing")
}

// What the quota dropped is not missing, though it was on the disk once.
func TestVerifyAfterTheQuota(t *testing.T) {
	fsys := threeEpochs(t, journal.InJournal)
	verify(t, fsys, journal.VerifyOptions{})
	j := open(t, fsys, journal.Options{})
	s := stream(t, j, "bench")
	appendFrames(t, s, begin(t, s, 0, 1), 1, 3, 30)
	for _, seg := range s.Segments() {
		if seg.Epoch < 3 {
			if _, err := s.DropOldest(); err != nil {
				t.Fatal(err)
			}
		}
	}
	appendFrames(t, s, begin(t, s, 0, 1), 1, 3, 30)
	closeJournal(t, j)
	same(t, "holes", lost(t, fsys, journal.VerifyOptions{}), "")
	ends, _, _ := strings.Cut(string(fsys.Data(filepath.Join(folder, "journal.json"))), `"dropped"`)
	if strings.Contains(ends, `"epoch": 2,`) || !strings.Contains(ends, `"epoch": 3,`) {
		t.Errorf("journal.json: %s", ends)
	}
}

// journal.json never says more than what is on the disk, and stays small.
func TestEndsAreBounded(t *testing.T) {
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{Place: journal.InArchive, Journal: protocol.ID{1}})
	s := stream(t, j, "bench")
	for range 1003 {
		appendFrames(t, s, begin(t, s, 0, 1), 1, 1, 0)
	}
	name := filepath.Join(folder, "journal.json")
	if text := string(fsys.Data(name)); strings.Contains(text, `"epoch": 1003,`) || !strings.Contains(text, `"epoch": 1002,`) {
		t.Error("before the end journal.json does not know of all epochs but the last")
	}
	closeJournal(t, j)
	if n := strings.Count(string(fsys.Data(name)), "last_seq"); n != 1000 {
		t.Errorf("%d ends are kept, want 1000", n)
	}
}

// Ends that make no sense are a damaged journal.json.
func TestEndsThatMakeNoSense(t *testing.T) {
	for _, end := range []map[string]any{{"epoch": 0, "last_seq": "3"}, {"epoch": 1, "last_seq": "0"}, {"epoch": 1, "last_seq": "18446744073709551615"}} {
		fsys := threeFiles(t)
		changeMeta(t, fsys, func(s map[string]any) { s["ends"] = []any{end} })
		if r := verify(t, fsys, journal.VerifyOptions{}); len(r.Trouble) != 1 {
			t.Errorf("%v: trouble %q", end, r.Trouble)
		}
	}
}

// A digest over what is not there is refused, and says what is.
func TestDigestOfWhatIsNotHeld(t *testing.T) {
	f, err := journal.OpenFolder(threeEpochs(t, journal.InArchive), folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stream string
		epoch  uint32
		a, b   uint64
		want   string
	}{
		{"bench", 2, 1, 13, "frames 13 to 13 of part 2 are not here: of part 2 there are the frames 1 to 12"},
		{"bench", 2, 40, 50, "frames 40 to 50"},
		{"bench", 9, 1, 2, "there is no part 9, there are the parts 1, 2, 3"},
		{"nobody", 1, 1, 2, `no stream "nobody", there are: bench`},
	} {
		digest, err := f.Digest(c.stream, c.epoch, c.a, c.b)
		if digest != "" || !errors.Is(err, journal.ErrNotHeld) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %q, %v", c, digest, err)
		}
	}
	if digest, err := f.Digest("bench", 2, 3, 9); err != nil || len(digest) != 64 {
		t.Errorf("%q, %v", digest, err)
	}
}

// A file that another one of the same part follows ended where that begins:
// wherever it is cut, it is not a crash that did it.
func TestVerifyAFileCutBeforeAnother(t *testing.T) {
	whole := threeFiles(t)
	path := segmentsOf(whole, "bench")[1]
	data := whole.Data(path)
	parts := partsOf(t, data)
	for n := range data {
		fsys := whole.Clone()
		fsys.Put(path, data[:n])
		last := parts[1].seq - 1
		for _, p := range parts {
			if p.to <= n {
				last = max(last, p.seq)
			}
		}
		next := partsOf(t, whole.Data(segmentsOf(whole, "bench")[2]))[1].seq
		got := lost(t, fsys, journal.VerifyOptions{NoCache: true})
		if last+1 == next {
			same(t, fmt.Sprintf("cut at %d", n), got, "")
			continue
		}
		if want := fmt.Sprintf("1:%d-%d ", last+1, next-1); !strings.HasPrefix(got, want) || !strings.Contains(got, protocol.CauseFileMissing) && !strings.Contains(got, protocol.CauseDamaged) {
			t.Errorf("cut at %d: %s, want %s", n, got, want)
		}
	}
}
