package ni6501

import (
	"fmt"
	"time"

	"photongate/device"
)

const (
	defaultGate = 100 * time.Millisecond
	minGate     = 10 * time.Millisecond
	maxGate     = 60 * time.Second // 32 bits hold 86 s at a rate no input reaches
)

// The words of the option counter.
const (
	wordStart   = "start"
	wordRestart = "restart"
)

// Driver reads the NI USB-6501.
var Driver = device.Driver{
	Name:      "ni6501",
	Title:     "National Instruments USB-6501, its counter",
	Transport: device.USB,
	USB:       []device.USBID{{Vendor: 0x3923, Product: 0x718a}},
	Identity:  device.Confirmed,
	Options: []device.Option{
		{
			Name: "gate", Title: "how often this computer reads the total",
			Kind: device.Duration, Default: "100ms", Min: float64(minGate), Max: float64(maxGate),
		},
		{
			Name: "counter", Title: `"start": start it, its total stays; "restart": stop it, set it to zero, start it`,
			Kind: device.Enum, Choices: []string{wordStart, wordRestart}, Default: "as it is; whether it runs cannot be asked",
		},
	},
	Inputs: device.Inputs{
		Title: `C0, or "counter 0"`,
		May:   func(input string) bool { return input == "C0" || input == "counter 0" },
		Known: func(device.Settings) []device.Channel { return channels() },
	},
	Advise: func(s device.Settings) []device.Advice {
		if _, named := s["counter"]; named {
			return nil
		}
		return []device.Advice{{Option: "counter", Text: `a counter that no program has started stands still; counter = "start" starts it`}}
	},
	Open:   open,
	Quirks: quirks,
	About:  about,
}

func channels() []device.Channel {
	return []device.Channel{{Name: "C0", Input: "counter 0", Kind: device.Total, Width: 32}}
}

// quirks are what public sources leave open.
var quirks = []device.Quirk{
	{
		Name: "answers that are none", Title: "any answer that is not the one expected is an error; what they mean is not public", Source: "torvalds/linux drivers/comedi/drivers/ni_usb6501.c",
		Met: func(talk []device.Exchange) string {
			n := 0
			for _, e := range talk {
				if _, err := parseTotal(e.Bytes); !e.Sent && len(e.Bytes) > 0 && err != nil && parseDone(e.Bytes) != nil {
					n++
				}
			}
			return told(n, "answers that are none the device is known to give")
		},
	},
	{
		Name: "stands still", Title: "whether the counter runs after it was plugged in is not known, and cannot be asked", Source: "torvalds/linux drivers/comedi/drivers/ni_usb6501.c sends start and stop, and asks for neither",
		Met: func(talk []device.Exchange) string {
			n, last := 0, uint32(0)
			for _, e := range talk {
				v, err := parseTotal(e.Bytes)
				if e.Sent || err != nil {
					continue
				}
				if n > 0 && v != last {
					return ""
				}
				n, last = n+1, v
			}
			if n < 2 {
				return ""
			}
			return told(n, fmt.Sprintf("totals, all of them %d", last))
		},
	},
}

// told is "3 of what", or nothing for none.
func told(n int, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}
