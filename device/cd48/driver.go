package cd48

import (
	"fmt"
	"regexp"
	"time"

	"photongate/device"
)

const (
	minPollGate   = 10 * time.Millisecond
	minRepeatGate = 100 * time.Millisecond // the box clamps below
	maxGate       = 65535 * time.Millisecond
	defaultPoll   = 100 * time.Millisecond
)

// Driver reads the CD48 coincidence counter.
var Driver = device.Driver{
	Name:      "cd48",
	Title:     "Red Dog Physics CD48 coincidence counter",
	Transport: device.Serial,
	USB:       []device.USBID{{Vendor: 0x04b4, Product: 0xf232, Shared: true}}, // Cypress' stock USBUART id
	Line:      device.Line{Baud: 115200},
	Identity:  device.Confirmed,
	Options: []device.Option{
		{
			Name: "gate", Title: "interval one count integrates; from 100ms on the box times it itself",
			Kind: device.Duration, Default: "as the box repeats, else asked every 100ms",
			Min: float64(minPollGate), Max: float64(maxGate), Check: checkGate,
		},
		{
			Name: "threshold", Title: "input threshold, in steps of 16 mV",
			Kind: device.Number, Unit: "V", Default: "as it is", Max: maxVolt, Live: true,
		},
		{
			Name: "impedance", Title: "input impedance",
			Kind: device.Enum, Choices: []string{"50", "high"}, Default: "as it is", Live: true,
		},
		{
			Name: "dac", Title: "output voltage, in steps of 16 mV",
			Kind: device.Number, Unit: "V", Default: "as it is", Max: maxVolt, Live: true, Guarded: true,
		},
		{
			Name: "coincidences", Title: `what counters count, as in "4=AB 5=AC"`,
			Kind: device.Text, Default: "as it is",
			Check: func(v any) error {
				s, _ := v.(string)
				_, err := parseCoincidences(s)
				return err
			},
		},
		{
			Name: "terminator", Title: "what ends a command",
			Kind: device.Enum, Choices: []string{"cr", "lf", "none"}, Default: "cr",
		},
	},
	Inputs: device.Inputs{
		Title: `what a counter counts, as "A" or "ABD", or "counter 0" to "counter 7"`,
		May:   channelInput.MatchString,
		Known: knownChannels,
		// OpenPhysics/pycd48 (25 ns); MATLAB programs of Khajavi and Galvez (20 ns).
		Window: "programs used with the CD48 take 25 ns or 20 ns for it; it cannot be set",
	},
	Advise: advise,
	Open:   open,
	Cut:    cut,
	Quirks: quirks,
	About:  about,
}

// channelInput matches what describe makes of masks, known or not, and counters.
var channelInput = regexp.MustCompile(`^((A|A?B|A?B?C|A?B?C?D)(_[0-7])?|C[0-7]|counter [0-7])$`)

func checkGate(v any) error {
	d, ok := v.(time.Duration)
	if ok && d >= minRepeatGate && d%time.Millisecond != 0 {
		return fmt.Errorf("gate = %v: from 100ms on the box counts whole milliseconds", d)
	}
	return nil
}

// knownChannels implements device.Inputs.Known.
func knownChannels(s device.Settings) []device.Channel {
	list, _ := s["coincidences"].(string)
	masks, err := parseCoincidences(list)
	if err != nil {
		masks = nil
	}
	channels := make([]device.Channel, counters)
	for n := range channels {
		channels[n] = device.Channel{Name: inputs(masks[n]), Input: fmt.Sprintf("counter %d", n), Kind: device.Count, Width: widthOf(n)}
	}
	return channels
}

// advise implements device.Driver.Advise.
func advise(s device.Settings) []device.Advice {
	gate, named := s.Gate()
	if !named || gate >= minRepeatGate {
		return nil
	}
	return []device.Advice{{Option: "gate", Text: fmt.Sprintf(
		"the box times gates from %v on itself; shorter ones are polled by this computer, which knows their edges to some ms", minRepeatGate)}}
}

// reader is one of the two ways of reading counts. lend hands the port over for
// a conversation, with what was received and not yet taken, and giveBack takes
// it again. doubt has readings flagged whose settings are not verified.
type reader interface {
	read(b *device.Batch) error
	lend(t *talk) error
	giveBack(t *talk)
	doubt()
}

// source is an open CD48.
type source struct {
	reader
	port   device.Port
	box    *opening // what was learned and pushed, and the conversation
	desc   device.Description
	opened *device.Event
	failed error // returned again by every Read after the first failure
}

// Describe returns what the box said of itself.
func (s *source) Describe() device.Description { return s.desc }

// Close closes the port and frees a blocked Read.
func (s *source) Close() error { return s.port.Close() }

// Read implements device.Source.
func (s *source) Read(b *device.Batch) error {
	if s.opened != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.opened})
		s.opened = nil
	}
	if s.failed != nil {
		return s.failed
	}
	if err := s.read(b); err != nil {
		s.failed = &device.Error{Op: "read", Port: s.port.Name(), Err: err}
	}
	return s.failed
}

// rows appends readings to a batch and judges their values.
type rows struct {
	subsets    []subset
	unverified bool
}

// subset says that a counter cannot count more than another.
type subset struct{ all, one int }

// subsets returns which counter counts a coincidence of what another counts
// alone.
func subsets(masks [counters]uint8) []subset {
	var list []subset
	for all, m := range masks {
		for one, s := range masks {
			if s != 0 && s&(s-1) == 0 && m != s && m&s == s {
				list = append(list, subset{all, one})
			}
		}
	}
	return list
}

// doubt implements reader.
func (r *rows) doubt() { r.unverified = true }

// add appends the values and flags of one reading.
func (r *rows) add(b *device.Batch, c counts, flags device.ReadingFlags) {
	if r.unverified {
		flags |= device.Unverified
	}
	for n, v := range c.value {
		var f device.ChannelFlags
		if c.status>>n&1 != 0 {
			f |= device.Overflow
		}
		if v > limit(n) {
			f |= device.Suspect
			flags |= device.Implausible
		}
		b.Values[n] = append(b.Values[n], v)
		b.ValueFlags[n] = append(b.ValueFlags[n], f)
	}
	for _, s := range r.subsets {
		if c.value[s.all] > c.value[s.one] && c.status>>s.one&1 == 0 {
			flags |= device.Implausible
		}
	}
	b.Flags = append(b.Flags, flags)
}
