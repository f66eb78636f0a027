package gateway

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"photongate/device"
	"photongate/protocol"
)

// knownTags is the descriptor of a device's tags as far as it is known before the
// device is open. exact says that it has these channels, and ticks of this length; of
// one that is not exact, the tick is missing. ok is false when it gives no tags.
func (d DeviceConfig) knownTags(driver *device.Driver) (tags protocol.Descriptor, exact, ok bool) {
	settings, err := d.Settings(driver)
	if err != nil || driver.Inputs.Tags == nil {
		return tags, false, false
	}
	tick, ok := driver.Inputs.Tags(settings)
	tags.Stream = d.Name
	if ok && driver.Inputs.Known != nil {
		about := device.Description{Channels: driver.Inputs.Known(settings), Tick: tick}
		tags.Channels, err = channelsOf(about, d)
		exact = err == nil && tick.Num > 0
	}
	if exact {
		tags.Tick = &protocol.Tick{Num: protocol.Uint64(tick.Num), Den: protocol.Uint64(max(tick.Den, 1))}
	}
	return tags, exact, ok
}

// checkCounts reports what is wrong with the counts of a device; driver is nil where
// it is not known.
func (d DeviceConfig) checkCounts(path string, src *source, driver *device.Driver) {
	if len(d.Counts) == 0 {
		return
	}
	var tags protocol.Descriptor
	exact := false
	if driver != nil {
		if _, err := d.Settings(driver); err != nil {
			return // it is reported; what the device gives is not known
		}
		var ok bool
		if tags, exact, ok = d.knownTags(driver); !ok {
			src.report(path+".counts[0]", "counts are made from time tags, and %s", d.noTags(driver))
			return
		}
	}
	for i, c := range d.Counts {
		at := fmt.Sprintf("%s.counts[%d]", path, i)
		name := c.streamName(d.Name)
		if err := protocol.CheckName(name); err != nil && d.Name != "" {
			src.report(at+".name", "%v", err)
		} else if name == gatewayStream {
			src.report(at+".name", "%q is the gateway's own stream (expected another name)", name)
		}
		if c.Gate != 0 && (c.Gate < minCountsGate || c.Gate > maxCountsGate) {
			src.report(at+".gate", "%v cannot be (expected %v to %v)", c.Gate, minCountsGate, maxCountsGate)
		}
		before := len(src.problems)
		c.check(at, src, func(name string) error { return d.mayCount(name, driver, &tags, exact) })
		if exact && len(src.problems) == before {
			alone := c
			alone.Coincidences = nil
			key := at + ".delay"
			_, err := planCounts(&derivation{cfg: alone, name: name}, &tags, 0)
			if err == nil {
				key = at + ".coincidences"
				_, err = planCounts(&derivation{cfg: c, name: name}, &tags, 0)
			}
			if err != nil {
				src.report(key, "%s", bare(err))
			}
		}
	}
}

// noTags says that a driver gives no time tags, and what would.
func (d DeviceConfig) noTags(driver *device.Driver) string {
	if driver.Inputs.Tags != nil {
		for _, o := range driver.Options {
			for _, choice := range o.Choices {
				settings, _ := d.Settings(driver)
				if settings = maps.Clone(settings); settings != nil {
					settings[o.Name] = choice
				}
				if _, tags := driver.Inputs.Tags(settings); tags {
					return fmt.Sprintf("a %s gives them only when it is told to (expected %s = %q under [device.options])", driver.Name, o.Name, choice)
				}
			}
		}
	}
	return fmt.Sprintf("a %s gives none: it counts by itself (leave [[device.counts]] out; coincidences that it counts are described by a [[device.channel]] with of and window)", driver.Name)
}

// mayCount returns an error when a device has no channel of a name, as far as that is
// known.
func (d DeviceConfig) mayCount(name string, driver *device.Driver, tags *protocol.Descriptor, exact bool) error {
	if exact {
		_, err := tagChannel(tags.Channels, name)
		return err
	}
	if bare, _, _ := strings.Cut(name, ":"); d.channelNamed(name) < 0 && driver != nil && driver.Inputs.May != nil && !driver.Inputs.May(bare) {
		return fmt.Errorf("there is no channel %q (expected the name of a [[device.channel]], or %s)", name, driver.Inputs.Title)
	}
	return nil
}

// bare is an error of counts beside which it stands already that it is one.
func bare(err error) string { return strings.TrimPrefix(err.Error(), errCounts.Error()+": ") }

// check reports channels that there are not, and times that cannot be.
func (c CountsConfig) check(at string, src *source, may func(name string) error) {
	for name, ns := range c.DelayNs {
		key := at + ".delay." + name
		if err := may(name); err != nil {
			src.report(key, "%s", bare(err))
		}
		if math.Abs(ns) > maxDelayNs {
			src.report(key, "%s is too long (expected at most 10ms)", nsText(ns))
		}
	}
	for k, co := range c.Coincidences {
		key := fmt.Sprintf("%s.coincidences[%d]", at, k)
		for _, name := range co.Of {
			if err := may(name); err != nil {
				src.report(key+".of", "%s", bare(err))
			}
		}
		co.check(key, src)
	}
}

func (co CoincidenceConfig) check(key string, src *source) {
	if co.Name != "" && !goodChannelName(co.Name) {
		src.report(key+".name", "%q cannot be a column's name (expected up to 32 letters, digits or any of _ . + - /)", co.Name)
	}
	const expected = `expected the whole width of the window, more than 0 and at most 1ms, as in window = "6ns"`
	of := strings.Join(co.Of, " and ")
	if of == "" {
		of = "these coincidences"
	}
	switch _, named := src.lines[key+".window"]; {
	case !named && co.WindowNs == 0:
		src.report(key+".window", "is missing for %s (%s)", of, expected)
	case co.WindowNs <= 0:
		src.report(key+".window", "of %s cannot be %s (%s)", of, nsText(co.WindowNs), expected)
	case co.WindowNs > maxWindowNs:
		src.report(key+".window", "of %s is too long with %s (%s)", of, nsText(co.WindowNs), expected)
	}
	const two = `expected two channels or more, each once, as in of = ["A", "B"]`
	switch sorted := slices.Sorted(slices.Values(co.Of)); {
	case len(sorted) == 0:
		src.report(key+".of", "is missing (%s)", two)
	case len(sorted) == 1:
		src.report(key+".of", "is %s alone (%s)", sorted[0], two)
	case len(slices.Compact(slices.Clone(sorted))) < len(sorted):
		src.report(key+".of", "names a channel twice: %s (%s)", strings.Join(co.Of, ", "), two)
	}
}

// warnOfCounts tells of windows that are narrower than they look.
func (d DeviceConfig) warnOfCounts(path string, src *source, driver *device.Driver) {
	tags, exact, _ := d.knownTags(driver)
	if !exact {
		return
	}
	for i, c := range d.Counts {
		plan, err := planCounts(&derivation{cfg: c, name: c.streamName(d.Name)}, &tags, 0)
		if err != nil {
			continue
		}
		for k, co := range plan.counter.Coincidences {
			if co.Width() == 1 {
				src.report(fmt.Sprintf("%s.counts[%d].coincidences[%d].window", path, i, k),
					"%s counts only tags of the very same tick of %s as %s: those of a pair often fall into two ticks side by side (better window = %q: the same tick or the next to either side)",
					nsText(c.Coincidences[k].WindowNs), nsText(plan.tickNs), plan.descriptor.Channels[len(tags.Channels)+k].Name, strings.ReplaceAll(nsText(2*plan.tickNs), " ", ""))
			}
		}
	}
}

// CountsText says what will be counted from the time tags of a device, a line each,
// as far as that is known before it is open.
func (d DeviceConfig) CountsText(drivers []device.Driver) []string {
	driver := findDriver(drivers, d.Driver)
	if driver == nil || len(d.Counts) == 0 {
		return nil
	}
	tags, exact, _ := d.knownTags(driver)
	var list []string
	for _, c := range d.Counts {
		name, gate := c.streamName(d.Name), c.Gate
		if gate == 0 {
			gate = DefaultCountsGate
		}
		plan, err := planCounts(&derivation{cfg: c, name: name}, &tags, 0)
		if !exact || err != nil {
			list = append(list, fmt.Sprintf("counts %s: gate %v; channels, delays and windows are said when the instrument is open: how long its ticks are is not known before", name, gate))
			continue
		}
		var names []string
		for _, ch := range plan.descriptor.Channels {
			names = append(names, ch.Name)
		}
		list = append(list, fmt.Sprintf("counts %s: gate %v, channels %s", name, gate, strings.Join(names, ", ")))
		for _, s := range plan.descriptor.Settings {
			if s.Key != "gate" {
				list = append(list, "  "+s.Key+": "+s.Value)
			}
		}
	}
	return list
}
