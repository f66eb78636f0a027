package tdc1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"photongate/device"
)

func TestParseCounts(t *testing.T) {
	for _, tc := range []struct {
		line string
		n    int // 0: it is none
		last uint64
	}{
		{"81403 79218 5 0", 4, 0},
		{"81403 79218 40211 40007 3102 12 9 2988", 8, 2988},
		{"  1\t2 ,3;  4\t", 4, 4},
		{"1,2,3,4", 4, 4},
		{"16777216000 1 1 16383750000", 4, 16383750000}, // 250 MHz for 65.535 s
		{line: "1099511627776 0 0 0"},                   // 2^40
		{line: "99999999999999999999999999 0 0 0"},
		{line: "1 2 3"}, {line: "1 2 3 4 5"}, {line: "1 2 3 4 5 6 7 8 9"}, {line: "1 2 3 -4"}, {line: "1 2 3 4.0"},
		{line: "1 2 3 0x4"}, {line: "1 2 3 4\r"}, {line: ""}, {line: " ,; "}, {line: "1:2:3:4"}, {line: "TDC1"}, {line: "3 1 0\x00 2"},
	} {
		c, ok := parseCounts([]byte(tc.line))
		if ok != (tc.n > 0) || c.n != tc.n || ok && c.value[c.n-1] != tc.last {
			t.Errorf("parseCounts(%q) = %+v, %v", tc.line, c, ok)
		}
	}
}

func TestParseTime(t *testing.T) {
	for line, want := range map[string]time.Duration{
		"100": 100 * time.Millisecond, "0": 0, "32767": 32767 * time.Millisecond,
		"-32768": 32768 * time.Millisecond, "-1": 65535 * time.Millisecond, "-5536": time.Minute, "60000": time.Minute,
	} {
		if got, ok := parseTime(line); !ok || got != want {
			t.Errorf("parseTime(%q) = %v, %v, want %v", line, got, ok, want)
		}
	}
	for _, bad := range []string{"", "-32769", "65536", "1 s", "1.0", "TDC1", "1 2 3 4"} {
		if got, ok := parseTime(bad); ok {
			t.Errorf("parseTime(%q) = %v", bad, got)
		}
	}
}

func TestParseMode(t *testing.T) {
	for line, want := range map[string]string{"0": "singles", "1": "pairs", "3": "timestamp", "2": "", "4": "", "-1": "", "": "", "01x": ""} {
		if m, ok := parseMode(line); ok != (want != "") || ok && m.String() != want {
			t.Errorf("parseMode(%q) = %v, %v", line, m, ok)
		}
	}
}

func TestParseLevelAndClock(t *testing.T) {
	for line, want := range map[string]string{
		"-0.5 V": "-0.5", "0.300000 positive slope": "0.3", "1.2V": "1.2", "+2": "2",
		"": "", "NIM": "", "inf": "", "-infinity V": "", "nan": "", "0x1p2": "", "1e1": "", "9 V": "", "--1": "",
	} {
		v, ok := parseLevel(line)
		if got := fmt.Sprint(v); ok != (want != "") || ok && got != want {
			t.Errorf("parseLevel(%q) = %s, %v", line, got, ok)
		}
	}
	for line, want := range map[string]string{"0": "auto", "1": "external", "2 internal": "internal", "3": "", "": "", "-1": "", "x 1": ""} {
		if got, ok := parseClock(line); ok != (want != "") || got != want {
			t.Errorf("parseClock(%q) = %q, %v", line, got, ok)
		}
	}
}

func TestCommands(t *testing.T) {
	for got, want := range map[string]string{
		timeCommand(65535 * time.Millisecond): "time 65535",
		thresholdCommand(-0.5):                "neg -0.5", // the sign goes with it
		thresholdCommand(0.25):                "pos 0.25",
		thresholdCommand(0):                   "pos 0",
		clockCommand("auto"):                  "refclk 0",
		clockCommand("internal"):              "refclk 2",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		bytes  string
		length int
		kind   device.PieceKind
		what   string
		values int
	}{
		{"81403 79218 5 0\r\n1 2", 17, device.Reading, "line of 4 counts", 4},
		{"1 2 3 4 5 6 7 8\n", 16, device.Reading, "line of 8 counts", 8},
		{"1 2 3\n", 6, device.Unfit, "line of 3 numbers, expected 4 or 8", 0},
		{"S-Fifteen TDC1\r\n", 16, device.Other, "answer to *idn?: S-Fifteen TDC1", 0},
		{"-5536\r\n", 7, device.Other, "answer: the number -5536", 0},
		{"-0.5 V\r\n", 8, device.Other, "answer that begins with a number: -0.5 V", 0},
		{"\r\n1", 2, device.Other, "empty line", 0},
		{"temperature 21\r\n", 16, device.Unfit, "line that is no answer the unit is known to give", 0},
		{"81403 7\xb9218 5 0\r\n", 17, device.Unfit, "line that is no answer the unit is known to give", 0},
		{"81403 79218", 0, device.Unfit, "", 0},
		{strings.Repeat("\xef", 5000), 5000, device.Unfit, "5000 bytes without a line end, as of a stream of time stamps", 0},
	} {
		p := cut([]byte(tc.bytes))
		if p.Length != tc.length || p.Kind != tc.kind || p.What != tc.what || len(p.Values) != tc.values {
			t.Errorf("%.40q: %+v", tc.bytes, p)
		}
	}
}

func TestCutTalk(t *testing.T) {
	talk := []device.Exchange{
		{Bytes: []byte("\x11\xef\x01\x80\n")}, {Sent: true, Bytes: []byte("abort\r\n")}, {Bytes: []byte("\x11\xef")}, {Sent: true, Bytes: []byte("*idn?\r\n")},
		{Bytes: []byte("TDC1\r\n1 2 3 4\r\n1 2")},
	}
	if got := cutTalk(talk[:3], time.Hour); len(got) != 0 {
		t.Errorf("before it is asked: %+v", got)
	}
	got := cutTalk(talk, time.Hour)
	if len(got) != 3 || got[0].Length != 7 || got[0].Kind != device.Other || got[1].What != "answer to *idn?: TDC1" || got[2].Kind != device.Reading {
		t.Errorf("%+v", got)
	}
	if got := cutTalk(talk[3:], time.Hour); len(got) != 2 {
		t.Errorf("without anything before: %+v", got)
	}
}

// What comes while it streams are records.
func TestCutTalkOfStream(t *testing.T) {
	talk := []device.Exchange{
		{Sent: true, Bytes: []byte("*idn?\r\n")}, {Bytes: []byte("TDC1\r\n")},
		{Sent: true, Bytes: []byte("inpkt;time 0;timestamp;counts?\r\n")}, {Bytes: []byte{0x81, 0x3E, 0, 0, 0x05}}, {Bytes: []byte{0x7D, 0, 0, 0x11, 0xEF, 0x01, 0x80, 0, 0, 0, 0, 7}},
		{Sent: true, Bytes: []byte("abort\r\n")}, {Bytes: []byte("TDC1\r\n")},
	}
	want := []string{"answer to *idn?: TDC1", "input 1 at 1000 ns of a period", "input 1 and 3 at 2000 ns of a period",
		"marker at 134225648 ns of a period", "record of no input and no marker, at 0 ns of a period", "answer to *idn?: TDC1"}
	for n, p := range cutTalk(talk, 0) {
		if n >= len(want) || p.What != want[n] || (p.Kind == device.Unfit) != (n == 4) {
			t.Errorf("piece %d: %+v", n, p)
		}
	}
	if n := len(cutTalk(talk, 0)); n != len(want) {
		t.Errorf("%d pieces", n)
	}
	for _, q := range quirks {
		if q.Name == "markers" {
			if got := q.Met(talk); got != "1 of 4 records, at time 67112824" {
				t.Errorf("%q", got)
			}
		}
	}
}

// A line that is read as counts says the same when it is written out again.
func FuzzParseCounts(f *testing.F) {
	f.Add([]byte("81403 79218 5 0"))
	f.Add([]byte(" 1,\t2;3  4 5 6 7 8 "))
	f.Add([]byte("1099511627776 0 0 0"))
	f.Fuzz(func(t *testing.T, line []byte) {
		c, ok := parseCounts(line)
		if !ok {
			return
		}
		fields := bytes.FieldsFunc(line, separates)
		if len(fields) != c.n || c.n != inputs && c.n != numbers {
			t.Fatalf("%q was read as %d numbers", line, c.n)
		}
		for n, field := range fields {
			if got := strings.TrimLeft(string(field), "0"); got != strings.TrimLeft(fmt.Sprint(c.value[n]), "0") {
				t.Fatalf("field %d of %q was read as %d", n, line, c.value[n])
			}
		}
	})
}

// Whatever the unit answers, what is taken of it is within its bounds.
func FuzzAnswers(f *testing.F) {
	f.Add("-5536")
	f.Add("-0.5 V negative")
	f.Add("2 internal")
	f.Fuzz(func(t *testing.T, line string) {
		if d, ok := parseTime(line); ok && (d < 0 || d > maxTime) {
			t.Fatalf("time %v", d)
		}
		if v, ok := parseLevel(line); ok && !(v >= -maxVolt && v <= maxVolt) {
			t.Fatalf("level %v", v)
		}
		if m, ok := parseMode(line); ok && m != singles && m != pairs && m != timestamp {
			t.Fatalf("mode %v", m)
		}
		if w, ok := parseClock(line); ok != (w != "") {
			t.Fatalf("clock %q", w)
		}
		if p := cut([]byte(line + "\n")); p.Length < 0 || p.Length > len(line)+1 || p.What == "" {
			t.Fatalf("cut: %+v", p)
		}
	})
}
