package ni6501

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"photongate/device"
)

const (
	answerLimit = time.Second // as the kernel's driver waits
	drainQuiet  = 50 * time.Millisecond
	drainMost   = 64 // packets
	tries       = 2
)

// talk asks the device one question after the other.
type talk struct {
	usb     device.USBDevice
	clock   device.Clock
	out, in uint8 // endpoints
	buf     []byte
}

// newTalk finds the endpoints, which are not numbered in any public source.
func newTalk(req device.OpenRequest) (*talk, error) {
	info := req.USB.Info()
	out, err := info.First(false)
	if err != nil {
		return nil, err
	}
	in, err := info.First(true)
	return &talk{usb: req.USB, clock: req.Clock, out: out.Address, in: in.Address, buf: make([]byte, max(64, in.MaxPacket))}, err
}

// drain throws away answers that nobody waits for.
func (t *talk) drain() error {
	for range drainMost {
		_, _, err := t.usb.In(t.in, t.buf, drainQuiet)
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

// tell sends a command and reads its answer.
func (t *talk) tell(ctx context.Context, command []byte, judge func([]byte) error) error {
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := t.usb.Out(t.out, command, answerLimit)
		n := 0
		if err == nil {
			n, _, err = t.usb.In(t.in, t.buf, answerLimit)
		}
		if err == nil {
			err = judge(t.buf[:n])
		}
		if again := errors.Is(err, device.ErrTimeout) || errors.Is(err, device.ErrNonsense); !again || try == tries {
			return err
		}
		if err := t.drain(); err != nil {
			return err
		}
	}
}

// commands are what an option's word sends.
var commands = map[any][][]byte{wordStart: {cmdStart}, wordRestart: {cmdStop, cmdZero, cmdStart}}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	t, err := newTalk(req)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = t.drain()
	}
	if err != nil {
		return nil, explain("open", req.USB, err)
	}
	word, _ := req.Settings["counter"].(string)
	var sent []string
	for _, c := range commands[word] {
		sent = append(sent, fmt.Sprintf("% x", c))
		if err := t.tell(ctx, c, parseDone); err != nil {
			return nil, explain("set counter", t.usb, err)
		}
	}
	var now uint32
	asked := t.clock()
	if err := t.tell(ctx, cmdRead, func(p []byte) (err error) { now, err = parseTotal(p); return err }); err != nil {
		return nil, explain("identify", t.usb, err)
	}
	s := newSource(t, req.Settings, word, now, sent)
	s.at = asked
	return s, nil
}

// explain makes an error one that says what was done, to what, and what to try.
func explain(op string, usb device.USBDevice, err error) error {
	e := &device.Error{Op: op, Port: usb.Name(), Err: err}
	switch {
	case errors.Is(err, device.ErrChanged):
	case errors.Is(err, device.ErrTimeout):
		e.Hint = "unplug it and plug it in again; is another program using it?"
	case errors.Is(err, device.ErrStall), errors.Is(err, device.ErrNonsense):
		e.Hint = "unplug it and plug it in again; if that does not help, another cable or no hub"
	}
	return e
}

// newSource builds the source of a device that answers. Now is its total.
func newSource(t *talk, settings device.Settings, word string, now uint32, sent []string) *source {
	gate, named := settings.Gate()
	if !named {
		gate = defaultGate
	}
	s := &source{talk: t, rounds: device.NewRounds(gate, true, t.clock), last: now}
	info := t.usb.Info()
	s.desc = device.Description{
		Model: "USB-6501", Serial: info.Serial, Identity: device.Confirmed, Port: t.usb.Name(), Gate: gate, Timing: device.ByHostClearing,
		Channels: channels(), Blind: blind, Settings: []device.Setting{{Key: "gate", Value: fmt.Sprint(gate), How: "asked by the host"}},
	}
	text := fmt.Sprintf("the running total is read every %v by this computer; it is %d; nothing is cleared", gate, now)
	if len(sent) > 0 {
		s.desc.Settings = append(s.desc.Settings, device.Setting{Key: "counter", Value: word, How: "acknowledged"})
		text += "; sent and acknowledged: " + strings.Join(sent, ", ")
	} else {
		text += `; nothing was set, and whether the counter runs cannot be asked: if it stands still, name counter = "start"`
	}
	s.opened = &device.Event{Time: t.clock(), What: "opened", Text: text}
	return s
}

// blind is what its bytes cannot reveal.
const blind = "the total says neither whether the counter runs nor whether pulses came too fast for it; one set to a little more than it was looks like counts"
