package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"photongate/protocol"
)

func TestRowTexts(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0.000000", 499: "0.000000", 500: "0.000001", 100_000_000: "0.100000", 99_999_999: "0.100000", 1_234_567_890: "1.234568",
		-1: "0.000000", -500: "0.000000", -501: "-0.000001", -1_500_000_000: "-1.500000", 3_600_000_000_000: "3600.000000",
		math.MaxInt64: "9223372036.854776", math.MinInt64: "-9223372036.854776",
	} {
		if got := string(appendSeconds(nil, roundMicros(ns))); got != want {
			t.Errorf("%d ns: got %s, want %s", ns, got, want)
		}
	}
	var u utcText
	for _, c := range []struct {
		micros int64
		want   string
	}{
		{0, "1970-01-01T00:00:00.000000Z"}, {-1, "1969-12-31T23:59:59.999999Z"},
		{1795181412_100000, "2026-11-20T13:30:12.100000Z"}, {1795181412_999999, "2026-11-20T13:30:12.999999Z"}, {1795181413_000000, "2026-11-20T13:30:13.000000Z"},
		{1709210096_000001, "2024-02-29T12:34:56.000001Z"},
	} {
		if got := string(u.append(nil, c.micros)); got != c.want {
			t.Errorf("%d: got %s, want %s", c.micros, got, c.want)
		}
	}
	for _, c := range []struct {
		v    valueText
		word uint64
		want string
	}{
		{valueText{}, math.MaxUint64, "18446744073709551615"}, {valueText{}, 0, "0"},
		{valueText{signed: true}, math.MaxUint64, "-1"}, {valueText{signed: true}, 1 << 63, "-9223372036854775808"},
		{valueText{exponent: 3}, 12, "12000"}, {valueText{exponent: 3}, 0, "0"}, {valueText{exponent: -2}, 1234, "12.34"},
		{valueText{exponent: -2}, 5, "0.05"}, {valueText{exponent: -3, signed: true}, math.MaxUint64 - 4, "-0.005"}, {valueText{exponent: -4}, 1234, "0.1234"},
	} {
		if got := string(c.v.append([]byte("x,"), c.word)); got != "x,"+c.want {
			t.Errorf("%+v of %d: got %s, want %s", c.v, c.word, got, c.want)
		}
	}
}

// textSink is both kinds of CSV in memory.
func textSink(t *testing.T, clocks *ClockTable, p *Part, use func(c *CSVWriter, gaps, events *NotesWriter)) (counts, gaps, events string) {
	t.Helper()
	var out [3]bytes.Buffer
	clock := NewRowClock(clocks)
	c := NewCSVWriter(&out[0], clock, p.Desc.Channels)
	g, e := NewGapsWriter(&out[1], clock, &View{}), NewEventsWriter(&out[2], clock, &View{})
	use(c, g, e)
	for _, err := range []error{c.Flush(), g.Flush(), e.Flush()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out[0].String(), out[1].String(), out[2].String()
}

// TestCSVGolden: flags, unknown counts, quotes, live time, signs, exponents.
func TestCSVGolden(t *testing.T) {
	p := &Part{Gateway: "pi-lab3", Stream: "bench", Epoch: 3, Described: true, Desc: protocol.Descriptor{Channels: []protocol.Channel{
		{Name: "A", Kind: "count"}, {Name: `B "trigger", late`, Kind: "count"}, {Name: "temp", Kind: "auxiliary", Exponent: -1, Signed: true, Unit: "degC"},
	}}}
	minus := int64(-123)
	c := &protocol.Counts{
		Begin:      []int64{baseNs, baseNs, baseNs + 100_000_400, baseNs + 199_999_500},
		Length:     []int64{0, 100_000_400, 99_999_100, 100_000_000},
		Dead:       []int64{0, 600_000, 0, 100_000_000},
		Flags:      []uint32{1, 0, 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<9, 0},
		Values:     [][]uint64{{1, 2, 3, 4}, {5, 6, 7, 8}, {uint64(minus), 0, 5, 2000}},
		ValueFlags: [][]uint8{{0, 1, 2, 0}, {0, 0, 2 | 4 | 128, 1}, nil},
	}
	counts, gaps, events := textSink(t, NewClockTable(), p, func(w *CSVWriter, gaps, events *NotesWriter) {
		if err := w.Readings(p, 40211, c); err != nil {
			t.Fatal(err)
		}
		gaps.Gap(p, Gap{BeginNs: baseNs + 300_000_000, BeginKnown: true, DurationNs: 200_000_000, DurationKnown: true, FirstIndex: 40215, Missing: 2, MissingKnown: true,
			Cause: "damaged bytes", Detail: "line 7, \"12,\" cut\nshort"})
		gaps.Gap(p, Gap{FirstIndex: 40220, Cause: "unplugged"})
		events.Event(p, Event{AtNs: baseNs + 300_000_000, Index: 40215, Event: protocol.Event{What: "set", Who: "ada", Old: "100 ms", New: "1 s", Text: "a, b"}})
	})
	equal(t, "counts", strings.Split(counts, "\n"), []string{
		`time_utc,t_s,gate_s,live_s,stream,part,index,flags,A,"B ""trigger"", late",temp`,
		`2026-11-20T13:30:12.100000Z,0.000000,0.000000,0.000000,pi-lab3/bench,3,40211,first,1,5,-12.3`,
		`2026-11-20T13:30:12.100000Z,0.000000,0.100000,0.099400,pi-lab3/bench,3,40212,,,6,0`,
		`2026-11-20T13:30:12.200000Z,0.100000,0.099999,0.099999,pi-lab3/bench,3,40213,"unverified|mixed|short|implausible|late|flag9|overflow:A|overflow:B ""trigger"", late|suspect:B ""trigger"", late|flag7:B ""trigger"", late",3,7,0.5`,
		`2026-11-20T13:30:12.300000Z,0.200000,0.100000,0.000000,pi-lab3/bench,3,40214,,4,,200.0`,
		``,
	})
	equal(t, "gaps", gaps, GapsHeader+
		"2026-11-20T13:30:12.400000Z,0.300000,0.200000,3,40215,2,damaged bytes,\"line 7, \"\"12,\"\" cut\nshort\"\n"+
		",,,3,40220,,unplugged,\n")
	equal(t, "events", events, EventsHeader+"2026-11-20T13:30:12.400000Z,0.300000,3,40215,ada,set,100 ms,1 s,\"a, b\"\n")
}

// TestUTCUnknown: the clock had never been set, so there is no UTC; t_s is right.
func TestUTCUnknown(t *testing.T) {
	clocks := NewClockTable()
	base := mustID(t, "b0000000000000000000000000000001")
	clocks.Add(base, 1000, &protocol.Clock{Kind: "host", UTCNs: 1000, Sync: protocol.SyncUnsynchronised})
	p := &Part{Gateway: "g", Stream: "s", Epoch: 1, Described: true, Desc: protocol.Descriptor{Base: base, Channels: []protocol.Channel{{Name: "A"}}}}
	counts, _, _ := textSink(t, clocks, p, func(w *CSVWriter, _, _ *NotesWriter) {
		if err := w.Readings(p, 0, &protocol.Counts{Begin: []int64{5_000_000, 15_000_000}, Length: []int64{10_000_000, 10_000_000}, Flags: []uint32{0, 2}, Values: [][]uint64{{1, 2}}}); err != nil {
			t.Fatal(err)
		}
	})
	equal(t, "counts", counts, "time_utc,t_s,gate_s,live_s,stream,part,index,flags,A\n"+
		",0.000000,0.010000,0.010000,g/s,1,0,utc_unknown,1\n"+
		",0.010000,0.010000,0.010000,g/s,1,1,unverified|utc_unknown,2\n")
}

func TestNDJSON(t *testing.T) {
	p := &Part{Gateway: "pi-lab3", Stream: "bench", Epoch: 1, Described: true, Desc: protocol.Descriptor{Channels: []protocol.Channel{{Name: "A"}, {Name: "é\"x"}}}}
	var out bytes.Buffer
	n := NewNDJSONWriter(&out, NewRowClock(NewClockTable()))
	for _, err := range []error{
		n.Gap(p, Gap{Cause: "unplugged"}),
		n.Readings(p, 7, &protocol.Counts{Begin: []int64{baseNs}, Length: []int64{100_000_000}, Flags: []uint32{4}, Values: [][]uint64{{math.MaxUint64}, {5}}, ValueFlags: [][]uint8{{2}, {1}}}),
		n.Gap(p, Gap{BeginNs: baseNs + 100_000_000, BeginKnown: true, DurationNs: 1, DurationKnown: true, FirstIndex: 8, Missing: 3, MissingKnown: true, Cause: "x", Detail: "\x01"}),
		n.Event(p, Event{AtNs: baseNs, Index: 1, Event: protocol.Event{What: "set", Who: "a", Old: "1", New: "2", Text: "t"}}),
		n.Flush(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "lines", strings.Split(out.String(), "\n"), []string{
		`{"type":"gap","stream":"pi-lab3/bench","part":1,"first_index":0,"cause":"unplugged","detail":""}`,
		`{"type":"reading","time_utc":"2026-11-20T13:30:12.100000Z","t_s":0.000000,"gate_s":0.100000,"live_s":0.100000,"stream":"pi-lab3/bench","part":1,"index":7,"flags":["mixed","overflow:A"],"values":{"A":18446744073709551615,"é\"x":null}}`,
		`{"type":"gap","time_utc":"2026-11-20T13:30:12.200000Z","t_s":0.100000,"duration_s":0.000000,"stream":"pi-lab3/bench","part":1,"first_index":8,"readings_missing":3,"cause":"x","detail":"\u0001"}`,
		`{"type":"event","time_utc":"2026-11-20T13:30:12.100000Z","t_s":0.000000,"stream":"pi-lab3/bench","part":1,"index":1,"who":"a","what":"set","old":"1","new":"2","text":"t"}`,
		``,
	})
	for line := range strings.Lines(out.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// TestRowsDoNotAllocate, flags and unknown values included, whatever the view.
func TestRowsDoNotAllocate(t *testing.T) {
	for _, words := range []string{"all", "--every=1s", "--every=10ms", "--rate", "--rate --correct=dead --every=100ms", "--excel=de --tz=local", "--from=13:30:12.5", "--format=ndjson"} {
		p, c := manyRows(100)
		p.Desc.Channels[0].DeadTimeNs = 22
		o, err := NewOutput(io.Discard, viewOf(t, strings.Fields(words)...))
		if err != nil {
			t.Fatal(err)
		}
		pipe, index := o.Stream(NewClockTable()), uint64(0)
		run := func() {
			if err := pipe.Readings(p, index, c); err != nil {
				t.Fatal(err)
			}
			index += 100
			for i := range c.Begin {
				c.Begin[i] += 1_000_000_000
			}
		}
		run()
		// Not one per row: the name of the stream for each frame, or bin.
		if n := testing.AllocsPerRun(50, run); n > 12 && !strings.Contains(words, "10ms") || n > 101 {
			t.Errorf("%s: %v allocations for 100 rows", words, n)
		}
	}
}

func manyRows(n int) (*Part, *protocol.Counts) {
	p := &Part{Gateway: "pi-lab3", Stream: "bench", Epoch: 1, Described: true}
	c := &protocol.Counts{Values: make([][]uint64, 8), ValueFlags: make([][]uint8, 8)}
	for ch := range c.Values {
		p.Desc.Channels = append(p.Desc.Channels, protocol.Channel{Name: string(rune('A' + ch)), Kind: "count"})
		for i := range n {
			c.Values[ch] = append(c.Values[ch], uint64(5000+i*(ch+1)))
		}
	}
	for i := range n {
		c.Begin = append(c.Begin, baseNs+int64(i)*10_000_000)
		c.Length = append(c.Length, 10_000_000)
		c.ValueFlags[3] = append(c.ValueFlags[3], uint8(i%3))
	}
	return p, c
}

// BenchmarkCSV writes readings of 8 channels as they are, and as views show them:
// rows/s counts those that go in.
func BenchmarkCSV(b *testing.B) {
	for _, words := range []string{"all", "--every=1s", "--rate", "--every=1s --rate", "--rate --correct=dead", "--excel=de", "--from=13:30 --to=14:30"} {
		b.Run(strings.ReplaceAll(words, " ", ""), func(b *testing.B) { benchmarkView(b, viewOf(b, strings.Fields(words)...)) })
	}
}

func benchmarkView(b *testing.B, v View) {
	p, c := manyRows(1000)
	for ch := range p.Desc.Channels {
		p.Desc.Channels[ch].DeadTimeNs = 22
	}
	p.Desc.Base = mustID(b, baseID)
	clocks := NewClockTable()
	w := &outputStream{&Output{v: &v, w: io.Discard}, clocks}
	pipe, index := NewPipe(&v, clocks, w), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		if w.o.csv != nil {
			w.o.csv.rows = 0 // a sheet of Excel is never full
		}
		if err := pipe.Readings(p, index, c); err != nil {
			b.Fatal(err)
		}
		index += 1000
		for i := range c.Begin {
			c.Begin[i] += 10_000_000_000
		}
		if c.Begin[0] > baseNs+int64(time.Hour)/2 {
			for i := range c.Begin {
				c.Begin[i] = baseNs + int64(i)*10_000_000
			}
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "rows/s")
}

// FuzzCells: what is written is read back by another implementation of RFC 4180
// and of JSON.
func FuzzCells(f *testing.F) {
	for _, s := range []string{"", "a", `a"b`, "a,b", "a\nb", "\x00", "é", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := csv.NewReader(strings.NewReader("x," + string(appendCell(nil, s)) + "\n"))
		cells, err := r.Read()
		want := strings.ReplaceAll(s, "\r\n", "\n") // as encoding/csv reads it
		if err != nil || len(cells) != 2 || cells[1] != want {
			t.Errorf("%q is read as %q, %v", s, cells, err)
		}
		var back string
		if err := json.Unmarshal(appendJSONText(nil, s), &back); err != nil || utf8.ValidString(s) && back != s {
			t.Errorf("%q is read from JSON as %q, %v", s, back, err)
		}
	})
}
