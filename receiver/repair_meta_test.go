package receiver

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"photongate/protocol/journal"
)

// TestRepairJournalFile: journal.json that is missing or damaged is made anew, and
// said to be; verify finds nothing wrong then, and record goes on.
func TestRepairJournalFile(t *testing.T) {
	name := filepath.Join("arch", labFolder, "journal.json")
	for what, damage := range map[string]func(t *testing.T, l *lab){
		"missing": func(t *testing.T, l *lab) {
			if err := l.fs.Remove(name); err != nil {
				t.Fatal(err)
			}
		},
		"flipped": func(_ *testing.T, l *lab) { l.fs.Flip(name, 40, 4) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 3)
				l.mustRecord(t)
				id := archiveID(t, l)
				damage(t, l)
				dry := l.mustRepair(t, func(o *RepairOptions) { o.DryRun = true })
				if text := repairText(t, dry); dry.State != Damaged || !strings.Contains(text, "without --dry-run it is made anew") || strings.Contains(text, "yours to move") || strings.Contains(text, "nothing to repair") {
					t.Errorf("dry run: %s", text)
				}
				r := l.mustRepair(t)
				text := repairText(t, r)
				if r.State != Whole || !slices.Equal(r.Remade, []string{name}) || !strings.Contains(text, "made anew from what the files") || !strings.Contains(text, "repaired: made anew "+name) {
					t.Errorf("repaired: %v\n%s", r.State, text)
				}
				found, err := journal.Verify(t.Context(), l.fs, filepath.Join("arch", labFolder), journal.VerifyOptions{})
				if err != nil || found.Trouble != nil || !found.Complete || found.Archive != id {
					t.Errorf("verify: %+v, %v", found, err)
				}
				if again := repairText(t, l.mustRepair(t)); !strings.HasPrefix(again, "nothing to repair") {
					t.Errorf("again: %s", again)
				}
				l.mustRecord(t)
			})
		})
	}
}

func repairText(t *testing.T, r RepairReport) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
