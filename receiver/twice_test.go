package receiver

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// TestHeldTwice: after a gateway's record and the archive differed, verify and cat
// say which folders are of one journal; one of them named, cat has each row once.
func TestHeldTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		recordTo(t, newStub(t).withBench(3), dir)
		said := func(source string) (verified, notes string) {
			t.Helper()
			r, err := Verify(t.Context(), source, VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var text, rows bytes.Buffer
			if err := r.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			summary, err := Cat(t.Context(), &rows, CatOptions{Source: source})
			if err != nil {
				t.Fatal(err)
			}
			return text.String(), strings.Join(summary.Notes, "\n")
		}
		if verified, notes := said(dir); strings.Contains(verified, "of one journal") || notes != "" {
			t.Errorf("one folder:\n%s%s", verified, notes)
		}
		first := filepath.Join(dir, labFolder)
		if err := os.CopyFS(first+".2", os.DirFS(first)); err != nil {
			t.Fatal(err)
		}
		both := labFolder + " and " + labFolder + ".2 are of one journal of pi-lab3"
		verified, notes := said(dir)
		if strings.Count(verified, both) != 1 || strings.Count(notes, both) != 1 || !strings.Contains(notes, "rows may be here twice") {
			t.Errorf("two folders:\n%s\n%s", verified, notes)
		}
		if verified, notes := said(first); strings.Contains(verified, "of one journal") || notes != "" {
			t.Errorf("one of two named:\n%s%s", verified, notes)
		}
	})
}
