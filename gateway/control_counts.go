package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"photongate/device"
	"photongate/protocol"
)

// getCounts answers for a stream of counts made from the device's tags; found says
// that it is one.
func (d *deviceControl) getCounts(ask *protocol.Request, r *protocol.Reply) (found bool, err error) {
	if !d.cfg.counts(ask.Device) {
		return false, nil
	}
	var keys []string
	for _, s := range d.listCounts(ask.Device) {
		keys = append(keys, s.Key)
		if ask.Key == "" || s.Key == ask.Key {
			r.Settings = append(r.Settings, s)
		}
	}
	switch {
	case len(r.Settings) > 0:
		return true, nil
	case len(keys) == 0:
		return true, refuse(protocol.ReplyUnknown, "how %s is counted is known when %s is open, and it is not yet", ask.Device, d.cfg.Name)
	}
	return true, refuse(protocol.ReplyUnknown, "%s has no setting %q (expected one of %s)", ask.Device, ask.Key, strings.Join(keys, ", "))
}

// listCounts is how a stream of counts is made: stream as it is called, or all of the
// device's when it is empty.
func (d *deviceControl) listCounts(stream string) []protocol.DeviceSetting {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []protocol.DeviceSetting
	for _, name := range slices.Sorted(maps.Keys(d.made)) {
		for _, s := range d.made[name] {
			if stream == "" || stream == name {
				list = append(list, protocol.DeviceSetting{Device: name, Key: s.Key, Value: s.Value, Unit: s.Unit, How: s.How})
			}
		}
	}
	return list
}

// countsFixed says where that stands what somebody wants to set of a stream of counts.
func (d *deviceControl) countsFixed(stream string) error {
	return refuse(protocol.ReplyUnknown, "%s is counted from the time tags of %s by the gateway: its gate, delay and coincidences stand in the gateway's configuration, under [[device.counts]] of %s, and hold from its next start on",
		stream, d.cfg.Name, d.cfg.Name)
}

// noGate refuses the gate of an instrument that gives time tags: it has none, and
// opening it anew to find that out would lose some.
func (d *deviceControl) noGate(key string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if key != "gate" || !d.tags {
		return nil
	}
	text := fmt.Sprintf("%s gives time tags, which have no gate. Counts are made of them in gates by [[device.counts]] in the gateway's configuration", d.cfg.Name)
	if len(d.cfg.Counts) > 0 {
		text += fmt.Sprintf(": gate stands there, for %s", d.cfg.Counts[0].streamName(d.cfg.Name))
	} else {
		text += `, as in gate = "100ms"`
	}
	return refuse(protocol.ReplyValue, "%s", text)
}

// leavesTags refuses a change after which the instrument gave no tags, while counts
// are to be made of them.
func (d *deviceControl) leavesTags(o device.Option, value any) error {
	if len(d.cfg.Counts) == 0 || d.driver.Inputs.Tags == nil {
		return nil
	}
	then := maps.Clone(d.settings())
	if then == nil {
		then = device.Settings{}
	}
	then[o.Name] = value
	if _, tags := d.driver.Inputs.Tags(then); tags {
		return nil
	}
	return refuse(protocol.ReplyValue, "with %s %s gives no time tags, and %s is counted from them: take [[device.counts]] out of the gateway's configuration first",
		configLine(o, value), d.cfg.Name, d.cfg.Counts[0].streamName(d.cfg.Name))
}

// settingTexts are settings for the log, a text each.
func settingTexts(settings []protocol.Setting) []string {
	var list []string
	for _, s := range settings {
		list = append(list, s.Key+" "+s.Value)
	}
	return list
}
