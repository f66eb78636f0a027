package sim

import (
	"math"
	"time"
)

// Crystal is the clock an instrument times its gates by: it counts equal periods
// from a moment on, fast by a constant amount.
type Crystal struct {
	// Start is when period 0 begins.
	Start time.Time
	// PeriodS is the nominal length of a period in seconds.
	PeriodS float64
	// FastPPM makes periods shorter by so many parts per million.
	FastPPM float64
}

// Edge is the end of the n-th period (the first is number 1), to the nanosecond
// and without adding up errors.
func (c Crystal) Edge(n int64) time.Time {
	ns := float64(n) * c.PeriodS * 1e9 / (1 + c.FastPPM*1e-6)
	return c.Start.Add(time.Duration(math.Round(ns)))
}

// Periods is how many periods have ended by t.
func (c Crystal) Periods(t time.Time) int64 {
	n := int64(t.Sub(c.Start).Seconds() * (1 + c.FastPPM*1e-6) / c.PeriodS)
	// The division may be off by a rounding; the edges decide.
	for n > 0 && c.Edge(n).After(t) {
		n--
	}
	for !c.Edge(n + 1).After(t) {
		n++
	}
	return n
}
