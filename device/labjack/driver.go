package labjack

import (
	"regexp"
	"time"

	"photongate/device"
)

const (
	defaultGate = 100 * time.Millisecond
	minGate     = 10 * time.Millisecond
	maxGate     = 100 * time.Second // a counter of 32 bits wraps in 7 minutes at 10 MHz
	maxPin      = 8
)

// The words of the option read.
const (
	readClear = "clear"
	readTotal = "total"
)

// ids are those of the models with such counters.
var ids = []device.USBID{{Vendor: 0x0cd5, Product: productU3}, {Vendor: 0x0cd5, Product: productU6}}

// Driver reads the counters of the LabJack U3 and U6.
var Driver = device.Driver{
	Name:      "labjack",
	Title:     "LabJack U3 or U6, counters 0 and 1",
	Transport: device.USB,
	USB:       ids,
	Identity:  device.Confirmed,
	Options: []device.Option{
		{
			Name: "gate", Title: "how often this computer reads the counters",
			Kind: device.Duration, Default: "100ms", Min: float64(minGate), Max: float64(maxGate),
		},
		{
			Name: "counters", Title: "which counters to read; those that are not enabled yet are, and their pins made digital inputs",
			Kind: device.Enum, Choices: []string{"0", "1", "both"}, Default: "those found enabled; nothing is set",
		},
		{
			Name: "pin", Title: "pin of the first timer or counter: 4 is FIO4, 8 is EIO0; 4 to 8 on a U3, 0 to 8 on a U6; needs counters",
			Kind: device.Integer, Default: "as it is; FIO4 on a U3 where it is lower", Min: 0, Max: maxPin,
		},
		{
			Name: "read", Title: `"clear": each reading clears the counters; "total": they run on and nothing is lost with an answer`,
			Kind: device.Enum, Choices: []string{readClear, readTotal}, Default: readClear,
		},
	},
	Inputs: device.Inputs{
		Title: `C0, C1, or "counter 0", "counter 1"`,
		May:   regexp.MustCompile(`^(C|counter )[01]$`).MatchString,
		Known: func(s device.Settings) []device.Channel {
			word, _ := s["counters"].(string)
			enabled, named := countersOf(word)
			if !named {
				return nil
			}
			return channels(pins{counters: enabled}, s["read"] == readTotal)
		},
	},
	Advise: advise,
	Open:   open,
	Quirks: quirks,
	About:  aboutLabJack,
}

// countersOf is the set of counters a word of the option names.
func countersOf(word string) (byte, bool) {
	for set, w := range counterWords {
		if w == word && set != 0 {
			return byte(set), true
		}
	}
	return 0, false
}

// advise implements device.Driver.Advise.
func advise(s device.Settings) []device.Advice {
	if _, named := s["counters"]; named {
		return nil
	}
	text := "a freshly plugged LabJack has no counter enabled: name counters, or enable them with another program first"
	if _, named := s["pin"]; named {
		return []device.Advice{{Option: "pin", Text: "pin has no effect without counters; " + text}}
	}
	return []device.Advice{{Option: "counters", Text: text}}
}

// channels are the channels of the counters that are enabled.
func channels(s pins, total bool) []device.Channel {
	kind := device.Count
	if total {
		kind = device.Total
	}
	var list []device.Channel
	for _, c := range s.list() {
		list = append(list, device.Channel{
			Name: []string{"C0", "C1"}[c], Input: []string{"counter 0", "counter 1"}[c], Kind: kind, Width: 32,
		})
	}
	return list
}
