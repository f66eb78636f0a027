package gateway

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"photongate/device"
	"photongate/gateway/output"
)

// wordsOutput are wrong words people use in an [[output]].
var wordsOutput = map[string]string{
	"address": `the key is "listen", or "dial"`, "bind": `the key is "listen"`, "host": `the key is "listen", or "dial"`,
	"connect": `the key is "dial"`, "forward": `the key is "dial"`,
	"port":   `the port stands in "listen" or "dial", as in "127.0.0.1:7320"`,
	"device": `the key is "stream"`, "source": `the key is "stream"`,
	"protocol": `the key is "kind"`, "driver": `the key is "kind"`,
	"channels": `the key is "fields"`, "columns": `the key is "fields"`,
	"struct": `the key is "format"`, "interval": `the key is "every"`, "batch": `the key is "per_block"`,
	"request": `the key is "send"`,
	"token":   "these protocols know no token",
}

func parseOutput(t *table) output.Config {
	c := output.Config{
		Kind:          t.text("kind"),
		Name:          t.text("name"),
		Stream:        t.text("stream"),
		Listen:        t.text("listen"),
		Dial:          t.text("dial"),
		OpenToNetwork: t.boolean("open_to_network"),
		Fields:        t.texts("fields"),
		Separator:     t.text("separator"),
		Every:         t.duration("every"),
		PerBlock:      t.whole("per_block", 1),
		Mode:          t.whole("mode", 0),
		Type:          t.text("type"),
		AnswersOnly:   t.boolean("answers_only"),
		AllowSet:      t.boolean("allow_set"),
		Format:        t.text("format"),
		Send:          t.text("send"),
	}
	t.finish()
	return c
}

func (t *table) boolean(key string) bool {
	v, path, ok := t.take(key)
	if !ok {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		t.wrongType(path, v, "true or false, without quotes")
	}
	return b
}

// whole reads a number from least to a million.
func (t *table) whole(key string, least int64) int {
	v, path, ok := t.take(key)
	if !ok {
		return 0
	}
	n, ok := v.(int64)
	switch {
	case !ok:
		t.wrongType(path, v, "a whole number, without quotes")
	case n < least || n > 1_000_000:
		t.src.report(path, "%d is impossible (expected %d or more)", n, least)
		n = least
	}
	return int(n)
}

// checkOutputs reports what is wrong with the outputs, in themselves and beside
// the rest.
func (c Config) checkOutputs(src *source, drivers []device.Driver) {
	taken := map[string]string{} // path by address
	for i, addr := range c.Listen {
		path := "gateway.listen"
		if len(c.Listen) > 1 {
			path = fmt.Sprintf("gateway.listen[%d]", i)
		}
		taken[withPort(addr)] = path
	}
	if len(c.Listen) == 0 {
		taken[DefaultListen] = "gateway.listen"
	}
	names := map[string]string{}
	for i, o := range c.Outputs {
		path := fmt.Sprintf("output[%d]", i)
		o.Check(func(key, text string) { src.report(path+"."+key, "%s", text) })
		if first, twice := names[o.Name]; twice && o.Name != "" {
			src.report(path+".name", "the name %q is used twice (%s has it)", o.Name, place(src, first))
		}
		names[o.Name] = path + ".name"
		c.checkStream(src, path, o, drivers)
		if err := o.CheckSend(c.streamNames()); err != nil {
			src.report(path+".send", "%v", err)
		}
		if o.Listen == "" {
			continue
		}
		for addr, first := range taken {
			if collide(addr, o.Listen) {
				src.report(path+".listen", "%q is in use (%s has %q; expected another port)", o.Listen, place(src, first), addr)
			}
		}
		taken[o.Listen] = path + ".listen"
	}
}

// streamNames are the devices, each with the counts made of its tags behind it.
func (c Config) streamNames() []string {
	var names []string
	for _, d := range c.Devices {
		names = append(names, d.Name)
		for _, counts := range d.Counts {
			names = append(names, counts.streamName(d.Name))
		}
	}
	return names
}

// usualStream is the stream that is meant where there is one device and none is named:
// of a tagger the counts made of its tags. Empty: it is not clear.
func (c Config) usualStream() string {
	if len(c.Devices) != 1 {
		return ""
	}
	d := c.Devices[0]
	if len(d.Counts) > 0 {
		return d.Counts[0].streamName(d.Name)
	}
	return d.Name
}

// place says where something stands in the file.
func place(src *source, path string) string {
	if line := src.line(path); line > 0 && src.lines[path] > 0 {
		return fmt.Sprintf("line %d", line)
	}
	return withoutIndices(path)
}

// collide reports whether two addresses cannot be listened on at once.
func collide(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	every := func(host string) bool { ip := net.ParseIP(host); return host == "" || ip != nil && ip.IsUnspecified() }
	plain := func(host string) string {
		if host == "localhost" {
			return "127.0.0.1"
		}
		return host
	}
	return every(hostA) || every(hostB) || plain(hostA) == plain(hostB)
}

// checkStream reports a stream that no device has, and fields that are none of
// its channels, as far as that is known without the instrument.
func (c Config) checkStream(src *source, path string, o output.Config, drivers []device.Driver) {
	if o.Stream == "" {
		return
	}
	at := slices.IndexFunc(c.Devices, func(d DeviceConfig) bool { return d.has(o.Stream) })
	if at < 0 {
		src.report(path+".stream", "there is no device %q (expected one of %s)", o.Stream, strings.Join(c.streamNames(), ", "))
		return
	}
	d := c.Devices[at]
	driver := findDriver(drivers, d.Driver)
	if d.Name != o.Stream {
		d.checkCountsFields(src, path, o, driver)
		return
	}
	for i, field := range o.Fields {
		if output.IsField(field) || field == "" {
			continue
		}
		if why := d.lacks(field, driver); why != "" {
			src.report(fmt.Sprintf("%s.fields[%d]", path, i), "%s", why)
		}
	}
}

// checkCountsFields reports fields that a stream of counts made of a device's tags does
// not have, as far as that is known before it is open.
func (d DeviceConfig) checkCountsFields(src *source, path string, o output.Config, driver *device.Driver) {
	if driver == nil {
		return
	}
	tags, exact, _ := d.knownTags(driver)
	at := slices.IndexFunc(d.Counts, func(c CountsConfig) bool { return c.streamName(d.Name) == o.Stream })
	plan, err := planCounts(&derivation{cfg: d.Counts[at], name: o.Stream}, &tags, 0)
	if !exact || err != nil {
		return
	}
	var names []string
	for _, ch := range plan.descriptor.Channels {
		names = append(names, ch.Name)
	}
	for i, field := range o.Fields {
		if !output.IsField(field) && field != "" && !slices.Contains(names, field) {
			src.report(fmt.Sprintf("%s.fields[%d]", path, i), "%s has no channel %q (expected %s; or %s)", o.Stream, field, strings.Join(names, ", "), strings.Join(output.FieldWords(), ", "))
		}
	}
}

// lacks says why a device surely has no channel of this name in its data,
// empty when it may have one.
func (d DeviceConfig) lacks(name string, driver *device.Driver) string {
	for _, ch := range d.Channels {
		if ch.Name == name || ch.Name == "" && ch.Input == name {
			return ""
		}
	}
	for _, ch := range d.Channels {
		if ch.Input == name {
			return fmt.Sprintf("channel %q is called %q in the data, as its [[device.channel]] says (expected that name)", name, ch.Name)
		}
	}
	if driver == nil || driver.Inputs.May == nil || driver.Inputs.May(name) {
		return ""
	}
	return fmt.Sprintf("driver %s has no channel %q (expected %s; or %s)", driver.Name, name, driver.Inputs.Title, strings.Join(output.FieldWords(), ", "))
}
