package gateway

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

// warnedDrivers are a box of two counters, of 24 and of 16 bits, and one of
// which nothing is known.
func warnedDrivers() []device.Driver {
	box := newBench().driver("box")
	box.Inputs = device.Inputs{
		Known: func(s device.Settings) []device.Channel {
			name := ""
			if s["label"] == "named" {
				name = "X"
			}
			return []device.Channel{{Input: "counter 0", Width: 24}, {Input: "counter 1", Name: name, Width: 16}, {Input: "counter 2", Width: 16}}
		},
		Window: "it is about 25 ns",
	}
	box.Advise = func(s device.Settings) []device.Advice {
		if gate, _ := s.Gate(); gate == 50*time.Millisecond {
			return []device.Advice{{Option: "gate", Text: "better 100ms"}, {Text: "in general"}}
		}
		return nil
	}
	return []device.Driver{box, newBench().driver("fake")}
}

// 65535 counts in 1 s are 65.5 kcps, in 100 ms 655 kcps; 16777215 in 40 s 419 kcps.
func TestWarnings(t *testing.T) {
	const box = "[[device]]\nname = \"bench\"\ndriver = \"box\"\nport = \"/dev/x\"\n"
	const second = box + "options.gate = \"1s\"\n[[device.channel]]\n"
	const channel = box + "options.gate = \"100ms\"\n[[device.channel]]\ninput = \"counter 0\"\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"gate not known":   {box, nil},
		"100 ms":           {box + "options.gate = \"100ms\"\n", nil},
		"1 s":              {box + "options.gate = \"1s\"\n", []string{"f.toml:5: device.options.gate: counter 1 to counter 2 of a box have 16 bits: at a gate of 1s they overflow above 65.5 kcps"}},
		"40 s":             {box + "options.gate = \"40s\"\n", []string{"f.toml:5: device.options.gate: counter 0 of a box has 24 bits: at a gate of 40s it overflows above 419 kcps; counter 1 to counter 2 of a box have 16 bits: at a gate of 40s they overflow above 1.64 kcps"}},
		"widths not known": {"[[device]]\nname = \"a\"\ndriver = \"fake\"\nport = \"/dev/x\"\noptions.gate = \"40s\"\n", nil},
		"advice":           {box + "options.gate = \"50ms\"\n", []string{"f.toml:5: device.options: in general", "f.toml:5: device.options.gate: better 100ms"}},
		"one with a name":  {second + "input = \"counter 1: A+B\"\n", []string{"f.toml:5: device.options.gate: counter 2 of a box has 16 bits: at a gate of 1s it overflows above 65.5 kcps", "f.toml:7: device.channel.input: counter 1 of a box has 16 bits: at a gate of 1s it overflows above 65.5 kcps"}},
		"slow detectors":   {second + "input = \"counter 1\"\ndead_time = \"50us\"\n[[device.channel]]\ninput = \"counter 2\"\ndead_time = \"20us\"\n", nil},
		"fast detector":    {box + "options = {gate = \"1s\", label = \"named\"}\n[[device.channel]]\ninput = \"X\"\ndead_time = \"50ns\"\n[[device.channel]]\ninput = \"counter 2\"\nwarn_above = \"50kcps\"\n", []string{"f.toml:7: device.channel.input: counter 1 of a box has 16 bits: at a gate of 1s it overflows above 65.5 kcps"}},
		"limit out of sight": {second + "input = \"counter 1\"\nwarn_above = \"70kcps\"\n[[device.channel]]\ninput = \"counter 2\"\nwarn_above = \"65kcps\"\n", []string{
			"f.toml:8: device.channel.warn_above: is never measured: counter 1 of a box has 16 bits: at a gate of 1s it overflows above 65.5 kcps"}},
		"limits that are well": {channel + "warn_above = \"3Mcps\"\nwarn_below = \"1kcps\"\nwarn_for = \"1s\"\ndark = \"250cps\"\ndead_time = \"22ns\"\n", nil},
		"limits and the detector": {channel + "warn_above = \"60Mcps\"\nwarn_below = \"250cps\"\ndark = \"250cps\"\ndead_time = \"22ns\"\n", []string{
			"f.toml:8: device.channel.warn_above: is never reached: with a dead time of 22ns the detector gives no more than 45.5 Mcps",
			"f.toml:9: device.channel.warn_below: is not above dark, 250 cps: it tells of a dead detector, and not of light that is lost"}},
		"always on":         {channel + "warn_above = \"200cps\"\ndark = \"250cps\"\n", []string{"f.toml:8: device.channel.warn_above: is not above dark, 250 cps: the alarm is always on"}},
		"for nothing":       {channel + "warn_for = \"5s\"\n", []string{"f.toml:8: device.channel.warn_for: has no effect without warn_above or warn_below"}},
		"few counts":        {channel + "warn_below = \"8cps\"\n", []string{`f.toml:8: device.channel.warn_below: is 8 counts in 1s: chance alone goes beyond that at times (better warn_for = "3s")`}},
		"hardly a count":    {channel + "warn_below = \"1e-6cps\"\n", []string{"f.toml:8: device.channel.warn_below: is 0.000001 counts in 1s: chance alone goes beyond that at times"}},
		"bins below a gate": {box + "options.gate = \"100ms\"\n[[output]]\nkind = \"serpy\"\nstream = \"bench\"\nlisten = \"127.0.0.1:1\"\nevery = \"70ms\"\n", []string{`f.toml:10: output.every: 70ms is shorter than the gate of bench, 100ms: nothing is sent (better every = "100ms")`}},
		"bins of a gate":    {box + "options.gate = \"100ms\"\n[[output]]\nkind = \"serpy\"\nstream = \"bench\"\nlisten = \"127.0.0.1:1\"\nevery = \"100ms\"\n", nil},
		"few counts, long":  {channel + "warn_above = \"8cps\"\nwarn_for = \"3s\"\n", nil},
		"batch":             {"[[device]]\nname = \"a\"\ndriver = \"box\"\nport = \"/dev/x\"\nbatch = \"2s\"\n[[device.channel]]\ninput = \"A\"\nwarn_above = \"1kcps\"\n", []string{"f.toml:6: device.channel.warn_for: 1s is shorter than batch, 2s: alarms come up to so much later"}},
		"gate": {box + "options.gate = \"2s\"\n[[device.channel]]\ninput = \"A\"\nwarn_above = \"1kcps\"\nwarn_for = \"1s\"\n", []string{
			"f.toml:5: device.options.gate: counter 1 to counter 2 of a box have 16 bits: at a gate of 2s they overflow above 32.8 kcps",
			"f.toml:9: device.channel.warn_for: 1s is shorter than the gate: it takes a whole one, 2s"}},
		"window of nothing": {channel + "window = \"25ns\"\n", []string{`f.toml:8: device.channel.window: has no effect without of, the channels whose coincidences are counted, as in of = ["A", "B"]`}},
		"window of three":   {channel + "of = [\"A\", \"B\", \"C\"]\nwindow = \"25ns\"\n", []string{"f.toml:9: device.channel.window: has no effect: accidental coincidences of 3 channels are not known from their rates alone"}},
		"no window":         {channel + "of = [\"A\", \"B\"]\n", []string{"f.toml:8: device.channel.of: without window, accidental coincidences are not known (it is about 25 ns)"}},
		"dark coincidences": {channel + "of = [\"A\", \"B\"]\nwindow = \"25ns\"\ndark = \"3cps\"\n", []string{"f.toml:10: device.channel.dark: belongs to the channels A, B: a coincidence has hardly any dark counts of its own"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, want := c, c.want
			config, err := ParseConfig("f.toml", []byte(c.text))
			if err == nil {
				err = config.Validate(warnedDrivers())
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range config.Warnings(warnedDrivers()) {
				got = append(got, w.In("f.toml"))
			}
			if d := cmp.Diff(got, want); d != "" {
				t.Errorf("warnings (-got +want):\n%s", d)
			}
		})
	}
}

// A configuration that was not checked is no reason to panic.
func TestWarningsOfNonsense(t *testing.T) {
	c := Config{Devices: []DeviceConfig{{Driver: "none"}, {Driver: "fake", Options: map[string]any{"gate": 3}}, {Driver: "fake", Channels: []ChannelConfig{{WarnAboveCPS: new(0.0)}}}}}
	if got := c.Warnings(warnedDrivers()); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
