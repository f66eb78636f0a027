package receiver

import (
	"fmt"
	"testing"

	"photongate/protocol"
	"photongate/protocol/table"
)

// tellingSink tells in short what it is given.
type tellingSink struct{ lines []string }

func (s *tellingSink) Readings(p *table.Part, first uint64, c *protocol.Counts) error {
	for i := range c.Begin {
		s.lines = append(s.lines, fmt.Sprintf("%d/%d A=%d at %d", p.Epoch, first+uint64(i), c.Values[0][i], (c.Begin[i]-baseNs)/ms))
	}
	return nil
}

func (s *tellingSink) Gap(p *table.Part, g table.Gap) error {
	s.lines = append(s.lines, fmt.Sprintf("%d/%d gap %s", p.Epoch, g.FirstIndex, g.Cause))
	return nil
}

func (s *tellingSink) Event(p *table.Part, e table.Event) error {
	s.lines = append(s.lines, fmt.Sprintf("%d/%d %s", p.Epoch, e.Index, e.What))
	return nil
}

const ms = int64(1_000_000)

// gates makes frames of a stream with gates given by hand: begins and lengths in
// ms after baseNs. The count of each is its number.
type gates struct {
	begin, length []int64
	uncertain     []int64
	flags         []uint32
}

func (g gates) counts() *protocol.Counts {
	c := &protocol.Counts{Flags: g.flags, Values: [][]uint64{nil}}
	for i := range g.begin {
		c.Begin, c.Length = append(c.Begin, baseNs+g.begin[i]*ms), append(c.Length, g.length[i]*ms)
		c.Values[0] = append(c.Values[0], uint64(i))
	}
	for _, u := range g.uncertain {
		c.Uncertainty = append(c.Uncertainty, u*ms)
	}
	return c
}

// TestCut works out by hand which gates are those of a measurement that begins at
// 1000 ms (SPEC.md, 7.1 and 7.3).
func TestCut(t *testing.T) {
	base, other := mustID(t, "b0000000000000000000000000000001"), mustID(t, "b0000000000000000000000000000002")
	one := []protocol.Channel{{Name: "A", Kind: protocol.KindCount}}
	make100 := func(begin int64, n int) gates {
		var g gates
		for i := range n {
			g.begin, g.length = append(g.begin, begin+100*int64(i)), append(g.length, 100)
		}
		return g
	}
	stream := func(late int64) *frameMaker {
		m := &frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}
		return m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "bench", Base: base, Boot: "boot", Software: "test", Cause: "gateway started", LateNs: protocol.Int64(late * ms), Channels: one})
	}
	gap := func(m *frameMaker, begin, length int64, missing uint64) *frameMaker {
		m.time = baseNs + begin*ms
		m.json(protocol.TypeGap, &protocol.Gap{Cause: "stalled", DurationNs: protocol.Ref(protocol.Int64(length * ms)), Missing: protocol.Ref(protocol.Uint64(missing))})
		m.index += missing
		return m
	}
	event := func(m *frameMaker, at int64) *frameMaker {
		m.time = baseNs + at*ms
		return m.json(protocol.TypeEvent, &protocol.Event{What: "set"})
	}
	restarted := func(second gates) [][]byte {
		m := stream(0).columns(make100(950, 3).counts())
		n := (&frameMaker{t: t, stream: 2, epoch: 2, time: baseNs - 5000*ms}).describe(other, "bench", one...)
		return append(m.out, n.columns(second.counts()).out...)
	}
	from := cut{base: base, fromNs: baseNs + 1000*ms}
	with := func(change func(*cut)) cut {
		c := from
		change(&c)
		return c
	}
	for300 := with(func(c *cut) { c.forNs = 300 * ms })
	for name, c := range map[string]struct {
		cut    cut
		frames [][]byte
		want   []string
	}{
		"the gate that was going on is left out": {from, stream(0).columns(make100(950, 3).counts()).out, []string{"1/1 A=1 at 1050", "1/2 A=2 at 1150"}},
		"a gate that begins at the very moment":  {from, stream(0).columns(make100(900, 3).counts()).out, []string{"1/1 A=1 at 1000", "1/2 A=2 at 1100"}},
		"edges may be late":                      {from, stream(20).columns(make100(1010, 3).counts()).out, []string{"1/1 A=1 at 1110", "1/2 A=2 at 1210"}},
		"edges late by no more than allowed":     {from, stream(10).columns(make100(1010, 2).counts()).out, []string{"1/0 A=0 at 1010", "1/1 A=1 at 1110"}},
		"edges are uncertain": {from, stream(0).columns(gates{begin: []int64{1001, 1101, 1201}, length: []int64{100, 100, 100}, uncertain: []int64{2, 2, 300}}.counts()).out,
			[]string{"1/1 A=1 at 1101", "1/2 A=2 at 1201"}},
		"a gate of unknown begin": {from, stream(0).columns(gates{begin: []int64{1001, 1001, 1101, 1201, 1201}, length: []int64{0, 100, 100, 0, 100}, flags: []uint32{1, 0, 0, 1, 0}}.counts()).out,
			[]string{"1/1 A=1 at 1001", "1/2 A=2 at 1101", "1/4 A=4 at 1201"}},
		"for a time": {for300, stream(0).columns(make100(950, 2).counts()).columns(make100(1150, 1).counts()).columns(make100(1250, 3).counts()).out,
			[]string{"1/1 A=1 at 1050", "1/2 A=0 at 1150", "1/3 A=0 at 1250"}},
		"for a time that is not whole gates": {with(func(c *cut) { c.forNs = 349 * ms }), stream(0).columns(make100(1000, 9).counts()).out,
			[]string{"1/0 A=0 at 1000", "1/1 A=1 at 1100", "1/2 A=2 at 1200"}},
		"for half a gate more": {with(func(c *cut) { c.forNs = 350 * ms }), stream(0).columns(make100(1000, 9).counts()).out,
			[]string{"1/0 A=0 at 1000", "1/1 A=1 at 1100", "1/2 A=2 at 1200", "1/3 A=3 at 1300"}},
		"for less than a gate": {with(func(c *cut) { c.forNs = ms }), stream(0).columns(make100(1000, 9).counts()).out, []string{"1/0 A=0 at 1000"}},
		"for gates a little too long": {for300, stream(0).columns(gates{begin: []int64{1000, 1102, 1204, 1306}, length: []int64{102, 102, 102, 102}}.counts()).out,
			[]string{"1/0 A=0 at 1000", "1/1 A=1 at 1102", "1/2 A=2 at 1204"}},
		"so many":         {with(func(c *cut) { c.asked = 2 }), stream(0).columns(make100(950, 9).counts()).out, []string{"1/1 A=1 at 1050", "1/2 A=2 at 1150"}},
		"ended by an end": {with(func(c *cut) { c.ended, c.endBase, c.toNs = true, base, baseNs+1250*ms }), stream(0).columns(make100(950, 9).counts()).out, []string{"1/1 A=1 at 1050", "1/2 A=2 at 1150"}},
		"gaps and events": {for300, event(gap(event(event(gap(stream(0).columns(make100(700, 1).counts()), 800, 150, 1), 990).columns(make100(1050, 1).counts()), 1150), 1150, 100, 1).columns(make100(1250, 1).counts()), 1360).out,
			[]string{"1/2 A=0 at 1050", "1/3 set", "1/3 gap stalled", "1/4 A=0 at 1250"}},
		"a gap at the end": {for300, gap(stream(0).columns(make100(1000, 1).counts()), 1100, 900, 9).columns(make100(2000, 3).counts()).out, []string{"1/0 A=0 at 1000", "1/1 gap stalled"}},
		"a gap behind it":  {for300, gap(stream(0).columns(make100(1000, 3).counts()), 1300, 100, 1).columns(make100(1400, 3).counts()).out, []string{"1/0 A=0 at 1000", "1/1 A=1 at 1100", "1/2 A=2 at 1200"}},
		// The gateway was started again; its new base is 5 s behind, which nothing ties to the first.
		"another time base": {from, restarted(make100(-4000, 2)), []string{"1/1 A=1 at 1050", "1/2 A=2 at 1150", "2/0 part began", "2/0 A=0 at -4000", "2/1 A=1 at -3900"}},
	} {
		t.Run(name, func(t *testing.T) {
			clocks, out := table.NewClockTable(), &tellingSink{}
			decoder, sink := table.NewDecoder("pi-lab3", "bench", clocks), newCutStream(&c.cut, clocks, out)
			for _, f := range c.frames {
				if err := decoder.Frames(f, sink); err != nil {
					t.Fatal(err)
				}
			}
			if err := decoder.Finish(sink); err != nil {
				t.Fatal(err)
			}
			equal(t, "told", out.lines, c.want)
		})
	}
}

// TestCutInPieces: however frames are cut, the same readings come out.
func TestCutInPieces(t *testing.T) {
	base := mustID(t, "b0000000000000000000000000000001")
	tell := func(size int) []string {
		m := (&frameMaker{t: t, stream: 2, epoch: 1, time: baseNs}).describe(base, "bench", twoChannels()...)
		for n := uint64(0); n < 60; {
			var rows [][]uint64
			for range size {
				rows = append(rows, []uint64{n, 7})
				n++
			}
			m.counts(rows...)
		}
		clocks, out := table.NewClockTable(), &tellingSink{}
		decoder, sink := table.NewDecoder("pi-lab3", "bench", clocks), newCutStream(&cut{base: base, fromNs: baseNs + 1050*ms, forNs: 2500 * ms}, clocks, out)
		for _, f := range m.out {
			if err := decoder.Frames(f, sink); err != nil {
				t.Fatal(err)
			}
		}
		return out.lines
	}
	want := tell(1)
	equal(t, "readings", len(want), 25)
	equal(t, "first", want[0], "1/11 A=11 at 1100")
	for _, size := range []int{2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60} {
		equal(t, fmt.Sprint("frames of ", size), tell(size), want)
	}
}
