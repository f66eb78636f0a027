package cd48

import (
	"fmt"
	"strings"
	"time"

	"photongate/device"
)

// How a setting is known.
const (
	howSent    = "sent"
	howAssumed = "assumed"
)

// late is by how much the edges of repeat mode may lie after the true ones: they
// are fitted to the earliest arrivals, and what delays even those is unseen. An
// adapter or a serial server between may hold bytes back for 16 ms (the latency
// timer of FTDI's, AN232B-04, is set to that when not told otherwise); the rest
// is for the computer to notice. Polled edges say their own uncertainty.
const late = 20 * time.Millisecond

func lateOf(timing device.Timing) time.Duration {
	if timing == device.ByDevice {
		return late
	}
	return 0
}

// blind is what its bytes cannot reveal.
const blind = "lines carry no checksum: a digit lost or changed on the way gives a wrong count unseen; " +
	"other settings after a restart by itself show when it is next asked for them"

// describe says what the box is and how it is set.
func (o *opening) describe(gate time.Duration, timing device.Timing, unverified bool) device.Description {
	d := device.Description{
		Model:      "CD48",
		Firmware:   o.firmware,
		Identity:   device.Confirmed,
		Port:       o.port.Name(),
		Gate:       gate,
		Timing:     timing,
		Unverified: unverified,
		Late:       lateOf(timing),
		Blind:      blind,
	}
	names := o.channelNames()
	for n := range counters {
		c := device.Channel{Name: names[n], Input: fmt.Sprintf("counter %d", n), Kind: device.Count, Width: widthOf(n)}
		if o.readable {
			c.Input += ": " + strings.Join(strings.Split(inputs(o.now.masks[n]), ""), "+")
		}
		d.Channels = append(d.Channels, c)
	}
	d.Settings = o.settings(gate, timing)
	return d
}

// channelNames names counters by their inputs where that is unique.
func (o *opening) channelNames() [counters]string {
	var names [counters]string
	seen := map[string]int{}
	for n := range counters {
		if o.readable {
			names[n] = inputs(o.now.masks[n])
		}
		seen[names[n]]++
	}
	for n := range counters {
		if names[n] == "" {
			names[n] = fmt.Sprintf("C%d", n)
		} else if seen[names[n]] > 1 {
			names[n] += fmt.Sprintf("_%d", n)
		}
	}
	return names
}

func (o *opening) settings(gate time.Duration, timing device.Timing) []device.Setting {
	list := []device.Setting{{Key: "gate", Value: fmt.Sprint(gate), How: howSent}}
	switch {
	case o.readable:
		list = o.readSettings()
	case o.want["threshold"] != nil:
		list = append(list, levelSetting("threshold", o.want["threshold"], howSent))
	}
	if timing != device.ByDevice {
		list[0] = device.Setting{Key: "gate", Value: fmt.Sprint(gate), How: "asked by the host"}
	}
	if v, ok := o.want["impedance"]; ok {
		list = append(list, levelSetting("impedance", v, howSent))
	} else if o.readable {
		list = append(list, device.Setting{Key: "impedance", Value: "the box says " + o.now.impedance, How: device.ReadBack})
	}
	if v, ok := o.want["dac"]; ok {
		list = append(list, levelSetting("dac", v, howSent))
	}
	if v, ok := o.want["coincidences"].(string); ok && !o.readable {
		list = append(list, device.Setting{Key: "coincidences", Value: v, How: howSent})
	}
	term, named := o.want["terminator"].(string)
	if !named {
		term = "cr"
	}
	return append(list, device.Setting{Key: "terminator", Value: term, How: howAssumed})
}

// readSettings are those that the box tells and takes in the same words, the
// gate first, with what was asked for.
func (o *opening) readSettings() []device.Setting {
	gate := device.Setting{Key: "gate", Value: fmt.Sprint(o.now.interval), How: device.ReadBack}
	if want, ok := o.want.Gate(); ok && want >= minRepeatGate {
		gate.Asked = fmt.Sprint(want)
	}
	threshold := device.Setting{Key: "threshold", Value: volt(o.now.trigger), Unit: "V", How: device.ReadBack}
	if v, ok := o.want["threshold"].(float64); ok {
		threshold.Asked = volt(voltSteps(v))
	}
	masks := device.Setting{Key: "coincidences", Value: maskList(o.now.masks), How: device.ReadBack}
	if want := o.wantMasks(); want != nil {
		asked := o.now.masks
		for n, m := range want {
			asked[n] = m
		}
		masks.Asked = maskList(asked)
	}
	return []device.Setting{gate, threshold, masks}
}

// maskList writes masks as the option coincidences has them.
func maskList(masks [counters]uint8) string {
	var all []string
	for n, m := range masks {
		if m != 0 {
			all = append(all, fmt.Sprintf("%d=%s", n, inputs(m)))
		}
	}
	return strings.Join(all, " ")
}

// levelSetting is one of the levels as it was sent, and read back if it could be.
func levelSetting(name string, v any, how string) device.Setting {
	s := device.Setting{Key: name, Value: fmt.Sprint(v), How: how}
	if v, ok := v.(float64); ok {
		s.Value, s.Unit = volt(voltSteps(v)), "V"
	}
	s.Asked = s.Value
	return s
}

// volt writes a level of so many steps in volts.
func volt(steps int) string { return fmt.Sprintf("%.3f", float64(steps)*stepVolt) }
