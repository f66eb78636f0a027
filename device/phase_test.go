package device

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// bench is an instrument with a crystal of its own, and a host that is late in
// ways of its own.
type bench struct {
	gate   time.Duration
	ppm    float64
	jitter time.Duration // usual lateness, exponential, at most 8 times that
	rng    *rand.Rand
	lost   map[int]bool // packets that never arrive
	torn   map[int]bool // lost ones of which bytes were seen
	stalls []stall
}

// stall withholds everything that arrives within it until its end.
type stall struct{ from, to time.Duration }

type phaseRun struct {
	rows   []uint64 // true index of each reading
	begin  []int64
	length []int64
	gaps   []Gap
	gapRow []int
	pairs  []ClockPair
}

const t0 = int64(1_700_000_000e9)

// trueEnd is when the gate of packet i really ended.
func (be *bench) trueEnd(i int) int64 {
	return t0 + int64(float64(i+1)*float64(be.gate)*(1+be.ppm*1e-6))
}

func (be *bench) run(n int) *phaseRun {
	p := NewPhase(be.gate, 1, 0)
	b := NewBatch(1)
	r := &phaseRun{}
	take := func() {
		r.collect(b)
		b.Reset()
	}
	var prev int64
	stalled := 0
	pending, pendingAt := 0, int64(0)
	flush := func() {
		if pending > 0 {
			p.Take(b, pending, pendingAt)
			pending = 0
			take()
		}
	}
	for i := range n {
		if be.lost[i] {
			if be.torn[i] {
				flush()
				p.Damage(1, CauseDamaged, "torn")
			}
			continue
		}
		late := min(be.rng.ExpFloat64(), 8) * float64(be.jitter)
		at := be.trueEnd(i) + int64(late)
		for ; stalled < len(be.stalls) && be.stalls[stalled].from <= time.Duration(at-t0); stalled++ {
			if s := be.stalls[stalled]; time.Duration(at-t0) < s.to {
				at = t0 + int64(s.to) + be.rng.Int64N(2e6)
				break
			}
		}
		at = max(at, prev)
		prev = at
		if at != pendingAt {
			flush()
			for ; pendingAt != 0 && at-pendingAt > 250e6; pendingAt += 250e6 {
				p.Tick(b, pendingAt+250e6)
				take()
			}
		}
		pendingAt = at
		b.Values[0] = append(b.Values[0], uint64(i))
		b.ValueFlags[0] = append(b.ValueFlags[0], 0)
		b.Flags = append(b.Flags, 0)
		pending++
	}
	flush()
	p.Flush(b)
	take()
	return r
}

func (r *phaseRun) collect(b *Batch) {
	for _, n := range b.Notes {
		switch {
		case n.Gap != nil:
			r.gaps = append(r.gaps, *n.Gap)
			r.gapRow = append(r.gapRow, len(r.rows)+n.Row)
		case n.Pair != nil:
			r.pairs = append(r.pairs, *n.Pair)
		}
	}
	r.rows = append(r.rows, b.Values[0]...)
	r.begin = append(r.begin, b.Begin...)
	r.length = append(r.length, b.Length...)
}

// check holds a run against the truth: every packet that arrived is a reading,
// the gaps add up, and no edge is off by more than slack.
func (r *phaseRun) check(be *bench, n int, slack time.Duration, exact bool) error {
	if want := n - len(be.lost); len(r.rows) != want {
		return fmt.Errorf("%d readings of %d packets", len(r.rows), want)
	}
	var index uint64
	g := 0
	end := int64(0)
	for row, truth := range r.rows {
		for g < len(r.gaps) && r.gapRow[g] == row {
			if !r.gaps[g].Known || r.gaps[g].Missing == 0 {
				return fmt.Errorf("gap without count: %+v", r.gaps[g])
			}
			if r.gaps[g].Begin != end {
				return fmt.Errorf("gap begins at %d, reading before it ends at %d", r.gaps[g].Begin, end)
			}
			end += r.gaps[g].Duration
			index += r.gaps[g].Missing
			g++
		}
		if exact && index != truth {
			return fmt.Errorf("reading %d has index %d, truth is %d (%d gaps so far)", row, index, truth, g)
		}
		if row > 0 && r.begin[row] != end {
			return fmt.Errorf("reading %d begins at %d, %d ns after the end before it", row, r.begin[row], r.begin[row]-end)
		}
		if r.length[row] <= 0 {
			return fmt.Errorf("reading %d has length %d", row, r.length[row])
		}
		end = r.begin[row] + r.length[row]
		if off := time.Duration(end - be.trueEnd(int(truth))); exact && off.Abs() > slack {
			return fmt.Errorf("reading %d ends %v off", row, off)
		}
		index++
	}
	if last := r.rows[len(r.rows)-1]; index-1 != last {
		return fmt.Errorf("last index %d, truth is %d", index-1, last)
	}
	if !exact {
		return nil
	}
	for _, p := range r.pairs {
		if late := p.Base - be.trueEnd(int(p.Index)); late < 0 || late > int64(slack+be.gate/2) {
			return fmt.Errorf("pair of index %d is %v late", p.Index, time.Duration(late))
		}
	}
	return nil
}

func TestPhaseHourOfDrift(t *testing.T) {
	for _, ppm := range []float64{-200, -20, 0, 20, 200} {
		t.Run(fmt.Sprint(ppm), func(t *testing.T) {
			be := &bench{gate: 100 * time.Millisecond, ppm: ppm, jitter: time.Millisecond, rng: rand.New(rand.NewPCG(1, 2))}
			r := be.run(36000)
			if err := r.check(be, 36000, 12*time.Millisecond, true); err != nil {
				t.Fatal(err)
			}
			if len(r.gaps) != 0 {
				t.Fatalf("%d false gaps, first %+v", len(r.gaps), r.gaps[0])
			}
			if len(r.pairs) < 3000 || len(r.pairs) > 3600 {
				t.Errorf("%d clock pairs in an hour, want about one a second", len(r.pairs))
			}
			// After half an hour the line has learned the gate.
			half := len(r.rows) / 2
			for row := half; row < len(r.rows); row++ {
				off := time.Duration(r.begin[row] + r.length[row] - be.trueEnd(int(r.rows[row])))
				if off.Abs() > 2*time.Millisecond {
					t.Fatalf("reading %d ends %v off", row, off)
				}
			}
		})
	}
}

func TestPhaseDelaysAreNoGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		be := &bench{
			gate:   time.Duration(rapid.SampledFrom([]int{100, 250, 1000, 65535}).Draw(t, "gate_ms")) * time.Millisecond,
			ppm:    rapid.Float64Range(-200, 200).Draw(t, "ppm"),
			jitter: time.Duration(rapid.IntRange(0, 3000).Draw(t, "jitter_us")) * time.Microsecond,
			rng:    rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
		}
		n := 1500
		total := time.Duration(n) * be.gate
		for at := be.gate * 20; at < total; {
			length := time.Duration(be.rng.Int64N(int64(10 * time.Second)))
			be.stalls = append(be.stalls, stall{at, at + length})
			// Between two stalls there is time to see that nothing is lost: three
			// arrivals in a row, each a gate late, cannot be told from a loss.
			at += length + 4*be.gate + time.Duration(be.rng.Int64N(int64(20*time.Second)))
		}
		r := be.run(n)
		if len(r.gaps) != 0 {
			t.Fatalf("false gap %+v before reading %d (%d in all)", r.gaps[0], r.gapRow[0], len(r.gaps))
		}
		if err := r.check(be, n, 30*time.Millisecond, true); err != nil {
			t.Fatal(err)
		}
	})
}

// A host that did not run for a minute finds what waited for it in pieces, one
// after the other: that is a delay, too.
func TestPhaseLongStall(t *testing.T) {
	const gate = int64(100e6)
	for _, stalled := range []int{50, 300, 600, 3600} {
		p, b := NewPhase(time.Duration(gate), 1, 0), NewBatch(1)
		take := func(n int, at int64) {
			b.Values[0] = append(b.Values[0], make([]uint64, n)...)
			b.ValueFlags[0] = append(b.ValueFlags[0], make([]ChannelFlags, n)...)
			b.Flags = append(b.Flags, make([]ReadingFlags, n)...)
			p.Take(b, n, at)
		}
		const before, after = 300, 100
		for i := range int64(before) {
			take(1, t0+i*gate)
		}
		at := t0 + int64(before+stalled-1)*gate
		for k := 0; k < stalled; k += 50 {
			take(50, at+int64(k)*1000)
		}
		for i := range int64(after) {
			take(1, t0+(int64(before+stalled)+i)*gate)
		}
		for _, n := range b.Notes {
			if n.Gap != nil || n.Event != nil {
				t.Errorf("%d late packets: gap %+v, event %+v before reading %d", stalled, n.Gap, n.Event, n.Row)
			}
		}
		if b.Len() != before+stalled+after {
			t.Fatalf("%d late packets: %d readings", stalled, b.Len())
		}
		for i, begin := range b.Begin {
			if off := begin - (t0 + int64(i-1)*gate); off < -1e6 || off > 1e6 {
				t.Fatalf("%d late packets: reading %d is off by %v", stalled, i, time.Duration(off))
			}
		}
	}
}

func TestPhaseFindsEveryLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		be := &bench{
			gate:   100 * time.Millisecond,
			ppm:    rapid.Float64Range(-200, 200).Draw(t, "ppm"),
			jitter: time.Duration(rapid.IntRange(0, 2000).Draw(t, "jitter_us")) * time.Microsecond,
			rng:    rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
			lost:   map[int]bool{}, torn: map[int]bool{},
		}
		n := 1200
		runs := 0
		for i := 20; i < n-20; runs++ {
			k := 1 + be.rng.IntN(1+be.rng.IntN(200))
			torn := be.rng.IntN(2) == 0
			for j := i; j < min(i+k, n-20); j++ {
				be.lost[j] = true
				be.torn[j] = torn && j == i
			}
			i += k + 8 + be.rng.IntN(200)
		}
		r := be.run(n)
		if err := r.check(be, n, 25*time.Millisecond, true); err != nil {
			t.Fatal(err)
		}
		if len(r.gaps) != runs {
			t.Fatalf("%d gaps for %d losses: %+v at %d", len(r.gaps), runs, r.gaps, r.gapRow)
		}
	})
}

// A loss inside a bunch of delayed packets is found as soon as the bunch is
// over; where in the bunch it was nobody can know.
func TestPhaseLossWithinDelay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		be := &bench{
			gate:   100 * time.Millisecond,
			jitter: time.Millisecond,
			rng:    rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2)),
			lost:   map[int]bool{},
		}
		n := 1000
		for i := 50; i < n-100; i += 150 {
			at := time.Duration(i) * be.gate
			be.stalls = append(be.stalls, stall{at, at + 5*time.Second})
			for range 1 + be.rng.IntN(3) {
				be.lost[i+5+be.rng.IntN(40)] = true
			}
		}
		if err := be.run(n).check(be, n, 0, false); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPhaseTornByBytes(t *testing.T) {
	be := &bench{gate: 100 * time.Millisecond, rng: rand.New(rand.NewPCG(3, 3)),
		lost: map[int]bool{50: true, 70: true, 71: true}, torn: map[int]bool{50: true, 70: true, 71: true}}
	r := be.run(100)
	if err := r.check(be, 100, time.Millisecond, true); err != nil {
		t.Fatal(err)
	}
	if len(r.gaps) != 2 || r.gaps[0].Missing != 1 || r.gaps[1].Missing != 2 || r.gaps[0].Cause != CauseDamaged || r.gaps[0].Detail != "torn" {
		t.Fatalf("gaps %+v", r.gaps)
	}
}

// Noise between packets that cost none is told, but is no gap.
func TestPhaseNoiseWithoutLoss(t *testing.T) {
	p, b := NewPhase(100*time.Millisecond, 1, 0), NewBatch(1)
	row := func(at int64) {
		b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], 1), append(b.ValueFlags[0], 0), append(b.Flags, 0)
		p.Take(b, 1, t0+at)
	}
	for i := range int64(10) {
		row(i * 100e6)
	}
	p.Damage(1, CauseDamaged, "60 bytes")
	row(10 * 100e6)
	if b.Len() != 11 {
		t.Fatalf("%d readings, want 11", b.Len())
	}
	last := b.Notes[len(b.Notes)-1]
	if last.Event == nil || last.Row != 10 || last.Event.Text != "60 bytes" {
		t.Fatalf("last note %+v, want an event before row 10", last)
	}
}

// Playback from memory is earlier than any instrument: edges go on gate by
// gate, and damage is counted by its bytes.
func TestPhasePlayback(t *testing.T) {
	p, b := NewPhase(100*time.Millisecond, 1, 0), NewBatch(1)
	feed := func(n int, at int64) {
		for range n {
			b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], 1), append(b.ValueFlags[0], 0), append(b.Flags, 0)
		}
		p.Take(b, n, t0+at)
	}
	for i := range int64(20) {
		feed(300, i*1000)
		if i == 10 {
			p.Damage(2, CauseDamaged, "82 bytes")
		}
	}
	if b.Len() != 6000 {
		t.Fatalf("%d readings, want 6000", b.Len())
	}
	gaps := 0
	for _, n := range b.Notes {
		if n.Gap != nil {
			gaps++
			if n.Row != 3300 || n.Gap.Missing != 2 || !n.Gap.Known {
				t.Errorf("gap before row %d: %+v", n.Row, *n.Gap)
			}
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps, want 1", gaps)
	}
	for i := 400; i < b.Len(); i++ {
		if l := b.Length[i]; l < 99e6 || l > 101e6 {
			t.Fatalf("reading %d is %d ns long", i, l)
		}
	}
}

// A long gate does not keep its first reading back for as long as it is.
// A packet that comes twice, or after others that had been late all along, does
// not go into the record in silence.
func TestPhaseTooEarly(t *testing.T) {
	t.Attr("fault", "F39")
	t.Attr("injected", "a packet that comes twice")
	t.Attr("promised", "the second is flagged and told, no gate is made longer or shifted for it")
	p := NewPhase(100*time.Millisecond, 1, 0)
	b := NewBatch(1)
	for i := range 200 {
		at, times := t0+int64(i)*100e6, 1
		if i == 150 {
			times = 2
		}
		for range times {
			b.Values[0] = append(b.Values[0], uint64(i))
			b.ValueFlags[0] = append(b.ValueFlags[0], 0)
			b.Flags = append(b.Flags, 0)
			p.Take(b, 1, at)
			at += 1e6
		}
	}
	if len(b.Values[0]) != 201 || b.Values[0][151] != 150 {
		t.Fatalf("%d readings, number 151 is %d", len(b.Values[0]), b.Values[0][151])
	}
	for row, f := range b.Flags {
		if (f == Implausible) != (row == 151) {
			t.Errorf("reading %d has flags %b", row, f)
		}
	}
	var events []Note
	for _, n := range b.Notes {
		if n.Event != nil {
			events = append(events, n)
		}
	}
	// The second of the two has the interval of the first, to what it was later; all
	// others stand where they belong, and say so.
	worst := int64(0)
	for row, begin := range b.Begin {
		number := int64(b.Values[0][row])
		off := begin - (t0 + (number-1)*100e6)
		worst = max(worst, off, -off)
		if worst > 1_500_000 || b.Uncertainty[row] > 1_500_000 {
			t.Fatalf("reading %d, of gate %d, is off by %v and says ± %v", row, number, time.Duration(off), time.Duration(b.Uncertainty[row]))
		}
		if row > 0 && begin < b.Begin[row-1] {
			t.Fatalf("reading %d begins before the one ahead of it", row)
		}
	}
	t.Attr("seen", fmt.Sprintf("1 reading flagged and told, edges off by at most %v", time.Duration(worst)))
	if len(events) != 1 || events[0].Row != 151 || events[0].Event.What != "packet too early" ||
		events[0].Event.Text != "99ms before its time: there is one too many, or those before it had been late" {
		t.Errorf("events %+v", events)
	}
}

func TestPhaseSettlesByTime(t *testing.T) {
	p, b := NewPhase(time.Minute, 1, 0), NewBatch(1)
	b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], 7), append(b.ValueFlags[0], 0), append(b.Flags, 0)
	p.Take(b, 1, t0)
	if b.Len() != 0 {
		t.Fatal("released at once")
	}
	p.Tick(b, t0+250e6)
	if b.Len() != 1 || b.Begin[0] != t0-60e9 || b.Length[0] != 60e9 {
		t.Fatalf("after 250 ms: %+v", b)
	}
}

// Silence far beyond what the learned gate can count through is a gap of
// unknown extent.
func TestPhaseUnknownGap(t *testing.T) {
	be := &bench{gate: 100 * time.Millisecond, ppm: 100, rng: rand.New(rand.NewPCG(5, 5)), lost: map[int]bool{}}
	for i := 100; i < 40000; i++ {
		be.lost[i] = true
	}
	r := be.run(40100)
	if len(r.gaps) != 1 || r.gaps[0].Known || r.gaps[0].Missing != 0 {
		t.Fatalf("gaps %+v", r.gaps)
	}
	if len(r.rows) != 200 {
		t.Fatalf("%d readings, want 200", len(r.rows))
	}
}

func BenchmarkPhaseTake(b *testing.B) {
	p, batch := NewPhase(100*time.Millisecond, 8, 0), NewBatch(8)
	grow := func() {
		batch.Flags = batch.Flags[:1600]
		for c := range batch.Values {
			batch.Values[c] = batch.Values[c][:1600]
			batch.ValueFlags[c] = batch.ValueFlags[c][:1600]
		}
	}
	batch.Flags = make([]ReadingFlags, 1600)
	for c := range batch.Values {
		batch.Values[c], batch.ValueFlags[c] = make([]uint64, 1600), make([]ChannelFlags, 1600)
	}
	p.Take(batch, 1600, t0)
	b.ReportAllocs()
	at := t0
	for b.Loop() {
		batch.Reset()
		grow()
		at += 100_000
		p.Take(batch, 1600, at)
	}
	b.ReportMetric(float64(b.N)*1600/b.Elapsed().Seconds(), "packets/s")
}

// Packets that are late for a while in ways no loss explains are no gap: not a
// whole number of gates, or not for long enough.
func TestPhaseLateForAWhile(t *testing.T) {
	for _, tc := range []struct {
		late  time.Duration
		count int64
	}{{70 * time.Millisecond, 8}, {160 * time.Millisecond, 8}, {100 * time.Millisecond, 3}, {200 * time.Millisecond, 3}} {
		p, b := NewPhase(100*time.Millisecond, 1, 0), NewBatch(1)
		var at int64
		for i := range int64(60) {
			late := time.Duration(0)
			if i >= 30 && i < 30+tc.count {
				late = tc.late
			}
			at = max(at, t0+i*100e6+int64(late))
			b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], 1), append(b.ValueFlags[0], 0), append(b.Flags, 0)
			p.Take(b, 1, at)
		}
		if b.Len() != 60 {
			t.Errorf("%v late for %d packets: %d readings", tc.late, tc.count, b.Len())
		}
		for _, n := range b.Notes {
			if n.Gap != nil {
				t.Errorf("%v late for %d packets: gap %+v", tc.late, tc.count, *n.Gap)
			}
		}
	}
}

// A host that is late at first states edges that are too late. It says by how
// much, so that nobody takes a gate that began before a moment for one after it.
func TestPhaseSaysHowFarAstray(t *testing.T) {
	const gate, lateNs = 100 * time.Millisecond, int64(45 * time.Millisecond)
	p := NewPhase(gate, 1, 0)
	b := NewBatch(1)
	astray := 0
	for i := range 200 {
		at := t0 + int64(i+1)*int64(gate)
		if i < 20 {
			at += lateNs
		}
		b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], uint64(i)), append(b.ValueFlags[0], 0), append(b.Flags, 0)
		p.Take(b, 1, at)
		for row, begin := range b.Begin {
			number := int64(b.Values[0][row])
			truth := t0 + number*int64(gate)
			// What came before the first packet on time could not know.
			if number < 20 {
				continue
			}
			if begin-b.Uncertainty[row] > truth+astrayNs {
				t.Fatalf("reading %d began at %d ns and is said to have begun at %d ± %d", number, truth-t0, begin-t0, b.Uncertainty[row])
			}
			if b.Uncertainty[row] > 0 {
				astray++
			}
		}
		b.Reset()
	}
	if astray < 100 {
		t.Errorf("%d readings are said to be astray: edges come back by a tenth of a millisecond per gate, from %v", astray, time.Duration(lateNs))
	}
}
