package device

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// shortGates are as a computer that is very busy sees them, in milliseconds: how late the
// packets of an instrument with gates of 20 ms came, of which none was missing. The
// computer falls behind by a few gates, and hands out what waited without a pause.
var shortGates = map[string][]float64{
	"drains slowly": {0.6, 2.5, 0.7, 0.0, 1.8, 1.5, 1.1, 0.9, 0.4, 1.0, 0.2, 3.0, 1.9, 0.6, 6.3, 3.4, 7.5, 76.2, 83.5, 75.5, 81.6, 62.0, 42.2, 36.8,
		17.8, 5.5, 8.0, 4.9, 3.4, 63.1, 111.1, 158.3, 162.8, 181.2, 168.9, 156.9, 163.8, 183.6, 209.4, 204.6, 186.2, 203.2, 190.4, 195.8, 214.6, 201.4,
		189.5, 179.6, 161.8, 149.8, 131.8, 121.4, 108.0, 100.2, 84.0, 83.5, 68.6, 61.7, 46.4, 31.2, 18.1, 10.5, 1.0, 5.5, 14.1, 5.6, 2.0},
	"stays behind": {0.2, 0.0, 1.7, 2.1, 2.0, 0.8, 0.8, 0.4, 23.9, 4.4, 20.3, 4.0, 84.4, 147.8, 133.9, 181.9, 280.8, 284.3, 301.6, 414.6, 444.5, 483.4,
		471.2, 459.1, 444.5, 428.4, 436.7, 446.8, 428.2, 408.5, 397.8, 387.6, 387.8, 376.5, 464.0, 501.4, 497.6, 481.8, 466.6, 448.8, 430.4, 410.5, 392.6,
		372.7, 353.1, 333.4, 313.7, 293.9, 274.0, 255.5, 235.7, 215.9, 196.0, 176.1, 156.2, 136.3, 116.4, 96.4, 178.6, 164.5, 163.9, 170.6, 221.2, 213.9,
		264.0, 257.3, 268.5, 280.5, 268.9, 251.1, 236.3, 232.3, 216.7, 208.5, 199.1, 185.5, 184.7, 176.4, 163.2, 148.0, 129.9, 115.5, 97.7, 87.0, 69.2,
		55.7, 39.0, 21.1, 14.7, 6.3, 5.5, 11.5, 13.8, 6.2, 39.3, 59.1, 52.2, 37.2, 39.9, 32.0, 15.1, 0.0, 3.4, 1.3, 0.8},
	"passes by one gate": {1.5, 0.0, 0.6, 0.2, 5.4, 1.4, 57.2, 39.1, 22.3, 28.1, 3.0, 165.3, 160.5, 271.2, 254.8, 235.1, 224.0, 205.6, 197.1, 178.3,
		159.0, 139.2, 121.1, 104.8, 85.5, 66.1, 46.4, 28.3, 30.7, 57.1, 98.5, 126.7, 160.6, 171.7, 182.9, 176.4, 161.9, 143.1, 124.3, 179.9, 170.3, 243.6,
		226.9, 245.4, 229.1, 209.5, 196.4, 177.0, 158.5, 139.3, 120.1, 100.5, 83.0, 67.3, 48.3, 54.2, 228.0, 229.1, 240.7, 250.4, 255.9, 240.4, 228.1,
		209.3, 197.0, 178.4, 171.1, 153.8, 135.2, 115.9, 96.2, 78.1, 58.5, 40.2, 23.2, 3.9, 1.2, 0.4},
}

// shortGateRun returns what a Phase makes of packets that came as late as stated. With
// lost, that many were lost after the first twelve of them, which the others are quiet
// about for another second.
func shortGateRun(gate time.Duration, lateMs []float64, lost int) *Batch {
	p, b := NewPhase(gate, 1, 0), NewBatch(1)
	var last int64
	take := func(i int, late int64) {
		last = max(last+1, t0+int64(i+1)*int64(gate)+late)
		b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], uint64(i)), append(b.ValueFlags[0], 0), append(b.Flags, 0)
		p.Take(b, 1, last)
	}
	number := 0
	for i, late := range lateMs {
		if i == 12 {
			number += lost
		}
		take(number, int64(late*1e6))
		number++
	}
	for range 100 {
		take(number, 1000)
		number++
	}
	p.Flush(b)
	return b
}

// TestPhaseClaimsNothingOfABusyComputer: however late a computer is, and for however long,
// nothing is said to be missing that is not; what is missing is found all the same when
// it comes to rest.
func TestPhaseClaimsNothingOfABusyComputer(t *testing.T) {
	for name, late := range shortGates {
		for _, gate := range []time.Duration{20 * time.Millisecond, 5 * time.Millisecond, 2 * time.Millisecond, time.Millisecond} {
			t.Run(fmt.Sprint(name, " ", gate), func(t *testing.T) {
				t.Attr("fault", "F39")
				t.Attr("injected", fmt.Sprintf("%d packets of gates of %v on a busy computer (%s), none lost", len(late)+100, gate, name))
				t.Attr("promised", "no reading is said to be missing")
				b := shortGateRun(gate, late, 0)
				if b.Len() != len(late)+100 {
					t.Errorf("%d readings", b.Len())
				}
				for _, n := range b.Notes {
					if n.Gap != nil {
						t.Errorf("gap %+v before reading %d", *n.Gap, n.Row)
					}
				}
				t.Attr("seen", "no gap")
			})
		}
		t.Run(name+" and a loss", func(t *testing.T) {
			b := shortGateRun(20*time.Millisecond, late, 7)
			var sum uint64
			for _, n := range b.Notes {
				if n.Gap != nil && !n.Gap.Known {
					t.Errorf("gap %+v before reading %d", *n.Gap, n.Row)
				} else if n.Gap != nil {
					sum += n.Gap.Missing
				}
			}
			if sum != 7 || b.Len() != len(late)+100 {
				t.Errorf("%d readings, %d missing, want 7", b.Len(), sum)
			}
		})
	}
}

// TestPhaseFallsBehindAtRandom: as above, for computers that are busy in ways of their
// own: what waits for them grows and shrinks for some seconds, and they hand it out as
// fast as they come to it.
func TestPhaseFallsBehindAtRandom(t *testing.T) {
	const runs, packets = 60, 1000
	for _, gate := range []time.Duration{100 * time.Millisecond, 20 * time.Millisecond, 5 * time.Millisecond, time.Millisecond} {
		t.Run(fmt.Sprint(gate), func(t *testing.T) {
			t.Parallel()
			t.Attr("fault", "F39")
			t.Attr("injected", fmt.Sprintf("%d runs of %d gates of %v on a computer that is busy again and again, none lost", runs, packets, gate))
			t.Attr("promised", "no count of missing readings is claimed")
			unknown := 0
			for seed := range uint64(runs) {
				rng := rand.New(rand.NewPCG(seed, 13))
				p, b := NewPhase(gate, 1, 0), NewBatch(1)
				var free int64 // when the computer has time again
				busy := false
				for i := range packets {
					if rng.IntN(60) == 0 {
						busy = !busy
					}
					at := max(free, t0+int64(i+1)*int64(gate)+rng.Int64N(500_000))
					b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], uint64(i)), append(b.ValueFlags[0], 0), append(b.Flags, 0)
					p.Take(b, 1, at)
					if free = at + 100_000; busy { // until others had their turn
						free = at + int64(rng.ExpFloat64()*float64(gate)*1.05)
					}
				}
				p.Flush(b)
				for _, n := range b.Notes {
					switch {
					case n.Gap == nil:
					case n.Gap.Known:
						t.Errorf("run %d: gap %+v before reading %d", seed, *n.Gap, n.Row)
					default:
						unknown++
					}
				}
			}
			t.Attr("seen", fmt.Sprintf("no count claimed; %d gaps of unknown count", unknown))
			t.Logf("%d gaps of unknown count", unknown)
		})
	}
}
