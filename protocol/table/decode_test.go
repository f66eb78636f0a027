package table

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"photongate/protocol"
)

// told is a sink that keeps what it was told, in short.
type told struct{ lines []string }

func (s *told) Readings(p *Part, firstIndex uint64, c *protocol.Counts) error {
	var values []string
	for i := range c.Begin {
		values = append(values, fmt.Sprint(c.Values[0][i]))
	}
	s.lines = append(s.lines, fmt.Sprintf("%d/%d: %s", p.Epoch, firstIndex, strings.Join(values, " ")))
	return nil
}

func (s *told) Gap(p *Part, g Gap) error {
	text := fmt.Sprintf("%d/%d: gap %s", p.Epoch, g.FirstIndex, g.Cause)
	if g.MissingKnown {
		text += fmt.Sprintf(", %d missing", g.Missing)
	}
	if g.BeginKnown {
		text += fmt.Sprintf(", from %d ms", (g.BeginNs-baseNs)/1_000_000)
	}
	if g.DurationKnown {
		text += fmt.Sprintf(" for %d ms", g.DurationNs/1_000_000)
	}
	s.lines = append(s.lines, text)
	return nil
}

func (s *told) Event(p *Part, e Event) error {
	s.lines = append(s.lines, fmt.Sprintf("%d/%d: event %s %s%s", p.Epoch, e.Index, e.What, e.New, e.Text))
	return nil
}

func decodeAll(t testing.TB, frames [][]byte) []string {
	t.Helper()
	d, out := NewDecoder("pi-lab3", "bench", NewClockTable()), &told{}
	for _, f := range frames {
		h, payload, _, err := protocol.ParseFrame(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Frame(h, payload, out); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Finish(out); err != nil {
		t.Fatal(err)
	}
	return out.lines
}

func hole(t testing.TB, epoch uint32, from, to uint64, cause string) []byte {
	t.Helper()
	f, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHole, Stream: 2, Epoch: epoch, Seq: from}, &protocol.Hole{To: protocol.Uint64(to), Cause: cause, By: "pi-lab3"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestDecode: times and indices around gaps, holes and parts.
func TestDecode(t *testing.T) {
	base := mustID(t, "b0000000000000000000000000000001")
	one := []protocol.Channel{{Name: "A", Kind: "count"}}
	maker := func(epoch uint32, time int64) *frameMaker {
		return (&frameMaker{t: t, stream: 2, epoch: epoch, time: time}).describe(base, "bench", one...)
	}
	row := func(v ...uint64) [][]uint64 {
		var rows [][]uint64
		for _, x := range v {
			rows = append(rows, []uint64{x})
		}
		return rows
	}
	six := maker(1, baseNs).counts(row(1, 2)...).counts(row(3)...).counts(row(4)...).counts(row(5, 6)...)

	gapped := maker(1, baseNs).counts(row(1)...).json(protocol.TypeGap, &protocol.Gap{Cause: "damaged bytes", DurationNs: protocol.Ref(protocol.Int64(200_000_000)), Missing: protocol.Ref(protocol.Uint64(2))})
	gapped.index += 2
	gapped.time += 200_000_000
	gapped.counts(row(4)...).json(protocol.TypeGap, &protocol.Gap{Cause: "stalled"}).counts(row(5)...).json(protocol.TypeEnd, &protocol.End{Cause: "unplugged"})

	jump := maker(1, baseNs).counts(row(1)...)
	jump.index, jump.time = 5, baseNs+500_000_000
	jump.counts(row(6)...)

	unknownSchema := maker(1, baseNs).counts(row(1)...)
	unknownSchema.out = append(unknownSchema.out, func() []byte {
		h := unknownSchema.header(protocol.TypeCounts)
		h.Count = 3
		f, err := protocol.AppendFrame(nil, h, []byte{2, 0, 1})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}())
	unknownSchema.index, unknownSchema.time = 4, baseNs+400_000_000
	unknownSchema.counts(row(5)...)

	critical := maker(1, baseNs).counts(row(1)...)
	critical.out = append(critical.out, func() []byte {
		h := critical.header(20)
		h.Critical = true
		f, err := protocol.AppendFrame(nil, h, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}())
	critical.counts(row(2)...)

	skippable := maker(1, baseNs).counts(row(1)...)
	skippable.out = append(skippable.out, func() []byte {
		f, err := protocol.AppendFrame(nil, skippable.header(20), []byte("from the future"))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}())
	skippable.counts(row(2)...)

	for name, c := range map[string]struct {
		frames [][]byte
		want   []string
	}{
		"whole": {six.out, []string{"1/0: event part began gateway started", "1/0: 1 2", "1/2: 3", "1/3: 4", "1/4: 5 6"}},
		"gaps": {gapped.out, []string{"1/0: event part began gateway started", "1/0: 1", "1/1: gap damaged bytes, 2 missing, from 100 ms for 200 ms", "1/3: 4",
			"1/4: gap stalled, from 400 ms", "1/4: 5", "1/5: event part ended unplugged"}},
		"a hole": {[][]byte{six.out[0], six.out[1], hole(t, 1, 3, 4, "quota"), six.out[4]}, []string{"1/0: event part began gateway started", "1/0: 1 2",
			"1/2: gap quota, 2 missing, from 200 ms for 200 ms", "1/4: 5 6"}},
		"two holes in a row": {[][]byte{six.out[0], six.out[1], hole(t, 1, 3, 3, "quota"), hole(t, 1, 4, 4, "damaged"), six.out[4]}, []string{"1/0: event part began gateway started", "1/0: 1 2",
			"1/2: gap quota, damaged, 2 missing, from 200 ms for 200 ms", "1/4: 5 6"}},
		"a hole at the end of a part": {append([][]byte{six.out[0], six.out[1], hole(t, 1, 3, 5, "unsynced tail")}, maker(2, baseNs+9*second).counts(row(9)...).out...),
			[]string{"1/0: event part began gateway started", "1/0: 1 2", "1/2: gap unsynced tail, from 200 ms", "2/0: event part began gateway started", "2/0: 9"}},
		"a hole at the end":    {[][]byte{six.out[0], six.out[1], hole(t, 1, 3, 5, "damaged")}, []string{"1/0: event part began gateway started", "1/0: 1 2", "1/2: gap damaged, from 200 ms"}},
		"what was before":      {[][]byte{hole(t, 1, 1, 2, "not held"), six.out[2], six.out[3]}, []string{"1/2: 3", "1/3: 4"}},
		"nobody says why":      {jump.out, []string{"1/0: event part began gateway started", "1/0: 1", "1/1: gap unexplained, 4 missing, from 100 ms for 400 ms", "1/5: 6"}},
		"a schema of later":    {unknownSchema.out, []string{"1/0: event part began gateway started", "1/0: 1", "1/1: gap undecoded, 3 missing, from 100 ms", "1/4: 5"}},
		"must be understood":   {critical.out, []string{"1/0: event part began gateway started", "1/0: 1", "1/1: gap undecoded, from 100 ms"}},
		"need not be":          {skippable.out, []string{"1/0: event part began gateway started", "1/0: 1", "1/1: 2"}},
		"no descriptor at all": {[][]byte{six.out[2]}, []string{"1/2: 3"}},
	} {
		t.Run(name, func(t *testing.T) { equal(t, "told", decodeAll(t, c.frames), c.want) })
	}
}

// FuzzDecoder: any frames whose checksums hold are decoded or told as a gap.
func FuzzDecoder(f *testing.F) {
	bench := (&frameMaker{t: f, stream: 2, epoch: 1, time: baseNs}).describe(mustID(f, baseID), "bench", protocol.Channel{Name: "A", Kind: protocol.KindCount}, protocol.Channel{Name: "B", Kind: protocol.KindCount}).
		counts([]uint64{1000, 7}, []uint64{1001, 8}).counts([]uint64{1002, 7}, []uint64{1003, 8})
	for _, frame := range bench.out {
		h, payload, _, err := protocol.ParseFrame(frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(h.Type), h.Count, h.Index, h.Time, payload, payload)
		if h.Type == protocol.TypeCounts {
			f.Add(uint8(h.Type), h.Count, h.Index, h.Time, []byte(`{"stream":"bench","base":"`+baseID+`","software":"x","cause":"x","channels":[`+
				`{"name":"A","kind":"count","exponent":0,"dead_time_ns":"22","dark_cps":250},{"name":"AB","kind":"total","width":24,"exponent":-1,"of":["A","A"],"window_ns":"25"}]}`), payload)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, count uint32, index uint64, time int64, first, second []byte) {
		d, clocks := NewDecoder("g", "s", NewClockTable()), NewClockTable()
		files := []Sink{&told{}, NewNDJSONWriter(discardWriter{}, NewRowClock(clocks)), &csvSink{clock: NewRowClock(clocks)}}
		var outputs []*Output
		for _, words := range []string{"--every=1s --rate --correct=dead,acc,dark", "--merge --every=1s --tz=local", "--every=1us --excel=de", "--from=-1h --to=now --rate --format=ndjson"} {
			o, err := NewOutput(discardWriter{}, viewOf(t, strings.Fields(words)...))
			if err != nil {
				t.Fatal(err)
			}
			outputs, files = append(outputs, o), append(files, o.Stream(clocks), o.Stream(clocks))
		}
		for seq, payload := range [][]byte{first, second, first} {
			h := protocol.Header{Type: protocol.Type(kind & 31), Stream: 1, Epoch: 1, Seq: uint64(seq) + 1, Count: count, Index: index, Time: time}
			if seq == 0 {
				h.Type = protocol.TypeDescriptor
			}
			frame, err := protocol.AppendFrame(nil, h, payload)
			if err != nil {
				return
			}
			h, payload, _, err = protocol.ParseFrame(frame)
			if err != nil {
				t.Fatal(err)
			}
			for _, out := range files {
				if err := d.Frame(h, payload, out); err != nil && !isRefusal(err) {
					t.Fatal(err)
				}
			}
		}
		for _, o := range outputs {
			if err := o.Finish(); err != nil && !isRefusal(err) {
				t.Fatal(err)
			}
		}
	})
}

// isRefusal reports whether a view cannot show what came, and says so.
func isRefusal(err error) bool {
	return errors.Is(err, ErrMixed) || errors.Is(err, ErrShortBin) || errors.Is(err, ErrNotCorrected)
}

type discardWriter struct{}

func (discardWriter) Write(b []byte) (int, error) { return len(b), nil }

// csvSink writes counts as CSV whatever their channels.
type csvSink struct{ clock *RowClock }

func (s *csvSink) Readings(p *Part, firstIndex uint64, c *protocol.Counts) error {
	return NewCSVWriter(discardWriter{}, s.clock, p.Desc.Channels).Readings(p, firstIndex, c)
}

func (s *csvSink) Gap(p *Part, g Gap) error {
	NewGapsWriter(discardWriter{}, s.clock, &View{}).Gap(p, g)
	return nil
}

func (s *csvSink) Event(p *Part, e Event) error {
	NewEventsWriter(discardWriter{}, s.clock, &View{}).Event(p, e)
	return nil
}
