package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"photongate/device"
	"photongate/protocol"
)

// changeLimit bounds how long who asks for a change waits for it: an instrument
// that has to be opened anew, twice, and another change before it.
const changeLimit = 60 * time.Second

// asker is who asks: a session, or an output.
type asker struct {
	name   string   // of the receiver, for requests that name nobody
	from   string   // address without port
	local  bool     // on this computer
	rights []string // protocol.RightRead and others
}

// askerAt is who asks from an address.
func askerAt(addr net.Addr, name string, rights []string) *asker {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		host = addr.String()
	}
	ip := net.ParseIP(host)
	return &asker{name: name, from: host, local: ip != nil && ip.IsLoopback(), rights: rights}
}

// control answers requests. It may be used concurrently.
type control struct {
	mode      string // one of the Control words
	room      *keeper
	devices   []*deviceControl
	measuring *measurements
	record    func(*protocol.Event) (at int64, err error) // into the stream of the gateway
	now       device.Clock
	status    func() protocol.Status
}

// notDone is why a request was not done: a code of a protocol.Reply, and a
// sentence.
type notDone struct{ code, text string }

func (e notDone) Error() string { return e.text }

func refuse(code, format string, args ...any) error {
	return notDone{code, fmt.Sprintf(format, args...)}
}

// answer does what is asked for and says what came of it. When ctx ends first
// it may be done all the same.
func (c *control) answer(ctx context.Context, by *asker, ask *protocol.Request) *protocol.Reply {
	r := &protocol.Reply{ID: ask.ID, TNs: protocol.Int64(c.now())}
	if err := c.do(ctx, by, ask, r); err != nil {
		*r = protocol.Reply{ID: r.ID, TNs: r.TNs, Code: codeOf(err), Text: err.Error()}
	}
	return r
}

// codeOf is the code for an error.
func codeOf(err error) string {
	if e, ok := errors.AsType[notDone](err); ok {
		return e.code
	}
	switch _, measuring := errors.AsType[errMeasuring](err); {
	case measuring:
		return protocol.ReplyBusy
	case errors.Is(err, errGatewayStops):
		return protocol.ReplyBusy
	case errors.Is(err, errNoMeasurement):
		return protocol.ReplyUnknown
	case errors.Is(err, protocol.ErrLimit):
		return protocol.ReplyLimit
	}
	return protocol.ReplyJournal
}

func (c *control) do(ctx context.Context, by *asker, ask *protocol.Request, r *protocol.Reply) (err error) {
	if err := checkRequest(ask); err != nil {
		return err
	}
	if err := by.may(ask.Do); err != nil {
		return err
	}
	if ask.Measurement != nil && slices.Contains(by.rights, protocol.RightChange) {
		c.measuring.keep(by, ask.Measurement.ID) // who may not end it must not, by going away
	}
	who := ask.Who
	if who == "" {
		who = by.name
	}
	var at int64
	switch ask.Do {
	case protocol.DoNow:
		return nil
	case protocol.DoStatus:
		r.Status = protocol.Ref(c.status())
		return nil
	case protocol.DoGet:
		if ask.Device == gatewayStream {
			return c.getGateway(by, ask, r)
		}
		return c.get(by, ask, r)
	case protocol.DoSet:
		if ask.Device == gatewayStream {
			return c.setGateway(by, who, ask, r)
		}
		return c.set(ctx, by, who, ask, r)
	case protocol.DoBegin:
		at, err = c.measuring.begin(by, who, *ask.Measurement)
	case protocol.DoEnd:
		at, err = c.measuring.end(by, who, *ask.Measurement)
	case protocol.DoForget:
		at, err = c.now(), c.forget(by, who, ask.Name)
	case protocol.DoNote:
		at, err = c.record(&protocol.Event{What: protocol.EventNote, Who: who, From: by.from, Text: ask.Text})
	}
	if err == nil {
		r.TNs = protocol.Int64(at) // what is recorded, and nothing was done before it
	}
	return err
}

// may returns an error when somebody lacks the right to ask for something.
func (a *asker) may(do string) error {
	switch do {
	case protocol.DoNow, protocol.DoStatus, protocol.DoGet:
		if slices.Contains(a.rights, protocol.RightRead) {
			return nil
		}
		return refuse(protocol.ReplyRights, "this connection may not read")
	}
	if slices.Contains(a.rights, protocol.RightChange) {
		return nil
	}
	return refuse(protocol.ReplyRights, "this connection may read and change nothing: that needs the gateway's token. Programs of the gateway's own user on its own computer "+
		"find it by themselves; elsewhere, run once the line that \"photongate pair\" prints there")
}

// get lists settings.
func (c *control) get(by *asker, ask *protocol.Request, r *protocol.Reply) error {
	for _, d := range c.devices {
		if found, err := d.getCounts(ask, r); found {
			return err
		}
		if ask.Device != "" && d.cfg.Name != ask.Device {
			continue
		}
		for _, s := range d.list(func(o device.Option) string { return c.locked(by, d, o) }) {
			if ask.Key == "" || s.Key == ask.Key {
				r.Settings = append(r.Settings, s)
			}
		}
		if ask.Device != "" && ask.Key != "" && len(r.Settings) == 0 {
			return d.noSuchKey(ask.Key)
		}
		if ask.Device == "" {
			r.Settings = append(r.Settings, d.listCounts("")...)
		}
	}
	if ask.Device != "" {
		_, err := c.device(ask.Device)
		return err
	}
	return nil
}

// device finds a device.
func (c *control) device(name string) (*deviceControl, error) {
	var names []string
	for _, d := range c.devices {
		if d.cfg.Name == name {
			return d, nil
		}
		names = append(names, d.cfg.Name)
		for _, counts := range d.cfg.Counts {
			names = append(names, counts.streamName(d.cfg.Name))
		}
	}
	names = append(names, gatewayStream)
	return nil, refuse(protocol.ReplyUnknown, "there is no device %q (expected one of %s)", name, strings.Join(names, ", "))
}

// noSuchKey says that a device has no such setting.
func (d *deviceControl) noSuchKey(key string) error {
	if err := d.noGate(key); err != nil {
		return err
	}
	if d.setting(key) != "" {
		return refuse(protocol.ReplyUnknown, "%s of %s cannot be set", key, d.cfg.Name)
	}
	var known []string
	for _, o := range d.driver.Options {
		known = append(known, o.Name)
	}
	slices.Sort(known)
	words := wordsOptions
	if !slices.Contains(known, "gate") {
		words = nil
	}
	text := strings.TrimPrefix(unknownKey(key, known, words, ""), "unknown key ")
	return refuse(protocol.ReplyUnknown, "%s has no setting %q %s", d.cfg.Name, key, text)
}

// locked says why somebody cannot change an option, empty when he can.
func (c *control) locked(by *asker, d *deviceControl, o device.Option) string {
	if err := by.may(protocol.DoSet); err != nil {
		return "needs the gateway's token"
	}
	if o.Guarded && !slices.Contains(d.cfg.Allow, o.Name) {
		return fmt.Sprintf("needs allow = [%q] in the configuration", o.Name)
	}
	if err := c.allowed(by, d, o); err != nil {
		return err.Error()
	}
	if m := c.measuring.status(); m != nil {
		return (&measuring{MeasurementStatus: *m}).sentence()
	}
	return ""
}

// allowed returns an error when the configuration does not allow a change.
func (c *control) allowed(by *asker, d *deviceControl, o device.Option) error {
	if err := c.mayChange(by); err != nil {
		return err
	}
	if o.Guarded && !slices.Contains(d.cfg.Allow, o.Name) {
		return refuse(protocol.ReplyControl, "%s drives something outside the instrument: to have it changed from here, write allow = [%q] under the [[device]] %q of the gateway's configuration",
			o.Name, o.Name, d.cfg.Name)
	}
	return nil
}

// mayChange returns an error when the configuration allows no change, or not from
// there.
func (c *control) mayChange(by *asker) error {
	switch {
	case c.mode == ControlOff:
		return refuse(protocol.ReplyControl, "the gateway's configuration allows no change (control = %q)", c.mode)
	case c.mode == ControlLocal && !by.local:
		return refuse(protocol.ReplyControl, "the gateway's configuration allows changes only from its own computer (control = %q)", c.mode)
	}
	return nil
}

// set changes a setting.
func (c *control) set(ctx context.Context, by *asker, who string, ask *protocol.Request, r *protocol.Reply) error {
	for _, d := range c.devices {
		if d.cfg.counts(ask.Device) {
			return d.countsFixed(ask.Device)
		}
	}
	d, err := c.device(ask.Device)
	if err != nil {
		return err
	}
	if err := d.noGate(ask.Key); err != nil {
		return err
	}
	i := d.option(ask.Key)
	if i < 0 {
		return d.noSuchKey(ask.Key)
	}
	o := d.driver.Options[i]
	value, err := optionValue(o, Word(ask.Value))
	if err != nil {
		return refuse(protocol.ReplyValue, "%s", valueError(ask.Key, ask.Value, err))
	}
	if err := c.allowed(by, d, o); err != nil {
		return err
	}
	if err := d.leavesTags(o, value); err != nil {
		return err
	}
	var bears protocol.ID
	if ask.Measurement != nil {
		bears = ask.Measurement.ID
	}
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	change := &settingChange{option: o, value: value}
	made := d.make(ctx, change, func(old string) error {
		note, err := c.measuring.allows(bears, ask.Force)
		change.event = protocol.Event{What: protocol.EventSet, Who: who, From: by.from, Key: o.Name, Old: old, New: valueText(o, value), Text: note}
		return err
	})
	if _, busy := errors.AsType[errMeasuring](made.err); busy {
		return made.err
	}
	if made.err != nil {
		return refuse(protocol.ReplyDevice, "%s was not changed: %v", o.Name, made.err)
	}
	r.Change = &made.event
	for _, s := range d.list(func(o device.Option) string { return c.locked(by, d, o) }) {
		if s.Key == o.Name {
			r.Settings = append(r.Settings, s)
		}
	}
	r.Text = d.keeping(o, value)
	return nil
}

// keeping says how long a setting lasts.
func (d *deviceControl) keeping(o device.Option, value any) string {
	if d.kept[o.Name] == value {
		return "this is what the configuration says as well"
	}
	return fmt.Sprintf("this lasts until the gateway ends; to keep it, write %s under [device.options] of %s", configLine(o, value), d.cfg.Name)
}
