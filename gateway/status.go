package gateway

import (
	"math"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
)

// The states of a device, as protocol.DeviceStatus has them:
//
//	opening -> running <-> stalled
//	   |          |           |
//	   +----------+-----------+--> gone, waiting or failed -> running
//
// From the last three it is opened again and again, with growing pauses.
const (
	Opening = "opening" // for the first time, or open and no reading yet
	Running = "running" // readings come
	Stalled = "stalled" // open, and silent for too long
	Gone    = "gone"    // its port was there, and is not now
	Waiting = "waiting" // its port was never there yet, or it could not be opened or read, which may pass by itself
	Failed  = "failed"  // it could not be opened or read, and somebody should look
	Stopped = "stopped" // the gateway does not run, or stops
)

// Status is a snapshot of how things are. It may be called at any time.
func (g *Gateway) Status() protocol.Status {
	g.mu.Lock()
	j, v, listeners, started, outputs := g.journal, g.server, g.listeners, g.started, g.outputs
	g.mu.Unlock()
	s := protocol.Status{
		Name: g.config.Name, Software: g.deps.Software, Started: started, ClockSync: protocol.SyncUnknown, Control: g.config.Control,
		Journal: protocol.JournalStatus{Folder: g.config.Journal},
		Outputs: outputs.status(),
	}
	for _, l := range listeners {
		s.Listen = append(s.Listen, l.Addr().String())
	}
	for _, t := range g.tasks {
		s.Devices = append(s.Devices, t.snapshots()...)
	}
	if j != nil {
		s.Journal.ID = j.ID()
		if err := j.Err(); err != nil {
			s.Journal.Trouble = err.Error()
		}
	}
	if v != nil {
		now, ahead := v.base.pair()
		q := v.base.quality()
		s.NowNs, s.UTCNs = protocol.Int64(now), protocol.Int64(now+ahead)
		s.ClockSync, s.ClockErrNs = q.Sync, (*protocol.Int64)(q.EstErrorNs)
		s.Sessions, s.Archives = v.status()
		v.control.room.status(&s.Journal)
		v.control.room.lacking(s.Archives)
		for _, f := range v.forwards {
			s.Forwards = append(s.Forwards, f.snapshot())
		}
		s.Measurement = v.control.measuring.status()
	}
	return s
}

// deviceStatus is a protocol.DeviceStatus that the goroutines of a device write
// and others read. It logs one line for each change of state.
type deviceStatus struct {
	log    zerolog.Logger
	alarms func() []protocol.AlarmStatus // of its channels; nil: none

	mu       sync.Mutex
	s        protocol.DeviceStatus
	rates    []channelRate // of the last reading
	opened   *opened       // what was opened last, until it is told
	line     string        // the trouble told last
	began    time.Time     // when it came first
	times    int           // it came again since it was told
	again    time.Time     // when it is told again
	dropping bool          // the journal took no frame last time
	silent   bool          // no readings come, and their gap is not written: it is when they come again
}

// How often trouble that does not change is logged again: often in the first
// minute, when somebody looks on, then each minute, and once an hour when it is no
// news any more: a bench that is switched off for the night is a state.
const (
	repeatSoon  = backoffMax * 3 / 4 // at each attempt, also when the pauses are the longest
	repeatEvery = time.Minute
	repeatOften = 10 * repeatEvery // for so long each minute
	repeatLater = time.Hour
)

// repeatAfter is when trouble is told again that began so long ago.
func repeatAfter(lasts time.Duration) time.Duration {
	switch {
	case lasts < repeatEvery:
		return repeatSoon
	case lasts < repeatOften:
		return repeatEvery
	}
	return repeatLater
}

// opened is what is told of a device when it begins to run.
type opened struct {
	protocol.Descriptor
	hint string // what the configuration could change
}

// channelRate is a protocol.ChannelStatus that takes no memory anew.
type channelRate struct {
	channel string
	cps     float64
	known   bool
}

// running logs that readings come, and what from.
func (o *opened) running(log zerolog.Logger) {
	event := log.Info()
	if o != nil {
		event = event.Str("model", o.Model)
		if o.Serial != "" {
			event = event.Str("serial", o.Serial)
		}
		if o.Firmware != "" {
			event = event.Str("firmware", o.Firmware)
		}
		event = event.Str("identity", o.Identity)
		if t := o.Tick; t != nil {
			event = event.Stringer("tick", tickLength(*t))
		}
		if o.GateNs > 0 {
			event = event.Stringer("gate", time.Duration(o.GateNs))
		}
		names := make([]string, len(o.Channels))
		for i, c := range o.Channels {
			names[i] = c.Name
		}
		event = event.Str("timing", o.Timing).Str("channels", strings.Join(names, ","))
		if o.hint != "" {
			event = event.Str("hint", o.hint)
		}
	}
	event.Msg(Running)
}

func (d *deviceStatus) snapshot() protocol.DeviceStatus {
	var alarms []protocol.AlarmStatus
	if d.alarms != nil {
		alarms = d.alarms()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.s
	if d.silent {
		s.Gaps++
	}
	s.Alarms = alarms
	for i := range s.Alarms {
		if s.Alarms[i].On && s.State != Running {
			s.Alarms[i].Text += alarmUnknown
		}
	}
	for _, r := range d.rates {
		c := protocol.ChannelStatus{Channel: r.channel}
		if r.known {
			c.CPS = protocol.Ref(r.cps)
		}
		s.Rates = append(s.Rates, c)
	}
	return s
}

// set changes the state and logs it in one line. The same trouble that comes
// again, whatever was tried between, is counted and told now and then.
func (d *deviceStatus) set(c condition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if c.kind == silent.kind && d.s.Tags {
		c.cause = "no tag comes"
	}
	if c.state == d.s.State && c.cause == d.s.Cause && (c.state == Running || c.state == Opening) {
		return
	}
	if c.state != d.s.State {
		d.s.Since = now
	}
	d.s.State, d.s.Cause, d.s.Hint = c.state, c.cause, c.hint
	switch line := c.state + " " + c.kind; {
	case c.state == Running:
		if d.opened != nil || d.line != "" {
			d.opened.running(d.log)
		}
		d.s.Attempts, d.opened, d.line, d.times = 0, nil, "", 0
	case c.state == Opening && d.line != "":
		return // an attempt after trouble: what comes of it is told
	case line != d.line || !now.Before(d.again):
		if line != d.line {
			d.times, d.began = 0, now
		}
		d.logTrouble()
		d.line, d.again, d.times = line, now.Add(repeatAfter(now.Sub(d.began))), 0
	default:
		d.times++
	}
}

// open notes that the device is open and has given no reading yet, and what is
// to be told of it then. One that was opened because it was silent stays
// stalled until it gives one.
func (d *deviceStatus) open(o opened) {
	d.mu.Lock()
	d.opened = &o
	d.s.Model, d.s.GateNs, d.s.Tags = o.Model, o.GateNs, o.Tick != nil
	d.mu.Unlock()
	cause := "open, and no reading yet"
	if o.Tick != nil {
		cause = causeNoTag
	}
	if d.snapshot().State != Stalled {
		d.set(condition{state: Opening, cause: cause})
	}
}

// causeNoTag is said of a device that is open and gave no tag yet.
const causeNoTag = "open, and no tag yet"

// logTrouble logs a state that is not running.
func (d *deviceStatus) logTrouble() {
	event := d.log.Warn()
	if d.s.State == Opening || d.s.State == Stopped {
		event = d.log.Info()
	}
	if d.s.Cause != "" {
		event = event.Str("cause", d.s.Cause)
	}
	if d.s.Hint != "" {
		event = event.Str("hint", d.s.Hint)
	}
	if d.times > 0 {
		event = event.Int("times", d.times)
	}
	message := d.s.State
	if d.s.State == Gone || d.s.State == Waiting || d.s.State == Failed {
		message += ", trying again"
	}
	event.Msg(message)
}

// attempt counts an attempt to open.
func (d *deviceStatus) attempt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.Attempts++
}

// unverified notes which settings the instrument does not confirm, empty for
// none; what changes is logged.
func (d *deviceStatus) unverified(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case text == d.s.Unverified:
	case text != "":
		d.log.Warn().Str("settings", text).Msg("settings are not verified: the readings are flagged")
	default:
		d.log.Info().Msg("settings are verified")
	}
	d.s.Unverified = text
}

// leftBehind notes a call that does not return, empty for none.
func (d *deviceStatus) leftBehind(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.LeftBehind = text
}

// notKept notes what was set and does not stand in the configuration.
func (d *deviceStatus) notKept(lines []string) {
	note := ""
	if len(lines) > 0 {
		note = strings.Join(lines, ", ") + ", until the gateway ends"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.NotKept = note
}

// epoch notes the number of a new epoch.
func (d *deviceStatus) epoch(n uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.Epoch = n
}

// gap counts a gap.
func (d *deviceStatus) gap() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.Gaps++
}

// part notes that a part of the stream begins, or that it ended and its readings
// are missing from there on.
func (d *deviceStatus) part(silent bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = silent
}

// reading counts readings from..to of a batch and keeps the rates of the last.
func (d *deviceStatus) reading(channels []protocol.Channel, b *device.Batch, from, to int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.Readings += protocol.Uint64(to - from)
	row := to - 1
	d.s.LastReadingNs = protocol.Int64(b.Begin[row] + b.Length[row])
	d.rate(channels, b, row)
}

// tags counts tags, and notes how far their clock is known to have come, by the
// time base.
func (d *deviceStatus) tags(n int, until int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.Readings += protocol.Uint64(n)
	d.s.LastReadingNs = protocol.Int64(until)
}

// rated keeps the rates of a piece of time of a stream of tags, as a reading.
func (d *deviceStatus) rated(channels []protocol.Channel, piece *device.Batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rate(channels, piece, 0)
}

// rate keeps the rates of one reading. The caller holds mu.
func (d *deviceStatus) rate(channels []protocol.Channel, b *device.Batch, row int) {
	d.rates = d.rates[:0]
	for c, ch := range channels {
		scale := math.Pow10(ch.Exponent)
		known := b.ValueFlags[c][row]&device.Absent == 0
		switch ch.Kind {
		case protocol.KindCount, protocol.KindTag, protocol.KindMarker:
			known = known && b.Length[row] > 0
			scale *= 1e9 / float64(max(b.Length[row], 1))
		case protocol.KindRate:
		default:
			continue
		}
		d.rates = append(d.rates, channelRate{channel: ch.Name, cps: float64(b.Values[c][row]) * scale, known: known})
	}
}

// What it means that the journal does not take something.
const (
	cannotBegin = "the journal cannot begin a part: readings wait in memory"
	cannotTake  = "journal takes no frames, readings are being lost"
)

// givenUp tells that the gateway ends before the disk takes a new part.
func (d *deviceStatus) givenUp() {
	d.log.Error().Msg("the gateway ends before the disk has taken the begin of a part: its readings, which waited in memory, are lost")
}

// logged notes how writing to the journal went, and what it means when it did
// not; trouble is logged when it begins and when it is over.
func (d *deviceStatus) logged(err error, meaning string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil && d.dropping:
		d.log.Info().Msg("journal takes frames again")
	case err != nil && !d.dropping:
		d.log.Error().Err(err).Msg(meaning)
	}
	d.dropping = err != nil
}
