package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"photongate/device/all"
)

// drivers runs photongate drivers and returns what it prints.
func drivers(t *testing.T, args ...string) string {
	t.Helper()
	c := newDriversCommand()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs(args)
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDriversListsAll(t *testing.T) {
	out := drivers(t)
	for _, d := range all.Drivers() {
		if !strings.Contains(out, "\n"+d.Name+" ") {
			t.Errorf("no %s in\n%s", d.Name, out)
		}
	}
	if strings.Contains(out, ", 0 8N1") {
		t.Errorf("a USB instrument has no line:\n%s", out)
	}
}

func TestDriversShowsOne(t *testing.T) {
	file := filepath.Join(write(t, map[string]string{"my.toml": counterFile}), "my.toml")
	for name, want := range map[string][]string{
		"cd48":      {"04b4:f232", "four inputs A, B, C, D", "threshold   number, 0 to 4.08 V", "counter 7  count  16 bits", "hardware: none yet", "OpenPhysics/pycd48"},
		"labjack":   {"USB by libusb, interface 0", "0cd5:0003, 0cd5:0006", "LabJackPython"},
		"freqcount": {"serial, 57600 8N1", "photonsim plays it from the same file", "hardware: none yet"},
		file:        {"a counter somebody soldered", "the readings they mean: 1", "hardware: none yet"},
	} {
		out := drivers(t, name)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("drivers %s: no %q in\n%s", name, w, out)
			}
		}
	}
}

// What programs read is what people read.
func TestDriversAsJSON(t *testing.T) {
	var list []driverJSON
	if err := json.Unmarshal([]byte(drivers(t, "--json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != len(all.Drivers()) {
		t.Errorf("%d drivers, want %d", len(list), len(all.Drivers()))
	}
	for _, d := range list {
		if (d.Transport == "serial") != (d.Line != "") || len(d.Verified) == 0 || len(d.Sources) == 0 {
			t.Errorf("%s: transport %q, line %q, verified %q, sources %q", d.Name, d.Transport, d.Line, d.Verified, d.Sources)
		}
		if d.Name == "cd48" && (len(d.Unknown) == 0 || len(d.Quirks) == 0 || len(d.Wiring) == 0 || !d.Options[3].Guarded) {
			t.Errorf("%+v", d)
		}
	}
}
