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

// The records of the reference.
func TestWords(t *testing.T) {
	const half = 67_112_824 - 3960 // 2^26
	for name, c := range map[string]struct {
		tag  tag
		want string
	}{
		"input 1 at 1000 ns":     {tag{500, 1}, "81 3e 00 00"},
		"inputs 1 and 3, 2000":   {tag{1000, 5}, "05 7d 00 00"},
		"marker":                 {tag{3960, markerBits}, "11 ef 01 00"},
		"marker of the half":     {tag{half + 3960, markerBits}, "11 ef 01 80"},
		"last tick, input 4":     {tag{1<<27 - 1, 8}, "e8 ff ff ff"},
		"wrapped":                {tag{1<<27 + 500, 1}, "81 3e 00 00"},
		"after a day":            {tag{43_200_000_000_000 - 43_200_000_000_000%(1<<27) + 500, 1}, "81 3e 00 00"},
		"input 1, 46.96543 ms":   {tag{315_400_890/2 - 1<<27, 1}, "a1 2b ca 2c"},
		"input 1, 815.423402 ms": {tag{815_423_402 / 2, 1}, "a1 fa a5 09"},
	} {
		w := c.tag.word()
		if got := fmt.Sprintf("%02x %02x %02x %02x", w&0xFF, w>>8&0xFF, w>>16&0xFF, w>>24); got != c.want {
			t.Errorf("%s is %s, expected %s", name, got, c.want)
		}
	}
}

// record is a word taken apart with nothing of the code under test.
type record struct {
	Tick    int
	Marker  bool
	Pattern int
}

func decode(t *testing.T, text string) []record {
	t.Helper()
	if len(text)%4 != 0 {
		t.Fatalf("%d bytes are no whole words", len(text))
	}
	var records []record
	for i := 0; i < len(text); i += 4 {
		w := int(text[i]) + int(text[i+1])*256 + int(text[i+2])*65536 + int(text[i+3])*16777216
		records = append(records, record{w / 32, w/16%2 == 1, w % 16})
	}
	return records
}

// In the dark the markers alone tell of time: 3960 and 67112824, half a period
// (134.217728 ms) apart.
func TestMarkers(t *testing.T) {
	b := newBench(t, nil, Options{})
	b.Wait(100 * time.Millisecond)
	b.Ask("timestamp;time 600;INPKT;counts?\n")
	b.Step(time.Second)
	want := []record{{67_112_824, true, 1}, {3960, true, 1}, {67_112_824, true, 1}, {3960, true, 1}, {67_112_824, true, 1}}
	text := b.Text()
	if diff := cmp.Diff(decode(t, text), want); diff != "" {
		t.Errorf("markers (-got +want):\n%s", diff)
	}
	if !strings.HasPrefix(text, "\x11\xEF\x01\x80\x11\xEF\x01\x00") {
		t.Errorf("the first words are % x", text[:8])
	}
	b.Event(sim.Event{Kind: sim.LostMarker})
	b.Ask("counts?\n") // from 1.1 s: the marker of 1.2080 s is lost, those of 1.3422, 1.4764, 1.6106 s come
	b.Step(time.Second)
	want = []record{{3960, true, 1}, {67_112_824, true, 1}, {3960, true, 1}}
	if diff := cmp.Diff(decode(t, b.Text()), want); diff != "" {
		t.Errorf("one marker missing (-got +want):\n%s", diff)
	}
}

func TestStream(t *testing.T) {
	b := newBench(t, []float64{1e5, 2e4, 1e3, 0}, Options{Seed: 4}, sim.Pair{A: 0, B: 1, RateHz: 1e4})
	b.Ask("timestamp\r\n")
	b.Ask("INPKT;time 2000;counts?;\r\n")
	b.Step(3 * time.Second)
	last, wraps := 0, 0
	var seen [16]int
	for _, r := range decode(t, b.Text()) {
		if r.Tick < last {
			wraps++
		}
		last = r.Tick
		if !r.Marker {
			seen[r.Pattern]++
		}
	}
	if wraps != 7 {
		t.Errorf("time wrapped %d times in 2 s, expected 7", wraps)
	}
	for pattern, want := range []int{0, 180_000, 20_000, 20_000, 2000} {
		if got := seen[pattern]; got < want*9/10-5 || got > want*11/10+5 {
			t.Errorf("pattern %d came %d times, expected about %d", pattern, got, want)
		}
	}
	if got := b.Ask("mode?;counts?;time 0\n"); got != "3\r\n" {
		t.Errorf("after the stream: %q", got)
	}
}

func TestEndlessStreamAndAbort(t *testing.T) {
	b := newBench(t, []float64{1e4, 0, 0, 0}, Options{Tail: 6})
	b.Ask("time 0;timestamp;counts?\n")
	b.Step(70*time.Second + 300*time.Microsecond)
	got := b.Text()
	if n := len(got) / 4; n < 690_000 || n > 710_000 {
		t.Errorf("%d words in 70 s of 1E4 per second", n)
	}
	if len(got)%4 != 0 {
		t.Errorf("%d bytes before the end", len(got))
	}
	answer := b.Ask("mode?;abort\r\nmode?;")
	if !strings.HasPrefix(answer, "3\r\n") || !strings.HasSuffix(answer, "3\r\n") || (len(answer)-6)%4 != 2 {
		t.Errorf("abort was answered % x, expected words, six bytes more and the mode", answer)
	}
	b.Step(10 * time.Second)
	if got := b.Text(); got != "" {
		t.Errorf("it goes on: %d bytes", len(got))
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

// Ten million tags per second are what it can tell.
func TestTooMuchLightForTags(t *testing.T) {
	b := newBench(t, []float64{4e7, 2e7, 0, 0}, Options{})
	b.Ask("timestamp;time 10;counts?\n")
	b.Step(time.Second)
	records := decode(t, b.Text())
	if n := len(records); n < 90_000 || n > 100_001 {
		t.Errorf("%d words in 10 ms", n)
	}
	// Of 1E5 tags in 5E6 ticks about 1000 share theirs with another, and of these
	// four ninths with one of the other input.
	together := 0
	for i, r := range records {
		if r.Pattern == 3 {
			together++
		}
		if i > 0 && r.Tick == records[i-1].Tick && !r.Marker && !records[i-1].Marker {
			t.Fatalf("two words tell of tick %d", r.Tick)
		}
	}
	if together < 350 || together > 550 {
		t.Errorf("%d words have both inputs, expected about 440", together)
	}
}

func TestCrystal(t *testing.T) {
	b := newBench(t, []float64{1e5, 0, 0, 0}, Options{FastPPM: 99_999})
	b.Ask("time 1000;counts?\n")
	b.Wait(2 * time.Second)
	if got := b.Rows[0].After.Round(time.Millisecond); got != 909*time.Millisecond {
		t.Errorf("a second by a crystal fast by a tenth took %v", got)
	}
	// From 2 s on, that is 2.2 s of its own: the next marker is that of 2.281701 s.
	b.Text()
	b.Ask("timestamp;counts?\n")
	b.Step(time.Second)
	var markers []time.Duration
	for _, m := range b.Sent {
		for _, r := range decode(t, m.Text) {
			if r.Marker {
				markers = append(markers, m.After.Round(2*time.Millisecond))
			}
		}
	}
	if len(markers) == 0 || markers[0] != 2074*time.Millisecond && markers[0] != 2076*time.Millisecond {
		t.Errorf("markers at %v, expected the first at 2.0743 s", markers)
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
