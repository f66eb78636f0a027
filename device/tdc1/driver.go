package tdc1

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"photongate/device"
)

// maxVolt bounds the option threshold and what LEVEL? may say: the unit's own
// range is not published.
const maxVolt = 5

// Driver reads the TDC1 in its counting modes and its stream of time stamps.
var Driver = device.Driver{
	Name:      "tdc1",
	Title:     "S-Fifteen Instruments TDC1 / USB mini counter, counts or time tags",
	Transport: device.Serial,
	Line:      device.Line{Baud: 115200}, // older programs set it, newer ones do not
	Identity:  device.Confirmed,
	Options: []device.Option{
		{
			Name: "gate", Title: "integration time of one measurement, whole milliseconds; not in mode timestamp",
			Kind: device.Duration, Default: "as it is, 1s where it has none",
			Min: float64(time.Millisecond), Max: float64(maxTime), Check: checkGate,
		},
		{
			Name: "mode", Title: "singles: counts of the four inputs; pairs: besides the pairs 1-3 1-4 2-3 2-4; timestamp: a time tag of 2 ns for each event",
			Kind: device.Enum, Choices: []string{"singles", "pairs", "timestamp"}, Default: "as it is, singles where it was left in timestamp",
		},
		{
			Name: "level", Title: "kind of the input pulses; sets the threshold that the unit has for them",
			Kind: device.Enum, Choices: []string{"ttl", "nim"}, Default: "as it is",
		},
		{
			Name: "threshold", Title: "input threshold, negative for negative pulses; not together with level",
			Kind: device.Number, Unit: "V", Default: "as it is", Min: -maxVolt, Max: maxVolt,
		},
		{
			Name: "refclk", Title: "reference clock; auto takes the external one where there is one",
			Kind: device.Enum, Choices: clocks, Default: "as it is",
		},
	},
	Inputs: device.Inputs{
		Title: `S1 to S4, or "input 1" to "input 4"; in mode pairs also P13 P14 P23 P24, or "pair 1-3" and so on`,
		May:   channelInput.MatchString,
		Tags: func(s device.Settings) (device.Tick, bool) {
			return device.Tick{Num: tickNs, Den: 1e9}, s["mode"] == "timestamp"
		},
		Known: func(s device.Settings) []device.Channel {
			word, _ := s["mode"].(string)
			return channels(modes[word]) // the inputs, in any case
		},
	},
	Advise:  advise,
	Open:    open,
	Cut:     cut,
	CutTalk: cutTalk,
	Quirks:  quirks,
	About:   about,
}

var channelInput = regexp.MustCompile(`^(S[1-4]|P[12][34]|input [1-4]|pair [12]-[34])$`)

// channels are those of a mode, in the order of the answers or of a record's bits.
func channels(m mode) []device.Channel {
	kind := device.Count
	if m == timestamp {
		kind = device.Tag
	}
	var list []device.Channel
	for n := range inputs {
		list = append(list, device.Channel{Name: fmt.Sprintf("S%d", n+1), Input: fmt.Sprintf("input %d", n+1), Kind: kind})
	}
	if m != pairs {
		return list
	}
	for _, p := range [][2]int{{1, 3}, {1, 4}, {2, 3}, {2, 4}} {
		list = append(list, device.Channel{Name: fmt.Sprintf("P%d%d", p[0], p[1]), Input: fmt.Sprintf("pair %d-%d", p[0], p[1]), Kind: device.Count})
	}
	return list
}

func checkGate(v any) error {
	if d, ok := v.(time.Duration); ok && d%time.Millisecond != 0 {
		return fmt.Errorf("gate = %v: the unit counts whole milliseconds", d)
	}
	return nil
}

// deadGate is from where on the pauses between two measurements hardly matter.
const deadGate = 100 * time.Millisecond

// advise implements device.Driver.Advise.
func advise(s device.Settings) []device.Advice {
	var list []device.Advice
	if gate, named := s.Gate(); named && gate < deadGate && s["mode"] != "timestamp" {
		list = append(list, device.Advice{Option: "gate", Text: fmt.Sprintf(
			"the unit counts nothing between two measurements, usually for some ms: at %v it misses a good part of the light; 1s misses little", gate)})
	}
	if _, named := s.Gate(); named && s["mode"] == "timestamp" {
		list = append(list, device.Advice{Option: "gate", Text: "a stream of time stamps has no gates: leave gate out, or the unit is not opened; [[device.counts]] makes counts of the tags"})
	}
	if s["level"] != nil && s["threshold"] != nil {
		list = append(list, device.Advice{Option: "threshold", Text: "level sets a threshold too: name one of the two, or the unit is not opened"})
	}
	return list
}

// reader reads in one of the two ways there are.
type reader interface {
	// fill appends to b what has come, and waits no longer than device.MaxWait.
	fill(b *device.Batch) error
	// stop tells the unit to end what does not end by itself. It may be called while
	// fill waits.
	stop() error
}

// source is an open TDC1.
type source struct {
	reader
	port    device.Port
	desc    device.Description
	opened  *device.Event
	lack    *device.Event // of its reference clock
	failed  error         // returned again by every Read after the first failure
	closing sync.Once
}

// Describe returns what the unit said of itself.
func (s *source) Describe() device.Description { return s.desc }

// Close closes the port and frees a blocked Read. A measurement that goes on is
// left to end by itself, a stream of time stamps is ended.
func (s *source) Close() (err error) {
	s.closing.Do(func() {
		err = s.stop()
		if errors.Is(err, device.ErrGone) || errors.Is(err, device.ErrClosed) {
			err = nil // there is nobody left to tell
		}
		if err != nil {
			err = &device.Error{Op: "close", Port: s.port.Name(), Err: fmt.Errorf("the stream was left on: %w", err)}
		}
		err = errors.Join(err, s.port.Close())
	})
	return err
}

// Read implements device.Source. A question stays open over as many Reads as its
// gate takes.
func (s *source) Read(b *device.Batch) error {
	if s.opened != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.opened})
		s.opened = nil
	}
	if s.lack != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.lack})
		s.lack = nil
	}
	if s.failed != nil {
		return s.failed
	}
	if err := s.fill(b); err != nil {
		s.failed = &device.Error{Op: "read", Port: s.port.Name(), Err: err}
	}
	return s.failed
}
