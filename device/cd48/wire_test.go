package cd48

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseCounts(t *testing.T) {
	for _, tc := range []struct {
		line   string
		ok     bool
		value  [counters]uint64
		status uint8
	}{
		{"57012 27003 26944 101 3007 2988 12 60 0", true, [counters]uint64{57012, 27003, 26944, 101, 3007, 2988, 12, 60}, 0},
		{"16777215 5 0 0 0 0 0 65535 129", true, [counters]uint64{16777215, 5, 0, 0, 0, 0, 0, 65535}, 129},
		{"0 0 0 0 0 0 0 0 255", true, [counters]uint64{}, 255},
		{"4294967295 0 0 0 0 0 0 0 0", true, [counters]uint64{4294967295}, 0},
		{line: "4294967296 0 0 0 0 0 0 0 0"},
		{line: "99999999999999999999999 0 0 0 0 0 0 0 0"},
		{line: "0 0 0 0 0 0 0 0 256"},
		{line: "57012 27003 26944 101 3007 2988 12 60"},
		{line: "57012 27003 26944 101 3007 2988 12 60 0 0"},
		{line: "57012  27003 26944 101 3007 2988 12 60 0"},
		{line: " 57012 27003 26944 101 3007 2988 12 60 0"},
		{line: "57012 27003 26944 101 3007 2988 12 60 0 "},
		{line: "57012 27003 26944 101 3007 2988 12 -60 0"},
		{line: "57012 27003 26944 1o1 3007 2988 12 60 0"},
		{line: "57012\t27003 26944 101 3007 2988 12 60 0"},
		{line: ""}, {line: "OK"}, {line: "129"}, {line: " "},
	} {
		c, ok := parseCounts([]byte(tc.line))
		if ok != tc.ok || ok && (c.value != tc.value || c.status != tc.status) {
			t.Errorf("parseCounts(%q) = %v, %v", tc.line, c, ok)
		}
	}
}

func TestParseSettings(t *testing.T) {
	std := [counters]uint8{8, 4, 2, 1, 12, 10, 9, 15} // A B C D AB AC AD ABCD
	for _, tc := range []struct {
		name, line string
		want       settings
		ok         bool
	}{
		{"decimal", "8 4 2 1 12 10 9 15 1000 0 50 1", settings{std, time.Second, false, 50, "1"}, true},
		{"decimal, A is bit 0", "1 2 4 8 3 5 9 15 100 1 50 0", settings{std, 100 * time.Millisecond, true, 50, "0"}, true},
		{"binary", "1000 0100 0010 0001 1100 1010 1001 1111 65535 1 255 z", settings{std, 65535 * time.Millisecond, true, 255, "z"}, true},
		{"commas and words", "8,4,2,1,12,10,9,15,1000,off,0,50", settings{std, time.Second, false, 0, "50"}, true},
		{name: "mask too large", line: "16 4 2 1 12 10 9 15 1000 0 50 1"},
		{name: "threshold too large", line: "8 4 2 1 12 10 9 15 1000 0 256 1"},
		{name: "interval too large", line: "8 4 2 1 12 10 9 15 70000 0 50 1"},
		{name: "counts", line: "57012 27003 26944 101 3007 2988 12 60 0"},
		{name: "empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := parseSettings([]byte(tc.line))
			if ok != tc.ok || ok && got != tc.want {
				t.Errorf("parseSettings(%q) = %+v, %v, want %+v, %v", tc.line, got, ok, tc.want, tc.ok)
			}
		})
	}
}

func TestParseCoincidences(t *testing.T) {
	got, err := parseCoincidences("4=AB 5=AC,7=ABCD")
	if d := cmp.Diff(got, map[int]uint8{4: 12, 5: 10, 7: 15}); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for _, bad := range []string{"", "8=AB", "4AB", "4=E", "4=AA", "4=", "x=A", "4=A 4=B", "-1=A"} {
		if got, err := parseCoincidences(bad); err == nil {
			t.Errorf("parseCoincidences(%q) = %v", bad, got)
		}
	}
}

func TestCommands(t *testing.T) {
	if got := maskCommand(4, 12); got != "S41100" {
		t.Errorf("counter 4 = AB: %q", got)
	}
	for volt, want := range map[float64]int{0: 0, 0.8: 50, 2.032: 127, 4.08: 255, 0.007: 0, 0.009: 1} {
		if got := voltSteps(volt); got != want {
			t.Errorf("%v V is step %d, want %d", volt, got, want)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for line, want := range map[string]string{"CD48 v1.2.3": "1.2.3", "2.0": "2.0", "OK": "", "Coincidence Detector CD48": ""} {
		if got, _ := parseVersion([]byte(line)); got != want {
			t.Errorf("parseVersion(%q) = %q, want %q", line, got, want)
		}
	}
}

// A line that is read as counts says the same when it is written out again.
func FuzzParseCounts(f *testing.F) {
	f.Add([]byte("57012 27003 26944 101 3007 2988 12 60 0"))
	f.Add([]byte("16777215 5 0 0 0 0 0 65535 129"))
	f.Add([]byte("0 0 0 0 0 0 0 0 256"))
	f.Fuzz(func(t *testing.T, line []byte) {
		c, ok := parseCounts(line)
		if !ok {
			return
		}
		fields := strings.Split(string(line), " ")
		if len(fields) != counters+1 {
			t.Fatalf("%q was read as nine numbers", line)
		}
		for n, v := range c.value {
			if got := strings.TrimLeft(fields[n], "0"); got != strings.TrimLeft(fmt.Sprint(v), "0") {
				t.Fatalf("field %d of %q was read as %d", n, line, v)
			}
		}
	})
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte("8 4 2 1 12 10 9 15 1000 0 50 1"))
	f.Add([]byte("1000 0100 0010 0001 1100 1010 1001 1111 65535 1 255 z"))
	f.Fuzz(func(t *testing.T, line []byte) {
		s, ok := parseSettings(line)
		if !ok {
			return
		}
		for n, m := range s.masks {
			if m > 15 {
				t.Fatalf("mask %d of counter %d", m, n)
			}
		}
		if s.trigger < 0 || s.trigger > 255 || s.interval < 0 || s.interval > maxGate {
			t.Fatalf("%+v", s)
		}
	})
}

func benchLines() []byte {
	return bytes.Repeat([]byte("57012 27003 26944 101 3007 2988 12 60 0\r\n"), 64<<20/41+1)
}

func BenchmarkParseCounts(b *testing.B) {
	data := benchLines()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	lines := 0
	for b.Loop() {
		for rest := data; len(rest) > 0; lines++ {
			i := bytes.IndexByte(rest, '\n')
			line, _ := trimLine(rest[:i])
			if _, ok := parseCounts(line); !ok {
				b.Fatal("not counts")
			}
			rest = rest[i+1:]
		}
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds()/1e6, "Mlines/s")
}

// The bound: copying the same bytes.
func BenchmarkCopy(b *testing.B) {
	data := benchLines()
	dst := make([]byte, len(data))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		copy(dst, data)
	}
}
