package journal_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/journal/journaltest"
)

// readBoth reads a stream as a new process does: by a journal that takes the
// folder over, and without its lock. Both must say the same, but for what
// cannot be told from the outside while a writer may be at it.
func readBoth(t *testing.T, fsys *journaltest.FS, what, want string) {
	t.Helper()
	same(t, what+", read as a folder", readFolder(t, fsys, "bench"), want)
	j := open(t, fsys.Clone(), journal.Options{})
	same(t, what+", read as a journal", readStream(t, stream(t, j, "bench"), journal.Position{}, 1<<20), want)
	closeJournal(t, j)
}

// all but the frames lost, in words.
func without(last uint64, cause string, lost ...uint64) string {
	var words []string
	from := uint64(1)
	for _, seq := range lost {
		if seq > from {
			words = append(words, fmt.Sprintf("1:%d-%d", from, seq-1))
		}
		words = append(words, fmt.Sprintf("1:%d-%d %s", seq, seq, cause))
		from = seq + 1
	}
	if from <= last {
		words = append(words, fmt.Sprintf("1:%d-%d", from, last))
	}
	return strings.Join(words, ", ")
}

func TestFlippedBitCostsTheFrameItHits(t *testing.T) {
	fsys := threeFiles(t)
	readBoth(t, fsys, "undamaged", "1:1-12")
	holes, none := 0, 0
	for _, path := range segmentsOf(fsys, "bench") {
		data := fsys.Data(path)
		for _, p := range partsOf(t, data) {
			for at := p.from; at < p.to && !t.Failed(); at++ {
				data[at] ^= 1 << (at % 8)
				want := "1:1-12"
				if none++; p.seq > 0 {
					want = without(12, protocol.CauseDamaged, p.seq)
					holes, none = holes+1, none-1
				}
				readBoth(t, fsys, fmt.Sprintf("%s, byte %d flipped (frame %d)", path, at, p.seq), want)
				data[at] ^= 1 << (at % 8)
			}
		}
	}
	files := none + holes
	for _, name := range []string{"journal.json", "bench/verified.json"} {
		verify(t, fsys, journal.VerifyOptions{})
		whole, id := verify(t, fsys, journal.VerifyOptions{}), idOf(t, fsys)
		path := filepath.Join(folder, name)
		for at := 0; at < len(fsys.Data(path)) && !t.Failed(); at++ {
			flipped := fsys.Clone()
			flipped.Flip(path, at, 1<<(at%8))
			where := fmt.Sprintf("%s, byte %d flipped", name, at)
			if idOf(t, flipped) != id {
				t.Errorf("%s: it is another journal", where)
			}
			readBoth(t, flipped, where, "1:1-12")
			report := verify(t, flipped, journal.VerifyOptions{})
			if diff := cmp.Diff(whole.Streams, report.Streams); diff != "" {
				t.Errorf("%s: verify differs:\n%s", where, diff)
			}
		}
		none += len(fsys.Data(path))
	}
	t.Attr("fault", "F13")
	t.Attr("injected", fmt.Sprintf("one flipped bit in each of %d bytes of a journal of 3 files and 12 frames, and in each of %d bytes of journal.json and verified.json", files, none+holes-files))
	t.Attr("promised", "exactly the frame that is hit becomes a hole damaged, all else is delivered")
	t.Attr("seen", fmt.Sprintf("%d bytes of frames: one hole each; %d bytes of preambles, marks and those files: none", holes, none))
}

// idOf is the id of the journal that a folder is read as.
func idOf(t *testing.T, fsys journal.FS) protocol.ID {
	t.Helper()
	f, err := journal.OpenFolder(fsys, folder)
	if err != nil {
		t.Fatal(err)
	}
	return f.ID()
}

func TestFileCutAtEveryByte(t *testing.T) {
	whole := threeFiles(t)
	paths := segmentsOf(whole, "bench")
	for i, path := range paths {
		data := slices.Clone(whole.Data(path))
		parts := partsOf(t, data)
		firstOf := func(i int) uint64 { return partsOf(t, whole.Data(paths[i]))[1].seq }
		for n := 0; n <= len(data) && !t.Failed(); n++ {
			fsys := whole.Clone()
			fsys.Put(path, data[:n])
			var kept uint64
			if i > 0 {
				kept = firstOf(i) - 1
			}
			for _, p := range parts {
				if p.seq > 0 && p.to <= n {
					kept = p.seq
				}
			}
			j := open(t, fsys, journal.Options{})
			s := stream(t, j, "bench")
			got := readStream(t, s, journal.Position{}, 1000)
			// What is kept comes first, what follows in later files comes last.
			var to uint64
			if _, err := fmt.Sscanf(got, "1:1-%d", &to); kept > 0 && (err != nil || to != kept && got != "1:1-12") {
				t.Errorf("%s cut at %d: got %s, want it to begin with 1 to %d", path, n, got, kept)
			}
			if i < len(paths)-1 {
				next := firstOf(i + 1)
				want := fmt.Sprintf("1:%d-12", next)
				if kept >= next-1 {
					want = "1:1-12"
				}
				if !strings.HasSuffix(got, want) {
					t.Errorf("%s cut at %d: got %s, want it to end with %s", path, n, got, want)
				}
			}
			if epoch := begin(t, s, 0, 1); epoch != 2 {
				t.Errorf("%s cut at %d: epoch %d begun, want 2", path, n, epoch)
			}
			closeJournal(t, j)
		}
	}
}

func TestCausesOfHoles(t *testing.T) {
	firsts := func(fsys *journaltest.FS) []uint64 {
		var out []uint64
		for _, path := range segmentsOf(fsys, "bench") {
			out = append(out, partsOf(t, fsys.Data(path))[1].seq)
		}
		return out
	}
	tests := []struct {
		name   string
		damage func(fsys *journaltest.FS, paths []string, first []uint64) string
	}{
		{"middle file removed", func(fsys *journaltest.FS, paths []string, first []uint64) string {
			_ = fsys.Remove(paths[1])
			return fmt.Sprintf("1:1-%d, 1:%d-%d file missing, 1:%d-12", first[1]-1, first[1], first[2]-1, first[2])
		}},
		{"first file removed", func(fsys *journaltest.FS, paths []string, first []uint64) string {
			_ = fsys.Remove(paths[0])
			return fmt.Sprintf("1:1-%d file missing, 1:%d-12", first[1]-1, first[1])
		}},
		{"names shuffled, times nonsense", func(fsys *journaltest.FS, paths []string, _ []uint64) string {
			_ = fsys.Rename(paths[0], folder+"/bench/zz.pgs")
			_ = fsys.Rename(paths[2], paths[0])
			_ = fsys.Rename(paths[1], folder+"/bench/aa.pgs")
			fsys.SetTime(paths[0], time.Unix(0, 0))
			return "1:1-12"
		}},
		{"a file copied twice", func(fsys *journaltest.FS, paths []string, _ []uint64) string {
			fsys.Put(folder+"/bench/copy.pgs", fsys.Data(paths[1]))
			fsys.Put(folder+"/bench/another.pgs", fsys.Data(paths[0]))
			return "1:1-12"
		}},
		{"a copy mends a damaged file", func(fsys *journaltest.FS, paths []string, _ []uint64) string {
			fsys.Put(folder+"/bench/zcopy.pgs", fsys.Data(paths[1]))
			p := partsOf(t, fsys.Data(paths[1]))[2]
			fsys.Data(paths[1])[p.from+20] ^= 1
			return "1:1-12"
		}},
		{"a shorter copy comes later", func(fsys *journaltest.FS, paths []string, _ []uint64) string {
			data := fsys.Data(paths[1])
			fsys.Put(folder+"/bench/zcopy.pgs", data[:partsOf(t, data)[1].to])
			return "1:1-12"
		}},
		{"strays", func(fsys *journaltest.FS, paths []string, _ []uint64) string {
			fsys.Put(folder+"/bench/notes.txt", []byte("hello"))
			fsys.Put(folder+"/bench/empty.pgs", nil)
			fsys.Put(folder+"/bench/zeros.pgs", make([]byte, 5000))
			fsys.Put(folder+"/bench/garbage.pgs", []byte(strings.Repeat("\xF5PG\x01\x0e", 1000)))
			fsys.Put(folder+"/bench/torn.pgs", fsys.Data(paths[0])[:40])
			fsys.Put(folder+"/journal.json.tmp", []byte(`{"format":1,"pla`))
			return "1:1-12"
		}},
		{"zeroed sector in the middle", func(fsys *journaltest.FS, paths []string, first []uint64) string {
			parts := partsOf(t, fsys.Data(paths[1])) // a frame, a mark, a frame
			clear(fsys.Data(paths[1])[parts[1].from+10 : parts[3].from+10])
			return fmt.Sprintf("1:1-%d, 1:%d-%d damaged, 1:%d-12", first[1]-1, first[1], first[1]+1, first[1]+2)
		}},
		{"zeroed sector in the tail that had no mark", func(fsys *journaltest.FS, paths []string, first []uint64) string {
			data := fsys.Data(paths[2])
			parts := partsOf(t, data)
			// Only the frames, as if no sync had ended.
			var bare []byte
			for _, p := range parts {
				if p.seq > 0 || p.from == 0 {
					bare = append(bare, data[p.from:p.to]...)
				}
			}
			fsys.Put(paths[2], bare)
			p := partsOf(t, bare)[1]
			clear(fsys.Data(paths[2])[p.from:p.to])
			return fmt.Sprintf("1:1-%d, 1:%d-%d unsynced tail, 1:%d-12", first[2]-1, first[2], first[2], first[2]+1)
		}},
		{"preamble of zeros", func(fsys *journaltest.FS, paths []string, _ []uint64) string {
			clear(fsys.Data(paths[1])[:partsOf(t, fsys.Data(paths[1]))[0].to])
			return "1:1-12"
		}},
		{"another stream's file", func(fsys *journaltest.FS, paths []string, _ []uint64) string {
			other := journaltest.New()
			j := open(t, other, journal.Options{})
			s := stream(t, j, "bench")
			appendFrames(t, s, begin(t, s, 0, 1), 1, 40, 10)
			closeJournal(t, j)
			fsys.Put(folder+"/bench/000009-000000000001.pgs", other.Data(segmentsOf(other, "bench")[0]))
			return "1:1-12"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "middle file removed" {
				t.Attr("fault", "F14")
				t.Attr("injected", "the middle one of 3 files removed by hand")
				t.Attr("promised", "the start works, a hole file missing and nothing else")
			}
			fsys := threeFiles(t)
			want := tt.damage(fsys, segmentsOf(fsys, "bench"), firsts(fsys))
			before := fsys.Files()
			readBoth(t, fsys, tt.name, want)
			if after := fsys.Files(); !slices.Equal(before, after) {
				t.Errorf("files changed from %v to %v", before, after)
			}
			r, err := journal.Verify(t.Context(), fsys, folder, journal.VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if holes := strings.ContainsFunc(want, unicode.IsLetter); holes == r.Complete {
				t.Errorf("report says complete: %t, with %s", r.Complete, want)
			}
			if tt.name == "middle file removed" {
				t.Attr("seen", readFolder(t, fsys, "bench"))
			}
		})
	}
}

// Whole parts whose files were removed by hand are told as well, wherever a
// reader begins.
func TestAllFilesOfAPartRemoved(t *testing.T) {
	var told []string
	for epoch := 1; epoch <= 3; epoch++ {
		fsys := threeEpochs(t, journal.InJournal)
		var want []string
		for e := 1; e <= 3; e++ {
			word := fmt.Sprintf("%d:1-12", e)
			if e == epoch {
				word += " file missing"
			}
			want = append(want, word)
		}
		for _, path := range segmentsOf(fsys, "bench") {
			if strings.HasPrefix(filepath.Base(path), fmt.Sprintf("%06d-", epoch)) {
				if err := fsys.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}
		if epoch < 3 { // nobody can tell a last part without a file from one that goes on
			readBoth(t, fsys, fmt.Sprintf("part %d", epoch), strings.Join(want, ", "))
		}
		j := open(t, fsys, journal.Options{})
		s := stream(t, j, "bench")
		begin(t, s, 0, 1)
		got := readStream(t, s, journal.Position{Epoch: uint32(epoch), Seq: 4}, 1<<20)
		if tail := fmt.Sprintf("%d:5-12 file missing", epoch); !strings.HasPrefix(got, tail) {
			t.Errorf("part %d, read on from frame 4: %s", epoch, got)
		}
		told = append(told, "from frame 4: "+got)
		closeJournal(t, j)
	}
	t.Attr("fault", "F14")
	t.Attr("injected", "all files of the first, the middle and the last of 3 parts removed by hand")
	t.Attr("promised", "the start works, a hole file missing for each frame that was there")
	t.Attr("seen", strings.Join(told, "; "))
}

func TestJournalJSONMissingOrDamaged(t *testing.T) {
	name := filepath.Join(folder, "journal.json")
	unreadable := func(fsys *journaltest.FS) {
		for _, path := range segmentsOf(fsys, "bench") {
			clear(fsys.Data(path)[:20])
		}
	}
	tests := []struct {
		name   string
		damage func(fsys *journaltest.FS)
		want   string // part of the error; empty: it works
	}{
		{"missing", func(fsys *journaltest.FS) { _ = fsys.Remove(name) }, ""},
		{"empty", func(fsys *journaltest.FS) { fsys.Put(name, nil) }, ""},
		{"half", func(fsys *journaltest.FS) { fsys.Put(name, fsys.Data(name)[:30]) }, ""},
		{"newer", func(fsys *journaltest.FS) {
			text, _, _ := strings.Cut(string(fsys.Data(name)), `,"crc"`)
			fsys.Put(name, []byte(strings.Replace(text, `"format": 1`, `"format": 2`, 1)+"}"))
		}, "another version"},
		{"missing, no preamble readable", func(fsys *journaltest.FS) { _ = fsys.Remove(name); unreadable(fsys) }, "put a copy of journal.json back"},
		{"another id", func(fsys *journaltest.FS) {
			fsys.Put(name, []byte(strings.Replace(string(fsys.Data(name)), `"journal": "`, `"journal": "0`, 1)))
		}, ""},
		{"a path for a name", func(fsys *journaltest.FS) {
			fsys.Put(name, []byte(strings.Replace(string(fsys.Data(name)), `"bench"`, `"../../etc"`, 1)))
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := threeFiles(t)
			f, err := journal.OpenFolder(fsys, folder)
			if err != nil {
				t.Fatal(err)
			}
			id := f.ID()
			tt.damage(fsys)
			damaged := slices.Clone(fsys.Data(name))
			var troubles []error
			j, err := journal.Open(folder, journal.Options{FS: fsys, OnTrouble: func(err error) { troubles = append(troubles, err) }})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("got error %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			if j.ID() != id {
				t.Errorf("journal id %v, want %v", j.ID(), id)
			}
			if len(troubles) == 0 {
				t.Error("nobody was told")
			}
			if aside := fsys.Data(name + ".damaged"); string(aside) != string(damaged) {
				t.Errorf("put aside: %q, want what was found: %q", aside, damaged)
			}
			s := stream(t, j, "bench")
			same(t, "read", readStream(t, s, journal.Position{}, 500), "1:1-12")
			if epoch := begin(t, s, 0, 1); epoch != 2 {
				t.Errorf("epoch %d begun, want 2", epoch)
			}
		})
	}
	t.Run("damaged, no segment", func(t *testing.T) {
		fsys := journaltest.New()
		if err := fsys.MkdirAll(folder); err != nil {
			t.Fatal(err)
		}
		fsys.Put(name, []byte("{"))
		if _, err := journal.Open(folder, journal.Options{FS: fsys, Gateway: "pi-lab3"}); err == nil || !strings.Contains(err.Error(), "put a copy of it back") {
			t.Errorf("got error %v", err)
		}
	})
}

// last_epoch in journal.json keeps a number from being used again when its
// files were removed by hand.
func TestRemovedFilesDoNotFreeTheEpoch(t *testing.T) {
	fsys := threeFiles(t)
	for _, path := range segmentsOf(fsys, "bench") {
		if err := fsys.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	j := open(t, fsys, journal.Options{})
	defer j.Close()
	if epoch := begin(t, stream(t, j, "bench"), 0, 1); epoch != 2 {
		t.Errorf("epoch %d begun, want 2", epoch)
	}
}

// Who comes back to an epoch of which no file is left is told how much of it
// the quota dropped, and goes on with the next one.
func TestReadFromAnEpochThatIsGone(t *testing.T) {
	fsys := journaltest.New()
	j := open(t, fsys, journal.Options{})
	s := stream(t, j, "bench")
	appendFrames(t, s, begin(t, s, 0, 1), 1, 20, 30)
	appendFrames(t, s, begin(t, s, 0, 1), 1, 5, 30)
	if _, err := s.DropOldest(); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, j)
	after := journal.Position{Epoch: 1, Seq: 10}
	j = open(t, fsys, journal.Options{})
	same(t, "journal", readStream(t, stream(t, j, "bench"), after, 1000), "1:11-20 quota, 2:1-5")
	closeJournal(t, j)
	f, err := journal.OpenFolder(fsys, folder)
	if err != nil {
		t.Fatal(err)
	}
	r := f.ReaderFrom("bench", after)
	defer r.Close()
	var words []string
	for range 2 {
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		words = told(t, b, words)
	}
	same(t, "folder", strings.Join(words, ", "), "1:11-20 quota, 2:1-5")
}
