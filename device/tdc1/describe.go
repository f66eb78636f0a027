package tdc1

import (
	"fmt"
	"slices"
	"strings"

	"photongate/device"
)

// blind is what its bytes cannot reveal.
const blind = "lines carry no checksum: a digit lost or changed on the way gives a wrong count unseen; " +
	"other settings after a restart by itself show when they are asked for, which is after each answer that was lost or late"

// source builds the source once the unit is as it is to be.
func (o *opening) source() *source {
	s := &source{counting: newCounting(o.port, o.clock, o.gate, o.mode.size(), o.crlf)}
	s.checks = o.checks()
	settings := o.settings()
	unverified := slices.ContainsFunc(settings, func(s device.Setting) bool {
		return s.How == "sent" && (s.Key != "level" || o.level == "") // the threshold it tells is of the right sign
	})
	s.unverified = unverified
	s.desc = device.Description{
		Model: "TDC1", Identity: device.Confirmed, Port: o.port.Name(),
		Gate: o.gate, Timing: device.ByDeviceAsked,
		Channels: channels(o.mode), Settings: settings, Unverified: unverified, Blind: blind,
	}
	did := ""
	if len(o.did) > 0 {
		did = strings.Join(o.did, "; ") + "; "
	}
	s.opened = &device.Event{Time: o.clock(), What: "opened", Text: fmt.Sprintf(
		"the unit counts %v for %v each time it is asked, and nothing between: this dead time, some ms as a rule, lies between the intervals and is no part of them; %s%s",
		o.mode, o.gate, did, o.transcript())}
	return s
}

// settings are those of the unit as it is.
func (o *opening) settings() []device.Setting {
	gate := device.Setting{Key: "gate", Value: fmt.Sprint(o.gate), How: device.ReadBack}
	if want, named := o.want.Gate(); named {
		gate.Asked = fmt.Sprint(want)
	}
	if !o.readable.gate {
		gate.How = "sent"
	}
	word := device.Setting{Key: "mode", Value: o.mode.String(), How: device.ReadBack}
	word.Asked, _ = o.want["mode"].(string)
	if !o.readable.mode {
		word.How = "sent"
	}
	list := append([]device.Setting{gate, word}, o.levels()...)
	clock := device.Setting{Key: "refclk", Value: o.refclk, How: device.ReadBack}
	clock.Asked, _ = o.want["refclk"].(string)
	if o.refclk == "" {
		clock.Value, clock.How = clock.Asked, "sent"
	}
	if clock.Value != "" {
		list = append(list, clock)
	}
	for _, told := range [][2]string{{"external clock", o.eclock}, {"identification", o.identity}} {
		if told[1] != "" {
			list = append(list, device.Setting{Key: told[0], Value: told[1], How: device.ReadBack})
		}
	}
	return list
}
