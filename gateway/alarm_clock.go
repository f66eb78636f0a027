package gateway

import (
	"fmt"
	"time"

	"photongate/protocol"
)

// alarmClock is the kind of the alarm of an instrument's clock that parted from this
// computer's.
const alarmClock = "clock"

// Bounds of that alarm. Crystals differ by far less, and what holds bytes up for a
// while is over soon.
const (
	clockOff  = time.Second            // further apart is an alarm,
	clockOn   = 3                      // if it is so in so many seconds in a row
	clockNear = 500 * time.Millisecond // nearer is none,
	clockOver = 10                     // if it is so in so many
)

// clockAlarm watches the clock of a device that gives tags. It outlives epochs.
type clockAlarm struct {
	off   int // looks in a row at which it was off
	near  int // and at which it was not
	on    bool
	times uint64
	since time.Time
	text  string
}

// look takes in by how much the clock is behind the computer's, or was found ahead of it.
func (a *clockAlarm) look(behind, ahead time.Duration) alarmChange {
	off := max(behind, ahead)
	switch {
	case off > clockOff:
		a.off, a.near = a.off+1, 0
		if ahead > clockOff {
			a.off = clockOn // it cannot be by chance
		}
	case off < clockNear:
		a.off, a.near = 0, a.near+1
	}
	switch {
	case off > clockOff && a.off >= clockOn:
		a.text = clockSentence(behind, ahead)
		if !a.on {
			a.on, a.times = true, a.times+1
			return alarmOn
		}
		return alarmAgain
	case a.on && a.near >= clockOver:
		a.on = false
		return alarmOver
	}
	return alarmSame
}

func clockSentence(behind, ahead time.Duration) string {
	if ahead > clockOff {
		return fmt.Sprintf("its clock ran %v ahead of this computer's: times of tags before and after do not fit together; "+
			"check the instrument's reference clock, and whether it was reset", clockText(ahead))
	}
	return fmt.Sprintf("its times are %v behind this computer's clock: it sends more than the line or this computer takes, or its clock stood still; "+
		"lower the rates, take load off this computer, check the line and the reference clock", clockText(behind))
}

func clockText(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

// clock takes in, once a second, how the clock of a device that gives tags goes.
func (w *alarms) clock(behind, ahead time.Duration, at int64) {
	if w == nil {
		return
	}
	a := &w.ofClock
	switch a.look(behind, ahead) {
	case alarmOn:
		a.since = w.utc(at)
		w.keep(alarmClock, at, protocol.Event{What: protocol.EventAlarm, Text: a.text})
		if w.report != nil {
			w.report(alarmReport{Kind: alarmClock, TimeUTC: a.since, Text: a.text, Times: a.times})
		}
	case alarmOver:
		w.keep(alarmClock, at, protocol.Event{What: protocol.EventAlarmOver, Text: "its clock goes with this computer's again"})
	case alarmSame:
		return
	case alarmAgain: // how far off it is has changed
	}
	w.show()
}
