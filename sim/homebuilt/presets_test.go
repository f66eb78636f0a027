package homebuilt

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/instrument"
	"photongate/sim/bench"
)

// preset is the instrument file of that name that comes with the program.
func preset(t testing.TB, name string) *instrument.File {
	t.Helper()
	list := instrument.Presets()
	i := slices.IndexFunc(list, func(f *instrument.File) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("there is no preset %s", name)
	}
	return list[i]
}

// newCounter makes an instrument with light of its usual rate, or of rateHz.
func newCounter(t testing.TB, f *instrument.File, rateHz float64, o Options) *Counter {
	t.Helper()
	if rateHz == 0 {
		rateHz = UsualRateHz(f)
	}
	light, err := bench.Light(Inputs(f), slices.Repeat([]float64{rateHz}, len(Inputs(f))))
	if err != nil {
		t.Fatal(err)
	}
	o.File, o.Light, o.Seed = f, light, 1
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newBench(t testing.TB, f *instrument.File, rateHz float64, o Options) *bench.Bench {
	t.Helper()
	return bench.New(newCounter(t, f, rateHz, o))
}

// The clients below read what the formats of the instruments say, and know nothing
// of instrument files. Each returns the readings in a text.

// columns reads lines that end in end; of each the columns that are named, counted
// from 0. What is no number there is -1.
func columns(end, split string, which ...int) func(string) [][]float64 {
	return func(text string) (rows [][]float64) {
		for line := range strings.SplitAfterSeq(text, end) {
			line, whole := strings.CutSuffix(line, end)
			if !whole {
				continue
			}
			parts := strings.Split(line, split)
			var row []float64
			for _, k := range which {
				if k >= len(parts) {
					row = append(row, -1)
					continue
				}
				n, err := strconv.ParseFloat(parts[k], 64)
				if err != nil {
					n = -1
				}
				row = append(row, n)
			}
			rows = append(rows, row)
		}
		return rows
	}
}

// words reads n numbers of so many bytes, one behind the other, in records of size
// bytes that begin at skip.
func words(size, skip, n, width, stride int, order binary.ByteOrder, mask uint64) func(string) [][]float64 {
	return func(text string) (rows [][]float64) {
		for ; len(text) >= size; text = text[size:] {
			var row []float64
			for k := range n {
				whole := make([]byte, 8)
				for i := range width {
					b := text[skip+k*width*stride+i*stride]
					if order == binary.ByteOrder(binary.BigEndian) {
						whole[8-width+i] = b
					} else {
						whole[i] = b
					}
				}
				row = append(row, float64(order.Uint64(whole)&mask))
			}
			rows = append(rows, row)
		}
		return rows
	}
}

const all = ^uint64(0)

var little, large = binary.ByteOrder(binary.LittleEndian), binary.ByteOrder(binary.BigEndian)

// eventNumbers makes a row for each of n events.
func eventNumbers(n int) (rows [][]float64) {
	for i := range n {
		rows = append(rows, []float64{float64(i + 1)})
	}
	return rows
}

// TestPresetsSayTheTruth runs every shipped file. The format of each row is that of
// the survey of home-built counters.
func TestPresetsSayTheTruth(t *testing.T) {
	for name, c := range map[string]struct {
		ask    string        // written before each wait; empty: it sends by itself
		boot   time.Duration // silence at first
		banner string        // what it says then
		every  time.Duration // between two readings, or how long an answer takes
		digits []int         // behind the point of each value of the truth; nil: none
		read   func(text string) [][]float64
	}{
		"freqcount":             {"", 2 * time.Second, "", time.Second, nil, columns("\r\n", "|", 0)},
		"teensy-photon-counter": {"r", 0, "", 410 * time.Millisecond, []int{1}, columns("\r\n", "|", 0)},
		"silab-freqcount":       {"C:\n", 2 * time.Second, "", 100 * time.Millisecond, nil, columns("\r\n", "|", 0)},
		"arduino-coincidence":   {"2\nMEASURE\n", 2 * time.Second, "", 2 * time.Second, nil, columns("\r\n", ",", 0, 1, 2)},
		"beale-geiger":          {"", 0, "GeigerLog 0.1 Start\r\n", time.Minute, []int{0, 3}, columns("\r\n", ", ", 1, 2)},
		"arduino-timer1":        {"", 2 * time.Second, "", 20 * time.Millisecond, nil, columns("\r\n", "|", 0)},
		"psem-geiger":           {"", 0, "", time.Minute, nil, columns("\r\n", ": ", 1)},
		"mightyohm":             {"", 0, "", time.Second, []int{0, 0, 2}, columns("\n", ", ", 1, 3, 5)},
		"netio-gc10":            {"", 0, "", time.Second, nil, columns("\n", "|", 0)},
		"netio-gc10next":        {"", 0, "", time.Second, nil, columns("\n", "|", 0)},
		"mini-sid": {"", 2 * time.Second, "Hello World!\r\n", time.Second, nil, func(text string) (rows [][]float64) {
			for line := range strings.Lines(text) {
				rows = append(rows, []float64{float64(strings.Count(line, "0;"))})
				if line != strings.Repeat("0;", strings.Count(line, ";"))+"\r\n" {
					rows = nil
				}
			}
			return rows
		}},
		"photonchopper": {"", 2 * time.Second, "time_ms,rpm,photo,mark\r\n", 200 * time.Millisecond, []int{3, 3, 3}, columns("\r\n", ",", 1, 2, 3)},
		"geigerlink": {"", 2 * time.Second, "READY\r\n", 0, nil, func(text string) [][]float64 {
			return eventNumbers(len(columns("\r\n", ",", 0, 1)(text)))
		}},
		"cosmicwatch": {"", 2 * time.Second, strings.Repeat("### header\r\n", 0), 0, nil, func(text string) [][]float64 {
			var rows [][]float64
			for line := range strings.Lines(text) {
				parts := strings.Fields(line)
				if n, err := strconv.Atoi(parts[0]); err == nil && len(parts) == 6 {
					rows = append(rows, []float64{float64(n)})
				}
			}
			return rows
		}},
		"rp2040-pmt": {"GETALL\r", 0, "", 0, nil, func(text string) (rows [][]float64) {
			for part := range strings.SplitSeq(text, "GETALL\r") {
				inner, ok := strings.CutPrefix(part, "\r\n||")
				if inner, ok2 := strings.CutSuffix(inner, " ||\r\n"); ok && ok2 {
					rows = append(rows, columns("|", " ", 0, 1, 2)(inner+"|")...)
				}
			}
			return rows
		}},
		"moltech-fss":   {"M!", 0, "", 0, []int{6}, columns("!", "|", 0)},
		"arduino-tcspc": {"CNT_GET", 2 * time.Second, "", 100 * time.Millisecond, nil, words(4, 0, 1, 4, 1, little, all)},
		"rotgradpsi":    {"\x00\x03\x0D\x40", 0, "", 100 * time.Millisecond, nil, words(4, 0, 1, 4, 1, large, all)},
		"dist-board":    {"\x0A", 0, "", 0, nil, words(32, 0, 8, 4, 1, little, 0xFFFFFF)},
		"coincide":      {"", 0, "", time.Second, nil, words(125, 0, 31, 4, 1, little, all)},
		"ccu-fpga":      {"", 0, "", 25 * time.Microsecond, nil, words(10, 1, 9, 1, 1, little, all)},
		"bristol-cqp":   {"", 0, "", time.Second, nil, words(178, 2, 22, 4, 2, little, all)},
		"de2-frame": {"", 0, "", 100 * time.Millisecond, nil, func(text string) (rows [][]float64) {
			for packet := range strings.SplitAfterSeq(text, "\xFF") {
				if len(packet) != 41 {
					continue
				}
				row := make([]float64, 8)
				for i := range row {
					for k := range 5 {
						row[i] += float64(packet[5*i+k]) * float64(uint64(1)<<(7*k))
					}
				}
				rows = append(rows, row)
			}
			return rows
		}},
		"serialpulse": {"", 0, "", 0, nil, func(text string) [][]float64 { return eventNumbers(len(text)) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, preset(t, name), 0, Options{})
			b.Step(c.boot - time.Nanosecond)
			if text := b.Text(); c.boot > 0 && text != "" {
				t.Errorf("silent for %v, it says %q", c.boot, text)
			}
			var text string
			switch {
			case c.ask != "":
				b.Step(time.Millisecond)
				for range 5 {
					b.Step(300 * time.Millisecond)
					b.Write(c.ask)
					b.Step(c.every)
				}
				text = b.Text()
			case c.every > 0:
				b.Step(10*c.every + time.Nanosecond)
				text = b.Text()
			default:
				b.Step(2 * time.Second)
				text = b.Text()
			}
			text, banner := strings.CutPrefix(text, c.banner)
			if !banner {
				t.Errorf("it begins with %.60q, expected %q", text, c.banner)
			}
			text = strings.TrimPrefix(text, c.banner) // said at power-on and when opened, which is the same moment here
			var want [][]float64
			for _, row := range b.Rows {
				var values []float64
				for i, v := range row.Values {
					n := float64(v)
					for k := 0; c.digits != nil && k < c.digits[i]; k++ {
						n /= 10
					}
					values = append(values, n)
				}
				want = append(want, values)
			}
			got := c.read(text)
			if diff := cmp.Diff(got, want, nearly); diff != "" {
				t.Errorf("read and truth differ (-read +truth):\n%.2000s", diff)
			}
			if least := 5; len(want) < least {
				t.Errorf("%d readings, expected %d", len(want), least)
			}
		})
	}
	counting := 0
	for _, f := range instrument.Presets() {
		if f.Tags == nil {
			counting++
		}
	}
	if counting != 24 {
		t.Errorf("there are %d presets that count: this table has 24", counting)
	}
}

var nearly = cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9*(1+b) && b-a < 1e-9*(1+b) })

// What else they answer, by the same survey.
func TestPresetsAnswer(t *testing.T) {
	for _, c := range []struct{ name, ask, want string }{
		{"teensy-photon-counter", "?", "PhotonCounter\r\n"},
		{"teensy-photon-counter", "e0.4", "0.40\r\n"},
		{"teensy-photon-counter", "e0.40e9", "0.40\r\n4.00\r\n"},
		{"teensy-photon-counter", "e0.001", "0.05\r\n"},
		{"teensy-photon-counter", "z", ""},
		{"teensy-photon-counter", "z\n?\r\n", "PhotonCounter\r\n"},
		{"silab-freqcount", "G:\n", "100\r\n"},
		{"silab-freqcount", "g:500:\nG:\n", "500\r\n500\r\n"},
		{"silab-freqcount", "g:0:\nG:\n", "error\r\n100\r\n"},
		{"silab-freqcount", "X:\nG:\n", "error\r\n100\r\n"},
		{"silab-freqcount", "g:much:\n", "error\r\n"},
		{"silab-freqcount", "F:\n", "0.00\r\n"},
		{"silab-freqcount", "R:\n", ""},
		{"arduino-coincidence", "PING\n", "PONG\r\n"},
		{"arduino-coincidence", "CLEAR\nPING\n", "Counters cleared.\r\nPONG\r\n"},
		{"rp2040-pmt", "GETAL\r", "GETAL\rERR: unknown\r\n"},
		{"moltech-fss", "!?!", "FSS!"},
		{"dist-board", "\x00", "\x01"},
		{"dist-board", "\x07\x00", "\x01"},
		{"arduino-tcspc", "CNT_STR 200", ""},
	} {
		b := newBench(t, preset(t, c.name), 0, Options{})
		b.Step(2 * time.Second)
		b.Text()
		b.Write(c.ask)
		b.Step(100 * time.Millisecond)
		if got := b.Text(); got != c.want {
			t.Errorf("%s: %q is answered %q, expected %q", c.name, c.ask, got, c.want)
		}
	}
}

// Gates are as long as they were told to be: 200 in steps of 1 ms, 400000 in steps
// of 0.5 us, 3 s.
func TestGatesAreSet(t *testing.T) {
	for _, c := range []struct {
		name, set, ask string
		want           time.Duration
	}{
		{"arduino-tcspc", "CNT_STR 200", "CNT_GET", 200 * time.Millisecond},
		{"rotgradpsi", "", "\x00\x06\x1A\x80", 200 * time.Millisecond},
		{"silab-freqcount", "g:30:\n", "C:\n", 30 * time.Millisecond},
		{"arduino-coincidence", "", "3\nMEASURE\n", 3 * time.Second},
		{"teensy-photon-counter", "e1.25", "r", 1250 * time.Millisecond},
	} {
		b := newBench(t, preset(t, c.name), 0, Options{})
		b.Step(2 * time.Second)
		b.Write(c.set)
		b.Step(60 * time.Millisecond)
		asked := b.Now()
		b.Write(c.ask)
		b.Step(5 * time.Second)
		if len(b.Rows) != 1 || b.Rows[0].After-asked != c.want {
			t.Errorf("%s: asked after %v, truth %v, expected one row %v later", c.name, asked, b.Rows, c.want)
		}
	}
}

// Without a host that asks, an instrument that is asked says nothing.
func TestAskedSaysNothingByItself(t *testing.T) {
	for _, f := range instrument.Presets() {
		b := newBench(t, f, 0, Options{})
		b.Step(2 * time.Second)
		if text := b.Text(); f.Poll != nil && text != "" {
			t.Errorf("%s says %q", f.Name, text)
		}
	}
}

// What a file leaves open is in the example of the preset: addresses between the
// bytes of numbers, a top byte that does not count.
func TestRestOfARecordIsThatOfTheExample(t *testing.T) {
	b := newBench(t, preset(t, "bristol-cqp"), 0, Options{})
	b.Step(time.Second)
	text := b.Text()
	for i := range 88 {
		if got := text[3+2*i]; int(got) != i+1 {
			t.Fatalf("address %d is %d", i+1, got)
		}
	}
	b = newBench(t, preset(t, "dist-board"), 0, Options{})
	b.Step(time.Second)
	if text := b.Ask("\x0A"); text[31] != 0xAA {
		t.Errorf("the top byte is %x", text[31])
	}
}
