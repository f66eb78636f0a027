package h11890

import (
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

const (
	minGate    = time.Millisecond
	maxGate    = 60 * time.Second
	maxVoltage = 1000
)

// The words of the option overload.
const (
	overloadNone  = "none"
	overloadBit15 = "bit15"
)

const pyHardware = "DCC-Lab/PyHardwareLibrary, commit 8fed8bb, hardwarelibrary/photoncounters/hamamatsu.py"

// Driver reads the Hamamatsu H11890.
var Driver = device.Driver{
	Name:      "h11890",
	Title:     "Hamamatsu H11890 photon counting head",
	Transport: device.USB,
	USB:       []device.USBID{{Vendor: 0x0661, Product: 0x3705}},
	Identity:  device.Confirmed,
	Options: []device.Option{
		{
			Name: "gate", Title: "integration time, in steps of 10 us",
			Kind: device.Duration, Default: "as it is", Min: float64(minGate), Max: float64(maxGate), Check: checkGate,
		},
		{
			Name: "high_voltage", Title: "high voltage of the photomultiplier; 0 switches it off",
			Kind: device.Integer, Unit: "V", Default: "as it is", Min: 0, Max: maxVoltage, Guarded: true,
		},
		{
			Name: "correction", Title: "have the head correct its counts (start with M instead of C); what it corrects is not published",
			Kind: device.Bool, Default: "false",
		},
		{
			Name: "overload", Title: `what says that there was too much light: nothing, or bit 15 of the count, which real counts above 32767 have as well`,
			Kind: device.Enum, Choices: []string{overloadNone, overloadBit15}, Default: overloadNone,
		},
	},
	Inputs: device.Inputs{
		Title: `PMT, or "counter"`,
		May:   func(input string) bool { return input == "PMT" || input == "counter" },
		Known: func(device.Settings) []device.Channel { return channels() },
	},
	Advise: advise,
	Open:   open,
	Quirks: quirks,
	About:  about,
}

func checkGate(v any) error {
	if d, ok := v.(time.Duration); ok && d%tick != 0 {
		return fmt.Errorf("gate = %v: the head has steps of %v", d, tick)
	}
	return nil
}

// advise implements device.Driver.Advise.
func advise(s device.Settings) []device.Advice {
	var list []device.Advice
	if _, named := s["high_voltage"]; !named {
		list = append(list, device.Advice{Option: "high_voltage", Text: "the high voltage stays as it is, which may be off: the counts are almost zero then"})
	}
	if s["correction"] == true {
		list = append(list, device.Advice{Option: "correction", Text: "what the head does to its counts is not recorded anywhere; raw ones can be corrected later, these cannot"})
	}
	return list
}

func channels() []device.Channel {
	return []device.Channel{{Name: "PMT", Input: "counter", Kind: device.Count, Width: 32}}
}

// quirks are what the source warns of or leaves open.
var quirks = []device.Quirk{
	{
		Name: "refusals", Title: "a command that the head does not know is answered BC, also one with a line end", Source: pyHardware,
		Met: counted("answers BC", func(p []byte) bool { _, err := parsePacket(p); return errors.Is(err, errRefused) }),
	},
	{
		Name: "overload bit", Title: "bit 15 of a count is tested for overload, and collides with counts above 32767", Source: pyHardware,
		Met: counted("counts with bit 15", func(p []byte) bool {
			a, err := parsePacket(p)
			return err == nil && a.tag < 'A' && a.value&overloadBit != 0
		}),
	},
	{
		Name: "length", Title: "each packet has 64 bytes", Source: pyHardware,
		Met: counted("packets of another length", func(p []byte) bool { return len(p) > 0 && len(p) < packetBytes }),
	},
}

// counted says how many packets in a conversation fit.
func counted(what string, fits func([]byte) bool) func([]device.Exchange) string {
	return func(talk []device.Exchange) string {
		n := 0
		for _, e := range talk {
			if !e.Sent && fits(e.Bytes) {
				n++
			}
		}
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("%d %s", n, what)
	}
}
