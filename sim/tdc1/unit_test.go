package tdc1

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/sim"
	"photongate/sim/bench"
)

func newUnit(t testing.TB, ratesHz []float64, o Options, pairs ...sim.Pair) *Unit {
	t.Helper()
	light, err := bench.Light(Inputs(), ratesHz, pairs...)
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

func newBench(t testing.TB, ratesHz []float64, o Options, pairs ...sim.Pair) *bench.Bench {
	t.Helper()
	return bench.New(newUnit(t, ratesHz, o, pairs...))
}

func TestReplies(t *testing.T) {
	idn := "S-Fifteen Instruments TDC1 (simulated) TDC1_0014\r\n"
	for name, c := range map[string]struct{ ask, want string }{
		"identity":             {"*IDN?;", idn},
		"identity by newline":  {"*idn?\n", idn},
		"by both line ends":    {"*Idn?\r\n", idn},
		"empty commands":       {"\r\n;;\n \r\n;", ""},
		"mode at first":        {"MODE?\n", "0\r\n"},
		"modes":                {"pairs;mode?;timestamp;mode?;singles;mode?\r\n", "1\r\n3\r\n0\r\n"},
		"time at first":        {"time?;", "1000\r\n"},
		"time":                 {"TIME 1;TIME?\n", "1\r\n"},
		"time, largest signed": {"time 32767;time?;", "32767\r\n"},
		"time, negative":       {"time 32768;time?;time 40000;time?;time 65535;time?;", "-32768\r\n-25536\r\n-1\r\n"},
		"time unlimited":       {"time 0;time?;", "0\r\n"},
		"time out of range":    {"time 65536;time -1;time x;time;time 1 2;time?;", "1000\r\n"},
		"level at first":       {"level?\n", "-0.500 V, falling edge\r\n"},
		"level":                {"TTL;LEVEL?;NIM;LEVEL?\n", "1.200 V, rising edge\r\n-0.500 V, falling edge\r\n"},
		"level by hand":        {"NEG -0.8;LEVEL?;POS 1.5;LEVEL?\n", "-0.800 V, falling edge\r\n1.500 V, rising edge\r\n"},
		"level impossible":     {"NEG 6;POS NaN;POS 0x1p1;LEVEL?\n", "-0.500 V, falling edge\r\n"},
		"reference clock":      {"REFCLK?;REFCLK 2;REFCLK?;REFCLK 3;REFCLK?;ECLOCK?\n", "0\r\n2\r\n2\r\n0\r\n"},
		"set commands silent":  {"INPKT;TIME 5;SINGLES;TTL;ABORT;REFCLK 0;POS 1\r\n", ""},
		"unknown":              {"hello;COUNTS;*IDN;mode\n", ""},
		"reset":                {"time 5;pairs;*rst;time?;mode?\n", "1000\r\n0\r\n"},
		"much too long":        {strings.Repeat("mode?", 1000) + ";mode?;", "0\r\n"},
		"no end":               {"mode?", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newBench(t, nil, Options{}).Ask(c.ask); got != c.want {
				t.Errorf("%q was answered %q, expected %q", c.ask, got, c.want)
			}
		})
	}
	if help := newBench(t, nil, Options{}).Ask("help\n"); strings.Count(help, "\r\n") < 4 {
		t.Errorf("the help is %q", help)
	}
}

func TestWhatIsNotKnownIsAChoice(t *testing.T) {
	o := Options{Identity: "TDC1", LF: true, ErrorText: "?", ExternalClock: true, Separator: SeparatorTab}
	b := newBench(t, nil, o)
	if got := b.Ask("*idn?;eclock?;nonsense;time 70000;mode?\n"); got != "TDC1\n1\n?\n?\n0\n" {
		t.Errorf("got %q", got)
	}
	b.Ask("time 10;counts?\n")
	b.Wait(time.Second)
	if got := b.Text(); got != "0\t0\t0\t0\n" {
		t.Errorf("counts with tabs: %q", got)
	}
	b = newBench(t, nil, Options{Separator: SeparatorAligned})
	b.Ask("time 10;counts?\n")
	b.Wait(time.Second)
	if got := b.Text(); got != strings.Repeat("         0", 4)+"\r\n" {
		t.Errorf("counts aligned: %q", got)
	}
}

func TestCountsComeWhenTheTimeIsOver(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e5, 3e5, 4e5}, Options{}, sim.Pair{A: 0, B: 2, RateHz: 1e4}, sim.Pair{A: 1, B: 3, RateHz: 2e4})
	b.Ask("time 100;singles;counts?\r\n")
	b.Wait(99 * time.Millisecond)
	if got := b.Text(); got != "" {
		t.Errorf("too early: %q", got)
	}
	b.Ask("mode?;pairs\n")
	b.Wait(10 * time.Second)
	v := b.Rows[0].Values
	if got, want := b.Text(), strings.Trim(fmt.Sprint(v[:4]), "[]")+"\r\n"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
	if b.Rows[0].After != 100*time.Millisecond {
		t.Errorf("the gate ended at %v", b.Rows[0].After)
	}
	for i, want := range []uint64{10_000, 20_000, 30_000, 40_000, 1000, 0, 0, 2000} {
		if slack := want/10 + 5; v[i]+slack < want || v[i] > want+slack {
			t.Errorf("%s counted %d, expected about %d", newUnit(t, nil, Options{}).Channels()[i], v[i], want)
		}
	}
	b.Ask("counts?\n")
	b.Wait(time.Second)
	if got, want := b.Text(), strings.Trim(fmt.Sprint(b.Rows[1].Values), "[]")+"\r\n"; got != want {
		t.Errorf("pairs: got %q, expected %q", got, want)
	}
}

func TestMeasurementUnderWay(t *testing.T) {
	b := newBench(t, []float64{1e5, 0, 0, 0}, Options{})
	b.Ask("time 100;counts?\n")
	b.Wait(50 * time.Millisecond)
	b.Ask("abort\n")
	b.Wait(time.Second)
	if got := b.Text(); got != "" || len(b.Rows) != 0 {
		t.Errorf("after abort: %q, truth %v", got, b.Rows)
	}
	b.Ask("counts?\n")
	b.Wait(50 * time.Millisecond)
	b.Ask("counts?\n")
	b.Wait(time.Second)
	if len(b.Rows) != 1 || b.Rows[0].After != 1200*time.Millisecond {
		t.Errorf("asked anew, the truth is %v", b.Rows)
	}
	b.Text()
	b.Ask("time 0;counts?\n")
	b.Wait(time.Hour)
	if got := b.Text(); got != "" {
		t.Errorf("without limit: %q", got)
	}
}

func TestLeftStreaming(t *testing.T) {
	b := newBench(t, []float64{1e4, 0, 0, 0}, Options{Left: "timestamp;time 0;counts?"})
	b.Step(time.Second)
	if len(b.Text()) < 30_000 || b.Tears != 1 {
		t.Errorf("it does not stream, or its first message is whole (%d torn)", b.Tears)
	}
	b.Event(sim.Event{Kind: sim.Closed})
	b.Step(time.Second)
	b.Event(sim.Event{Kind: sim.Opened})
	if b.Tears != 2 {
		t.Errorf("%d openings in mid-stream, expected 2", b.Tears)
	}
	b.Text()
	b.Event(sim.Event{Kind: sim.Unplugged})
	b.Ask("*idn?;")
	b.Step(time.Second)
	if got := b.Text(); got != "" {
		t.Errorf("without power: %q", got)
	}
	b.Event(sim.Event{Kind: sim.Plugged})
	b.Step(time.Second)
	if got := b.Ask("mode?\n"); got != "0\r\n" {
		t.Errorf("with power again: %q", got)
	}
	b.Event(sim.Event{Kind: sim.Reboot, For: time.Second})
	b.Step(500 * time.Millisecond)
	if got := b.Ask("mode?\n"); got != "" {
		t.Errorf("while it starts: %q", got)
	}
}

func TestDistinct(t *testing.T) {
	b := newBench(t, []float64{1e5, 0, 0, 0}, Options{Distinct: true})
	for i := range 3 {
		b.Ask("time 10;counts?\n")
		b.Wait(20 * time.Millisecond)
		if got, want := b.Text(), fmt.Sprintf("%d 0 0 0\r\n", 1_000_000+i); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
}

func TestReplyDelay(t *testing.T) {
	b := newBench(t, nil, Options{ReplyDelay: 50 * time.Millisecond})
	b.Ask("mode?;time 10;counts?\n")
	b.Wait(time.Second)
	want := []bench.Message{{After: 50 * time.Millisecond, Text: "0\r\n"}, {After: 60 * time.Millisecond, Text: "0 0 0 0\r\n"}}
	if diff := cmp.Diff(b.Sent, want); diff != "" {
		t.Errorf("sent (-got +want):\n%s", diff)
	}
}

func TestNewRefuses(t *testing.T) {
	light, err := bench.Light(Inputs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"must have the 4 inputs":        {},
		"expected space, tab or aligne": {Light: light, Separator: "comma"},
		"expected within 100000":        {Light: light, FastPPM: 1e5},
		"expected 0 to 4096":            {Light: light, Tail: -1},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, expected one with %q", err, want)
		}
	}
	if err := newUnit(t, nil, Options{}).CheckFault(sim.Fault{Kind: sim.FaultPanel}); err == nil {
		t.Error("a panel that it has not was turned")
	}
}

// However the bytes are cut, the answers are the same, and nothing hangs.
func FuzzCommandsInPieces(f *testing.F) {
	f.Add([]byte("*IDN?;time 40000;time?\r\n"), 3)
	f.Add([]byte("INPKT;time 5;timestamp;counts?;mode?;abort\n"), 30)
	f.Add([]byte("pairs;counts?\nNEG -0.5;LEVEL?\n\xff;"), 20)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			return
		}
		rates := []float64{1e4, 1e4, 0, 0}
		whole, pieces := newBench(t, rates, Options{Tail: 3}), newBench(t, rates, Options{Tail: 3})
		whole.Write(string(data))
		pieces.Write(string(data[:cut]))
		pieces.Write(string(data[cut:]))
		whole.Step(50 * time.Millisecond)
		pieces.Step(50 * time.Millisecond)
		if want, got := whole.Text(), pieces.Text(); got != want {
			t.Errorf("%q: answered %q whole and %q in pieces", data, want, got)
		}
	})
}
