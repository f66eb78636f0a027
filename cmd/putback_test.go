package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestJournalPutBack does to a gateway's journal what restored cards, clones and
// power cuts do, between the real programs: the archive keeps what it has, says
// what happened, and goes on.
func TestJournalPutBack(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F27")
	t.Attr("injected", "a journal that lost its tail, then one that was put back to an earlier state, twice, with an archive that was further")
	t.Attr("promised", "`ahead`: kept, and on with the next part; `unknown journal` and `diverged`: a new folder, said loudly; nothing recorded changes")
	b := newBench(t, "de2ccu", "")
	b.startSim()
	journal, saved := filepath.Join(b.dir, "journal"), filepath.Join(b.dir, "saved")
	session := func(word string) (said string) {
		t.Helper()
		gateway := b.startGateway()
		gateway.waitFor("bench", "running")
		record := b.startRecord()
		said = record.waitFor(word)
		b.awaitRows(20)
		if code := gateway.stop(); code != 0 {
			t.Errorf("gateway: exit %d", code)
		}
		if code := record.stop(); code > 1 {
			t.Errorf("record: exit %d", code)
		}
		return said
	}
	folders := func() []string {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(b.archive, "pi-lab3-*"))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		return list
	}
	content := func(folder string) string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(folder, "bench", "*.pgs"))
		if err != nil || len(files) == 0 {
			t.Fatalf("files of %s: %v, %v", folder, files, err)
		}
		slices.Sort(files)
		var all strings.Builder
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
		return all.String()
	}

	session("recording from")
	if err := os.CopyFS(saved, os.DirFS(journal)); err != nil {
		t.Fatal(err)
	}
	session("recording from")

	// The tail of the last epoch is gone, as after a power cut.
	files, err := filepath.Glob(filepath.Join(journal, "bench", "*.pgs"))
	if err != nil || len(files) < 2 {
		t.Fatalf("files: %v, %v", files, err)
	}
	slices.Sort(files)
	last := files[len(files)-1]
	info, err := os.Stat(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(last, info.Size()*2/3); err != nil {
		t.Fatal(err)
	}
	seen := []string{session("the archive holds more of this part")}
	if n := len(folders()); n != 1 {
		t.Fatalf("%d folders", n)
	}
	kept := content(folders()[0])

	// The card is put back, and put back again: epochs that the archive knows come
	// anew, with other readings.
	for i := range 2 {
		if err := os.RemoveAll(journal); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(journal, os.DirFS(saved)); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, session("IS NOT THE ONE THIS ARCHIVE HOLDS"))
		if n := len(folders()); n != i+2 {
			t.Fatalf("%d folders: %v", n, folders())
		}
	}
	if content(folders()[0]) != kept {
		t.Error("the first folder has changed")
	}
	if !strings.Contains(seen[1], `unknown journal`) || !strings.Contains(seen[2], `diverged`) {
		t.Errorf("said %q", seen)
	}
	truth := b.truthRows()
	rows := 0
	for _, f := range folders() {
		code, out, stderr := run(t, "photonrecv", "cat", f, "--stream", "bench")
		if code != 0 {
			t.Fatalf("cat %s: exit %d\n%s", f, code, stderr)
		}
		for _, r := range parseCSV(t, out)[1:] {
			rows++
			if !slices.Contains(truth, strings.Join(r[8:], ",")) {
				t.Fatalf("a row of %s was never counted: %v", f, r)
			}
		}
	}
	t.Attr("seen", fmt.Sprintf("ahead: kept; then %d folders, the first unchanged, %d rows, all of them counted by the instrument", len(folders()), rows))
}
