package cmd_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// ask runs a command of photongate that asks the running gateway.
func (b *bench) ask(words ...string) (code int, stdout, stderr string) {
	b.t.Helper()
	return run(b.t, "photongate", append(words, "--addr", b.addr)...)
}

// tell is ask for what must succeed, and say something.
func (b *bench) tell(want string, words ...string) {
	b.t.Helper()
	if code, out, stderr := b.ask(words...); code != 0 || !strings.Contains(out, want) {
		b.t.Errorf("%s: exit %d\n%s%s\nwant %q", strings.Join(words, " "), code, out, stderr, want)
	}
}

// status asks for the status as programs do.
func (b *bench) status() (code int, s protocol.Status) {
	b.t.Helper()
	code, out, stderr := b.ask("status", "--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		b.t.Fatalf("status: exit %d, %v\n%s%s", code, err, out, stderr)
	}
	return code, s
}

// setEvents reads the changes of settings from the record's events.
func (b *bench) setEvents() [][]string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.gatewayFolder(), "bench.events.csv"))
	if err != nil {
		b.t.Fatal(err)
	}
	return slices.DeleteFunc(parseCSV(b.t, string(text)), func(row []string) bool { return row[5] != "set" })
}

// TestSettingsOverASession changes settings of a CD48 while it is recorded: one
// while it counts, one for which it is opened anew; then it is plugged out and in,
// and has them again.
func TestSettingsOverASession(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F40")
	t.Attr("injected", "the threshold of a CD48 is changed while it is recorded")
	t.Attr("promised", "an event with the last reading surely before and the first surely after, those between flagged mixed")
	b := newBench(t, "cd48", `gate = "100ms"`)
	sim := b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	record := b.startRecord("--csv")
	record.waitFor("recording")
	b.awaitRows(5)

	b.tell("bench threshold: 0.800 V (read back)", "get", "bench", "threshold")
	from := time.Now()
	b.tell("bench threshold: 0.800 V -> 0.5 V (the instrument says 0.496 V)", "set", "bench", "threshold=0.5V")
	to := time.Now()
	b.tell("bench threshold: 0.496 V (read back)", "get", "bench", "threshold")
	b.awaitRows(5)
	b.tell("bench gate: 100ms -> 200ms (the instrument says 200ms)\nthis lasts until the gateway ends; to keep it, write gate = \"200ms\" under [device.options] of bench\n",
		"set", "bench", "gate", "200ms")
	b.awaitRows(5)
	if code, s := b.status(); code != 0 || s.Devices[0].NotKept != `gate = "200ms", threshold = 0.5, until the gateway ends` || s.Devices[0].GateNs != 200_000_000 {
		t.Errorf("status: exit %d, %+v", code, s.Devices[0])
	}
	if code, _, stderr := b.ask("set", "bench", "gate=5ms"); code != 2 || !strings.Contains(stderr, "gate = 5ms: expected 10ms to 65.535s") {
		t.Errorf("a gate of 5 ms: exit %d\n%s", code, stderr)
	}

	if err := sim.cmd.Process.Signal(syscall.SIGKILL); err != nil { // the box loses its power, and what it was set to
		t.Fatal(err)
	}
	<-sim.done
	gateway.waitFor("trying again", "bench")
	if code, s := b.status(); code != 1 || s.Devices[0].State == "running" {
		t.Errorf("status: exit %d, %+v; want 1", code, s.Devices[0])
	}
	if code, _, stderr := b.ask("set", "bench", "threshold=1"); code != 1 || !strings.Contains(stderr, "threshold was not changed: bench is not open: ") {
		t.Errorf("a change of what is not there: exit %d\n%s", code, stderr)
	}
	if err := os.Remove(b.link); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	b.startSim("--append")
	b.awaitRows(3)
	b.tell("bench threshold: 0.496 V (read back)", "get", "bench", "threshold")
	b.tell("bench gate: 200ms (read back)", "get", "bench", "gate")
	gateway.stop()
	record.stop()

	rows, events := b.cat(), b.setEvents()
	if len(events) != 2 {
		t.Fatalf("events: %q", events)
	}
	if e := events[0]; e[6] != "0.800 V" || e[7] != "0.5 V" || !strings.HasPrefix(e[8], "threshold from 127.") || !strings.HasSuffix(e[8], "; the instrument says 0.496 V") || !strings.Contains(e[4], "@") {
		t.Errorf("first event: %q", e)
	}
	if e := events[1]; e[6] != "100ms" || e[7] != "200ms" || e[2] != "2" {
		t.Errorf("second event: %q", e)
	}
	t.Attr("seen", b.checkMixed(rows, events[0][3], from, to))
	for _, r := range rows {
		if want := map[string]float64{"1": 0.1, "2": 0.2, "3": 0.2}[r.part]; math.Abs(r.gateS-want) > want/100 && !strings.Contains(r.flags, "first") {
			t.Errorf("part %s, reading %s: a gate of %v s, want %v", r.part, r.index, r.gateS, want)
		}
	}
}

// checkMixed holds what part 1 says of its only change against each other, and
// against the instrument, which was told between from and to: the readings flagged
// are those between the last surely before and the first surely after, at which the
// event stands.
func (b *bench) checkMixed(rows []row, eventAt string, from, to time.Time) (seen string) {
	b.t.Helper()
	ends := b.truthEnds()
	change := b.firstChange()
	if change.Before == nil || change.After == nil {
		b.t.Fatalf("event %+v: it does not say what is surely before and after", change)
	}
	before, after := int(change.Before.Index), int(change.After.Index)
	if after != atoi(b.t, eventAt) || after-before < 2 || after-before > 6 {
		b.t.Errorf("reading %d is surely before, %d surely after; the event stands at %s", before, after, eventAt)
	}
	for _, r := range rows {
		if r.part != "1" {
			continue
		}
		at := atoi(b.t, r.index)
		if mixed := strings.Contains(r.flags, "mixed"); mixed != (at > before && at < after) {
			b.t.Errorf("reading %d is flagged %q, those between %d and %d are mixed", at, r.flags, before, after)
		}
		end := ends[r.values]
		if at <= before && end.After(to) {
			b.t.Errorf("reading %d is surely before the change, and went on until %v after it", at, end.Sub(to))
		}
		if begin := end.Add(-100 * time.Millisecond); at >= after && begin.Before(from) {
			b.t.Errorf("reading %d is surely after the change, and began %v before it", at, from.Sub(begin))
		}
	}
	return fmt.Sprintf("reading %d is surely before, %d surely after, those between are mixed", before, after)
}

// truthEnds is when the simulator ended the gate of each row, by values.
func (b *bench) truthEnds() map[string]time.Time {
	b.t.Helper()
	text, err := os.ReadFile(b.truth)
	if err != nil {
		b.t.Fatal(err)
	}
	ends := map[string]time.Time{}
	for _, r := range parseCSV(b.t, string(text))[1:] {
		ns, err := strconv.ParseInt(r[1], 10, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		if values := strings.Join(r[2:], ","); ends[values].IsZero() { // one started again begins its values again
			ends[values] = time.Unix(0, ns)
		}
	}
	return ends
}

// firstChange is the first change of a setting of bench in the record.
func (b *bench) firstChange() (change protocol.Event) {
	b.t.Helper()
	parts, err := readParts(journal.OS{}, b.gatewayFolder())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range parts["bench"] {
		for _, seq := range p.order {
			h, payload, _, err := protocol.ParseFrame(p.frames[seq])
			if err == nil && h.Type == protocol.TypeEvent && protocol.DecodeJSON(payload, &change) == nil && change.What == protocol.EventSet {
				return change
			}
		}
	}
	b.t.Fatal("no change of a setting in the record")
	return change
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWhoMayChangeSettings: nobody without the token, nothing that the
// configuration does not allow, nothing while somebody else measures.
func TestWhoMayChangeSettings(t *testing.T) {
	for name, c := range map[string]struct {
		gateway, device string // TOML
		set             string
		want            string // in the refusal, or in what is said
		code            int
	}{
		"allowed":         {"", `allow = ["dac"]`, "dac=1", "bench dac: ", 0},
		"guarded":         {"", "", "dac=1", `dac drives something outside the instrument: to have it changed from here, write allow = ["dac"] under the [[device]] "bench"`, 1},
		"off":             {`control = "off"`, "", "threshold=1", `the gateway's configuration allows no change (control = "off")`, 1},
		"local, and near": {`control = "local"`, "", "threshold=1", "bench threshold: ", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "cd48", `gate = "100ms"`)
			retarget(t, b.config, "[gateway]\n", "[gateway]\n"+c.gateway+"\n")
			retarget(t, b.config, "[[device]]\n", "[[device]]\n"+c.device+"\n")
			b.startSim()
			b.startGateway().waitFor("bench", "running")
			if code, out, stderr := b.ask("set", "bench", c.set); code != c.code || !strings.Contains(out+stderr, c.want) {
				t.Errorf("exit %d, want %d\n%s%s\nwant %q", code, c.code, out, stderr, c.want)
			}
		})
	}

	t.Run("no token", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "cd48", `gate = "100ms"`)
		b.startSim()
		b.startGateway().waitFor("bench", "running")
		t.Run("another user", func(t *testing.T) { // a test of its own has no pairings
			other := *b
			other.t = t
			if code, _, stderr := other.ask("set", "bench", "threshold=1"); code != 1 || !strings.Contains(stderr, "this connection may read and change nothing: that needs the gateway's token") {
				t.Errorf("set: exit %d\n%s", code, stderr)
			}
			other.tell("needs the gateway's token", "get", "bench", "threshold")
			other.tell("bench      running", "status")
		})
		b.tell("(the instrument says", "set", "bench", "threshold=1")
	})

	t.Run("while somebody measures", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, "cd48", `gate = "100ms"`)
		b.startSim()
		gateway := b.startGateway()
		gateway.waitFor("bench", "running")
		record := b.startRecord("--csv")
		record.waitFor("recording")
		measure := start(t, "photonrecv", "measure", b.addr, "--for", "1h", "--title", "HWP 22.5", "--operator", "ana", "--dir", filepath.Join(b.dir, "data"))
		gateway.waitFor("measurement begins", "HWP 22.5")
		if code, _, stderr := b.ask("set", "bench", "threshold=1"); code != 1 || !strings.Contains(stderr, ` measures "HWP 22.5" since `) {
			t.Errorf("set: exit %d\n%s", code, stderr)
		}
		if _, s := b.status(); s.Measurement == nil || s.Measurement.Measurement.Title != "HWP 22.5" {
			t.Errorf("status: %+v", s.Measurement)
		}
		b.tell("(the instrument says", "set", "bench", "threshold=1", "--force")
		b.awaitRows(5)
		measure.stop()
		gateway.waitFor("measurement ends", "HWP 22.5")
		b.tell("(the instrument says", "set", "bench", "threshold=0.9")
		b.awaitRows(5)
		gateway.stop()
		record.stop()
		events := b.setEvents()
		if len(events) != 2 || !strings.Contains(events[0][8], `; forced while `) || strings.Contains(events[1][8], "forced") {
			t.Errorf("events: %q", events)
		}
	})
}

// TestStatusOfNoGateway: what is not there is said, with its own exit code.
func TestStatusOfNoGateway(t *testing.T) {
	t.Parallel()
	code, out, stderr := run(t, "photongate", "status", freeAddr(t))
	if code != 2 || out != "" || !strings.HasPrefix(stderr, "photongate: ") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
	config := filepath.Join(t.TempDir(), "photongate.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "[gateway]\nlisten = %q\n", freeAddr(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"status", "get"} {
		if code, _, stderr := run(t, "photongate", command, "-c", config); code == 0 || !strings.Contains(stderr, "127.") {
			t.Errorf("%s: exit %d\n%s", command, code, stderr)
		}
	}
}
