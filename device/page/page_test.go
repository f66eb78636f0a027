package page

import (
	"strings"
	"testing"
	"time"

	"photongate/device"

	"github.com/google/go-cmp/cmp"
)

// counter is an instrument with something in each part of its page.
var counter = device.Driver{
	Name: "counter", Title: "a <counter> with a | in its name", Transport: device.Serial,
	Line: device.Line{Baud: 9600}, Identity: device.Assumed,
	USB: []device.USBID{{Vendor: 0x0403, Product: 0x6001, Shared: true, Adapter: true}},
	Options: []device.Option{
		{Name: "gate", Title: "how long it counts", Kind: device.Duration, Default: "1s", Min: float64(time.Millisecond), Max: float64(time.Minute)},
		{Name: "dac", Title: "voltage", Kind: device.Number, Unit: "V", Default: "as it is", Max: 4.08, Live: true, Guarded: true},
	},
	Inputs: device.Inputs{Title: "A", Known: func(device.Settings) []device.Channel {
		return []device.Channel{{Name: "A", Input: "counter 0", Kind: device.Count, Width: 24}, {Input: "counter 1", Kind: device.Total}}
	}},
	Quirks: []device.Quirk{{Name: "first line", Title: "is wrong", Source: "its *manual*"}},
	About:  device.About{Wiring: []string{"a plug"}, Unknown: []string{"most of it"}},
}

func TestText(t *testing.T) {
	want := `counter: a <counter> with a | in its name

driver    counter
link      serial, 9600 8N1
USB id    0403:6001 (a serial chip)
identity  assumed: it cannot be asked what it is, its bytes have the right form

Wiring
  - a plug

What a reading is
  see the channels

Settings
  - under [device.options] of the configuration; where one is absent, its default holds
    gate   duration, 1ms to 1m0s
        how long it counts; default: 1s; changed when opened anew
    dac   number, 0 to 4.08 V
        voltage; default: as it is; changed while it is read, from afar only where the configuration allows it
        by name

Channels
  - inputs that [[device.channel]] may name: A
    A                counter 0  count  24 bits
    by the settings  counter 1  total  not known

Quirks
  - first line: is wrong (its *manual*)

How far it is verified
  - random bytes: FuzzLines
  - simulated twin: none yet
  - hardware: none yet

Not known
  - most of it

Sources
  not said
`
	if diff := cmp.Diff(want, Of(counter, Evidence{Fuzz: []string{"FuzzLines"}}).Text()); diff != "" {
		t.Error(diff)
	}
}

func TestMarkdown(t *testing.T) {
	got := Of(counter, Evidence{}).Markdown("A note.")
	for _, want := range []string{
		"DO NOT EDIT. -->\n\n# counter: a \\<counter> with a \\| in its name\n\nA note.\n",
		"| link | serial, 9600 8N1 |\n",
		"\n## Settings\n\n- under [device.options]",
		"| gate | duration, 1ms to 1m0s | how long it counts | 1s | when opened anew |\n",
		"| A | counter 0 | count | 24 bits |\n",
		"- first line: is wrong (its \\*manual\\*)\n",
		"\n## Sources\n\nnot said\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// What was tried with hardware takes the place of the sentence that nothing was.
func TestHardware(t *testing.T) {
	d := counter
	d.About.Hardware = []string{"a unit of 2019, by Ana, 2026-11-02"}
	got := Of(d, Evidence{}).Text()
	if strings.Contains(got, "none yet\n\nNot known") || !strings.Contains(got, "  - hardware: a unit of 2019, by Ana, 2026-11-02\n") {
		t.Error(got)
	}
}

func TestEvidence(t *testing.T) {
	for want, e := range map[string]Evidence{
		"":         {},
		"examples": {Examples: 2},
		"conformance suite, byte tables, conversations, twin, twin to CSV": {Conformance: true, Tables: true, Recordings: []string{"x"}, Twin: true, WholeWay: true},
	} {
		if got := e.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLink(t *testing.T) {
	usb := device.Driver{Transport: device.USB, Interface: 2}
	other := device.Driver{Transport: device.Serial, Line: device.Line{Baud: 9600}, Options: []device.Option{{Name: "baud"}}}
	for want, got := range map[string]string{
		"USB":                        Link(usb),
		"USB by libusb, interface 2": linkInFull(usb),
		"serial, 9600 8N1":           Link(other),
		"serial, 9600 8N1 unless the option baud says otherwise": linkInFull(other),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
