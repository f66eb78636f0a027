package cc1

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

func TestParseCount(t *testing.T) {
	for line, want := range map[string]uint64{"20": 20, "0": 0, "4294967296": 1 << 32, "007": 7, "999999999999999999": 999999999999999999} {
		if got, ok := parseCount([]byte(line)); !ok || got != want {
			t.Errorf("%q: %d, %v", line, got, ok)
		}
	}
	for _, line := range []string{"", "-3", "+3", "2.0", "20 counts", "Unknown Command", " 20", "1e3", "99999999999999999999", "\x0020"} {
		if got, ok := parseCount([]byte(line)); ok {
			t.Errorf("%q was read as %d", line, got)
		}
	}
}

func TestParseFirmware(t *testing.T) {
	for line, want := range map[string]firmware{
		"Firmware v2.010":   {"2.010", true}, // minor 10
		"Firmware v2":       {"2", false},
		"Firmware v2.010.1": {"2.010.1", true},
		"Firmware v2.1":     {"2.1", false},
		"Firmware v2.2":     {"2.2", true},
		"Firmware v1.9":     {"1.9", false},
		"Firmware v3.0":     {"3.0", true}, // the published rule takes it for old
		"Firmware  v3.1":    {"3.1", true},
	} {
		if got, ok := parseFirmware([]byte(line)); !ok || got != want {
			t.Errorf("%q: %+v, %v", line, got, ok)
		}
	}
	for _, line := range []string{"", "Firmware", "Firmware v", "firmware v2.0", "Firmware v2.0 ", "Firmware v2.0.0.0", "Unknown Command", "Firmware v1234567"} {
		if got, ok := parseFirmware([]byte(line)); ok {
			t.Errorf("%q was read as %+v", line, got)
		}
	}
}

func TestParseDwell(t *testing.T) {
	for _, tc := range []struct {
		line  string
		newer bool
		want  time.Duration
	}{
		{"8", true, 8 * time.Second}, {"2.0", true, 2 * time.Second}, {"0.5", true, 500 * time.Millisecond}, {"0.1 s", true, 100 * time.Millisecond},
		{"1000 ms", true, time.Second}, {"1000ms", false, time.Second},
		{"8000", false, 8 * time.Second}, {"8000 s", false, 8 * time.Second}, {"500s", false, 500 * time.Millisecond},
		{"0", true, 0}, {"8 ns", true, 0}, {"", true, 0}, {"x", false, 0}, {"-1", true, 0}, {"1000000000", true, 0},
	} {
		got, ok := parseDwell([]byte(tc.line), tc.newer)
		if ok != (tc.want > 0) || ok && got != tc.want {
			t.Errorf("%q, new %v: %v, %v", tc.line, tc.newer, got, ok)
		}
	}
}

func TestParseWords(t *testing.T) {
	for line, want := range map[string]string{"3": "3", "8 ns": "8", "14ns": "14", "2.0": "2", "0": "0", "2.5": "", "3 ms": "", "": "", "ON": ""} {
		if got, ok := parseNs([]byte(line)); ok != (want != "") || got != want {
			t.Errorf("window %q: %q, %v", line, got, ok)
		}
	}
	for line, want := range map[string]string{"ON": "true", "OFF": "false", "1": "true", "0": "false", "2": "", "on": ""} {
		if got, ok := parseSwitch([]byte(line)); ok != (want != "") || got != want {
			t.Errorf("switch %q: %q, %v", line, got, ok)
		}
	}
	for line, want := range map[string]string{"MODE CONT": "continuous", "MODE STOP": "stop", "0": "continuous", "1": "stop", "STOP": ""} {
		if got, ok := parseTrigger([]byte(line)); ok != (want != "") || got != want {
			t.Errorf("trigger %q: %q, %v", line, got, ok)
		}
	}
}

// Commands are those of the command table, for both generations.
func TestCommands(t *testing.T) {
	for _, tc := range []struct {
		key        string
		value      any
		newer, old string
	}{
		{"gate", 2 * time.Second, ":DWEL 2", ":DWEL 2"},
		{"gate", 500 * time.Millisecond, ":DWEL 0.5", ":DWEL 0.5"},
		{"gate_input", true, ":GATE:ON", ":GATE 1"},
		{"gate_input", false, ":GATE:OFF", ":GATE 0"},
		{"subtract", true, ":SUBT:ON", ":SUBT 1"},
		{"subtract", false, ":SUBT:OFF", ":SUBT 0"},
		{"trigger", continuous, ":TRIG:MODE CONT", ":TRIG 0"},
		{"trigger", startStop, ":TRIG:MODE STOP", ":TRIG 1"},
		{"window", int64(7), ":WIND 7", ":WIND 7"},
		{"delay", int64(14), ":DELA 14", ":DELA 14"},
	} {
		for _, it := range items {
			if it.key != tc.key {
				continue
			}
			if got := it.command(tc.value, true); got != tc.newer || !echo.MatchString(got) {
				t.Errorf("%s = %v: %q, want %q", tc.key, tc.value, got, tc.newer)
			}
			if got := it.command(tc.value, false); got != tc.old || !echo.MatchString(got) {
				t.Errorf("%s = %v, old: %q, want %q", tc.key, tc.value, got, tc.old)
			}
		}
	}
}

// Bytes worked by hand: an opening, a set of counts with a stray line in it, one
// with a line too many, acknowledgements, and what no CC1 says.
func TestCut(t *testing.T) {
	for name, tc := range map[string]struct {
		bytes string
		kinds string // r reading, o other, u unfit
		value [][]uint64
	}{
		"counts":          {"20\n21\n5\nFirmware v2.010\n", "r", [][]uint64{{20, 21, 5}}},
		"two sets":        {"20\n21\n5\nFirmware v2\r\n30\n31\n6\nFirmware v2\r\n", "rr", [][]uint64{{20, 21, 5}, {30, 31, 6}}},
		"settings ahead":  {"8\nON\n3\nOFF\n0\nMODE STOP\nFirmware v2.010\n20\n21\n5\nFirmware v2.010\n", "ooooooor", [][]uint64{{20, 21, 5}}},
		"with units":      {"8000 ms\n3 ns\n20\n21\n5\nFirmware v2.010\n", "oor", [][]uint64{{20, 21, 5}}},
		"a stray line":    {"20\nhello\n21\n5\nFirmware v2.010\n", "r", [][]uint64{{20, 21, 5}}},
		"one too many":    {"20\n20\n21\n5\nFirmware v2.010\n", "or", [][]uint64{{20, 21, 5}}},
		"one too few":     {"20\n21\nFirmware v2.010\n", "ooo", nil},
		"acknowledged":    {"COUN:C1?\n20\nCOUN:C2?\n21\nCOUN:CO?\n5\nCLEA\nFIRM?\nFirmware v2.010\n", "r", [][]uint64{{20, 21, 5}}},
		"not yet whole":   {"20\n21\n5\n", "", nil},
		"refusals, stray": {"Unknown Command\nUnable to comply\n\nbanner\n:DWEL 0.5\n", "ooouo", nil},
	} {
		t.Run(name, func(t *testing.T) {
			kinds, values := "", [][]uint64(nil)
			for _, p := range device.Pieces(cut, []byte(tc.bytes)) {
				kinds += map[device.PieceKind]string{device.Reading: "r", device.Other: "o", device.Unfit: "u"}[p.Kind]
				if p.Kind == device.Reading {
					values = append(values, p.Values)
				}
			}
			if diff := cmp.Diff(values, tc.value); diff != "" || kinds != tc.kinds {
				t.Errorf("%q (want %q), readings (-got +want):\n%s", kinds, tc.kinds, diff)
			}
		})
	}
}

// A count is read as what it is written, and nothing else is one.
func FuzzParse(f *testing.F) {
	f.Add([]byte("20"))
	f.Add([]byte("Firmware v2.010.1"))
	f.Add([]byte("8000 ms"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if v, ok := parseCount(line); ok {
			back := uint64(0)
			for _, c := range line {
				if c < '0' || c > '9' {
					t.Fatalf("%q was read as a count", line)
				}
				back = back*10 + uint64(c-'0')
			}
			if back != v || v > 1<<63 {
				t.Fatalf("%q was read as %d", line, v)
			}
		}
		if fw, ok := parseFirmware(line); ok && (fw.text == "" || !bytes.HasPrefix(line, []byte("Firmware"))) {
			t.Fatalf("%q is firmware %+v", line, fw)
		}
		for _, newer := range []bool{false, true} {
			if d, ok := parseDwell(line, newer); ok && (d <= 0 || d > 1e6*time.Second) {
				t.Fatalf("%q is a dwell time of %v", line, d)
			}
			for _, it := range items {
				if v, ok := it.parse(line, newer); ok && v == "" {
					t.Fatalf("%q is an empty %s", line, it.key)
				}
			}
		}
	})
}

// However much or little has come, pieces are made of what came.
func FuzzCut(f *testing.F) {
	f.Add([]byte("20\n21\n5\nFirmware v2.010\n"))
	f.Add([]byte("COUN:C1?\n20\nCOUN:C2?\n21\nUnknown Command\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range device.Pieces(cut, data) {
			if p.What == "" || (p.Kind == device.Reading) != (len(p.Values) == channels) {
				t.Fatalf("%+v", p)
			}
		}
		p := cut(append(data, '\n'))
		if p.Length < 0 || p.Length > len(data)+1 {
			t.Fatalf("cut %d of %d bytes", p.Length, len(data)+1)
		}
		talk := []device.Exchange{{Sent: true, Bytes: []byte("CLEA\nFIRM?\n")}, {Bytes: data}, {Sent: true, Bytes: []byte("FIRM?\n")}}
		for _, q := range quirks {
			q.Met(talk)
		}
	})
}
