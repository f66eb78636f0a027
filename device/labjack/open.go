package labjack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"photongate/device"
)

const (
	answerLimit = time.Second // the published clients wait that long
	drainQuiet  = 30 * time.Millisecond
	drainMost   = 64 // packets
	tries       = 3  // for a command that arrived damaged
	endpointOut = 0x01
	endpointIn  = 0x82
)

// talk asks the device one question after the other.
type talk struct {
	ctx   context.Context
	usb   device.USBDevice
	clock device.Clock
	buf   []byte
	sent  []string // what set something, for people
}

// exchange sends a command and hands what comes to take, until that returns nil.
func (t *talk) exchange(command []byte, take func(answer []byte) error) error {
	for try := 1; ; try++ {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		_, err := t.usb.Out(endpointOut, command, answerLimit)
		if err == nil {
			err = t.answer(take)
		}
		if !errors.Is(err, errResend) || try == tries {
			return err
		}
	}
}

// answer reads until something fits.
func (t *talk) answer(take func([]byte) error) error {
	var odd error
	for end := t.clock() + int64(answerLimit); ; {
		n, at, err := t.usb.In(endpointIn, t.buf, max(time.Millisecond, time.Duration(end-t.clock())))
		switch {
		case errors.Is(err, device.ErrTimeout) && odd != nil:
			return odd
		case err != nil:
			return err
		}
		if err = take(t.buf[:n]); !errors.Is(err, device.ErrNonsense) {
			return err
		}
		if odd == nil {
			odd = err
		}
		if at >= end {
			return odd
		}
	}
}

// drain throws away answers to an earlier program.
func (t *talk) drain() error {
	for range drainMost {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		_, _, err := t.usb.In(endpointIn, t.buf, drainQuiet)
		switch {
		case errors.Is(err, device.ErrTimeout):
			return nil
		case errors.Is(err, device.ErrNonsense):
		case err != nil:
			return err
		}
	}
	return nil
}

// opening gathers what is learned about the device while it is opened.
type opening struct {
	talk
	want    device.Settings
	product uint16
	about   about
	told    bool // about is what the device said
	found   pins
	now     pins
	set     bool // now was set
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	o := &opening{talk: talk{ctx: ctx, usb: req.USB, clock: req.Clock}, want: req.Settings}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.endpoints},
		{"open", o.drain},
		{"identify", o.identify},
		{"read the pins", o.readPins},
		{"set counters", o.enable},
	} {
		if err := step.do(); err != nil {
			return nil, explain(step.name, o.usb, err)
		}
	}
	return o.source(), nil
}

// explain makes an error one that says what was done, to what, and what to try.
func explain(op string, usb device.USBDevice, err error) error {
	if _, ok := errors.AsType[*device.Error](err); ok {
		return err
	}
	e := &device.Error{Op: op, Port: usb.Name(), Err: err}
	code, reported := errors.AsType[deviceCode](err)
	switch {
	case reported && code.code == 97:
		e.Hint = "name the option counters: the pin is made digital then"
	case reported:
		e.Hint = "another program may have set the pins: unplug it, plug it in again, and name the option counters"
	case errors.Is(err, device.ErrTimeout):
		e.Hint = "unplug it and plug it in again; is another program using it?"
	case errors.Is(err, device.ErrStall), errors.Is(err, device.ErrNonsense), errors.Is(err, errResend):
		e.Hint = "unplug it and plug it in again; if that does not help, another cable or no hub"
	}
	return e
}

// endpoints looks whether the device has those of a U3 or U6.
func (o *opening) endpoints() error {
	info := o.usb.Info()
	o.product = info.ID.Product
	if !slices.ContainsFunc(ids, info.ID.Same) {
		return &device.Error{Op: "open", Port: o.usb.Name(), Err: fmt.Errorf("%w: it is %v", device.ErrNonsense, info.ID),
			Hint: "a LabJack U3 is 0cd5:0003, a U6 0cd5:0006"}
	}
	size := maxPacket
	for _, address := range []uint8{endpointOut, endpointIn} {
		e, err := info.Endpoint(address)
		if err != nil {
			return err
		}
		size = max(size, e.MaxPacket)
	}
	o.buf = make([]byte, size)
	return nil
}

// identify asks what the device is. Whether a U6 of old firmware answers is not
// sure; one that does not is known by its id and its answer to ConfigIO.
func (o *opening) identify() error {
	err := o.exchange(configCommand(), func(p []byte) (err error) {
		o.about, err = parseAbout(p)
		return err
	})
	_, reported := errors.AsType[deviceCode](err)
	switch {
	case err == nil && o.about.product != o.product:
		return fmt.Errorf("%w: its USB id is that of a %s, and it says it is product %d", device.ErrNonsense, modelName(o.product), o.about.product)
	case err == nil:
		o.told = true
	case o.product == productU6 && (reported || errors.Is(err, device.ErrTimeout) || errors.Is(err, errResend)):
	default:
		return err
	}
	return nil
}

// askPins asks for the pins, and sets them unless set is nil.
func (o *opening) askPins(set *pins) (now pins, err error) {
	var s pins
	if set != nil {
		s = *set
	}
	command := pinsCommand(o.product, s, set != nil)
	if set != nil {
		o.sent = append(o.sent, fmt.Sprintf("ConfigIO % x", command))
	}
	err = o.exchange(command, func(p []byte) (err error) {
		now, err = parsePins(p, o.product)
		return err
	})
	return now, err
}

func (o *opening) readPins() (err error) {
	o.found, err = o.askPins(nil)
	o.now = o.found
	return err
}

// enable enables the counters the configuration names, unless they are.
func (o *opening) enable() error {
	word, _ := o.want["counters"].(string)
	want, named := countersOf(word)
	if !named {
		if o.found.counters == 0 {
			return &device.Error{Op: "open", Port: o.usb.Name(), Err: fmt.Errorf("%w: no counter is enabled", device.ErrSetting),
				Hint: `name the option counters: "0", "1" or "both"`}
		}
		return nil
	}
	next, err := o.plan(want)
	if err != nil || next == o.found {
		return err
	}
	o.now, err = o.askPins(&next)
	if err != nil {
		return err
	}
	if o.now != next {
		return &device.Error{Op: "set counters", Port: o.usb.Name(),
			Err:  fmt.Errorf("%w: sent %v, the device says %v", device.ErrSetting, next, o.now),
			Hint: "unplug it and plug it in again; if it stays so, try another pin"}
	}
	o.set = true
	return nil
}

// plan is how the pins are to be: the counters named on, all else as it is as far
// as it can be.
func (o *opening) plan(want byte) (pins, error) {
	next := o.found
	next.counters |= want
	lowest := 0
	if o.product == productU3 {
		lowest = 4 // FIO0 to FIO3 are analog on a U3-HV, and hardware 1.30 counts on none of them
	}
	if pin, named := o.want["pin"].(int64); named {
		next.offset = int(pin)
		if next.offset < lowest {
			return next, &device.Error{Op: "set pin", Port: o.usb.Name(), Err: fmt.Errorf("%w: pin = %d, on a U3 it is 4 to 8", device.ErrSetting, pin),
				Hint: "name pin 4 to 8 or none"}
		}
	}
	if next.counters != o.found.counters {
		next.offset = max(next.offset, lowest)
	}
	for _, c := range next.list() {
		pin := next.pin(c)
		switch {
		case o.product == productU6:
		case pin < 8:
			next.fio &^= 1 << pin
		default:
			next.eio &^= 1 << (pin - 8)
		}
	}
	return next, nil
}

// source builds the source once the counters are as they are to be.
func (o *opening) source() *source {
	gate, named := o.want.Gate()
	if !named {
		gate = defaultGate
	}
	total := o.want["read"] == readTotal
	s := &source{
		talk: &o.talk, box: o, rounds: device.NewRounds(gate, total, o.clock),
		read32: o.counters(), clears: !total,
	}
	s.values, s.last = make([]uint64, len(s.read32)), make([]uint64, len(s.read32))
	s.desc = device.Description{
		Model: modelName(o.product), Serial: o.usb.Info().Serial, Identity: device.Confirmed, Port: o.usb.Name(),
		Gate: gate, Timing: device.ByHostClearing, Channels: o.channels(total), Blind: blind,
	}
	if o.told {
		s.desc.Model, s.desc.Firmware, s.desc.Serial = o.about.model(), o.about.firmware, fmt.Sprint(o.about.serial)
	}
	s.desc.Settings = o.settings(gate)
	s.opened = &device.Event{Time: o.clock(), What: "opened", Text: o.story(gate, total)}
	return s
}

// blind is what its bytes cannot reveal.
const blind = "pulses that are too short or too close together for a counter are not counted, and nothing tells of them"

// counters are those that are read.
func (o *opening) counters() []int {
	word, _ := o.want["counters"].(string)
	if want, named := countersOf(word); named {
		return pins{counters: want}.list()
	}
	return o.now.list()
}

// channels are the channels that are read, with their pins.
func (o *opening) channels(total bool) []device.Channel {
	var list []device.Channel
	for _, c := range o.counters() {
		ch := channels(pins{counters: 1 << c}, total)[0]
		ch.Input += ": " + pinName(o.now.pin(c))
		list = append(list, ch)
	}
	return list
}

func (o *opening) settings(gate time.Duration) []device.Setting {
	counters := device.Setting{Key: "counters", Value: counterWords[o.now.counters&3], How: device.ReadBack}
	pin := device.Setting{Key: "pin", Value: fmt.Sprint(o.now.offset), How: device.ReadBack}
	read, named := o.want["read"].(string)
	if !named {
		read = readClear
	}
	return []device.Setting{
		{Key: "gate", Value: fmt.Sprint(gate), How: "asked by the host"},
		counters, pin,
		{Key: "timers", Value: fmt.Sprint(o.now.timers), How: device.ReadBack},
		{Key: "read", Value: read, How: "asked by the host"},
	}
}

// story says how the counters are read and what was set.
func (o *opening) story(gate time.Duration, total bool) string {
	text := fmt.Sprintf("read and cleared every %v by this computer; counts before the first answer have an unknown begin and were dropped", gate)
	if total {
		text = fmt.Sprintf("running totals read every %v by this computer; nothing is cleared", gate)
	}
	if !o.told {
		text += "; it does not say what it is, so its USB id is believed"
	}
	if !o.set {
		return text + "; counters were found enabled, nothing was set"
	}
	return text + fmt.Sprintf("; pins were: %v; are: %v; sent ", o.found, o.now) + strings.Join(o.sent, ", ")
}
