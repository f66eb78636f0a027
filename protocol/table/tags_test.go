package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"photongate/protocol"
)

// tagger appends the descriptor of a stream of tags, A, B and C, with a tick.
func (m *frameMaker) tagger(base protocol.ID, stream string, num, den uint64) *frameMaker {
	m.t.Helper()
	var channels []protocol.Channel
	for _, name := range []string{"A", "B", "C"} {
		channels = append(channels, protocol.Channel{Name: name, Kind: protocol.KindTag})
	}
	return m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: stream, Base: base, Boot: "boot", Software: "test", Cause: "gateway started",
		Timing: protocol.TimingDevice, Tick: &protocol.Tick{Num: protocol.Uint64(num), Den: protocol.Uint64(den)}, Channels: channels})
}

// tags appends a frame; at is the time of its first tag.
func (m *frameMaker) tags(at int64, until uint64, losses []protocol.TagLoss, ticks []uint64, channels ...uint8) *frameMaker {
	m.t.Helper()
	m.time = at
	h := m.header(protocol.TypeTags)
	frame, err := new(protocol.TagsEncoder).Append(nil, h, 3, &protocol.Tags{Ticks: ticks, Channels: channels, Until: until, Losses: losses})
	if err != nil {
		m.t.Fatal(err)
	}
	m.out = append(m.out, frame)
	m.index += uint64(len(ticks))
	return m
}

// shown is what an output writes of frames.
func shownTags(t testing.TB, v View, frames [][]byte) string {
	t.Helper()
	var text bytes.Buffer
	o, err := NewOutput(&text, v)
	if err != nil {
		t.Fatal(err)
	}
	clocks := NewClockTable()
	d, to := NewDecoder("pi-lab3", "tagger", clocks), o.Stream(clocks)
	for _, frame := range frames {
		if err := d.Frames(frame, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(d.Finish(to), o.Finish()); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// someTags are two parts of a tagger with ticks of 81 ps: the second begins 1 s
// after the first and counts from another moment.
func someTags(t testing.TB) [][]byte {
	m := &frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}
	m.tagger(mustID(t, baseID), "tagger", 81, 1_000_000_000_000)
	m.tags(baseNs, 2_000, nil, []uint64{1_000, 1_001, 1_999, 1_998}, 0, 1, 2, 0)
	m.tags(baseNs+10_000, 500_000, []protocol.TagLoss{{From: 2_000, To: 100_000, Channel: -1}, {From: 3_000, To: 5_000, Channel: 1, Missing: 9, Known: true}},
		[]uint64{124_457}, 1)
	n := &frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 1_000_000_000}
	n.tagger(mustID(t, baseID), "tagger", 81, 1_000_000_000_000).tags(baseNs+1_000_000_500, 1060, nil, []uint64{50}, 0)
	return append(m.out, n.out...)
}

func TestTagRows(t *testing.T) {
	frames := someTags(t)
	for name, c := range map[string]struct {
		view View
		want string
	}{
		// 1 tick is 81 ps, 998 are 80.838 ns, 123457 are 9.999... µs. The second part
		// begins 1.0000005 s after the first.
		"csv": {View{}, `time_utc,t_s,part,tick,channel
2026-11-20T13:30:12.100000Z,0.000000000000,1,1000,A
2026-11-20T13:30:12.100000Z,0.000000000081,1,1001,B
2026-11-20T13:30:12.100000Z,0.000000080919,1,1999,C
2026-11-20T13:30:12.100000Z,0.000000080838,1,1998,A
2026-11-20T13:30:12.100010Z,0.000010000017,1,124457,B
2026-11-20T13:30:13.100001Z,1.000000500000,2,50,A
`},
		"of one channel": {View{Channels: []string{"B"}}, `time_utc,t_s,part,tick,channel
2026-11-20T13:30:12.100000Z,0.000000000000,1,1001,B
2026-11-20T13:30:12.100010Z,0.000009999936,1,124457,B
`},
		"local time": {View{Zone: time.FixedZone("", 3600), Channels: []string{"C"}}, `time_utc,time_local,t_s,part,tick,channel
2026-11-20T13:30:12.100000Z,2026-11-20T14:30:12.100000+01:00,0.000000000000,1,1999,C
`},
		"from": {View{From: time.Unix(0, baseNs+1)}, `time_utc,t_s,part,tick,channel
2026-11-20T13:30:12.100000Z,0.000000000000,1,1999,C
2026-11-20T13:30:12.100000Z,-0.000000000081,1,1998,A
2026-11-20T13:30:12.100010Z,0.000009919098,1,124457,B
2026-11-20T13:30:13.100001Z,1.000000420000,2,50,A
`},
		"to": {View{To: time.Unix(0, baseNs+1)}, `time_utc,t_s,part,tick,channel
2026-11-20T13:30:12.100000Z,0.000000000000,1,1000,A
2026-11-20T13:30:12.100000Z,0.000000000081,1,1001,B
`},
		"counted": {View{Every: 500 * time.Millisecond}, `time_utc,t_s,gate_s,live_s,stream,part,index,flags,A,B,C
2026-11-20T13:30:12.000000Z,0.000000,0.500000,0.000032,pi-lab3/tagger,1,0,short,2,,1
2026-11-20T13:30:13.000000Z,1.000000,0.500000,0.000000,pi-lab3/tagger,2,0,short,1,0,0
`},
		"ndjson": {View{Format: NDJSON, Channels: []string{"B"}}, `{"type":"event","time_utc":"2026-11-20T13:30:12.100000Z","stream":"pi-lab3/tagger","part":1,"index":0,"who":"gateway","what":"part began","old":"","new":"gateway started","text":""}
{"type":"tag","time_utc":"2026-11-20T13:30:12.100000Z","t_s":0.000000000000,"stream":"pi-lab3/tagger","part":1,"tick":1001,"channel":"B"}
{"type":"gap","time_utc":"2026-11-20T13:30:12.100000Z","t_s":0.000000,"duration_s":0.000008,"stream":"pi-lab3/tagger","part":1,"first_index":4,"cause":"tags lost","detail":""}
{"type":"gap","time_utc":"2026-11-20T13:30:12.100000Z","t_s":0.000000,"duration_s":0.000000,"stream":"pi-lab3/tagger","part":1,"first_index":4,"tags_missing":9,"cause":"tags lost","detail":"of channel B"}
{"type":"tag","time_utc":"2026-11-20T13:30:12.100010Z","t_s":0.000009999936,"stream":"pi-lab3/tagger","part":1,"tick":124457,"channel":"B"}
{"type":"event","time_utc":"2026-11-20T13:30:13.100000Z","t_s":1.000000,"stream":"pi-lab3/tagger","part":2,"index":0,"who":"gateway","what":"part began","old":"","new":"gateway started","text":""}
`},
	} {
		t.Run(name, func(t *testing.T) { equal(t, "rows", shownTags(t, c.view, frames), c.want) })
	}
}

func TestTagRecords(t *testing.T) {
	var want []byte
	for _, one := range []struct {
		ps int64
		ch uint8
	}{{0, 0}, {81, 1}, {80_919, 2}, {80_838, 0}, {10_000_017, 1}, {1_000_000_500_000, 0}} {
		want = append(binary.LittleEndian.AppendUint64(want, uint64(one.ps)), one.ch)
	}
	equal(t, "records", []byte(shownTags(t, View{Format: Raw}, someTags(t))), want)
}

// TestTagsInOrder: frames are decoded side by side and written in their order,
// and one that cannot be decoded is told in its place.
func TestTagsInOrder(t *testing.T) {
	m := &frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}
	m.tagger(mustID(t, baseID), "tagger", 1, 1_000_000_000_000)
	var want strings.Builder
	want.WriteString("time_utc,t_s,part,tick,channel\n")
	for i := range uint64(200) {
		var ticks []uint64
		for k := range 1 + i*37%400 { // small frames overtake large ones, if they can
			ticks = append(ticks, 1_000_000*i+k)
		}
		m.tags(baseNs+int64(1000*i), 1_000_000*(i+1), nil, ticks, make([]uint8, len(ticks))...)
		for _, tick := range ticks {
			fmt.Fprintf(&want, "2026-11-20T13:30:12.%06dZ,0.%012d,1,%d,A\n", 100_000+i, tick, tick)
		}
	}
	equal(t, "rows", shownTags(t, View{}, m.out), want.String())

	bad := bytes.Clone(m.out[100])
	copy(bad[len(bad)-3:], "\xff\xff\xff")
	h, err := protocol.ParseHeader(bad)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protocol.SealFrame(bad, h); err != nil { // its checksums hold, what is in it does not
		t.Fatal(err)
	}
	m.out[100] = bad
	text := shownTags(t, View{Format: NDJSON}, m.out)
	before, after, found := strings.Cut(text, `"cause":"undecoded"`)
	if !found || strings.Count(before, `"tag"`)+strings.Count(after, `"tag"`)+int(h.Count) != int(m.index) {
		t.Errorf("a frame that cannot be decoded: told %v; %d tags before, %d behind, %d in it, %d in all", found, strings.Count(before, `"tag"`), strings.Count(after, `"tag"`), h.Count, m.index)
	}
}

func TestTagsRefused(t *testing.T) {
	frames := someTags(t)
	for name, v := range map[string]View{"a channel that is none": {Channels: []string{"X"}}, "Excel": {Excel: Excel{Point: '.', Separator: ','}}} {
		var text bytes.Buffer
		o, err := NewOutput(&text, v)
		if err != nil {
			t.Fatal(err)
		}
		clocks := NewClockTable()
		d, to := NewDecoder("pi-lab3", "tagger", clocks), o.Stream(clocks)
		err = errors.Join(d.Frames(bytes.Join(frames, nil), to), o.Finish())
		if err == nil || text.Len() > 0 {
			t.Errorf("%s: error %v, and %d bytes written", name, err, text.Len())
		}
	}
	counts := &Part{Gateway: "pi-lab3", Stream: "bench", Desc: protocol.Descriptor{Channels: twoKinds()}}
	for _, v := range []View{{Format: Raw}, {Format: NPY}, {Channels: []string{"A"}}} {
		if err := v.Fits(counts); !errors.Is(err, ErrNotTags) {
			t.Errorf("%+v of counts: %v, want ErrNotTags", v, err)
		}
	}
	if err := (&View{Format: Raw, Every: time.Second}).Check(); err == nil {
		t.Error("records of bins are taken")
	}
}

func twoKinds() protocol.List[protocol.Channel] {
	return protocol.List[protocol.Channel]{{Name: "A", Kind: protocol.KindCount}, {Name: "B", Kind: protocol.KindCount}}
}

// TestTagCounts: what is counted of tags, with losses and what is missing.
func TestTagCounts(t *testing.T) {
	const us = int64(1000)
	m := &frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}
	m.tagger(mustID(t, baseID), "tagger", 1, 1_000_000_000) // ns
	m.tags(baseNs, 11_000, nil, []uint64{1_000, 2_000}, 0, 1)
	m.tags(baseNs+20*us, 21_000, nil, nil)                 // dark
	m.tags(baseNs+20*us, 21_000, nil, []uint64{21_000}, 2) // no time passes: it is told with the next
	m.tags(baseNs+29*us, 41_000, []protocol.TagLoss{{From: 21_000, To: 26_000, Channel: -1}, {From: 22_000, To: 28_000, Channel: -1}}, []uint64{30_000}, 2)
	m.tags(baseNs+41*us, 51_000, []protocol.TagLoss{{From: 42_000, To: 43_000, Channel: 1}}, []uint64{42_000}, 0)
	m.json(protocol.TypeGap, &protocol.Gap{Cause: "stalled"})
	m.tags(baseNs+100*us, 111_000, nil, []uint64{101_000}, 0)
	var got []string
	d, sink := NewDecoder("pi-lab3", "tagger", NewClockTable()), CountTags(&countsText{to: &got})
	for _, frame := range m.out {
		if err := d.Frames(frame, sink); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "rows", got, []string{
		"0: 0+10 live 10 [1 1 0]", "1: 10+10 live 10 [0 0 0]", "2: 20+20 live 13 [0 0 2] short", "3: 40+10 live 10 [1 - 0]", "5: 100+10 live 10 [1 0 0]"})
}

// countsText writes rows of counts in µs.
type countsText struct {
	Discard
	to *[]string
}

// Readings implements Sink.
func (s *countsText) Readings(p *Part, index uint64, c *protocol.Counts) error {
	var values []string
	for ch := range c.Values {
		if p.Desc.Channels[ch].Kind != protocol.KindCount {
			return fmt.Errorf("channel %d is of kind %s", ch, p.Desc.Channels[ch].Kind)
		}
		if Absent(c, ch, 0) {
			values = append(values, "-")
			continue
		}
		values = append(values, fmt.Sprint(c.Values[ch][0]))
	}
	text := fmt.Sprintf("%d: %d+%d live %d %v", index, (c.Begin[0]-baseNs)/1000, c.Length[0]/1000, LiveNs(c, 0)/1000, values)
	if len(c.Flags) > 0 && c.Flags[0] == protocol.FlagShort {
		text += " short"
	}
	*s.to = append(*s.to, text)
	return nil
}

// TestTickScale holds the arithmetic against that of big numbers.
func TestTickScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		num := rapid.Uint64Range(1, 1<<40).Draw(t, "num")
		den := rapid.Uint64Range(1, 1<<50).Draw(t, "den")
		from, to := rapid.Uint64Range(0, 1<<62).Draw(t, "from"), rapid.Uint64Range(0, 1<<62).Draw(t, "to")
		s := newTickScale(&protocol.Tick{Num: protocol.Uint64(num), Den: protocol.Uint64(den)})
		in := func(parts int64) int64 {
			d := new(big.Int).Sub(new(big.Int).SetUint64(max(from, to)), new(big.Int).SetUint64(min(from, to)))
			d.Mul(d, new(big.Int).SetUint64(num)).Mul(d, big.NewInt(parts)).Div(d, new(big.Int).SetUint64(den))
			if !d.IsInt64() || d.Int64() > math.MaxInt64-2*parts {
				return math.MaxInt64
			}
			if from > to {
				return -d.Int64()
			}
			return d.Int64()
		}
		if want := in(1_000_000_000); want != math.MaxInt64 && s.ns(from, to) != want {
			t.Fatalf("%d ns, want %d", s.ns(from, to), want)
		}
		if want := in(psPerSecond); want != math.MaxInt64 && s.psOf(from, to) != want {
			t.Fatalf("%d ps, want %d", s.psOf(from, to), want)
		}
		ns := rapid.Int64Range(1, 1<<62).Draw(t, "ns")
		want := new(big.Int).Mul(big.NewInt(ns), new(big.Int).SetUint64(den))
		per := new(big.Int).Mul(new(big.Int).SetUint64(num), big.NewInt(1_000_000_000))
		if want.Add(want, per).Sub(want, big.NewInt(1)).Div(want, per).IsUint64() && per.IsUint64() && s.reaches(ns) != want.Uint64() {
			t.Fatalf("%d ns are %d ticks, want %v", ns, s.reaches(ns), want)
		}
	})
}

// BenchmarkTagRows is how fast tags are written, and BenchmarkTagRecords as numbers.
func BenchmarkTagRows(b *testing.B)    { benchmarkTags(b, View{Format: CSV}) }
func BenchmarkTagRecords(b *testing.B) { benchmarkTags(b, View{Format: Raw}) }

func benchmarkTags(b *testing.B, v View) {
	m := &frameMaker{t: b, stream: 2, epoch: 1, time: baseNs}
	m.tagger(mustID(b, baseID), "tagger", 1, 1_000_000_000_000)
	const frames, n = 64, 1 << 16
	at := uint64(1)
	for range frames {
		ticks, channels := make([]uint64, n), make([]uint8, n)
		for i := range ticks {
			at += 20_000 + uint64(i)*7919%160_000 // 10 million/s
			ticks[i], channels[i] = at, uint8(i%3)
		}
		m.tags(baseNs+int64(ticks[0]/1000), at+1, nil, ticks, channels...)
	}
	var size int64
	for b.Loop() {
		var w countingWriter
		o, err := NewOutput(&w, v)
		if err != nil {
			b.Fatal(err)
		}
		clocks := NewClockTable()
		d, to := NewDecoder("pi-lab3", "tagger", clocks), o.Stream(clocks)
		for _, frame := range m.out {
			if err := d.Frames(frame, to); err != nil {
				b.Fatal(err)
			}
		}
		if err := o.Finish(); err != nil {
			b.Fatal(err)
		}
		size = int64(w)
	}
	b.SetBytes(size)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/frames/n, "ns/tag")
}

type countingWriter int64

// Write implements io.Writer.
func (w *countingWriter) Write(b []byte) (int, error) {
	*w += countingWriter(len(b))
	return len(b), nil
}
