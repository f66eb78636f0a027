package cc1

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"photongate/device"
)

// How a setting is known.
const (
	howSent    = "sent"
	howAssumed = "assumed"
)

// The words of the option start.
const (
	startClear = "clear"
	startCount = "count"
)

// opening gathers what is learned about the box while it is opened.
type opening struct {
	talk
	want     device.Settings
	firmware firmware
	now      map[string]string // what the box says of each item it was asked for
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	o := &opening{
		talk: talk{ctx: ctx, port: req.Port, clock: req.Clock},
		want: device.Settings{}, now: map[string]string{},
	}
	maps.Copy(o.want, req.Settings)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.port.Discard},
		{"open", o.drain},
		{"set acks", o.setAcks},
		{"identify", o.identify},
		{"read the settings", func() error { return o.askItems(nil) }},
		{"set", o.push},
	} {
		if err := step.do(); err != nil {
			return nil, deviceError(step.name, o.port, err)
		}
	}
	return o.source()
}

// deviceError makes an error of the port one that says what was done.
func deviceError(op string, port device.Port, err error) error {
	if _, ok := errors.AsType[*device.Error](err); ok {
		return err
	}
	e := &device.Error{Op: op, Port: port.Name(), Err: err}
	if errors.Is(err, device.ErrTimeout) {
		e.Hint = "the box answered before: is the cable loose?"
	}
	return e
}

func (o *opening) drain() error {
	got, err := device.Drain(o.ctx, o.port, o.clock, drainQuiet, time.Second)
	o.stray = append(o.stray, got[:min(len(got), 64)]...)
	return err
}

// setAcks switches acknowledgements where the configuration names them. The
// answer may be an echo, an empty line, "Unknown Command" from firmware before
// 2.2, or nothing: what came of it shows in what comes after.
func (o *opening) setAcks() error {
	on, named := o.want["acks"].(bool)
	if !named {
		return nil
	}
	command := ":ACKN " + map[bool]string{false: "OF", true: "ON"}[on]
	o.sent = append(o.sent, fmt.Sprintf("%q", command))
	if err := o.write(command); err != nil {
		return err
	}
	_, err := o.line(300 * time.Millisecond)
	if errors.Is(err, device.ErrTimeout) {
		return nil
	}
	return err
}

// identify asks for the firmware until the same was said twice in succession. The
// first exchange may time out or be "Unknown Command", and nothing be wrong.
func (o *opening) identify() error {
	fw, err := o.align(3)
	for try := 0; err == nil && fw != o.firmware && try < 5; try++ {
		o.firmware = fw
		fw, err = o.align(2)
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, device.ErrTimeout) && !errors.Is(err, errRefused):
		return err
	case len(o.stray) == 0:
		return &device.Error{Op: "identify", Port: o.port.Name(), Err: fmt.Errorf("%w to %q", device.ErrTimeout, whoAreYou),
			Hint: "is this the CC1's port, and is the box switched on?"}
	}
	return &device.Error{Op: "identify", Port: o.port.Name(),
		Err:  fmt.Errorf("%w: asked %q, expected \"Firmware v...\", got %s", device.ErrNonsense, whoAreYou, device.ShowBytes(o.stray)),
		Hint: "0403:6001 is every FTDI cable: check the port; `photongate try cc1` shows the bytes"}
}

// askItems asks for the items with these keys; nil: for all.
func (o *opening) askItems(keys []string) error {
	for _, it := range items {
		if keys != nil && !slices.Contains(keys, it.key) {
			continue
		}
		value, ok, err := o.askItem(it, o.firmware.newer)
		if err != nil {
			return err
		}
		if delete(o.now, it.key); ok {
			o.now[it.key] = value
		}
	}
	_, err := o.align(2) // numbers that come from here on are counts
	return err
}

// push sends what the configuration names and reads it back. What the box does
// not take is sent once more; then it is read as it is, and Describe says how.
func (o *opening) push() error {
	var named []item
	var keys []string
	for _, it := range items {
		if _, ok := o.want[it.key]; ok {
			named, keys = append(named, it), append(keys, it.key)
		}
	}
	for try := 0; try < 2 && len(named) > 0; try++ {
		for _, it := range named {
			if err := o.tell(it.command(o.want[it.key], o.firmware.newer)); err != nil && !errors.Is(err, errRefused) {
				return err
			}
		}
		if err := o.askItems(keys); err != nil {
			return err
		}
		if !slices.ContainsFunc(o.settings(), device.Setting.Differs) {
			return nil
		}
	}
	return nil
}

// settings says what the box says of its settings, and what was asked for.
func (o *opening) settings() []device.Setting {
	var list []device.Setting
	for _, it := range items {
		s := device.Setting{Key: it.key, Unit: it.unit, Value: o.now[it.key], How: device.ReadBack}
		if v, named := o.want[it.key]; named {
			s.Asked = it.words(v)
		}
		switch {
		case s.Value != "":
		case s.Asked != "":
			s.Value, s.How = s.Asked, howSent
		default:
			continue
		}
		list = append(list, s)
	}
	start, named := o.want["start"].(string)
	if !named {
		start = startClear
	}
	if o.stops() {
		list = append(list, device.Setting{Key: "start", Value: start, How: howSent})
	}
	return append(list, device.Setting{Key: "acks", Value: fmt.Sprint(o.echo), How: "as its answers look"})
}

// value is what an item is set to, as far as is known.
func (o *opening) value(key string) string {
	if v, ok := o.now[key]; ok {
		return v
	}
	if v, named := o.want[key]; named {
		return fmt.Sprint(v)
	}
	return ""
}

// stops reports whether the box stops at the end of a gate.
func (o *opening) stops() bool { return o.value("trigger") == startStop }

// unverified reports whether something was sent that cannot be read back.
func (o *opening) unverified() bool {
	return slices.ContainsFunc(o.settings(), func(s device.Setting) bool { return s.How == howSent && s.Key != "start" })
}

// source builds the source once the box is as it is to be.
func (o *opening) source() (device.Source, error) {
	gate, err := time.ParseDuration(o.value("gate"))
	if err != nil || gate <= 0 {
		return nil, &device.Error{Op: "open", Port: o.port.Name(),
			Err:  fmt.Errorf("%w: the box does not tell its dwell time", device.ErrNonsense),
			Hint: "name the option gate in the configuration"}
	}
	s := &source{box: o}
	r := rows{unverified: o.unverified()}
	s.poller = poller{talk: &o.talk, newer: o.firmware.newer}
	s.desc = device.Description{
		Model: "CC1", Firmware: o.firmware.text, Identity: device.Confirmed, Port: o.port.Name(),
		Gate: gate, Channels: channelList(), Settings: o.settings(), Unverified: r.unverified,
	}
	var what string
	if o.stops() {
		r.subset = true
		s.poller.reader = newGated(o.clock, gate, o.want["start"] == startCount, r)
		s.desc.Timing, s.desc.Blind = device.ByDeviceAsked, blindStop
		what = fmt.Sprintf("each gate of %v is begun with CLEA and read when the box has stopped", gate)
	} else {
		s.poller.reader = newRunning(o.clock, gate, o.now["gate"], r)
		s.desc.Timing, s.desc.Blind, s.desc.Hint = device.ByHostArrival, blindRunning, runningHint
		what = fmt.Sprintf("running totals are asked for until the box clears them, each %v; the first ones are dropped, since their begin is unknown", gate)
	}
	s.opened = &device.Event{Time: o.clock(), What: "opened", Text: what + "; " + o.transcript()}
	return s, nil
}

// What the bytes cannot reveal.
const (
	blindStop    = "lines carry no checksum: a digit lost or changed on the way gives a wrong count unseen"
	blindRunning = blindStop + "; the three totals are asked for one after the other, so each channel's live time differs from that stated by up to the time an answer takes"
)
