package sr400

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

// howSent says of a setting that it could not be read back.
const howSent = "sent"

// opening gathers what is learned about the instrument while it is opened.
type opening struct {
	talk
	want device.Settings
	now  map[string]float64 // what the instrument says of each item it was asked for

	counting bool           // it was, when it was opened
	pushed   bool           // something was set
	next     int            // the point that is complete next, from 1
	begins   device.Bracket // when its period began
	known    bool           // that is known
	idle     bool           // no scan is going on

	poller  *poller
	recover func() error // sees to it that no answer is owed any more
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	o := &opening{
		talk: talk{ctx: ctx, port: req.Port, clock: req.Clock, adapter: req.Settings["adapter"] == "prologix"},
		want: device.Settings{}, now: map[string]float64{},
	}
	o.poller, o.recover = &poller{talk: &o.talk}, o.quiet
	maps.Copy(o.want, req.Settings)
	if gate, named := o.want.Gate(); named {
		o.want["t_preset"] = gate
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.port.Discard},
		{"open", o.wake},
		{"identify", o.identify},
		{"get in step", o.prove},
		{"read the settings", func() error { return o.askItems(o.wanted()) }},
		{"set", o.push},
		{"start", o.begin},
	} {
		if err := step.do(); err != nil {
			return nil, deviceError(step.name, o.port, err)
		}
	}
	return o.source()
}

// deviceError makes an error of the port one that says what was done, and what to
// try.
func deviceError(op string, port device.Port, err error) error {
	if _, ok := errors.AsType[*device.Error](err); ok {
		return err
	}
	e := &device.Error{Op: op, Port: port.Name(), Err: err}
	switch {
	case errors.Is(err, errEcho):
		e.Err = fmt.Errorf("%w: %w", device.ErrNonsense, err)
		e.Hint = "switch ECHO off in the instrument's COM menu"
	case errors.Is(err, device.ErrTimeout):
		e.Hint = "it answered before: is the cable loose?"
	}
	return e
}

// wake prepares line and adapter. After power-up the first character that arrives
// may be spoiled, so that two bare line ends go ahead; they are no commands.
func (o *opening) wake() error {
	lines := []string{"\r"}
	if o.adapter {
		address, named := o.want["address"].(int64)
		if !named {
			address = defaultAddress
		}
		lines = []string{"++savecfg 0", "++mode 1", fmt.Sprintf("++addr %d", address), "++auto 1"}
	}
	for _, l := range lines {
		if err := o.write(l); err != nil {
			return err
		}
	}
	return o.quiet()
}

// identify asks for the status byte and the count mode, which do no harm: there is
// no *IDN?. Reading the status clears it, so what happened before is forgotten.
func (o *opening) identify() error {
	status, ok, err := o.sure("SS")
	if err != nil {
		return err
	}
	if !ok || status < 0 || status > 255 {
		return o.notFound("SS", "0 to 255")
	}
	mode, ok, err := o.sure("CM")
	if err != nil {
		return err
	}
	if !ok || items[0].say(mode) == "" {
		return o.notFound("CM", "0 to 3")
	}
	return nil
}

// prove gets in step for the first time; what was said before that may have been
// answers to others. Then it asks whether the instrument counts.
func (o *opening) prove() error {
	o.recover = func() error { return o.poller.getInStep(device.NewBatch(0), nobody{}) }
	err := o.recover()
	if errors.Is(err, device.ErrNonsense) && !errors.Is(err, errEcho) {
		o.poller.blind = true
		err = o.recover()
	}
	if err != nil {
		return err
	}
	counting, ok, err := o.sure(countingQuestion)
	o.counting = ok && counting == 1
	return err
}

// sure asks until the same number came twice in succession.
func (o *opening) sure(question string) (v float64, ok bool, err error) {
	return o.talk.sure(question, o.recover)
}

// countingQuestion asks for the bit of the secondary status byte that says so.
const countingQuestion = "SI 2"

func (o *opening) notFound(question, expected string) error {
	e := &device.Error{Op: "identify", Port: o.port.Name()}
	if len(o.stray) == 0 {
		e.Err = fmt.Errorf("%w to %q", device.ErrTimeout, question)
		e.Hint = "is it switched on, is the baud rate as in its COM menu, and is a GPIB adapter named (adapter = \"prologix\", address)? RS-232 wants a straight cable: it is DCE"
		return e
	}
	e.Err = fmt.Errorf("%w: asked %q, expected %s, got %s", device.ErrNonsense, question, expected, device.ShowBytes(o.stray))
	e.Hint = "check baud rate, 8 bits, no parity, ECHO off in the instrument's COM menu; `photongate try sr400` shows the bytes"
	return e
}

// wanted are the keys of the items that are asked for.
func (o *opening) wanted() []string {
	var keys []string
	for _, it := range items {
		if _, named := o.want[it.key]; named || it.always {
			keys = append(keys, it.key)
		}
	}
	return keys
}

// askItems asks for the items with these keys.
func (o *opening) askItems(keys []string) error {
	for _, it := range items {
		if !slices.Contains(keys, it.key) {
			continue
		}
		v, ok, err := o.sure(it.query())
		if err != nil {
			return err
		}
		if delete(o.now, it.key); ok && it.say(v) != "" {
			o.now[it.key] = v
		}
	}
	return nil
}

// push sends what the configuration names and the instrument does not have yet:
// some settings reset its counters. It reads them back. What the instrument does
// not take is sent once more; then it is read as it is, and Describe says how.
func (o *opening) push() error {
	for range 2 {
		var keys []string
		for _, it := range items {
			v, named := o.want[it.key]
			if says, known := o.now[it.key]; !named || known && it.say(says) == it.asked(v, says, known) {
				continue
			}
			keys, o.pushed = append(keys, it.key), true
			if err := o.tell(it.set(v)); err != nil {
				return err
			}
		}
		if keys == nil {
			return nil
		}
		if err := o.askItems(keys); err != nil {
			return err
		}
	}
	return nil
}

// begin starts counting where the configuration says so, or else finds out how far
// the scan is that is going on.
func (o *opening) begin() error {
	if o.want["start"] == true {
		var err error
		o.next, o.known = 1, true
		o.sent = append(o.sent, strconv.Quote(startCommand))
		o.begins.From = o.clock()
		_, err = o.talk.ask(startCommand)
		for try := 0; try < 2 && errors.Is(err, device.ErrTimeout); try++ { // of the SS in it
			_, err = o.talk.ask("SS")
		}
		o.begins.To = o.clock()
		return err
	}
	if o.counting && o.pushed { // presets pause it, others reset it
		if err := o.tell("CS"); err != nil {
			return err
		}
	}
	done, err := o.completed()
	if err != nil {
		return err
	}
	o.next = done + 1
	periods := o.value("periods", maxPoints)
	o.idle = !o.counting && (done == 0 || done >= int(periods))
	if !o.idle && done >= int(periods) {
		return &device.Error{Op: "open", Port: o.port.Name(),
			Err:  fmt.Errorf("%w: it counts, and its scan buffer is full of an earlier scan", device.ErrNonsense),
			Hint: "press STOP twice and START, or name start = true: then it is read from the first point on"}
	}
	return nil
}

// startCommand resets the counters and starts a scan. The status asked for along
// with it bounds when that was.
const startCommand = "CR;CS;SS"

// completed finds how many points of the scan are complete: a point that is not is
// -1, and so are all behind it.
func (o *opening) completed() (int, error) {
	low, high := 0, int(o.value("periods", maxPoints)) // complete; at most complete
	for low < high {
		m := (low + high + 1) / 2
		v, ok, err := o.sure(fmt.Sprintf("QA %d", m))
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, o.notFound(fmt.Sprintf("QA %d", m), "a count or -1")
		}
		if v == notReady {
			high = m - 1
		} else {
			low = m
		}
	}
	return low, nil
}

// value is what an item is set to, or what is taken for it when that is not known.
func (o *opening) value(key string, otherwise float64) float64 {
	if v, known := o.now[key]; known {
		return v
	}
	return otherwise
}

// says is what an item is set to in words; empty: not known.
func (o *opening) says(key string) string {
	i := slices.IndexFunc(items, func(it item) bool { return it.key == key })
	if v, known := o.now[key]; known {
		return items[i].say(v)
	}
	return ""
}

// timed reports whether the 10 MHz clock ends the periods, and how long they count.
func (o *opening) timed() (gate time.Duration, ok bool) {
	n, known := o.now["t_preset"]
	if !known || o.says("mode") == modes[3] || o.says("input_t") != inputs[0] || n < 1 || n > 9e11 {
		return 0, false
	}
	return time.Duration(n) * tick, true
}

// settings says how the instrument is set, and what was asked for.
func (o *opening) settings() []device.Setting {
	var list []device.Setting
	gate, timed := o.timed()
	for _, it := range items {
		v, named := o.want[it.key]
		says, known := o.now[it.key]
		s := device.Setting{Key: it.key, Unit: it.unit, Value: it.say(says), How: device.ReadBack}
		if named {
			s.Asked = it.asked(v, says, known)
		}
		switch {
		case !known && !named:
			continue
		case !known:
			s.Value, s.How = s.Asked, howSent
		}
		if it.key == "t_preset" && timed {
			s.Key, s.Value = "gate", gate.String()
			if named {
				s.Asked = (time.Duration(ticks(v)) * tick).String()
			}
		}
		list = append(list, s)
	}
	return list
}

// unverified reports whether something was sent that cannot be read back.
func (o *opening) unverified() bool {
	return slices.ContainsFunc(o.settings(), func(s device.Setting) bool { return s.How == howSent })
}

// source builds the source once the instrument is as it is to be.
func (o *opening) source() (device.Source, error) {
	onlyA := o.says("mode") == modes[3]
	s := &source{box: o, scan: newScan(o, onlyA)}
	s.desc = device.Description{
		Model: "SR400", Identity: device.Assumed, Port: o.port.Name(),
		Gate: time.Duration(s.period), Timing: device.ByHostArrival,
		Channels: channelList(onlyA, o.says("mode") == modes[1]), Settings: o.settings(), Unverified: o.unverified(),
		Blind: "which counter ran over is not said, so all channels of the reading are flagged; nor is it what was counted in a dwell time",
	}
	var what []string
	switch {
	case s.period > 0:
		what = append(what, fmt.Sprintf("each period counts %v and pauses %v", time.Duration(s.gate), time.Duration(s.period-s.gate)))
	default:
		what = append(what, "the instrument ends its periods by other counts than its own clock's, or an external signal: their length is what this computer sees")
	}
	switch {
	case o.idle:
		s.desc.Hint = "the instrument does not count: press START, or name start = true"
		what = append(what, s.desc.Hint)
	case o.want["start"] != true:
		what = append(what, fmt.Sprintf("joined a scan at point %d", o.next))
	}
	if o.poller.blind {
		what = append(what, "levels and dwell time are whole numbers, as counts are, so that nobody can tell whether an answer that comes late is taken for another: all readings are flagged unverified; name a threshold other than 0")
	}
	s.opened = &device.Event{Time: o.clock(), What: "opened", Text: strings.Join(append(what, o.transcript()), "; ")}
	return s, nil
}
