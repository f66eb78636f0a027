package gmc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/device/devicetest"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]struct {
		model, firmware string
		spec            spec
	}{
		"GMC-300Re 2.10":     {"GMC-300", "2.10", rfc1201},  // GQ-RFC1201.txt
		"GMC-600+Re 1.14":    {"GMC-600+", "1.14", rfc1801}, // GQ-RFC1801.txt
		"GMC-300SRe 1.14":    {"GMC-300S", "1.14", rfc1201}, // pygmc auto_get_device.py, and so the others
		"GMC-320Re 4.26":     {"GMC-320", "4.26", rfc1201},
		"GMC-320+Re 4.26":    {"GMC-320+", "4.26", rfc1201},
		"GMC-500+Re 2.22":    {"GMC-500+", "2.22", rfc1801},
		"GMC-800Re1.08":      {"GMC-800", "1.08", rfc1801},
		"GMC-SE Re 1.05":     {"GMC-SE", "1.05", rfc1201},
		"GMC-280Re 2.20\x00": {"GMC-280", "2.20", rfc1201},
		"GMC-900Re 1.00":     {"GMC-900", "1.00", unknownSpec},
	} {
		v, ok := parseVersion([]byte(text))
		if !ok || v.model != want.model || v.firmware != want.firmware || v.protocol() != want.spec {
			t.Errorf("parseVersion(%q) = %+v, %v, %v", text, v, v.protocol(), ok)
		}
	}
	for _, bad := range []string{"", "GMC-", "GMC-300", "GMC-300Re", "GMC-300Re 2.", "GMC-300Re 2.1\xb0", "xGMC-300Re 2.10", "GMC-300Re 2.10GMC", "GMC-300re 2.10", "GMC-Re 1.0"} {
		if v, ok := parseVersion([]byte(bad)); ok {
			t.Errorf("parseVersion(%q) = %+v", bad, v)
		}
	}
}

func TestParseSerialAndVolt(t *testing.T) {
	if s, ok := parseSerial([]byte("00!W!W\xf6")); !ok || s != "303021572157f6" { // pygmc tests/data/data_gmc500_plus.py
		t.Errorf("%q, %v", s, ok)
	}
	if s, ok := parseSerial([]byte("00!W!W")); ok {
		t.Errorf("six bytes are %q", s)
	}
	for _, tc := range []struct {
		spec spec
		b    string
		want string // empty: none
	}{
		{rfc1201, "\x62", "9.8"}, {rfc1201, "\x29", "4.1"}, {rfc1201, "", ""}, {rfc1201, "4.0v\x00", ""},
		{rfc1801, "4.0v\x00", "4.0"}, {rfc1801, "3.97v", "3.97"}, {rfc1801, "4.0v", ""}, {rfc1801, "v4.0\x00", ""}, {rfc1801, "\x00\x00\x00\x00\x00", ""},
	} {
		if got, ok := tc.spec.parseVolt([]byte(tc.b)); got != tc.want || ok != (tc.want != "") {
			t.Errorf("%v %q: %q, %v", tc.spec, tc.b, got, ok)
		}
	}
}

func TestCount(t *testing.T) {
	for _, tc := range []struct {
		spec spec
		b    []byte
		want uint64
	}{
		{rfc1201, []byte{0x00, 0x1C}, 28},
		{rfc1201, []byte{0xC0, 0x1C}, 28},   // reserved bits set
		{rfc1201, []byte{0x10, 0x1C}, 4124}, // the document says 28, against its own 14 bits
		{rfc1201, []byte{0xFF, 0xFF}, 16383},
		{rfc1801, []byte{0, 0, 0, 0x1C}, 28}, // GQ-RFC1801.txt
		{rfc1801, []byte{0, 0, 0, 0x13}, 19}, // a GMC-500+
		{rfc1801, []byte{1, 2, 3, 4}, 16909060},
	} {
		if got := tc.spec.count(tc.b); got != tc.want {
			t.Errorf("%v % x: %d, want %d", tc.spec, tc.b, got, tc.want)
		}
	}
}

func TestDue(t *testing.T) {
	for _, tc := range []struct {
		since time.Duration
		first bool
		want  int
	}{
		{0, true, 1}, {900 * time.Millisecond, true, 1}, {2500 * time.Millisecond, true, 3},
		{300 * time.Millisecond, false, 1}, {time.Second, false, 1}, {1240 * time.Millisecond, false, 1},
		{1300 * time.Millisecond, false, 2}, {5050 * time.Millisecond, false, 5},
	} {
		if got := due(tc.since, tc.first); got != tc.want {
			t.Errorf("due(%v, %v) = %d, want %d", tc.since, tc.first, got, tc.want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		bytes  string
		length int
		kind   device.PieceKind
		what   string
	}{
		{"GMC-300Re 2.10", 14, device.Other, "version: GMC-300 2.10"},
		{"GMC-800Re1.08\x00\x1c", 13, device.Other, "version: GMC-800 1.08"},
		{"\x00\x1cGMC-300Re 2.10", 2, device.Unfit, "2 bytes that only the conversation explains"},
		{"GMC-x", 4, device.Unfit, "GMC- and no version after it"},
		{"\x00\x1c\x00\x1d", 4, device.Unfit, "4 bytes that only the conversation explains"},
	} {
		if p := cut([]byte(tc.bytes)); p.Length != tc.length || p.Kind != tc.kind || p.What != tc.what {
			t.Errorf("%q: %+v", tc.bytes, p)
		}
	}
}

// talk is a conversation by hand: at ms, "> text" or "< text".
func talk(entries ...any) (list []device.Exchange) {
	for i := 0; i < len(entries); i += 2 {
		text := entries[i+1].(string)
		list = append(list, device.Exchange{At: time.Duration(entries[i].(int)) * time.Millisecond, Sent: text[0] == '>', Bytes: []byte(text[1:])})
	}
	return list
}

func TestCutTalk(t *testing.T) {
	opening := []any{
		30, "<\x00\x2b", 100, "><HEARTBEAT0>>", 400, "><GETVER>>", 410, "<GMC-320", 415, "<Re 4.26",
		600, "><GETSERIAL>>", 610, "<\xf4\x88\x00\x7e\x05\x12\x34", 800, "><GETVOLT>>", 810, "<\x62", 1000, "><HEARTBEAT1>>",
	}
	known := []string{
		"2 bytes from before, as of a unit that was left beating", "14 version: GMC-320 4.26", "7 serial number f488007e051234", "1 voltage: 9.8 V",
	}
	for name, tc := range map[string]struct {
		beats []any
		until int
		want  []string
	}{
		"two, the second in parts":      {[]any{1500, "<\x00\x1c", 2500, "<\x00", 2502, "<\x1d"}, 2900, []string{"2 heartbeat 28", "2 heartbeat 29"}},
		"the last is not certain yet":   {[]any{1500, "<\x00\x1c", 2500, "<\x00\x1d"}, 2700, []string{"2 heartbeat 28"}},
		"a byte too many":               {[]any{1500, "<\x00\x1c", 2500, "<\x00\x1d\x00", 3500, "<\x00\x1e"}, 4000, []string{"2 heartbeat 28", "3 wrong", "2 heartbeat 30"}},
		"a host held up":                {[]any{1500, "<\x00\x1c", 4600, "<\x00\x1d\x00\x1e\x00\x1f"}, 5000, []string{"2 heartbeat 28", "2 heartbeat 29", "2 heartbeat 30", "2 heartbeat 31"}},
		"held up within one":            {[]any{1500, "<\x00\x1c", 2500, "<\x00", 3600, "<\x1d\x00\x1e"}, 4000, []string{"2 heartbeat 28", "2 heartbeat 29", "2 heartbeat 30"}},
		"more than seconds have passed": {[]any{1500, "<\x00\x1c", 2500, "<->Display"}, 3000, []string{"2 heartbeat 28", "9 wrong"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range cutTalk(talk(append(slices.Clip(opening), tc.beats...)...), time.Duration(tc.until)*time.Millisecond) {
				what := p.What
				switch p.Kind {
				case device.Reading:
					what = fmt.Sprintf("heartbeat %d", p.Values[0])
				case device.Unfit:
					what = "wrong"
				}
				got = append(got, fmt.Sprintf("%d %s", p.Length, what))
			}
			if diff := cmp.Diff(got, append(slices.Clip(known), tc.want...)); diff != "" {
				t.Errorf("pieces (-got +want):\n%s", diff)
			}
		})
	}
}

// Whatever a unit says and whenever, what is cut is in order and within what came; and
// what is read is the same as what is cut, but for the first.
func FuzzBursts(f *testing.F) {
	f.Add([]byte{10, 0, 28, 10, 0, 29, 10, 0, 30}, false)
	f.Add([]byte{10, 0, 0, 0, 28, 10, 0, 0, 0, 29}, true)
	f.Fuzz(func(t *testing.T, script []byte, wide bool) {
		if len(script) > 200 {
			return
		}
		conversation := []device.Exchange{{Sent: true, Bytes: []byte(getVer)}, {Bytes: []byte("GMC-320Re 4.26")}, {Sent: true, At: time.Second, Bytes: []byte(beatOn)}}
		s := &beats{spec: rfc1201, first: true}
		if wide {
			conversation[1].Bytes, s.spec = []byte("GMC-500+Re 2.22"), rfc1801
		}
		port, _ := devicetest.NewPair(devicetest.Clock)
		s.port, s.phase = port, device.NewPhase(gate, 1, 0)
		s.at, s.ended, s.lastGood = int64(time.Second), int64(time.Second), int64(time.Second)
		b := device.NewBatch(1)
		at := time.Second
		feed := func(p []byte) { // as beats.read does with what came
			if !s.spec.joins(len(s.burst), len(p), at-time.Duration(s.at)) {
				s.endBurst(b)
			}
			s.burst, s.at = append(s.burst, p...), int64(at)
		}
		for len(script) > 1 { // a pause in tenths of a second, then bytes up to the next
			at += time.Duration(script[0]%64) * 100 * time.Millisecond
			n := min(len(script)-1, 1+int(script[0]/64)*2+s.spec.size()-1)
			conversation = append(conversation, device.Exchange{At: at, Bytes: script[1 : 1+n]})
			feed(script[1 : 1+n])
			script = script[1+n:]
		}
		s.endBurst(b)
		s.tellDamage()
		s.phase.Flush(b)
		var cut []uint64
		length := 0
		for _, p := range cutTalk(conversation, at+time.Minute) {
			if p.Length <= 0 || p.What == "" {
				t.Fatalf("%+v", p)
			}
			length += p.Length
			cut = append(cut, p.Values...)
		}
		if all := len(device.Received(conversation)); length != all {
			t.Fatalf("%d of %d bytes were cut", length, all)
		}
		if len(cut) > 0 {
			cut = cut[1:]
		}
		if b.Len() != len(cut) || b.Len() > 0 && !cmp.Equal(b.Values[0], cut) {
			t.Fatalf("read %v, cut %v", b.Values[0], cut)
		}
	})
}

// A version that is read says the same when it is written out again.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("GMC-300Re 2.10"))
	f.Add([]byte("GMC-SE Re 1.05"))
	f.Add([]byte("4.0v\x00"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if v, ok := parseVersion(answer); ok {
			again, ok := parseVersion([]byte(v.model + "Re " + v.firmware))
			if !ok || again != v {
				t.Fatalf("%q is %+v, and that is %+v", answer, v, again)
			}
		}
		for _, p := range []spec{rfc1201, rfc1801} {
			if s, ok := p.parseVolt(answer); ok != (s != "") {
				t.Fatalf("%v volt %q", p, s)
			}
		}
		if len(answer) > 0 {
			if p := cut(answer); p.Length <= 0 || p.Length > len(answer) || p.What == "" {
				t.Fatalf("cut: %+v", p)
			}
		}
	})
}
