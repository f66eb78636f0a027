package gateway

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// An instrument whose crystal is off, behind a host whose reads come late by up to
// 5 ms, now and then by half a second: the line lies under the arrivals, and as
// close to the truth as the fastest of them.
func TestTickClock(t *testing.T) {
	for _, tc := range []struct {
		name   string
		tickNs float64
		ppm    float64
		first  time.Duration // lateness of the first arrival
	}{
		{name: "81 ps, fast crystal", tickNs: 0.081, ppm: -40},
		{name: "1 ps, slow crystal", tickNs: 0.001, ppm: 60},
		{name: "2 ns, late at first", tickNs: 2, ppm: 5, first: 2 * time.Second},
		{name: "1 us, far off", tickNs: 1000, ppm: 900},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(tc.ppm)))
			const begin = int64(1_764_000_000_000_000_000)
			c := tickClock{tickNs: tc.tickNs}
			perTick := tc.tickNs * (1 + tc.ppm/1e6)
			truth := func(tick uint64) float64 { return float64(tick) * perTick }
			pairs := 0
			for true64 := 0.0; true64 < 300e9; true64 += 20e6 {
				tick := uint64(true64 / perTick)
				late := rng.Float64() * 5e6
				switch {
				case true64 == 0:
					late = float64(tc.first)
				case rng.IntN(100) == 0:
					late += rng.Float64() * 5e8
				}
				at := begin + int64(true64+late)
				pair, ok := c.see(tick, at)
				if got := c.at(tick); got > at {
					t.Fatalf("after %.0f s tick %d is laid at %d, behind its arrival at %d", true64/1e9, tick, got, at)
				}
				if ok {
					pairs++
					if off := float64(pair.Base-begin) - truth(pair.Index); off < -1 || off > 6e6 {
						t.Errorf("pair %+v is %.0f ns late, a less late one was there", pair, off)
					}
				}
				if true64 > 60e9 {
					if off := float64(c.at(tick)-begin) - truth(tick); math.Abs(off) > 2e6 {
						t.Fatalf("after %.0f s the line is off by %.0f ns", true64/1e9, off)
					}
				}
			}
			if pairs < 280 || pairs > 300 {
				t.Errorf("%d pairs in 300 s", pairs)
			}
			if ppm := (c.perTick/tc.tickNs - 1) * 1e6; math.Abs(ppm-tc.ppm) > 30 {
				t.Errorf("learned %.1f ppm, true are %.1f", ppm, tc.ppm)
			}
		})
	}
}
