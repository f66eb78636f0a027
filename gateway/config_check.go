package gateway

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"photongate/device"
	"photongate/gateway/output"
	"photongate/protocol"
)

// Validate checks the whole configuration against the drivers there are. It
// returns nil or a *ConfigError with everything that is wrong, in order of
// lines.
func (c Config) Validate(drivers []device.Driver) error {
	src := source{lines: c.source.lines, problems: maps.Clone(c.source.problems)}
	c.checkGateway(&src)
	if len(c.Devices) == 0 {
		src.report("device", "there is no device (expected at least one [[device]] with name, driver and port)")
	}
	names, ports := map[string]string{}, map[string]string{}
	for i, d := range c.Devices {
		path := fmt.Sprintf("device[%d]", i)
		d.check(path, &src, drivers)
		once(&src, names, d.Name, path+".name", "the name")
		once(&src, ports, d.Port, path+".port", "the port")
	}
	for i, d := range c.Devices {
		for k, counts := range d.Counts {
			once(&src, names, counts.streamName(d.Name), fmt.Sprintf("device[%d].counts[%d].name", i, k), "the name")
		}
	}
	c.checkOutputs(&src, drivers)
	if len(src.problems) == 0 {
		return nil
	}
	return &ConfigError{File: c.File, Problems: src.sorted()}
}

// once reports a value that another device has already.
func once(src *source, seen map[string]string, value, path, what string) {
	if value == "" {
		return
	}
	first, twice := seen[value]
	if !twice {
		seen[value] = path
		return
	}
	at := "another device has it"
	if line := src.line(first); line > 0 {
		at = fmt.Sprintf("the device in line %d has it", line)
	}
	src.report(path, "%s %q is used twice (%s)", what, value, at)
}

func (c Config) checkGateway(src *source) {
	if c.Name != "" {
		if err := protocol.CheckName(c.Name); err != nil {
			src.report("gateway.name", "%v", err)
		}
	}
	for i, addr := range c.Listen {
		path := "gateway.listen"
		if len(c.Listen) > 1 {
			path = fmt.Sprintf("gateway.listen[%d]", i)
		}
		checkListen(src, path, addr)
	}
	c.checkForward(src)
	checkControl(src, c.Control)
	checkOnAlarm(src, c.OnAlarm)
	c.checkSpace(src)
}

// withPort adds the usual port to an address that names none.
func withPort(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), DefaultPort)
}

func checkListen(src *source, path, addr string) {
	host, port, err := net.SplitHostPort(withPort(addr))
	if err != nil {
		src.report(path, "%q is no address (expected HOST:PORT, as in %q)", addr, DefaultListen)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		src.report(path, "%q is no port (expected a number from 1 to 65535, as in %q)", port, DefaultListen)
		return
	}
	if strings.ContainsAny(host, " /@,") {
		src.report(path, "%q is no address (expected HOST:PORT, as in %q, or \"0.0.0.0:%s\" to be reached from other computers)", addr, DefaultListen, DefaultPort)
	}
}

// check reports what is wrong with one device.
func (d DeviceConfig) check(path string, src *source, drivers []device.Driver) {
	switch err := protocol.CheckName(d.Name); {
	case d.Name == "":
		src.report(path+".name", `is missing (expected the name of its stream, for example "bench")`)
	case d.Name == gatewayStream:
		src.report(path+".name", "%q is the gateway's own stream (expected another name)", d.Name)
	case err != nil:
		src.report(path+".name", "%v", err)
	}
	driver := findDriver(drivers, d.Driver)
	d.checkPort(path, src, driver)
	if d.Batch > maxBatch {
		src.report(path+".batch", "%v is too long (expected at most %v)", d.Batch, maxBatch)
	}
	d.checkChannels(path, src)
	d.checkCounts(path, src, driver)
	if driver == nil {
		d.reportDriver(path, src, drivers)
		return
	}
	d.checkInputs(path, src, driver)
	d.checkCoincidences(path, src, driver)
	d.checkOptions(path, src, driver)
	d.checkAllow(path, src, driver)
}

// maxBatch bounds how long a reading may wait for its frame to be full.
const maxBatch = time.Minute

func (d DeviceConfig) reportDriver(path string, src *source, drivers []device.Driver) {
	var names []string
	for _, d := range drivers {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	list := strings.Join(names, ", ")
	if d.Driver == "" {
		src.report(path+".driver", "is missing (expected one of %s)", list)
	} else if best := Nearest(d.Driver, names); best != "" {
		src.report(path+".driver", "there is no driver %q (did you mean %q? there are %s)", d.Driver, best, list)
	} else {
		src.report(path+".driver", "there is no driver %q (expected one of %s)", d.Driver, list)
	}
}

// Forms of a port: those that only USB has, and all.
const usbForms = `usb:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:.+)?|usb-path:[0-9]+-[0-9.]+|sim:.+`

var (
	fifoPorts   = regexp.MustCompile(`^ftdi:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:.+)?$`)
	usbPorts    = regexp.MustCompile(`^(` + usbForms + `)$`)
	serialPorts = regexp.MustCompile(`^(/.+|(?i:COM)[0-9]+|\\\\\.\\.+|` + usbForms + `|ftdi:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:.+)?|tcp://[^/ ]+:[0-9]+)$`)
)

// checkPort reports a port that is none, or not of the kind the driver needs;
// driver is nil where it is not known.
func (d DeviceConfig) checkPort(path string, src *source, driver *device.Driver) {
	forms, expected := serialPorts, `/dev/ttyUSB0, COM3, usb:VID:PID or usb:VID:PID:SERIAL with four hex digits each, usb-path:1-1.4, `+
		`ftdi:VID:PID or tcp://HOST:PORT`
	if driver != nil && driver.Transport == device.USB {
		forms, expected = usbPorts, `usb:VID:PID or usb:VID:PID:SERIAL with four hex digits each, or usb-path:1-1.4; driver `+d.Driver+` needs no serial port`
	}
	if driver != nil && driver.Line.FIFO {
		forms, expected = fifoPorts, `ftdi:VID:PID or ftdi:VID:PID:SERIAL with four hex digits each: `+d.Driver+` says fifo = true`
	}
	if d.Port == "" {
		src.report(path+".port", "is missing (expected where it is plugged in: %s)", expected)
	} else if !forms.MatchString(d.Port) && driver != nil && driver.Transport == device.Serial && strings.Contains(d.Port, "/") && !strings.Contains(d.Port, ":") {
		src.report(path+".port", "%q is not a whole path (expected one that begins with /, as in \"/dev/ttyUSB0\")", d.Port)
	} else if !forms.MatchString(d.Port) {
		src.report(path+".port", "%q is no port (expected %s)", d.Port, expected)
	}
}

func (d DeviceConfig) checkChannels(path string, src *source) {
	inputs, names := map[string]string{}, map[string]string{}
	for i, ch := range d.Channels {
		at := fmt.Sprintf("%s.channel[%d]", path, i)
		if ch.Input == "" {
			src.report(at+".input", `is missing (expected the channel as the driver calls it, for example "A")`)
		}
		once(src, inputs, ch.Input, at+".input", "the input")
		once(src, names, ch.Name, at+".name", "the name")
		if ch.Name != "" && !goodChannelName(ch.Name) {
			src.report(at+".name", "%q cannot be a column's name (expected up to 32 letters, digits or any of _ . + - /)", ch.Name)
		} else if output.IsField(ch.Name) || ch.Name == "time_local" {
			src.report(at+".name", "%q is a column of every stream already (expected another name)", ch.Name)
		}
		if utf8.RuneCountInString(ch.Detector) > 200 {
			src.report(at+".detector", "is too long (expected at most 200 letters)")
		}
		ch.checkLimits(at, src)
	}
}

// checkInputs refuses channels that no instrument of the kind has.
func (d DeviceConfig) checkInputs(path string, src *source, driver *device.Driver) {
	if driver.Inputs.May == nil {
		return
	}
	for i, ch := range d.Channels {
		if input, _, _ := strings.Cut(ch.Input, ":"); input != "" && !driver.Inputs.May(input) {
			src.report(fmt.Sprintf("%s.channel[%d].input", path, i), "driver %s has no channel %q (expected %s)", driver.Name, ch.Input, driver.Inputs.Title)
		}
	}
}

var channelName = regexp.MustCompile(`^[\pL\pN_.+/-]+$`)

func goodChannelName(name string) bool {
	return utf8.RuneCountInString(name) <= 32 && channelName.MatchString(name)
}

func (d DeviceConfig) checkOptions(path string, src *source, driver *device.Driver) {
	var known []string
	for _, o := range driver.Options {
		known = append(known, o.Name)
	}
	slices.Sort(known)
	for key, v := range d.Options {
		at := path + ".options." + key
		i := slices.IndexFunc(driver.Options, func(o device.Option) bool { return o.Name == key })
		if i < 0 {
			words := wordsOptions
			if !slices.Contains(known, "gate") {
				words = nil
			}
			src.report(at, "%s", unknownKey(key, known, words, " of driver "+driver.Name))
			continue
		}
		if _, err := optionValue(driver.Options[i], v); err != nil {
			src.report(at, "%v", err)
		}
	}
}

// Settings returns the options as the driver takes them, or what is wrong with
// one of them.
func (d DeviceConfig) Settings(driver *device.Driver) (device.Settings, error) {
	s := device.Settings{}
	for _, o := range driver.Options {
		v, named := d.Options[o.Name]
		if !named {
			continue
		}
		value, err := optionValue(o, v)
		if err != nil {
			return nil, fmt.Errorf("device %s: option %s: %w", d.Name, o.Name, err)
		}
		s[o.Name] = value
	}
	return s, nil
}
