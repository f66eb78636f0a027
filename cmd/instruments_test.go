package cmd_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// box is one way in which an instrument is used.
type box struct {
	driver  string
	options string   // under [device.options]
	sim     []string // flags of its simulator
	told    func(rows []told) []told
	columns int     // of the truth that are in the record; 0: all
	gateS   float64 // from one reading to the next, about
	// fleeting: what the instrument is not asked for in time is lost, which may happen on
	// a machine that is busy, and stands under a gap.
	fleeting bool
	flags    string // besides which a reading of an undisturbed run has none, on a machine that is busy
}

// told is what an instrument counted in one gate, as its simulator wrote it down.
type told struct {
	gate   int     // number of the gate, rising
	atS    float64 // when it was told, in seconds since the first
	values []string
}

// boxes are the ways in which the instruments of a serial line are used.
var boxes = map[string]box{
	"cc1": {driver: "cc1", options: "gate = \"200ms\"\ntrigger = \"stop\"", told: lastOfEach, gateS: 0.2, flags: "late"},
	"cc1, old firmware": {driver: "cc1", options: "gate = \"200ms\"\ntrigger = \"stop\"", told: lastOfEach, gateS: 0.2, flags: "late",
		sim: []string{"--firmware", "2.001", "--units", "s", "--firm-unknown", "1"}},
	"cc1, continuous": {driver: "cc1", options: "gate = \"500ms\"\ntrigger = \"continuous\"", told: threeInTurn, gateS: 0.5, fleeting: true, flags: "late short",
		sim: []string{"--pace", "--acks", "--units", "ms"}},
	"cc1, old firmware, continuous": {driver: "cc1", options: "gate = \"500ms\"\ntrigger = \"continuous\"", told: threeInTurn, gateS: 0.5, fleeting: true, flags: "late short",
		sim: []string{"--pace", "--firmware", "2.001"}},
	"sr400": {driver: "sr400", options: "gate = \"100ms\"\ndwell = \"2ms\"\nstart = true\nperiods = 2000", gateS: 0.102, flags: "late",
		sim: []string{"--garbage"}},
	"sr400 that somebody started": {driver: "sr400", gateS: 0.102, flags: "late", fleeting: true, // its buffer holds 3 s
		sim: []string{"--left", "CP2,1E6;NP 30;NE 1;DT 2E-3;CS", "--width", "9"}},
	"sr400 behind an adapter": {driver: "sr400", options: "adapter = \"prologix\"\ngate = \"100ms\"\ndwell = \"2ms\"\nstart = true\nperiods = 2000", gateS: 0.102, flags: "late",
		sim: []string{"--gpib"}},
	"tdc1":        {driver: "tdc1", options: "gate = \"100ms\"", columns: 4, gateS: 0.1, flags: "late"},
	"tdc1, pairs": {driver: "tdc1", options: "gate = \"100ms\"\nmode = \"pairs\"", gateS: 0.1, flags: "late", sim: []string{"--separator", "aligned", "--line-end", "lf"}},
	"tdc1 that streamed": {driver: "tdc1", options: "gate = \"100ms\"\nmode = \"singles\"", columns: 4, gateS: 0.1, flags: "late",
		sim: []string{"--left", "timestamp;time 0;counts?", "--tail", "6"}},
	"gmc, rfc1201":      {driver: "gmc", columns: 1, gateS: 1},
	"gmc, rfc1801":      {driver: "gmc", columns: 1, gateS: 1, sim: []string{"--model", "GMC-600+Re 1.14"}},
	"gmc, left beating": {driver: "gmc", columns: 1, gateS: 1, sim: []string{"--beating", "--reserved", "C000"}},
}

// asksForPoints reports whether an instrument is asked for points of a buffer that may
// be overwritten before they are: then it is opened anew.
func asksForPoints(x box) bool { return x.driver == "sr400" }

// TestInstruments is the main job for each instrument of a serial line: what it
// counted, as its simulator wrote it down, is what the record holds, row for row.
func TestInstruments(t *testing.T) {
	t.Parallel()
	for name, x := range boxes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, x.driver, x.options, x.sim...)
			b.startSim()
			gateway := b.startGateway()
			gateway.waitFor("bench", "running")
			record := b.startRecord("--csv")
			record.waitFor("recording")
			b.awaitRecord(time.Now().Add(time.Duration(max(3, 3*x.gateS) * float64(time.Second))))
			code := record.stop()
			rows, gaps := b.cat(), b.gaps()
			missed := x.fleeting && len(gaps) > 0 && !slices.ContainsFunc(gaps, func(g gap) bool { return g.cause != "overrun" && !(g.cause == "reopened" && asksForPoints(x)) })
			if missed {
				t.Logf("not asked in time: %+v", gaps)
			}
			if code != 0 && !missed {
				t.Errorf("record: exit %d", code)
			}
			if len(gaps) > 0 && !missed {
				t.Errorf("gaps in an undisturbed run: %+v", gaps)
			}
			for i, r := range rows {
				for flag := range strings.SplitSeq(r.flags, "|") {
					if !strings.Contains(x.flags, flag) {
						t.Errorf("row %d is flagged %q in an undisturbed run", i, r.flags)
					}
				}
				if !missed && number(t, r.index) != number(t, rows[0].index)+i || r.part != rows[0].part && !(missed && asksForPoints(x)) {
					t.Fatalf("row %d has index %s of part %s, the first has %s of %s", i, r.index, r.part, rows[0].index, rows[0].part)
				}
			}
			if seen := b.compare(x, rows, gaps, false); seen.never > 0 || seen.flagged > 0 {
				t.Errorf("%+v", seen)
			}
		})
	}
}

// TestInstrumentsDisturbed disturbs each instrument once. What is not flagged was
// counted, in order; what is missing stands under a gap; the gateway goes on.
func TestInstrumentsDisturbed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		box, fault string
		faultS     float64
		sim        string // one more flag
		blind      int    // rows that may be wrong, since the bytes cannot reveal it
	}{
		{"gmc, rfc1201", "drop@8s:1", 0, "", 0},
		{"gmc, rfc1201", "late@8s:1500ms", 1.5, "", 0},
		{"gmc, rfc1201", "stall@8s:2s", 2, "", 0},
		{"gmc, rfc1201", "unplug@8s:1s", 1, "", 0},
		{"gmc, rfc1201", "brownout@8s:300ms", 0.3, "", 0},
		{"gmc, rfc1801", "drop@8s:1", 0, "", 0},
		{"cc1", "drop@4s:1", 0, "", 1},
		{"cc1", "late@4s:1500ms", 1.5, "", 0},
		{"cc1", "stall@4s:2s", 2, "", 0},
		{"cc1", "unplug@4s:1s", 1, "", 0},
		{"cc1", "brownout@4s:300ms", 0.3, "", 0},
		{"cc1", "brownout@4s:300ms", 0.3, "--forget", 0},
		{"cc1", "refuse@4s", 0, "", 0},
		{"cc1, old firmware", "junk@4s", 0, "", 0},
		{"cc1, continuous", "drop@4s:1", 0, "", 1},
		{"cc1, continuous", "refuse@4s", 0, "", 0},
		{"cc1, continuous", "brownout@4s:300ms", 0.3, "--forget", 0},
		{"cc1, old firmware, continuous", "stall@4s:2s", 2, "", 0},
		{"cc1, old firmware, continuous", "unplug@4s:1s", 1, "", 0},
		{"sr400", "drop@4s:1", 0, "", 0},
		{"sr400", "garbage@4s:8", 0, "", 0},
		{"sr400", "stall@4s:2s", 2, "", 0},
		{"sr400", "unplug@4s:1s", 1, "", 0},
		{"sr400", "panel@4s", 0, "", 0},
		{"sr400", "refuse@4s", 0, "", 0},
		{"sr400", "overflow@4s:0", 0, "", 0},
		{"sr400", "brownout@4s:2s", 2, "--forget", 0},
		{"sr400", "late@4s:1500ms", 1.5, "", 0},
		{"sr400 that somebody started", "panel@4s", 0, "", 0},
		{"sr400 that somebody started", "late@4s:1500ms", 1.5, "", 0},
		{"sr400 behind an adapter", "drop@4s:1", 0, "", 0},
		{"sr400 behind an adapter", "late@4s:1500ms", 1.5, "", 0},
		{"sr400 behind an adapter", "unplug@4s:1s", 1, "", 0},
		{"tdc1", "drop@4s:1", 0, "", 1},
		{"tdc1", "garbage@4s:8", 0, "", 1},
		{"tdc1", "late@4s:1500ms", 1.5, "", 0},
		{"tdc1", "stall@4s:2s", 2, "", 0},
		{"tdc1", "unplug@4s:1s", 1, "", 0},

		{"tdc1, pairs", "brownout@4s:300ms", 0.3, "", 0},
	} {
		x := boxes[c.box]
		// Without @, which the name of the pty would have as well.
		t.Run(strings.TrimSpace(c.box+" "+strings.Replace(c.fault, "@", " at ", 1)+" "+c.sim), func(t *testing.T) {
			t.Parallel()
			flags := append([]string{"--fault", c.fault}, x.sim...)
			if c.sim != "" {
				flags = append(flags, c.sim)
			}
			b := newBench(t, x.driver, x.options, flags...)
			sim := b.startSim()
			gateway := b.startGateway()
			record := b.startRecord("--csv")
			kind, _, _ := strings.Cut(c.fault, "@")
			disturbed := sim.saidAt(kind + "@")
			b.awaitRecord(time.Now().Add(time.Duration((c.faultS + 3*x.gateS) * float64(time.Second))))
			forgot := c.sim == "--forget" // it counts other gates, until its settings are asked for
			if forgot {
				gateway.waitFor("trying again", "settings changed by themselves")
				b.awaitRecord(time.Now())
			}
			if code := record.stop(); code != 0 && code != 1 {
				t.Errorf("record: exit %d", code)
			}
			if code := gateway.stop(); code != 0 {
				t.Errorf("gateway: exit %d", code)
			}
			gaps := b.gaps()
			seen := b.compare(x, b.cat(), gaps, forgot)
			if seen.never > c.blind {
				t.Errorf("%d rows were never counted and carry no flag", seen.never)
			}
			before := 0
			for _, at := range b.recorded() {
				if at.Before(disturbed) {
					before++
				}
			}
			if before == 0 {
				t.Error("it was disturbed before anything was recorded")
			}
			checkTold(t, kind, seen, gaps)
			t.Logf("tally: %d rows before it, %+v, gaps %+v", before, seen, gaps)
		})
	}
}

// checkTold demands that the record tells of faults that are its business to tell.
func checkTold(t *testing.T, kind string, seen comparison, gaps []gap) {
	t.Helper()
	if seen.parts > 1 && len(gaps) == 0 {
		t.Errorf("%d parts and no gap between them", seen.parts)
	}
	unplugged := slices.ContainsFunc(gaps, func(g gap) bool { return g.cause == "unplugged" })
	if kind == "unplug" && (seen.parts != 2 || !unplugged) {
		t.Errorf("it was unplugged: %d parts, gaps %+v", seen.parts, gaps)
	}
	flag := map[string]string{"overflow": "overflow:A", "panel": "mixed"}[kind]
	said := false
	for flags := range seen.flags {
		said = said || strings.Contains(flags, flag)
	}
	reopened := kind == "panel" && seen.parts > 1 // then all settings were asked for
	if flag != "" && !said && !reopened {
		t.Errorf("no reading is flagged %s: %v", flag, seen.flags)
	}
}

// comparison is what became of what an instrument counted.
type comparison struct {
	rows, parts int
	never       int // rows without a flag that were never counted
	flagged     int // rows with a flag that were never counted as they stand
	missing     int // gates counted that are not in the record, under gaps
	flags       map[string]int
}

// compare follows the record through what the instrument counted. Within a part the
// index moves as the instrument's gates do, unless a gap says that it is not known
// by how many, or it counts other gates than it was set to.
func (b *bench) compare(x box, rows []row, gaps []gap, otherGates bool) comparison {
	b.t.Helper()
	truth := b.told(x)
	seen := comparison{flags: map[string]int{}}
	at := -1      // in the truth
	var last *row // found there
	for i, r := range rows {
		seen.rows++
		if i == 0 || r.part != rows[i-1].part {
			seen.parts++
		}
		if r.flags != "" {
			seen.flags[r.flags]++
		}
		if asksForPoints(x) && strings.Trim(r.values, ",") == "" { // the last of a buffer, asked for too late
			seen.missing++
			continue
		}
		n := find(truth, at+1, r.values)
		if n < 0 && r.flags != "" {
			seen.flagged++
			b.t.Logf("row %d was never counted so, or is out of order: %+v", i, r)
			continue
		}
		if n < 0 {
			seen.never++
			b.t.Logf("row %d was never counted, or is out of order: %+v", i, r)
			continue
		}
		if last != nil {
			gates := truth[n].gate - truth[at].gate
			seen.missing += gates - 1
			// A reading of unverified settings may be of a gate that the instrument began itself.
			sure := !otherGates && last.part == r.part && !strings.Contains(r.flags, "unverified")
			if moved := number(b.t, r.index) - number(b.t, last.index); sure && moved != gates && !b.unknownGapBetween(gaps, *last, r) {
				b.t.Errorf("row %d: the index moved by %d, the instrument counted %d gates; gaps %+v", i, moved, gates, gaps)
			}
		}
		at, last = n, &rows[i]
	}
	if last == nil {
		b.t.Fatal("nothing in the record was counted")
	}
	return seen
}

// find returns where values stand in the truth, not before from; -1 if nowhere.
func find(truth []told, from int, values string) int {
	for i := from; i < len(truth); i++ {
		if strings.Join(truth[i].values, ",") == values {
			return i
		}
	}
	return -1
}

// told reads what the simulator wrote, and makes of it what a gate counted.
func (b *bench) told(x box) []told {
	b.t.Helper()
	text, err := os.ReadFile(b.truth)
	if err != nil {
		b.t.Fatal(err)
	}
	var truth []told
	first := 0
	for i, r := range parseCSV(b.t, string(text))[1:] {
		at, values := number(b.t, r[1]), r[2:]
		if i == 0 {
			first = at
		}
		if x.columns > 0 {
			values = values[:x.columns]
		}
		truth = append(truth, told{gate: i, atS: float64(at-first) / 1e9, values: values})
	}
	if x.told != nil {
		truth = x.told(truth)
	}
	return truth
}

// lastOfEach are the totals of gates that begin with another first value each: those
// told last are those of the whole gate.
func lastOfEach(rows []told) (truth []told) {
	for _, r := range rows {
		if n := len(truth); n > 0 && truth[n-1].values[0] == r.values[0] {
			truth = truth[:n-1]
		}
		truth = append(truth, told{gate: len(truth), values: r.values})
	}
	return truth
}

// threeInTurn are running totals asked for one after the other: each three answers in
// succession make a row. How much the second counter has tells when the gate began,
// and that which one it is: light falls on it at 50 kHz. They are told from the last
// one on, since the dwell time may have been another at first.
func threeInTurn(rows []told) (truth []told) {
	const lightHz, gateS = 50e3, 0.5
	began := func(r told) float64 {
		n, err := strconv.ParseFloat(r.values[1], 64)
		if err != nil {
			panic(err) // the truth has numbers only
		}
		return r.atS - n/lightHz
	}
	for i := 0; i+2 < len(rows); i++ {
		truth = append(truth, told{
			gate:   int(math.Round((began(rows[i+1]) - began(rows[len(rows)-1])) / gateS)),
			values: []string{rows[i].values[0], rows[i+1].values[1], rows[i+2].values[2]},
		})
	}
	return truth
}

// awaitRecord waits until the record's CSV holds a reading that began at a time.
func (b *bench) awaitRecord(until time.Time) {
	b.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		at := b.recorded()
		if n := len(at); n > 0 && !at[n-1].Before(until) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("no reading of %v or later came; %d came before", until.UTC(), len(at))
		}
	}
}

// recorded is when the readings in the record's CSV began.
func (b *bench) recorded() (at []time.Time) {
	b.t.Helper()
	paths, err := filepath.Glob(filepath.Join(b.archive, "pi-lab3-*", "bench.csv"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			b.t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n") // the last one may be being written
		for _, line := range lines[1:max(1, len(lines)-1)] {
			utc, _, _ := strings.Cut(line, ",")
			begin, err := time.Parse(time.RFC3339Nano, utc)
			if err != nil {
				b.t.Fatal(err)
			}
			at = append(at, begin)
		}
	}
	return at
}

// TestInstrumentSettings changes a setting of each instrument while it is recorded,
// from the workstation, and asks for it.
func TestInstrumentSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		box, set, old, value string // value as get tells it
	}{
		{"cc1", "window=5", "7 ns", "5 ns"},
		{"cc1, old firmware", "delay=4", "0 ns", "4 ns"},
		{"sr400", "threshold_a=0.02", "-0.0100 V", "0.0200 V"},
		{"sr400 behind an adapter", "slope_b=fall", "rise", "fall"},
		{"tdc1", "gate=200ms", "100ms", "200ms"},
		{"tdc1, pairs", "threshold=1.2", "-0.500 V", "1.200 V"},
	} {
		x := boxes[c.box]
		t.Run(c.box, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, x.driver, x.options, x.sim...)
			b.startSim()
			gateway := b.startGateway()
			gateway.waitFor("bench", "running")
			record := b.startRecord("--csv")
			b.awaitRecord(time.Now())
			key, _, _ := strings.Cut(c.set, "=")
			tell := func(want string, words ...string) {
				t.Helper()
				code, out, stderr := run(t, "photonrecv", words...)
				if code != 0 || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
					t.Errorf("%s: exit %d\n%s%s\nwant %q", strings.Join(words, " "), code, out, stderr, want)
				}
			}
			tell(c.old+" (read back)", "get", b.addr, "bench", key)
			tell(c.old+" -> ", "set", b.addr, "bench", c.set)
			tell(c.value+" (read back)", "get", b.addr, "bench", key)
			b.awaitRecord(time.Now().Add(time.Second))
			record.stop()
			gateway.stop()
			if seen := b.compare(x, b.cat(), b.gaps(), false); seen.never > 0 {
				t.Errorf("%+v", seen)
			}
			if events := b.setEvents(); len(events) != 1 || events[0][6] != c.old {
				t.Errorf("events: %q", events)
			}
		})
	}
}
