package cc1

import (
	"fmt"
	"slices"
	"time"

	"photongate/device"
)

const (
	minGate = 100 * time.Millisecond
	maxGate = 30 * time.Second
)

// Driver reads the Qubitekk CC1.
var Driver = device.Driver{
	Name:      "cc1",
	Title:     "Qubitekk CC1 coincidence counter",
	Transport: device.Serial,
	USB:       []device.USBID{{Vendor: 0x0403, Product: 0x6001, Shared: true, Adapter: true}}, // every FT232
	Line:      device.Line{Baud: 19200},
	Identity:  device.Confirmed,
	Options: []device.Option{
		{
			Name: "gate", Title: "dwell time: how long the box counts before it clears or stops",
			Kind: device.Duration, Default: "as it is", Min: float64(minGate), Max: float64(maxGate), Check: checkGate,
		},
		{
			Name: "trigger", Title: `"stop": gates are begun one by one and read when they have ended; "continuous": the box counts on and clears itself`,
			Kind: device.Enum, Choices: []string{startStop, continuous}, Default: "as it is",
		},
		{
			Name: "start", Title: `how a gate is begun where trigger is "stop": with CLEA, or with CLEA and :COUN:ON`,
			Kind: device.Enum, Choices: []string{startClear, startCount}, Default: startClear,
		},
		{Name: "gate_input", Title: "count only while the gate input is high", Kind: device.Bool, Default: "as it is", Live: true},
		{Name: "subtract", Title: "the box subtracts accidental coincidences itself", Kind: device.Bool, Default: "as it is", Live: true},
		{Name: "window", Title: "coincidence window", Kind: device.Integer, Unit: "ns", Default: "as it is", Min: 0, Max: 8, Live: true},
		{
			Name: "delay", Title: "delay of channel 1, in steps of 2 ns",
			Kind: device.Integer, Unit: "ns", Default: "as it is", Min: 0, Max: 14, Check: checkDelay, Live: true,
		},
		{
			Name: "acks", Title: "have the box send each command back before its answer, which tells answers apart from each other",
			Kind: device.Bool, Default: "as it is; both are understood",
		},
	},
	Inputs: device.Inputs{
		Title: `C1, C2, C12, or "input 1", "input 2", "coincidences"`,
		May: func(input string) bool {
			return slices.Contains([]string{"C1", "C2", "C12", "input 1", "input 2", "coincidences"}, input)
		},
		Known:  func(device.Settings) []device.Channel { return channelList() },
		Window: "the option window sets it, in ns; the instrument says how it is set",
	},
	Advise: advise,
	Open:   open,
	Cut:    cut,
	Quirks: quirks,
	About:  about,
}

func checkGate(v any) error {
	if d, ok := v.(time.Duration); ok && d%time.Millisecond != 0 {
		return fmt.Errorf("gate = %v: the box counts whole milliseconds", d)
	}
	return nil
}

func checkDelay(v any) error {
	if n, ok := v.(int64); ok && n%2 != 0 {
		return fmt.Errorf("delay = %d: the box has steps of 2 ns: 0, 2, 4 to 14", n)
	}
	return nil
}

// advise implements device.Driver.Advise.
func advise(s device.Settings) []device.Advice {
	var list []device.Advice
	if s["trigger"] == continuous {
		list = append(list, device.Advice{Option: "trigger", Text: runningHint})
	}
	if s["subtract"] == true {
		list = append(list, device.Advice{Option: "subtract", Text: "what the box takes off the coincidences is not recorded anywhere; the raw ones can be corrected later, these cannot"})
	}
	return list
}

// runningHint says why start/stop gives better data.
const runningHint = `the box clears its totals itself and what it counts after it was asked last is lost; trigger = "stop" has whole gates read`

// channelList are the channels of every CC1. The width of its counters is not
// known from public sources.
func channelList() []device.Channel {
	var list []device.Channel
	for _, n := range names {
		list = append(list, device.Channel{Name: n.name, Input: n.input, Kind: device.Count})
	}
	return list
}

// source is an open CC1.
type source struct {
	poller
	box    *opening
	desc   device.Description
	opened *device.Event
	before *device.Batch // what was read while a setting was changed or asked for
	failed error         // returned again by every Read after the first failure
}

// Describe returns what the box said of itself.
func (s *source) Describe() device.Description { return s.desc }

// Close closes the port and frees a blocked Read.
func (s *source) Close() error { return s.box.port.Close() }

// Read implements device.Source.
func (s *source) Read(b *device.Batch) error {
	if s.opened != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.opened})
		s.opened = nil
	}
	if s.failed != nil {
		return s.failed
	}
	if s.before != nil && s.before.Len()+len(s.before.Notes) > 0 {
		b.Append(s.before)
		s.before.Reset()
		return nil
	}
	if err := s.read(b); err != nil {
		s.failed = &device.Error{Op: "read", Port: s.box.port.Name(), Err: err}
	}
	return s.failed
}

// reading is the counts of one gate.
type reading struct {
	value  [channels]uint64
	absent [channels]bool
	flags  device.ReadingFlags
}

// rows appends readings to a batch.
type rows struct {
	unverified bool // settings that were sent could not be read back
	subset     bool // all channels counted over the same time, so C12 is in both others
}

// add appends one reading.
func (r rows) add(b *device.Batch, x reading, begin, length, live, uncertainty int64) {
	flags := x.flags
	if r.unverified {
		flags |= device.Unverified
	}
	if r.subset && x.absent == [channels]bool{} && x.value[2] > min(x.value[0], x.value[1]) {
		flags |= device.Implausible
	}
	for c, v := range x.value {
		var f device.ChannelFlags
		if x.absent[c] {
			f, v = device.Absent, 0
		}
		b.Values[c] = append(b.Values[c], v)
		b.ValueFlags[c] = append(b.ValueFlags[c], f)
	}
	b.Begin = append(b.Begin, begin)
	b.Length = append(b.Length, length)
	b.Live = append(b.Live, live)
	b.Uncertainty = append(b.Uncertainty, uncertainty)
	b.Flags = append(b.Flags, flags)
}
