package sr400

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"photongate/device"
)

var (
	_ device.Setter  = (*source)(nil)
	_ device.Checker = (*source)(nil)
)

// talkLimit is when a Set or Check stops waiting for answers; what is begun then
// still takes a silence or two, and all of it less than device.MaxSet.
const talkLimit = device.MaxSet - 500*time.Millisecond

// borrow has a conversation between two questions for counts.
func (s *source) borrow(converse func() error) error {
	if s.failed != nil {
		return s.failed
	}
	if s.before == nil {
		s.before = device.NewBatch(len(s.desc.Channels))
	}
	o := s.box
	o.ctx, o.until, o.sent = context.Background(), o.clock()+int64(talkLimit), o.sent[:0]
	s.hold = true
	defer func() { s.hold = false }()
	for !s.idle() {
		if o.clock() > o.until {
			return device.ErrTimeout
		}
		if err := s.read(s.before); err != nil {
			return err
		}
	}
	o.recover = func() error { return s.getInStep(s.before, s) }
	return converse()
}

// Set implements device.Setter for what can be changed while it counts. It is read
// back.
func (s *source) Set(name string, value any) (device.Setting, error) {
	i := slices.IndexFunc(items, func(it item) bool { return it.key == name })
	if i < 0 || !live(name) {
		return device.Setting{}, fmt.Errorf("set %s: %w: it cannot be set while the instrument is read", name, device.ErrSetting)
	}
	it := items[i]
	var says float64
	known := false
	err := s.borrow(func() (err error) {
		says, known, err = s.box.setItem(it, value)
		return err
	})
	if err != nil {
		return device.Setting{}, deviceError("set "+name, s.box.port, err)
	}
	s.box.want[name] = value
	if known {
		s.box.now[name] = says
	}
	s.desc.Settings, s.desc.Unverified = s.box.settings(), s.box.unverified()
	s.doubt = s.desc.Unverified || s.blind
	k := slices.IndexFunc(s.desc.Settings, func(d device.Setting) bool { return d.Key == name })
	return s.desc.Settings[k], nil
}

// live reports whether an option can be set while the instrument is read.
func live(name string) bool {
	return slices.ContainsFunc(options(), func(o device.Option) bool { return o.Name == name && o.Live })
}

// setItem sends a setting and reads it back, where the instrument says it.
func (o *opening) setItem(it item, value any) (says float64, known bool, err error) {
	command := it.set(value)
	if err := o.tell(command); err != nil {
		return 0, false, err
	}
	says, known, err = o.sure(it.query())
	if err != nil || !known {
		return 0, false, err
	}
	if is := it.say(says); is != it.asked(value, says, true) {
		return 0, false, &device.Error{Op: "set " + it.key, Port: o.port.Name(),
			Err:  fmt.Errorf("%w: sent %q, the instrument says %s", device.ErrSetting, command, is),
			Hint: "it counts on as it was; `photongate drivers sr400` has the ranges"}
	}
	return says, true, nil
}

// Check implements device.Checker: after a change at the front panel the settings
// are asked for, on a slow line in several goes. One that differs is asked for
// until it says the same twice.
func (s *source) Check() error {
	var list []string
	err := s.borrow(func() error {
		for ; s.checked < len(items) && s.box.clock() < s.box.until-int64(answerLimit)/2; s.checked++ {
			text, err := s.box.differs(items[s.checked])
			if err != nil {
				return err
			}
			if text != "" {
				list = append(list, text)
			}
		}
		return nil
	})
	switch {
	case len(list) > 0:
		return deviceError("check", s.box.port, fmt.Errorf("%w: %s", device.ErrChanged, strings.Join(list, ", ")))
	case err == nil:
		if s.checked == len(items) {
			s.checked, s.changed = 0, false
		}
		return nil
	case errors.Is(err, device.ErrTimeout) || errors.Is(err, device.ErrNonsense):
		return nil // its answer is not clear, or it has no time
	}
	return deviceError("check", s.box.port, err)
}

// differs says what a setting was and is, or nothing when it is as it was.
func (o *opening) differs(it item) (string, error) {
	was, known := o.now[it.key]
	if !known {
		return "", nil
	}
	is, err := o.talk.ask(it.query())
	if err != nil || is == was {
		return "", err
	}
	is, known, err = o.sure(it.query())
	if err != nil || !known || is == was {
		return "", err
	}
	return fmt.Sprintf("%s was %s and is %s", it.key, it.say(was), it.say(is)), nil
}
