package receiver

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

// bitsArchive records a stream in two runs, each from its middle on, so that files
// have copies before their own frames.
func bitsArchive(t *testing.T, dir string) *stub {
	t.Helper()
	g := newStub(t).withBench(8)
	all := g.streams[1].frames
	for _, run := range [][2]int{{3, 5}, {5, 9}} {
		g.streams[1].frames, g.fromNow = all[:run[1]], run[0]
		recordTo(t, g, dir, func(o *RecordOptions) { o.For = time.Second })
	}
	return g
}

// TestVerifyTellsEveryFlippedBit: one bit in any byte of any file of an archive is
// told with the file's name, or was in a file that says nothing of the record. Where
// all frames are whole, no reading is said to be missing.
func TestVerifyTellsEveryFlippedBit(t *testing.T) {
	t.Attr("fault", "F13")
	t.Attr("injected", "one flipped bit in each byte of every file of an archive")
	t.Attr("promised", "verify ends with 3 and names the file; readings are missing only where the frame was hit that held them")
	tried := 0
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		bitsArchive(t, dir)
		whole, code := verified(t, dir, VerifyOptions{})
		if code != 0 || !strings.Contains(whole, "not recorded here") {
			t.Fatalf("untouched: exit code %d\n%s", code, whole)
		}
		verdict := lastLine(whole)
		for _, path := range filesBelow(t, dir) {
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			frames := spansOf(t, path, good)
			for at := range good {
				if at%bitsStride(path, at) != 0 {
					continue
				}
				bad := bytes.Clone(good)
				bad[at] ^= 1 << (at % 8)
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
				tried++
				text, code := verified(t, dir, VerifyOptions{Full: true})
				where := fmt.Sprintf("%s, byte %d", filepath.Base(path), at)
				switch name := filepath.Base(path); {
				case inSpan(frames, at):
					if code != 3 || !strings.Contains(text, "hole: damaged") {
						t.Errorf("%s: exit code %d\n%s", where, code, text)
					}
				case name == "verified.json":
					if code != 0 || !strings.Contains(text, path+" is damaged") || lastLine(text) != verdict {
						t.Errorf("%s: exit code %d\n%s", where, code, text)
					}
				case strings.HasSuffix(name, segmentExt) || name == archiveFile || name == journalFile:
					if code != 3 || !strings.Contains(text, path) || strings.Contains(text, "hole:") || !strings.HasPrefix(lastLine(text), "DAMAGED: 12 of 12 readings") {
						t.Errorf("%s: exit code %d\n%s", where, code, text)
					}
				default: // locks and the comparison of clocks, of which verify takes nothing
					if code != 0 || text != whole {
						t.Errorf("%s: exit code %d\n%s", where, code, text)
					}
				}
				if err := os.WriteFile(path, good, 0o600); err != nil {
					t.Fatal(err)
				}
				if t.Failed() {
					return
				}
			}
		}
	})
	t.Attr("seen", fmt.Sprintf("%d bytes, each told", tried))
}

// bitsStride is how many bytes there are for each that is tried: in the short form,
// all of the heads and JSON files, and some of the others, which are each tried by
// TestVerifyFindsEveryBit and in protocol/journal.
func bitsStride(path string, at int) int {
	switch name := filepath.Base(path); {
	case os.Getenv("PHOTONGATE_CHAOS") == "long":
		return 1
	case strings.HasSuffix(name, segmentExt) && at < protocol.PreambleHeadSize, name == archiveFile, name == journalFile:
		return 1
	}
	return 7
}

func inSpan(spans [][2]int, at int) bool {
	for _, s := range spans {
		if at >= s[0] && at < s[1] {
			return true
		}
	}
	return false
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// filesBelow lists all files of a folder that hold something.
func filesBelow(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRepairLeavesADamagedHead: where a file's head alone is damaged no frame is
// missing, and none is fetched.
func TestRepairLeavesADamagedHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 8)
		all := l.streams[1].frames
		for _, run := range [][2]int{{3, 5}, {5, 9}} {
			l.streams[1].frames, l.fromNow = all[:run[1]], run[0]
			l.mustRecord(t, func(o *RecordOptions) { o.For = time.Second })
		}
		for _, path := range l.segments() {
			name := strings.TrimPrefix(path, "/")
			_, size, err := protocol.ParsePreamble(l.fs.Data(path))
			if err != nil {
				t.Fatal(err)
			}
			for at := range size {
				mask := byte(1) << (at % 8)
				l.fs.Flip(path, at, mask)
				r := l.mustRepair(t)
				equal(t, fmt.Sprintf("%s, byte %d: frames, files, state", path, at), [3]any{r.Frames, len(r.Files), r.State}, [3]any{protocol.Uint64(0), 0, Whole})
				if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, name+": the file's head is damaged") }) {
					t.Fatalf("%s, byte %d: %q", path, at, r.Notes)
				}
				l.fs.Flip(path, at, mask)
			}
		}
	})
}

// TestVerifyTellsOfAChangedMeasurement: the title of a measurement may be what a bit
// has changed.
func TestVerifyTellsOfAChangedMeasurement(t *testing.T) {
	dir := t.TempDir()
	m := &Measurement{Format: 1, ID: protocol.NewID(), Title: "HWP 22.5"}
	if err := m.write(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, measurementFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := Report{}
	if whole.checkIdentity(dir); len(whole.Damage) > 0 {
		t.Errorf("untouched: %q", whole.Damage)
	}
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		r := Report{}
		if r.checkIdentity(dir); len(r.Damage) != 1 || !strings.HasPrefix(r.Damage[0], path) {
			t.Errorf("byte %d: %q", at, r.Damage)
		}
	}
}

// TestCatBehindADamagedHead: all rows are read, whatever byte of a file's head has
// changed: the columns stand in the copies in it, which bear their own checksums.
func TestCatBehindADamagedHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		bitsArchive(t, dir)
		whole := catText(t, CatOptions{Source: dir, Streams: []string{"bench"}})
		paths := pathsOf(t, dir, "*.pgs")
		if err := os.Remove(paths[1]); err != nil { // with it the second copy of the descriptor
			t.Fatal(err)
		}
		rows := strings.Join(strings.SplitAfter(whole, "\n")[:5], "") // of the first file
		good, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		p, size, err := protocol.ParsePreamble(good)
		if err != nil {
			t.Fatal(err)
		}
		descriptor := bytes.Index(good, p.Copies[0])
		for at := 0; at < size; at += bitsStride(paths[0], at) {
			if at >= descriptor && at < descriptor+len(p.Copies[0]) {
				continue
			}
			bad := bytes.Clone(good)
			bad[at] ^= 1 << (at % 8)
			if err := os.WriteFile(paths[0], bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if text := catText(t, CatOptions{Source: dir, Streams: []string{"bench"}}); !strings.HasPrefix(text, rows) {
				t.Fatalf("byte %d:\n%s\nwant\n%s", at, text, rows)
			}
		}
	})
}
