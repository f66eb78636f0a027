package sr400

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"photongate/device"
)

func TestNumbers(t *testing.T) {
	for line, want := range map[string]float64{
		"12345": 12345, "-1": -1, "0": 0, "1E7": 1e7, "1.0000E+07": 1e7, "5.E-9": 5e-9, "-.0100": math.NaN(), "-0.0100": -0.01, "900000000000": 9e11,
		"": math.NaN(), "1e": math.NaN(), "12 345": math.NaN(), "1,2": math.NaN(), "0x10": math.NaN(), "NaN": math.NaN(), "Inf": math.NaN(),
		"QA 1": math.NaN(), "1E999": math.NaN(), "--1": math.NaN(), "99999999999999999999": math.NaN(),
	} {
		got, ok := parseReal([]byte(line))
		if ok == math.IsNaN(want) || ok && got != want {
			t.Errorf("%q: %v, %v", line, got, ok)
		}
	}
	for line, want := range map[string]int64{"12345": 12345, "-1": -1, "1.2345E4": 12345, "1.5": math.MinInt64, "1E13": math.MinInt64, "x": math.MinInt64} {
		got, ok := parseWhole([]byte(line))
		if ok != (want != math.MinInt64) || ok && got != want {
			t.Errorf("%q: %d, %v", line, got, ok)
		}
	}
}

func TestCutLine(t *testing.T) {
	for text, want := range map[string]struct {
		line string
		size int
		ok   bool
	}{
		"12\r":           {"12", 3, true},
		"12\r\n34\r\n":   {"12", 3, true},
		"\n34\r\n":       {"34", 4, true},
		"\r\n\r\n 7 \n9": {"7", 8, true},
		"12":             {"", 0, false},
		"\r\n":           {"", 0, false},
		"":               {"", 0, false},
	} {
		line, size, ok := cutLine([]byte(text))
		if string(line) != want.line || size != want.size || ok != want.ok {
			t.Errorf("%q: %q, %d, %v", text, line, size, ok)
		}
	}
}

func TestPresets(t *testing.T) {
	for v, want := range map[float64]string{1e7: "1E7", 5e6: "5E6", 9e11: "9E11", 1: "1E0", 3: "3E0", 20: "2E1"} {
		if got := preset(v); got != want || !oneDigit(v) {
			t.Errorf("%v: %q, one digit %v", v, got, oneDigit(v))
		}
	}
	for _, v := range []float64{12, 1.5e7, 500001, 0.0025, 9.9e11} {
		if oneDigit(v) {
			t.Errorf("%v has more than one digit", v)
		}
	}
	for _, v := range []float64{0, 2e-3, 0.3, 60, 7e-7} {
		if !oneDigit(v) {
			t.Errorf("%v has one digit", v)
		}
	}
}

// Commands are those of the command table.
func TestCommands(t *testing.T) {
	want := map[string]struct {
		value any
		set   string
		query string
	}{
		"mode":         {"a_for_b", "CM 3", "CM"},
		"input_t":      {"trig", "CI 2,3", "CI 2"},
		"t_preset":     {time.Second, "CP 2,1E7", "CP 2"},
		"b_preset":     {2000.0, "CP 1,2E3", "CP 1"},
		"periods":      {int64(3), "NP 3", "NP"},
		"at_end":       {"again", "NE 1", "NE"},
		"dwell":        {2 * time.Millisecond, "DT 2E-03", "DT"},
		"threshold_a":  {-0.0124, "DL 0,-0.0124", "DL 0"},
		"threshold_t":  {2.0, "TL 2.000", "TL"},
		"slope_b":      {"fall", "DS 1,1", "DS 1"},
		"gate_input_a": {"fixed", "GM 0,1", "GM 0"},
		"gate_delay_b": {999200 * time.Microsecond, "GD 1,9.992E-01", "GD 1"},
		"gate_width_a": {5 * time.Nanosecond, "GW 0,5E-09", "GW 0"},
		"port_2":       {10.0, "PL 2,10.000", "PL 2"},
		"panel":        {"locked", "MI 2", "MI"},
	}
	found := 0
	for _, it := range items {
		w, ok := want[it.key]
		if !ok {
			continue
		}
		found++
		if it.set(w.value) != w.set || it.query() != w.query {
			t.Errorf("%s: %q and %q, want %q and %q", it.key, it.set(w.value), it.query(), w.set, w.query)
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d items", found, len(want))
	}
}

func TestOptionChecks(t *testing.T) {
	for _, tc := range []struct {
		option string
		value  any
		ok     bool
	}{
		{"gate", time.Second, true}, {"gate", 200 * time.Millisecond, true}, {"gate", 150 * time.Millisecond, false}, {"gate", tick, true},
		{"dwell", time.Duration(0), true}, {"dwell", 2 * time.Millisecond, true}, {"dwell", time.Millisecond, false}, {"dwell", 25 * time.Millisecond, false},
		{"t_preset", 3e5, true}, {"t_preset", 12.0, false}, {"b_preset", 1.5, false},
		{"baud", int64(19200), true}, {"baud", int64(14400), false},
	} {
		for _, o := range Driver.Options {
			if o.Name == tc.option {
				if err := o.Check(tc.value); (err == nil) != tc.ok {
					t.Errorf("%s = %v: %v", tc.option, tc.value, err)
				}
			}
		}
	}
	for v, want := range map[any]any{150 * time.Millisecond: 100 * time.Millisecond, 999 * time.Second: 900 * time.Second, 25 * time.Microsecond: 20 * time.Microsecond, 12.0: 10.0, 500001.0: 500000.0} {
		if got := oneDigitOf(v); got != want {
			t.Errorf("%v: as in %v, want %v", v, got, want)
		}
	}
	for _, it := range items { // what a configuration cannot name cannot be asked for
		named := it.key == "t_preset"
		for _, o := range Driver.Options {
			named = named || o.Name == it.key
		}
		if !named {
			t.Errorf("%s is no option", it.key)
		}
	}
}

func TestInputs(t *testing.T) {
	for input, want := range map[string]bool{"A": true, "B": true, "counter A": true, "counter B": true, "T": false, "": false, "AB": false} {
		if got := Driver.Inputs.May(input); got != want {
			t.Errorf("%q: %v", input, got)
		}
	}
	if got := Driver.Inputs.Known(device.Settings{"mode": "a_for_b"}); len(got) != 1 || got[0].Name != "A" {
		t.Errorf("counting to a preset of B: %+v", got)
	}
	if got := Driver.Inputs.Known(device.Settings{"mode": "a-b"}); len(got) != 2 || !got[0].Signed {
		t.Errorf("a difference: %+v", got)
	}
}

func TestAdvice(t *testing.T) {
	for _, tc := range []struct {
		settings device.Settings
		want     int
	}{
		{device.Settings{"start": true, "gate": time.Second}, 0},
		{device.Settings{"gate": time.Millisecond}, 2},
		{device.Settings{"start": true, "gate": time.Second, "t_preset": 1e6, "input_t": "trig"}, 2},
	} {
		if got := advise(tc.settings); len(got) != tc.want {
			t.Errorf("%v: %+v", tc.settings, got)
		}
	}
}

// A conversation worked by hand: a point that is not there, then twice; one whose
// counts were said differently at first; a status byte; one of A alone.
func TestCutTalk(t *testing.T) {
	said := func(text string) device.Exchange { return device.Exchange{Sent: true, Bytes: []byte(text)} }
	came := func(text string) device.Exchange { return device.Exchange{Bytes: []byte(text)} }
	talk := []device.Exchange{
		said("\r"), said("SS\r"), came("14\r"), said("QA 1\r"), came("-1\r"), said("QA 1\r"), came("12"), came("345\r"), said("QB 1\r"), came("678\r"),
		said("QA 1\r"), came("12345\r"), said("QB 1\r"), came("678\r"), said("SS\r"), came("2\r\n"),
		said("QA 2\r"), came("5\r\n"), said("QB 2\r"), came("6\r\n"), said("QA 2\r"), came("7\r\n"), said("QB 2\r"), came("6\r\n"),
		said("QA 2\r"), came("7\r\n"), said("QB 2\r"), came("6\r\n"), said("QA\n"), came("9\r"), said("QA\n"), came("9\r"), said("QB 3\r"), came("zzz\r"),
	}
	onlyA := []device.Exchange{said("QA 7\r"), came("9\r"), said("QA 7\r"), came("9\r"), said("QA 8\r"), came("9\r")}
	if got := cutTalk(onlyA, 0); len(got) != 2 || got[1].Kind != device.Reading || !cmp.Equal(got[1].Values, []uint64{9}) {
		t.Errorf("A alone: %+v", got)
	}
	var got []string
	var values [][]uint64
	size, all := 0, device.Received(talk)
	pieces := cutTalk(talk, 0)
	for n := range talk { // what was said stays said
		if got := cutTalk(talk[:n], 0); !cmp.Equal(got, pieces[:len(got)], cmpopts.EquateEmpty()) {
			t.Errorf("after %d exchanges %+v", n, got)
		}
	}
	for _, p := range pieces {
		kind := map[device.PieceKind]string{device.Reading: "reading", device.Other: "other", device.Unfit: "unfit"}[p.Kind]
		got = append(got, kind+" "+string(bytes.Map(func(r rune) rune {
			if r == '\r' || r == '\n' {
				return '.'
			}
			return r
		}, all[size:size+p.Length])))
		size += p.Length
		if p.Kind == device.Reading {
			values = append(values, p.Values)
		}
	}
	want := []string{"other 14.", "other -1.", "other 12345.678.", "reading 12345.678.", "other 2.", "other .5..6.", "other .7..6.", "reading .7..6.",
		"other .9.", "other 9.", "unfit zzz."}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("pieces (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(values, [][]uint64{{12345, 678}, {7, 6}}); diff != "" {
		t.Errorf("readings (-got +want):\n%s", diff)
	}
}

// A number is read as the same whole number in whatever way it is cut out of what
// came, and no bytes at all make anything panic.
func FuzzLines(f *testing.F) {
	f.Add([]byte("12345\r678\r\n-1\r"))
	f.Add([]byte("\r\n1.0000E+07\n\n 7 \r5e-9\r"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rest := data
		for {
			line, size, ok := cutLine(rest)
			if !ok {
				break
			}
			if size <= 0 || size > len(rest) || bytes.ContainsAny(line, "\r\n") {
				t.Fatalf("cut %q of %d bytes from %q", line, size, rest)
			}
			if v, ok := parseWhole(line); ok {
				if isMark(line) {
					t.Fatalf("%q is a count and a mark", line)
				}
				if real, isReal := parseReal(line); !isReal || real != float64(v) || math.Abs(real) > mostCount {
					t.Fatalf("%q is %d and %v", line, v, real)
				}
			}
			rest = rest[size:]
		}
		if p := cut(data); p.Length < 0 || p.Length > len(data) {
			t.Fatalf("cut %d of %d bytes", p.Length, len(data))
		}
	})
}

// Whatever comes in whatever pieces, the pieces of a conversation are what came, in
// order.
func FuzzCutTalk(f *testing.F) {
	f.Add([]byte("12345\r678\r12345\r678\r2\r"), uint8(3))
	f.Add([]byte("-1\r\n5\r\n6\r\n\r\nQA 1\r5\r6\r"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		var talk []device.Exchange
		questions := []string{"QA 1\r", "QB 1\r", "SS\r", "QA 1\r", "QB 1\r", "QA\r"}
		for i := 0; len(data) > 0; i++ {
			n := min(int(size%16)+1, len(data))
			talk = append(talk, device.Exchange{Sent: true, Bytes: []byte(questions[i%len(questions)])}, device.Exchange{Bytes: data[:n]})
			data = data[n:]
		}
		sum := 0
		for _, p := range cutTalk(talk, time.Minute) {
			if p.Length <= 0 || p.Kind == device.Reading && len(p.Values) == 0 {
				t.Fatalf("piece %+v", p)
			}
			sum += p.Length
		}
		if all := len(device.Received(talk)); sum > all {
			t.Fatalf("%d bytes in pieces of %d", sum, all)
		}
		for _, q := range quirks {
			q.Met(talk)
		}
	})
}
