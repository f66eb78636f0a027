package gateway

import (
	"math"
	"time"

	"photongate/device"
	"photongate/protocol"
)

// Kinds of alarms.
const (
	alarmAbove    = "above"    // the rate is above its limit
	alarmBelow    = "below"    // the rate is below its limit
	alarmOverflow = "overflow" // the counter overflows
)

// backFor is for how long a rate has to be back before its alarm is over, so
// that one that flutters about its limit is one alarm.
const backFor = int64(time.Minute)

// looks is how often a rate is looked at while it has to be beyond its limit.
// It has to be beyond each time: a single flash does not lift the mean of all.
const looks = 4

// alarm watches one channel for one thing. All durations are those of readings:
// time in which nothing was measured does not count.
type alarm struct {
	channel string
	kind    string

	column int
	limit  float64 // counts per second
	dwell  int64   // for how long the rate has to be beyond it, ns
	scale  float64 // of a value, to counts; or to counts per second where it is a rate
	isRate bool
	width  int           // bits of the counter, 0: unknown
	gate   time.Duration // nominal, 0: unknown

	look   measured // since the rate was looked at last
	beyond measured // since it is beyond the limit without a break
	inside measured // of that, without the first look: in it the rate may have changed
	back   measured // since the last excursion

	out   bool   // an excursion goes on
	on    bool   // the alarm is on
	times uint64 // excursions since the gateway started
	since time.Time
	text  string
}

// measured is what was counted in some time.
type measured struct {
	counts float64
	liveNs int64
	spanNs int64 // of the intervals, dead or live
}

func (m *measured) add(o measured) {
	m.counts += o.counts
	m.liveNs += o.liveNs
	m.spanNs += o.spanNs
}

// cps is the mean rate.
func (m measured) cps() float64 { return m.counts / float64(m.liveNs) * 1e9 }

// lasts reports whether a time has been measured, or would be exceeded by more
// than it is short of now; last is the length of a reading. Gates are as long as
// their crystal makes them: ten of 100 ms may be a little less than a second.
func (m measured) lasts(ns, last int64) bool { return m.spanNs+last*5/8 >= ns }

// cps is the rate beyond the limit.
func (a *alarm) cps() float64 {
	if a.inside.liveNs > 0 {
		return a.inside.cps()
	}
	return a.beyond.cps()
}

// alarmChange is what a reading does to an alarm.
type alarmChange int

const (
	alarmSame  alarmChange = iota
	alarmOn                // it comes on
	alarmAgain             // it is on, and another excursion began
	alarmOver              // it is over
)

// bind makes ready for the readings of an epoch.
func (a *alarm) bind(column int, ch protocol.Channel, limit float64, dwell int64, gate time.Duration) {
	a.column, a.limit, a.dwell, a.width, a.gate = column, limit, dwell, ch.Width, gate
	a.scale, a.isRate = math.Pow10(ch.Exponent), ch.Kind == protocol.KindRate
	a.look, a.beyond, a.inside = measured{}, measured{}, measured{}
}

// measured returns what a reading counted in the alarm's channel; ok is false
// when that is not known. A counter that overflowed counted at least what it can
// hold: that is enough to know of a rate above a limit, and of none below it.
func (a *alarm) measured(in *device.Batch, row int) (m measured, ok bool) {
	m = measured{liveNs: in.Live[row], spanNs: in.Length[row]}
	m.counts = float64(in.Values[a.column][row]) * a.scale
	if a.isRate {
		m.counts *= float64(m.liveNs) / 1e9
	}
	flags := in.ValueFlags[a.column][row]
	if flags&(device.Absent|device.Suspect) != 0 {
		return m, false
	}
	if flags&device.Overflow != 0 {
		m.counts = math.Ldexp(a.scale, a.width)
		return m, a.width > 0 && m.cps() > a.limit
	}
	return m, true
}

// rate takes a reading in that begins so long after the one before.
func (a *alarm) rate(m measured, gapNs int64) alarmChange {
	if gapNs > a.dwell {
		// What was before says nothing of now.
		a.look = measured{}
		if !a.out {
			a.beyond, a.inside = measured{}, measured{}
		}
	}
	a.look.add(m)
	if !a.look.lasts(a.dwell/looks, m.spanNs) {
		return alarmSame
	}
	look := a.look
	a.look = measured{}
	if cps := look.cps(); a.kind == alarmAbove && cps <= a.limit || a.kind == alarmBelow && cps >= a.limit {
		a.out, a.beyond, a.inside = false, measured{}, measured{}
		return a.calm(look)
	}
	if a.beyond.spanNs > 0 {
		a.inside.add(look)
	}
	a.beyond.add(look)
	if !a.out && !a.beyond.lasts(a.dwell, m.spanNs) {
		return alarmSame
	}
	return a.excursion()
}

// overflowed takes a reading in of which it is known whether the counter
// overflowed.
func (a *alarm) overflowed(yes bool, spanNs int64) alarmChange {
	if yes {
		return a.excursion()
	}
	a.out = false
	return a.calm(measured{spanNs: spanNs})
}

// excursion goes on, or begins.
func (a *alarm) excursion() alarmChange {
	a.back = measured{}
	if a.out {
		return alarmSame
	}
	a.out = true
	a.times++
	if a.on {
		return alarmAgain
	}
	a.on = true
	return alarmOn
}

// calm notes time without an excursion.
func (a *alarm) calm(m measured) alarmChange {
	if !a.on {
		return alarmSame
	}
	a.back.add(m)
	if !a.back.lasts(backFor, 0) {
		return alarmSame
	}
	a.on = false
	return alarmOver
}
