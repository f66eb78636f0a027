package device

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A packet that a busy computer hands over late, just before others are lost or
// damaged, is not taken for one behind the loss: the gap stands where it was, or
// the readings beside it say how far off they may be.
func TestPhaseLateBeforeALoss(t *testing.T) {
	const gate, packets = int64(100 * time.Millisecond), 100
	for name, c := range map[string]struct {
		late map[int]int64 // how late packets come, in hundredths of a gate
		lost [2]int        // these and those between
		torn bool          // a few bytes of the first one lost were seen
		want string        // gaps: how many are missing before which packet
	}{
		"one held up, twenty lost":         {map[int]int64{30: 210}, [2]int{31, 50}, false, "20 before 51"},
		"one held up, one lost":            {map[int]int64{30: 80}, [2]int{31, 31}, false, "1 before 32"},
		"one held up, one torn":            {map[int]int64{30: 90}, [2]int{31, 31}, true, "1 before 32"},
		"two held up, three lost":          {map[int]int64{29: 130, 30: 60}, [2]int{31, 33}, false, "3 before 34"},
		"one held up, the next still more": {map[int]int64{30: 210, 31: 330, 32: 240, 33: 140}, [2]int{}, false, ""},
		// 31 to 33 come at one moment: it may be before any of them, and they say so.
		"one held up, one lost behind it": {map[int]int64{31: 210, 32: 110}, [2]int{30, 30}, false, "1 before 33"},
		"twenty lost, the next held up":   {map[int]int64{51: 90}, [2]int{31, 50}, false, "20 before 51"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Attr("fault", "F39")
			t.Attr("injected", name)
			t.Attr("promised", "one gap with the right count, before the right reading")
			p, b := NewPhase(time.Duration(gate), 1, 0), NewBatch(1)
			last := int64(0)
			for i := range packets {
				if c.lost[1] > 0 && i >= c.lost[0] && i <= c.lost[1] {
					if c.torn && i == c.lost[0] {
						p.Damage(0, CauseDamaged, "the end of a packet")
					}
					continue
				}
				last = max(last+1, t0+int64(i+1)*gate+c.late[i]*gate/100)
				b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], uint64(i)), append(b.ValueFlags[0], 0), append(b.Flags, 0)
				p.Take(b, 1, last)
				if held := len(p.held.Flags); held > 0 && p.settled && b.Held != held {
					t.Errorf("packet %d: %d readings are held back, told %d", i, held, b.Held)
				}
			}
			p.Flush(b)
			var gaps []string
			for _, n := range b.Notes {
				if n.Gap != nil && n.Row < b.Len() {
					gaps = append(gaps, fmt.Sprintf("%d before %d", n.Gap.Missing, b.Values[0][n.Row]))
				}
			}
			got := strings.Join(gaps, ", ")
			if got != c.want {
				t.Errorf("gaps %q, want %q", got, c.want)
			}
			for row := range b.Begin {
				if off := b.Begin[row] - t0 - int64(b.Values[0][row])*gate; max(off, -off) > b.Uncertainty[row]+gate/10 {
					t.Fatalf("reading %d begins %v from where it did, and says ±%v", b.Values[0][row], time.Duration(off), time.Duration(b.Uncertainty[row]))
				}
			}
			t.Attr("seen", fmt.Sprintf("%d readings, gaps: %q", b.Len(), got))
		})
	}
}

// On a computer that is busy again and again, twenty packets are lost: the gap
// stands before the packet behind them, whatever was held up before and after.
func TestPhaseLossAmongDelays(t *testing.T) {
	const gate, runs = int64(100 * time.Millisecond), 2000
	t.Attr("fault", "F39")
	t.Attr("injected", fmt.Sprintf("20 packets lost in each of %d runs of 110, one in eight of the others up to 350 ms late", runs))
	t.Attr("promised", "one gap of 20 readings, before the first that came after them; two in a thousand may be told otherwise, and one in fifty be left open")
	wrong, unknown := 0, 0
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p, b := NewPhase(time.Duration(gate), 1, 0), NewBatch(1)
		last, waiting := int64(0), 0
		for i := range 110 {
			if i >= 28 && i <= 47 {
				continue
			}
			late := rng.Int64N(5e6)
			if rng.IntN(8) == 0 {
				late += rng.Int64N(350e6)
			}
			if at := t0 + int64(i+1)*gate + late; at > last { // else they come together
				p.Take(b, waiting, last)
				last, waiting = at, 0
			}
			waiting++
			b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], uint64(i)), append(b.ValueFlags[0], 0), append(b.Flags, 0)
		}
		p.Take(b, waiting, last)
		p.Flush(b)
		var gaps []string
		for _, n := range b.Notes {
			if n.Gap != nil && n.Row < b.Len() {
				gaps = append(gaps, fmt.Sprintf("%d before %d", n.Gap.Missing, b.Values[0][n.Row]))
			}
		}
		switch got := strings.Join(gaps, ", "); got {
		case "20 before 48":
		case "0 before 48", "": // those behind it say that some may be missing
			unknown++
		default:
			wrong++
			t.Logf("run %d: %q", seed, got)
		}
	}
	if wrong > runs*2/1000 || unknown > runs/50 {
		t.Errorf("%d of %d runs tell another loss, %d leave it open", wrong, runs, unknown)
	}
	t.Attr("seen", fmt.Sprintf("%d of %d right, %d left open", runs-wrong-unknown, runs, unknown))
}
