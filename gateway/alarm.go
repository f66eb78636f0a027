package gateway

import (
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// alarms watches the readings of one device against the limits of its
// channels, for counters that overflow, and for a clock that parts from the computer's. Alarms outlive epochs: one that is
// on when the device goes stays on, and is over when it was back for a minute of
// readings. Readings that are missing change nothing: absence is no rate of zero.
//
// list may be called from any goroutine; all else belongs to the batcher of the
// moment. Looking at readings allocates nothing and waits for nobody.
type alarms struct {
	log    zerolog.Logger
	utc    func(ns int64) time.Time // of a moment of the time base
	report func(alarmReport)        // has on_alarm run; it does not wait

	all      []*alarm // of the channels of this epoch
	limits   []*alarm // those among them that have a limit
	overflow []*alarm // by column; nil for what is no count
	lastEnd  int64    // of the last reading that was used
	ofClock  clockAlarm
	events   []alarmEvent

	mu    sync.Mutex
	shown []protocol.AlarmStatus
}

// alarmEvent is for the device's stream: an alarm came on, or is over, at a
// moment of the time base.
type alarmEvent struct {
	at    int64
	event protocol.Event
}

// unusable are flags of readings that say nothing of a rate: their interval or
// their values are not known well enough.
const unusable = device.First | device.Mixed | device.Implausible | device.Short

// bind makes ready for an epoch. as are its channels as the driver calls them.
// An alarm of a channel that is not there any more is over.
func (w *alarms) bind(cfg DeviceConfig, as []device.Channel, channels []protocol.Channel, gate time.Duration) {
	before := w.all
	w.all, w.limits, w.overflow = nil, nil, make([]*alarm, len(channels))
	dwell := dwellTimes(cfg, as)
	watch := func(column int, kind string, limit float64) *alarm {
		name := channels[column].Name
		i := slices.IndexFunc(before, func(a *alarm) bool { return a.channel == name && a.kind == kind })
		a := &alarm{channel: name, kind: kind}
		if i >= 0 {
			a = before[i]
		}
		a.bind(column, channels[column], limit, dwell[column], gate)
		w.all = append(w.all, a)
		return a
	}
	for i, ch := range channels {
		if ch.WarnAboveCPS != nil {
			w.limits = append(w.limits, watch(i, alarmAbove, *ch.WarnAboveCPS))
		}
		if ch.WarnBelowCPS != nil {
			w.limits = append(w.limits, watch(i, alarmBelow, *ch.WarnBelowCPS))
		}
		if ch.Kind == protocol.KindCount {
			w.overflow[i] = watch(i, alarmOverflow, 0)
		}
	}
	for _, a := range before {
		if a.on && !slices.Contains(w.all, a) {
			a.on = false
			w.tell(a, protocol.EventAlarmOver, w.lastEnd, "", a.channel+" is not among the channels any more")
		}
	}
	w.show()
}

// dwellTimes is for how long each channel's rate has to be beyond a limit, ns.
func dwellTimes(cfg DeviceConfig, as []device.Channel) []int64 {
	dwell := make([]int64, len(as))
	for i := range dwell {
		dwell[i] = int64(DefaultWarnFor)
	}
	for _, c := range cfg.Channels {
		if i := channelIndex(as, c.Input); i >= 0 && c.WarnFor > 0 {
			dwell[i] = int64(c.WarnFor)
		}
	}
	return dwell
}

// look takes readings from..to in, up to and with the first by which an alarm
// comes on or is over: then take has something to tell. It returns how many
// these are. A nil *alarms sees nothing.
func (w *alarms) look(in *device.Batch, from, to int) int {
	if w == nil {
		return to - from
	}
	overflow := w.overflowing(in, from, to)
	if len(w.limits) == 0 && !overflow {
		w.lastEnd = in.Begin[to-1] + in.Length[to-1]
		return to - from
	}
	row := from
	for ; row < to && len(w.events) == 0; row++ {
		if in.Flags[row]&unusable == 0 && in.Live[row] > 0 {
			w.reading(in, row, overflow)
		}
	}
	return row - from
}

// overflowing reports whether a value is flagged as overflowed, or an alarm
// waits for none to be.
func (w *alarms) overflowing(in *device.Batch, from, to int) bool {
	for c, a := range w.overflow {
		if a != nil && (a.on || anySet(in.ValueFlags[c][from:to])&device.Overflow != 0) {
			return true
		}
	}
	return false
}

// reading takes one reading in.
func (w *alarms) reading(in *device.Batch, row int, overflow bool) {
	end := in.Begin[row] + in.Length[row]
	gap := in.Begin[row] - w.lastEnd
	w.lastEnd = end
	for _, a := range w.limits {
		if s, ok := a.measured(in, row); ok {
			w.changed(a, a.rate(s, gap), end)
		}
	}
	if !overflow {
		return
	}
	for c, a := range w.overflow {
		if a != nil && in.ValueFlags[c][row]&device.Absent == 0 {
			w.changed(a, a.overflowed(in.ValueFlags[c][row]&device.Overflow != 0, in.Length[row]), end)
		}
	}
}

// changed tells what a reading that ends at a moment did to an alarm.
func (w *alarms) changed(a *alarm, c alarmChange, at int64) {
	switch c {
	case alarmOn:
		a.since = w.utc(at)
		a.text = a.sentence()
		w.tell(a, protocol.EventAlarm, at, a.valueText(), a.text)
		if w.report != nil {
			w.report(alarmReport{
				Channel: a.channel, Kind: a.kind, ValueCPS: a.value(), LimitCPS: a.limitCPS(), TimeUTC: a.since, Text: a.text, Times: a.times,
			})
		}
	case alarmOver:
		w.tell(a, protocol.EventAlarmOver, at, a.valueText(), a.overSentence())
	case alarmAgain:
		w.again(a)
		return
	default:
		return
	}
	w.show()
}

// tell tells of a channel's alarm.
func (w *alarms) tell(a *alarm, what string, at int64, value, text string) {
	w.keep(a.kind, at, protocol.Event{What: what, Channel: a.channel, Old: a.limitText(), New: value, Text: text})
}

// keep keeps an event for the stream, and logs it.
func (w *alarms) keep(kind string, at int64, e protocol.Event) {
	e.Who = whoGateway
	w.events = append(w.events, alarmEvent{at, e})
	event := w.log.Warn()
	if e.What == protocol.EventAlarmOver {
		event = w.log.Info()
	}
	if e.Channel != "" {
		event = event.Str("channel", e.Channel)
	}
	event.Str("kind", kind).Str("cause", e.Text).Msg(e.What)
}

// take returns the events that happened with the last row looked at.
func (w *alarms) take() []alarmEvent {
	if w == nil || len(w.events) == 0 {
		return nil
	}
	events := w.events
	w.events = nil
	return events
}

// show makes the alarms as they are visible to others.
func (w *alarms) show() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = nil
	if a := &w.ofClock; a.times > 0 {
		w.shown = append(w.shown, protocol.AlarmStatus{Kind: alarmClock, On: a.on, Since: a.since, Times: protocol.Uint64(a.times), Text: a.text})
	}
	for _, a := range w.all {
		if a.times > 0 {
			w.shown = append(w.shown, protocol.AlarmStatus{
				Channel: a.channel, Kind: a.kind, On: a.on, Since: a.since, Times: protocol.Uint64(a.times), Text: a.text,
			})
		}
	}
}

// again makes another excursion of an alarm visible. It takes no memory: a
// counter may overflow in every other reading.
func (w *alarms) again(a *alarm) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.shown {
		if s := &w.shown[i]; s.Channel == a.channel && s.Kind == a.kind {
			s.Times = protocol.Uint64(a.times)
		}
	}
}

// list are the alarms that are on, or were since the gateway started.
func (w *alarms) list() []protocol.AlarmStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.shown)
}
