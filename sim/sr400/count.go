package sr400

import (
	"time"

	"photongate/sim"
)

// maxCount is what a counter holds, nine digits as its display; maxPoints is the
// length of the scan buffer.
const (
	maxCount  = 999_999_999
	maxPoints = 2000
)

// clockHz is the rate of the internal input.
const clockHz = 1e7

// look is how often a preset of pulses is compared with what came.
const look = time.Millisecond

// state is what a scan is at.
type state int

const (
	isReset state = iota
	isCounting
	isDwelling
	isPaused
	isFinished
)

// scan is where the instrument is in its periods.
type scan struct {
	state    state
	before   state         // of isPaused: what goes on with CS
	left     time.Duration // of isPaused: until its period or dwell time ends
	dwellEnd time.Time     // zero: an external signal ends it
	points   [][2]int64    // A and B of the periods that are over
	last     [2]int64      // the newest of them, also when a scan after it has begun
	done     bool          // there is a last
	stream   byte          // A, B or T: the points are sent as they come; 0: they are not
}

// period is the running count period.
type period struct {
	counted  time.Time     // what came before is in totals
	end      time.Time     // zero: a preset of pulses ends it
	elapsed  time.Duration // counted so far, pauses left out
	totals   [3]uint64
	patterns []int64
}

// bPreset reports whether B ends the period instead of T.
func (u *Unit) bPreset() bool { return u.knobs[knobCM][0] == modeBPreset }

// reset clears counters, buffers and what is being sent of them.
func (u *Unit) reset(now time.Time, line sim.Line) {
	u.scan = scan{points: u.scan.points[:0]}
	u.inPeriod.totals = [3]uint64{}
	u.kill(now, line)
}

// start is CS: begin a scan, or go on with it.
func (u *Unit) start(now time.Time, line sim.Line) {
	switch u.scan.state {
	case isReset:
		u.kill(now, line)
		u.beginPeriod(now, line)
	case isPaused:
		u.scan.state = u.scan.before
		u.inPeriod.counted = now
		if !u.inPeriod.end.IsZero() {
			u.inPeriod.end = now.Add(u.scan.left)
		}
		if !u.scan.dwellEnd.IsZero() {
			u.scan.dwellEnd = now.Add(u.scan.left)
		}
	case isDwelling:
		if u.scan.dwellEnd.IsZero() {
			u.beginPeriod(now, line)
		}
	}
}

// stop is CH: pause, and when paused reset.
func (u *Unit) stop(now time.Time, line sim.Line) {
	switch u.scan.state {
	case isCounting:
		u.pause(u.inPeriod.end.Sub(now))
	case isDwelling:
		u.pause(u.scan.dwellEnd.Sub(now))
	default:
		u.reset(now, line)
	}
}

func (u *Unit) pause(left time.Duration) {
	u.scan.before, u.scan.state, u.scan.left = u.scan.state, isPaused, left
}

// beginPeriod clears the counters and lets them count.
func (u *Unit) beginPeriod(at time.Time, line sim.Line) {
	if len(u.scan.points) >= int(u.knobs[knobNP][0]) { // a scan after another
		u.scan.points = u.scan.points[:0]
		u.kill(at, line)
	}
	u.scan.state = isCounting
	u.scan.dwellEnd = time.Time{}
	u.inPeriod.counted, u.inPeriod.elapsed, u.inPeriod.totals = at, 0, [3]uint64{}
	u.inPeriod.end = time.Time{}
	if u.bPreset() {
		return
	}
	rateHz := clockHz
	switch u.knobs[knobCI][counterT] {
	case input10MHz:
	case inputTrig:
		if rateHz = u.options.TriggerHz; rateHz == 0 {
			return
		}
	default:
		return
	}
	gate := sim.Crystal{Start: at, PeriodS: u.knobs[knobCP][counterT] / rateHz, FastPPM: u.options.FastPPM}
	u.inPeriod.end = gate.Edge(1)
}

// nextCount is when run has something to do; zero if never by itself.
func (u *Unit) nextCount() time.Time {
	switch u.scan.state {
	case isCounting:
		if u.inPeriod.end.IsZero() {
			return u.inPeriod.counted.Add(look)
		}
		return u.inPeriod.end
	case isDwelling:
		return u.scan.dwellEnd
	}
	return time.Time{}
}

// run brings counters and scan up to now.
func (u *Unit) run(now time.Time, line sim.Line) {
	for {
		switch u.scan.state {
		case isCounting:
			if !u.runPeriod(now, line) {
				return
			}
		case isDwelling:
			if u.scan.dwellEnd.IsZero() || u.scan.dwellEnd.After(now) {
				return
			}
			u.beginPeriod(u.scan.dwellEnd, line)
		default:
			return
		}
	}
}

// runPeriod counts up to now and reports whether the period is over by then.
func (u *Unit) runPeriod(now time.Time, line sim.Line) bool {
	p := &u.inPeriod
	if !p.end.IsZero() {
		if p.end.After(now) {
			u.draw(now)
			return false
		}
		u.draw(p.end)
		u.endPeriod(p.end, line)
		return true
	}
	for now.After(p.counted) {
		from, before := p.counted, p.totals
		u.draw(earlier(now, from.Add(look)))
		if at, met := u.presetMet(from, before); met {
			u.endPeriod(at, line)
			return true
		}
	}
	return false
}

// presetMet reports whether the pulses drawn since from met the preset, and when.
// Then the counters hold what they held at that moment.
func (u *Unit) presetMet(from time.Time, before [3]uint64) (time.Time, bool) {
	p := &u.inPeriod
	by := counterT
	if u.bPreset() {
		by = counterB
	}
	preset := uint64(u.knobs[knobCP][by])
	if p.totals[by] < preset {
		return time.Time{}, false
	}
	part := 1.0
	if came := p.totals[by] - before[by]; came > 0 && preset > before[by] {
		part = float64(preset-before[by]) / float64(came)
	}
	for i := range p.totals {
		p.totals[i] = before[i] + uint64(part*float64(p.totals[i]-before[i]))
	}
	p.totals[by] = preset
	return from.Add(time.Duration(part * float64(p.counted.Sub(from)))), true
}

// draw counts up to until.
func (u *Unit) draw(until time.Time) {
	p := &u.inPeriod
	if !until.After(p.counted) {
		return
	}
	clear(p.patterns)
	u.options.Light.Draw(p.counted, until, p.patterns)
	before := p.elapsed
	p.elapsed += until.Sub(p.counted)
	p.counted = until
	for i := range p.totals {
		switch input := u.knobs[knobCI][i]; input {
		case input10MHz:
			u.add(i, u.pulses(clockHz, p.elapsed)-u.pulses(clockHz, before))
		case inputTrig:
			u.add(i, u.pulses(u.options.TriggerHz, p.elapsed)-u.pulses(u.options.TriggerHz, before))
		default:
			u.add(i, uint64(sim.Together(p.patterns, int(input))))
		}
	}
}

// pulses are the whole periods of a rate that have passed by the instrument's clock.
func (u *Unit) pulses(hz float64, elapsed time.Duration) uint64 {
	return uint64(hz*elapsed.Seconds()*(1+u.options.FastPPM*1e-6) + 1e-6)
}

// add lets a counter count; A and B may run over. T holds any preset.
func (u *Unit) add(i int, count uint64) {
	total := &u.inPeriod.totals[i]
	*total += count
	if *total <= maxCount || i == counterT || i == counterB && u.bPreset() {
		return
	}
	u.status |= statusOverflow
	if u.options.Stick {
		*total = maxCount
	} else {
		*total %= maxCount + 1
	}
}

// overflow makes a counter run over once.
func (u *Unit) overflow(i int) {
	u.status |= statusOverflow
	if u.options.Stick {
		u.inPeriod.totals[i] = maxCount
	}
}

// endPeriod keeps what was counted and says so in the status byte.
func (u *Unit) endPeriod(at time.Time, line sim.Line) {
	point := [2]int64{int64(u.inPeriod.totals[counterA]), int64(u.inPeriod.totals[counterB])}
	if u.options.Distinct {
		point[counterA] = int64(sim.DistinctValue(u.rows, maxCount))
	}
	u.rows++
	line.Latched(at, []uint64{uint64(point[counterA]), uint64(point[counterB])})
	u.scan.points = append(u.scan.points, point)
	u.scan.last, u.scan.done = point, true
	u.status |= statusDataReady
	u.streamPoint(at, point, line)
	if len(u.scan.points) >= int(u.knobs[knobNP][0]) {
		u.status |= statusScanFinished
		u.scan.stream = 0
		if u.knobs[knobNE][0] == 0 {
			u.scan.state = isFinished
			return
		}
	}
	u.scan.state, u.scan.dwellEnd = isDwelling, time.Time{}
	if dwellS := u.knobs[knobDT][0]; dwellS > 0 {
		u.scan.dwellEnd = sim.Crystal{Start: at, PeriodS: dwellS, FastPPM: u.options.FastPPM}.Edge(1)
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
