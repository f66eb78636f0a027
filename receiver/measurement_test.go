package receiver

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

func TestAsciiName(t *testing.T) {
	for title, want := range map[string]string{
		"":                          "",
		"HWP 22.5":                  "HWP_22.5",
		"Lücke bei 5 µm, größer":    "Luecke_bei_5_um_groesser",
		"u\u0308ber e\u0301tude":    "ueber_etude",
		"λ/2 = 45°":                 "lambda_2_=_45deg",
		`a<b>c:d"e/f\g|h?i*j`:       "a_b_c_d_e_f_g_h_i_j",
		"../../etc/passwd":          "etc_passwd",
		"trailing dots... ":         "trailing_dots",
		"\x00\x1f\n":                "",
		"日本語 run":                   "run",
		"con":                       "con",
		"a__b  c":                   "a_b_c",
		"ΔΩ ±3 Å":                   "DeltaOhm_+-3_A",
		"bad \xff byte":             "bad_byte",
		strings.Repeat("long ", 40): strings.Repeat("long_", 11) + "long",
	} {
		equal(t, title, asciiName(title), want)
	}
}

func FuzzAsciiName(f *testing.F) {
	f.Add("HWP 22.5 µm")
	f.Add("u\u0308\x00/..")
	f.Fuzz(func(t *testing.T, title string) {
		name := asciiName(title)
		if len(name) > maxTitleName || strings.Trim(name, "_.- ") != name || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-=.") != "" {
			t.Errorf("%q became %q", title, name)
		}
		if again := asciiName(name); again != name {
			t.Errorf("%q became %q, and that %q", title, name, again)
		}
	})
}

// TestMeasurementFolder: one of the same second gets a number, and nothing is used twice.
func TestMeasurementFolder(t *testing.T) {
	dir, begin := t.TempDir(), time.Date(2026, 11, 21, 14, 30, 12, 999_000_000, time.FixedZone("here", 3600))
	for _, want := range []string{"143012_dark", "143012_dark_2", "143012_dark_3"} {
		path, err := makeMeasurementFolder(dir, begin, "dark")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "folder", path, filepath.Join(dir, "2026-11-21", want))
	}
	path, err := makeMeasurementFolder(dir, begin, "???")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "without a title", filepath.Base(path), "143012")
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := makeMeasurementFolder(filepath.Join(dir, "file"), begin, "x"); err == nil {
		t.Error("a folder was made in a file")
	}
}

// TestParametersJSON: numbers stay numbers with their digits, all else is text,
// and the order is kept.
func TestParametersJSON(t *testing.T) {
	p := Parameters{{Key: "hwp_deg", Value: "22.50"}, {Key: "lens", Value: "f 50"}, {Key: "run", Value: "007"}, {Key: "b", Value: "-1e-3"}, {Key: "a", Value: ""}, {Key: "nan", Value: "NaN"}, {Key: "q\"", Value: "true"}}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "text", string(text), `{"hwp_deg":22.50,"lens":"f 50","run":"007","b":-1e-3,"a":"","nan":"NaN","q\"":"true"}`)
	var back Parameters
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	equal(t, "read back", back, p)
	for _, bad := range []string{`[]`, `{"a":`, `7`} {
		if json.Unmarshal([]byte(bad), &back) == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// sumsOf sums frames of one stream.
func sumsOf(t *testing.T, frames [][]byte) MeasuredStream {
	t.Helper()
	clocks := table.NewClockTable()
	sums, decoder := newMeasuredSums(clocks), table.NewDecoder("pi-lab3", "bench", clocks)
	for _, f := range frames {
		if err := decoder.Frames(f, sums); err != nil {
			t.Fatal(err)
		}
	}
	var s MeasuredStream
	sums.measured(&s)
	return s
}

// TestMeasuredSums: rates, errors and accidentals worked out by hand.
func TestMeasuredSums(t *testing.T) {
	channels := []protocol.Channel{
		{Name: "A", Kind: protocol.KindCount, Detector: "SPCM 1"},
		{Name: "B", Kind: protocol.KindCount},
		{Name: "AB", Kind: protocol.KindCount, Of: []string{"A", "B"}, WindowNs: 100},
		{Name: "T", Kind: protocol.KindTotal, Width: 8},
		{Name: "U", Kind: protocol.KindAuxiliary, Unit: "V", Exponent: -1},
		{Name: "D", Kind: protocol.KindCount, Detector: "SPCM 2"},
	}
	m := (&frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}).describe(mustID(t, "b0000000000000000000000000000001"), "bench", channels...)
	m.counts([]uint64{40_000, 90_000, 100, 250, 10, 0})
	c := &protocol.Counts{
		Begin: []int64{m.time, m.time + 100*ms}, Length: []int64{100 * ms, 100 * ms}, Dead: []int64{0, 20 * ms}, Flags: []uint32{0, protocol.FlagLate},
		Values:     [][]uint64{{40_000, 32_000}, {90_000, 72_000}, {100, 77}, {4, 14}, {20, 30}, {0, 0}},
		ValueFlags: [][]uint8{nil, {0, protocol.ValueOverflow}, {0, protocol.ValueAbsent}, nil, nil, nil},
	}
	m.columns(c)
	s := sumsOf(t, m.out)
	near := func(what string, got *float64, want float64) {
		t.Helper()
		if got == nil || math.Abs(*got-want) > 1e-9*math.Abs(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	equal(t, "readings", s.Readings, uint64(3))
	equal(t, "live", s.LiveS, 0.28) // 100 + 100 + 80 ms
	near("A: 112000 in 0.28 s", s.Channels[0].Rate, 400_000)
	near("its error: root of 112000, in 0.28 s", s.Channels[0].RateErr, 1195.2286093343936)
	near("B: 252000 in 0.28 s", s.Channels[1].Rate, 900_000)
	near("AB: 200 in the 0.2 s in which it is known", s.Channels[2].Rate, 1000)
	near("accidentals: 400 k x 900 k x 100 ns", s.Channels[2].Acc, 36_000)
	near("their error: root of 1/112000 + 1/252000", s.Channels[2].AccErr, 36_000*0.0035912150307138943)
	near("ratio", s.Channels[2].AccRatio, 1.0/36)
	near("T: 250 to 4 of 8 bits is 10, to 14 is 10; in 0.18 s", s.Channels[3].Rate, 20/0.18)
	near("U: mean of 1, 2, 3 V", s.Channels[4].Mean, 2)
	near("its error: 1 / root of 3", s.Channels[4].MeanErr, 1/math.Sqrt(3))
	equal(t, "flags", s.Flags, map[string]uint64{"late": 1, "overflow:B": 1, "absent:AB": 1})
	equal(t, "alarms", s.Alarms, []string{"B overflowed in 1 reading: the true counts are higher; choose a shorter gate",
		"D counted nothing: the detector (SPCM 2) is off or dead, or in the dark"})
	equal(t, "parts", s.Parts, []MeasuredPart{{Part: 1, FromIndex: 0, ToIndex: 2, Readings: 3}})
}

// TestMeasuredLosses: what is missing is told in numbers.
func TestMeasuredLosses(t *testing.T) {
	some := protocol.Ref(protocol.Uint64(3))
	long := protocol.Ref(protocol.Int64(1500 * ms))
	for want, gaps := range map[string][]protocol.Gap{
		"":                                     nil,
		"1 gap, 3 readings missing (stalled)":  {{Cause: "stalled", Missing: some}},
		"2 gaps, 6 readings missing (stalled)": {{Cause: "stalled", Missing: some}, {Cause: "stalled", Missing: some}},
		"1 gap, an unknown number of readings missing in 1.5 s (unplugged)":            {{Cause: "unplugged", DurationNs: long}},
		"2 gaps, 3 readings and an unknown number more missing (stalled, unplugged)":   {{Cause: "stalled", Missing: some}, {Cause: "unplugged", DurationNs: long}},
		"1 gap, an unknown number of readings missing in an unknown time (bytes lost)": {{Cause: "bytes lost"}},
	} {
		m := (&frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}).describe(mustID(t, "b0000000000000000000000000000001"), "bench", twoChannels()...).counts([]uint64{1, 2})
		for _, g := range gaps {
			m.json(protocol.TypeGap, &g)
			if g.Missing != nil {
				m.index += uint64(*g.Missing)
			}
		}
		clocks := table.NewClockTable()
		sums, decoder := newMeasuredSums(clocks), table.NewDecoder("pi-lab3", "bench", clocks)
		for _, f := range m.out {
			if err := decoder.Frames(f, sums); err != nil {
				t.Fatal(err)
			}
		}
		equal(t, want, sums.loss(), want)
	}
}
