package cmd_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// python is one way to run Python: an interpreter, and whether NumPy is hidden
// from the script.
type python struct {
	name  string
	path  string
	numpy bool
}

// pythons are the ways to run Python that the tests try: with NumPy and pandas
// (Debian's packages, which another python3 on the PATH may not see), and without.
func pythons(t *testing.T) []python {
	t.Helper()
	plain := needs(t, "python3", "python3")
	with := ""
	for _, path := range []string{plain, "/usr/bin/python3"} {
		if exec.Command(path, "-c", "import numpy, pandas").Run() == nil {
			with = path
			break
		}
	}
	if with == "" && os.Getenv("CI") != "" {
		t.Fatal("no python3 here has NumPy and pandas, and CI is set (Debian: apt-get install python3-numpy python3-pandas)")
	}
	ways := []python{{"without NumPy", plain, false}}
	if with == "" {
		t.Log("no python3 here has NumPy and pandas (Debian: apt-get install python3-numpy python3-pandas): tried without them only")
		return ways
	}
	return append(ways, python{"with NumPy", with, true})
}

// pythonFolder is where photongate.py is.
func pythonFolder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../protocol/python")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// args is the command line that runs a script of testdata/python with
// photongate.py at hand. A module that is None cannot be imported.
func (p python) args(t *testing.T, script string, args ...string) []string {
	t.Helper()
	script, err := filepath.Abs(filepath.Join("testdata", "python", script))
	if err != nil {
		t.Fatal(err)
	}
	prelude := "import sys, runpy\nsys.argv = sys.argv[1:]\nsys.path.insert(0, " + strconv.Quote(pythonFolder(t)) + ")\n"
	if !p.numpy {
		prelude += "sys.modules['numpy'] = None\n"
	}
	return append([]string{"-B", "-c", prelude + "runpy.run_path(sys.argv[0], run_name='__main__')", script}, args...)
}

func (p python) start(t *testing.T, at place, script string, args ...string) *proc {
	t.Helper()
	return startAt(t, at, p.path, p.args(t, script, args...)...)
}

func (p python) run(t *testing.T, at place, script string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	proc := p.start(t, at, script, args...)
	code = proc.exit()
	return code, proc.stdout.String(), proc.stderr()
}

// TestPythonUnits runs the tests of photongate.py itself: golden vectors, files,
// sessions, random bytes.
func TestPythonUnits(t *testing.T) {
	t.Parallel()
	for _, p := range pythons(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(p.path, "-B", "-m", "unittest")
			cmd.Dir = pythonFolder(t)
			out, err := cmd.CombinedOutput()
			if ran := regexp.MustCompile(`Ran (\d+) tests`).FindSubmatch(out); err != nil || ran == nil || len(ran[1]) < 2 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestPythonScan is the scan, whole: the simulated light steps at 36 random
// moments, in mid-gate as the truth file shows, and take returns 36 counts none
// of which holds a photon from before its call.
func TestPythonScan(t *testing.T) {
	const steps = 36
	for _, c := range []struct{ name, driver, options string }{
		{"cd48 repeats by itself", "cd48", `gate = "100ms"`},
		{"cd48 is polled", "cd48", `gate = "30ms"`},
		{"de2ccu", "de2ccu", ""},
	} {
		for _, p := range pythons(t) {
			t.Run(c.name+" "+p.name, func(t *testing.T) {
				t.Parallel()
				light := freeAddr(t)
				b := newBench(t, c.driver, c.options, "--control", light)
				b.startSim()
				b.startGateway().waitFor("bench", "running")
				code, out, stderr := p.run(t, place{}, "scan.py", b.addr, light, strconv.Itoa(steps))
				if code != 0 {
					t.Fatalf("scan: exit %d\n%s", code, stderr)
				}
				checkScan(t, out, steps, b.truthGates())
			})
		}
	}
}

// checkScan compares what a scan printed with the truth.
func checkScan(t *testing.T, out string, steps int, truth []truthGate) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != steps {
		t.Fatalf("%d counts were taken, want %d", len(lines), steps)
	}
	last := -1 // gate taken last
	for i, line := range lines {
		var shot struct {
			StepNs int64 `json:"step_ns"`
			Rows   [][]uint64
			Sum    []uint64
			LiveS  float64 `json:"live_s"`
			Flags  []string
		}
		if err := json.Unmarshal([]byte(line), &shot); err != nil {
			t.Fatal(err)
		}
		if mixed := slices.IndexFunc(truth, func(g truthGate) bool { return g.beginNs < shot.StepNs && shot.StepNs < g.endNs }); mixed < 1 {
			t.Errorf("step %d was not in the middle of a gate: this proves nothing", i)
		}
		sum := make([]uint64, len(shot.Sum))
		for r, row := range shot.Rows {
			gate := slices.IndexFunc(truth, func(g truthGate) bool { return g.values == joinCounts(row) })
			switch {
			case gate < 1:
				t.Fatalf("step %d: %v was never counted", i, row)
			case gate <= last || r > 0 && gate != last+1:
				t.Errorf("step %d: row %d is gate %d, after gate %d", i, r, gate, last)
			case truth[gate].beginNs < shot.StepNs:
				t.Errorf("step %d: row %d holds photons from before the call: its gate began %v before the light stepped", i, r, time.Duration(shot.StepNs-truth[gate].beginNs))
			}
			last = gate
			for ch, n := range row {
				sum[ch] += n
			}
		}
		if !slices.Equal(sum, shot.Sum) || len(shot.Rows) == 0 {
			t.Errorf("step %d: the sum is %v, the rows give %v", i, shot.Sum, sum)
		}
	}
}

func joinCounts(row []uint64) string {
	var cells []string
	for _, n := range row {
		cells = append(cells, strconv.FormatUint(n, 10))
	}
	return strings.Join(cells, ",")
}

// TestPythonLive iterates while the gateway is restarted: every row was counted,
// in order, none twice, and where some are missing a gap stands. Ctrl-C ends it
// and leaves no thread.
func TestPythonLive(t *testing.T) {
	for _, c := range []struct{ name, driver, options string }{
		{"cd48", "cd48", `gate = "100ms"`},
		{"de2ccu", "de2ccu", ""},
	} {
		for i, p := range pythons(t) {
			t.Run(c.name+" "+p.name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, c.driver, c.options)
				b.startSim()
				gateway := b.startGateway()
				gateway.waitFor("bench", "running")
				how := []string{b.addr, "async"}[:1+i]
				live := p.start(t, place{}, "live.py", how...)
				live.waitFor("rows")
				for range 2 {
					b.awaitRows(10)
					gateway.stop()
					gateway = b.startGateway()
					gateway.waitFor("subscribed", "view")
				}
				b.awaitRows(15)
				if code := live.stop(); code != 0 || !strings.Contains(live.stderr(), "interrupted, 1 threads") {
					t.Errorf("exit %d\n%s", code, live.stderr())
				}
				checkLive(t, live.stdout.String(), b.truthRows())
			})
		}
	}
}

// checkLive compares what was iterated over with the truth.
func checkLive(t *testing.T, out string, truth []string) {
	t.Helper()
	last, rows, gaps := -1, 0, 0
	for line := range strings.Lines(out) {
		var batch struct {
			Rows [][]any
			Gaps [][]any
		}
		if err := json.Unmarshal([]byte(line), &batch); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		for i, row := range batch.Rows {
			var cells []string
			for _, n := range row[3:] {
				cells = append(cells, strconv.FormatFloat(n.(float64), 'f', -1, 64))
			}
			gap := slices.ContainsFunc(batch.Gaps, func(g []any) bool { return g[0] == float64(i) })
			at := slices.Index(truth, strings.Join(cells, ","))
			switch {
			case at <= last:
				t.Errorf("row %v is truth %d, after %d", row, at, last)
			case last >= 0 && at > last+1 && !gap:
				t.Errorf("%d rows are missing before %v and no gap says so", at-last-1, row)
			}
			last = at
			rows++
		}
		gaps += len(batch.Gaps)
	}
	if rows < 20 || gaps < 2 {
		t.Errorf("%d rows and %d gaps; expected at least 20, and a gap for each of two restarts", rows, gaps)
	}
}

// TestPythonReadsRecordings compares what photongate.py reads from an archive with
// a gap, and from the folder of a measurement, with what photonrecv makes of them.
func TestPythonReadsRecordings(t *testing.T) {
	t.Parallel()
	ways := pythons(t)
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	record := b.startRecord("--csv")
	record.waitFor("recording")
	b.awaitRows(5)
	gateway.stop()
	b.awaitRows(5)
	b.startGateway().waitFor("bench", "running")
	b.awaitRows(5)
	code, m, stderr := b.measure("--readings", "7", "--title", "seven")
	if code != 0 {
		t.Fatalf("measure: exit %d\n%s", code, stderr)
	}
	record.stop()

	gaps, err := os.ReadFile(filepath.Join(b.gatewayFolder(), "bench.gaps.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var wantGaps []string
	for _, g := range parseCSV(t, string(gaps))[1:] {
		wantGaps = append(wantGaps, strings.Join([]string{g[3], g[4], g[6], g[5]}, ","))
	}
	if len(wantGaps) == 0 {
		t.Fatal("there is no gap: this proves nothing")
	}
	for _, p := range ways {
		for _, source := range []struct {
			path string
			gaps []string
		}{{b.archive, wantGaps}, {b.gatewayFolder(), wantGaps}, {m.Folder, nil}} {
			checkTable(t, p, source.path, source.gaps, "")
			if p.numpy {
				checkTable(t, p, source.path, source.gaps, "pandas")
			}
		}
	}
}

// checkTable compares a recording as table.py prints it with photonrecv cat.
func checkTable(t *testing.T, p python, path string, wantGaps []string, how string) {
	t.Helper()
	code, want, stderr := run(t, "photonrecv", "cat", path, "--stream", "bench")
	if code != 0 {
		t.Fatalf("cat %s: exit %d\n%s", path, code, stderr)
	}
	code, got, said := p.run(t, place{}, "table.py", path, "bench", how)
	if code != 0 {
		t.Fatalf("%s: exit %d\n%s", p.name, code, said)
	}
	var gaps []string
	for line := range strings.Lines(said) {
		if gap, ok := strings.CutPrefix(strings.TrimSpace(line), "gap: "); ok {
			gaps = append(gaps, gap)
		} else {
			t.Errorf("%s says %s", p.name, line)
		}
	}
	if !slices.Equal(gaps, wantGaps) {
		t.Errorf("%s %s, gaps are\n%q\nwant\n%q", p.name, path, gaps, wantGaps)
	}
	a, z := parseCSV(t, got), parseCSV(t, want)
	if len(a) != len(z) || !slices.Equal(a[0], z[0]) {
		t.Fatalf("%s %s: %d rows with the columns %v, want %d with %v", p.name, path, len(a), a[0], len(z), z[0])
	}
	for i := range a[1:] {
		if !sameRow(t, a[i+1], z[i+1]) {
			t.Fatalf("%s %s %s, row %d:\n%v\nwant\n%v", p.name, how, path, i, a[i+1], z[i+1])
		}
	}
}

// sameRow compares two rows of CSV: times to the microsecond, all else exactly.
func sameRow(t *testing.T, a, z []string) bool {
	t.Helper()
	at := func(s string) time.Time {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999-07:00"} {
			if u, err := time.Parse(layout, s); err == nil {
				return u
			}
		}
		t.Fatalf("%q is no time", s)
		return time.Time{}
	}
	if off := at(a[0]).Sub(at(z[0])); off.Abs() > time.Microsecond {
		return false
	}
	for i := 1; i <= 3; i++ {
		x, err1 := strconv.ParseFloat(a[i], 64)
		y, err2 := strconv.ParseFloat(z[i], 64)
		if err1 != nil || err2 != nil || math.Abs(x-y) > 1e-6 {
			return false
		}
	}
	return slices.Equal(a[4:], z[4:])
}

// TestPythonChanges: set, take behind it, measure and note, with the token that
// programs on the gateway's own computer find.
func TestPythonChanges(t *testing.T) {
	t.Parallel()
	for _, p := range pythons(t) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "cd48", `gate = "100ms"`)
			b.startSim()
			b.startGateway().waitFor("bench", "running")
			record := b.startRecord()
			record.waitFor("recording")
			code, out, _ := p.run(t, place{}, "ask.py", b.addr, "set", "bench", "gate=200ms")
			if code != 0 || !containsAll(out, []string{"changed gate from 100ms to 200ms", "now 200ms = 0.2", "gates [0.2, 0.2] flags []"}) {
				t.Errorf("set: exit %d\n%s", code, out)
			}
			code, out, _ = p.run(t, place{}, "ask.py", b.addr, "set", "bench", "gate=1h")
			if code != 1 || !containsAll(out, []string{"RefusedError", "65.535"}) {
				t.Errorf("an impossible gate: exit %d\n%s", code, out)
			}
			code, out, _ = p.run(t, place{}, "ask.py", b.addr, "measure", "by python")
			if code != 0 {
				t.Fatalf("measure: exit %d\n%s", code, out)
			}
			b.awaitRows(3)
			record.stop()
			var rows []string
			for line := range strings.Lines(out) {
				if row, ok := strings.CutPrefix(strings.TrimSpace(line), "row "); ok {
					rows = append(rows, row)
				}
			}
			_, cut, stderr := run(t, "photonrecv", "cat", b.archive, "--stream", "bench", "--measurement", "by python")
			var kept []string
			for _, r := range tableRows(t, cut) {
				kept = append(kept, r.values)
			}
			// A gate that began between the begin of the measurement and the call of take is the measurement's, and was not taken.
			first := slices.Index(kept, rows[0])
			if len(rows) != 5 || first < 0 || first+5 > len(kept) || !slices.Equal(rows, kept[first:first+5]) {
				t.Errorf("the measurement in the record holds\n%q\nwhat was taken in it is\n%q\n%s", kept, rows, stderr)
			}
		})
	}
}

// TestPythonAcrossTheLab: pairing from Python, taking over TLS, and the refusals.
func TestPythonAcrossTheLab(t *testing.T) {
	t.Parallel()
	ways := pythons(t)
	p := ways[len(ways)-1]
	l := newLab(t)
	b := l.serve("de2ccu", "")
	gateway, line := l.startGateway(b)
	ask := func(wantCode int, want []string, args ...string) string {
		t.Helper()
		code, out, stderr := p.run(t, l.desk, "ask.py", args...)
		if code != wantCode || !containsAll(out, want) {
			t.Errorf("%q: exit %d\n%s%s\nwant %d and %q", args, code, out, stderr, wantCode, want)
		}
		return out
	}
	ask(1, []string{"NotPairedError", b.addr + " is not paired", "photongate pair"}, b.addr, "take", "1")
	ask(1, []string{"NotPairedError", "pi-lab3 is not paired"}, "pi-lab3", "take", "1")
	ask(1, []string{"not a line to pair with"}, line[:len(line)-5], "pair")
	ask(0, []string{"paired with pi-lab3"}, line, "pair")
	out := ask(0, []string{"rights read archive change"}, "pi-lab3", "take", "3")
	truth := b.truthRows()
	rows := 0
	for said := range strings.Lines(out) {
		if row, ok := strings.CutPrefix(strings.TrimSpace(said), "row "); ok {
			if rows++; !slices.Contains(truth, row) {
				t.Errorf("%s was never counted", row)
			}
		}
	}
	if rows != 3 {
		t.Errorf("%d rows taken, want 3", rows)
	}
	// The pairing that Python made is as good for photonrecv.
	if code, _, stderr := l.runOnDesk("record", "pi-lab3", "--dir", b.archive, "--readings", "2"); code != 0 {
		t.Errorf("record with the pairing made by Python: exit %d\n%s", code, stderr)
	}

	// A renewed token, another key, another journal.
	renew := l.onPi("photongate", "pair", "-c", b.config, "--renew")
	if renew.exit() != 0 {
		t.Fatal(renew.stderr())
	}
	ask(1, []string{"NotPairedError", "refuses the token of pi-lab3", "photongate pair"}, "pi-lab3", "take", "1")
	ask(0, []string{"paired with pi-lab3"}, strings.TrimSpace(renew.stdout.String()), "pair")
	ask(0, nil, "pi-lab3", "take", "1")
	gateway.stop()
	if err := os.Remove(filepath.Join(b.dir, "journal", "tls.pem")); err != nil {
		t.Fatal(err)
	}
	gateway, line = l.startGateway(b)
	ask(1, []string{"NotPairedError", "shows another key than the one pi-lab3 was paired with", "Nothing was sent"}, "pi-lab3", "take", "1")
	ask(0, nil, line, "pair")
	gateway.stop()
	makeClone(t, b)
	l.startGateway(b)
	ask(1, []string{"NotPairedError", "another journal", "copy of that computer"}, "pi-lab3", "take", "1")
}
