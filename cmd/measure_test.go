package cmd_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// measured is what photonrecv measure --json says, as far as it matters here.
type measured struct {
	ID       string
	State    string
	Why      []string
	Folder   string
	NotNoted string `json:"not_noted"`
	Streams  []struct {
		Stream   string
		Readings int
		Gaps     int
		Parts    []struct {
			SHA256 string
		}
	}
	Notes []struct{ Who, Text string }
}

// measure runs photonrecv measure to its end.
func (b *bench) measure(args ...string) (code int, m measured, stderr string) {
	b.t.Helper()
	code, out, stderr := run(b.t, "photonrecv", append([]string{"measure", b.addr, "--json", "--dir", filepath.Join(b.dir, "measured")}, args...)...)
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		b.t.Fatalf("measure: exit %d, %v\n%s\n%s", code, err, out, stderr)
	}
	return code, m, stderr
}

// tableRow is a row of a CSV file: what it is, and its counts.
type tableRow struct {
	part, index, flags, values string
	tS, gateS                  float64
}

func tableRows(t *testing.T, text string) []tableRow {
	t.Helper()
	var rows []tableRow
	for _, r := range parseCSV(t, text)[1:] {
		tS, err := strconv.ParseFloat(r[1], 64)
		gateS, gateErr := strconv.ParseFloat(r[2], 64)
		if err != nil || gateErr != nil {
			t.Fatalf("t_s %s, gate_s %s", r[1], r[2])
		}
		rows = append(rows, tableRow{r[5], r[6], r[7], strings.Join(r[8:], ","), tS, gateS})
	}
	return rows
}

func measuredRows(t *testing.T, m measured) []tableRow {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.Folder, "bench.csv"))
	if err != nil {
		t.Fatal(err)
	}
	return tableRows(t, string(text))
}

// truthGate is one interval that the instrument counted: between two rows of the
// truth file, by this computer's clock.
type truthGate struct {
	beginNs, endNs int64
	values         string
}

func (b *bench) truthGates() []truthGate {
	b.t.Helper()
	text, err := os.ReadFile(b.truth)
	if err != nil {
		b.t.Fatal(err)
	}
	var gates []truthGate
	for _, r := range parseCSV(b.t, string(text))[1:] {
		end, err := strconv.ParseInt(r[1], 10, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		begin := int64(0)
		if n := len(gates); n > 0 {
			begin = gates[n-1].endNs
		}
		gates = append(gates, truthGate{begin, end, strings.Join(r[2:], ",")})
	}
	return gates
}

// changeLight has the simulated light changed at once, and returns from when on
// the new one holds.
func changeLight(t *testing.T, control, line string) (ns int64) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", control, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, line); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	word, at, _ := strings.Cut(strings.TrimSpace(answer), " ")
	ns, err = strconv.ParseInt(at, 10, 64)
	if word != "ok" || err != nil {
		t.Fatalf("the simulator answers %q", answer)
	}
	return ns
}

// TestMeasureHoldsOnlyLaterGates: the light steps in mid-gate, and then a
// measurement is asked for. By the truth file no gate of it holds light from
// before, and it is a run of gates that were really counted. What is cut out of
// a standing record by its id is the same, row by row, and ls finds it in both.
func TestMeasureHoldsOnlyLaterGates(t *testing.T) {
	for name, c := range map[string]struct {
		driver, options string
		gateS           float64
	}{
		"cd48 repeats by itself": {"cd48", `gate = "100ms"`, 0.1},
		"cd48 is polled":         {"cd48", `gate = "30ms"`, 0.03},
		"de2ccu":                 {"de2ccu", "", 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			light := freeAddr(t)
			b := newBench(t, c.driver, c.options, "--control", light)
			b.startSim()
			b.startGateway().waitFor("bench", "running")
			record := b.startRecord()
			record.waitFor("recording")
			var all []measured
			for i, rates := range []string{"rates 90000", "rates 20000", "rates 60000"} {
				stepNs := changeLight(t, light, rates)
				title := fmt.Sprintf("step %d", i)
				code, m, stderr := b.measure("--for", "2s", "--title", title, "--set", "step="+rates[6:])
				if code != 0 || m.State != "complete" || m.NotNoted != "" {
					t.Fatalf("measure: exit %d, %s %v, not noted: %s\n%s", code, m.State, m.Why, m.NotNoted, stderr)
				}
				rows := measuredRows(t, m)
				b.awaitRows(1) // the gate behind the last one
				truth := b.truthGates()
				checkFilled(t, rows, truth, 2)
				checkGates(t, rows, truth, stepNs, c.gateS)
				all = append(all, m)
			}
			if code := record.stop(); code != 0 && code != 1 {
				t.Fatalf("record: exit %d", code)
			}
			for i, m := range all {
				for source, args := range map[string][]string{
					"record":    {"cat", b.archive, "--stream", "bench", "--measurement", m.ID[:8]},
					"its title": {"cat", b.archive, "--stream", "bench", "--measurement", fmt.Sprintf("step %d", i)},
					"folder":    {"cat", m.Folder},
				} {
					code, out, stderr := run(t, "photonrecv", args...)
					if code != 0 {
						t.Fatalf("cat by %s: exit %d\n%s", source, code, stderr)
					}
					if got, want := tableRows(t, out), measuredRows(t, m); !slices.Equal(got, want) {
						t.Errorf("cat by %s gives %d rows, the measurement has %d:\n%v\n%v", source, len(got), len(want), got, want)
					}
				}
				if code, out, _ := run(t, "photonrecv", "verify", m.Folder); code != 0 || !strings.Contains(out, m.Streams[0].Parts[0].SHA256[:16]) {
					t.Errorf("verify of the folder: exit %d, want the checksum of measurement.json in\n%s", code, out)
				}
			}
			checkListed(t, filepath.Join(b.dir, "measured"), "step=20000", all[1].ID, "complete")
			checkListed(t, b.archive, "STEP 2", all[2].ID, "complete")
		})
	}
}

// checkGates demands that rows are a run of the truth, and that all of them began
// at or after a moment.
func checkGates(t *testing.T, rows []tableRow, truth []truthGate, fromNs int64, gateS float64) {
	t.Helper()
	first := slices.IndexFunc(truth, func(g truthGate) bool { return g.values == rows[0].values })
	if first < 1 || first+len(rows) > len(truth) {
		t.Fatalf("the first row is the %dth gate of %d that were counted", first, len(truth))
	}
	for i, r := range rows {
		g := truth[first+i]
		if r.values != g.values {
			t.Fatalf("row %d: %s, the instrument counted %s", i, r.values, g.values)
		}
		if g.beginNs < fromNs {
			t.Errorf("row %d holds light from before: its gate began %v before the light stepped", i, time.Duration(fromNs-g.beginNs))
		}
		if r.flags != "" && (r.flags != "late" || gateS >= deviceTimedS) {
			t.Errorf("row %d is flagged %s", i, r.flags)
		}
	}
}

// edgeS is by how much the edges of a gate, as the gateway knows them, may
// differ from the true ones in these tests, in seconds.
const edgeS = 0.02

// checkFilled demands that rows fill a time with whole gates: another one would
// lie beyond it by more than half.
func checkFilled(t *testing.T, rows []tableRow, truth []truthGate, forS float64) {
	t.Helper()
	last := rows[len(rows)-1]
	span := last.tS + last.gateS
	next := slices.IndexFunc(truth, func(g truthGate) bool { return g.values == last.values }) + 1
	if next <= 0 || next >= len(truth) {
		t.Fatalf("the last row is the %dth gate of %d that were counted", next, len(truth))
	}
	nextS := float64(truth[next].endNs-truth[next].beginNs) / 1e9
	if span > forS+last.gateS/2+1e-5 || span+max(nextS, last.gateS)/2 < forS-edgeS {
		t.Errorf("%d rows, the last of %v s and the next of %v s, fill %v s, want whole gates for %v s", len(rows), last.gateS, nextS, span, forS)
	}
}

// checkListed demands that ls finds one measurement, and which.
func checkListed(t *testing.T, dir, text, id, state string) {
	t.Helper()
	code, out, stderr := run(t, "photonrecv", "ls", dir, text, "--json")
	var found []struct{ ID, State string }
	if err := json.Unmarshal([]byte(out), &found); err != nil || code != 0 {
		t.Fatalf("ls: exit %d, %v\n%s", code, err, stderr)
	}
	if len(found) != 1 || found[0].ID != id || found[0].State != state {
		t.Errorf("ls %s: found %+v, want %s, %s", text, found, id, state)
	}
}

// cable is a way to a gateway that can be cut.
type cable struct {
	t        *testing.T
	listener net.Listener
	to       string

	mu    sync.Mutex
	conns []net.Conn
	cuts  int
}

func layCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", freeAddr(t)) //nolint:noctx // a listener of a test
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{t: t, listener: l, to: to}
	var running sync.WaitGroup
	running.Go(func() { c.accept(&running) })
	t.Cleanup(func() {
		l.Close()
		c.cut()
		running.Wait()
	})
	return c
}

func (c *cable) accept(running *sync.WaitGroup) {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.DialTimeout("tcp", c.to, patience)
		if err != nil {
			near.Close()
			continue
		}
		c.mu.Lock()
		c.conns = append(c.conns, near, far)
		c.mu.Unlock()
		running.Go(func() { carry(near, far) })
		running.Go(func() { carry(far, near) })
	}
}

func carry(from, to net.Conn) {
	_, _ = io.Copy(to, from) // the end of either is the end of both
	from.Close()
	to.Close()
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.cuts++
	c.conns = nil
}

// TestMeasureOverABrokenCable: what was missed while the cable was out is
// fetched; nothing is missing, and a note made meanwhile is there.
func TestMeasureOverABrokenCable(t *testing.T) {
	t.Parallel()
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.startSim()
	b.startGateway().waitFor("bench", "running")
	way := layCable(t, b.addr)
	p := start(t, "photonrecv", "measure", way.listener.Addr().String(), "--for", "4s", "--json", "--dir", filepath.Join(b.dir, "measured"))
	p.waitFor("measuring bench")
	for range 2 {
		b.awaitRows(8)
		way.cut()
		p.waitFor("trying again")
	}
	if code, _, stderr := run(t, "photonrecv", "note", b.addr, "the", "door", "was open", "--who", "ana"); code != 0 {
		t.Fatalf("note: exit %d\n%s", code, stderr)
	}
	code := p.exit()
	var m measured
	if err := json.Unmarshal(p.stdout.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	rows := measuredRows(t, m)
	if code != 0 || m.State != "complete" || len(rows) != 40 {
		t.Errorf("exit %d, %s %v, %d rows, want 0, complete, 40", code, m.State, m.Why, len(rows))
	}
	checkGates(t, rows, b.truthGates(), 0, 0.1)
	if len(m.Notes) != 1 || m.Notes[0].Who != "ana" || m.Notes[0].Text != "the door was open" {
		t.Errorf("notes: %+v", m.Notes)
	}
}

// TestMeasureThroughARestart: the gateway is stopped and started meanwhile. The
// gap is told, every row was really counted, and the standing record tells of the
// measurement as a whole.
func TestMeasureThroughARestart(t *testing.T) {
	t.Parallel()
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	record := b.startRecord()
	record.waitFor("recording")
	p := start(t, "photonrecv", "measure", b.addr, "--for", "6s", "--title", "restart", "--json", "--dir", filepath.Join(b.dir, "measured"))
	p.waitFor("measuring bench")
	b.awaitRows(10)
	gateway.stop()
	gateway = b.startGateway()
	code := p.exit()
	var m measured
	if err := json.Unmarshal(p.stdout.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	if code != 1 || m.State != "incomplete" || len(m.Why) != 1 || !strings.Contains(m.Why[0], "gateway stopped") || m.Streams[0].Gaps != 1 {
		t.Errorf("exit %d, %s, why %q, gaps %+v", code, m.State, m.Why, m.Streams)
	}
	gateway.stop()
	record.waitFor("trying again")
	if code := record.stop(); code != 0 && code != 1 {
		t.Fatalf("record: exit %d", code)
	}
	truth := map[string]int{}
	for _, g := range b.truthGates() {
		truth[g.values]++
	}
	rows := measuredRows(t, m)
	for i, r := range rows {
		if truth[r.values] == 0 {
			t.Fatalf("row %d (%s) was never counted, or is there twice", i, r.values)
		}
		truth[r.values]--
	}
	_, out, stderr := run(t, "photonrecv", "cat", b.archive, "--stream", "bench", "--measurement", "restart")
	if got := tableRows(t, out); !slices.Equal(got, rows) {
		t.Errorf("cut out of the record: %d rows, the measurement has %d\n%s", len(got), len(rows), stderr)
	}
}

// TestMeasureKilled: what a killed measurement has written can be read, and is
// listed as cut off.
func TestMeasureKilled(t *testing.T) {
	t.Parallel()
	b := newBench(t, "de2ccu", "")
	b.startSim()
	b.startGateway().waitFor("bench", "running")
	dir := filepath.Join(b.dir, "measured")
	p := start(t, "photonrecv", "measure", b.addr, "--for", "1h", "--dir", dir, "--title", "killed")
	p.waitFor("measuring bench")
	b.awaitRows(25) // two rounds of syncing
	list := func() (found []struct{ Path, State string }) {
		_, out, _ := run(t, "photonrecv", "ls", dir, "--json")
		if err := json.Unmarshal([]byte(out), &found); err != nil || len(found) != 1 {
			t.Fatalf("ls: %v\n%s", err, out)
		}
		return found
	}
	if state := list()[0].State; state != "running" {
		t.Errorf("while it goes on it is listed as %s", state)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
	found := list()
	if found[0].State != "unfinished" {
		t.Errorf("a killed measurement is listed as %s", found[0].State)
	}
	code, out, stderr := run(t, "photonrecv", "cat", found[0].Path)
	if code != 0 {
		t.Fatalf("cat: exit %d\n%s", code, stderr)
	}
	rows := tableRows(t, out)
	if len(rows) < 10 {
		t.Errorf("%d rows of a killed measurement", len(rows))
	}
	checkGates(t, rows, b.truthGates(), 0, 0.1)
}

// TestMeasureCommandLine: mistakes have exit code 2 and say what was expected.
func TestMeasureCommandLine(t *testing.T) {
	t.Parallel()
	b := newBench(t, "de2ccu", "")
	b.startSim()
	b.startGateway().waitFor("bench", "running")
	for want, args := range map[string][]string{
		"say how long to measure":                          {"measure", b.addr},
		"write name=value":                                 {"measure", b.addr, "--for", "1s", "--set", "x"},
		"no instrument of pi-lab3 fits x: there are bench": {"measure", b.addr, "--for", "1s", "--stream", "x"},
		"lasers":            {"set", b.addr, "lasers", "gate=1s"},
		"KEY=VALUE":         {"set", b.addr, "bench", "gate"},
		"the note is empty": {"note", b.addr, " "},
		"no such file":      {"ls", filepath.Join(b.dir, "nowhere")},
	} {
		code, out, stderr := run(t, "photonrecv", args...)
		if code != 2 || out != "" || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit %d, %q, %q; want exit 2 and %q", args[:1], code, out, stderr, want)
		}
	}
	if code, out, stderr := run(t, "photonrecv", "get", b.addr, "bench"); code != 0 || !strings.Contains(out, "counters") || !strings.Contains(out, "cannot be set") {
		t.Errorf("get: exit %d\n%s%s", code, out, stderr)
	}
}
