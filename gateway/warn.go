package gateway

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"photongate/device"
	"photongate/gateway/output"
)

// plausibleCPS is a rate that counters see in practice: one that holds more
// within a gate gets no warning, unless a limit says that more is expected.
const plausibleCPS = 500e3

// fewCounts is how many counts a limit should come to within warn_for. Of fewer,
// chance alone goes beyond it now and then: at a rate of twice a lower limit of 20
// counts once in weeks, of 10 counts once in an hour.
const fewCounts = 20

// Warnings says what a valid configuration must make go wrong, or cannot do, in
// order of lines. Nothing of it keeps a gateway from running.
func (c Config) Warnings(drivers []device.Driver) []Problem {
	src := source{lines: c.source.lines}
	for i, d := range c.Devices {
		driver := findDriver(drivers, d.Driver)
		if driver == nil {
			continue
		}
		settings, err := d.Settings(driver)
		if err != nil {
			continue
		}
		d.warn(fmt.Sprintf("device[%d]", i), &src, driver, settings)
		gate, _ := settings.Gate()
		for k, o := range c.Outputs {
			if _, _, tags := d.knownTags(driver); o.Stream == d.Name && tags && o.Every == 0 && o.Kind != output.KindText {
				better := `every = "1s"`
				if len(d.Counts) > 0 {
					better = fmt.Sprintf("stream = %q, the counts made of them", d.Counts[0].streamName(d.Name))
				}
				src.report(fmt.Sprintf("output[%d].stream", k), "%s gives time tags: what is sent is how many came in stretches of some ms (better %s)", d.Name, better)
			}
			if o.Stream == d.Name && o.Every > 0 && o.Every < gate {
				src.report(fmt.Sprintf("output[%d].every", k), "%v is shorter than the gate of %s, %v: nothing is sent (better every = %q)", o.Every, d.Name, gate, gate)
			}
		}
	}
	return src.sorted()
}

func (d DeviceConfig) warn(path string, src *source, driver *device.Driver, settings device.Settings) {
	if driver.Advise != nil {
		for _, a := range driver.Advise(settings) {
			at := path + ".options"
			if a.Option != "" {
				at += "." + a.Option
			}
			src.report(at, "%s", a.Text)
		}
	}
	gate, _ := settings.Gate()
	batch := d.Batch
	if batch == 0 {
		batch = DefaultBatch
	}
	for i, ch := range d.Channels {
		at := fmt.Sprintf("%s.channel[%d]", path, i)
		ch.warnOfLimits(at, src, gate, batch)
		ch.warnOfViews(at, src, driver)
	}
	d.warnOfCounts(path, src, driver)
	if gate > 0 && driver.Inputs.Known != nil {
		d.warnOfWidths(path, src, driver, driver.Inputs.Known(settings), gate)
	}
}

// warnOfLimits tells of limits that say nothing, or too much.
func (ch ChannelConfig) warnOfLimits(at string, src *source, gate, batch time.Duration) {
	above, below, dwell := ch.WarnAboveCPS, ch.WarnBelowCPS, ch.WarnFor
	if above == nil && below == nil {
		if dwell > 0 {
			src.report(at+".warn_for", "has no effect without warn_above or warn_below")
		}
		return
	}
	if dwell == 0 {
		dwell = DefaultWarnFor
	}
	if batch > dwell {
		src.report(at+".warn_for", "%v is shorter than batch, %v: alarms come up to so much later", dwell, batch)
	} else if gate > dwell {
		src.report(at+".warn_for", "%v is shorter than the gate: it takes a whole one, %v", dwell, gate)
	}
	ch.warnOfChance(at+".warn_above", src, above, max(dwell, gate))
	ch.warnOfChance(at+".warn_below", src, below, max(dwell, gate))
	if above != nil && ch.DeadTime > 0 && *above >= 1/ch.DeadTime.Seconds() {
		src.report(at+".warn_above", "is never reached: with a dead time of %v the detector gives no more than %s", ch.DeadTime, rateText(1/ch.DeadTime.Seconds()))
	}
	if ch.DarkCPS == 0 {
		return
	}
	if above != nil && *above <= ch.DarkCPS {
		src.report(at+".warn_above", "is not above dark, %s: the alarm is always on", rateText(ch.DarkCPS))
	}
	if below != nil && *below <= ch.DarkCPS {
		src.report(at+".warn_below", "is not above dark, %s: it tells of a dead detector, and not of light that is lost", rateText(ch.DarkCPS))
	}
}

// warnOfChance tells of a limit that chance alone goes beyond.
func (ch ChannelConfig) warnOfChance(at string, src *source, limit *float64, dwell time.Duration) {
	if limit == nil || *limit <= 0 {
		return
	}
	if counts := *limit * dwell.Seconds(); counts < fewCounts {
		better := ""
		if seconds := math.Ceil(fewCounts / *limit); seconds <= maxWarnFor.Seconds() {
			better = fmt.Sprintf(" (better warn_for = %q)", time.Duration(seconds)*time.Second)
		}
		src.report(at, "is %s counts in %v: chance alone goes beyond that at times%s", digits(counts), dwell, better)
	}
}

// warnOfViews tells of what views cannot use.
func (ch ChannelConfig) warnOfViews(at string, src *source, driver *device.Driver) {
	switch {
	case ch.Window > 0 && len(ch.Of) == 0:
		src.report(at+".window", `has no effect without of, the channels whose coincidences are counted, as in of = ["A", "B"]`)
	case ch.Window > 0 && len(ch.Of) > 2:
		src.report(at+".window", "has no effect: accidental coincidences of %d channels are not known from their rates alone", len(ch.Of))
	case ch.Window == 0 && len(ch.Of) == 2:
		text := "without window, accidental coincidences are not known"
		if driver.Inputs.Window != "" {
			text += " (" + driver.Inputs.Window + ")"
		}
		src.report(at+".of", "%s", text)
	}
	if ch.DarkCPS > 0 && len(ch.Of) > 0 {
		src.report(at+".dark", "belongs to the channels %s: a coincidence has hardly any dark counts of its own", strings.Join(ch.Of, ", "))
	}
}

// warnOfWidths tells of counters that overflow within a gate.
func (d DeviceConfig) warnOfWidths(path string, src *source, driver *device.Driver, known []device.Channel, gate time.Duration) {
	type narrow struct {
		width  int
		inputs []string
	}
	var list []narrow // those that the configuration says nothing of
	for _, c := range known {
		full := fullRate(c.Width, gate)
		i := slices.IndexFunc(d.Channels, func(ch ChannelConfig) bool {
			input, _, _ := strings.Cut(ch.Input, ":")
			return input == c.Input || input == c.Name && c.Name != ""
		})
		switch {
		case c.Width == 0:
		case i >= 0:
			d.Channels[i].warnOfWidth(fmt.Sprintf("%s.channel[%d]", path, i), src, driver, c, gate)
		case full < plausibleCPS:
			if n := len(list); n == 0 || list[n-1].width != c.Width {
				list = append(list, narrow{width: c.Width})
			}
			last := &list[len(list)-1]
			last.inputs = append(last.inputs, c.Input)
		}
	}
	var texts []string
	for _, n := range list {
		which, have, overflow := n.inputs[0], "has", "it overflows"
		if len(n.inputs) > 1 {
			which, have, overflow = which+" to "+n.inputs[len(n.inputs)-1], "have", "they overflow"
		}
		texts = append(texts, fmt.Sprintf("%s of a %s %s %d bits: at a gate of %v %s above %s", which, driver.Name, have, n.width, gate, overflow, rateText(fullRate(n.width, gate))))
	}
	if len(texts) > 0 {
		src.report(path+".options.gate", "%s", strings.Join(texts, "; "))
	}
}

// warnOfWidth tells of one counter of which the configuration says something.
func (ch ChannelConfig) warnOfWidth(at string, src *source, driver *device.Driver, c device.Channel, gate time.Duration) {
	full := fullRate(c.Width, gate)
	why := fmt.Sprintf("%s of a %s has %d bits: at a gate of %v it overflows above %s", c.Input, driver.Name, c.Width, gate, rateText(full))
	switch {
	case ch.WarnAboveCPS != nil:
		if *ch.WarnAboveCPS > full {
			src.report(at+".warn_above", "is never measured: %s", why)
		}
	case ch.DeadTime > 0 && 1/ch.DeadTime.Seconds() <= full:
	case full < plausibleCPS:
		src.report(at+".input", "%s", why)
	}
}
