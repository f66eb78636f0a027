package mccctr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"photongate/device"
)

// opening gathers what is learned about the device while it is opened.
type opening struct {
	*talk
	want     device.Settings
	gate     time.Duration
	counters []int
	serial   string
	version  string
	found    []params // of counters
	now      []params
	read     string // a word of the option read
}

func open(ctx context.Context, req device.OpenRequest) (device.Source, error) {
	o := &opening{talk: &talk{ctx: ctx, usb: req.USB, clock: req.Clock, limit: openLimit}, want: req.Settings}
	image, _ := o.want["image"].(string)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.choose},
		{"identify", o.identify},
		{"start", func() error { return o.configure(image) }},
		{"identify", o.askVersion},
		{"read the settings", o.askParams},
		{"set", o.push},
	} {
		if err := step.do(); err != nil {
			return nil, explain(step.name, o.usb, err)
		}
	}
	s := &source{box: o, opened: &device.Event{Time: o.clock(), What: "opened", Text: o.story()}, desc: o.describe()}
	if o.read != readScan {
		s.reader = newPolling(o)
		return s, nil
	}
	scan, err := newScanning(o)
	if err != nil {
		return nil, explain("start the scan", o.usb, err)
	}
	s.reader = scan
	return s, nil
}

// choose settles model, counters and gate.
func (o *opening) choose() error {
	id := o.usb.Info().ID
	if !slices.ContainsFunc(ids, id.Same) {
		return &device.Error{Op: "open", Port: o.usb.Name(), Err: fmt.Errorf("%w: it is %v", device.ErrNonsense, id),
			Hint: "a USB-CTR08 is 09db:0127, a USB-CTR04 09db:012e"}
	}
	all := 8
	if id.Product == productCTR04 {
		all = 4
	}
	list, err := parseCounters(o.want["counters"])
	if err != nil {
		return err
	}
	if list == nil {
		for c := range all {
			list = append(list, c)
		}
	}
	if last := list[len(list)-1]; last >= all {
		return &device.Error{Op: "open", Port: o.usb.Name(), Err: fmt.Errorf("%w: counter %d, and a %s has %d", device.ErrSetting, last, o.model(), all),
			Hint: "correct the option counters"}
	}
	o.counters = list
	gate, named := o.want.Gate()
	if !named {
		gate = defaultGate
	}
	if o.want["read"] != readScan && gate < minPoll {
		return &device.Error{Op: "open", Port: o.usb.Name(), Err: fmt.Errorf("%w: gate = %v, asked by this computer at least %v", device.ErrSetting, gate, minPoll),
			Hint: `name read = "scan", or a longer gate`}
	}
	o.gate = gate
	return nil
}

func (o *opening) model() string {
	if o.usb.Info().ID.Product == productCTR04 {
		return "USB-CTR04"
	}
	return "USB-CTR08"
}

// identify asks for the serial number, before anything follows from what it says.
// Where it is refused that of the bus counts.
func (o *opening) identify() error {
	return o.known(&o.serial, o.usb.Info().Serial, reqSerial, serialBytes, parseSerial)
}

// askVersion asks for the version of the image.
func (o *opening) askVersion() error {
	return o.known(&o.version, "", reqVersion, 2, parseVersion)
}

// known asks for a text; refused is what holds where the device does not tell.
func (o *opening) known(text *string, refused string, request uint8, size int, parse func([]byte) (string, error)) error {
	return again(func() error {
		p, err := o.ask(request, 0, make([]byte, size))
		if errors.Is(err, device.ErrStall) {
			*text = refused
			return nil
		}
		if err == nil {
			*text, err = parse(p)
		}
		return err
	})
}

// askParams asks for the settings of the counters that are read.
func (o *opening) askParams() error {
	now := make([]params, len(o.counters))
	for i, c := range o.counters {
		err := again(func() error {
			var buf [paramBytes]byte
			p, err := o.ask(reqParams, uint16(c), buf[:])
			if err == nil {
				now[i], err = parseParams(p)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("counter %d: %w", c, err)
		}
	}
	if o.now = now; o.found == nil {
		o.found = now
	}
	return nil
}

// plan is how a counter is to be set.
func (o *opening) plan(p params) params {
	if read, named := o.want["read"].(string); named {
		p.mode &^= modeMask
		p.options &^= optClear | optStop | optDown | optRange
		if read == readClear {
			p.options |= optClear
		}
	}
	switch o.want["edge"] {
	case "rising":
		p.options &^= optFalling
	case "falling":
		p.options |= optFalling
	}
	if word, named := o.want["debounce"].(string); named {
		p.debounce = p.debounce&^debounceFor | byte(max(0, slices.Index(debounceTimes, word)))
	}
	if word, named := o.want["gate_input"].(string); named {
		p.gate &^= gateEnable | gateLow | gateMode
		p.gate |= map[string]byte{"high": gateEnable, "low": gateEnable | gateLow}[word]
	}
	return p
}

// push sets what the configuration names and is not so, and asks for it.
func (o *opening) push() error {
	before := len(o.sent)
	for i, c := range o.counters {
		was, next := o.found[i], o.plan(o.found[i])
		for _, item := range []struct {
			request   uint8
			what      string
			was, next byte
		}{
			{reqMode, "mode", was.mode, next.mode}, {reqOptions, "options", was.options, next.options},
			{reqDebounce, "debounce", was.debounce, next.debounce}, {reqGate, "gate", was.gate, next.gate},
		} {
			if item.was == item.next {
				continue
			}
			o.sent = append(o.sent, fmt.Sprintf("%s %02x of counter %d, was %02x", item.what, item.next, c, item.was))
			if err := o.tell(item.request, uint16(item.next), uint16(c), nil); err != nil {
				return err
			}
		}
	}
	if len(o.sent) > before {
		if err := o.askParams(); err != nil {
			return err
		}
	}
	return o.settle()
}

// settle chooses how to read, by how the counters are set now.
func (o *opening) settle() error {
	clears := 0
	for i, p := range o.now {
		if !p.plain() {
			return &device.Error{Op: "open", Port: o.usb.Name(), Err: fmt.Errorf("%w: counter %d %s", device.ErrSetting, o.counters[i], p.odd()),
				Hint: "name the option read, which has it count events, or leave it out of the option counters"}
		}
		if p.options&optClear != 0 {
			clears++
		}
	}
	read, named := o.want["read"].(string)
	switch {
	case clears == len(o.now) && read != readScan:
		o.read = readClear
	case clears == 0 && read == readScan:
		o.read = readScan
	case clears == 0:
		o.read = readTotal
	default:
		return &device.Error{Op: "open", Port: o.usb.Name(),
			Err:  fmt.Errorf("%w: %d of %d counters are cleared by being read", device.ErrSetting, clears, len(o.now)),
			Hint: "name the option read, which sets all alike; if it is named, unplug the device and plug it in again"}
	}
	if named && read != o.read {
		return &device.Error{Op: "set read", Port: o.usb.Name(), Err: fmt.Errorf("%w: asked for %q, the counters are set for %q", device.ErrSetting, read, o.read),
			Hint: "unplug the device and plug it in again"}
	}
	return nil
}

// describe says what the device is and how it is set.
func (o *opening) describe() device.Description {
	firmware := ""
	if o.version != "" {
		firmware = "FPGA " + o.version
	}
	d := device.Description{
		Model: o.model(), Serial: o.serial, Firmware: firmware, Identity: device.Confirmed, Port: o.usb.Name(),
		Gate: o.gate, Timing: device.ByHostClearing, Channels: channels(o.counters, o.read != readClear), Settings: o.settings(), Blind: blind,
	}
	if o.read == readScan {
		d.Timing, d.Late = device.ByDevice, late
	}
	return d
}

// blind is what its bytes cannot reveal.
const blind = "pulses that are too short or too close together for a counter are not counted, and nothing tells of them"

// late is by how much the packets of a scan may lie behind it: they are sent as
// soon as they are full, and what the computer adds to the fastest is not known.
const late = 20 * time.Millisecond

// settings says how the counters are set: one value for all where they are alike.
func (o *opening) settings() []device.Setting {
	list := []device.Setting{{Key: "gate", Value: fmt.Sprint(o.gate), How: map[bool]string{true: "sent", false: "asked by the host"}[o.read == readScan]}, {Key: "read", Value: o.read, How: device.ReadBack}}
	for _, item := range []struct {
		key string
		of  func(params) string
	}{
		{"edge", func(p params) string {
			return map[bool]string{false: "rising", true: "falling"}[p.options&optFalling != 0]
		}},
		{"debounce", func(p params) string {
			if n := int(p.debounce & debounceFor); n < len(debounceTimes) {
				return debounceTimes[n]
			}
			return fmt.Sprintf("%02x", p.debounce)
		}},
		{"gate_input", func(p params) string {
			switch p.gate & (gateEnable | gateLow | gateMode) {
			case gateEnable:
				return "high"
			case gateEnable | gateLow:
				return "low"
			}
			if p.gate&gateEnable == 0 {
				return "off"
			}
			return fmt.Sprintf("%02x", p.gate)
		}},
	} {
		var words []string
		for _, p := range o.now {
			words = append(words, item.of(p))
		}
		if len(slices.Compact(slices.Clone(words))) == 1 {
			words = words[:1]
		}
		s := device.Setting{Key: item.key, Value: strings.Join(words, " "), How: device.ReadBack}
		s.Asked, _ = o.want[item.key].(string)
		list = append(list, s)
	}
	return list
}

// story says how the counters are read and what was set.
func (o *opening) story() string {
	text := map[string]string{
		readTotal: "running totals are asked for every %v by this computer; nothing is cleared",
		readClear: "read and cleared every %v by this computer; counts before the first answer have an unknown begin and were dropped",
		readScan:  "the device reads all counters every %v by its own clock, and sends running totals; nothing is cleared, and a scan that ran was stopped",
	}[o.read]
	text = fmt.Sprintf(text, o.gate)
	if o.sent == nil {
		return text + "; nothing was set"
	}
	return text + "; sent " + strings.Join(o.sent, ", ")
}
