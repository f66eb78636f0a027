package gateway

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"photongate/device"
	"photongate/protocol"
)

// deviceControl is what those who ask for settings and the supervisor of a
// device share: what is pushed, what the instrument says, and the change that is
// asked for. It may be used concurrently.
type deviceControl struct {
	cfg    DeviceConfig
	driver device.Driver

	turn  chan struct{}       // holds a token while a change is going on
	asked chan *settingChange // to the supervisor, which answers each that it takes
	ended chan struct{}       // closed when it takes no more

	mu    sync.Mutex
	want  device.Settings  // pushed at each opening; replaced, never changed
	known []device.Setting // as the instrument said last; nil: it was never open
	tags  bool             // it gives time tags, which have no gate
	open  bool
	kept  device.Settings               // want as the configuration has it
	made  map[string][]protocol.Setting // of the streams of counts made from its tags
}

func newDeviceControl(cfg DeviceConfig, driver device.Driver, want device.Settings) *deviceControl {
	return &deviceControl{
		cfg: cfg, driver: driver, want: want, kept: want,
		turn: make(chan struct{}, 1), asked: make(chan *settingChange), ended: make(chan struct{}),
	}
}

// settingChange is a change of one setting that somebody asked for.
type settingChange struct {
	option device.Option
	value  any            // checked against option
	event  protocol.Event // but Before, After and ReadBack

	once sync.Once
	done chan changeResult // takes the one answer
	over func()            // called once with the answer
}

// changeResult is what came of a change; err is nil when it was made.
type changeResult struct {
	err   error
	event protocol.Event // but Before and After
}

// answer tells who asked what came of it. Only the first answer counts.
func (c *settingChange) answer(r changeResult) {
	c.once.Do(func() {
		c.done <- r
		c.over()
	})
}

// make has the supervisor make a change, and waits for its answer. Only one
// change at a time is made; it is described once it is its turn. When ctx ends
// before the answer, the change may be made all the same.
func (d *deviceControl) make(ctx context.Context, c *settingChange, describe func(old string) error) changeResult {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return changeResult{err: errTurn}
	}
	c.done, c.over = make(chan changeResult, 1), func() { <-d.turn }
	if err := describe(d.setting(c.option.Name)); err != nil {
		c.over()
		return changeResult{err: err}
	}
	select {
	case d.asked <- c:
	case <-d.ended:
		c.over()
		return changeResult{err: errGatewayStops}
	case <-ctx.Done():
		c.over()
		return changeResult{err: errTurn}
	}
	select {
	case r := <-c.done:
		return r
	case <-ctx.Done():
		return changeResult{err: errAnswer}
	}
}

// How a change can end that the instrument has no part in.
var (
	errGatewayStops = fmt.Errorf("the gateway stops")
	errTurn         = fmt.Errorf("it is still busy with its opening or with another change: try again")
	errAnswer       = fmt.Errorf("it did not answer in time: ask for its settings")
)

// setting is a setting as it is now, for people; empty when it is not known.
func (d *deviceControl) setting(key string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.known {
		if s.Key == key {
			return settingText(s)
		}
	}
	for _, o := range d.driver.Options {
		if v, named := d.want[key]; named && o.Name == key {
			return valueText(o, v)
		}
	}
	return ""
}

// settings is what is to be pushed when the instrument is opened. The caller
// must not change it.
func (d *deviceControl) settings() device.Settings {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.want
}

// wanted has a setting pushed at each opening from now on, and returns what was
// pushed before.
func (d *deviceControl) wanted(key string, value any) (before device.Settings) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before = d.want
	d.want = maps.Clone(before)
	if d.want == nil {
		d.want = device.Settings{}
	}
	d.want[key] = value
	return before
}

// putBack undoes wanted.
func (d *deviceControl) putBack(before device.Settings) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = before
}

// opened notes what the instrument says of itself.
func (d *deviceControl) opened(about *device.Description) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known, d.tags, d.open = about.Settings, about.Tick.Num > 0, true
}

// counting notes how a stream of counts is made from the device's tags.
func (d *deviceControl) counting(stream string, settings []protocol.Setting) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.made == nil {
		d.made = map[string][]protocol.Setting{}
	}
	d.made[stream] = settings
}

func (d *deviceControl) closed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = false
}

// end answers that nothing is done any more, to all who ask from now on.
func (d *deviceControl) end() {
	close(d.ended)
	d.closed()
}

// notKept lists what is pushed and does not stand in the configuration, as it
// would be written there.
func (d *deviceControl) notKept() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, o := range d.driver.Options {
		if v, named := d.want[o.Name]; named && d.kept[o.Name] != v {
			list = append(list, configLine(o, v))
		}
	}
	return list
}
