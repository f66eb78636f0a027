package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"photongate/device"
	"photongate/protocol"
)

// Settings that an instrument does not confirm. What it says another value of
// than was asked for is flagged in each reading, told in the status and in the
// descriptor, and pushed again from time to time where that takes no new opening.
// An instrument that can be asked while it is read is asked after each sign that
// it may have restarted.
const (
	pushFirst  = 10 * time.Second // until settings are pushed again
	pushLast   = 10 * time.Minute // the pauses double up to that
	checkEvery = time.Minute      // an instrument that times its gates itself is asked
	checkLeast = 5 * time.Second  // between two questions, however many signs there are
)

// unverified says which settings an instrument does not confirm, for people;
// empty: none.
func unverified(about device.Description) string {
	var list []string
	for _, s := range about.Differing() {
		list = append(list, differs(s))
	}
	if about.Unverified {
		var sent []string
		for _, s := range about.Settings {
			if s.How == protocol.HowSent {
				sent = append(sent, s.Key)
			}
		}
		list = append(list, strings.Join(sent, ", ")+": sent, and the instrument does not say what it has")
	}
	return strings.Join(list, "; ")
}

// differs writes a setting of which an instrument says another value than was
// asked for.
func differs(s device.Setting) string {
	asked := s
	asked.Value = s.Asked
	return fmt.Sprintf("%s: asked for %s, the instrument says %s", s.Key, settingText(asked), settingText(s))
}

// refusal is an error when an instrument that was opened for a change of a
// setting says another value than the new one.
func refusal(about device.Description, key string) error {
	list := about.Differing()
	if i := slices.IndexFunc(list, func(s device.Setting) bool { return s.Key == key }); i >= 0 {
		return &device.Error{Op: "set " + key, Port: about.Port, Err: fmt.Errorf("%w: %s", device.ErrSetting, differs(list[i]))}
	}
	return nil
}

// flagRows flags readings whose settings are not those asked for.
func flagRows(b *device.Batch) {
	for i := range b.Flags {
		b.Flags[i] |= device.Unverified
	}
}

// checks knows when the instrument is to be asked for its settings, in the
// goroutine of the read loop.
type checks struct {
	checker device.Checker // nil: it cannot be asked
	every   time.Duration  // without a sign; 0: not at all, since asking takes the place of a question for counts
	right   int64          // when its settings were as described, last
	sign    bool           // something came that may be a restart
}

func newChecks(source device.Source, about device.Description, now int64) *checks {
	c := &checks{right: now}
	c.checker, _ = source.(device.Checker)
	if about.Timing == device.ByDevice {
		c.every = checkEvery
	}
	return c
}

// due looks at what was read and reports whether it is time to ask.
func (c *checks) due(b *device.Batch, now int64) bool {
	if c.checker == nil {
		return false
	}
	for _, n := range b.Notes {
		c.sign = c.sign || n.Gap != nil || n.Event != nil && n.Event.What != "opened"
	}
	since := time.Duration(now - c.right)
	return (b.Len() > 0 || b.Tags.At != 0) && (c.sign && since >= checkLeast || c.every > 0 && since >= c.every)
}

// check asks. When the settings changed by themselves, the event that says so
// tells since when the readings are in doubt.
func (t *task) check(c *checks, q *queue, over *overrun) error {
	err := c.checker.Check()
	now := t.base.now()
	if err != nil {
		b := q.empty()
		b.Notes = append(b.Notes, device.Note{Event: &device.Event{
			Time: now, What: "settings in doubt",
			Text: fmt.Sprintf("%v; they were last known to be right %v before", err, time.Duration(now-c.right).Round(time.Second)),
		}})
		over.pass(q, b)
		return err
	}
	c.right, c.sign = now, false
	return nil
}

// pushes knows when settings that differ are pushed again.
type pushes struct {
	pause time.Duration
	due   time.Duration // since the opening; 0: nothing is to be pushed
}

// look is to be called regularly with what is known of the settings.
func (p *pushes) look(now time.Duration, differ bool) (push bool) {
	switch {
	case !differ:
		*p = pushes{}
	case p.due == 0:
		p.pause = min(max(2*p.pause, pushFirst), pushLast)
		p.due = now + p.pause
	case now >= p.due:
		p.due = 0
		return true
	}
	return false
}

// pushAgain makes changes of the first setting that differs and can be pushed
// while the device is open; nil: there is none, or another change is going on.
func (d *deviceControl) pushAgain() *settingChange {
	select {
	case d.turn <- struct{}{}:
	default:
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.known {
		i := d.option(s.Key)
		if !s.Differs() || i < 0 || !d.driver.Options[i].Live {
			continue
		}
		o := d.driver.Options[i]
		v, named := d.want[o.Name]
		if !named {
			continue
		}
		return &settingChange{
			option: o, value: v, done: make(chan changeResult, 1), over: func() { <-d.turn },
			event: protocol.Event{What: protocol.EventSet, Who: whoGateway, From: whoGateway, Key: o.Name, Old: settingText(s), New: valueText(o, v),
				Text: "pushed again, since the instrument had not taken it"},
		}
	}
	<-d.turn
	return nil
}

// differ reports whether the instrument says another value of a setting than was
// asked for.
func (d *deviceControl) differ() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.known, device.Setting.Differs)
}
