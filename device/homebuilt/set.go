package homebuilt

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
	"photongate/instrument"
)

var _ device.Setter = (*source)(nil)

// How a setting is known.
const (
	howSent    = "sent"
	howAssumed = "assumed"
)

// push sets what the configuration names and reads back what can be.
func (o *opening) push() error {
	defer func() { o.going = true }()
	for i := range o.f.Settings {
		s := &o.f.Settings[i]
		asked, named := o.req.Settings[s.Name]
		if !named {
			asked = nil
		}
		now, err := o.set(o.ctx, s, asked)
		if err != nil {
			return err
		}
		if now.Value == "" {
			continue
		}
		if named && now.How == howSent && !s.Read.IsEmpty() {
			o.unsure = true
		}
		o.settings = append(o.settings, now)
		if d, err := time.ParseDuration(now.Value); err == nil && s.Name == o.f.Gate.Setting && d > 0 {
			o.gate = d
		}
	}
	return nil
}

// set sends a value, nil for none, and reads back what the instrument has.
func (o *opening) set(ctx context.Context, s *instrument.Setting, v any) (device.Setting, error) {
	now := device.Setting{Key: s.Name, How: howAssumed}
	if s.Kind != instrument.DurationSetting {
		now.Unit = s.Unit
	}
	switch {
	case v != nil:
		now.Value, now.How = fmt.Sprint(v), howSent
		now.Asked = now.Value
	case s.Default.V != nil:
		now.Value = fmt.Sprint(s.Default.V)
	}
	polled := o.f.Poll != nil
	if v != nil && !s.Command.IsEmpty() {
		o.values[s.Name] = s.ToSend(v)
		if err := o.say(ctx, s.Command); err != nil {
			return now, err
		}
		if err := o.acknowledged(ctx, s); err != nil {
			return now, err
		}
	}
	if s.Read.IsEmpty() {
		return now, nil
	}
	if err := o.say(ctx, s.Read); err != nil {
		return now, err
	}
	got := ""
	found, err := o.answer(ctx, answerLimit, polled, func(line []byte) bool {
		got, _ = o.readBack(s, line)
		return got != ""
	})
	if err != nil || !found {
		return now, err
	}
	now.Value, now.How = got, device.ReadBack
	if v != nil && same(s, v, got) {
		now.Asked = got // the same, as the instrument has it
	}
	return now, nil
}

// same reports whether a value read back is the one that was sent, as the command
// writes it.
func same(s *instrument.Setting, v any, got string) bool {
	sent, err := s.Command.Append(nil, func(string) (any, bool) { return s.ToSend(v), true })
	if err != nil {
		return false
	}
	back, ok := parseSetting(s, got)
	if !ok {
		return false
	}
	again, err := s.Command.Append(nil, func(string) (any, bool) { return s.ToSend(back), true })
	return err == nil && string(again) == string(sent)
}

// acknowledged waits for the answer to a command.
func (o *opening) acknowledged(ctx context.Context, s *instrument.Setting) error {
	polled := o.f.Poll != nil
	if s.Answer == nil {
		if err := o.wait(ctx, o.clock()+int64(o.f.Open.Pause)); err != nil {
			return err
		}
		if polled {
			return o.silent(ctx)
		}
		return nil
	}
	var complaint string
	found, err := o.answer(ctx, answerLimit, polled, func(line []byte) bool {
		for _, p := range o.f.Text.Errors {
			if p.Match(line) {
				complaint = string(line)
				return true
			}
		}
		return s.Answer.Match(line)
	})
	switch {
	case err != nil:
		return err
	case complaint != "":
		return o.refused(s, fmt.Sprintf("the instrument says %q", complaint))
	case !found:
		return o.refused(s, fmt.Sprintf("no line like %s came", s.Answer))
	}
	return nil
}

func (o *opening) refused(s *instrument.Setting, why string) error {
	return &device.Error{
		Op: "set " + s.Name, Port: o.port.Name(), Err: fmt.Errorf("%w: %s", device.ErrSetting, why),
		Hint: fmt.Sprintf("look at the setting in %s, and at its bytes with `photongate try`", fileOf(o.f)),
	}
}

// readBack finds the value in a line that answers, and writes it as people do.
func (o *opening) readBack(s *instrument.Setting, line []byte) (string, bool) {
	text := string(line)
	if s.ReadAnswer != nil {
		m := s.ReadAnswer.FindStringSubmatch(text)
		if m == nil {
			return "", false
		}
		text = m[1]
	}
	text = strings.TrimSpace(text)
	if s.Kind == instrument.DurationSetting {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n < 0 || n*float64(s.Step) > float64(24*time.Hour) {
			return "", false
		}
		return time.Duration(n*float64(s.Step) + 0.5).String(), true
	}
	v, ok := parseSetting(s, text)
	if !ok {
		return "", false
	}
	return fmt.Sprint(v), true
}

// parseSetting reads a value as people write it.
func parseSetting(s *instrument.Setting, text string) (v any, ok bool) {
	var err error
	switch s.Kind {
	case instrument.DurationSetting:
		v, err = time.ParseDuration(text)
	case instrument.IntegerSetting:
		v, err = strconv.ParseInt(text, 10, 64)
	case instrument.NumberSetting:
		v, err = strconv.ParseFloat(text, 64)
	case instrument.BoolSetting:
		v, err = strconv.ParseBool(text)
	default:
		return text, slices.Contains(s.Choices, text)
	}
	return v, err == nil
}

// setLimit is when a Set stops waiting: what is begun then is over before
// device.MaxSet.
const setLimit = device.MaxSet / 4

// Set implements device.Setter for the settings that are live in the file.
func (s *source) Set(name string, value any) (device.Setting, error) {
	if s.failed != nil {
		return device.Setting{}, s.failed
	}
	setting := s.o.f.Setting(name)
	if setting == nil || !setting.Live {
		return device.Setting{}, fmt.Errorf("set %s: %w: it cannot be set while the instrument is read", name, device.ErrSetting)
	}
	ctx, cancel := context.WithTimeout(context.Background(), device.MaxSet)
	defer cancel()
	err := s.pause(s.o.clock() + int64(setLimit))
	var now device.Setting
	if err == nil {
		now, err = s.o.set(ctx, setting, value)
		s.resume()
	}
	if err != nil {
		return device.Setting{}, deviceError("set "+name, s.port, err)
	}
	s.desc.Settings = slices.Clone(s.desc.Settings) // the old ones may be held by others
	if i := slices.IndexFunc(s.desc.Settings, func(d device.Setting) bool { return d.Key == name }); i >= 0 {
		s.desc.Settings[i] = now
	} else {
		s.desc.Settings = append(s.desc.Settings, now)
	}
	return now, nil
}
