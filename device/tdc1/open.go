package tdc1

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"photongate/device"
)

// opening gathers what is learned about the unit while it is opened.
type opening struct {
	talk
	want     device.Settings
	identity string
	mode     mode
	gate     time.Duration
	readable struct{ mode, gate bool } // the unit tells these
	level    string                    // answers, empty when there was none of a known form
	refclk   string
	answers  map[string]string // the last ones to mode?, time? and refclk?
	eclock   string
	did      []string // what reading needed, for people
	stream   *streaming
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	o := &opening{talk: talk{ctx: ctx, port: req.Port, clock: req.Clock}, want: req.Settings, answers: map[string]string{}}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.refuseUnfit},
		{"open", o.port.Discard},
		{"open", o.quieten},
		{"identify", o.identify},
		{"open", o.askSettings},
		{"set", o.push},
		{"open", o.checkReady},
		{"start the stream", o.start},
	} {
		if err := step.do(); err != nil {
			if _, ok := errors.AsType[*device.Error](err); ok {
				return nil, err
			}
			return nil, &device.Error{Op: step.name, Port: o.port.Name(), Err: err}
		}
	}
	return o.source(), nil
}

// refuseUnfit refuses settings that do not go together.
func (o *opening) refuseUnfit() error {
	if _, named := o.want.Gate(); named && o.wantsTags() {
		return &device.Error{Op: "set gate", Port: o.port.Name(),
			Err: fmt.Errorf("%w: a stream of time stamps has no gates", device.ErrSetting), Hint: "leave gate out; [[device.counts]] makes counts of the tags"}
	}
	if o.want["level"] == nil || o.want["threshold"] == nil {
		return nil
	}
	return &device.Error{Op: "set threshold", Port: o.port.Name(),
		Err: fmt.Errorf("%w: level sets a threshold too", device.ErrSetting), Hint: "name level or threshold, not both"}
}

// wantsTags reports whether the stream of time stamps is to be read.
func (o *opening) wantsTags() bool { return o.want["mode"] == timestamp.String() }

// quieten listens, and stops a stream of time stamps.
func (o *opening) quieten() error {
	got, err := o.drain()
	if err != nil || len(got) == 0 {
		return err
	}
	return o.abort(fmt.Sprintf("it was sending (%s) and was told to stop with abort", device.ShowBytes(got[:min(len(got), 8)])))
}

func (o *opening) abort(why string) error {
	if err := o.send(stopStream); err != nil {
		return err
	}
	o.did = append(o.did, why)
	_, err := o.drain()
	return err
}

// identify ends whatever half command the unit holds and asks what it is. A unit
// that says nothing may be streaming without events, or measuring for somebody
// else: it is told to stop once.
func (o *opening) identify() error {
	if err := o.send(""); err != nil {
		return err
	}
	if _, err := o.drain(); err != nil {
		return err
	}
	for try := range 2 {
		answer, ok, err := o.askTwice(identify, isIdentity)
		if err != nil {
			return err
		}
		if ok {
			o.identity = answer
			return nil
		}
		if try == 0 {
			if err := o.abort("it did not answer at first and was told to stop with abort"); err != nil {
				return err
			}
		}
	}
	e := &device.Error{Op: "identify", Port: o.port.Name()}
	if len(o.stray) == 0 {
		e.Err = fmt.Errorf("%w to \"*idn?\"", device.ErrTimeout)
		e.Hint = "is this the TDC1's port? A measurement begun by another program may take up to 65 s: try again then"
		return e
	}
	e.Err = fmt.Errorf("%w: asked \"*idn?\", expected a line with TDC1, got %s", device.ErrNonsense, device.ShowBytes(o.stray))
	e.Hint = "check the driver and the port; `photongate try tdc1` shows the bytes, `photongate devices` what is plugged in"
	return e
}

// askSettings asks for all settings there are.
func (o *opening) askSettings() (err error) {
	if err = o.askMode(); err == nil {
		err = o.askTime()
	}
	if err == nil {
		o.level, _, err = o.askTwice("level?", func(s string) bool { _, ok := parseLevel(s); return ok })
	}
	if err == nil {
		err = o.askClock()
	}
	if err == nil {
		o.eclock, _, err = o.askTwice("eclock?", func(s string) bool { return s != "" && len(s) <= 64 && printable(s) })
	}
	return err
}

func (o *opening) askMode() (err error) {
	answer, ok, err := o.askTwice("mode?", func(s string) bool { _, ok := parseMode(s); return ok })
	if o.readable.mode = ok; ok {
		o.mode, _ = parseMode(answer)
	}
	o.answers["mode?"] = answer
	return err
}

func (o *opening) askTime() (err error) {
	answer, ok, err := o.askTwice("time?", func(s string) bool { _, ok := parseTime(s); return ok })
	if o.readable.gate = ok; ok {
		o.gate, _ = parseTime(answer)
	}
	o.answers["time?"] = answer
	return err
}

func (o *opening) askClock() (err error) {
	answer, _, err := o.askTwice("refclk?", func(s string) bool { _, ok := parseClock(s); return ok })
	o.refclk, _ = parseClock(answer)
	o.answers["refclk?"] = answer
	return err
}

// push sets what the configuration names, and what reading needs, and reads it
// back; what the unit did not take is sent once more. Then it is read as it is,
// and Describe says how.
func (o *opening) push() error {
	if err := o.pushMode(); err != nil {
		return err
	}
	if err := o.pushTime(); err != nil {
		return err
	}
	if err := o.pushLevel(); err != nil {
		return err
	}
	word, named := o.want["refclk"].(string)
	if !named {
		return nil
	}
	return o.twice(clockCommand(word), o.askClock, func() bool { return o.refclk == "" || o.refclk == word })
}

// twice sends a command and asks whether it was taken, and all that once more if
// it was not.
func (o *opening) twice(command string, ask func() error, taken func() bool) error {
	for range 2 {
		if err := o.set(command); err != nil {
			return err
		}
		if err := ask(); err != nil {
			return err
		}
		if taken() {
			return nil
		}
	}
	return nil
}

func (o *opening) pushMode() error {
	word, named := o.want["mode"].(string)
	if !named && o.readable.mode && o.mode != timestamp {
		return nil
	}
	if o.readable.mode && o.mode == timestamp { // it may be streaming without events
		if err := o.abort("it was in timestamp mode and was told to stop with abort"); err != nil {
			return err
		}
	}
	if !named {
		word = "singles"
		o.did = append(o.did, "it was set to singles, as it was left in timestamp mode and the configuration names no mode")
	}
	want := modes[word]
	err := o.twice(word, o.askMode, func() bool { return !o.readable.mode || o.mode == want })
	if !o.readable.mode {
		o.mode = want
	}
	return err
}

func (o *opening) pushTime() error {
	if o.wantsTags() { // without end
		err := o.twice(timeCommand(0), o.askTime, func() bool { return !o.readable.gate || o.gate == 0 })
		if !o.readable.gate {
			o.gate = 0
		}
		return err
	}
	gate, named := o.want.Gate()
	if !named && o.readable.gate && o.gate > 0 {
		return nil
	}
	if !named {
		gate = defaultTime
		o.did = append(o.did, fmt.Sprintf("its integration time was set to %v, as it told none and the configuration names none", gate))
	}
	err := o.twice(timeCommand(gate), o.askTime, func() bool { return !o.readable.gate || o.gate == gate })
	if !o.readable.gate {
		o.gate = gate
	}
	return err
}

func (o *opening) pushLevel() error {
	command, named := o.want["level"].(string)
	if volt, ok := o.want["threshold"].(float64); ok {
		command, named = thresholdCommand(volt), true
	}
	if !named {
		return nil
	}
	ask := func() (err error) {
		o.level, _, err = o.askTwice("level?", func(s string) bool { _, ok := parseLevel(s); return ok })
		return err
	}
	return o.twice(command, ask, func() bool { return !slices.ContainsFunc(o.levels(), device.Setting.Differs) })
}

// rounding is how far the threshold that the unit tells may be from the one asked
// for: its steps are not published.
const rounding = 0.020

// levels are the settings level and threshold as far as they are known.
func (o *opening) levels() (list []device.Setting) {
	volt, told := parseLevel(o.level)
	if word, named := o.want["level"].(string); named {
		s := device.Setting{Key: "level", Value: word, How: "sent", Asked: word}
		if told && (volt < 0) != (word == "nim") { // NIM pulses are negative, TTL ones positive
			s.Value, s.How = "threshold of "+o.level, device.ReadBack
		}
		list = append(list, s)
	}
	want, named := o.want["threshold"].(float64)
	s := device.Setting{Key: "threshold", Unit: "V"}
	switch {
	case told:
		s.Value, s.How = fmt.Sprintf("%.3f", volt), device.ReadBack
		if named && math.Abs(volt-want) <= rounding {
			s.Asked = s.Value
		} else if named {
			s.Asked = fmt.Sprintf("%.3f", want)
		}
	case named:
		s.Value, s.How = fmt.Sprintf("%.3f", want), "sent"
		s.Asked = s.Value
	default:
		return list
	}
	return append(list, s)
}

// checkReady refuses a unit that cannot count as it is.
func (o *opening) checkReady() error {
	e := &device.Error{Op: "set", Port: o.port.Name(), Hint: "try again; if it stays so switch the unit off and on"}
	switch {
	case o.wantsTags() && o.mode != timestamp:
		e.Op, e.Err = "set mode", fmt.Errorf("%w: asked for timestamp it stays in %v", device.ErrSetting, o.mode)
	case o.wantsTags() && o.gate != 0:
		e.Op, e.Err = "set time", fmt.Errorf("%w: asked for a time without end it stays at %v", device.ErrSetting, o.gate)
	case o.wantsTags():
		_, err := o.drain()
		return err
	case o.mode == timestamp:
		e.Op, e.Err = "set mode", fmt.Errorf("%w: it stays in timestamp mode", device.ErrSetting)
	case o.gate <= 0:
		e.Op, e.Err = "set gate", fmt.Errorf("%w: its integration time stays 0, without end", device.ErrSetting)
	default:
		_, err := o.drain()
		return err
	}
	return e
}
