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
		// torn: nothing but silence is between records, and on a machine that is busy it
		// may be in the midst of one as well: that one is missing then, under a gap.
		torn bool
	}{
		"text, free-running, only a file": {driver: inventedCounter, least: 30},
		"totals that wrap, only a file":   {driver: inventedTotal, sim: []string{"--total", "65520"}, least: 30},
		"text, fast, 16 bits":             {driver: "arduino-timer1", least: 150},
		"text, stretched gates":           {driver: "freqcount", sim: []string{"--stretch", "5ms"}, least: 3},
		"text, asked":                     {driver: "silab-freqcount", options: `gate = "50ms"`, least: 3},
		"text, asked, rate":               {driver: "teensy-photon-counter", options: `gate = "100ms"`, least: 6},
		"text, asked, chatter":            {driver: "arduino-coincidence", least: 2},
		"text, asked, echo":               {driver: "rp2040-pmt", least: 3},
		"labels and values":               {driver: "mightyohm", least: 3},
		"a header and a clock":            {driver: "photonchopper", least: 15},
		"blocks that end in !":            {driver: "moltech-fss", least: 3},
		"repeated text":                   {driver: "mini-sid", least: 3},
		"binary, asked":                   {driver: "dist-board", least: 30},
		"binary, asked with the gate":     {driver: "rotgradpsi", options: `gate = "50ms"`, least: 30},
		"binary, with sync":               {driver: "bristol-cqp", least: 3},
		"binary, with a last byte":        {driver: "de2-frame", least: 30},
		"binary, silence between":         {driver: "coincide", sim: []string{"--pace"}, least: 3, torn: true},
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
			code := b.startRecord("--for", "6s", "--csv").exit()
			rows, gaps := b.cat(), b.gaps()
			torn := c.torn && len(gaps) > 0 && !slices.ContainsFunc(gaps, func(g gap) bool { return g.cause != "damaged bytes" })
			if code != 0 && !torn {
				t.Fatalf("record: exit %d, gaps %+v", code, gaps)
			}
			if torn {
				t.Logf("tally: %d rows, silence in the midst of records: %+v", len(rows), gaps)
				checkInOrder(t, rows, b.truthRows())
				return
			}
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
		// Without @, which the name of the pty would have as well.
		t.Run(strings.Replace(c.fault, "@", " at ", 1), func(t *testing.T) {
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

// checkInOrder demands that each row was counted, one behind the other.
func checkInOrder(t *testing.T, rows []row, truth []string) {
	t.Helper()
	at := -1
	for i, r := range rows {
		n := slices.Index(truth[at+1:], r.values)
		if n < 0 {
			t.Fatalf("row %d was never counted, or is out of order: %+v", i, r)
		}
		at += 1 + n
	}
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
