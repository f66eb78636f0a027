package sim

import (
	"math"
	"time"
)

// Crystal is the clock an instrument times its gates by: it counts equal periods
// from a moment on, fast by a constant amount and by one that comes and goes with
// the temperature of the room.
type Crystal struct {
	// Start is when period 0 begins.
	Start time.Time
	// PeriodS is the nominal length of a period in seconds.
	PeriodS float64
	// FastPPM makes periods shorter by so many parts per million.
	FastPPM float64
	// WanderPPM is the amplitude of a sine by which the crystal is faster and
	// slower besides, beginning upwards; WanderEvery its length. 0: it is steady.
	WanderPPM   float64
	WanderEvery time.Duration
}

// Edge is the end of the n-th period (the first is number 1), to the nanosecond
// and without adding up errors.
func (c Crystal) Edge(n int64) time.Time {
	told := float64(n) * c.PeriodS * 1e9
	ns := told / (1 + c.FastPPM*1e-6)
	if c.wanders() {
		// Each step leaves a millionth of the error of the one before.
		for range 3 {
			ns = (told - c.wander(ns)) / (1 + c.FastPPM*1e-6)
		}
	}
	return c.Start.Add(time.Duration(math.Round(ns)))
}

// Periods is how many periods have ended by t.
func (c Crystal) Periods(t time.Time) int64 {
	passed := float64(t.Sub(c.Start))
	told := passed * (1 + c.FastPPM*1e-6)
	if c.wanders() {
		told += c.wander(passed)
	}
	n := int64(told / (c.PeriodS * 1e9))
	// The division may be off by a rounding; the edges decide.
	for n > 0 && c.Edge(n).After(t) {
		n--
	}
	for !c.Edge(n + 1).After(t) {
		n++
	}
	return n
}

func (c Crystal) wanders() bool { return c.WanderPPM != 0 && c.WanderEvery > 0 }

// wander is what the crystal gained by its wandering in the first ns: the
// integral of the sine.
func (c Crystal) wander(ns float64) float64 {
	omega := 2 * math.Pi / float64(c.WanderEvery)
	return c.WanderPPM * 1e-6 / omega * (1 - math.Cos(omega*ns))
}
