package gmc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

const (
	answerLimit = 600 * time.Millisecond // until an answer begins
	answerQuiet = 150 * time.Millisecond // after its last byte: answers have no end
	drainQuiet  = 250 * time.Millisecond // after HEARTBEAT0
	drainLimit  = 1500 * time.Millisecond
)

// opening gathers what is learned of the unit while it is opened.
type opening struct {
	ctx   context.Context
	port  device.Port
	clock device.Clock
	want  device.Settings

	sent    []string
	stray   []byte // what came that was no answer, for error messages
	beating []byte // what came before anything was asked
	version version
	spec    spec
	serial  string
	volt    string
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	o := &opening{ctx: ctx, port: req.Port, clock: req.Clock, want: req.Settings}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.port.Discard},
		{"open", o.quieten},
		{"identify", o.identify},
		{"identify", o.choose},
		{"open", o.askMore},
		{"open", func() error { return o.send(beatOn) }},
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

// quieten listens for a moment, then has the unit stop beating.
func (o *opening) quieten() (err error) {
	if o.beating, err = device.Drain(o.ctx, o.port, o.clock, answerQuiet, time.Second); err != nil {
		return err
	}
	o.note(o.beating)
	if err := o.send(beatOff); err != nil {
		return err
	}
	return o.drain()
}

func (o *opening) drain() error {
	got, err := device.Drain(o.ctx, o.port, o.clock, drainQuiet, drainLimit)
	o.note(got)
	return err
}

func (o *opening) note(b []byte) {
	if len(o.stray) < 64 {
		o.stray = append(o.stray, b[:min(len(b), 64)]...)
	}
}

func (o *opening) send(command string) error {
	_, err := o.port.Write([]byte(command))
	if n := len(o.sent); err == nil && (n == 0 || o.sent[n-1] != command) {
		o.sent = append(o.sent, command)
	}
	return err
}

// ask sends a command once and returns what comes until there is silence; nil when
// nothing came in time.
func (o *opening) ask(command string) ([]byte, error) {
	if err := o.send(command); err != nil {
		return nil, err
	}
	if err := o.ctx.Err(); err != nil {
		return nil, err
	}
	var buf [256]byte
	n, _, err := o.port.Read(buf[:], answerLimit)
	if errors.Is(err, device.ErrTimeout) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rest, err := device.Drain(o.ctx, o.port, o.clock, answerQuiet, answerLimit)
	answer := append(buf[:n:n], rest...)
	o.note(answer)
	return answer, err
}

// askTwice asks until the same answer came twice in succession: it carries no
// checksum. It reports false when the unit gives none that is accepted.
func (o *opening) askTwice(command string, accept func([]byte) bool) (answer []byte, ok bool, err error) {
	const most = 5
	last, silent := []byte(nil), 0
	for range most {
		answer, err := o.ask(command)
		switch {
		case err != nil:
			return nil, false, err
		case answer == nil:
			if silent++; silent == 2 {
				return nil, false, nil
			}
		case !accept(answer):
			answer = nil
			if err := o.drain(); err != nil {
				return nil, false, err
			}
		case last != nil && string(answer) == string(last):
			return answer, true, nil
		}
		last = answer
	}
	return nil, false, nil
}

func (o *opening) identify() error {
	answer, ok, err := o.askTwice(getVer, func(b []byte) bool { _, ok := parseVersion(b); return ok })
	if err != nil {
		return err
	}
	if ok {
		o.version, _ = parseVersion(answer)
		return nil
	}
	e := &device.Error{Op: "identify", Port: o.port.Name()}
	if len(o.stray) == 0 {
		e.Err = fmt.Errorf("%w to %s at %d baud", device.ErrTimeout, getVer, o.baud())
		e.Hint = "is this the counter's port, and is it on? A GMC-300 of firmware 3 or older wants baud = 57600; others say theirs in their menu"
		return e
	}
	e.Err = fmt.Errorf("%w: asked %s at %d baud, expected something like \"GMC-300Re 2.10\", got %s",
		device.ErrNonsense, getVer, o.baud(), device.ShowBytes(o.stray))
	e.Hint = "check the driver, the port and the option baud (57600 for a GMC-300 of firmware 3 or older); `photongate try gmc` shows the bytes"
	return e
}

func (o *opening) baud() int { return device.Driver{Line: line}.LineWith(o.want).Baud }

// choose finds the protocol, by the configuration or else by the model.
func (o *opening) choose() error {
	o.spec = o.version.protocol()
	switch o.want["protocol"] {
	case rfc1201.String():
		o.spec = rfc1201
	case rfc1801.String():
		o.spec = rfc1801
	}
	if o.spec != unknownSpec {
		return nil
	}
	return &device.Error{Op: "identify", Port: o.port.Name(),
		Err: fmt.Errorf("%w: the model %s is not known", device.ErrNonsense, o.version.model),
		Hint: "name its protocol: option protocol = \"rfc1201\" where the heartbeat has two bytes, \"rfc1801\" where it has four; " +
			"`photongate try gmc` with either shows which",
	}
}

// askMore asks what is good to know and not needed.
func (o *opening) askMore() error {
	answer, ok, err := o.askTwice(getSerial, func(b []byte) bool { _, ok := parseSerial(b); return ok })
	if err != nil {
		return err
	}
	if ok {
		o.serial, _ = parseSerial(answer)
	}
	answer, ok, err = o.askTwice(getVolt, func(b []byte) bool { _, ok := o.spec.parseVolt(b); return ok })
	if err == nil && ok {
		o.volt, _ = o.spec.parseVolt(answer)
	}
	return err
}

// blind is what its bytes cannot reveal.
const blind = "heartbeats carry no mark and no checksum: a bit changed on the way gives a wrong count unseen; " +
	"how long after its second the unit sends a heartbeat is not known"

// source builds the source; the heartbeat was just switched on.
func (o *opening) source() *source {
	now := o.clock()
	s := &source{beats: beats{
		port: o.port, clock: o.clock, spec: o.spec, ended: now, at: now, lastGood: now, first: true,
		phase: device.NewPhase(gate, 1, time.Duration(o.spec.size()*10)*time.Second/time.Duration(o.baud())),
	}}
	how := "found from the model"
	if o.want["protocol"] != nil {
		how = "as configured"
	}
	s.desc = device.Description{
		Model: o.version.model, Serial: o.serial, Firmware: o.version.firmware, Identity: device.Confirmed, Port: o.port.Name(),
		Gate: gate, Timing: device.ByDevice, Late: late, Blind: blind,
		Channels: []device.Channel{{Name: channelName, Input: channelInput, Kind: device.Count, Width: o.spec.width()}},
		Settings: []device.Setting{
			{Key: "gate", Value: fmt.Sprint(gate), How: "fixed"},
			{Key: "baud", Value: strconv.Itoa(o.baud()), How: "confirmed by its answers"},
			{Key: "protocol", Value: o.spec.String(), How: how},
		},
	}
	if o.volt != "" {
		s.desc.Settings = append(s.desc.Settings, device.Setting{Key: "voltage", Value: o.volt, Unit: "V", How: device.ReadBack})
	}
	before := ""
	if len(o.beating) > 0 {
		before = fmt.Sprintf("it was sending before (%s), as one that was left beating does; ", device.ShowBytes(o.beating[:min(len(o.beating), 8)]))
	}
	s.opened = &device.Event{Time: now, What: "opened", Text: fmt.Sprintf(
		"the unit's heartbeat was switched on, which sends the counts of each second, and is switched off when it is closed; nothing else was changed; "+
			"the first heartbeat is dropped; %ssent %s", before, strings.Join(o.sent, " "))}
	return s
}
