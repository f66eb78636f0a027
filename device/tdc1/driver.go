package tdc1

import (
	"fmt"
	"regexp"
	"time"

	"photongate/device"
)

// maxVolt bounds the option threshold and what LEVEL? may say: the unit's own
// range is not published.
const maxVolt = 5

// Driver reads the TDC1 in its counting modes.
var Driver = device.Driver{
	Name:      "tdc1",
	Title:     "S-Fifteen Instruments TDC1 / USB mini counter, counting modes",
	Transport: device.Serial,
	Line:      device.Line{Baud: 115200}, // older programs set it, newer ones do not
	Identity:  device.Confirmed,
	Options: []device.Option{
		{
			Name: "gate", Title: "integration time of one measurement, whole milliseconds",
			Kind: device.Duration, Default: "as it is, 1s where it has none",
			Min: float64(time.Millisecond), Max: float64(maxTime), Check: checkGate,
		},
		{
			Name: "mode", Title: "singles of the four inputs, or besides the pairs 1-3 1-4 2-3 2-4",
			Kind: device.Enum, Choices: []string{"singles", "pairs"}, Default: "as it is, singles where it takes time stamps",
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

// channels are those of a counting mode, in the order of the answers.
func channels(m mode) []device.Channel {
	var list []device.Channel
	for n := range inputs {
		list = append(list, device.Channel{Name: fmt.Sprintf("S%d", n+1), Input: fmt.Sprintf("input %d", n+1), Kind: device.Count})
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
	if gate, named := s.Gate(); named && gate < deadGate {
		list = append(list, device.Advice{Option: "gate", Text: fmt.Sprintf(
			"the unit counts nothing between two measurements, usually for some ms: at %v it misses a good part of the light; 1s misses little", gate)})
	}
	if s["level"] != nil && s["threshold"] != nil {
		list = append(list, device.Advice{Option: "threshold", Text: "level sets a threshold too: name one of the two, or the unit is not opened"})
	}
	return list
}

// source is an open TDC1.
type source struct {
	*counting
	desc   device.Description
	opened *device.Event
	failed error // returned again by every Read after the first failure
}

// Describe returns what the unit said of itself.
func (s *source) Describe() device.Description { return s.desc }

// Close closes the port and frees a blocked Read. A measurement that goes on is
// left to end by itself.
func (s *source) Close() error { return s.port.Close() }

// Read implements device.Source. A question stays open over as many Reads as its
// gate takes.
func (s *source) Read(b *device.Batch) error {
	if s.opened != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.opened})
		s.opened = nil
	}
	if s.failed != nil {
		return s.failed
	}
	if err := s.fill(b); err != nil {
		s.failed = &device.Error{Op: "read", Port: s.port.Name(), Err: err}
	}
	return s.failed
}
