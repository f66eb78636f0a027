package homebuilt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/instrument"
	"photongate/sim"
	"photongate/sim/bench"
)

// parse reads an instrument file of which only what matters is written.
func parse(t testing.TB, text string) *instrument.File {
	t.Helper()
	f, err := instrument.Parse("test.toml", []byte("name = \"test\"\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const link = "[link]\nbaud = 9600\n"

// A file without [simulate] says enough: its example shows what a reading looks
// like. With distinct values the first channel reads 1000000, then 1000001.
func TestPlayedWithoutSimulate(t *testing.T) {
	const gate = link + "[gate]\ntime = \"1s\"\n"
	for name, c := range map[string]struct{ file, want string }{
		"one number": {gate + "[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"1\\n\"\nreadings = [[1]]", "1000000\r\n1000001\r\n"},
		"columns, of which one is nobody's": {gate + "[text]\ncolumns = 3\n[[channel]]\nname = \"A\"\nfrom = 2\n[[channel]]\nname = \"B\"\nfrom = 3\n[[example]]\nbytes = \"1 2 3\\n\"\nreadings = [[2, 3]]",
			"0,1000000,0\r\n0,1000001,0\r\n"},
		"another separator and end": {gate + "[text]\nsplit = \"/\"\nends = \"!\"\n[[channel]]\nname = \"A\"\n[[channel]]\nname = \"B\"\n[[example]]\nbytes = \"1/2!\"\nreadings = [[1, 2]]",
			"1000000/0!1000001/0!"},
		"pairs": {gate + "[text]\npairs = true\n[[channel]]\nname = \"A\"\n[[channel]]\nname = \"B\"\n[[example]]\nbytes = \"A=1 B=2\\n\"\nreadings = [[1, 2]]",
			"A=1000000 B=0\r\nA=1000001 B=0\r\n"},
		"a pattern": {gate + "[text]\npattern = 'n(?P<n>\\d+): (?P<A>\\d+)/(?P<B>\\d+) ok'\n[[channel]]\nname = \"B\"\n[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"hello\\nn7: 1/2 ok\\n\"\nreadings = [[2, 1]]\nrefused = 1",
			"n7: 0/1000000 ok\r\nn7: 0/1000001 ok\r\n"},
		"digits as in the example": {gate + "[text]\npattern = '(?P<A>\\d+) (?P<B>\\d+\\.\\d) (?P<C>\\d+)'\n[[channel]]\nname = \"A\"\n[[channel]]\nname = \"B\"\ndecimals = 2\n[[channel]]\nname = \"C\"\n[[example]]\nbytes = \"12 0.5 007\\n\"\nreadings = [[12, 0.5, 7]]",
			"1000000 0.0 000\r\n1000001 0.0 000\r\n"},
		"columns with points": {gate + "[[channel]]\nname = \"A\"\n[[channel]]\nname = \"B\"\ndecimals = 2\n[[example]]\nbytes = \"12 0.5\\n\"\nreadings = [[12, 0.5]]",
			"1000000,0.00\r\n1000001,0.00\r\n"},
		"numbered, with marks": {link + "[gate]\ntime = \"1s\"\nnumber = 1\n[text]\nstart = \"<\"\nstop = \">\"\n[[channel]]\nname = \"A\"\nfrom = 2\n[[example]]\nbytes = \"<1,2>\\n\"\nreadings = [[2]]",
			"<1,1000000>\r\n<2,1000001>\r\n"},
		"its own clock": {link + "[gate]\ntime = \"1s\"\nclock = \"ms\"\n[text]\nheader = \"ms;A\"\nsplit = \";\"\n[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"1;2\\n\"\nreadings = [[2]]",
			"1000;1000000\r\n2000;1000001\r\n"},
		"hexadecimal": {gate + "[text]\nbase = 16\n[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"1\\n\"\nreadings = [[1]]", "f4240\r\nf4241\r\n"},
		"a total":     {gate + "[[channel]]\nname = \"A\"\nkind = \"total\"\nwidth = 32\n[[example]]\nbytes = \"1\\n\"\nreadings = [[1]]", "1000000\r\n1000001\r\n"},
		// 1000000 is 0F4240 in hex; the sum of all bytes before the checksum.
		"a record": {gate + "[record]\nsync = \"\\xAA\\x55\"\nformat = \"<I\"\nchecksum = \"sum8\"\n[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"hex: AA 55 01 00 00 00 00\"\nreadings = [[1]]",
			"\xAA\x55\x40\x42\x0F\x00\x90\xAA\x55\x41\x42\x0F\x00\x91"},
		// 1000000 in groups of seven bits from the lowest: 40 04 3D.
		"seven bits": {gate + "[record]\ntrail = \"\\xFF\"\nbits = 7\n[[record.field]]\nat = 0\nwidth = 3\n[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"hex: 01 00 00 FF\"\nreadings = [[1]]",
			"\x40\x04\x3D\xFF\x41\x04\x3D\xFF"},
		"most significant first, masked, moved, exclusive-ored": {
			gate + "[record]\nsync = \"S\"\nchecksum = \"xor8\"\n[[record.field]]\nat = 1\nwidth = 4\norder = \"big\"\nmask = 0x0FFFFFF0\nshift = 4\n[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"hex: 53 A0 00 00 1B E8\"\nreadings = [[1]]",
			"\x53\xA0\xF4\x24\x0B\x28\x53\xA0\xF4\x24\x1B\x38"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, parse(t, c.file), dark, Options{Distinct: true})
			b.Step(2 * time.Second)
			if got := b.Text(); got != c.want {
				t.Errorf("it says %q, expected %q", got, c.want)
			}
		})
	}
}

// dark is a rate at which nothing comes.
const dark = 1e-9

// What does not say enough is refused, with what to add.
func TestNotEnough(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"no example of the pattern": {
			link + "[gate]\ntime = \"1s\"\n[text]\npattern = '(?P<A>\\d+) ok'\n[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"hello\\n\"\nreadings = []\nrefused = 1",
			`test: no line of an example fits the pattern, so it is not known what a reading looks like: add under [simulate] what it sends, such as line = "A={A}\r\n"`},
		"an answer that nobody can guess": {
			link + "[gate]\ntime = \"1s\"\n[[channel]]\nname = \"A\"\n[[setting]]\nname = \"level\"\nkind = \"integer\"\ncommand = \"L{level}\\n\"\nanswer = '^level set$'\n[[example]]\nbytes = \"1\\n\"\nreadings = [[1]]",
			`setting level: it is not known what is answered to "L{level}\n" (expected a [[simulate.reply]]`},
		"a format that does not fit": {
			link + "[gate]\ntime = \"1s\"\n[[channel]]\nname = \"A\"\n[[setting]]\nname = \"range\"\nkind = \"word\"\nchoices = [\"low\", \"high\"]\ncommand = \"{range}\\n\"\n[[example]]\nbytes = \"1\\n\"\nreadings = [[1]]\n[simulate]\nline = \"{A} {range:.2}\\n\"",
			`[simulate]: {range}: format ".2" is for numbers`},
	} {
		f := parse(t, c.file)
		light, err := bench.Light(Inputs(f), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{File: f, Light: light}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %s", name, err, c.want)
		}
	}
	f := preset(t, "rotgradpsi")
	light, _ := bench.Light([]string{"A", "B"}, nil)
	if _, err := New(Options{File: f, Light: light}); err == nil || !strings.Contains(err.Error(), "must have the inputs [counts]") {
		t.Errorf("wrong inputs: %v", err)
	}
	light, _ = bench.Light(Inputs(f), nil)
	if _, err := New(Options{File: f, Light: light, FastPPM: 1e6}); err == nil {
		t.Error("a crystal twice as fast was taken")
	}
	if _, err := New(Options{File: f, Light: light, Stretch: -1}); err == nil {
		t.Error("a gate that shrinks was taken")
	}
}

const asked = link + `[open]
ask = "*IDN?\n"
answer = "COUNTER"
send = ["MODE 1\n"]
[poll]
send = "READ {gain}\n"
every = "100ms"
[[channel]]
name = "A"
kind = "total"
width = 16
[[channel]]
name = "B"
[[setting]]
name = "threshold"
kind = "number"
min = 0
max = 3.3
default = 1.5
command = "THR {threshold:.3}\n"
answer = '^OK$'
read = "THR?\n"
[[setting]]
name = "gain"
kind = "word"
choices = ["low", "low2", "high"]
default = "high"
command = "GAIN {gain}ms\n"
[[setting]]
name = "hv"
kind = "boolean"
command = "HV{hv:u8}"
[[example]]
bytes = "1 2\n"
readings = [[1, 2]]
`

// Everything that the file tells the driver to send is understood; answers that
// the file takes for such are given.
func TestUnderstandsWhatIsSent(t *testing.T) {
	for _, c := range []struct{ ask, want string }{
		{"*IDN?\n", "COUNTER\r\n"},
		{"MODE 1\n", ""},
		{"THR 2.5\nTHR?\n", "OK\r\n2.500\r\n"},
		{"THR 9\nTHR -1\nTHR?\n", "OK\r\nOK\r\n0.000\r\n"}, // as near as it can
		{"THR x\nTHR?\n", "1.500\r\n"},
		{"GAIN low2ms\nGAIN middlems\nREAD low\n", "0,0\r\n"},
		{"READ medium\nREAD low\n", "0,0\r\n"},
		{"HV\x01HV\x00*IDN?\n", "COUNTER\r\n"},
		{"\r\n\n *IDN?\n", "COUNTER\r\n"},
		{"READ hi", ""},
		{strings.Repeat("x", 5000) + "\n*IDN?\n", "COUNTER\r\n"},
	} {
		b := newBench(t, parse(t, asked), dark, Options{})
		if got := b.Ask(c.ask); got != c.want {
			t.Errorf("%q is answered %q, expected %q", c.ask, got, c.want)
		}
	}
}

// What was begun and never ended is forgotten after a second.
func TestHalfACommandIsForgotten(t *testing.T) {
	b := newBench(t, parse(t, asked), dark, Options{})
	b.Write("READ hi")
	b.Step(time.Second)
	if got := b.Ask("gh\n*IDN?\n"); got != "COUNTER\r\n" {
		t.Errorf("it says %q", got)
	}
}

// A total of 16 bits begins again at 0, and is never cleared; a count is.
func TestTotalsWrap(t *testing.T) {
	b := newBench(t, parse(t, asked), 1e5, Options{Total: 65_000})
	var totals, counts []uint64
	for range 10 {
		b.Step(100 * time.Millisecond)
		b.Ask("READ low\n")
		row := b.Rows[len(b.Rows)-1].Values
		totals, counts = append(totals, row[0]), append(counts, row[1])
	}
	wraps := 0
	for i := 1; i < len(totals); i++ {
		if step := (totals[i] - totals[i-1]) & 0xFFFF; step < 9500 || step > 10500 || totals[i] > 65535 {
			t.Errorf("from %d to %d", totals[i-1], totals[i])
		}
		if totals[i] < totals[i-1] {
			wraps++
		}
	}
	if wraps != 1 || totals[0] > 11_000 {
		t.Errorf("totals %v: expected to wrap at once and once more", totals)
	}
	for _, n := range counts {
		if n < 9500 || n > 10500 {
			t.Errorf("%d counts in 100 ms", n)
		}
	}
}

// 100000 counts in 20 ms are 34464 to a counter of 16 bits.
func TestCountsWrapInSilence(t *testing.T) {
	b := newBench(t, preset(t, "arduino-timer1"), 5e6, Options{})
	b.Step(3 * time.Second)
	for _, row := range b.Rows {
		if n := row.Values[0]; n < 32_000 || n > 37_000 {
			t.Fatalf("%d counts", n)
		}
	}
	if lines := strings.Count(b.Text(), "\r\n"); lines != len(b.Rows) || lines != 50 {
		t.Errorf("%d lines, %d rows, expected 50", lines, len(b.Rows))
	}
}

// Opening the port restarts it: silence, banner, counters and settings as new.
func TestRestartsWhenOpened(t *testing.T) {
	f := parse(t, strings.Replace(asked, "[[example]]", "[[example]]\nskipped = 0", 1)+"[simulate]\nboot = \"2s\"\nbanner = \"hello\\r\\n\"\n")
	b := newBench(t, f, 1e5, Options{})
	b.Step(2 * time.Second)
	b.Ask("THR 3\n")
	b.Step(time.Second)
	b.Event(sim.Event{Kind: sim.Closed})
	b.Event(sim.Event{Kind: sim.Opened})
	b.Text()
	b.Write("*IDN?\n")
	b.Step(2*time.Second - 1)
	if got := b.Text(); got != "" {
		t.Errorf("while it starts it says %q", got)
	}
	b.Step(1)
	if got := b.Ask("THR?\nREAD low\n"); got != "hello\r\n1.500\r\n0,0\r\n" {
		t.Errorf("then it says %q", got)
	}
	b.Event(sim.Event{Kind: sim.Reboot, For: 300 * time.Millisecond})
	b.Step(300 * time.Millisecond)
	if got := b.Text(); got != "hello\r\n" {
		t.Errorf("after it restarted by itself it says %q", got)
	}
}

// Gates that should last 20 ms last up to 5 ms longer, one right behind the other.
func TestStretch(t *testing.T) {
	b := newBench(t, preset(t, "arduino-timer1"), 0, Options{Stretch: 5 * time.Millisecond})
	b.Step(4 * time.Second)
	longest := time.Duration(0)
	for i := 1; i < len(b.Rows); i++ {
		d := b.Rows[i].After - b.Rows[i-1].After
		if d < 20*time.Millisecond || d > 25*time.Millisecond {
			t.Fatalf("a gate of %v", d)
		}
		longest = max(longest, d)
	}
	if longest < 24*time.Millisecond {
		t.Errorf("the longest gate lasted %v", longest)
	}
}

func TestCrystal(t *testing.T) {
	b := newBench(t, preset(t, "freqcount"), 0, Options{FastPPM: 1000})
	b.Step(12 * time.Second)
	if at, want := b.Rows[9].After, 2*time.Second+9_990_009_990*time.Nanosecond; at < want-2 || at > want+2 {
		t.Errorf("the tenth gate ended after %v, expected %v", at, want)
	}
}

func TestChatter(t *testing.T) {
	f := parse(t, link+"[gate]\ntime = \"1s\"\n[text]\nskip = ['^#']\n[[channel]]\nname = \"A\"\n[[example]]\nbytes = \"1\\n\"\nreadings = [[1]]\n[simulate]\n[[simulate.chatter]]\nsay = \"# {A} so far\\n\"\nevery = \"1500ms\"")
	b := newBench(t, f, 0, Options{Distinct: true})
	b.Step(3 * time.Second)
	if got := b.Text(); got != "1000000\r\n# 1000000 so far\n1000001\r\n1000002\r\n# 1000002 so far\n" && got != "1000000\r\n# 1000000 so far\n1000001\r\n# 1000001 so far\n1000002\r\n" {
		t.Errorf("it says %q", got)
	}
}

// What is said to it while it counts waits, and is lost when it is too much.
func TestBusyWhileItCounts(t *testing.T) {
	b := newBench(t, preset(t, "silab-freqcount"), dark, Options{})
	b.Step(2 * time.Second)
	b.Write("C:\n")
	b.Write("G:\nC:\n")
	if got := b.Text(); got != "" {
		t.Errorf("at once it says %q", got)
	}
	b.Step(100 * time.Millisecond)
	if got := b.Text(); got != "0\r\n100\r\n" {
		t.Errorf("after a gate it says %q", got)
	}
	b.Write(strings.Repeat("x", 1000))
	b.Step(100 * time.Millisecond)
	if got := b.Ask("\nG:\n"); got != "0\r\nerror\r\n100\r\n" {
		t.Errorf("after another gate it says %q", got)
	}
}

func TestFaultsOfItsOwn(t *testing.T) {
	b := newBench(t, preset(t, "rotgradpsi"), 0, Options{})
	b.Event(sim.Event{Kind: sim.Overflow, Channel: -1})
	for _, want := range []bool{true, false} {
		b.Write("\x00\x00\x07\xD0")
		b.Step(time.Second)
		if got := b.Text() == "\xFF\xFF\xFF\xFF"; got != want {
			t.Errorf("told of an overflow: %v, expected %v", got, want)
		}
	}
	// A count that is too large is told by the number, which no smaller one is.
	f := parse(t, link+"[gate]\ntime = \"1s\"\n[[channel]]\nname = \"A\"\nwidth = 8\noverflow = 200\n[[example]]\nbytes = \"1\\n\"\nreadings = [[1]]")
	b = newBench(t, f, 200, Options{})
	b.Step(40 * time.Second)
	told, over := strings.Fields(b.Text()), 0
	for i, row := range b.Rows {
		if row.Values[0] >= 200 {
			over++
		}
		if want := fmt.Sprint(min(row.Values[0], 200)); told[i] != want {
			t.Errorf("%d counts are told as %s", row.Values[0], told[i])
		}
	}
	if over < 5 || over > 35 {
		t.Errorf("%d of 40 gates had 200 counts or more", over)
	}
	b = newBench(t, preset(t, "silab-freqcount"), 0, Options{})
	b.Step(2 * time.Second)
	b.Event(sim.Event{Kind: sim.Refuse})
	if got := b.Ask("G:\nG:\n"); got != "error\r\n100\r\n" {
		t.Errorf("refused once it says %q", got)
	}
	for want, c := range map[string]struct{ name, fault string }{
		"freqcount refuses nothing":               {"freqcount", "refuse@1s"},
		"freqcount does not tell of an overflow":  {"freqcount", "overflow@1s"},
		"rotgradpsi does not tell of an overflow": {"rotgradpsi", "overflow@1s:3"},
		"freqcount has no panel":                  {"freqcount", "panel@1s"},
		"":                                        {"freqcount", "reboot@1s"},
	} {
		f, err := sim.ParseFault(c.fault)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(newCounter(t, preset(t, c.name), 0, Options{}).CheckFault(f)); !strings.Contains(got, want) || want == "" && got != "<nil>" {
			t.Errorf("%s on %s: %s", c.fault, c.name, got)
		}
	}
}

// Coincidences are seen by their names; of many counters the ninth is one too.
func TestWiring(t *testing.T) {
	named := func(names ...string) *instrument.File {
		f := &instrument.File{}
		for _, n := range names {
			f.Channels = append(f.Channels, instrument.Channel{Name: n, Kind: instrument.Count})
		}
		return f
	}
	many := strings.Fields("C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11")
	for _, c := range []struct {
		names, inputs []string
		masks         []int
	}{
		{[]string{"A", "B", "AB"}, []string{"A", "B"}, []int{1, 2, 3}},
		{[]string{"AB'", "A", "B", "B'", "A'", "A'B", "A'B'", "ABB'"}, []string{"A", "B", "B'", "A'"}, []int{5, 1, 2, 4, 8, 10, 12, 7}},
		{[]string{"1", "2", "1-2", "12", "11"}, []string{"1", "2", "11"}, []int{1, 2, 3, 3, 4}},
		{many, many[:8], []int{1, 2, 4, 8, 16, 32, 64, 128, 3, 5, 6}},
	} {
		inputs, masks := wire(named(c.names...))
		if diff := cmp.Diff(inputs, c.inputs); diff != "" {
			t.Errorf("inputs of %v (-got +want):\n%s", c.names, diff)
		}
		if diff := cmp.Diff(masks, c.masks); diff != "" {
			t.Errorf("sets of %v (-got +want):\n%s", c.names, diff)
		}
	}
}
