package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// waits runs a command of photonrecv on the workstation and checks what it ends
// with and says.
func (l *lab) waits(code int, want []string, args ...string) (stdout string) {
	l.t.Helper()
	got, out, stderr := l.runOnDesk(args...)
	if got != code || !containsAll(out+stderr, want) {
		l.t.Errorf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
	}
	return out
}

// TestCommandsWaitForTheGateway: nobody reaches the gateway. While one port records,
// commands at another one wait for it and do their work, one after the other; a
// recording is repaired; and whoever is not the one gateway is turned away.
func TestCommandsWaitForTheGateway(t *testing.T) {
	t.Parallel()
	l, b := behindWall(t, "DESK:7310", "DESK:7311")
	gateway, line := l.startGateway(b)
	if code, _, stderr := l.runOnDesk("pair", "--unreached", strings.Fields(line)[2]); code != 0 {
		t.Fatalf("pair: %s", stderr)
	}
	l.waits(2, []string{"cannot be dialled", "--listen ADDRESS"}, "note", "pi-lab3", "hello")

	recv := l.onDesk("photonrecv", "record", "--listen", ":7310", "--dir", b.archive, "--name", "ws-ana", "--csv")
	recv.waitFor("recording from pi-lab3")
	b.awaitRows(10)
	// The port of the recording is its own.
	l.waits(2, []string{"listen on :7310", "record --listen", "--listen :7311", `forward = ["ws-ana:7310", "ws-ana:7311"]`}, "note", "pi-lab3", "hello", "--listen", ":7310")

	l.waits(0, []string{"noted in pi-lab3", "waiting at", "for pi-lab3 to dial in"}, "note", "pi-lab3", "aligned by hand", "--listen", ":7311")
	l.waits(0, []string{"bench gate: 100ms"}, "get", "pi-lab3", "bench", "gate", "--listen", ":7311")
	l.waits(0, []string{"bench threshold: 0.800 V -> 0.5 V"}, "set", "pi-lab3", "bench", "threshold=0.5V", "--listen", ":7311")
	l.waits(2, []string{"expected 10ms to"}, "set", "pi-lab3", "bench", "gate=5ms", "--listen", ":7311")
	folder := filepath.Join(b.dir, "measured")
	l.waits(0, []string{"pi-lab3/bench: 10 readings", "complete: "}, "measure", "pi-lab3", "--readings", "10", "--title", "dark", "--dir", folder, "--listen", ":7311")
	if out := l.waits(0, nil, "cat", "pi-lab3", "--from", "-5s", "--to", "-1s", "--listen", ":7311"); len(parseCSV(t, out)) < 5 {
		t.Errorf("cat gave %s", out)
	}
	if code := recv.stop(); code != 0 {
		t.Errorf("record: exit %d\n%s", code, recv.stdout.String())
	}
	if text, err := os.ReadFile(filepath.Join(b.gatewayFolder(), "bench.events.csv")); err != nil || !strings.Contains(string(text), ",0.5 V,") {
		t.Errorf("events: %v\n%s", err, text)
	}

	// A file is removed, and comes back over a session that the gateway dials.
	files, err := filepath.Glob(filepath.Join(b.gatewayFolder(), "bench", "*.pgs"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files: %v, %v", files, err)
	}
	rows := len(b.cat())
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	l.waits(2, []string{"--from is missing", "--listen"}, "repair", b.archive)
	l.waits(0, []string{"filled: ", "came from pi-lab3"}, "repair", b.archive, "--listen", ":7310")
	if n := len(b.cat()); n != rows {
		t.Errorf("%d rows after the repair, %d before", n, rows)
	}
	b.checkDigests()
	l.waits(0, []string{"nothing to repair"}, "repair", b.archive, "--from", "pi-lab3", "--listen", ":7310")

	// Another gateway than the one that is waited for is not let in.
	other := l.onDesk("photonrecv", "note", "pi-lab9", "hello", "--listen", ":7310")
	gateway.waitFor("a command there waits for pi-lab9, and pi-lab3 is not it")
	if code := other.stop(); code != 1 || !strings.Contains(other.stderr(), "ended before the gateway was asked") {
		t.Errorf("ended while it waited: exit %d\n%s", code, other.stderr())
	}
	gateway.stop()
}
