package device

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// scattered is a line of gates that are far shorter than what a computer scatters
// arrivals by: it is read in bunches, stands still now and then, and stays behind for
// a while after that. Where lost is not 0 that many packets are damaged once.
type scattered struct {
	gate    time.Duration
	stalls  int           // in the whole run
	longest time.Duration // of one, and of how much it stays behind
	behind  time.Duration // for how long at most
	lost    int
}

// run returns what a Phase makes of it.
func (s scattered) run(seed uint64) *Batch {
	rng := rand.New(rand.NewPCG(seed, 11))
	const packets = 30_000
	gate := int64(s.gate)
	late := make([]int64, packets) // what the computer is behind by
	for range s.stalls {
		from := 5000 + rng.IntN(packets-10_000)
		by, until := rng.Int64N(int64(s.longest)), from+rng.IntN(max(1, int(s.behind/s.gate)))
		for i := from; i < min(until, packets); i++ {
			late[i] = max(late[i], by)
		}
		for i := max(0, from-int(by/gate)); i < from; i++ { // nothing comes before it goes on
			late[i] = max(late[i], by-int64(from-i)*gate)
		}
	}
	lostAt := packets
	if s.lost > 0 {
		lostAt = 10_000 + rng.IntN(packets-20_000)
	}
	p, b := NewPhase(s.gate, 1, 0), NewBatch(1)
	var at, next int64
	waiting := 0
	for i := range packets {
		if i >= lostAt && i < lostAt+s.lost {
			if i == lostAt {
				p.Take(b, waiting, max(at, next))
				waiting = 0
				p.Damage(s.lost, CauseDamaged, "bytes lost")
			}
			continue
		}
		at = max(at, t0+int64(i+1)*gate+late[i])
		if at > next {
			p.Take(b, waiting, next)
			p.Tick(b, next)
			waiting, next = 0, at+rng.Int64N(int64(time.Millisecond)) // then the computer looks again
		}
		b.Values[0], b.ValueFlags[0], b.Flags = append(b.Values[0], uint64(i)), append(b.ValueFlags[0], 0), append(b.Flags, 0)
		waiting++
	}
	p.Take(b, waiting, max(at, next))
	p.Flush(b)
	return b
}

// TestPhaseOfShortGates: where a computer scatters arrivals by many gates they do not
// tell how many packets are missing: what is known is what the bytes say.
func TestPhaseOfShortGates(t *testing.T) {
	for _, gate := range []time.Duration{25 * time.Microsecond, 100 * time.Microsecond, 400 * time.Microsecond} {
		for name, line := range map[string]scattered{
			"quiet":             {gate, 0, 1, 1, 3},
			"stalls":            {gate, 40, 60 * time.Millisecond, time.Millisecond, 3},
			"stays behind":      {gate, 12, 60 * time.Millisecond, 300 * time.Millisecond, 3},
			"nothing lost":      {gate, 12, 60 * time.Millisecond, 300 * time.Millisecond, 0},
			"far behind":        {gate, 3, time.Second, 2 * time.Second, 3},
			"far, nothing lost": {gate, 3, time.Second, 2 * time.Second, 0},
		} {
			t.Run(fmt.Sprint(gate, " ", name), func(t *testing.T) {
				t.Parallel()
				t.Attr("fault", "F39")
				t.Attr("injected", fmt.Sprintf("30,000 gates of %v on a busy computer (%s), 6 runs, %d damaged in each", gate, name, line.lost))
				t.Attr("promised", "no count of missing readings is claimed that is not so")
				known, unknown := 0, 0
				for seed := range uint64(6) {
					b := line.run(seed)
					if b.Len() != 30_000-line.lost || len(b.Begin) != b.Len() {
						t.Fatalf("run %d: %d readings", seed, b.Len())
					}
					for _, n := range b.Notes {
						switch {
						case n.Gap == nil:
							continue
						case !n.Gap.Known:
							unknown++
							continue
						}
						known++
						row, missing := n.Row, uint64(0)
						if row > 0 && row < b.Len() {
							missing = b.Values[0][row] - b.Values[0][row-1] - 1
						}
						if n.Gap.Missing != missing {
							t.Errorf("run %d: %d missing before reading %d, of which %d are claimed: %s", seed, missing, row, n.Gap.Missing, n.Gap.Detail)
						}
					}
				}
				t.Attr("seen", fmt.Sprintf("%d gaps of known count, %d of unknown count", known, unknown))
			})
		}
	}
}
