package sr400

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
	"photongate/sim/bench"
)

func newUnit(t testing.TB, ratesHz []float64, o Options) *Unit {
	t.Helper()
	light, err := bench.Light(Inputs(), ratesHz)
	if err != nil {
		t.Fatal(err)
	}
	o.Light = light
	u, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newBench(t testing.TB, ratesHz []float64, o Options) *bench.Bench {
	t.Helper()
	return bench.New(newUnit(t, ratesHz, o))
}

func TestReplies(t *testing.T) {
	const wrong = "128\r" // bit 7, and nothing else said
	for name, c := range map[string]struct{ ask, want string }{
		"set commands are silent":  {"CP2,1E7\rNP 3\rCR\rCM 0\rDT 2E-3\rNE 0\rDS 0,1\rDL 0,-.01\rGM 0,0\rTS 1\rPL 1,5\rMI 1\rSW 0\rMS HELLO\rSS\r", "0\r"},
		"newline":                  {"SS\n", "0\r"},
		"both line ends":           {"SS\r\n", "0\r"},
		"semicolons":               {"SS;SS 1;ss2\r", "0\r0\r0\r"},
		"lower case and blanks":    {" s s \r n P 5\rnp\r", "0\r5\r"},
		"empty commands":           {"\r\n\r;;\r \rSS\r", "0\r"},
		"reset gives no data":      {"CR\rQA1\rQA\rQB\rQB 2000\r", "-1\r-1\r-1\r-1\r"},
		"no such point":            {"QA 0\rSS\r", wrong},
		"too far a point":          {"QA2001\rSS\r", wrong},
		"no such command":          {"*IDN?\rSS\r", wrong},
		"no such letters":          {"ZZ\rSS 7\rSS 7\r", "1\r0\r"},
		"one letter":               {"Q\rSS\r", wrong},
		"no number":                {"CP2,1E7x\rSS\r", wrong},
		"not a number":             {"CP2,NAN\rSS\r", wrong},
		"no value":                 {"CP2,\rSS\r", wrong},
		"preset":                   {"CP2\rCP1\r", "1E7\r1E3\r"},
		"preset, one digit":        {"CP2,12\rCP2\rCP 2,99\rCP2\r", "1E1\r9E1\r"},
		"preset with blanks":       {" CP2,200   E4 \rCP2\r", "2E6\r"},
		"preset with a point":      {"CP2, 500001.0\n\r\nCP2\rSS\r", "5E5\r0\r"},
		"preset too large":         {"CP2,9.1E11\rSS\rCP2,9E11\rCP2\r", wrong + "9E11\r"},
		"preset too small":         {"CP2,0\rSS\r", wrong},
		"preset of A":              {"CP0,5\rSS\r", wrong},
		"dwell":                    {"DT\rDT 0.025\rDT\rDT 0\rDT\r", "1E0\r2E-2\r0E0\r"},
		"dwell too short":          {"DT 1E-3\rSS\r", wrong},
		"periods":                  {"NP\rNP 2000\rNP 1\rNP\r", "2000\r1\r"},
		"periods out of range":     {"NP 0\rSS\rNP 2001\rSS\rNP 1.5\rSS\r", wrong + wrong + wrong},
		"inputs":                   {"CI0\rCI1\rCI2\r", "1\r2\r0\r"},
		"inputs allowed":           {"CI0,0\rCI1,1\rCI2,3\rCI0;CI1;CI2\r", "0\r1\r3\r"},
		"inputs not allowed":       {"CI0,2\rSS\rCI1,0\rSS\rCI2,1\rSS\r", wrong + wrong + wrong},
		"count mode":               {"CM\rCM 3\rCM\rCM 4\rSS\r", "0\r3\r" + wrong},
		"level in steps":           {"DL0,0.0123\rDL0\r", "1.24E-2\r"},
		"level now":                {"DL 1,-0.3\rDZ 1\r", "-3E-1\r"},
		"trigger":                  {"TL -1.5\rTL\rTS 1\rTS\r", "-1.5E0\r1\r"},
		"gate":                     {"GW 1,999.2E-3\rGW 1\rGD 0,1E-6\rGD0\r", "9.992E-1\r1E-6\r"},
		"gate too long":            {"GW 0,1\rSS\r", wrong},
		"no such gate":             {"GM 2,1\rSS\r", wrong},
		"ports":                    {"PL 2,-10\rPL 2\rPZ 2\rPL 3,1\rSS\r", "-1E1\r-1E1\r" + wrong},
		"store and recall":         {"NP 7\rST 3\rNP 8\rRC 3\rNP\rRC 0\rNP\r", "7\r2000\r"},
		"recall not of interface":  {"SV 8\rNP 7\rRC 0\rSV\r", "8\r"},
		"recall of nothing":        {"RC 4\rSS 5\rSS 5\r", "1\r0\r"},
		"store of the defaults":    {"ST 0\rSS\r", wrong},
		"clear":                    {"NP 7\rCP2,5\rCL\rNP\rCP2\r", "2000\r1E7\r"},
		"other ending":             {"SE 13,10\rSS\rSE 33\rSS\rSE\rSS\r", "0\r\n0!0\r"},
		"too long an ending":       {"SE 1,2,3,4,5\rSS\r", wrong},
		"not counting":             {"SI\rSI 2\rXA\rXB\rNN\r", "0\r0\r0\r0\r1\r"},
		"streams of B preset":      {"CM 3\rFB\rSS\rFT\rSS\rEB\rSS\rET\rSS\rQB\r", wrong + wrong + wrong + wrong + "-1\r"},
		"service request":          {"SV 128\rZZ\rSS\r", "192\r"},
		"much too long":            {strings.Repeat("9", 5000) + "\rSS\r", wrong},
		"whole buffer of nothing":  {"EA\rET\rSS\r", "0\r"},
		"local and remote":         {"MI 2\rMI\r", "2\r"},
		"several at once as qtlab": {"CR; FA\rSI 2\r", "1\r"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newBench(t, nil, Options{}).Ask(c.ask); got != c.want {
				t.Errorf("%q was answered %q, expected %q", c.ask, got, c.want)
			}
		})
	}
}

func TestPlainNumbersAndWidth(t *testing.T) {
	b := newBench(t, nil, Options{PlainNumbers: true, Width: 6})
	if got := b.Ask("CP2\rDT 2E-3\rDT\rQA\r"); got != "10000000\r0.002\r    -1\r" {
		t.Errorf("got %q", got)
	}
}

// 10 MHz for 1E6 periods of 100 ns is 0.1 s; then 20 ms of dwell.
func TestScan(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5}, Options{})
	b.Ask("CP2,1E6\rDT 2E-2\rNP 3\rNE 0\rCR\rCS\r")
	b.Wait(50 * time.Millisecond)
	if got := b.Ask("SI\rSS 1\rQA\rNN\r"); got != "4\r0\r-1\r1\r" {
		t.Errorf("in the first period: %q", got)
	}
	b.Wait(60 * time.Millisecond) // 110 ms: dwelling
	if got := b.Ask("SI\rSS 1\rSS 1\rXA\rNN\rSS 2\r"); got != "0\r1\r0\r0\r2\r0\r" {
		t.Errorf("in the first dwell time: %q", got)
	}
	point := func(n int) string { v := b.Rows[n].Values; return fmt.Sprintf("%d\r%d\r", v[0], v[1]) }
	if got := b.Ask("QA\rQB\rQA 1\rQB1\rQA 2\r"); got != point(0)+point(0)+"-1\r" {
		t.Errorf("the first point is %q, the truth %v", got, b.Rows)
	}
	b.Wait(10 * time.Second)
	if got := b.Ask("SS\rSS\rSI\rNN\r"); got != "6\r0\r0\r3\r" {
		t.Errorf("after the scan: %q", got)
	}
	if got := b.Ask("QA\rQB\rET\r"); got != point(2)+point(0)+point(1)+point(2) {
		t.Errorf("the points are %q, the truth %v", got, b.Rows)
	}
	var ends []time.Duration
	for _, row := range b.Rows {
		ends = append(ends, row.After)
		if row.Values[0] < 9_000 || row.Values[0] > 11_000 || row.Values[1] < 18_000 || row.Values[1] > 22_000 {
			t.Errorf("a tenth of a second of 1E5 and 2E5 per second is %v", row.Values)
		}
	}
	if diff := cmp.Diff(ends, []time.Duration{100e6, 220e6, 340e6}); diff != "" {
		t.Errorf("the periods ended at (-got +want):\n%s", diff)
	}
	if got := b.Ask("CS\rSI\rCR\rQA\rQA1\rSS\r"); got != "0\r-1\r-1\r0\r" {
		t.Errorf("after a reset: %q", got)
	}
}

// The rows of the reference: A1 B1 A2 B2 A3 B3, one pair for each period.
func TestStreamOfBoth(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5}, Options{})
	b.Ask("CP2,1E6\rDT 2E-3\rNP 3\rCR\rFT\r")
	b.Step(350 * time.Millisecond)
	var want []bench.Message
	for _, row := range b.Rows {
		for _, v := range row.Values {
			want = append(want, bench.Message{After: row.After, Text: fmt.Sprintf("%d\r", v)})
		}
	}
	if diff := cmp.Diff(b.Sent, want); diff != "" || len(want) != 6 {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
	b.Text()
	if got := b.Ask("EA\r"); strings.Count(got, "\r") != 3 {
		t.Errorf("the buffer after the stream is %q", got)
	}
	if got := b.Ask("FA\rSS 7\rCR\rFA\rSS 7\r"); got != "1\r0\r" {
		t.Errorf("F without and with a reset before it: %q", got)
	}
}

func TestScansOneAfterAnother(t *testing.T) {
	b := newBench(t, []float64{1e5, 0}, Options{})
	b.Ask("CP2,1E6\rDT 1E-1\rNP 2\rNE 1\rCR\rCS\r")
	b.Step(950 * time.Millisecond)
	if len(b.Rows) != 5 { // at 0.1, 0.3, 0.5, 0.7, 0.9 s
		t.Errorf("%d periods in 0.95 s, expected 5", len(b.Rows))
	}
	want := fmt.Sprintf("%d\r%d\r-1\r", b.Rows[4].Values[0], b.Rows[4].Values[0])
	if got := b.Ask("QA\rQA1\rQA2\r"); got != want {
		t.Errorf("in the third scan: %q, expected %q", got, want)
	}
}

// F gives the points of one scan, also when another follows by itself.
func TestStreamEndsWithItsScan(t *testing.T) {
	b := newBench(t, []float64{1e5, 0}, Options{})
	b.Ask("CP2,1E6\rDT 1E-1\rNP 2\rNE 1\rCR\rFA\r")
	b.Step(950 * time.Millisecond)
	if got := strings.Count(b.Text(), "\r"); got != 2 || len(b.Rows) != 5 {
		t.Errorf("%d points sent of %d, expected 2 of 5", got, len(b.Rows))
	}
}

// A new scan ends what is being sent of the one before.
func TestNewScanKillsTheBuffer(t *testing.T) {
	b := newBench(t, []float64{1e5, 0}, Options{Baud: 300})
	b.Ask("CP2,1E6\rDT 1E-1\rNP 5\rNE 1\rCR\rCS\r")
	b.Step(950 * time.Millisecond) // the fifth period ended at 0.9 s, a new scan begins at 1.0 s
	if sent := b.Ask("EA\r"); sent != "" {
		t.Errorf("at once: %q", sent)
	}
	b.Step(5 * time.Second)
	if got := b.Text(); strings.Contains(got, "\r") {
		t.Errorf("after 50 ms a new scan began, yet %q was sent", got)
	}
}

func TestPause(t *testing.T) {
	b := newBench(t, []float64{1e5, 0}, Options{})
	b.Ask("CP2,1E7\rCR\rCS\r")
	b.Wait(400 * time.Millisecond)
	b.Ask("CH\r")
	b.Wait(5 * time.Second)
	if got := b.Ask("SI\rXA\rSS 1\rCS\rSI\r"); got != "0\r0\r0\r4\r" {
		t.Errorf("paused: %q", got)
	}
	b.Wait(700 * time.Millisecond)
	if len(b.Rows) != 1 || b.Rows[0].After != 6*time.Second || b.Rows[0].Values[0] < 95_000 || b.Rows[0].Values[0] > 105_000 {
		t.Errorf("the period ended with %v, expected 1 s of counts at 6 s", b.Rows)
	}
	if got := b.Ask("CH\rCH\rQA\rNN\r"); got != "-1\r1\r" {
		t.Errorf("stopped twice: %q", got)
	}
	b.Ask("CS\r")
	if got := b.Ask("CP2,1E6\rSI\r"); got != "0\r" {
		t.Errorf("a new preset while counting: %q", got)
	}
}

func TestExternalDwellEndsWithStart(t *testing.T) {
	b := newBench(t, []float64{1e5, 0}, Options{})
	b.Ask("CP2,1E6\rDT 0\rCR\rCS\r")
	b.Wait(10 * time.Second)
	if len(b.Rows) != 1 {
		t.Errorf("%d periods, expected one", len(b.Rows))
	}
	b.Ask("CS\r")
	b.Wait(time.Second)
	if len(b.Rows) != 2 || b.Rows[1].After != 10100*time.Millisecond {
		t.Errorf("truth %v", b.Rows)
	}
}

// B counts to 1000: at 1E5 per second that takes 10 ms, in which A counts 2000.
func TestBPreset(t *testing.T) {
	b := newBench(t, []float64{2e5, 1e5}, Options{})
	b.Ask("CM 3\rCP1,1E3\rDT 2E-3\rNP 50\rCR\rFA\r")
	b.Step(2 * time.Second)
	if len(b.Rows) != 50 {
		t.Fatalf("%d periods", len(b.Rows))
	}
	sum := uint64(0)
	for i, row := range b.Rows {
		sum += row.Values[0]
		if row.Values[1] != 1000 || b.Sent[i].Text != fmt.Sprintf("%d\r", row.Values[0]) {
			t.Errorf("period %d: truth %v, said %q", i, row.Values, b.Sent[i].Text)
		}
	}
	if sum < 96_000 || sum > 104_000 {
		t.Errorf("A counted %d in 50 periods, expected about 100000", sum)
	}
	if end := b.Rows[49].After; end < 560*time.Millisecond || end > 640*time.Millisecond {
		t.Errorf("50 periods of about 12 ms took %v", end)
	}
	if got := b.Ask(strings.Repeat(" ", 3) + "QB\r"); !strings.HasSuffix(got, "\r-1\r") {
		t.Errorf("QB with B preset: %q", got)
	}
}

func TestTByPulsesAndTriggers(t *testing.T) {
	b := newBench(t, []float64{2e5, 1e5}, Options{TriggerHz: 1000})
	b.Ask("CI2,2\rCP2,1E4\rNP 1\rCR\rCS\r") // 1E4 pulses of INPUT 2: 0.1 s
	b.Step(time.Second)
	b.Ask("CI2,3\rCP2,5E2\rCR\rCS\r") // 500 triggers: 0.5 s
	b.Step(time.Second)
	if len(b.Rows) != 2 {
		t.Fatalf("truth %v", b.Rows)
	}
	if v := b.Rows[0].Values[1]; v < 9_990 || v > 10_000 {
		t.Errorf("INPUT 2 gave %d of 10000", v)
	}
	if got := b.Rows[1].After; got != 1500*time.Millisecond {
		t.Errorf("500 triggers were over at %v", got)
	}
}

func TestTenMegahertzIntoA(t *testing.T) {
	b := newBench(t, nil, Options{})
	b.Ask("CI0,0\rCP2,1E6\rNP 1\rCR\rFA\r")
	b.Wait(time.Second)
	if got := b.Text(); got != "1000000\r" {
		t.Errorf("0.1 s of 10 MHz is %q", got)
	}
	b.Ask("CP2,2E9\rCR\rFA\r") // 200 s: two thousand million
	b.Wait(201 * time.Second)
	if got := b.Ask("SS\r"); got != "0\r14\r" {
		t.Errorf("a full counter: %q, expected 0 and data ready, scan finished, overflow", got)
	}
}

func TestOverflowByFault(t *testing.T) {
	for stick, want := range map[bool]string{false: "0\r10\r0\r", true: "999999999\r10\r0\r"} {
		b := newBench(t, nil, Options{Stick: stick})
		b.Ask("CP2,1E6\rNP 9\rCR\rCS\r")
		b.Wait(50 * time.Millisecond)
		b.Event(sim.Event{Kind: sim.Overflow, Channel: -1})
		b.Wait(100 * time.Millisecond)
		if got := b.Ask("QA\rSS\rSS\r"); got != want {
			t.Errorf("sticks %v: %q, expected %q", stick, got, want)
		}
	}
}

func TestRepliesTakeTheirTime(t *testing.T) {
	b := newBench(t, nil, Options{Baud: 300})
	b.Ask("SS\r")
	b.Ask("CP2\rSW 3\r")
	b.Step(time.Second)
	// 2 and 4 bytes of 33.3 ms; SW adds 9.99 ms to each byte that is not yet sent.
	var sent []time.Duration
	for _, m := range b.Sent {
		sent = append(sent, m.After.Round(time.Millisecond))
	}
	if diff := cmp.Diff(sent, []time.Duration{87e6, 260e6}); diff != "" {
		t.Errorf("sent at (-got +want):\n%s", diff)
	}
}

func TestResetKillsAStreamInMidRecord(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5}, Options{Baud: 300})
	b.Ask("CP2,1E7\rNP 3\rDT 2E-3\rCR\rFT\r")
	b.Step(1110 * time.Millisecond) // three bytes of the first record have gone
	got := b.Ask("CR\r")
	b.Step(10 * time.Second)
	want := fmt.Sprint(b.Rows[0].Values[0])[:3]
	if got += b.Text(); got != want || len(b.Rows) != 1 {
		t.Errorf("sent %q, expected %q; truth %v", got, want, b.Rows)
	}
	if got := b.Ask("SS\r"); got != "" {
		t.Errorf("at once: %q", got)
	}
	b.Step(time.Second)
	if got := b.Text(); got != "2\r" {
		t.Errorf("after the reset: %q", got)
	}
}

func TestASecondBufferWhileOneIsSent(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5}, Options{Baud: 300})
	b.Ask("CP2,1E5\rNP 5\rDT 2E-3\rCR\rCS\r")
	b.Step(time.Second)
	b.Ask("EA\rEA\rEB\r")
	b.Step(10 * time.Second)
	if lines := strings.Count(b.Text(), "\r"); lines != 5 {
		t.Errorf("%d records, expected the 5 of the first", lines)
	}
	b.Ask("SS 7\r")
	b.Step(time.Second)
	if got := b.Text(); got != "1\r" {
		t.Errorf("bit 7 is %q", got)
	}
}

func TestEcho(t *testing.T) {
	b := newBench(t, nil, Options{Echo: true})
	if got := b.Ask("QA\r"); got != "QA\r\n-1\r\n" {
		t.Errorf("got %q", got)
	}
	if got := b.Ask("n p5\r\nNP") + b.Ask("\r"); got != "n p5\r\nNP\r\n5\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestPowerUp(t *testing.T) {
	b := newBench(t, nil, Options{Garbage: true})
	b.Text()
	if got := b.Ask("NP 5\rNP\rSS\r"); got != "2000\r128\r" {
		t.Errorf("the first command came through: %q", got)
	}
	b.Ask("NP 6\r")
	b.Event(sim.Event{Kind: sim.Reboot, For: 3 * time.Second})
	b.Text()
	if got := b.Ask("SS\r"); got != "" {
		t.Errorf("while it starts: %q", got)
	}
	b.Wait(3 * time.Second)
	if got := b.Text(); got != "\xff" {
		t.Errorf("it says %q when it starts", got)
	}
	if got := b.Ask("\r\rSS\rNP\r"); got != "128\r6\r" {
		t.Errorf("after two returns: %q", got)
	}
}

func TestLeftAndForgets(t *testing.T) {
	b := newBench(t, []float64{1e5, 0}, Options{Forgets: true, Left: "NP 3;CP2,1E6;NE 1;CS"})
	b.Wait(150 * time.Millisecond)
	if got := b.Ask("NP\rNE\rSI\rSS 1\r"); got != "3\r1\r0\r1\r" {
		t.Errorf("left: %q", got)
	}
	b.Event(sim.Event{Kind: sim.Reboot})
	if got := b.Ask("NP\rSI\rSS\rQA\r"); got != "2000\r0\r0\r-1\r" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestPanelAndRefusal(t *testing.T) {
	b := newBench(t, nil, Options{})
	b.Event(sim.Event{Kind: sim.Panel})
	if got := b.Ask("DL0\rSS\r"); got != "0E0\r1\r" {
		t.Errorf("after a knob was turned: %q", got)
	}
	b.Ask("MI 2\r")
	b.Event(sim.Event{Kind: sim.Panel})
	if got := b.Ask("DL0\rSS\r"); got != "0E0\r0\r" {
		t.Errorf("locked out: %q", got)
	}
	b.Event(sim.Event{Kind: sim.Refuse})
	if got := b.Ask("\rNP 5\rNP\rSS\r"); got != "2000\r128\r" {
		t.Errorf("refused: %q", got)
	}
}

func TestNumberOfThePeriod(t *testing.T) {
	for finished, want := range map[bool]string{false: "1\r2\r3\r", true: "1\r1\r3\r"} {
		b := newBench(t, nil, Options{FinishedNN: finished})
		got := b.Ask("CP2,1E6\rDT 1E-1\rNP 3\rCR\rCS\rNN\r")
		b.Wait(150 * time.Millisecond)
		got += b.Ask("NN\r")
		b.Wait(10 * time.Second)
		if got += b.Ask("NN\r"); got != want {
			t.Errorf("finished %v: %q, expected %q", finished, got, want)
		}
	}
}

func TestDistinct(t *testing.T) {
	b := newBench(t, []float64{1e5, 0}, Options{Distinct: true})
	b.Ask("CP2,1E6\rDT 2E-3\rNP 3\rCR\rFA\r")
	b.Wait(time.Second)
	if got := b.Text(); got != "1000000\r1000001\r1000002\r" {
		t.Errorf("got %q", got)
	}
}

func TestNewRefuses(t *testing.T) {
	light, err := bench.Light(Inputs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"must have the inputs 1 and 2": {},
		"1234 Bd: expected 300":        {Light: light, Baud: 1234},
		"expected within 100000":       {Light: light, FastPPM: -1e5},
		"triggers per second":          {Light: light, TriggerHz: -1},
		"no echo on GPIB":              {Light: light, Echo: true, GPIB: true},
		"counts of 99 characters":      {Light: light, Width: 99},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, expected one with %q", err, want)
		}
	}
	u := newUnit(t, nil, Options{})
	for want, f := range map[string]sim.Fault{
		"counters 0 (A) and 1 (B), not 2": {Kind: sim.FaultOverflow, Count: 2},
		"sr400 has no lostmarker":         {Kind: sim.FaultLostMarker},
	} {
		if err := u.CheckFault(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", f.Kind, err)
		}
	}
}

// However the bytes are cut, the answers are the same, and nothing hangs.
func FuzzCommandsInPieces(f *testing.F) {
	f.Add([]byte("CP2,1E7\rNP 3\rCR\rFT\rQA\r"), 3)
	f.Add([]byte(" CP2,200   E4 \rcp2\nSS;SI;ZZ;SS\r"), 12)
	f.Add([]byte("SE 13,10\rSS\r\xffSW 25\rDZ 2\rRC 1\r"), 9)
	f.Add([]byte("++addr 23\nSS\n++auto 1\n\x1b+SS\n"), 5)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			return
		}
		for _, o := range []Options{{}, {Echo: true}, {GPIB: true}} {
			whole, pieces := newBench(t, nil, o), newBench(t, nil, o)
			whole.Write(string(data))
			pieces.Write(string(data[:cut]))
			pieces.Write(string(data[cut:]))
			whole.Wait(time.Second)
			pieces.Wait(time.Second)
			if want, got := whole.Text(), pieces.Text(); got != want {
				t.Errorf("%q: answered %q whole and %q in pieces", data, want, got)
			}
		}
	})
}
