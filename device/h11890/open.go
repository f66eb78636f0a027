package h11890

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"photongate/device"
)

const (
	answerLimit = 500 * time.Millisecond
	drainQuiet  = 100 * time.Millisecond
	drainMost   = time.Second
	tries       = 3
	transfers   = 32 // kept under way
)

// opening gathers what is learned about the head while it is opened.
type opening struct {
	ctx     context.Context
	usb     device.USBDevice
	clock   device.Clock
	want    device.Settings
	out, in device.USBEndpoint
	buf     []byte

	gate    time.Duration
	voltage uint32
	repeat  uint32
	sent    []string
	running bool // it was counting when it was opened
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	o := &opening{ctx: ctx, usb: req.USB, clock: req.Clock, want: req.Settings}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.endpoints},
		{"stop", o.stop},
		{"identify", o.readSettings},
		{"set", o.push},
	} {
		if err := step.do(); err != nil {
			return nil, explain(step.name, o.usb, err)
		}
	}
	s, err := o.start()
	if err != nil {
		return nil, explain("start", o.usb, err)
	}
	return s, nil
}

// explain makes an error one that says what was done, to what, and what to try.
func explain(op string, usb device.USBDevice, err error) error {
	e := &device.Error{Op: op, Port: usb.Name(), Err: err}
	switch {
	case errors.Is(err, device.ErrTimeout):
		e.Hint = "unplug it and plug it in again; is another program using it?"
	case errors.Is(err, device.ErrStall), errors.Is(err, device.ErrNonsense), errors.Is(err, device.ErrBus):
		e.Hint = "unplug it and plug it in again; if that does not help, another cable or no hub"
	}
	return e
}

// endpoints finds the two of them, whose numbers are not published.
func (o *opening) endpoints() (err error) {
	if o.out, err = o.usb.Info().First(false); err != nil {
		return err
	}
	o.in, err = o.usb.Info().First(true)
	size := max(o.in.MaxPacket, packetBytes)
	o.buf = make([]byte, size)
	return err
}

func (o *opening) write(command []byte) error {
	if err := o.ctx.Err(); err != nil {
		return err
	}
	_, err := o.usb.Out(o.out.Address, command, answerLimit)
	return err
}

// stop stops a head that counts, and throws away what it sent.
func (o *opening) stop() error {
	if err := o.write(cmdStop); err != nil {
		return err
	}
	for end := o.clock() + int64(drainMost); o.clock() < end; {
		_, _, err := o.usb.In(o.in.Address, o.buf, drainQuiet)
		switch {
		case errors.Is(err, device.ErrTimeout):
			return nil
		case err == nil:
			o.running = true
		case !errors.Is(err, device.ErrNonsense):
			return err
		}
	}
	return nil
}

// ask asks for the value of a letter. What is no answer to it may come from a head
// that did not hear that it is to stop: it is told again.
func (o *opening) ask(letter byte) (value uint32, err error) {
	for try := 1; ; try++ {
		if err = o.write([]byte{letter}); err != nil {
			return 0, err
		}
		n, _, err := o.usb.In(o.in.Address, o.buf, answerLimit)
		if err == nil {
			value, err = parseAnswer(o.buf[:n], letter)
		}
		if again := errors.Is(err, device.ErrTimeout) || errors.Is(err, device.ErrNonsense); !again || try == tries {
			return value, err
		}
		if err := o.stop(); err != nil {
			return 0, err
		}
	}
}

// readSettings asks for all settings. The integration time is asked for last, and
// twice: nothing but the head's word says how long a reading is.
func (o *opening) readSettings() (err error) {
	if o.repeat, err = o.ask(letterRepeat); err != nil {
		return err
	}
	if o.voltage, err = o.ask(letterVoltage); err != nil {
		return err
	}
	first, err := o.ask(letterTime)
	if err != nil {
		return err
	}
	ticks, err := o.ask(letterTime)
	if err != nil {
		return err
	}
	gate, possible := gateOf(ticks)
	if ticks != first || !possible {
		return fmt.Errorf("%w: it says an integration time of %d, then %d units of %v", device.ErrNonsense, first, ticks, tick)
	}
	o.gate = gate
	return nil
}

// push sends what the configuration names, and repetition 0, and asks how it is
// then.
func (o *opening) push() error {
	gate, named := o.want.Gate()
	if named && gate != o.gate {
		if err := o.set(letterTime, uint32(gate/tick)); err != nil {
			return err
		}
	}
	if v, named := o.want["high_voltage"].(int64); named && uint32(v) != o.voltage {
		if err := o.set(letterVoltage, uint32(v)); err != nil {
			return err
		}
	}
	if o.repeat != 0 {
		if err := o.set(letterRepeat, 0); err != nil {
			return err
		}
	}
	if o.sent == nil {
		return nil
	}
	if err := o.readSettings(); err != nil {
		return err
	}
	if o.repeat != 0 {
		return fmt.Errorf("%w: told to count without end, the head says %d integrations", device.ErrSetting, o.repeat)
	}
	return nil
}

// set sends a setting. Whether it is answered is not known.
func (o *opening) set(letter byte, value uint32) error {
	command := setCommand(letter, value)
	o.sent = append(o.sent, fmt.Sprintf("% x", command))
	if err := o.write(command); err != nil {
		return err
	}
	n, _, err := o.usb.In(o.in.Address, o.buf, drainQuiet)
	switch {
	case errors.Is(err, device.ErrTimeout):
		return nil
	case err != nil:
		return err
	}
	if _, err := parsePacket(o.buf[:n]); errors.Is(err, errRefused) {
		return fmt.Errorf("%w: sent % x, the head answered BC", device.ErrSetting, command)
	}
	return nil
}

// start begins to count.
func (o *opening) start() (*source, error) {
	command := cmdCount
	if o.want["correction"] == true {
		command = cmdCorrected
	}
	stream, err := o.usb.Stream(o.in.Address, (packetBytes+o.in.MaxPacket-1)/o.in.MaxPacket*o.in.MaxPacket, transfers)
	if err != nil {
		return nil, err
	}
	if err := o.write(command); err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	s := &source{
		usb: o.usb, clock: o.clock, out: o.out.Address, stream: stream, buf: o.buf, gate: o.gate,
		phase: device.NewPhase(o.gate, 1, 0), last: o.clock(), overload: o.want["overload"] == overloadBit15,
		desc: o.describe(),
	}
	text := fmt.Sprintf("the head times its integrations of %v itself; high voltage %d V; ", o.gate, o.voltage)
	if o.running {
		text += "it sent packets when it was opened, and was stopped; "
	}
	if o.sent != nil {
		text += "sent " + strings.Join(o.sent, ", ") + "; "
	} else {
		text += "nothing was set; "
	}
	s.opened = &device.Event{Time: s.last, What: "opened", Text: text + fmt.Sprintf("started with %q", command)}
	return s, nil
}

// blind is what its bytes cannot reveal.
const blind = "whether the head counts between two integrations is not known; too much light, which makes a photomultiplier count less, shows in no bit that is known for sure"

// late is by how much the fastest packets may lie behind the end of an
// integration: nothing is known of the head's own delay.
const late = 20 * time.Millisecond

// describe says what the head is and how it is set.
func (o *opening) describe() device.Description {
	info := o.usb.Info()
	gate := device.Setting{Key: "gate", Value: o.gate.String(), How: device.ReadBack}
	if d, named := o.want.Gate(); named {
		gate.Asked = d.String()
	}
	voltage := device.Setting{Key: "high_voltage", Value: fmt.Sprint(o.voltage), Unit: "V", How: device.ReadBack}
	if v, named := o.want["high_voltage"]; named {
		voltage.Asked = fmt.Sprint(v)
	}
	return device.Description{
		Model: "H11890", Serial: info.Serial, Identity: device.Confirmed, Port: o.usb.Name(), Gate: o.gate,
		Timing: device.ByDevice, Late: late, Channels: channels(), Blind: blind,
		Settings: []device.Setting{gate, voltage, {Key: "correction", Value: fmt.Sprint(o.want["correction"] == true), How: "sent"}},
	}
}
