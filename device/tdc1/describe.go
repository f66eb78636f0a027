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

// blindStream is what the bytes of the stream cannot reveal.
const blindStream = "records carry no checksum: one that was changed may name other inputs, or a time between its neighbours', unseen, and behind bytes that were lost one word may be cut wrong; " +
	"whole records that were lost leave no trace, but next to a standstill, or where a marker is missing; events that the unit itself had no room for leave no trace, and while it streams it cannot be asked for its settings and its reference clock"

// source builds the source once the unit is as it is to be.
func (o *opening) source() *source {
	settings := o.settings()
	unverified := slices.ContainsFunc(settings, func(s device.Setting) bool {
		return s.How == "sent" && (s.Key != "level" || o.level == "") // the threshold it tells is of the right sign
	})
	s := &source{port: o.port, desc: device.Description{
		Model: "TDC1", Identity: device.Confirmed, Port: o.port.Name(),
		Gate: o.gate, Timing: device.ByDeviceAsked,
		Channels: channels(o.mode), Settings: settings, Unverified: unverified, Blind: blind,
	}}
	way := fmt.Sprintf("the unit counts %v for %v each time it is asked, and nothing between: this dead time, some ms as a rule, lies between the intervals and is no part of them", o.mode, o.gate)
	if o.stream != nil {
		s.reader = o.stream
		s.desc.Timing, s.desc.Tick, s.desc.Disorder, s.desc.Blind = device.ByDevice, device.Tick{Num: tickNs, Den: 1e9}, backwards, blindStream
		way = "the unit sends a time stamp for each event until it is told to stop; " + o.stream.marks.String()
	} else {
		c := newCounting(o.port, o.clock, o.gate, o.mode.size(), o.crlf)
		c.checks, c.unverified = o.checks(), unverified
		s.reader = c
	}
	s.lack = o.lackOfClock()
	did := ""
	if len(o.did) > 0 {
		did = strings.Join(o.did, "; ") + "; "
	}
	s.opened = &device.Event{Time: o.clock(), What: "opened", Text: fmt.Sprintf(
		"%s; %s%s", way, did, o.transcript())}
	return s
}

// settings are those of the unit as it is.
func (o *opening) settings() []device.Setting {
	gate := device.Setting{Key: "gate", Value: fmt.Sprint(o.gate), How: device.ReadBack}
	if o.stream != nil {
		gate.Key, gate.Value = "time", "without end"
	}
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
