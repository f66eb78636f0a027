package tdc1

import "time"

// Choices of REFCLK.
const (
	refAuto     = 0
	refExternal = 1
	refInternal = 2
)

// clock counts the ticks of 2 ns by which tags are timed: those of the reference clock
// while it is there and not refused by REFCLK 2, else those of the unit's own crystal.
// (What a unit does whose external clock is chosen and is not there is not known.) It
// goes on counting from the first power-on, so that the truth has one time; zero is where
// the unit itself began anew.
type clock struct {
	since time.Time // when it had
	count uint64    // this many ticks
	part  float64   // and this part of one
	zero  uint64

	connected  bool
	back       time.Time // when a clock that is gone is there again; zero: it is not gone
	forGood    bool
	refClk     int
	crystalPPM float64
}

// there reports whether the external clock is.
func (c *clock) there(at time.Time) bool {
	return c.connected && !c.forGood && !at.Before(c.back)
}

// fastPPM is how fast the clock in use runs.
func (c *clock) fastPPM(at time.Time) float64 {
	if c.refClk != refInternal && c.there(at) {
		return 0
	}
	return c.crystalPPM
}

// ticks is what it shows; times do not go back.
func (c *clock) ticks(at time.Time) uint64 {
	if at.Before(c.since) {
		return c.count
	}
	if c.back.After(c.since) && !at.Before(c.back) {
		c.settle(c.back, c.crystalPPM)
	}
	n, _ := c.passed(at, c.fastPPM(c.since))
	return c.count + n
}

// passed is how many ticks have passed since it was settled, and what part of another.
func (c *clock) passed(at time.Time, fastPPM float64) (uint64, float64) {
	ns := at.Sub(c.since).Nanoseconds()
	extra := float64(ns%tickNs)/tickNs + float64(ns)/tickNs*fastPPM*1e-6 + c.part
	whole := int64(extra)
	if float64(whole) > extra {
		whole--
	}
	return uint64(ns/tickNs + whole), extra - float64(whole)
}

// settle makes what it shows at a time the beginning of what comes.
func (c *clock) settle(at time.Time, fastPPM float64) {
	n, part := c.passed(at, fastPPM)
	c.since, c.count, c.part = at, c.count+n, part
}

// begin has the unit's time begin anew.
func (c *clock) begin(at time.Time) {
	c.choose(at, refAuto)
	c.zero = c.count
}

// choose is REFCLK.
func (c *clock) choose(at time.Time, refClk int) {
	c.ticks(at)
	c.settle(at, c.fastPPM(c.since))
	c.refClk = refClk
}

// lose takes the external clock away.
func (c *clock) lose(at time.Time, away time.Duration) {
	c.ticks(at)
	c.settle(at, c.fastPPM(c.since))
	c.back, c.forGood = at.Add(away), away == 0
}
