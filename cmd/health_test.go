package cmd_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestHealthIsSeen lets light leak in, a detector die and a counter overflow
// during a measurement that somebody watches: the screen says so, and so do the
// last lines of the measurement.
func TestHealthIsSeen(t *testing.T) {
	t.Parallel()
	needs(t, "tmux", "tmux")
	b := newBench(t, "cd48", `gate = "100ms"`, "--distinct=false", "--dead-time", "0s",
		"--fault", "leak@5s:B=3M", "--fault", "dead@5s:C", "--fault", "leak@5s:A=400M")
	appendConfig(t, b.config, `[[device.channel]]
input = "B"
name = "idler"
warn_above = "1Mcps"
[[device.channel]]
input = "C"
warn_below = "1kcps"
`)
	b.startSim()
	b.startGateway().waitFor("bench", "running")
	measure := start(t, "photonrecv", "measure", b.addr, "--for", "10s", "--title", "health", "--dir", b.archive)
	e := newTerminal(t, 100, 60, nil, filepath.Join(bin, "photonrecv"), "watch", b.addr, "--channels", "A,idler,C")
	e.waitForText("± ")
	for _, want := range []string{"ALARM ABOVE", "ALARM BELOW", "OVERFLOW", "nothing counted for", "ALARM bench: idler counts", "ALARM bench: C counts 0"} {
		e.waitForText(want)
	}
	if s := e.coloured(); !regexp.MustCompile(`\x1b\[[0-9;]*[39]1m`).MatchString(s) {
		t.Errorf("no red on\n%q", s)
	}
	e.do("send-keys", "q")
	e.restored()

	code := measure.exit()
	out := measure.stdout.String()
	for _, want := range []string{"flags: overflow:A in ", "ALARM: idler counts ", "above its limit of 1 Mcps", "ALARM: C counts 0 cps, below its limit of 1 kcps", "ALARM: the counter of A overflowed"} {
		if !strings.Contains(out, want) {
			t.Errorf("the measurement's last lines lack %q:\n%s", want, out)
		}
	}
	if code > 1 {
		t.Errorf("measure: exit %d\n%s", code, out)
	}
}
