package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo runs the whole of it as a newcomer does, with and without ptys.
func TestDemo(t *testing.T) {
	for name, args := range map[string][]string{"on ptys": nil, "in memory": {"--no-pty"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "demo")
			code, out, stderr := run(t, "photongate", append([]string{"demo", "--for", "3s", "--dir", dir}, args...)...)
			if code != 0 {
				t.Fatalf("exit %d\n%s\n%s", code, out, stderr)
			}
			for _, want := range []string{"complete:", "cd48 against truth-cd48.csv: every row", "de2 against truth-de2.csv: every row"} {
				if !strings.Contains(out, want) {
					t.Errorf("does not say %q:\n%s", want, out)
				}
			}
			csv, err := filepath.Glob(filepath.Join(dir, "archive", "demo-*", "cd48.csv"))
			if err != nil || len(csv) != 1 {
				t.Fatalf("CSV files: %v %v", csv, err)
			}
			text, err := os.ReadFile(csv[0])
			if err != nil {
				t.Fatal(err)
			}
			if rows := parseCSV(t, string(text)); len(rows) < 20 || strings.Join(rows[0][8:], " ") != "A B C D AB AC AD ABC" {
				t.Errorf("%d rows under %v", len(rows), rows[0])
			}
			if code, _, stderr := run(t, "photongate", "demo", "--dir", dir); code != 2 || !strings.Contains(stderr, dir) {
				t.Errorf("a second demo into the folder: exit %d, said %q", code, stderr)
			}
		})
	}
}
