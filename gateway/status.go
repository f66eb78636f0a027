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

// DeviceState is what a device is doing.
type DeviceState string

// The states of a device:
//
//	opening -> running <-> stalled
//	   |          |           |
//	   +----------+-----------+--> gone, waiting or failed -> running
//
// From the last three it is opened again and again, with growing pauses.
const (
	Opening DeviceState = "opening" // for the first time, or open and no reading yet
	Running DeviceState = "running" // readings come
	Stalled DeviceState = "stalled" // open, and silent for too long
	Gone    DeviceState = "gone"    // its port was there, and is not now
	Waiting DeviceState = "waiting" // its port was never there yet, or it could not be opened or read, which may pass by itself
	Failed  DeviceState = "failed"  // it could not be opened or read, and somebody should look
	Stopped DeviceState = "stopped" // the gateway does not run, or stops
)

// Status is a snapshot of a gateway, for people and programs.
type Status struct {
	Name     string          `json:"name"`
	Software string          `json:"software"`
	Listen   []string        `json:"listen"`
	Started  time.Time       `json:"started"`
	Journal  JournalStatus   `json:"journal"`
	Devices  []DeviceStatus  `json:"devices"`
	Sessions []SessionStatus `json:"sessions"`
	Archives []ArchiveStatus `json:"archives"`
}

// JournalStatus says how the journal is.
type JournalStatus struct {
	ID      protocol.ID `json:"id"`
	Folder  string      `json:"folder"`
	Trouble string      `json:"trouble,omitempty"` // what the disk said last; empty when all is well
}

// DeviceStatus says how a device is.
type DeviceStatus struct {
	Name     string      `json:"name"`
	Driver   string      `json:"driver"`
	Port     string      `json:"port"`
	State    DeviceState `json:"state"`
	Since    time.Time   `json:"since"`              // of the state
	Cause    string      `json:"cause,omitempty"`    // why it is so
	Hint     string      `json:"hint,omitempty"`     // what to try
	Attempts int         `json:"attempts,omitempty"` // to open it since it was last running
	Epoch    uint32      `json:"epoch,omitempty"`    // 0: never read yet
	Readings uint64      `json:"readings"`           // since the gateway started
	Gaps     uint64      `json:"gaps"`               // since the gateway started
	Rates    []RateValue `json:"rates,omitempty"`    // of the last reading, raw
}

// RateValue is the counts per second of one channel in the last reading.
type RateValue struct {
	Channel string  `json:"channel"`
	CPS     float64 `json:"cps"`
}

// SessionStatus says what a receiver is doing.
type SessionStatus struct {
	Name    string    `json:"name"`
	Address string    `json:"address"`
	Since   time.Time `json:"since"`
	Archive bool      `json:"archive"` // has an archive subscription
	Behind  int64     `json:"behind"`  // bytes not yet sent to its archive subscriptions
}

// ArchiveStatus says which archive was fed, and when.
type ArchiveStatus struct {
	Name      string      `json:"name"`
	ID        protocol.ID `json:"id"`
	LastSeen  time.Time   `json:"last_seen"`
	Connected bool        `json:"connected"`
}

// deviceStatus is a DeviceStatus that the goroutines of a device write and
// others read. It logs one line for each change of state.
type deviceStatus struct {
	log zerolog.Logger

	mu       sync.Mutex
	s        DeviceStatus
	opened   *opened   // what was opened last, until it is told
	line     string    // the trouble told last
	began    time.Time // when it came first
	times    int       // it came again since it was told
	again    time.Time // when it is told again
	dropping bool      // the journal took no frame last time
}

// How often trouble that does not change is logged again: often in the first
// minute, when somebody looks on, then each minute.
const (
	repeatSoon  = backoffMax * 3 / 4 // at each attempt, also when the pauses are the longest
	repeatEvery = time.Minute
)

// opened is what is told of a device when it begins to run.
type opened struct {
	protocol.Descriptor
	hint string // what the configuration could change
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
	event.Msg(string(Running))
}

func (d *deviceStatus) snapshot() DeviceStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.s
	s.Rates = append([]RateValue(nil), s.Rates...)
	return s
}

// set changes the state and logs it in one line. The same trouble that comes
// again, whatever was tried between, is counted and told now and then.
func (d *deviceStatus) set(c condition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if c.state == d.s.State && c.cause == d.s.Cause && (c.state == Running || c.state == Opening) {
		return
	}
	if c.state != d.s.State {
		d.s.Since = now
	}
	d.s.State, d.s.Cause, d.s.Hint = c.state, c.cause, c.hint
	switch line := string(c.state) + " " + c.kind; {
	case c.state == Running:
		d.s.Attempts = 0
		d.opened.running(d.log)
		d.opened, d.line, d.times = nil, "", 0
	case c.state == Opening && d.line != "":
		return // an attempt after trouble: what comes of it is told
	case line != d.line || !now.Before(d.again):
		if line != d.line {
			d.times, d.began = 0, now
		}
		d.logTrouble()
		pause := repeatEvery
		if now.Sub(d.began) < repeatEvery {
			pause = repeatSoon
		}
		d.line, d.again, d.times = line, now.Add(pause), 0
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
	d.mu.Unlock()
	if d.snapshot().State != Stalled {
		d.set(condition{state: Opening, cause: "open, and no reading yet"})
	}
}

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
	message := string(d.s.State)
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

// reading counts readings from..to of a batch and keeps the rates of the last.
func (d *deviceStatus) reading(channels []protocol.Channel, b *device.Batch, from, to int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.Readings += uint64(to - from)
	row := to - 1
	d.s.Rates = d.s.Rates[:0]
	if b.Length[row] <= 0 {
		return
	}
	for c, ch := range channels {
		if ch.Kind != protocol.KindCount || b.ValueFlags[c][row]&device.Absent != 0 {
			continue
		}
		scale := math.Pow10(ch.Exponent) * 1e9
		d.s.Rates = append(d.s.Rates, RateValue{Channel: ch.Name, CPS: float64(b.Values[c][row]) * scale / float64(b.Length[row])})
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
