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

// TestTry shows the bytes of an instrument, keeps them, and tells the wrong one.
func TestTry(t *testing.T) {
	b := newBench(t, "cd48", "")
	b.startSim()
	saved := filepath.Join(b.dir, "cd48.txt")
	code, out, stderr := run(t, "photongate", "try", "cd48", "--port", b.link, "--for", "1s", "--set", "gate=100ms", "--save", saved)
	if code != 0 || !strings.Contains(out, `> 63 0d "c\r"`) || !strings.Contains(out, "works as documented") {
		t.Errorf("exit %d\n%s\n%s", code, out, stderr)
	}
	if text, err := os.ReadFile(saved); err != nil || !strings.Contains(string(text), " 63 0d\n") {
		t.Errorf("kept %q, %v", text, err)
	}
	code, _, stderr = run(t, "photongate", "try", "de2ccu", "--port", b.link, "--for", "1s")
	if code != 1 || !strings.Contains(stderr, "not what this instrument sends") {
		t.Errorf("the wrong driver: exit %d, said %q", code, stderr)
	}
	for _, wrong := range [][]string{
		{"try", "cd49", "--port", b.link}, {"try", "cd48"}, {"try", "cd48", "--port", b.link, "--set", "gate=100"}, {"try", "cd48", "--port", b.link, "--set", "dwell=1s"},
	} {
		if code, _, stderr := run(t, "photongate", wrong...); code != 2 || stderr == "" {
			t.Errorf("photongate %v: exit %d, said %q; want 2 and why", wrong, code, stderr)
		}
	}
}
