package gateway

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"photongate/device"
	"photongate/gateway/derive"
	"photongate/protocol"
)

// errCounts is the kind of error of counts that cannot be made from a device.
var errCounts = errors.New("[[device.counts]]")

// countsPlan is what is counted of an opening, in ticks, and the descriptor that says
// so.
type countsPlan struct {
	tags       []protocol.Channel
	tickNs     float64
	counter    derive.Config
	descriptor protocol.Descriptor
}

// planCounts makes the plan for tags with a descriptor, of an instrument with a
// disorder in ticks.
func planCounts(of *derivation, tags *protocol.Descriptor, disorder uint64) (countsPlan, error) {
	if tags.Tick == nil {
		return countsPlan{}, fmt.Errorf("%w: the instrument gives no time tags to count", errCounts)
	}
	p := countsPlan{tags: tags.Channels, tickNs: device.Tick{Num: uint64(tags.Tick.Num), Den: uint64(tags.Tick.Den)}.Ns(1), descriptor: *tags}
	gate := of.cfg.Gate
	if gate == 0 {
		gate = DefaultCountsGate
	}
	n := len(tags.Channels)
	p.counter = derive.Config{
		Channels: n, Gate: max(uint64(math.Round(float64(gate)/p.tickNs)), 1), Delay: make([]int64, n),
		Disorder: uint64(math.Ceil(min(max(leastDisorder, float64(disorder)*p.tickNs), mostDisorder) / p.tickNs)),
	}
	d := &p.descriptor
	d.Stream, d.Tick, d.Timing, d.Settings = of.name, nil, protocol.TimingDevice, nil
	d.GateNs = protocol.Int64(math.Round(float64(p.counter.Gate) * p.tickNs))
	d.Parent = &protocol.Parent{Stream: tags.Stream}
	d.Channels = slices.Clone(tags.Channels)
	for i := range d.Channels {
		d.Channels[i].Kind, d.Channels[i].Width, d.Channels[i].Edge = protocol.KindCount, 64, ""
		d.Channels[i].WarnAboveCPS, d.Channels[i].WarnBelowCPS = nil, nil // they are those of the tags
	}
	p.set("gate", float64(p.counter.Gate), "")
	if err := p.delays(of.cfg.DelayNs); err != nil {
		return p, err
	}
	for _, one := range of.cfg.Coincidences {
		if err := p.coincidence(of.name, one); err != nil {
			return p, err
		}
	}
	return p, nil
}

// set has the descriptor say how long something is, and what else is to be said of it.
func (p *countsPlan) set(key string, ticks float64, more string) {
	value := nsText(ticks*p.tickNs) + ", " + strconv.FormatFloat(ticks, 'f', 0, 64) + " tick"
	if math.Abs(ticks) != 1 {
		value += "s"
	}
	p.descriptor.Settings = append(p.descriptor.Settings, protocol.Setting{Key: key, Value: value + more, How: protocol.HowFixed})
}

// asked says what was asked for where whole ticks come to something else, by more than
// a hundredth.
func (p *countsPlan) asked(ns, ticks float64) string {
	if math.Abs(ns-ticks*p.tickNs) <= math.Abs(ns)/100 {
		return ""
	}
	return " (" + nsText(ns) + " asked for)"
}

func (p *countsPlan) delays(ns map[string]float64) error {
	asked := map[int]float64{}
	for name, delay := range ns {
		i, err := tagChannel(p.tags, name)
		if err != nil {
			return err
		}
		if _, twice := asked[i]; twice {
			return fmt.Errorf("%w: two delays are those of %s, by its name and by its input (expected one)", errCounts, p.tags[i].Name)
		}
		asked[i], p.counter.Delay[i] = delay, int64(math.Round(delay/p.tickNs))
	}
	for i, delay := range p.counter.Delay {
		if asked[i] != 0 {
			p.set("delay "+p.tags[i].Name, float64(delay), p.asked(asked[i], float64(delay)))
		}
	}
	return nil
}

func (p *countsPlan) coincidence(stream string, one CoincidenceConfig) error {
	co := derive.Coincidence{Window: uint64(one.WindowNs/p.tickNs + 1e-6)} // 0.3 ns are 300 ticks of 1 ps, and not 299.99...
	ch := protocol.Channel{Name: one.Name, Kind: protocol.KindCount, Width: 64}
	for _, name := range one.Of {
		i, err := tagChannel(p.tags, name)
		if err != nil {
			return err
		}
		if slices.Contains(co.Of, i) {
			return fmt.Errorf("%w: coincidences of %s name %s twice, by its name and by its input (expected each channel once)", errCounts, strings.Join(one.Of, ", "), p.tags[i].Name)
		}
		co.Of, ch.Of = append(co.Of, i), append(ch.Of, p.tags[i].Name)
	}
	if ch.Name == "" {
		ch.Name = coincidenceName(ch.Of)
	}
	if slices.ContainsFunc(p.descriptor.Channels, func(c protocol.Channel) bool { return c.Name == ch.Name }) {
		return fmt.Errorf("%w: two channels of %s are called %q (expected a name of its own under coincidences)", errCounts, stream, ch.Name)
	}
	ch.Input = "coincidences of " + strings.Join(ch.Of, ", ")
	width := float64(co.Width()) * p.tickNs
	if ch.WindowNs = protocol.Int64(math.Round(width)); math.Abs(width-float64(ch.WindowNs)) > 1e-6 {
		ch.WindowPs = protocol.Int64(math.Round(width * 1e3))
	}
	within := ": within the same tick"
	if half := co.Window / 2; half > 0 {
		within = ": up to " + nsText(float64(half)*p.tickNs) + " apart, to either side"
	}
	p.set("window "+ch.Name, float64(co.Width()), within+p.asked(one.WindowNs, float64(co.Width())))
	p.descriptor.Channels = append(p.descriptor.Channels, ch)
	p.counter.Coincidences = append(p.counter.Coincidences, co)
	return nil
}

// tagChannel finds a channel by its name in the data, or by its input.
func tagChannel(channels []protocol.Channel, name string) (int, error) {
	i := slices.IndexFunc(channels, func(c protocol.Channel) bool { return c.Name == name })
	if i < 0 {
		i = slices.IndexFunc(channels, func(c protocol.Channel) bool {
			input, _, _ := strings.Cut(c.Input, ":")
			return c.Input == name || input == name
		})
	}
	if i >= 0 {
		return i, nil
	}
	var names []string
	for _, c := range channels {
		names = append(names, c.Name)
	}
	return 0, fmt.Errorf("%w: there is no channel %q (expected one of %s)", errCounts, name, strings.Join(names, ", "))
}

// coincidenceName is AB for A and B, and start+stop for longer names.
func coincidenceName(of []string) string {
	if slices.ContainsFunc(of, func(name string) bool { return len(name) > 1 }) {
		return strings.Join(of, "+")
	}
	return strings.Join(of, "")
}

// nsText writes a time of nanoseconds in the unit that suits it.
func nsText(ns float64) string {
	switch abs := math.Abs(ns); {
	case abs > 0 && abs < 1:
		return strconv.FormatFloat(ns*1e3, 'g', 10, 64) + " ps"
	case abs < 1e6:
		return strconv.FormatFloat(ns, 'g', 10, 64) + " ns"
	}
	return strconv.FormatFloat(ns/1e6, 'g', 12, 64) + " ms"
}
