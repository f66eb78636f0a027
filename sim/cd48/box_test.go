package cd48

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
)

// recorder is a line that remembers.
type recorder struct {
	sent  []message
	rows  []row
	tears int
}

type message struct {
	After time.Duration // since power-on
	Text  string
}

type row struct {
	After  time.Duration
	Values []uint64
}

var powerOn = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func (r *recorder) Send(at time.Time, b []byte) {
	r.sent = append(r.sent, message{at.Sub(powerOn), string(b)})
}

func (r *recorder) TearNext() { r.tears++ }

func (r *recorder) Latched(at time.Time, values []uint64) {
	r.rows = append(r.rows, row{at.Sub(powerOn), append([]uint64(nil), values...)})
}

// text is everything sent since the last call.
func (r *recorder) text() string {
	var b strings.Builder
	for _, m := range r.sent {
		b.WriteString(m.Text)
	}
	r.sent = nil
	return b.String()
}

// bench is a box with power, driven by hand.
type bench struct {
	*recorder
	box *Box
	now time.Time
}

func newBench(t *testing.T, ratesHz []float64, o Options) *bench {
	t.Helper()
	light, err := sim.NewLight(sim.LightSettings{Inputs: Inputs(), RatesHz: ratesHz, Window: 25 * time.Nanosecond, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	o.Light = light
	box, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{recorder: &recorder{}, box: box, now: powerOn}
	b.event(sim.Event{Kind: sim.PowerOn})
	b.event(sim.Event{Kind: sim.Opened})
	return b
}

func (b *bench) event(ev sim.Event) {
	ev.At = b.now
	b.box.Advance(b.now, b)
	b.box.Handle(ev, b)
}

func (b *bench) wait(d time.Duration) {
	b.now = b.now.Add(d)
	b.box.Advance(b.now, b)
}

// ask writes bytes and returns what came back.
func (b *bench) ask(text string) string {
	b.event(sim.Event{Kind: sim.Received, Data: []byte(text)})
	return b.text()
}

const zeros = "0 0 0 0 0 0 0 0 0\r\n"

func TestReplies(t *testing.T) {
	for name, c := range map[string]struct{ ask, want string }{
		"counts":               {"c\r", zeros},
		"counts for people":    {"C\r", "Counter 0: 0\r\nCounter 1: 0\r\nCounter 2: 0\r\nCounter 3: 0\r\nCounter 4: 0\r\nCounter 5: 0\r\nCounter 6: 0\r\nCounter 7: 0\r\nOverflow: 0\r\n"},
		"newline":              {"c\n", zeros},
		"both line ends":       {"c\r\n", zeros},
		"no terminator":        {"c", zeros},
		"glued":                {"cc", zeros + zeros},
		"flags":                {"E\r", "0\r\n"},
		"settings":             {"p\r", "8 4 2 1 12 10 9 14 1000 0 50 0\r\n"},
		"mask padded":          {"S41010\rp\r", "8 4 2 1 10 10 9 14 1000 0 50 0\r\n"},
		"mask, no terminator":  {"S71111p", "8 4 2 1 12 10 9 15 1000 0 50 0\r\n"},
		"mask of nothing":      {"S00000p", "0 4 2 1 12 10 9 14 1000 0 50 0\r\n"},
		"mask too short":       {"S4111\rp", "8 4 2 1 12 10 9 14 1000 0 50 0\r\n"},
		"mask cut by a letter": {"S41p", "8 4 2 1 12 10 9 14 1000 0 50 0\r\n"},
		"no such counter":      {"S81111p", "8 4 2 1 12 10 9 14 1000 0 50 0\r\n"},
		"no such mask":         {"S41112p", "8 4 2 1 12 10 9 14 1000 0 50 0\r\n"},
		"level padded":         {"L050\rL007p", "8 4 2 1 12 10 9 14 1000 0 7 0\r\n"},
		"level unpadded":       {"L7\rp", "8 4 2 1 12 10 9 14 1000 0 7 0\r\n"},
		"level before letter":  {"L99p", "8 4 2 1 12 10 9 14 1000 0 99 0\r\n"},
		"level too high":       {"L999p", "8 4 2 1 12 10 9 14 1000 0 255 0\r\n"},
		"level of nothing":     {"L\rp", "8 4 2 1 12 10 9 14 1000 0 50 0\r\n"},
		"interval padded":      {"r00250p", "8 4 2 1 12 10 9 14 250 0 50 0\r\n"},
		"interval unpadded":    {"r100\rp", "8 4 2 1 12 10 9 14 100 0 50 0\r\n"},
		"interval too short":   {"r99\rp", "8 4 2 1 12 10 9 14 100 0 50 0\r\n"},
		"interval too long":    {"r99999p", "8 4 2 1 12 10 9 14 65535 0 50 0\r\n"},
		"repeat on":            {"Rp", "8 4 2 1 12 10 9 14 1000 1 50 0\r\n"},
		"repeat on and off":    {"R\rR\rp\r", "8 4 2 1 12 10 9 14 1000 0 50 0\r\n"},
		"high impedance":       {"Zp", "8 4 2 1 12 10 9 14 1000 0 50 1\r\n"},
		"50 ohm":               {"Zzp", "8 4 2 1 12 10 9 14 1000 0 50 0\r\n"},
		"set commands silent":  {"S41100\rL050\rV128\rr01000\rR\rR\rT\rZ\rz\r", ""},
		"unknown letters":      {"aXs41100l10e?\r\n", ""},
		"digits alone":         {"12345\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newBench(t, nil, Options{}).ask(c.ask); got != c.want {
				t.Errorf("%q was answered %q, expected %q", c.ask, got, c.want)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	b := newBench(t, nil, Options{})
	for _, letter := range []string{"H", "h"} {
		help := b.ask(letter)
		if !strings.HasPrefix(help, "Coincidence Detector CD48\r\n") || strings.Count(help, "\n") < 5 {
			t.Errorf("%s gives %q", letter, help)
		}
	}
	if version := b.ask("v\r"); strings.Count(version, "\r\n") != 1 || !strings.Contains(version, "1.4") {
		t.Errorf("v gives %q", version)
	}
}

// Programs look at characters 86 to 88, counted from 1 (Khajavi and Galvez).
func TestRepeatStateInSettingsForPeople(t *testing.T) {
	b := newBench(t, nil, Options{})
	off := b.ask("P\r")
	if off[85:88] != "off" || !strings.Contains(off, "L050") || !strings.Contains(off, "01000") {
		t.Errorf("with repeat off P gives %q, characters 86-88 %q", off, off[85:88])
	}
	on := b.ask("L9\rr100\rZRP")
	if on[85:88] == "off" || !strings.Contains(on, "L009") || !strings.Contains(on, "00100") {
		t.Errorf("with repeat on P gives %q", on)
	}
}

// The bytes of the example in the reference: "57012 27003 ... 60 0\r\n".
func TestCountsBytes(t *testing.T) {
	got := appendCounts(nil, [counters]uint64{57012, 27003, 26944, 101, 3007, 2988, 12, 60}, 0)
	want := "\x35\x37\x30\x31\x32\x20\x32\x37\x30\x30\x33\x20" + "26944 101 3007 2988 12 60 0\x0D\x0A"
	if string(got) != want {
		t.Errorf("got % x\nexpected % x", got, want)
	}
	got = appendCounts(nil, [counters]uint64{16777215, 5, 0, 0, 0, 0, 0, 65535}, 0x81)
	if want := "16777215 5 0 0 0 0 0 65535 129\r\n"; string(got) != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

func TestAnswersToSetCommands(t *testing.T) {
	const commands = "S41100L050\rr100\rRRTZzV7\r"
	for ack, want := range map[Ack]string{
		"":        "",
		AckSilent: "",
		AckOK:     strings.Repeat("OK\r\n", 9),
		AckEcho:   "S41100\r\nL050\r\nr100\r\nR\r\nR\r\nT\r\nZ\r\nz\r\nV7\r\n",
	} {
		b := newBench(t, nil, Options{Ack: ack})
		if got := b.ask(commands); got != want {
			t.Errorf("%q: answered %q, expected %q", ack, got, want)
		}
		if got := b.ask("S9\rS9000\rc"); got != zeros {
			t.Errorf("%q: impossible commands and c were answered %q", ack, got)
		}
	}
}

// However the bytes are cut, the answers are the same.
func TestCommandsInPieces(t *testing.T) {
	const commands = "cS41010\rL7\nr00250V255pC\r\nS01111p\rRRE"
	want := newBench(t, nil, Options{}).ask(commands)
	for i := range len(commands) {
		for j := i; j <= len(commands); j++ {
			b := newBench(t, nil, Options{})
			if got := b.ask(commands[:i]) + b.ask(commands[i:j]) + b.ask(commands[j:]); got != want {
				t.Fatalf("cut at %d and %d: answered %q, expected %q", i, j, got, want)
			}
		}
	}
}

func FuzzCommandsInPieces(f *testing.F) {
	f.Add([]byte("cS41010\rL7\np"), 3)
	f.Add([]byte("r99999Rpr1\xffc"), 1)
	f.Add([]byte("SSSS11111LLL5cE"), 6)
	light, err := sim.NewLight(sim.LightSettings{Inputs: Inputs()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			return
		}
		answer := func(pieces ...[]byte) string {
			box, err := New(Options{Light: light})
			if err != nil {
				t.Fatal(err)
			}
			var r recorder
			box.Handle(sim.Event{Kind: sim.PowerOn, At: powerOn}, &r)
			for _, piece := range pieces {
				box.Handle(sim.Event{Kind: sim.Received, At: powerOn, Data: piece}, &r)
			}
			return r.text()
		}
		if whole, cut := answer(data), answer(data[:cut], data[cut:]); whole != cut {
			t.Errorf("%q: answered %q whole and %q in pieces", data, whole, cut)
		}
	})
}

func TestReadingClears(t *testing.T) {
	b := newBench(t, []float64{1e5, 1e5, 1e5, 1e5}, Options{})
	b.wait(time.Second)
	for _, letter := range []string{"c", "C"} {
		first, second := b.ask(letter), b.ask("c")
		if first == zeros || second != zeros {
			t.Errorf("%s gave %q, c after it %q", letter, first, second)
		}
		b.wait(time.Second)
	}
	if len(b.rows) != 4 || b.rows[0].After != time.Second || b.rows[1].After != time.Second || b.rows[2].After != 2*time.Second {
		t.Errorf("the truth has %v", b.rows)
	}
}

// What is replied is what the truth says.
func TestReplyIsTheTruth(t *testing.T) {
	b := newBench(t, []float64{1e6, 2e6, 3e5, 10}, Options{})
	for range 100 {
		b.wait(123 * time.Millisecond)
		got := b.ask("c")
		values := b.rows[len(b.rows)-1].Values
		want := strings.Trim(fmt.Sprint(values), "[]") + " 0\r\n"
		if got != want {
			t.Fatalf("replied %q, the truth is %q", got, want)
		}
		for n, parts := range map[int][]int{4: {0, 1}, 5: {0, 2}, 6: {0, 3}, 7: {4, 5}} {
			for _, part := range parts {
				if values[n] > values[part] {
					t.Fatalf("counter %d exceeds counter %d: %v", n, part, values)
				}
			}
		}
	}
}

func TestNewMaskCountsFromThenOn(t *testing.T) {
	b := newBench(t, []float64{1e5, 0, 0, 0}, Options{})
	b.wait(time.Second)
	b.ask("S00100\r") // B, which is dark
	b.wait(time.Second)
	b.ask("c")
	if got := b.rows[0].Values[0]; got < 99_000 || got > 101_000 {
		t.Errorf("counter 0 counted %d, expected one second of A", got)
	}
	b.wait(time.Second)
	b.ask("c")
	if got := b.rows[1].Values[0]; got != 0 {
		t.Errorf("counter 0 counted %d in the dark", got)
	}
}

func TestOverflow(t *testing.T) {
	overflow := func(b *bench, n int) { b.event(sim.Event{Kind: sim.Overflow, Channel: n}) }
	for name, c := range map[string]struct {
		options             Options
		first, second, flag string
	}{
		"wrap":  {Options{}, "0 0 0 0 0 0 0 0 129\r\n", "0 0 0 0 0 0 0 0 129\r\n", "129\r\n"},
		"stick": {Options{Stick: true}, "16777215 0 0 0 0 0 0 65535 129\r\n", "0 0 0 0 0 0 0 0 129\r\n", "129\r\n"},
		"clear": {Options{ReadClearsFlags: true}, "0 0 0 0 0 0 0 0 129\r\n", zeros, "0\r\n"},
	} {
		b := newBench(t, nil, c.options)
		overflow(b, 0)
		overflow(b, -1) // the box's choice is counter 7
		if got := b.ask("c"); got != c.first {
			t.Errorf("%s: first c gave %q, expected %q", name, got, c.first)
		}
		if got := b.ask("c"); got != c.second {
			t.Errorf("%s: second c gave %q, expected %q", name, got, c.second)
		}
		if got := b.ask("E"); got != c.flag {
			t.Errorf("%s: E gave %q, expected %q", name, got, c.flag)
		}
		if got := b.ask("Ec"); got != "0\r\n"+zeros {
			t.Errorf("%s: after E: %q", name, got)
		}
	}
}

// 100 kcps fill 16 bits in 0.66 s and 24 bits in 168 s.
func TestLightOverflows(t *testing.T) {
	b := newBench(t, []float64{1e5, 0, 0, 0}, Options{})
	b.ask("S71000")
	b.wait(time.Second)
	if got := b.ask("c"); !strings.HasSuffix(got, " 128\r\n") {
		t.Errorf("after 1 s: %q", got)
	}
	v := b.rows[0].Values
	if v[7] != v[0]-65536 {
		t.Errorf("counter 7 reads %d where counter 0 reads %d", v[7], v[0])
	}
	b.ask("E")
	b.wait(200 * time.Second)
	if got := b.ask("c"); !strings.HasSuffix(got, " 129\r\n") {
		t.Errorf("after 200 s: %q", got)
	}
}

func TestPowerCycleKeepsSettingsOnly(t *testing.T) {
	for name, cycle := range map[string]func(b *bench){
		"cable": func(b *bench) {
			b.event(sim.Event{Kind: sim.Unplugged})
			if got := b.ask("c"); got != "" {
				t.Errorf("without power it answered %q", got)
			}
			b.wait(10 * time.Second)
			b.event(sim.Event{Kind: sim.Plugged})
		},
		"reboot": func(b *bench) {
			b.event(sim.Event{Kind: sim.Reboot, For: 2 * time.Second})
			b.wait(1999 * time.Millisecond)
			if got := b.ask("c"); got != "" {
				t.Errorf("while starting it answered %q", got)
			}
			b.wait(time.Millisecond)
		},
	} {
		b := newBench(t, []float64{1e5, 0, 0, 0}, Options{})
		b.ask("S71000L7\rr200\rZ")
		b.wait(time.Second)
		b.ask("R")
		b.event(sim.Event{Kind: sim.Overflow, Channel: 3})
		b.ask("S4") // never finished
		cycle(b)
		if got, want := b.ask("cEp"), zeros+"0\r\n8 4 2 1 12 10 9 8 200 1 7 1\r\n"; got != want {
			t.Errorf("%s: afterwards it answered %q, expected %q", name, got, want)
		}
		rows := len(b.rows)
		b.wait(200 * time.Millisecond)
		if len(b.rows) != rows+1 || b.rows[rows].Values[0] < 19_000 || b.rows[rows].Values[0] > 21_000 {
			t.Errorf("%s: repeat mode went on with %v", name, b.rows[rows:])
		}
	}
}

func TestBannerAfterRestart(t *testing.T) {
	b := newBench(t, nil, Options{Banner: "Coincidence Detector CD48\r\n"})
	b.wait(time.Second)
	b.text()
	b.event(sim.Event{Kind: sim.Reboot, For: 2 * time.Second})
	b.wait(5 * time.Second)
	if diff := cmp.Diff(b.sent, []message{{3 * time.Second, "Coincidence Detector CD48\r\n"}}); diff != "" {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
}

func TestDistinctRows(t *testing.T) {
	b := newBench(t, []float64{1e5, 1e5, 0, 0}, Options{Distinct: true})
	for i := range 3 {
		b.wait(100 * time.Millisecond)
		if got, want := b.ask("c"), fmt.Sprintf("%d ", 1_000_000+i); !strings.HasPrefix(got, want) {
			t.Errorf("row %d reads %q", i, got)
		}
		if got := b.rows[i].Values[0]; got != uint64(1_000_000+i) {
			t.Errorf("row %d is %d in the truth", i, got)
		}
	}
}

func TestColumnsAreNamedByWhatTheyCount(t *testing.T) {
	b := newBench(t, nil, Options{})
	if diff := cmp.Diff(b.box.Channels(), []string{"A", "B", "C", "D", "AB", "AC", "AD", "ABC"}); diff != "" {
		t.Errorf("columns (-got +want):\n%s", diff)
	}
}

func TestNewRefuses(t *testing.T) {
	light, err := sim.NewLight(sim.LightSettings{Inputs: Inputs()})
	if err != nil {
		t.Fatal(err)
	}
	three, err := sim.NewLight(sim.LightSettings{Inputs: []string{"A", "B", "C"}})
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"must have the 4 inputs":      {Light: three},
		"the 4 inputs A, B, C, D":     {},
		"expected silent, ok or echo": {Light: light, Ack: "loud"},
		"expected within 100000":      {Light: light, FastPPM: 1e6},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, expected one with %q", err, want)
		}
	}
	box, err := New(Options{Light: light})
	if err != nil {
		t.Fatal(err)
	}
	if err := box.CheckFault(sim.Fault{Kind: sim.FaultOverflow, Count: 8}); err == nil {
		t.Error("an overflow of counter 8 was taken")
	}
}

// Settings that are lost in a restart, and commands that are not heeded, show in
// the answer to p.
func TestForgetsAndIgnores(t *testing.T) {
	b := newBench(t, []float64{1, 1, 1, 1}, Options{Forgets: true, Ignores: map[byte]int{'V': -1, 'L': 2}})
	say := func(command string) string {
		b.text()
		b.now = b.now.Add(time.Second)
		b.event(sim.Event{Kind: sim.Received, Data: []byte(command)})
		return b.text()
	}
	threshold := func() string { return strings.Fields(say("p"))[10] }
	for i, want := range []string{"50", "50", "99"} {
		say("L099")
		if got := threshold(); got != want {
			t.Errorf("L for the %d. time: threshold %s, want %s", i+1, got, want)
		}
	}
	if say("V200"); b.box.settings.Output != 0 {
		t.Errorf("V, never heeded: output %d", b.box.settings.Output)
	}
	b.event(sim.Event{Kind: sim.Reboot, For: 10 * time.Millisecond})
	if got := threshold(); got != "50" {
		t.Errorf("after a restart: threshold %s, want 50", got)
	}
}
