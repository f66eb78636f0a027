package gateway

import (
	"math"

	"photongate/device"
)

// Times and bounds of a tickClock.
const (
	tickBlockNs  = int64(4e9)  // one point of the fit is the least late arrival of 4 s
	tickPoints   = 256         // points kept: 17 minutes, short against the drift of a crystal
	tickPairNs   = int64(1e9)  // the least distance of two clock pairs
	tickJitterNs = 1e6         // the least late arrivals scatter by so much: a rate seen over a short time is believed only beyond that
	tickEvenNs   = 60e9        // from so much on that evens out
	tickSettleNs = int64(10e9) // what comes first may be late, and the next is before its time then
	tickMaxOff   = 3e-3        // no crystal is off by more
)

// tickClock ties the clock of an instrument that gives tags to the time base. What
// it has to go by is when the bytes arrived by which the instrument's clock was known
// to have come to some tick: never early, only late. So a straight line is laid under
// the arrivals: of all lines below the least late ones of the last quarter of an hour
// the one closest to them. The zero value with tickNs set is ready; one goroutine
// uses it.
type tickClock struct {
	tickNs float64 // length of a tick as the instrument says

	begun   bool
	perTick float64 // as learned, ns
	tick    uint64  // the line goes through (tick, base)
	base    int64

	points []tickPoint // oldest first
	block  leastLate
	pair   leastLate

	seen   int64 // since when
	behind int64 // by how much the least late arrival before the last pair was late, ns
	moved  int64 // by how much arrivals since that pair were before their time
	ahead  int64 // and those between it and the pair before
}

// tickPoint says that the instrument's clock had come to tick when the time base
// was at.
type tickPoint struct {
	tick uint64
	at   int64
}

// leastLate finds the least late arrival of a stretch of time.
type leastLate struct {
	open  bool
	begin int64
	late  float64
	point tickPoint
}

// see takes an arrival; it reports whether the stretch of length ns is over, and
// then begins anew with the next one.
func (l *leastLate) see(p tickPoint, late float64, ns int64) (over bool) {
	if !l.open {
		*l = leastLate{open: true, begin: p.at, late: late, point: p}
		return false
	}
	if late < l.late {
		l.late, l.point = late, p
	}
	if p.at-l.begin >= ns {
		l.open = false
		return true
	}
	return false
}

// see takes an arrival in: the bytes by which the clock is known to have come to
// tick were there at the time base at. At most once a second it returns a pair for
// the record, the least late one of each second.
func (c *tickClock) see(tick uint64, at int64) (pair device.ClockPair, ok bool) {
	p := tickPoint{tick, at}
	if !c.begun {
		c.begun, c.perTick, c.tick, c.base, c.seen = true, c.tickNs, tick, at, at
	}
	late := float64(at - c.at(tick))
	if late < 0 {
		c.base += int64(late)
		c.block.late -= late
		c.pair.late -= late
		if at-c.seen > tickSettleNs {
			c.moved -= int64(late)
		}
		late = 0
	}
	if c.block.see(p, late, tickBlockNs) {
		c.push(c.block.point)
		c.refit()
	}
	if c.pair.see(p, late, tickPairNs) {
		c.behind, c.ahead, c.moved = int64(c.pair.late), c.moved, 0
		return device.ClockPair{Index: c.pair.point.tick, Base: c.pair.point.at}, true
	}
	return pair, false
}

// at is when the instrument's clock came to a tick, by the time base: at most as
// late as the fastest bytes arrived.
func (c *tickClock) at(tick uint64) int64 {
	return c.base + int64(float64(int64(tick-c.tick))*c.perTick)
}

func (c *tickClock) push(p tickPoint) {
	if len(c.points) == tickPoints {
		c.points = c.points[:copy(c.points, c.points[1:])]
	}
	c.points = append(c.points, p)
}

// refit lays the line under all points kept: it goes through the edge of their lower
// hull that spans the mean tick.
func (c *tickClock) refit() {
	origin := c.points[0]
	var hull [tickPoints][2]float64 // ticks, and how much later than by the nominal tick, ns
	n, sum := 0, 0.0
	for _, p := range c.points {
		x := float64(p.tick - origin.tick)
		y := float64(p.at-origin.at) - x*c.tickNs
		sum += x
		for n >= 2 && (hull[n-1][0]-hull[n-2][0])*(y-hull[n-2][1])-(hull[n-1][1]-hull[n-2][1])*(x-hull[n-2][0]) <= 0 {
			n-- // on or above the way from the one before it to this one
		}
		hull[n] = [2]float64{x, y}
		n++
	}
	mean, k := sum/float64(len(c.points)), 1
	for k < n-1 && hull[k][0] < mean {
		k++
	}
	slope := 0.0
	if n >= 2 && hull[k][0] > hull[k-1][0] {
		slope = c.believable((hull[k][1]-hull[k-1][1])/(hull[k][0]-hull[k-1][0]), hull[n-1][0]*c.tickNs)
	}
	lowest := hull[0][1] - slope*hull[0][0]
	for _, p := range hull[1:n] {
		lowest = min(lowest, p[1]-slope*p[0])
	}
	last := c.points[len(c.points)-1]
	x := float64(last.tick - origin.tick)
	c.perTick = c.tickNs + slope
	c.tick, c.base = last.tick, origin.at+int64(x*c.tickNs+x*slope+lowest)
}

// believable is the part of a deviation per tick, fitted over a time, that the
// scatter of arrivals does not explain.
func (c *tickClock) believable(slope, spanNs float64) float64 {
	scatter := tickJitterNs / max(spanNs, 1) * c.tickNs
	if spanNs >= tickEvenNs {
		scatter = 0
	}
	limit := tickMaxOff * c.tickNs
	return math.Copysign(min(max(math.Abs(slope)-scatter, 0), limit), slope)
}
