package cc1

import (
	"time"

	"photongate/sim"
)

// maxCount is what a counter is taken to hold: 32 bits. The true width is not known.
const maxCount = 1<<32 - 1

// gate is one dwell time: its totals so far.
type gate struct {
	begin, end time.Time
	counted    time.Time // what came before is in the totals
	totals     [3]uint64 // C1, C2, CO
	patterns   []int64
}

// begin clears the counters and begins a dwell time.
func (u *Unit) begin(now time.Time) {
	dwell := sim.Crystal{Start: now, PeriodS: u.settings.Dwell.Seconds(), FastPPM: u.options.FastPPM}
	u.gate.begin, u.gate.end, u.gate.counted = now, dwell.Edge(1), now
	u.gate.totals = [3]uint64{}
	u.dwells++
	u.written = false
}

// running reports whether the counters count at the moment.
func (u *Unit) running() bool {
	return u.settings.CountingOn && !(u.settings.StartStop && !u.gate.counted.Before(u.gate.end))
}

// count brings the counters up to now, through as many dwell times as are over. Of
// those that nobody saw only the last is drawn from the light.
func (u *Unit) count(now time.Time) {
	if !u.settings.StartStop && u.settings.CountingOn && !now.Before(u.gate.end) {
		dwell := sim.Crystal{Start: u.gate.end, PeriodS: u.settings.Dwell.Seconds(), FastPPM: u.options.FastPPM}
		over := dwell.Periods(now)
		u.dwells += over
		u.begin(dwell.Edge(over))
	}
	if !u.running() || !now.After(u.gate.counted) {
		return
	}
	until := now
	if u.settings.StartStop && until.After(u.gate.end) {
		until = u.gate.end
	}
	clear(u.gate.patterns)
	u.options.Light.Draw(u.gate.counted, until, u.gate.patterns)
	u.gate.counted = until
	if u.settings.Gate && u.options.GateLow {
		return
	}
	for i, mask := range []int{1, 2, 3} {
		u.gate.totals[i] = min(u.gate.totals[i]+uint64(sim.Together(u.gate.patterns, mask)), maxCount)
	}
}

// read is what the counters show.
func (u *Unit) read() [3]uint64 {
	shown := u.gate.totals
	if u.settings.Subtract {
		shown[2] -= min(u.accidentals(), shown[2])
	}
	if u.options.Distinct && u.settings.StartStop {
		shown[0] = sim.DistinctValue(u.dwells-1, maxCount)
	}
	return shown
}

// accidentals are the coincidences to be expected by chance: rate x rate x window.
func (u *Unit) accidentals() uint64 {
	elapsed := u.gate.counted.Sub(u.gate.begin).Seconds()
	if elapsed <= 0 {
		return 0
	}
	windowS := float64(u.settings.WindowNs) * 1e-9
	return uint64(float64(u.gate.totals[0]) * float64(u.gate.totals[1]) * windowS / elapsed)
}

// latch answers COUN:n? and writes the truth: one row for each answer, but one
// row only for counters that have stopped.
func (u *Unit) latch(now time.Time, n int, line sim.Line) uint64 {
	u.count(now)
	shown := u.read()
	if !u.written {
		line.Latched(u.gate.counted, shown[:])
	}
	u.written = !u.running()
	return shown[n]
}
