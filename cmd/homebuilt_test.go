package cmd_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// inventedCounter is in no preset, and nothing was ever written for it but this
// file: numbered lines such as "n=17 | idler 1200 | both 33 | 21.55 C", ten a second.
const inventedCounter = `name  = "invented"
title = "a counter that nobody built"
[link]
baud = 38400
[gate]
time   = "100ms"
number = "n"
[text]
pattern = 'n=(?P<n>\d+) \| idler (?P<idler>\d+) \| both (?P<both>\d+) \| (?P<box>\d+\.\d\d) C'
skip    = ['^\*']
[[channel]]
name = "idler"
[[channel]]
name = "both"
[[channel]]
name     = "box"
kind     = "auxiliary"
decimals = 2
unit     = "degC"
[[example]]
bytes    = "* hello\r\nn=17 | idler 1200 | both 33 | 21.55 C\r\nn=18 | idler 900 | both 0 | 21.60 C\r\n"
readings = [[1200, 33, 21.55], [900, 0, 21.6]]
skipped  = 1
`

// inventedTotal is another: running totals of 16 bits, asked for.
const inventedTotal = `name = "invented-total"
[link]
baud = 115200
[poll]
send  = "T?\n"
every = "100ms"
[text]
pairs = true
[[channel]]
name  = "A"
kind  = "total"
width = 16
[[channel]]
name  = "B"
kind  = "total"
width = 16
[[example]]
bytes    = "A=65535 B=7\r\n"
readings = [[65535, 7]]
`

// counterFile writes an instrument file and returns its path.
func counterFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "counter.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHomeBuiltCounters: nothing but an instrument file on either side, and what
// was counted is what is recorded, value for value.
func TestHomeBuiltCounters(t *testing.T) {
	for name, c := range map[string]struct {
		driver, options string
		sim             []string
		least           int // rows in 6 s
	}{
		"text, free-running, only a file": {inventedCounter, "", nil, 30},
		"totals that wrap, only a file":   {inventedTotal, "", []string{"--total", "65520"}, 30},
		"text, fast, 16 bits":             {"arduino-timer1", "", nil, 150},
		"text, stretched gates":           {"freqcount", "", []string{"--stretch", "5ms"}, 3},
		"text, asked":                     {"silab-freqcount", `gate = "50ms"`, nil, 3},
		"text, asked, rate":               {"teensy-photon-counter", `gate = "100ms"`, nil, 6},
		"text, asked, chatter":            {"arduino-coincidence", "", nil, 2},
		"text, asked, echo":               {"rp2040-pmt", "", nil, 3},
		"labels and values":               {"mightyohm", "", nil, 3},
		"a header and a clock":            {"photonchopper", "", nil, 15},
		"blocks that end in !":            {"moltech-fss", "", nil, 3},
		"repeated text":                   {"mini-sid", "", nil, 3},
		"binary, asked":                   {"dist-board", "", nil, 30},
		"binary, asked with the gate":     {"rotgradpsi", `gate = "50ms"`, nil, 30},
		"binary, with sync":               {"bristol-cqp", "", nil, 3},
		"binary, with a last byte":        {"de2-frame", "", nil, 30},
		"binary, silence between":         {"coincide", "", []string{"--pace"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := c.driver
			if strings.Contains(driver, "\n") {
				driver = counterFile(t, driver)
			}
			b := newBench(t, driver, c.options, c.sim...)
			b.startSim()
			gateway := b.startGateway()
			gateway.waitFor("bench", "running")
			if code := b.startRecord("--for", "6s").exit(); code != 0 {
				t.Fatalf("record: exit %d", code)
			}
			rows := b.cat()
			if len(rows) < c.least {
				t.Fatalf("%d rows in 6 s, want at least %d", len(rows), c.least)
			}
			checkValues(t, rows, b.truthRows())
			if code, out := b.verifyJSON(); code != 0 {
				t.Errorf("verify: exit %d, want 0\n%s", code, out)
			}
		})
	}
}

// TestHomeBuiltCounterWithFaults injects faults into the counter that has only a
// file: what the bytes reveal is a gap or a flag, the rest was counted, in order.
func TestHomeBuiltCounterWithFaults(t *testing.T) {
	for _, c := range []struct {
		fault  string
		faultS float64
		blind  bool // the bytes cannot reveal it
	}{
		{"torn@3s", 0, false},
		{"garbage@3s:8", 0, true},
		{"flood@3s:1000", 0, true},
		{"junk@3s", 0, false},
		{"drop@3s:1", 0, true}, /* a digit, perhaps */
		{"lostpacket@3s:64", 0, true},
		{"flip@3s", 0, true},
		{"duplicate@3s", 0, false},
		{"stall@3s:2s", 2, false},
		{"late@3s:1500ms", 0, false},
		{"split@3s:20ms", 0, false},
		{"unplug@3s:2s", 2, false},
		{"brownout@3s:1s", 1, false},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, counterFile(t, inventedCounter), "", "--fault", c.fault)
			sim := b.startSim()
			gateway := b.startGateway()
			gateway.waitFor("bench", "running")
			if code := b.startRecord("--for", "10s", "--csv").exit(); code != 0 && code != 1 {
				t.Fatalf("record: exit %d", code)
			}
			sim.waitFor(strings.Split(c.fault, "@")[0] + "@") // it did happen
			b.checkFaulty(c.faultS, c.blind)
		})
	}
}

// TestEveryEventIsCounted: instruments that send something for each event. After
// the detector has died as many are recorded as there were.
func TestEveryEventIsCounted(t *testing.T) {
	for _, driver := range []string{"geigerlink", "cosmicwatch"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, driver, "", "--fault", "dead@7s")
			sim := b.startSim()
			gateway := b.startGateway()
			gateway.waitFor("bench", "running")
			sim.waitFor("dead@")
			if code := b.startRecord("--for", "3s", "--resume").exit(); code != 0 {
				t.Fatalf("record: exit %d", code)
			}
			sum := 0
			for _, r := range b.cat() {
				sum += number(t, r.values)
			}
			began := b.firstTime()
			// An event comes up to a slot of 10 ms after its time; the rest is for a
			// machine that is busy as the first gate begins.
			least, most := b.eventsSince(began), b.eventsSince(began.Add(-300*time.Millisecond))
			if sum < least || sum > most || least < 10 {
				t.Errorf("%d events were recorded from %v on, and there were %d to %d", sum, began, least, most)
			}
		})
	}
}

// firstTime is when the first gate recorded began.
func (b *bench) firstTime() time.Time {
	b.t.Helper()
	code, out, stderr := run(b.t, "photonrecv", "cat", b.archive, "--stream", "bench")
	if code != 0 {
		b.t.Fatalf("cat: exit %d\n%s", code, stderr)
	}
	at, err := time.Parse(time.RFC3339Nano, parseCSV(b.t, out)[1][0])
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

// eventsSince is how many events the truth has from a time on.
func (b *bench) eventsSince(from time.Time) (n int) {
	b.t.Helper()
	text, err := os.ReadFile(b.truth)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, r := range parseCSV(b.t, string(text))[1:] {
		if ns, err := strconv.ParseInt(r[1], 10, 64); err != nil {
			b.t.Fatal(err)
		} else if !time.Unix(0, ns).Before(from) {
			n++
		}
	}
	return n
}

// checkValues demands that the rows are a run of the truth. Where this computer
// times the gates it may say that it was late, and that the first one began at a
// time that is not known.
func checkValues(t *testing.T, rows []row, truth []string) {
	t.Helper()
	first := slices.Index(truth, rows[0].values)
	if first < 0 {
		t.Fatalf("the first row recorded was never counted: %+v; the first that was: %s", rows[0], truth[0])
	}
	for i, r := range rows {
		if first+i >= len(truth) {
			t.Fatalf("row %d of %d is beyond the last that was counted", i, len(rows))
		}
		if want := truth[first+i]; r.values != want {
			t.Fatalf("row %d: got %s, the instrument counted %s", i, r.values, want)
		}
		if r.flags != "" && r.flags != "late" && (i > 0 || r.flags != "first") {
			t.Errorf("row %d of %.6f s carries flags %q in an undisturbed run", i, r.gateS, r.flags)
		}
	}
}
