package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"photongate/device"
)

// reopening ends an epoch: the device is opened anew for a change.
type reopening struct{ *settingChange }

func (r reopening) Error() string {
	from := ""
	if r.event.Old != "" {
		from = " from " + r.event.Old
	}
	return fmt.Sprintf("%s is to change%s to %s", r.event.Key, from, r.event.New)
}

// pause waits before the next attempt to open the device after err. Who wants
// to change a setting meanwhile is told that it is not open. When something is
// plugged in it waits no longer than that takes to be there; it reports whether the
// pauses are to begin with the shortest again for that.
func (t *task) pause(stop context.Context, long time.Duration, err error) (anew bool) {
	began := time.Now()
	after := time.NewTimer(long)
	defer after.Stop()
	changed := t.plugged.changed
	for {
		select {
		case <-stop.Done():
			return anew
		case <-after.C:
			return anew
		case <-changed:
			changed = nil
			if short := t.plugged.cut(began); time.Now().Add(short).Before(began.Add(long)) {
				anew = t.plugged.anew(short)
				after.Reset(short)
			}
		case c := <-t.control.asked:
			c.answer(changeResult{err: fmt.Errorf("%s is not open: %w", t.cfg.Name, err)})
		}
	}
}

// takeChanges returns what becomes of a change that is asked for while the
// device is open: it goes to the read loop through live, or has the device opened
// anew.
func (t *task) takeChanges(source device.Source, live chan<- *settingChange) func(*settingChange) error {
	_, can := source.(device.Setter)
	return func(c *settingChange) error {
		t.change = c
		if can && c.option.Live {
			live <- c // it has room: there is one change at a time
			return nil
		}
		t.reopen = c
		return reopening{c}
	}
}

// leftUnmade answers a change that the read loop did not come to.
func (t *task) leftUnmade(stop context.Context, err error) {
	if stop.Err() != nil {
		err = errGatewayStops
	}
	if t.change != nil && (t.reopen == nil || stop.Err() != nil) {
		t.change.answer(changeResult{err: err})
	}
	t.change = nil
}

// makeLive makes a change between two reads, in the goroutine of the read loop.
// An error is one after which the device cannot be read.
func (t *task) makeLive(source device.Source, q *queue, c *settingChange) error {
	made := &madeChange{event: c.event, from: t.base.now()}
	now, err := source.(device.Setter).Set(c.option.Name, c.value)
	made.to = t.base.now()
	if err != nil {
		c.answer(changeResult{err: err})
		if errors.Is(err, device.ErrSetting) {
			return nil
		}
		return err
	}
	about := source.Describe()
	t.control.wanted(c.option.Name, c.value)
	t.control.opened(&about)
	t.status.unverified(unverified(about))
	made.said(now)
	q.tell(made)
	t.tellChange(made)
	c.answer(changeResult{event: made.event})
	return nil
}

// said notes what an instrument says a setting is now, and writes the sentence
// for those who see texts only.
func (m *madeChange) said(s device.Setting) {
	e := &m.event
	text := e.Key + " from " + e.From
	if s.How == device.ReadBack {
		e.ReadBack = settingText(s)
		text += "; the instrument says " + e.ReadBack
	}
	if e.Text != "" {
		text += "; " + e.Text
	}
	e.Text = text
}

// openWith opens the device. Where a change waits for that, it is opened with
// the new setting, and when that fails with the old one.
func (t *task) openWith(stop context.Context) (device.Source, device.Description, error) {
	c := t.reopen
	if c == nil {
		return t.open(stop)
	}
	t.reopen = nil
	made := &madeChange{event: c.event, from: math.MinInt64} // no reading of this epoch came before
	before := t.control.wanted(c.option.Name, c.value)
	source, about, err := t.openSoon(stop)
	if err == nil {
		if err = refusal(about, c.option.Name); err != nil {
			t.closeSource(source)
		}
	}
	if err == nil {
		made.event.Before = t.previous.lastReading()
		made.to = t.base.now()
		var says device.Setting
		if i := slices.IndexFunc(about.Settings, func(s device.Setting) bool { return s.Key == c.option.Name }); i >= 0 {
			says = about.Settings[i]
		}
		made.said(says)
		t.made = append(t.made, made)
		t.control.opened(&about)
		t.tellChange(made)
		c.answer(changeResult{event: made.event})
		return source, about, nil
	}
	t.control.putBack(before)
	if stop.Err() != nil {
		c.answer(changeResult{err: errGatewayStops})
		return nil, about, err
	}
	refused := err
	if source, about, err = t.openSoon(stop); err != nil {
		c.answer(changeResult{err: fmt.Errorf("%w; and it cannot be opened with the old one either: %w", refused, err)})
	} else {
		c.answer(changeResult{err: fmt.Errorf("%w; it goes on with the old one", refused)})
	}
	return source, about, err
}

// openSoon opens a device that was open a moment ago. What the system still has
// to tidy up is given a second chance.
func (t *task) openSoon(stop context.Context) (device.Source, device.Description, error) {
	source, about, err := t.open(stop)
	if err == nil || errors.Is(err, device.ErrSetting) || errors.Is(err, device.ErrHangs) || errors.Is(err, errDriver) {
		return source, about, err
	}
	select {
	case <-stop.Done():
		return nil, about, stop.Err()
	case <-time.After(backoffFirst):
	}
	return t.open(stop)
}

// tellChange logs a change, and notes what the configuration does not have.
func (t *task) tellChange(m *madeChange) {
	e := m.event
	t.log.Info().Str("key", e.Key).Str("old", e.Old).Str("new", e.New).Str("read_back", e.ReadBack).Str("who", e.Who).Str("from", e.From).Msg("setting changed")
	t.status.notKept(t.control.notKept())
}
