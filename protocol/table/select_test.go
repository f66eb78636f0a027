package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"photongate/protocol"
)

// viewOf reads the words of a view as the command line does.
func viewOf(t testing.TB, words ...string) View {
	t.Helper()
	var v View
	if err := flagsOf(&v).Parse(words); err != nil {
		t.Fatal(err)
	}
	return v
}

func flagsOf(v *View) *flag.FlagSet {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	v.Flags(fs, Here{Now: time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)})
	return fs
}

// record is one stream in memory: what its decoder would tell.
type record struct {
	t    testing.TB
	part Part
	out  Sink
	next uint64 // index
	at   int64  // ns of the base
}

// bench is the stream pi-lab3/bench, whose gates begin at baseNs = 13:30:12.1.
func bench(t testing.TB, out Sink, channels ...protocol.Channel) *record {
	return &record{t: t, out: out, at: baseNs, part: Part{Gateway: "pi-lab3", Stream: "bench", Epoch: 1, Described: true,
		Desc: protocol.Descriptor{Base: mustID(t, baseID), Channels: channels}}}
}

// gates tells of gates of so many ns, one row of values for each.
func (r *record) gates(length int64, rows ...[]uint64) *record {
	r.t.Helper()
	c := &protocol.Counts{Values: make([][]uint64, len(rows[0]))}
	for i, row := range rows {
		c.Begin, c.Length = append(c.Begin, r.at+int64(i)*length), append(c.Length, length)
		for ch, v := range row {
			c.Values[ch] = append(c.Values[ch], v)
		}
	}
	return r.tell(c)
}

func (r *record) tell(c *protocol.Counts) *record {
	r.t.Helper()
	if err := r.out.Readings(&r.part, r.next, c); err != nil {
		r.t.Fatal(err)
	}
	last := len(c.Begin) - 1
	r.next, r.at = r.next+uint64(len(c.Begin)), c.Begin[last]+c.Length[last]
	return r
}

// gap tells of readings that are missing.
func (r *record) gap(missing uint64, length int64) *record {
	r.t.Helper()
	if err := r.out.Gap(&r.part, Gap{BeginNs: r.at, BeginKnown: true, DurationNs: length, DurationKnown: true, FirstIndex: r.next, Missing: missing, MissingKnown: missing > 0, Cause: "stalled"}); err != nil {
		r.t.Fatal(err)
	}
	r.next, r.at = r.next+missing, r.at+length
	return r
}

func count(name string) protocol.Channel {
	return protocol.Channel{Name: name, Kind: protocol.KindCount}
}

// textOf is the text of what use tells to one stream of an output.
func textOf(t testing.TB, v View, use func(out Sink)) []string {
	t.Helper()
	var text bytes.Buffer
	o, err := NewOutput(&text, v)
	if err != nil {
		t.Fatal(err)
	}
	use(o.Stream(NewClockTable()))
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}

const ms = int64(time.Millisecond)

// TestFromTo: rows whose gate begins in [from, to), whatever frames they came in.
func TestFromTo(t *testing.T) {
	row := func(begin, t, index, value string) string {
		return "2026-11-20T13:30:" + begin + "00000Z," + t + "00000,0.100000,0.100000,pi-lab3/bench,1," + index + ",," + value
	}
	for words, want := range map[string][]string{
		"--from 13:30:12.2 --to 13:30:12.4":  {row("12.2", "0.0", "1", "2"), row("12.3", "0.1", "2", "3")},
		"--from 13:30:12.200001":             {row("12.3", "0.0", "2", "3"), row("12.4", "0.1", "3", "4")},
		"--to 2026-11-20T14:30:12.150+01:00": {row("12.1", "0.0", "0", "1")},
		"--from 13:31":                       nil,
	} {
		got := textOf(t, viewOf(t, strings.Fields(words)...), func(out Sink) {
			bench(t, out, count("A")).gates(100*ms, []uint64{1}, []uint64{2}, []uint64{3}).gates(100*ms, []uint64{4})
		})
		if want != nil {
			want = append([]string{binHeader + "A"}, want...)
		} else {
			want = []string{""}
		}
		equal(t, words, got, want)
	}
}

// TestFromToNotes: of gaps those that overlap, of events those within.
func TestFromToNotes(t *testing.T) {
	got := textOf(t, viewOf(t, "--format", "ndjson", "--from", "13:30:12.3", "--to", "13:30:12.6"), func(out Sink) {
		r := bench(t, out, count("A"))
		for _, gap := range []Gap{
			{BeginNs: baseNs, BeginKnown: true, DurationNs: 200 * ms, DurationKnown: true, Cause: "before"},
			{BeginNs: baseNs, BeginKnown: true, DurationNs: 200*ms + 1, DurationKnown: true, Cause: "into it"},
			{BeginNs: baseNs + 500*ms, BeginKnown: true, Cause: "behind"},
			{BeginNs: baseNs + 500*ms - 1, BeginKnown: true, Cause: "out of it"},
			{Cause: "nobody knows when"},
		} {
			if err := out.Gap(&r.part, gap); err != nil {
				t.Fatal(err)
			}
		}
		for at, what := range map[int64]string{baseNs + 200*ms - 1: "before", baseNs + 200*ms: "within", baseNs + 500*ms: "behind"} {
			if err := out.Event(&r.part, Event{AtNs: at, Event: protocol.Event{What: what}}); err != nil {
				t.Fatal(err)
			}
		}
	})
	var causes []string
	for _, line := range got {
		var note struct{ Cause, What string }
		if err := json.Unmarshal([]byte(line), &note); err != nil {
			t.Fatal(err)
		}
		causes = append(causes, note.Cause+note.What)
	}
	equal(t, "notes", causes, []string{"into it", "out of it", "nobody knows when", "within"})
}

// TestFromWithoutUTC: readings of an unknown time are left out, and counted.
func TestFromWithoutUTC(t *testing.T) {
	clocks := NewClockTable()
	clocks.Add(mustID(t, baseID), 1000, &protocol.Clock{UTCNs: 1000, Sync: protocol.SyncUnsynchronised})
	o, err := NewOutput(io.Discard, viewOf(t, "--from", "13:30"))
	if err != nil {
		t.Fatal(err)
	}
	pipe := o.Stream(clocks)
	r := bench(t, pipe, count("A"))
	r.at = 5 * second
	r.gates(200*ms, []uint64{1}, []uint64{1}).gates(200*ms, []uint64{1})
	if pipe.Untimed() != 3 {
		t.Errorf("%d readings, want 3", pipe.Untimed())
	}
}

const binHeader = "time_utc,t_s,gate_s,live_s,stream,part,index,flags,"

// TestEvery: sums of gates, worked out by hand.
func TestEvery(t *testing.T) {
	one := func(v ...uint64) (rows [][]uint64) {
		for _, x := range v {
			rows = append(rows, []uint64{x})
		}
		return rows
	}
	total := protocol.Channel{Name: "T", Kind: protocol.KindTotal, Width: 8}
	rate := protocol.Channel{Name: "R", Kind: protocol.KindRate, Exponent: -1}
	aux := protocol.Channel{Name: "temp", Kind: protocol.KindAuxiliary, Exponent: -1}
	for name, c := range map[string]struct {
		words string
		use   func(out Sink)
		want  []string
	}{
		// Gates of 0.3 s begin at 12.1, 12.4, 12.7, 13.0, 13.3, 13.6, 13.9, 14.2: the
		// one of 12.7 ends at 13.0, that of 13.9 at 14.2.
		"gates that do not divide a bin": {"--every 1s", func(out Sink) {
			bench(t, out, count("A")).gates(300*ms, one(1, 2, 4, 8, 16, 32, 64, 128)...)
		}, []string{binHeader + "A",
			"2026-11-20T13:30:12.000000Z,0.000000,1.000000,0.900000,pi-lab3/bench,1,0,short,7",
			"2026-11-20T13:30:13.000000Z,1.000000,1.000000,1.200000,pi-lab3/bench,1,3,,120",
			"2026-11-20T13:30:14.000000Z,2.000000,1.000000,0.300000,pi-lab3/bench,1,7,short,128"}},
		"whole to the end": {"--every 500ms", func(out Sink) {
			bench(t, out, count("A")).gates(100*ms, one(1, 1, 1, 1, 2, 2, 2, 2, 2)...)
		}, []string{binHeader + "A",
			"2026-11-20T13:30:12.000000Z,0.000000,0.500000,0.400000,pi-lab3/bench,1,0,short,4",
			"2026-11-20T13:30:12.500000Z,0.500000,0.500000,0.500000,pi-lab3/bench,1,4,,10"}},
		"a hole within a bin": {"--every 500ms", func(out Sink) {
			bench(t, out, count("A")).gates(100*ms, one(1, 1, 1, 1, 2)...).gap(2, 200*ms).gates(100*ms, one(2, 2, 3, 3, 3, 3, 3)...)
		}, []string{binHeader + "A",
			"2026-11-20T13:30:12.000000Z,0.000000,0.500000,0.400000,pi-lab3/bench,1,0,short,4",
			"2026-11-20T13:30:12.500000Z,0.500000,0.500000,0.300000,pi-lab3/bench,1,4,short,6",
			"2026-11-20T13:30:13.000000Z,1.000000,0.500000,0.500000,pi-lab3/bench,1,9,,15"}},
		"a hole of exactly a bin: no row, and its neighbours are whole": {"--every 500ms", func(out Sink) {
			r := bench(t, out, count("A"))
			r.at = baseNs + 400*ms
			r.gates(100*ms, one(1, 1, 1, 1, 1)...).gap(0, 500*ms).gates(100*ms, one(3, 3, 3, 3, 3)...)
		}, []string{binHeader + "A",
			"2026-11-20T13:30:12.500000Z,0.000000,0.500000,0.500000,pi-lab3/bench,1,0,,5",
			"2026-11-20T13:30:13.500000Z,1.000000,0.500000,0.500000,pi-lab3/bench,1,5,,15"}},
		"a pause of the instrument is no hole": {"--every 1s", func(out Sink) {
			r := bench(t, out, count("A"))
			r.at = baseNs - 100*ms
			for range 3 {
				r.gates(100*ms, []uint64{5})
				r.at += 400 * ms
			}
		}, []string{binHeader + "A",
			"2026-11-20T13:30:12.000000Z,0.000000,1.000000,0.200000,pi-lab3/bench,1,0,,10",
			"2026-11-20T13:30:13.000000Z,1.000000,1.000000,0.100000,pi-lab3/bench,1,2,short,5"}},
		"another part, no time between": {"--every 1s", func(out Sink) {
			r := bench(t, out, count("A"))
			r.at = baseNs - 100*ms
			r.gates(500*ms, []uint64{5})
			r.part.Epoch, r.next = 2, 0
			r.gates(500*ms, []uint64{6})
		}, []string{binHeader + "A", "2026-11-20T13:30:12.000000Z,0.000000,1.000000,1.000000,pi-lab3/bench,1,0,,11"}},
		"flags are united, absent is not zero, live time is added": {"--every 1s", func(out Sink) {
			bench(t, out, count("A"), count("B")).tell(&protocol.Counts{
				Begin: []int64{baseNs - 100*ms, baseNs + 400*ms}, Length: []int64{500 * ms, 500 * ms}, Dead: []int64{0, 100 * ms}, Flags: []uint32{2, 4},
				Values: [][]uint64{{1, 2}, {3, 4}}, ValueFlags: [][]uint8{{2, 0}, {0, 1}},
			})
		}, []string{binHeader + "A,B", "2026-11-20T13:30:12.000000Z,0.000000,1.000000,0.900000,pi-lab3/bench,1,0,unverified|mixed|overflow:A,3,"}},
		"a first reading is left out": {"--every 1s", func(out Sink) {
			bench(t, out, count("A")).tell(&protocol.Counts{Begin: []int64{baseNs, baseNs}, Length: []int64{0, 900 * ms}, Flags: []uint32{1, 0}, Values: [][]uint64{{77, 2}}})
		}, []string{binHeader + "A", "2026-11-20T13:30:12.000000Z,0.000000,1.000000,0.900000,pi-lab3/bench,1,1,short,2"}},
		// 250 -> 4 in 8 bits is 10, 4 -> 9 is 5; the first difference is not known, nor
		// the one across the gap.
		"totals": {"--every 500ms", func(out Sink) {
			bench(t, out, total).gates(100*ms, one(240, 243, 247, 250, 4, 5, 6, 7, 9)...).gap(1, 500*ms).gates(100*ms, one(20, 30)...)
		}, []string{binHeader + "T",
			"2026-11-20T13:30:12.000000Z,0.000000,0.500000,0.400000,pi-lab3/bench,1,0,short,",
			"2026-11-20T13:30:12.500000Z,0.500000,0.500000,0.500000,pi-lab3/bench,1,4,,15",
			"2026-11-20T13:30:13.500000Z,1.500000,0.500000,0.200000,pi-lab3/bench,1,10,short,"}},
		// (10.0 x 0.1 + 20.0 x 0.3) / 0.4 = 17.5.
		"rates are averaged by live time, of others the last": {"--every 500ms", func(out Sink) {
			r := bench(t, out, rate, aux)
			r.gates(100*ms, []uint64{100, 215}).gates(300*ms, []uint64{200, 217})
		}, []string{binHeader + "R,temp", "2026-11-20T13:30:12.000000Z,0.000000,0.500000,0.400000,pi-lab3/bench,1,0,short,17.5000,21.7"}},
		"a sum beyond 64 bits is not known": {"--every 1s", func(out Sink) {
			bench(t, out, count("A")).gates(450*ms, one(math.MaxUint64, 1)...)
		}, []string{binHeader + "A", "2026-11-20T13:30:12.000000Z,0.000000,1.000000,0.900000,pi-lab3/bench,1,0,short|overflow:A,"}},
		// Asking from 12.55 on leaves half a bin out, asking up to 13.0 none.
		"with from and to": {"--every 500ms --from 13:30:12.55 --to 13:30:13", func(out Sink) {
			bench(t, out, count("A")).gates(100*ms, one(1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3)...)
		}, []string{binHeader + "A", "2026-11-20T13:30:12.500000Z,0.000000,0.500000,0.400000,pi-lab3/bench,1,5,short,8"}},
		"from an edge of a bin on, nothing is missing": {"--every 500ms --from 13:30:12.5 --to 13:30:13", func(out Sink) {
			r := bench(t, out, count("A"))
			r.at += 37 * ms
			r.gates(100*ms, one(1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3)...)
		}, []string{binHeader + "A", "2026-11-20T13:30:12.500000Z,0.000000,0.500000,0.500000,pi-lab3/bench,1,4,,10"}},
	} {
		t.Run(name, func(t *testing.T) { equal(t, "text", textOf(t, viewOf(t, strings.Fields(c.words)...), c.use), c.want) })
	}
}

// TestEveryWithoutUTC: bins of a clock that was never set are those of its base.
func TestEveryWithoutUTC(t *testing.T) {
	clocks := NewClockTable()
	clocks.Add(mustID(t, baseID), 1000, &protocol.Clock{UTCNs: 1000, Sync: protocol.SyncUnsynchronised})
	var text bytes.Buffer
	o, err := NewOutput(&text, viewOf(t, "--every", "1s"))
	if err != nil {
		t.Fatal(err)
	}
	r := bench(t, o.Stream(clocks), count("A"))
	r.at = 5*second + 400*ms
	r.gates(200*ms, []uint64{1}, []uint64{1}, []uint64{1}, []uint64{1})
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	equal(t, "text", text.String(), binHeader+"A\n"+
		",0.000000,1.000000,0.600000,pi-lab3/bench,1,0,short|utc_unknown,3\n"+
		",1.000000,1.000000,0.200000,pi-lab3/bench,1,3,short|utc_unknown,1\n")
}

// TestEveryAcrossAStepOfUTC: a step cuts the bin, and later ones are aligned anew.
func TestEveryAcrossAStepOfUTC(t *testing.T) {
	clocks := NewClockTable()
	base := mustID(t, baseID)
	clocks.Add(base, baseNs, &protocol.Clock{UTCNs: protocol.Int64(baseNs), Sync: protocol.SyncSynchronised})
	clocks.Add(base, baseNs+1200*ms, &protocol.Clock{UTCNs: protocol.Int64(baseNs + 1200*ms + 10*second + 50*ms), Sync: protocol.SyncSynchronised})
	var text bytes.Buffer
	o, err := NewOutput(&text, viewOf(t, "--every", "1s"))
	if err != nil {
		t.Fatal(err)
	}
	r := bench(t, o.Stream(clocks), count("A"))
	for range 30 {
		r.gates(100*ms, []uint64{1})
	}
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	// Before the step gates begin at 12.1 ... 13.2, behind it at 23.35 ... 25.05.
	equal(t, "text", text.String(), binHeader+"A\n"+
		"2026-11-20T13:30:12.000000Z,0.000000,1.000000,0.900000,pi-lab3/bench,1,0,short,9\n"+
		"2026-11-20T13:30:13.000000Z,1.000000,1.000000,0.300000,pi-lab3/bench,1,9,short,3\n"+
		"2026-11-20T13:30:23.000000Z,11.000000,1.000000,0.700000,pi-lab3/bench,1,12,short,7\n"+
		"2026-11-20T13:30:24.000000Z,12.000000,1.000000,1.000000,pi-lab3/bench,1,19,,10\n"+
		"2026-11-20T13:30:25.000000Z,13.000000,1.000000,0.100000,pi-lab3/bench,1,29,short,1\n")
}

func TestEveryRefusesLongGates(t *testing.T) {
	o, err := NewOutput(io.Discard, viewOf(t, "--every", "1s"))
	if err != nil {
		t.Fatal(err)
	}
	r := bench(t, nil, count("A"))
	r.part.Desc.GateNs = protocol.Int64(2 * second)
	err = o.Stream(NewClockTable()).Readings(&r.part, 0, &protocol.Counts{Begin: []int64{baseNs}, Length: []int64{2 * second}, Values: [][]uint64{{1}}})
	if !errors.Is(err, ErrShortBin) || !strings.Contains(err.Error(), "ask for --every 2s or more") {
		t.Errorf("%v", err)
	}
}

// TestRate: 0.1 s with 5712 counts are 57120 /s +- 10 sqrt(5712) = 755.777745.
func TestRate(t *testing.T) {
	use := func(out Sink) {
		bench(t, out, count("A"), protocol.Channel{Name: "temp", Kind: protocol.KindAuxiliary, Exponent: -1}).tell(&protocol.Counts{
			Begin: []int64{baseNs, baseNs, baseNs + 100*ms, baseNs + 200*ms}, Length: []int64{0, 100 * ms, 100 * ms, 100 * ms}, Dead: []int64{0, 0, 0, 50 * ms}, Flags: []uint32{1, 0, 0, 0},
			Values: [][]uint64{{9, 5712, 1, 4}, {215, 216, 217, 218}}, ValueFlags: [][]uint8{{0, 0, 1, 0}, nil},
		})
	}
	equal(t, "csv", textOf(t, viewOf(t, "--rate"), use), []string{binHeader + "A_cps,A_cps_err,temp",
		"2026-11-20T13:30:12.100000Z,0.000000,0.000000,0.000000,pi-lab3/bench,1,0,first,,,21.5",
		"2026-11-20T13:30:12.100000Z,0.000000,0.100000,0.100000,pi-lab3/bench,1,1,,57120.000000,755.777745,21.6",
		"2026-11-20T13:30:12.200000Z,0.100000,0.100000,0.100000,pi-lab3/bench,1,2,,,,21.7",
		"2026-11-20T13:30:12.300000Z,0.200000,0.100000,0.050000,pi-lab3/bench,1,3,,80.000000,40.000000,21.8"})
	equal(t, "ndjson", textOf(t, viewOf(t, "--rate", "--format", "ndjson"), use)[1:3], []string{
		`{"type":"reading","time_utc":"2026-11-20T13:30:12.100000Z","t_s":0.000000,"gate_s":0.100000,"live_s":0.100000,"stream":"pi-lab3/bench","part":1,"index":1,"flags":[],"values":{"A_cps":57120.000000,"A_cps_err":755.777745,"temp":21.6}}`,
		`{"type":"reading","time_utc":"2026-11-20T13:30:12.200000Z","t_s":0.100000,"gate_s":0.100000,"live_s":0.100000,"stream":"pi-lab3/bench","part":1,"index":2,"flags":[],"values":{"A_cps":null,"A_cps_err":null,"temp":21.7}}`})
}

// TestRateOfTotals: they become counts of a gate first.
func TestRateOfTotals(t *testing.T) {
	got := textOf(t, viewOf(t, "--rate"), func(out Sink) {
		bench(t, out, protocol.Channel{Name: "T", Kind: protocol.KindTotal, Width: 16}).gates(100*ms, []uint64{65530}, []uint64{3}).gates(100*ms, []uint64{7})
	})
	equal(t, "csv", got, []string{binHeader + "T_cps,T_cps_err",
		"2026-11-20T13:30:12.100000Z,0.000000,0.100000,0.100000,pi-lab3/bench,1,0,,,",
		"2026-11-20T13:30:12.200000Z,0.100000,0.100000,0.100000,pi-lab3/bench,1,1,,90.000000,30.000000",
		"2026-11-20T13:30:12.300000Z,0.200000,0.100000,0.100000,pi-lab3/bench,1,2,,40.000000,20.000000"})
}

// TestCorrect is the example of corrections.md.
func TestCorrect(t *testing.T) {
	a := protocol.Channel{Name: "A", Kind: protocol.KindCount, DeadTimeNs: 50, DarkCPS: 500}
	ab := protocol.Channel{Name: "AB", Kind: protocol.KindCount, Of: []string{"A", "B"}, WindowNs: 10}
	use := func(out Sink) {
		bench(t, out, a, count("B"), ab).gates(100*ms, []uint64{100000, 50000, 2000}, []uint64{2000001, 1, 1})
	}
	const begin, second = "2026-11-20T13:30:12.100000Z,0.000000,0.100000,0.100000,pi-lab3/bench,1,0,,", "2026-11-20T13:30:12.200000Z,0.100000,0.100000,0.100000,pi-lab3/bench,1,1,,"
	for words, want := range map[string][]string{
		// Errors of AB: sqrt(2000) / 0.1 / 0.95 = 470.7512 /s, and of the accidentals
		// 1e-8 x 500000 x 3503.9088 = 17.5195 and 1e-8 x 1052631.579 x 2236.068 = 23.5376; together
		// 471.6647. A with R tau above 1 is empty, and AB with it.
		"dark,dead,acc": {binHeader + "A,A_corr,A_corr_err,B,AB,AB_corr,AB_corr_err",
			begin + "100000,105213.157895,350.390876,50000,2000,1578.947368,47.166471", second + "2000001,,,1,1,,"},
		"dead": {binHeader + "A,A_corr,A_corr_err,B,AB,AB_corr,AB_corr_err",
			begin + "100000,105263.157895,350.390876,50000,2000,2105.263158,47.075115", second + "2000001,,,1,1,,"},
		// Without dead: 1000000 x 500000 x 10 ns = 5000 /s are accidental; then 20000010 x 10 x 10 ns = 2 /s of 10 /s.
		"acc":  {binHeader + "A,B,AB,AB_corr,AB_corr_err", begin + "100000,50000,2000,1500.000000,44.805134", second + "2000001,1,1,0.800000,1.019804"},
		"dark": {binHeader + "A,A_corr,A_corr_err,B,AB", begin + "100000,99950.000000,316.227766,50000,2000", second + "2000001,1999951.000000,1414.213916,1,1"},
	} {
		equal(t, words, textOf(t, viewOf(t, "--correct", words), use), want)
	}
	equal(t, "with --rate", textOf(t, viewOf(t, "--correct", "dead", "--rate"), use)[:2], []string{
		binHeader + "A_cps,A_cps_err,A_corr_cps,A_corr_cps_err,B_cps,B_cps_err,AB_cps,AB_cps_err,AB_corr_cps,AB_corr_cps_err",
		begin + "1000000.000000,3162.277660,1052631.578947,3503.908765,500000.000000,2236.067977,20000.000000,447.213595,21052.631579,470.751153"})
	var says []string
	for _, c := range Columns(&View{Correct: CorrectDead | CorrectAcc | CorrectDark}, &Part{channels: []protocol.Channel{a, count("B"), ab}})[8:] {
		says = append(says, c.Name+": "+c.Says)
	}
	equal(t, "what columns say", says, []string{"A: events in the gate; empty when not known",
		"A_corr: the same, corrected for a dead time of 50 ns, less 500 dark counts per second", "A_corr_err: one standard deviation of it",
		"B: events in the gate; empty when not known", "AB: events in the gate; empty when not known",
		"AB_corr: the same, for the dead time of A, 50 ns, less accidental coincidences of A and B within 10 ns", "AB_corr_err: one standard deviation of it"})
}
