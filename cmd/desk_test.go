package cmd_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDayAtTheDesk is what a lab does with a gateway in another room: measure,
// watch, write a note, take counts in Python, find it all again. Nothing of it
// can be read on the cable.
func TestDayAtTheDesk(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	b := l.serve("de2ccu", "")
	_, line := l.startGateway(b)
	var stopListening func() []byte
	if l.separated {
		stopListening = l.listenAtCable()
	}
	if code, out, stderr := l.runOnDesk(strings.Fields(line)[1:]...); code != 0 {
		t.Fatalf("pair: exit %d\n%s%s", code, out, stderr)
	}

	code, out, stderr := l.runOnDesk("measure", "pi-lab3", "--readings", "20", "--title", "HWP 22.5", "--set", "hwp_deg=22.5", "--dir", b.archive)
	if code != 0 || !containsAll(out, []string{"pi-lab3/bench: 20 readings", "complete: "}) {
		t.Fatalf("measure: exit %d\n%s%s", code, out, stderr)
	}
	code, out, stderr = l.runOnDesk("cat", b.archive+"/"+measuredFolder(t, out, b.archive))
	if code != 0 {
		t.Fatalf("cat of the measurement: exit %d\n%s", code, stderr)
	}
	truth, at := b.truthRows(), -1
	for i, r := range parseCSV(t, out)[1:] {
		found := slices.Index(truth, strings.Join(r[8:], ","))
		if found < 0 || i > 0 && found != at+1 {
			t.Fatalf("row %d of the measurement, %v, is not the next that was counted", i, r)
		}
		at = found
	}
	if code, out, stderr = l.runOnDesk("ls", b.archive, "hwp"); code != 0 || !containsAll(out, []string{"HWP 22.5", "hwp_deg=22.5", "complete"}) {
		t.Errorf("ls: exit %d\n%s%s", code, out, stderr)
	}
	if code, out, stderr = l.runOnDesk("note", "pi-lab3", "shutter open"); code != 0 {
		t.Errorf("note: exit %d\n%s%s", code, out, stderr)
	}

	for _, p := range pythons(t) {
		script := startAt(t, l.desk, p.path, p.args(t, "ask.py", "pi-lab3", "take", "10")...)
		if code := script.exit(); code != 0 {
			t.Fatalf("Python %s: exit %d\n%s%s", p.name, code, script.stdout.String(), script.stderr())
		}
		truth = b.truthRows()
		n := 0
		for word := range strings.SplitSeq(script.stdout.String(), "\n") {
			if values, ok := strings.CutPrefix(word, "row "); ok {
				if n++; !slices.Contains(truth, values) {
					t.Errorf("Python %s took %s, which was never counted", p.name, values)
				}
			}
		}
		if n != 10 || !strings.Contains(script.stdout.String(), "rights read archive change") {
			t.Errorf("Python %s took %d readings of 10:\n%s", p.name, n, script.stdout.String())
		}
	}

	command := append(slices.Clone(l.desk.enter), filepath.Join(bin, "photonrecv"), "watch", "pi-lab3", "--channels", "B")
	e := newTerminal(t, 80, 24, []string{"PHOTONGATE_CONFIG=" + l.desk.config}, command...)
	e.waitForText("± ")
	e.do("send-keys", "q")
	e.restored()
	if stopListening != nil {
		checkCapture(t, stopListening(), line, b)
	}

	// With somebody else's token none of it works, each in plain words.
	forge := strings.Repeat("A", 43)
	words := strings.Fields(line)
	parts := strings.Split(words[len(words)-1], "/")
	if code, out, stderr := l.runOnDesk("pair", strings.Join(parts[:len(parts)-1], "/")+"/"+forge, "--as", "forged"); code == 0 || !strings.Contains(stderr, "not this gateway's") {
		t.Errorf("pair with a wrong token: exit %d\n%s%s", code, out, stderr)
	}
	for _, args := range [][]string{{"measure", b.addr, "--readings", "1", "--dir", t.TempDir()}, {"note", b.addr, "x"}, {"cat", b.addr}} {
		stranger := startAt(t, place{enter: l.desk.enter, config: t.TempDir()}, "photonrecv", args...)
		if code := stranger.exit(); code == 0 || !strings.Contains(stranger.stderr(), "not paired") {
			t.Errorf("%v of who is not paired: exit %d\n%s", args, code, stranger.stderr())
		}
	}
	for _, p := range pythons(t) {
		script := startAt(t, place{enter: l.desk.enter, config: t.TempDir()}, p.path, p.args(t, "ask.py", b.addr, "take", "1")...)
		if code := script.exit(); code == 0 || !strings.Contains(script.stdout.String(), "paired") {
			t.Errorf("Python %s of who is not paired: exit %d\n%s%s", p.name, code, script.stdout.String(), script.stderr())
		}
	}
}

// measuredFolder finds the folder of a measurement in what measure prints,
// relative to dir.
func measuredFolder(t *testing.T, out, dir string) string {
	t.Helper()
	for l := range strings.SplitSeq(out, "\n") {
		if path, ok := strings.CutPrefix(l, "complete: "); ok {
			if rel, err := filepath.Rel(dir, path); err == nil {
				return rel
			}
		}
	}
	t.Fatalf("no folder in\n%s", out)
	return ""
}
