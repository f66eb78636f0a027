package cc1

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
// still takes an answer's time, and all of it less than device.MaxSet.
const talkLimit = device.MaxSet - answerLimit - 100*time.Millisecond

// borrow has a conversation between two questions for counts.
func (s *source) borrow(converse func() error) error {
	if s.failed != nil {
		return s.failed
	}
	if s.before == nil {
		s.before = device.NewBatch(channels)
	}
	o := s.box
	o.ctx, o.until, o.sent = context.Background(), o.clock()+int64(talkLimit), o.sent[:0]
	if err := s.lend(s.before, o.until); err != nil {
		return err
	}
	err := converse()
	// What came late would be taken for the next answer.
	s.aligning, s.silent = "a setting was asked for", false
	return err
}

// Set implements device.Setter for what can be changed between two questions. It
// is read back. A gate in progress goes on.
func (s *source) Set(name string, value any) (device.Setting, error) {
	i := slices.IndexFunc(items, func(it item) bool { return it.key == name })
	if i < 0 || !live(name) {
		return device.Setting{}, fmt.Errorf("set %s: %w: it cannot be set while the box is read", name, device.ErrSetting)
	}
	it, says := items[i], ""
	err := s.borrow(func() (err error) {
		says, err = s.box.setItem(it, value)
		return err
	})
	if err != nil {
		return device.Setting{}, deviceError("set "+name, s.box.port, err)
	}
	s.box.want[name] = value
	if says != "" {
		s.box.now[name] = says
	}
	s.desc.Settings, s.desc.Unverified = s.box.settings(), s.box.unverified()
	k := slices.IndexFunc(s.desc.Settings, func(d device.Setting) bool { return d.Key == name })
	return s.desc.Settings[k], nil
}

// live reports whether an option can be set while the box is read.
func live(name string) bool {
	return slices.ContainsFunc(Driver.Options, func(o device.Option) bool { return o.Name == name && o.Live })
}

// setItem sends a setting and reads it back. It returns what the box says, or
// nothing when it does not.
func (o *opening) setItem(it item, value any) (says string, err error) {
	command := it.command(value, o.firmware.newer)
	if err := o.tell(command); err != nil && !errors.Is(err, errRefused) {
		return "", err
	}
	says, ok, err := o.askItem(it, o.firmware.newer)
	if err != nil {
		return "", err
	}
	if asked := it.words(value); ok && says != asked {
		return "", &device.Error{Op: "set " + it.key, Port: o.port.Name(),
			Err:  fmt.Errorf("%w: sent %q, the box says %s", device.ErrSetting, command, says),
			Hint: "it goes on as it was"}
	}
	return says, nil
}

// Check implements device.Checker: all settings are asked for once. One that
// differs is asked for until it says the same twice.
func (s *source) Check() error {
	var list []string
	err := s.borrow(func() error {
		for _, it := range items {
			was, known := s.box.now[it.key]
			if !known {
				continue
			}
			is, err := s.box.differs(it, was)
			if err != nil {
				return err
			}
			if is != "" {
				list = append(list, fmt.Sprintf("%s was %s and is %s", it.key, was, is))
			}
		}
		return nil
	})
	switch {
	case len(list) > 0:
		return deviceError("check", s.box.port, fmt.Errorf("%w: %s", device.ErrChanged, strings.Join(list, ", ")))
	case err == nil:
		switch r := s.reader.(type) {
		case *gated:
			r.doubt = false
		case *running:
			r.unsure = false
		}
		return nil
	case errors.Is(err, device.ErrTimeout) || errors.Is(err, errRefused):
		return nil // its answer is not clear, or it has no time
	}
	return deviceError("check", s.box.port, err)
}

// differs returns what a setting is now, or nothing when it is as it was.
func (o *opening) differs(it item, was string) (is string, err error) {
	err = o.talk.ask(func(line []byte) (ok bool) { is, ok = it.parse(line, o.firmware.newer); return ok }, it.query)
	if err != nil || is == was {
		return "", err
	}
	is, ok, err := o.askItem(it, o.firmware.newer)
	if !ok || is == was {
		return "", err
	}
	return is, err
}
