package device

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestPhaseOfAJitteryBus: arrivals that are late by anything up to 200 ms, two
// gates, come in bunches and after pauses. Each packet is one reading at its own
// place; the gates stay 100 ms long, and nothing is taken for lost.
func TestPhaseOfAJitteryBus(t *testing.T) {
	const gate, packets = 100 * time.Millisecond, 20_000
	t.Attr("fault", "F39")
	t.Attr("injected", fmt.Sprintf("%d packets, each 0-200 ms late, in order", packets))
	t.Attr("promised", "no gate twice, none lost, intervals by the device's gate")
	p, b := NewPhase(gate, 1, 0), NewBatch(1)
	rng := rand.New(rand.NewPCG(39, 39))
	var last, pending int64
	n := 0
	for i := range int64(packets + 1) {
		at := max(last, t0+(i+1)*int64(gate)+rng.Int64N(200e6))
		if n > 0 && at != last || i == packets {
			p.Take(b, n, pending)
			n = 0
		}
		if i < packets {
			b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], uint64(i)), append(b.ValueFlags[0], 0), append(b.Flags, 0)
			n++
		}
		last, pending = at, at
	}
	p.Flush(b)
	if b.Len() != packets {
		t.Fatalf("%d readings of %d packets", b.Len(), packets)
	}
	var off, length int64
	for row, begin := range b.Begin {
		flags := b.Flags[row]
		if row > packets-10 && b.Uncertainty[row] > int64(gate)*9/10 {
			flags &^= Late // the last ones may as well stand behind one that was lost, and say so
		}
		if b.Values[0][row] != uint64(row) || flags != 0 {
			t.Fatalf("reading %d is packet %d with flags %v", row, b.Values[0][row], b.Flags[row])
		}
		if row > 0 && begin != b.Begin[row-1]+b.Length[row-1] {
			t.Fatalf("reading %d begins %v after the end of the one before", row, time.Duration(begin-b.Begin[row-1]-b.Length[row-1]))
		}
		length = max(length, b.Length[row]-int64(gate), int64(gate)-b.Length[row])
		if row >= 3000 { // then the edges have come back from how late the first packets were
			off = max(off, begin-t0-int64(row)*int64(gate), t0+int64(row)*int64(gate)-begin)
		}
	}
	for _, note := range b.Notes {
		if note.Gap != nil {
			t.Errorf("gap %+v", *note.Gap)
		}
	}
	// Slewed by a thousandth, and what the fit still learns of the gate.
	if length > 300_000 || off > 10e6 {
		t.Errorf("lengths are off by %v, edges by %v", time.Duration(length), time.Duration(off))
	}
	t.Attr("seen", fmt.Sprintf("%d readings, 0 gaps; intervals within %v, edges within %v of the true ones", b.Len(), time.Duration(length), time.Duration(off)))
}

// TestPhaseLossOnAJitteryBus: two packets that never come are found on such a bus
// too, though not at once, and all that follow stand where they belong. How many are
// missing is not certain where nothing ever is on time.
func TestPhaseLossOnAJitteryBus(t *testing.T) {
	const gate, packets = 100 * time.Millisecond, 20_000
	t.Attr("fault", "F39")
	t.Attr("injected", fmt.Sprintf("2 of %d packets lost, the others 0-200 ms late", packets))
	t.Attr("promised", "two gaps, of one reading or of unknown count, edges right within what they state")
	p, b := NewPhase(gate, 1, 0), NewBatch(1)
	rng := rand.New(rand.NewPCG(39, 40))
	var last int64
	for i := range int64(packets) {
		if i == 5000 || i == 12_000 {
			continue
		}
		last = max(last+1, t0+(i+1)*int64(gate)+rng.Int64N(200e6))
		b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], uint64(i)), append(b.ValueFlags[0], 0), append(b.Flags, 0)
		p.Take(b, 1, last)
	}
	p.Flush(b)
	var gaps []string
	for _, note := range b.Notes {
		if g := note.Gap; g != nil {
			gaps = append(gaps, fmt.Sprintf("%d missing (known: %v) %d rows behind", g.Missing, g.Known, note.Row-map[bool]int{false: 5000, true: 11_999}[note.Row > 8000]))
			if g.Known && g.Missing != 1 {
				t.Errorf("gap %+v", *g)
			}
		}
	}
	worst, doubts := int64(0), 0
	for row := range b.Begin {
		off := b.Begin[row] - t0 - int64(b.Values[0][row])*int64(gate)
		if b.Flags[row]&Late != 0 {
			doubts++
		}
		if row >= 3000 {
			worst = max(worst, max(off, -off)-b.Uncertainty[row])
		}
	}
	if b.Len() != packets-2 || len(gaps) != 2 || worst > 10e6 || doubts > 400 {
		t.Errorf("%d readings, gaps %q, edges off by %v more than they state, %d in doubt", b.Len(), gaps, time.Duration(worst), doubts)
	}
	t.Attr("seen", fmt.Sprintf("gaps: %q; %d readings flagged as in doubt, edges within %v of what is stated", gaps, doubts, time.Duration(worst)))
}
