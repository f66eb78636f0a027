package cd48

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"photongate/device"
)

var _ device.Checker = (*source)(nil)

// Check implements device.Checker with "p". All of the answer is compared with
// that of the opening or of the last Set, also what was never asked for: a box
// whose counters count other inputs gives other channels. One that answers
// nothing clear is left as it is.
func (s *source) Check() error {
	if s.failed != nil || !s.box.readable {
		return s.failed
	}
	t := &s.box.talk
	t.ctx, t.until, t.command, t.sent = context.Background(), t.clock()+int64(setLimit), "", t.sent[:0]
	err := s.lend(t)
	if err == nil {
		err = s.box.changed()
		s.giveBack(t)
	}
	if errors.Is(err, device.ErrTimeout) {
		return nil // it owes an answer, and may yet give it
	}
	if err != nil {
		return deviceError("check", s.port, err)
	}
	return nil
}

// changed asks the box for its settings and says what differs from those known.
func (o *opening) changed() error {
	s, ok, err := o.askSettings()
	if err == nil {
		err = o.pause()
	}
	if err != nil || !ok {
		return err
	}
	if s.masks != o.now.masks {
		s.reverseMasks() // as at the opening, where the order of bits was recognised
		if s.masks != o.now.masks {
			s.reverseMasks()
		}
	}
	var list []string
	tell := func(differ bool, key string, was, is any) {
		if differ {
			list = append(list, fmt.Sprintf("%s was %v and is %v", key, was, is))
		}
	}
	tell(s.trigger != o.now.trigger, "threshold", volt(o.now.trigger)+" V", volt(s.trigger)+" V")
	if o.now.impedance == "" {
		o.now.impedance = s.impedance
	}
	tell(s.impedance != o.now.impedance, "impedance", o.now.impedance, s.impedance)
	tell(s.masks != o.now.masks, "coincidences", maskList(o.now.masks), maskList(s.masks))
	tell(s.interval != o.now.interval, "gate", o.now.interval, s.interval)
	tell(s.repeat != o.now.repeat, "repeat mode", o.now.repeat, s.repeat)
	if list == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", device.ErrChanged, strings.Join(list, ", "))
}
