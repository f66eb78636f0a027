package mccctr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

const (
	productCTR08 = 0x0127
	productCTR04 = 0x012e
	mostCounters = 8

	defaultGate = 100 * time.Millisecond
	minGate     = time.Millisecond
	minPoll     = 10 * time.Millisecond // eight questions take some milliseconds
	maxGate     = 40 * time.Second      // 32 bits of 96 MHz
)

// The words of the option read.
const (
	readTotal = "total"
	readClear = "clear"
	readScan  = "scan"
)

// debounceTimes are what the option debounce takes, in the order of the device's
// own numbers.
var debounceTimes = []string{"none", "500ns", "1500ns", "3500ns", "7500ns", "15500ns", "31500ns", "63500ns", "127500ns",
	"100us", "300us", "700us", "1500us", "3100us", "6300us", "12700us", "25500us"}

// ids are those of the two models.
var ids = []device.USBID{{Vendor: 0x09db, Product: productCTR08}, {Vendor: 0x09db, Product: productCTR04}}

// Driver reads the USB-CTR04 and USB-CTR08.
var Driver = device.Driver{
	Name:      "mccctr",
	Title:     "Measurement Computing USB-CTR04 / USB-CTR08 counters",
	Transport: device.USB,
	USB:       ids,
	Identity:  device.Confirmed,
	Options: []device.Option{
		{
			Name: "image", Title: "path of the file usb-ctr.rbf, which is sent to a device that was just plugged in; it comes with the maker's software and with mcc-libusb",
			Kind: device.Text, Default: "none: another program has sent it",
		},
		{
			Name: "gate", Title: `how often the counters are read; below 10ms only where read is "scan"`,
			Kind: device.Duration, Default: "100ms", Min: float64(minGate), Max: float64(maxGate),
		},
		{
			Name: "counters", Title: `which counters to read: "0 1 5"`,
			Kind: device.Text, Default: "all", Check: func(v any) error { _, err := parseCounters(v); return err },
		},
		{
			Name: "read", Title: `"total": this computer asks for running totals; "clear": each reading clears the counters; "scan": the device reads them by its own clock`,
			Kind: device.Enum, Choices: []string{readTotal, readClear, readScan}, Default: "as the counters are set: cleared by reading where all are, else total",
		},
		{Name: "edge", Title: "edge of a pulse that is counted", Kind: device.Enum, Choices: []string{"rising", "falling"}, Default: "as it is"},
		{
			Name: "debounce", Title: "how long an input must be steady to be counted; pulses that are shorter are not",
			Kind: device.Enum, Choices: debounceTimes, Default: "as it is",
		},
		{
			Name: "gate_input", Title: "count always, or only while the gate input of the counter is high, or low",
			Kind: device.Enum, Choices: []string{"off", "high", "low"}, Default: "as it is",
		},
	},
	Inputs: device.Inputs{
		Title: `C0 to C7 (C3 on a USB-CTR04), or "counter 0" and so on`,
		May: func(input string) bool {
			n, long := strings.CutPrefix(input, "counter ")
			if !long {
				n, long = strings.CutPrefix(input, "C")
			}
			return long && len(n) == 1 && n[0] >= '0' && n[0] < '0'+mostCounters
		},
		Known: func(s device.Settings) []device.Channel {
			list, err := parseCounters(s["counters"])
			if err != nil || list == nil {
				return nil
			}
			return channels(list, s["read"] != readClear)
		},
	},
	Advise: advise,
	Open:   open,
	Quirks: quirks,
	About:  about,
}

// parseCounters reads the option counters; nil for all.
func parseCounters(v any) ([]int, error) {
	text, _ := v.(string)
	var list []int
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n >= mostCounters || slices.Contains(list, n) {
			return nil, fmt.Errorf("counters = %q: expected numbers from 0 to 7, each once, such as \"0 1 5\"", text)
		}
		list = append(list, n)
	}
	slices.Sort(list)
	return list, nil
}

// advise implements device.Driver.Advise.
func advise(s device.Settings) []device.Advice {
	var list []device.Advice
	if _, named := s["image"]; !named {
		list = append(list, device.Advice{Option: "image", Text: "after each plugging in the device needs its image; without the option image another program must send it"})
	}
	if gate, named := s.Gate(); named && gate < minPoll && s["read"] != readScan {
		list = append(list, device.Advice{Option: "gate", Text: fmt.Sprintf(`gates below %v need read = "scan"`, minPoll)})
	}
	return list
}

// channels are the channels of some counters.
func channels(counters []int, total bool) []device.Channel {
	kind := device.Count
	if total {
		kind = device.Total
	}
	var list []device.Channel
	for _, c := range counters {
		list = append(list, device.Channel{Name: fmt.Sprintf("C%d", c), Input: fmt.Sprintf("counter %d", c), Kind: kind, Width: 64})
	}
	return list
}

const usbCTR = "wjasper/Linux_Drivers USB/mcc-libusb/usb-ctr.c"

// quirks are what public sources warn of or leave open.
var quirks = []device.Quirk{
	{
		Name: "image", Title: "after it was plugged in the device has no logic and counts nothing until its image is sent", Source: usbCTR,
		Met: func(talk []device.Exchange) string {
			for _, e := range talk {
				if status, err := parseStatus(e.Bytes); !e.Sent && err == nil {
					if status&statusConfigured == 0 {
						return fmt.Sprintf("status %04x says that there is none", status)
					}
					return ""
				}
			}
			return ""
		},
	},
	{
		Name: "empty packet", Title: "a scan with an end whose bytes fill whole packets is followed by an empty one", Source: usbCTR,
		Met: func(talk []device.Exchange) string {
			n := 0
			for _, e := range talk {
				if !e.Sent && len(e.Bytes) == 0 {
					n++
				}
			}
			if n == 0 {
				return ""
			}
			return fmt.Sprintf("%d empty packets", n)
		},
	},
}
