package umass

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
	talkLimit  = 500 * time.Millisecond // as the published program waits
	drainQuiet = 20 * time.Millisecond
	drainMost  = time.Second
	tries      = 3
	transfers  = 64 // of data, kept under way
	leastClock = 1e6
)

// talk reads and writes registers.
type talk struct {
	ctx   context.Context
	usb   device.USBDevice
	clock device.Clock
	limit time.Duration
	buf   []byte
	sent  []string // what set something, for people
	// silent says that writing is not answered.
	silent bool
}

// ask reads a register once.
func (t *talk) ask(reg uint16) (uint32, error) { return t.talk(command(false, reg, 0)) }

// talk sends a command and returns the answer.
func (t *talk) talk(command []byte) (uint32, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	if _, err := t.usb.Out(endCommand, command, t.limit); err != nil {
		return 0, err
	}
	n, _, err := t.usb.In(endReply, t.buf, t.limit)
	if err != nil {
		return 0, err
	}
	return parseReply(t.buf[:n])
}

// steady reads a register until it says the same twice: a reply carries nothing that
// tells which question it belongs to.
func (t *talk) steady(reg uint16) (uint32, error) {
	var last error
	for range tries {
		first, err := t.ask(reg)
		if err == nil {
			second, again := t.ask(reg)
			if again == nil && first == second {
				return first, nil
			}
			if err = again; err == nil {
				err = fmt.Errorf("%w: register %02x is %08x, then %08x", device.ErrNonsense, reg, first, second)
			}
		}
		if last = err; !passing(err) {
			return 0, err
		}
		if err := t.calm(); err != nil {
			return 0, err
		}
	}
	return 0, last
}

// passing reports whether it may help to ask again.
func passing(err error) bool {
	return errors.Is(err, device.ErrTimeout) || errors.Is(err, device.ErrNonsense) || errors.Is(err, device.ErrStall)
}

// calm ends half a command that the tagger may hold, and throws away what it answers.
func (t *talk) calm() error {
	_, err := t.usb.Out(endCommand, command(true, regNone, 0), t.limit)
	if errors.Is(err, device.ErrStall) {
		err = t.usb.ClearHalt(endCommand)
	}
	if err != nil && !passing(err) {
		return err
	}
	return t.drain(endReply)
}

// drain throws away what waits on an endpoint.
func (t *talk) drain(endpoint uint8) error {
	for end := t.clock() + int64(drainMost); t.clock() < end; {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		_, _, err := t.usb.In(endpoint, t.buf, drainQuiet)
		switch {
		case errors.Is(err, device.ErrTimeout):
			return nil
		case errors.Is(err, device.ErrStall):
			if err := t.usb.ClearHalt(endpoint); err != nil {
				return err
			}
		case err != nil && !errors.Is(err, device.ErrNonsense):
			return err
		}
	}
	return nil
}

// set writes a register. It is answered with the value; where such an answer never
// comes it is not waited for again.
func (t *talk) set(reg uint16, value uint32) error {
	if t.silent {
		_, err := t.usb.Out(endCommand, command(true, reg, value), t.limit)
		return err
	}
	_, err := t.talk(command(true, reg, value))
	return err
}

// write sets a register, and asks for it.
func (t *talk) write(reg uint16, value uint32) error {
	var got uint32
	for range tries {
		told := t.set(reg, value)
		if told != nil && !passing(told) {
			return told
		}
		if told != nil {
			if err := t.calm(); err != nil {
				return err
			}
		}
		var err error
		got, err = t.ask(reg)
		if err == nil && got == value {
			t.silent = t.silent || errors.Is(told, device.ErrTimeout)
			return nil
		}
		if err != nil && !passing(err) {
			return err
		}
		if err := t.calm(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: register %02x was set to %08x and is %08x", device.ErrSetting, reg, value, got)
}

// vendor sends a request to the FX2.
func (t *talk) vendor(request uint8, value uint16) (err error) {
	for range tries {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		if _, err = t.usb.Control(vendorOut, request, value, 0, nil, t.limit); !passing(err) {
			break
		}
	}
	return err
}

// opening gathers what is learned about the tagger while it is opened.
type opening struct {
	*talk
	want    device.Settings
	version uint32
	hertz   uint32
	strobe  uint32
	delta   uint32
	packet  int // records of one
	running bool
	wiring  *wiring
	stream  device.USBStream
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	o := &opening{talk: &talk{ctx: ctx, usb: req.USB, clock: req.Clock, limit: talkLimit, buf: make([]byte, 1024)}, want: req.Settings}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.choose},
		{"identify", o.identify},
		{"set", o.push},
		{"start", o.start},
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
	switch {
	case errors.Is(err, device.ErrTimeout):
		e.Hint = "unplug it and plug it in again; is it the tagger, and has the FPGA its design?"
	case errors.Is(err, device.ErrStall), errors.Is(err, device.ErrNonsense), errors.Is(err, device.ErrBus):
		e.Hint = "unplug it and plug it in again; if that does not help, is it the tagger? 04b4:1004 is an id that others use as well"
	case errors.Is(err, device.ErrSetting):
		e.Hint = "unplug it and plug it in again"
	}
	return e
}

// choose looks at the id and the endpoints.
func (o *opening) choose() error {
	info := o.usb.Info()
	refuse := func(kind error, text, hint string) error {
		return &device.Error{Op: "open", Port: o.usb.Name(), Err: fmt.Errorf("%w: %s", kind, text), Hint: hint}
	}
	switch {
	case info.ID.Same(bareFX2):
		return refuse(device.ErrNonsense, "this is a Cypress FX2 chip without firmware, as the tagger is when it was just plugged in",
			"install timetag-fx2 (bgamari/timetag-fx2: make, make install) and fxload, which load it at each plugging in; then unplug it, plug it in and name it usb:04b4:1004")
	case !info.ID.Same(tagger):
		return refuse(device.ErrNonsense, fmt.Sprintf("it is %v", info.ID), "the tagger is 04b4:1004")
	}
	for _, address := range []uint8{endCommand, endReply, endData} {
		e, err := info.Endpoint(address)
		if err != nil {
			return refuse(device.ErrNonsense, err.Error(), "04b4:1004 is an id that others use as well: is it the tagger?")
		}
		o.buf = slices.Grow(o.buf[:0], e.MaxPacket)[:max(len(o.buf), e.MaxPacket)]
	}
	o.packet = defaultPacket
	if n, named := o.want["packet"].(int64); named {
		o.packet = int(n)
	}
	return nil
}

// identify stops what runs, and asks for version and clock rate: both are as only the
// tagger's are.
func (o *opening) identify() error {
	err := o.vendor(reqFlush, 0) // a chip with other firmware refuses it
	if err == nil {
		err = o.calm()
	}
	if err != nil {
		return err
	}
	if o.version, err = o.steady(regVersion); err != nil {
		return err
	}
	if o.hertz, err = o.steady(regClock); err != nil {
		return err
	}
	if o.version == 0 || o.version > mostVersion || o.hertz < leastClock {
		return fmt.Errorf("%w: it says version %d and a clock of %d Hz", device.ErrNonsense, o.version, o.hertz)
	}
	capture, err := o.steady(regCapture)
	if err != nil {
		return err
	}
	o.running = capture&captureOn != 0
	if o.strobe, err = o.steady(regStrobe); err == nil {
		o.delta, err = o.steady(regDelta)
	}
	return err
}

// push sets which inputs are recorded, where the configuration says so, or none is.
func (o *opening) push() error {
	for _, m := range []struct {
		option string
		reg    uint16
		now    *uint32
	}{{"strobes", regStrobe, &o.strobe}, {"deltas", regDelta, &o.delta}} {
		want := *m.now
		if text, named := o.want[m.option].(string); named {
			want, _ = parseInputs(text)
		} else if m.reg == regStrobe && want&inputMask == 0 {
			want = inputMask // as it is when it was just plugged in
		}
		if want == *m.now {
			continue
		}
		o.sent = append(o.sent, fmt.Sprintf("%s %s, was %s", m.option, inputList(want), inputList(*m.now)))
		if err := o.write(m.reg, want); err != nil {
			return err
		}
		*m.now = want
	}
	o.wiring = wire(o.strobe, o.delta)
	if len(o.wiring.channels) == 0 {
		return &device.Error{Op: "set", Port: o.usb.Name(), Err: fmt.Errorf("%w: no input is to be recorded", device.ErrSetting), Hint: "name inputs in the option strobes or deltas"}
	}
	return nil
}

// start clears counter and memories and starts the capture: the first record is of a
// tick soon behind 0.
func (o *opening) start() error {
	if err := o.write(regCapture, 0); err != nil {
		return err
	}
	for _, pulse := range []struct {
		reg uint16
		bit uint32
	}{{regCapture, countReset}, {regFIFO, fifoClear}} {
		if err := o.pulse(pulse.reg, pulse.bit); err != nil {
			return err
		}
		if err := o.write(pulse.reg, 0); err != nil {
			return err
		}
	}
	if err := o.vendor(reqPacket, uint16(o.packet*recordBytes)); err != nil {
		return err
	}
	if err := o.vendor(reqFlush, 0); err != nil {
		return err
	}
	if err := o.drain(endData); err != nil {
		return err
	}
	for _, reg := range []uint16{regRecords, regLost} { // any writing clears them
		if err := o.pulse(reg, 0); err != nil {
			return err
		}
	}
	e, err := o.usb.Info().Endpoint(endData)
	if err != nil {
		return err
	}
	size := (o.packet*recordBytes + e.MaxPacket - 1) / e.MaxPacket * e.MaxPacket
	if o.stream, err = o.usb.Stream(endData, size, transfers); err != nil {
		return err
	}
	if err = o.write(regCapture, countOn|captureOn); err != nil {
		return errors.Join(err, o.stream.Close())
	}
	return nil
}

// pulse writes a register whose value says nothing: a bit that may fall by itself, or
// a counter, which any writing clears.
func (o *opening) pulse(reg uint16, value uint32) error {
	for try := 1; ; try++ {
		err := o.set(reg, value)
		if err == nil || !passing(err) || try == tries {
			return err
		}
		if err := o.calm(); err != nil {
			return err
		}
	}
}

// source builds the source of a tagger that captures.
func (o *opening) source() *source {
	now := o.clock()
	o.limit, o.ctx = readLimit, context.Background()
	s := &source{talk: o.talk, stream: o.stream, decoder: decoder{wiring: o.wiring}, hertz: o.hertz, at: now, heard: now, looked: now}
	s.data = make([]byte, mostLeft+bufferBytes+2)
	s.registers = []register{{regClock, o.hertz}, {regStrobe, o.strobe}, {regDelta, o.delta}, {regCapture, countOn | captureOn}}
	s.desc = device.Description{
		Model: "UMass FPGA timetagger", Serial: o.usb.Info().Serial, Firmware: fmt.Sprintf("version %d", o.version),
		Identity: device.Confirmed, Port: o.usb.Name(), Timing: device.ByDevice, Tick: device.Tick{Num: 1, Den: uint64(o.hertz)},
		Channels: o.wiring.channels, Blind: blind,
		Settings: []device.Setting{
			{Key: "strobes", Value: inputList(o.strobe), How: device.ReadBack, Asked: o.asked("strobes")},
			{Key: "deltas", Value: inputList(o.delta), How: device.ReadBack, Asked: o.asked("deltas")},
			{Key: "packet", Value: fmt.Sprint(o.packet), Unit: "records", How: "sent"},
			{Key: "clock", Value: fmt.Sprint(o.hertz), Unit: "Hz", How: device.ReadBack},
		},
	}
	story := "counter and memories were cleared and the capture started"
	if o.running {
		story = "a capture that ran was stopped; " + story
	}
	if o.sent != nil {
		story += "; set " + strings.Join(o.sent, ", ")
	}
	s.opened = &device.Event{Time: now, What: "opened", Text: story}
	return s
}

func (o *opening) asked(option string) string {
	text, named := o.want[option].(string)
	if !named {
		return ""
	}
	mask, _ := parseInputs(text)
	return inputList(mask)
}
