package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"photongate/device"
	"photongate/protocol"
)

// settingText writes what an instrument says of a setting: "200 ms".
func settingText(s device.Setting) string {
	if s.Unit == "" || s.Value == "" {
		return s.Value
	}
	return s.Value + " " + s.Unit
}

// valueText writes the value of an option for people: "200ms", "0.5 V".
func valueText(o device.Option, v any) string {
	switch v := v.(type) {
	case time.Duration:
		return bound(o, float64(v))
	case float64:
		return bound(o, v)
	case int64:
		return withUnit(strconv.FormatInt(v, 10), o.Unit)
	}
	return fmt.Sprint(v)
}

// configLine writes an option as a configuration has it: `gate = "200ms"`.
func configLine(o device.Option, v any) string {
	switch v := v.(type) {
	case time.Duration:
		return fmt.Sprintf("%s = %q", o.Name, bound(o, float64(v)))
	case string:
		return fmt.Sprintf("%s = %q", o.Name, v)
	case float64:
		return o.Name + " = " + strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprintf("%s = %v", o.Name, v)
}

// valueError says why an option cannot be what somebody wrote.
func valueError(key, value string, err error) string {
	if r, ok := errors.AsType[*rangeError](err); ok {
		return fmt.Sprintf("%s = %s: %s (%s)", key, value, r.expected(), r.option.Title)
	}
	return fmt.Sprintf("%s = %s: %v", key, value, err)
}

// list is all settings of the device: those that the instrument tells, then the
// options it does not tell. locked says why one cannot be changed just now.
func (d *deviceControl) list(locked func(device.Option) string) []protocol.DeviceSetting {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []protocol.DeviceSetting
	for _, s := range d.known {
		one := protocol.DeviceSetting{Device: d.cfg.Name, Key: s.Key, Value: s.Value, Unit: s.Unit, How: s.How}
		if i := d.option(s.Key); i >= 0 {
			d.describe(&one, d.driver.Options[i], locked)
		}
		list = append(list, one)
	}
	for _, o := range d.driver.Options {
		if slices.ContainsFunc(list, func(s protocol.DeviceSetting) bool { return s.Key == o.Name }) || d.tags && o.Name == "gate" {
			continue
		}
		one := protocol.DeviceSetting{Device: d.cfg.Name, Key: o.Name}
		if v, named := d.want[o.Name]; named {
			one.Value = valueText(o, v)
		}
		d.describe(&one, o, locked)
		list = append(list, one)
	}
	return list
}

// option is the place of an option, -1 when there is none.
func (d *deviceControl) option(key string) int {
	return slices.IndexFunc(d.driver.Options, func(o device.Option) bool { return o.Name == key })
}

// describe adds what an option may be.
func (d *deviceControl) describe(s *protocol.DeviceSetting, o device.Option, locked func(device.Option) string) {
	s.Title, s.Kind, s.Choices = o.Title, string(o.Kind), o.Choices
	if o.Min != 0 || o.Max != 0 {
		s.Min, s.Max = bound(o, o.Min), bound(o, o.Max)
	}
	if s.Locked = locked(o); s.Locked == "" && !d.open {
		s.Locked = d.cfg.Name + " is not open"
	}
}
