package sr400

import (
	"fmt"
	"math"
	"slices"
	"time"

	"photongate/device"
)

// Driver reads the SR400.
var Driver = device.Driver{
	Name:      "sr400",
	Title:     "Stanford Research SR400 two-channel gated photon counter",
	Transport: device.Serial,
	Line:      device.Line{Baud: 9600},
	Identity:  device.Assumed, // there is no *IDN?
	Options:   options(),
	Inputs: device.Inputs{
		Title: `A and B, or "counter A" and "counter B"; B is none where it is what is counted to (mode "a_for_b")`,
		May: func(input string) bool {
			return slices.Contains([]string{"A", "B", "counter A", "counter B"}, input)
		},
		Known: func(s device.Settings) []device.Channel {
			return channelList(s["mode"] == modes[3], s["mode"] == modes[1])
		},
	},
	Advise:  advise,
	Open:    open,
	Cut:     cut,
	CutTalk: cutTalk,
	Quirks:  quirks,
	About:   about,
}

// options are those of driver and line, then those of the instrument.
func options() []device.Option {
	asIs := func(o device.Option) device.Option {
		o.Default = "as it is"
		return o
	}
	enum := func(name, title string, choices ...string) device.Option {
		return asIs(device.Option{Name: name, Title: title, Kind: device.Enum, Choices: choices})
	}
	volt := func(name, title string, most float64, guarded bool) device.Option {
		return asIs(device.Option{Name: name, Title: title, Kind: device.Number, Unit: "V", Min: -most, Max: most, Live: true, Guarded: guarded})
	}
	live := func(o device.Option) device.Option {
		o.Live = true
		return o
	}
	period := func(name, title string, least, most time.Duration) device.Option {
		return asIs(device.Option{Name: name, Title: title, Kind: device.Duration, Min: float64(least), Max: float64(most)})
	}
	digit := func(o device.Option) device.Option {
		o.Check = checkDigit(o.Name)
		return o
	}
	const longest = 999200 * time.Microsecond // gate delay and width
	return []device.Option{
		digit(period("gate", "how long a period counts, of one significant digit: T preset on the 10 MHz clock", tick, 90000*time.Second)),
		digit(period("dwell", "pause between two periods, of one significant digit; 0s: until an external signal", 0, time.Minute)),
		{
			Name: "start", Title: "reset the counters and start counting when the instrument is opened, and again after each scan",
			Kind: device.Bool, Default: "false: what it counts is read, and somebody presses START",
		},
		enum("mode", "what is counted: a_for_b counts A until B has reached its preset; setting it resets the counters", modes...),
		digit(asIs(device.Option{Name: "t_preset", Title: "T preset in counts, where T is not on the 10 MHz clock; of one significant digit",
			Kind: device.Number, Min: 1, Max: 9e11})),
		digit(asIs(device.Option{Name: "b_preset", Title: "B preset in counts (mode a_for_b), of one significant digit",
			Kind: device.Number, Min: 1, Max: 9e11})),
		asIs(device.Option{Name: "periods", Title: "periods of a scan", Kind: device.Integer, Min: 1, Max: maxPoints}),
		enum("at_end", "what happens at the end of a scan", ends...),
		enum("input_a", "what counter A counts", inputs[0], inputs[1]),
		enum("input_b", "what counter B counts", inputs[1], inputs[2]),
		enum("input_t", "what counter T counts", inputs[0], inputs[2], inputs[3]),
		volt("threshold_a", "discriminator level of A, in steps of 0.2 mV", 0.3, false),
		volt("threshold_b", "discriminator level of B, in steps of 0.2 mV", 0.3, false),
		volt("threshold_t", "trigger level", 2, false),
		live(enum("slope_a", "discriminator slope of A", slopes...)),
		live(enum("slope_b", "discriminator slope of B", slopes...)),
		live(enum("slope_t", "trigger slope", slopes...)),
		enum("gate_input_a", "gate of A: always open, or fixed after each trigger", gates[0], gates[1]),
		enum("gate_input_b", "gate of B: always open, or fixed after each trigger", gates[0], gates[1]),
		live(period("gate_delay_a", "from trigger to gate A", 0, longest)),
		live(period("gate_delay_b", "from trigger to gate B", 0, longest)),
		live(period("gate_width_a", "width of gate A", 5*time.Nanosecond, longest)),
		live(period("gate_width_b", "width of gate B", 5*time.Nanosecond, longest)),
		volt("port_1", "output at the rear, PORT 1", 10, true),
		volt("port_2", "output at the rear, PORT 2", 10, true),
		live(enum("panel", "who may change settings at the front panel: remote locks all keys but LOCAL, locked this one as well", remotes...)),
		{
			Name: "baud", Title: "baud rate as set in the instrument's COM menu, with 8 bits, no parity, echo off",
			Kind: device.Integer, Unit: "Bd", Default: "9600", Min: 1200, Max: 19200, Check: checkBaud,
		},
		{Name: "adapter", Title: "what is between, if it is not plain RS-232", Kind: device.Enum, Choices: []string{"none", "prologix"}, Default: "none"},
		{Name: "address", Title: "GPIB address, with an adapter", Kind: device.Integer, Default: fmt.Sprint(defaultAddress), Min: 0, Max: 30},
	}
}

// defaultAddress is the GPIB address of an SR400 that nobody has changed.
const defaultAddress = 23

func checkDigit(name string) func(v any) error {
	return func(v any) error {
		n := number(v)
		switch d, isDuration := v.(time.Duration); {
		case !oneDigit(n):
			return fmt.Errorf("%s = %v: the instrument keeps one significant digit, as in %v", name, v, oneDigitOf(v))
		case name == "dwell" && d > 0 && d < 2*time.Millisecond:
			return fmt.Errorf("dwell = %v: at least 2ms, or 0s for an external signal", d)
		case !isDuration && n != math.Trunc(n):
			return fmt.Errorf("%s = %v: a whole number of counts", name, v)
		}
		return nil
	}
}

// oneDigitOf is the next lower value of one significant digit.
func oneDigitOf(v any) any {
	n := number(v)
	unit := math.Pow(10, math.Floor(math.Log10(n)))
	lower := math.Floor(n/unit) * unit
	if _, isDuration := v.(time.Duration); isDuration {
		return time.Duration(math.Round(lower*1e9)) * time.Nanosecond
	}
	return lower
}

// rates are the baud rates a conversation can be held at; 300 and 600 are too slow
// to open the instrument in the time there is.
var rates = []int64{1200, 2400, 4800, 9600, 19200}

func checkBaud(v any) error {
	if n, ok := v.(int64); ok && !slices.Contains(rates, n) {
		return fmt.Errorf("baud = %d: one of %v", n, rates)
	}
	return nil
}

// advise implements device.Driver.Advise.
func advise(s device.Settings) []device.Advice {
	var list []device.Advice
	tell := func(option, text string) { list = append(list, device.Advice{Option: option, Text: text}) }
	if gate, named := s.Gate(); named {
		if gate < 100*time.Millisecond {
			tell("gate", "each point takes some 0.1 s to be read at 9600 Bd: shorter gates are read later, and a scan of 2000 has to wait for it")
		}
		if t, named := s["input_t"]; named && t != inputs[0] {
			tell("gate", `a gate is timed by the 10 MHz clock, and input_t names another: name t_preset instead`)
		}
		if s["t_preset"] != nil {
			tell("t_preset", "gate and t_preset are one and the same preset: gate holds")
		}
	}
	if s["start"] != true {
		tell("start", "the instrument is read as it counts; with start = true photongate starts it, and again after each scan")
	}
	if s["at_end"] == ends[1] && s["dwell"] == time.Duration(0) {
		tell("at_end", "without a known dwell time nobody can tell the first points of a new scan from the old ones")
	}
	return list
}

// channelList are the channels: B is none where it is counted to, and a
// difference may be negative.
func channelList(onlyA, difference bool) []device.Channel {
	list := []device.Channel{
		{Name: "A", Input: "counter A", Kind: device.Count, Signed: difference},
		{Name: "B", Input: "counter B", Kind: device.Count, Signed: difference},
	}
	if onlyA {
		list = list[:1]
	}
	return list
}

// source is an open SR400.
type source struct {
	scan
	box     *opening
	desc    device.Description
	opened  *device.Event
	before  *device.Batch // what was read while a setting was changed or asked for
	checked int           // how many items a Check that goes on has asked for
	failed  error         // returned again by every Read after the first failure
}

// Describe returns what the instrument says of itself.
func (s *source) Describe() device.Description { return s.desc }

// Close closes the port and frees a blocked Read. The instrument counts on.
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
		s.failed = deviceError("read", s.box.port, err)
	}
	return s.failed
}
