package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
	"photongate/gateway/output"
)

// fakeDrivers are the drivers configurations are checked against.
func fakeDrivers() []device.Driver {
	f := newBench()
	cd48 := f.driver("cd48")
	cd48.Options = []device.Option{cd48.Options[0], cd48.Options[len(cd48.Options)-1]} // gate and dac
	fake := f.driver("fake")
	fake.Inputs.Tags = func(device.Settings) (device.Tick, bool) { return device.Tick{}, true }
	return []device.Driver{fake, cd48, {Name: "de2ccu", Options: []device.Option{{Name: "counters", Title: "number of counters", Kind: device.Integer}},
		Inputs: device.Inputs{Title: `A or "counter 0"`, May: func(s string) bool { return s == "A" || s == "counter 0" }}}}
}

func TestConfigProblems(t *testing.T) {
	const ok = "[[device]]\nname = \"bench\"\ndriver = \"fake\"\nport = \"/dev/x\"\n"
	const ports = "/dev/ttyUSB0, COM3, usb:VID:PID or usb:VID:PID:SERIAL with four hex digits each, usb-path:1-1.4, ftdi:VID:PID or tcp://HOST:PORT"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"well", ok, nil},
		{"everything", ok + "batch=\"5ms\"\n[device.options]\ngate=\"1.5s\"\nthreshold=-1\ncounters=15\ntrigger=\"rising\"\ntermination=true\nlabel=\"x\"\n", nil},
		{"counts of tags", ok + "[[device.counts]]\ndelay={A=\"-800ps\",B=\"12.5 ns\"}\ncoincidences=[{of=[\"A\",\"B\"],window=\"0.5ns\"}]\n", nil},
		{"counts that cannot be", ok + "[[device.counts]]\nname=\"bench\"\ngate=\"1us\"\ndelay={A=\"1s\",B=5}\ncoincidences=[{of=[\"A\"],window=\"2ns\"},{of=[\"A\",\"B\"]}]\nwindow=\"1ns\"\n", []string{
			`f.toml:6: device.counts.name: the name "bench" is used twice (the device in line 2 has it)`,
			`f.toml:7: device.counts.gate: 1µs cannot be (expected 1ms to 1h0m0s)`,
			`f.toml:8: device.counts.delay.A: 1000 ms is too long (expected at most 10ms)`,
			`f.toml:8: device.counts.delay.B: 5 is a whole number (expected a time with its unit, in quotes: "12.5ns", "-800ps")`,
			`f.toml:9: device.counts.coincidences.of: is A alone (expected two channels or more, each once, as in of = ["A", "B"])`,
			`f.toml:9: device.counts.coincidences.window: is missing for A and B (expected the whole width of the window, more than 0 and at most 1ms, as in window = "6ns")`,
			`f.toml:10: device.counts.window: unknown key (it belongs to each of "coincidences", as in coincidences = [{ of = ["A", "B"], window = "6ns" }])`}},
		{"no device", "[gateway]\nname=\"pi\"\n", []string{
			`f.toml: device: there is no device (expected at least one [[device]] with name, driver and port)`}},
		{"no TOML", "[gateway\nname=1\n", []string{`f.toml:1: expected ']' to close table name`}},
		{"key twice", "[gateway]\nname=\"a\"\nname=\"b\"\n" + ok, []string{`f.toml:3: name: key name is already defined`}},
		{"unknown keys, all at once", "[gatway]\n[gateway]\nhost=\"x\"\njurnal=\"x\"\n" + ok + "baudrate=9600\ndwell=\"1s\"\ncolour=3\n", []string{
			`f.toml:1: gatway: unknown key (did you mean "gateway"?)`,
			`f.toml:3: gateway.host: unknown key (the key is "listen")`,
			`f.toml:4: gateway.jurnal: unknown key (did you mean "journal"?)`,
			`f.toml:9: device.baudrate: unknown key (the driver knows its line settings, leave it out)`,
			`f.toml:10: device.dwell: unknown key (the time one count integrates is "gate", under [device.options])`,
			`f.toml:11: device.colour: unknown key (expected one of allow, batch, channel, counts, driver, name, options, port, share)`,
		}},
		{"wrong types, all at once", "[gateway]\nname=3\nlisten=[\"127.0.0.1\", 7310]\njournal=true\n[[device]]\nname=\"bench\"\ndriver=1.5\nport=[\"/dev/x\"]\nbatch=20\noptions=4\nchannel=1\n", []string{
			`f.toml:2: gateway.name: 3 is a whole number (expected a text in quotes)`,
			`f.toml:3: gateway.listen: 7310 is a whole number (expected a text in quotes, or a list of them)`,
			`f.toml:4: gateway.journal: true is true or false (expected a text in quotes)`,
			`f.toml:7: device.driver: 1.5 is a number (expected a text in quotes)`,
			`f.toml:8: device.port: [...] is a list (expected a text in quotes)`,
			`f.toml:9: device.batch: 20 is a whole number (expected a duration with its unit, in quotes: "100ms", "1.5s")`,
			`f.toml:10: device.options: 4 is a whole number (expected a table, written [device.options])`,
			`f.toml:11: device.channel: 1 is a whole number (expected tables, each beginning [[device.channel]])`,
		}},
		{"missing", "[[device]]\n", []string{
			`f.toml:1: device.driver: is missing (expected one of cd48, de2ccu, fake)`,
			`f.toml:1: device.name: is missing (expected the name of its stream, for example "bench")`,
			`f.toml:1: device.port: is missing (expected where it is plugged in: ` + ports + `)`,
		}},
		{"drivers", ok + "[[device]]\nname=\"b\"\ndriver=\"cd84\"\nport=\"COM3\"\n[[device]]\nname=\"c\"\ndriver=\"hydraharp\"\nport=\"COM4\"\n", []string{
			`f.toml:7: device.driver: there is no driver "cd84" (did you mean "cd48"? there are cd48, de2ccu, fake)`,
			`f.toml:11: device.driver: there is no driver "hydraharp" (expected one of cd48, de2ccu, fake)`,
		}},
		{"twice", ok + ok, []string{
			`f.toml:6: device.name: the name "bench" is used twice (the device in line 2 has it)`,
			`f.toml:8: device.port: the port "/dev/x" is used twice (the device in line 4 has it)`,
		}},
		{"names", "[gateway]\nname=\"Pi Lab\"\n[[device]]\nname=\"gateway\"\ndriver=\"fake\"\nport=\"COM3\"\n", []string{
			`f.toml:2: gateway.name: ` + nameProblem("Pi Lab"),
			`f.toml:4: device.name: "gateway" is the gateway's own stream (expected another name)`,
		}},
		{"ports", "[[device]]\nname=\"a\"\ndriver=\"fake\"\nport=\"ttyUSB0\"\n[[device]]\nname=\"b\"\ndriver=\"fake\"\nport=\"usb:4b4:f232\"\n[[device]]\nname=\"c\"\ndriver=\"fake\"\nport=\"ftdi:0403\"\n[[device]]\nname=\"d\"\ndriver=\"fake\"\nport=\"ftdi:0403:6001:FT1\"\n", []string{
			`f.toml:4: device.port: "ttyUSB0" is no port (expected ` + ports + `)`,
			`f.toml:8: device.port: "usb:4b4:f232" is no port (expected ` + ports + `)`,
			`f.toml:12: device.port: "ftdi:0403" is no port (expected ` + ports + `)`,
		}},
		{"listen", "[gateway]\nlisten=[\"0.0.0.0:7311\", \"127.0.0.1:x\", \"::1\", \"localhost\", \":7310\", \"a b\"]\n" + ok, []string{
			`f.toml:2: gateway.listen: "x" is no port (expected a number from 1 to 65535, as in "127.0.0.1:7310")`,
			`f.toml:2: gateway.listen: "a b" is no address (expected HOST:PORT, as in "127.0.0.1:7310", or "0.0.0.0:7310" to be reached from other computers)`,
		}},
		{"batch", ok + "batch=\"0s\"\n", []string{`f.toml:5: device.batch: "0s" is impossible (expected more than 0)`}},
		{"long batch", ok + "batch=\"1h\"\n", []string{`f.toml:5: device.batch: 1h0m0s is too long (expected at most 1m0s)`}},
		{"options", ok + "[device.options]\ngate=\"2m\"\nthreshold=\"0.5V\"\ncounters=1.5\ntrigger=\"up\"\ntermination=1\nlabel=\"too long a text\"\ndwell_time=\"1s\"\ntreshold=1\nnonsense=1\n", []string{
			`f.toml:6: device.options.gate: "2m" is out of range (integration time: expected 1ms to 60s)`,
			`f.toml:7: device.options.threshold: "0.5V" is a text (discriminator threshold: expected a number in V, without quotes)`,
			`f.toml:8: device.options.counters: 1.5 is a number (number of counters: expected a whole number without quotes)`,
			`f.toml:9: device.options.trigger: "up" is not possible (which edge counts: expected one of rising, falling)`,
			`f.toml:10: device.options.termination: 1 is a whole number (50 ohm termination: expected true or false)`,
			`f.toml:11: device.options.label: the display has 8 letters (expected a shorter text)`,
			`f.toml:12: device.options.dwell_time: unknown key (the time one count integrates is called "gate")`,
			`f.toml:13: device.options.treshold: unknown key (did you mean "threshold" of driver fake?)`,
			`f.toml:14: device.options.nonsense: unknown key (expected one of counters, dac, gate, label, termination, threshold, trigger of driver fake)`,
		}},
		{"control", "[gateway]\ncontrol=\"everybody\"\nallow=\"dac\"\n" + ok + "control=\"off\"\nallow=[\"dac\", \"gate\"]\n[[device]]\nname=\"b\"\ndriver=\"de2ccu\"\nport=\"COM3\"\nallow=\"counters\"\n", []string{
			`f.toml:2: gateway.control: "everybody" is not possible (who may change settings: expected one of token, local, off)`,
			`f.toml:3: gateway.allow: unknown key (it belongs under the [[device]] whose settings may be changed)`,
			`f.toml:8: device.control: unknown key (it belongs under [gateway])`,
			`f.toml:9: device.allow: "gate" needs no permission (of driver fake only these do: dac)`,
			`f.toml:14: device.allow: "counters" needs no permission: driver de2ccu drives nothing outside its instrument (leave the key out)`,
		}},
		{"gate without unit", ok + "[device.options]\ngate=100\n", []string{
			`f.toml:6: device.options.gate: 100 is a whole number (expected a duration with its unit, in quotes: "100ms", "1.5s")`}},
		{"threshold range", ok + "options={threshold=2.5, counters=0}\n", []string{
			`f.toml:5: device.options.counters: 0 is out of range (number of counters: expected 1 to 15)`,
			`f.toml:5: device.options.threshold: 2.5 is out of range (discriminator threshold: expected -2 V to 2 V)`,
		}},
		{"not a number", ok + "options={threshold=nan}\n", []string{
			`f.toml:5: device.options.threshold: NaN is a number (discriminator threshold: expected a finite number in V, without quotes)`}},
		{"no gate in this driver", "[[device]]\nname=\"a\"\ndriver=\"de2ccu\"\nport=\"COM1\"\noptions={gate=\"1s\"}\n", []string{
			`f.toml:5: device.options.gate: unknown key (expected one of counters of driver de2ccu)`}},
		{"channels", ok + "[[device.channel]]\nname=\"a,b\"\n[[device.channel]]\ninput=\"A\"\ndark=\"250\"\ndead_time=22\nwarn_above=3\n[[device.channel]]\ninput=\"A\"\nlabel=\"x\"\n[[device.channel]]\ninput=\"B\"\nname=\"flags\"\n", []string{
			`f.toml:5: device.channel.input: is missing (expected the channel as the driver calls it, for example "A")`,
			`f.toml:6: device.channel.name: "a,b" cannot be a column's name (expected up to 32 letters, digits or any of _ . + - /)`,
			`f.toml:9: device.channel.dark: "250" is no rate (expected a rate with its unit, in quotes: "250cps", "3Mcps")`,
			`f.toml:10: device.channel.dead_time: 22 is a whole number (expected a duration with its unit, in quotes: "100ms", "1.5s")`,
			`f.toml:11: device.channel.warn_above: 3 is a whole number (expected a rate with its unit, in quotes: "250cps", "3Mcps")`,
			`f.toml:13: device.channel.input: the input "A" is used twice (the device in line 8 has it)`,
			`f.toml:14: device.channel.label: unknown key (the key is "name")`,
			`f.toml:17: device.channel.name: "flags" is a column of every stream already (expected another name)`,
		}},
		{"inputs that no instrument has", "[[device]]\nname=\"a\"\ndriver=\"de2ccu\"\nport=\"COM1\"\n[[device.channel]]\ninput=\"A\"\n[[device.channel]]\ninput=\"Z\"\n" +
			"[[device.channel]]\ninput=\"counter 0: A+B\"\n[[device.channel]]\ninput=\"counter 1: A\"\n", []string{
			`f.toml:8: device.channel.input: driver de2ccu has no channel "Z" (expected A or "counter 0")`,
			`f.toml:12: device.channel.input: driver de2ccu has no channel "counter 1: A" (expected A or "counter 0")`}},
		{"limits", ok + "[[device.channel]]\ninput=\"A\"\nwarn_above=\"1kcps\"\nwarn_below=\"0.001Mcps\"\nwarn_for=\"25h\"\n[[device.channel]]\ninput=\"B\"\nwarn_above=\"0cps\"\nwarn_below=\"-1cps\"\nwarn_for=3\nwarn_after=\"1s\"\n", []string{
			`f.toml:8: device.channel.warn_below: 1 kcps is not below warn_above, 1 kcps: every rate would be beyond one of them (expected less)`,
			`f.toml:9: device.channel.warn_for: 25h0m0s is too long (expected at most 24h0m0s)`,
			`f.toml:12: device.channel.warn_above: "0cps" is impossible (expected more than 0)`,
			`f.toml:13: device.channel.warn_below: "-1cps" is no rate (expected a rate with its unit, in quotes: "250cps", "3Mcps")`,
			`f.toml:14: device.channel.warn_for: 3 is a whole number (expected a duration with its unit, in quotes: "100ms", "1.5s")`,
			`f.toml:15: device.channel.warn_after: unknown key (the key is "warn_for")`,
		}},
		{"coincidences", "[[device]]\nname=\"a\"\ndriver=\"de2ccu\"\nport=\"COM1\"\n[[device.channel]]\ninput=\"A\"\nname=\"idler\"\nof=[\"idler\", \"counter 0\"]\n" +
			"[[device.channel]]\ninput=\"counter 0\"\nof=[\"idler\", \"A\"]\nwindow=\"25\"\n", []string{
			`f.toml:8: device.channel.of: names the channel itself, "idler" (expected those whose coincidences it counts)`,
			`f.toml:11: device.channel.of: names "A" twice`,
			`f.toml:12: device.channel.window: "25" is no duration (expected a duration with its unit, in quotes: "100ms", "1.5s")`,
		}},
		{"coincidences of one", ok + "[[device.channel]]\ninput=\"A\"\nof=\"B\"\n", []string{
			`f.toml:7: device.channel.of: is one channel (expected those whose coincidences are counted, as in of = ["A", "B"])`}},
		{"coincidences of nothing there is", "[[device]]\nname=\"a\"\ndriver=\"de2ccu\"\nport=\"COM1\"\n[[device.channel]]\ninput=\"A\"\nof=[\"X\", \"counter 0\"]\n", []string{
			`f.toml:7: device.channel.of: there is no channel "X" (expected the name of a [[device.channel]], or A or "counter 0")`}},
		{"alarm program", "[gateway]\non_alarm=[\"photongate-no-such-program\", \"x\"]\n" + ok, []string{
			`f.toml:2: gateway.on_alarm: "photongate-no-such-program" cannot be run: executable file not found in $PATH (expected a program and its arguments, as in ["/usr/local/bin/alarm", "lab3"])`}},
		{"alarm program that is none", "[gateway]\non_alarm=\"/\"\n" + ok, []string{
			`f.toml:2: gateway.on_alarm: "/" cannot be run: is a directory (expected a program and its arguments, as in ["/usr/local/bin/alarm", "lab3"])`}},
		{"alarm program somewhere", "[gateway]\non_alarm=\"./x\"\n" + ok, []string{
			`f.toml:2: gateway.on_alarm: "./x" depends on where the gateway is started (expected a program and its arguments, as in ["/usr/local/bin/alarm", "lab3"])`}},
		{"alarm program of another type", "[gateway]\non_alarm=[3]\nhook=\"x\"\n" + ok, []string{
			`f.toml:2: gateway.on_alarm: 3 is a whole number (expected a text in quotes, or a list of them)`,
			`f.toml:3: gateway.hook: unknown key (the key is "on_alarm")`}},
		{"devices written wrong", "[device]\nname=\"a\"\n", []string{
			`f.toml:1: device: is written as a single table (write [[device]] for each device)`}},
		{"device twice", "[device]\nname=\"a\"\n[device]\nname=\"b\"\n", []string{
			`f.toml:3: device: table device already exists (write [[device]] for each device)`}},
		{"device in two ways", ok + "[device]\n", []string{
			`f.toml:5: device: table device already exists as an array of tables (write [[device]] for each device)`}},
		{"options twice", ok + "[device.options]\ngate=\"1s\"\n[device.options]\n", []string{
			`f.toml:7: device.options: table options already exists (write [device.options] once below its [[device]])`}},
		{"short options twice", ok + "[options]\ngate=\"1s\"\n[options]\n", []string{
			`f.toml:7: options: table options already exists (write [device.options] once below its [[device]])`}},
		{"short options and channel", ok + "[options]\ngate=\"1s\"\n[[channel]]\ninput=\"A\"\n", []string{
			`f.toml:5: options: unknown key (write [device.options] once below its [[device]])`,
			`f.toml:7: channel: unknown key (write [[device.channel]] for each channel, below its [[device]])`}},
		{"channel alone", "\n[device.channel]\ninput=\"A\"\n", []string{
			`f.toml:2: device: is written as a single table (write [[device]] for each device)`}},
		{"one channel", ok + "[device.channel]\ninput=\"A\"\n", []string{
			`f.toml:5: device.channel: is written as a single table (write [[device.channel]] for each channel, below its [[device]])`}},
		{"gate without quotes", ok + "[device.options]\ngate = 100ms # long\n", []string{
			`f.toml:6: strings must be quoted (write gate = "100ms")`}},
		{"gate without quotes, with a space", "gate = 100 ms", []string{
			`f.toml:1: expected newline but got U+006D 'm' (write gate = "100 ms")`}},
		{"text without quotes", "[[device]]\nport = /dev/ttyACM0", []string{
			`f.toml:2: unexpected character U+002F '/' at start of value (write port = "/dev/ttyACM0")`}},
		{"True", "termination = True", []string{
			`f.toml:1: unexpected character U+0054 'T' at start of value (write termination = true)`}},
		{"colon", "counters: 8", []string{`f.toml:1: expected '=' after key (write counters = 8)`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := problems(t, tt.text, tt.want)
			var ce *ConfigError
			if err != nil && !errors.As(err, &ce) {
				t.Errorf("got a %T, want a *ConfigError", err)
			}
		})
	}
}

// problems compares what is wrong with a configuration, and returns it.
func problems(t *testing.T, text string, want []string) error {
	t.Helper()
	c, err := ParseConfig("f.toml", []byte(text))
	if err == nil {
		err = c.Validate(fakeDrivers())
	}
	var got []string
	if err != nil {
		got = strings.Split(err.Error(), "\n")
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("problems (-got +want):\n%s", d)
	}
	return err
}

// nameProblem is what CheckName says, whose words are not ours.
func nameProblem(name string) string {
	c := Config{Name: name, Devices: []DeviceConfig{{Name: "a", Driver: "fake", Port: "COM1"}}}
	_, text, _ := strings.Cut(c.Validate(fakeDrivers()).Error(), "gateway.name: ")
	return text
}

func TestConfigMadeByAProgram(t *testing.T) {
	c := Config{Devices: []DeviceConfig{{Name: "a", Driver: "nope", Port: "COM1"}}}
	want := "configuration: device.driver: there is no driver \"nope\" (expected one of cd48, de2ccu, fake)"
	if err := c.Validate(fakeDrivers()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A driver on USB needs a USB device, and no port that carries bytes will do.
func TestConfigPortOfUSBDriver(t *testing.T) {
	drivers := []device.Driver{{Name: "u3", Transport: device.USB}}
	for port, well := range map[string]bool{
		"usb:0cd5:0003": true, "usb:0cd5:0003:320012345": true, "usb-path:1-1.4": true,
		"/dev/ttyUSB0": false, "COM3": false, "tcp://pi:4000": false, "ftdi:0403:6001": false, "usb:cd5:3": false,
	} {
		err := Config{Devices: []DeviceConfig{{Name: "a", Driver: "u3", Port: port}}}.Validate(drivers)
		if (err == nil) != well {
			t.Errorf("%s: %v", port, err)
		}
		if err != nil && !strings.Contains(err.Error(), "driver u3 needs no serial port") {
			t.Errorf("%s: %v does not say why", port, err)
		}
	}
}

// On a command line nothing stands in quotes.
func TestOptionsOfACommandLine(t *testing.T) {
	options := func(text string) DeviceConfig {
		d := DeviceConfig{Name: "a", Driver: "fake", Port: "COM1", Options: map[string]any{}}
		for word := range strings.FieldsSeq(text) {
			key, value, _ := strings.Cut(word, "=")
			d.Options[key] = Word(value)
		}
		return d
	}
	got, err := options("gate=100ms threshold=1V counters=3 trigger=falling termination=false label=15").Settings(findDriver(fakeDrivers(), "fake"))
	if err != nil {
		t.Fatal(err)
	}
	want := device.Settings{"gate": 100 * time.Millisecond, "threshold": 1.0, "counters": int64(3), "trigger": "falling", "termination": false, "label": "15"}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("settings (-got +want):\n%s", d)
	}
	for text, want := range map[string]string{
		"gate=100":         `gate: 100 has no unit (expected a duration such as 100ms)`,
		"gate=long":        `gate: "long" is no duration (expected a duration such as 100ms)`,
		"gate=":            `gate: "" is no duration (expected a duration such as 100ms)`,
		"gate=2h":          `gate: 2h is out of range (integration time: expected 1ms to 60s)`,
		"threshold=0.5mV":  `threshold: 0.5mV is no number (discriminator threshold: expected a number in V)`,
		"threshold=inf":    `threshold: inf is no number (discriminator threshold: expected a number in V)`,
		"threshold=9":      `threshold: 9 is out of range (discriminator threshold: expected -2 V to 2 V)`,
		"counters=1.5":     `counters: 1.5 is no whole number (number of counters: expected a whole number)`,
		"trigger=up":       `trigger: "up" is not possible (which edge counts: expected one of rising, falling)`,
		"termination=1":    `termination: 1 is not possible (50 ohm termination: expected true or false)`,
		"label=too_long_a": `label: the display has 8 letters (expected a shorter text)`,
	} {
		err := Config{Devices: []DeviceConfig{options(text)}}.Validate(fakeDrivers())
		if err == nil || err.Error() != "configuration: device.options."+want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestConfigValues(t *testing.T) {
	c, err := ParseConfig("f.toml", []byte(`
		[gateway]
		name = "pi"
		[[device]]
		name = "bench"
		driver = "fake"
		port = "usb:04b4:f232:SN 1"
		options = { gate = "100ms", threshold = 1, counters = 3, trigger = "falling", termination = false, label = "ab" }
		[[device.channel]]
		input = "A"
		name = "idler"
		detector = "SPCM #1"
		dead_time = "22ns"
		dark = "2.5kcps"
		warn_above = "3 Mcps"
		[[device.channel]]
		input = "B"
		of = ["A", "counter 2"]
		window = "25ns"
		warn_below = "0.5kHz"
		warn_for = "90s"
	`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(fakeDrivers()); err != nil {
		t.Fatal(err)
	}
	got, err := c.Devices[0].Settings(findDriver(fakeDrivers(), "fake"))
	if err != nil {
		t.Fatal(err)
	}
	want := device.Settings{"gate": 100 * time.Millisecond, "threshold": 1.0, "counters": int64(3), "trigger": "falling", "termination": false, "label": "ab"}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("settings (-got +want):\n%s", d)
	}
	channels := []ChannelConfig{{Input: "A", Name: "idler", Detector: "SPCM #1", DeadTime: 22, DarkCPS: 2500, WarnAboveCPS: new(3e6)},
		{Input: "B", Of: []string{"A", "counter 2"}, Window: 25, WarnBelowCPS: new(500.0), WarnFor: 90 * time.Second}}
	if d := cmp.Diff(c.Devices[0].Channels, channels); d != "" {
		t.Errorf("channels (-got +want):\n%s", d)
	}
}

func TestConfigDefaults(t *testing.T) {
	t.Setenv("HOME", "/home/somebody")
	c, err := (Config{Listen: []string{"localhost", "::1", "127.0.0.1:99"}, Journal: "~/j", Devices: []DeviceConfig{{}}}).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c.Listen, []string{"localhost:7310", "[::1]:7310", "127.0.0.1:99"}); d != "" {
		t.Error(d)
	}
	if want := filepath.FromSlash("/home/somebody/j"); c.Journal != want {
		t.Errorf("journal: got %s, want %s", c.Journal, want)
	}
	if c.Devices[0].Batch != 20*time.Millisecond || c.Name == "" {
		t.Errorf("got batch %v and name %q", c.Devices[0].Batch, c.Name)
	}
	for host, want := range map[string]string{"Pi-Lab3.uni.de": "pi-lab3", "": "photongate", "--": "photongate", "Müller PC": "mllerpc", "CON": "photongate"} {
		if got := nameFromHost(host); got != want {
			t.Errorf("host %q: got %q, want %q", host, got, want)
		}
	}
}

func TestSampleNamesEveryKey(t *testing.T) {
	c, err := ParseConfig("photongate.sample.toml", []byte(SampleConfig))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(append(fakeDrivers(), device.Driver{Name: "tdc1", Options: []device.Option{{Name: "mode", Kind: device.Text}},
		Inputs: device.Inputs{Tags: func(device.Settings) (device.Tick, bool) { return device.Tick{}, true }}})); err != nil {
		t.Fatal(err)
	}
	// The sample has a key exactly where every field of a Config is set.
	want := Config{
		File: "photongate.sample.toml", Name: "pi-lab3", Listen: []string{"127.0.0.1:7310"}, Forward: []string{"ws-ana:7310"},
		Journal: "~/.local/state/photongate", Control: "token",
		OnAlarm: []string{"sh", "-c", "cat >> ~/alarms.ndjson"},
		Quota:   Amount{Bytes: 20_000_000_000}, KeepFree: Amount{Bytes: 1 << 30}, ForgetAfter: 14 * 24 * time.Hour,
		Devices: []DeviceConfig{{
			Name: "bench", Driver: "cd48", Port: "usb:04b4:f232", Batch: 20 * time.Millisecond, Options: map[string]any{"gate": "100ms"},
			Allow: []string{"dac"}, Share: 2,
			Channels: []ChannelConfig{{Input: "A", Name: "idler", Detector: "SPCM-AQRH-14 #31245", DeadTime: 22, DarkCPS: 250,
				WarnAboveCPS: new(3e6), WarnBelowCPS: new(1e3), WarnFor: 2 * time.Second},
				{Input: "AB", Of: []string{"idler", "B"}, Window: 25}},
		}, {
			Name: "tagger", Driver: "tdc1", Port: "/dev/ttyACM0", Options: map[string]any{"mode": "timestamp"},
			Counts: []CountsConfig{{Name: "tagger.counts", Gate: 100 * time.Millisecond, DelayNs: map[string]float64{"S2": 12.5},
				Coincidences: []CoincidenceConfig{{Name: "S12", Of: []string{"S1", "S2"}, WindowNs: 4}}}},
		}},
		Outputs: []output.Config{
			{Kind: "text", Name: "labview", Listen: "127.0.0.1:7320", Stream: "bench", Send: "csv bench --every 1s"},
			{Kind: "serpy", Listen: "0.0.0.0:7321", OpenToNetwork: true, Stream: "bench", Fields: []string{"index", "t_s", "flags", "idler", "AB"},
				Separator: ";", Every: time.Second, PerBlock: 2, Mode: 1},
			{Kind: "serpy2", Listen: "127.0.0.1:7322", Stream: "bench", Type: "text", AnswersOnly: true, AllowSet: true},
			{Kind: "struct", Format: "!QdII", Fields: []string{"index", "t_s", "idler", "AB"}, Stream: "bench", Dial: "127.0.0.1:7323"},
		},
	}
	c.source = source{}
	if d := cmp.Diff(c, want, cmp.AllowUnexported(Config{}, source{})); d != "" {
		t.Errorf("sample (-got +want):\n%s", d)
	}
	// Every key has a comment right above it, or shares that of the one above.
	shared := []string{"[gateway]", "[[device]]", "[[device.channel]]", "[[output]]", "open_to_network", "dark", "warn_below", "warn_for", "window"}
	lines := strings.Split(SampleConfig, "\n")
	for i, line := range lines {
		key := strings.TrimSpace(line)
		first, _, _ := strings.Cut(key, " ")
		if key == "" || strings.HasPrefix(key, "#") || slices.Contains(shared, first) {
			continue
		}
		if !strings.HasPrefix(strings.TrimSpace(lines[i-1]), "#") {
			t.Errorf("line %d: %s has no comment", i+1, key)
		}
	}
}

func TestCheckJournal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckJournal(Config{Journal: filepath.Join(dir, "a", "b")}); err != nil {
		t.Errorf("a new folder: %v", err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		err := CheckJournal(Config{Journal: path})
		if err == nil || !strings.Contains(err.Error(), "journal folder "+path) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(SampleConfig)
	f.Add("[[device]]\nchannel=[{input=\"A\"},3]\noptions.gate=1\n")
	f.Add("device=[[1]]\ngateway.listen=[[],{}]\n")
	drivers := fakeDrivers()
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConfig("f", []byte(text))
		if err != nil {
			return
		}
		err = c.Validate(drivers)
		if err == nil {
			_, err = New(c, Deps{Drivers: drivers, OpenPort: newBench().openPort})
			if err != nil {
				t.Errorf("valid, and still refused: %v", err)
			}
		}
	})
}
