package cd48

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"photongate/device"
)

var _ device.Setter = (*source)(nil)

// setLimit is when a Set stops waiting for answers: what is begun then still
// takes a pause or two, and all of it less than device.MaxSet.
const setLimit = device.MaxSet - 500*time.Millisecond

// Set implements device.Setter for the levels. The threshold is read back with
// "p", where the box answers that in a known form; impedance and DAC cannot be.
// In repeat mode lines go on coming; when polled, the next question waits.
func (s *source) Set(name string, value any) (device.Setting, error) {
	if s.failed != nil {
		return device.Setting{}, s.failed
	}
	command, ok := levelCommand(name, value)
	if !ok {
		return device.Setting{}, fmt.Errorf("set %s: %w: %v cannot be set while the box is read", name, device.ErrSetting, value)
	}
	t := &s.box.talk
	t.ctx, t.until, t.command, t.sent = context.Background(), t.clock()+int64(setLimit), "", t.sent[:0]
	err := s.lend(t)
	how := howSent
	if err == nil {
		how, err = s.box.setLevel(name, command)
		s.giveBack(t)
	}
	if err != nil {
		return device.Setting{}, deviceError("set "+name, s.port, err)
	}
	if how == howSent && readBack(command) {
		s.doubt()
		s.desc.Unverified = true
	}
	s.box.want[name] = value
	if name == "impedance" {
		s.box.now.impedance = "" // how the box tells this one is not known yet
	}
	now := levelSetting(name, value, how)
	s.desc.Settings = slices.Clone(s.desc.Settings) // the old ones may be held by others
	if i := slices.IndexFunc(s.desc.Settings, func(d device.Setting) bool { return d.Key == name }); i >= 0 {
		s.desc.Settings[i] = now
	} else {
		s.desc.Settings = append(s.desc.Settings, now)
	}
	return now, nil
}

// deviceError makes an error of the port one that says what was done.
func deviceError(op string, port device.Port, err error) error {
	if _, ok := errors.AsType[*device.Error](err); ok {
		return err
	}
	return &device.Error{Op: op, Port: port.Name(), Err: err}
}

// setLevel sends a command and reads back what it sets, twice if need be. It
// returns how the value is known.
func (o *opening) setLevel(name, command string) (how string, err error) {
	before := o.now.trigger
	for try := range 2 {
		if err := o.send(command); err != nil {
			return "", err
		}
		o.buf = trimEcho(o.buf, command) // an echo may come without a line end
		if !o.readable || !readBack(command) {
			return howSent, nil
		}
		s, ok, err := o.askSettings()
		if err != nil {
			return "", err
		}
		if err := o.pause(); err != nil {
			return "", err
		}
		if !ok {
			return howSent, nil
		}
		o.now.trigger = s.trigger
		if fmt.Sprintf("L%03d", s.trigger) == command {
			return device.ReadBack, nil
		}
		if try == 1 || o.clock() > o.until {
			break
		}
	}
	says := fmt.Sprintf("%03d", o.now.trigger)
	if o.now.trigger != before { // it does not go on as it was
		return "", &device.Error{
			Op: "set " + name, Port: o.port.Name(),
			Err:  fmt.Errorf("%w: sent %s, the box says %s, before it was %03d", device.ErrNonsense, command[1:], says, before),
			Hint: "the box is opened again, which shows what it has then",
		}
	}
	return "", o.refused(name, command[1:], says)
}
