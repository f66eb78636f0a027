package sr400

import (
	"fmt"
	"strconv"
	"time"

	"photongate/sim"
)

// notReady is what QA and QB give for a point there is not.
const notReady = -1

// tell does the commands whose second letter is a counter, or T for both.
func (u *Unit) tell(now time.Time, name string, arguments []float64, line sim.Line) bool {
	what, which := name[0], name[1]
	if what != 'Q' && len(arguments) > 0 || len(arguments) > 1 {
		return false
	}
	switch what {
	case 'Q':
		return u.tellPoint(now, which, arguments, line)
	case 'X':
		content := uint64(0)
		if u.scan.state == isCounting {
			content = u.inPeriod.totals[which-'A']
		}
		u.say(now, u.count(int64(content)), line)
		return true
	}
	// E and F: B has no points of its own when it is preset.
	if which != 'A' && u.bPreset() || u.sending() {
		return false
	}
	if what == 'F' {
		if u.scan.state != isReset {
			return false
		}
		u.start(now, line)
		u.scan.stream = which
		return true
	}
	for _, point := range u.scan.points {
		u.tellStreamed(now, which, point, line)
	}
	return true
}

// tellPoint answers QA and QB: the last point, or the one asked for.
func (u *Unit) tellPoint(now time.Time, which byte, arguments []float64, line sim.Line) bool {
	value := int64(notReady)
	switch {
	case len(arguments) == 1:
		if !whole(arguments[0], 1, maxPoints) {
			return false
		}
		if n := int(arguments[0]); n <= len(u.scan.points) {
			value = u.scan.points[n-1][which-'A']
		}
	case u.scan.done:
		value = u.scan.last[which-'A']
	}
	if which == 'B' && u.bPreset() {
		value = notReady
	}
	u.say(now, u.count(value), line)
	return true
}

// streamPoint sends a point that has just come, if F asked for it.
func (u *Unit) streamPoint(now time.Time, point [2]int64, line sim.Line) {
	if u.scan.stream != 0 {
		u.tellStreamed(now, u.scan.stream, point, line)
	}
}

// tellStreamed sends A, B or, for T, both as records that a reset ends.
func (u *Unit) tellStreamed(now time.Time, which byte, point [2]int64, line sim.Line) {
	for i, name := range []byte("AB") {
		if which == name || which == 'T' {
			u.queue(now, record{text: u.count(point[i]) + u.terminator(), streamed: true}, line)
		}
	}
}

// count writes a count.
func (u *Unit) count(value int64) string {
	if u.options.Width > 0 {
		return fmt.Sprintf("%*d", u.options.Width, value)
	}
	return strconv.FormatInt(value, 10)
}
