package main

import (
	"testing"

	"photongate/device"
	"photongate/device/all"
)

// Without a configuration an instrument with an id of its own is asked what it is, and
// nothing is sent to whatever hangs on a serial chip.
func TestWhoIsAskedUnbidden(t *testing.T) {
	asked := map[string][]string{}
	for _, d := range all.Drivers() {
		for _, id := range d.USB {
			if mayAsk(d, id) {
				asked[id.String()] = append(asked[id.String()], d.Name)
			}
			if id.Adapter && !id.Shared {
				t.Errorf("%s: %v is an adapter and not shared", d.Name, id)
			}
		}
	}
	if len(asked["04b4:f232"]) != 1 || asked["04b4:f232"][0] != "cd48" {
		t.Errorf("asked are %v", asked)
	}
	for _, chip := range []device.USBID{{Vendor: 0x0403, Product: 0x6001}, {Vendor: 0x067b, Product: 0x2303}, {Vendor: 0x1a86, Product: 0x7523}, {Vendor: 0x10c4, Product: 0xea60}} {
		for _, d := range all.Drivers() {
			if mayAsk(d, chip) {
				t.Errorf("%s would be asked of %v", d.Name, chip)
			}
		}
	}
}
