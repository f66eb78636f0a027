package cd48

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"photongate/device"
)

// opening gathers what is learned about the box while it is opened.
type opening struct {
	talk
	want     device.Settings
	firmware string
	now      settings
	readable bool // "p" was answered in a known form
	cleared  bool // "c" was sent
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	terms := map[any]string{nil: "\r", "cr": "\r", "lf": "\n", "none": ""}
	o := &opening{
		talk: talk{ctx: ctx, port: req.Port, clock: req.Clock, term: terms[req.Settings["terminator"]]},
		want: device.Settings{},
	}
	maps.Copy(o.want, req.Settings)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.port.Discard},
		{"open", o.drain},
		{"identify", o.identify},
		{"set", o.push},
		{"set", o.setRepeat},
		{"open", o.pause},
	} {
		if err := step.do(); err != nil {
			if _, ok := errors.AsType[*device.Error](err); ok {
				return nil, err
			}
			return nil, &device.Error{Op: step.name, Port: o.port.Name(), Err: err}
		}
	}
	return o.source()
}

// identify asks for counts unless lines of counts came unasked, then for the
// version and the settings.
func (o *opening) identify() error {
	for try := 0; !o.streams; try++ {
		ok, err := o.ask("c", answerLimit, func(line []byte, cr bool) bool {
			_, ok := parseCounts(line)
			o.crlf = cr
			return ok
		})
		o.cleared = true
		if err != nil {
			return err
		}
		if ok {
			break
		}
		if try == 1 {
			return o.notFound()
		}
	}
	if _, err := o.ask("v", answerLimit/2, func(line []byte, _ bool) bool {
		v, ok := parseVersion(line)
		o.firmware = v
		return ok
	}); err != nil {
		return err
	}
	var err error
	o.now, o.readable, err = o.askSettings()
	return err
}

func (o *opening) notFound() error {
	e := &device.Error{Op: "identify", Port: o.port.Name()}
	if len(o.stray) == 0 {
		e.Err = fmt.Errorf("%w to \"c\"", device.ErrTimeout)
		e.Hint = "is this the CD48's port? An older unit may want another terminator: option terminator = \"lf\" or \"none\""
		return e
	}
	e.Err = fmt.Errorf("%w: asked \"c\", expected nine numbers, got %s", device.ErrNonsense, device.ShowBytes(o.stray))
	e.Hint = "check the driver and the port; `photongate try cd48` shows the bytes, `photongate devices` what is plugged in"
	return e
}

// push sends what the configuration names and reads it back. What the box does
// not take is sent once more; then it is read as it is, and Describe says how.
func (o *opening) push() error {
	commands := o.commands()
	if len(commands) == 0 {
		return nil
	}
	for range 2 {
		for _, c := range commands {
			if err := o.send(c); err != nil {
				return err
			}
		}
		if !o.readable {
			return nil
		}
		s, ok, err := o.askSettings()
		if err != nil {
			return err
		}
		if !ok {
			o.readable = false
			return nil
		}
		o.now = s
		if masks := o.wantMasks(); !o.agrees(masks) {
			o.now.reverseMasks() // the order of bits in the answer is not documented
			if !o.agrees(masks) {
				o.now.reverseMasks()
			}
		}
		if !slices.ContainsFunc(o.readSettings(), device.Setting.Differs) {
			return nil
		}
	}
	return nil
}

// commands returns what the configuration names as commands.
func (o *opening) commands() []string {
	var list []string
	for _, name := range levels {
		if c, ok := levelCommand(name, o.want[name]); ok {
			list = append(list, c)
		}
	}
	masks := o.wantMasks()
	for n := range counters {
		if m, ok := masks[n]; ok {
			list = append(list, maskCommand(n, m))
		}
	}
	if gate, ok := o.want.Gate(); ok && gate >= minRepeatGate {
		list = append(list, intervalCommand(gate))
	}
	return list
}

func (o *opening) wantMasks() map[int]uint8 {
	list, ok := o.want["coincidences"].(string)
	if !ok {
		return nil
	}
	masks, _ := parseCoincidences(list) // checked with the configuration
	return masks
}

// refused says that the box has another value than was sent.
func (o *opening) refused(key string, want, got any) error {
	return &device.Error{
		Op: "set " + key, Port: o.port.Name(),
		Err:  fmt.Errorf("%w: sent %v, the box says %v", device.ErrSetting, want, got),
		Hint: "try again; if it stays so the unit's firmware may want another terminator",
	}
}

func (o *opening) agrees(masks map[int]uint8) bool {
	for n, m := range masks {
		if o.now.masks[n] != m {
			return false
		}
	}
	return true
}

// setRepeat switches repeat mode when the configuration needs it the other way.
// "R" toggles, so the state must be known first.
func (o *opening) setRepeat() error {
	gate, named := o.want.Gate()
	if !named {
		o.now.repeat = o.now.repeat && o.readable || o.streams
		return nil
	}
	want := gate >= minRepeatGate
	if o.readable || !want || gate == minRepeatGate {
		return o.toggleRepeat(want, gate)
	}
	// The state shows in lines only, which may be a minute apart: they come
	// quickly while it is found out.
	if err := o.send(intervalCommand(minRepeatGate)); err != nil {
		return err
	}
	if err := o.toggleRepeat(want, minRepeatGate); err != nil {
		return err
	}
	return o.send(intervalCommand(gate))
}

// toggleRepeat sends "R" when the state is not the one wanted. Gate is the
// interval in which lines come when it is on. A box that was on, and whose next
// line was still far off, is off after the first "R" and wants a second one.
func (o *opening) toggleRepeat(want bool, gate time.Duration) error {
	on, err := o.repeats(gate)
	for try := 0; err == nil && on != want && try < 2; try++ {
		if err = o.send("R"); err == nil {
			on, err = o.repeats(gate)
		}
	}
	if err != nil {
		return err
	}
	if on != want {
		return &device.Error{Op: "set gate", Port: o.port.Name(),
			Err:  fmt.Errorf("%w: sent R, repeat mode is on: %v, wanted: %v", device.ErrSetting, on, want),
			Hint: "try again; if it stays so switch the unit off and on",
		}
	}
	return nil
}

// repeats finds out whether repeat mode is on, by asking or else by listening.
func (o *opening) repeats(gate time.Duration) (bool, error) {
	if o.readable {
		s, ok, err := o.askSettings()
		if err != nil {
			return false, err
		}
		if ok {
			o.now.repeat = s.repeat
			return s.repeat, nil
		}
	}
	interval := max(gate, time.Second)
	on, err := o.listen(interval * 3 / 2)
	o.now.repeat = on
	return on, err
}

// source builds the source once the box is as it is to be.
func (o *opening) source() (device.Source, error) {
	gate, named := o.want.Gate()
	repeat := o.now.repeat
	if !named {
		gate = defaultPoll
	}
	if repeat && (!named || o.readable) {
		gate = o.now.interval // which may be another than was asked for
	}
	if repeat && gate <= 0 {
		return nil, &device.Error{Op: "open", Port: o.port.Name(),
			Err:  fmt.Errorf("%w: the box repeats but does not tell its interval", device.ErrNonsense),
			Hint: "name the option gate in the configuration",
		}
	}
	s := &source{port: o.port, box: o}
	r := rows{unverified: !o.readable && slices.ContainsFunc(o.commands(), readBack)}
	if o.readable {
		r.subsets = subsets(o.now.masks)
	}
	timing, hint := device.ByDevice, ""
	what := fmt.Sprintf("the box times its gates of %v itself; the line in which it was opened is dropped", gate)
	if repeat {
		s.reader = newRepeating(o, gate, r)
	} else {
		timing, what = device.ByHostClearing, fmt.Sprintf("polled every %v by this computer", gate)
		if !named {
			hint = fmt.Sprintf("set gate = \"%v\" to let the box time itself", minRepeatGate)
			what += "; " + hint
		}
		what += "; the first answer only sets the begin"
		s.reader = newPolling(o, gate, r)
	}
	if o.cleared {
		what += "; counts before the answer to the first \"c\" have an unknown begin and were dropped"
	}
	s.desc = o.describe(gate, timing, r.unverified)
	if hint != "" {
		s.desc.Hint = fmt.Sprintf("polled every %v by this computer; %s", gate, hint)
	}
	s.opened = &device.Event{Time: o.clock(), What: "opened", Text: what + "; " + o.transcript()}
	return s, nil
}

// readBack reports whether "p" shows what a command sets.
func readBack(command string) bool {
	return command[0] == 'L' || command[0] == 'S' || command[0] == 'r'
}
