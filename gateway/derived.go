package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
	"photongate/gateway/derive"
	"photongate/protocol"
)

// Times of counts that are made from tags.
const (
	deriveSettle   = int64(250 * time.Millisecond) // until the instrument's clock is known well enough to begin
	deriveDisorder = float64(1e6)                  // ns by which a tag may come behind others: gates are complete so much later
	deriveSlew     = 1000                          // an edge moves by a thousandth of a gate at most, when the clock is known better
	causeLeap      = "clock leapt"                 // gates that were left out
)

// errCounts is the kind of error of counts that cannot be made from a device.
var errCounts = errors.New("[[device.counts]]")

// derivation is a stream of counts that is made from the tags of a device, for as
// long as the gateway runs.
type derivation struct {
	cfg      CountsConfig
	name     string
	status   *deviceStatus
	frames   frameLog
	previous *lastEpoch
}

// derived counts the tags of one opening. The batcher of the tags adds them; a
// batcher of its own makes frames of the counts.
type derived struct {
	of      *derivation
	counter *derive.Counter
	batcher *batcher
	queue   *queue
	over    overrun
	done    chan struct{}

	clock  *tickClock
	gate   uint64 // ticks
	first  int64  // when the clock was known first
	out    *device.Batch
	edge   int64 // end of the last gate
	begun  bool
	until  uint64
	tagged int // channels of tags
}

// derive makes ready to count the tags of an opening, and starts the goroutines that
// write the counts; wait awaits them.
func (t *task) derive(hard context.Context, tags *batcher) error {
	for _, of := range t.derivations {
		d, err := newDerived(t, of, tags)
		if err != nil {
			return &device.Error{Op: "open", Port: t.cfg.Port, Err: err, Hint: "correct the configuration of this device"}
		}
		tags.derived = append(tags.derived, d)
	}
	for _, d := range tags.derived {
		d.done = make(chan struct{})
		go func() { defer close(d.done); d.batcher.run(hard, d.queue) }()
	}
	return nil
}

// finishDerived writes what was counted, and ends the epochs.
func (t *task) finishDerived(tags *batcher, cause, detail string) {
	for _, d := range tags.derived {
		d.flush()
		d.over.finish(d.queue)
		d.queue.close()
		<-d.done
		d.of.previous = d.batcher.finish(cause, detail)
	}
}

// newDerived makes the counter and the batcher of one opening.
func newDerived(t *task, of *derivation, tags *batcher) (*derived, error) {
	d := &derived{of: of, queue: newQueue(0), tagged: len(tags.descriptor.Channels)}
	desc := tags.descriptor
	if desc.Tick == nil {
		return nil, fmt.Errorf("%w: the instrument gives no time tags to count", errCounts)
	}
	tickNs := device.Tick{Num: uint64(desc.Tick.Num), Den: uint64(desc.Tick.Den)}.Ns(1)
	gate := of.cfg.Gate
	if gate == 0 {
		gate = DefaultCountsGate
	}
	cfg := derive.Config{
		Channels: d.tagged, Gate: max(uint64(math.Round(float64(gate)/tickNs)), 1), Delay: make([]int64, d.tagged), Disorder: uint64(math.Ceil(deriveDisorder / tickNs)),
	}
	d.gate = cfg.Gate
	inTicks := func(ticks float64) string {
		return nsText(ticks*tickNs) + ", " + strconv.FormatFloat(ticks, 'f', 0, 64) + " ticks"
	}
	desc.Settings = []protocol.Setting{{Key: "gate", Value: inTicks(float64(d.gate)), How: protocol.HowFixed}}
	desc.Channels = slices.Clone(tags.descriptor.Channels)
	find := func(name string) (int, error) { return tagChannel(tags.descriptor.Channels, name) }
	for i := range desc.Channels {
		desc.Channels[i].Kind, desc.Channels[i].Width, desc.Channels[i].Edge = protocol.KindCount, 64, ""
	}
	for name, ns := range of.cfg.DelayNs {
		i, err := find(name)
		if err != nil {
			return nil, err
		}
		cfg.Delay[i] = int64(math.Round(ns / tickNs))
	}
	for i, delay := range cfg.Delay {
		if delay != 0 {
			desc.Settings = append(desc.Settings, protocol.Setting{Key: "delay " + desc.Channels[i].Name, Value: inTicks(float64(delay)), How: protocol.HowFixed})
		}
	}
	for _, one := range of.cfg.Coincidences {
		co, ch := derive.Coincidence{Window: uint64(one.WindowNs / tickNs)}, protocol.Channel{Name: one.Name, Kind: protocol.KindCount, Width: 64}
		for _, name := range one.Of {
			i, err := find(name)
			if err != nil {
				return nil, err
			}
			co.Of, ch.Of = append(co.Of, i), append(ch.Of, desc.Channels[i].Name)
		}
		if ch.Name == "" {
			ch.Name = coincidenceName(ch.Of)
		}
		if slices.ContainsFunc(desc.Channels, func(c protocol.Channel) bool { return c.Name == ch.Name }) {
			return nil, fmt.Errorf("%w: two channels of %s are called %q (expected a name of its own under coincidences)", errCounts, of.name, ch.Name)
		}
		ch.Input = "coincidences of " + strings.Join(ch.Of, ", ")
		ch.WindowNs = protocol.Int64(math.Round(float64(co.Width()) * tickNs))
		desc.Settings = append(desc.Settings, protocol.Setting{Key: "window " + ch.Name, Value: inTicks(float64(co.Width())), How: protocol.HowFixed})
		desc.Channels = append(desc.Channels, ch)
		cfg.Coincidences = append(cfg.Coincidences, co)
	}
	desc.Stream, desc.Tick, desc.Timing = of.name, nil, protocol.TimingDevice
	desc.GateNs = protocol.Int64(math.Round(float64(d.gate) * tickNs))
	desc.Parent = &protocol.Parent{Stream: tags.descriptor.Stream}
	d.queue.channels = len(desc.Channels)
	d.out, d.clock = d.queue.empty(), nil
	counter, err := derive.NewCounter(cfg, d.give, d.skip)
	if err != nil {
		return nil, err
	}
	d.counter = counter
	d.batcher = &batcher{
		log: of.frames, now: tags.now, status: of.status, previous: of.previous, batch: tags.batch, gate: time.Duration(desc.GateNs), descriptor: desc,
	}
	of.status.derivedFrom(&desc)
	return d, nil
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
	case abs < 1:
		return strconv.FormatFloat(ns*1e3, 'g', 10, 64) + " ps"
	case abs < 1e6:
		return strconv.FormatFloat(ns, 'g', 10, 64) + " ns"
	}
	return strconv.FormatFloat(ns/1e6, 'g', 12, 64) + " ms"
}

// countTags has a batch counted in all streams of counts; at first it waits until the
// instrument's clock is known a little.
func (b *batcher) countTags(in *device.Batch) {
	for _, d := range b.derived {
		if d.clock == nil {
			d.clock, d.first = &b.tags.clock, in.Tags.At
			d.batcher.descriptor.Parent.Epoch = b.epoch
		}
		if d.first == 0 {
			d.first = in.Tags.At
		}
		if d.begun || d.first != 0 && in.Tags.At-d.first >= deriveSettle {
			d.add(in)
		}
	}
}

// add counts a batch. A gap lies between the tags before it and those behind.
func (d *derived) add(in *device.Batch) {
	g := &in.Tags
	for _, l := range g.Losses {
		d.counter.Loss(l)
	}
	row := 0
	for _, n := range in.Notes {
		if n.Gap == nil {
			continue
		}
		d.counter.Add(g.Tick[row:n.Row], g.Channel[row:n.Row], 0)
		if row = n.Row; row > 0 {
			d.until = max(d.until, g.Tick[row-1])
		}
		d.counter.Gap(d.until)
	}
	if g.At != 0 {
		d.until = max(d.until, g.Until)
	}
	d.counter.Add(g.Tick[row:], g.Channel[row:], d.until)
	d.flush()
}

// give takes a gate that is complete.
func (d *derived) give(g derive.Gate) {
	if !d.begun {
		d.begun, d.edge = true, d.clock.at(g.Index*d.gate)
	}
	length := int64(math.Round(float64(d.gate) * d.clock.perTick))
	off := d.clock.at((g.Index+1)*d.gate) - d.edge - length
	length += min(max(off, -length/deriveSlew), length/deriveSlew)
	b := d.out
	b.Begin, b.Length, b.Live = append(b.Begin, d.edge), append(b.Length, length), append(b.Live, length)
	if off < 0 {
		off = -off
	}
	if off < int64(time.Millisecond) {
		off = 0
	}
	b.Uncertainty = append(b.Uncertainty, off)
	flags := device.ReadingFlags(0)
	if g.Short {
		flags = device.Short
	}
	b.Flags = append(b.Flags, flags)
	for c, n := range g.Counts {
		absent := device.ChannelFlags(0)
		if g.Absent[c] {
			absent = device.Absent
		}
		b.Values[c], b.ValueFlags[c] = append(b.Values[c], n), append(b.ValueFlags[c], absent)
	}
	d.edge += length
	if b.Len() == device.MaxRows {
		d.flush()
	}
}

// skip takes word of gates that were left out.
func (d *derived) skip(from, to uint64) {
	end := d.clock.at(to * d.gate)
	d.out.Notes = append(d.out.Notes, device.Note{Row: d.out.Len(), Gap: &device.Gap{
		Cause: causeLeap, Detail: "the instrument's clock went on by more gates than are counted at a time",
		Begin: d.edge, Duration: max(end-d.edge, 0), Missing: to - from, Known: true,
	}})
	d.edge = end
}

// flush hands over what was counted.
func (d *derived) flush() {
	if d.out.Len()+len(d.out.Notes) == 0 {
		return
	}
	d.over.pass(d.queue, d.out)
	d.out = d.queue.empty()
}

// derivedFrom notes what is known of a stream of counts when its device is opened.
func (d *deviceStatus) derivedFrom(desc *protocol.Descriptor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s.Model, d.s.GateNs = desc.Model, desc.GateNs
}

// snapshots are those of a device, and of what is counted from its tags: that runs
// as long as the device does.
func (t *task) snapshots() []protocol.DeviceStatus {
	list := []protocol.DeviceStatus{t.status.snapshot()}
	for _, d := range t.derivations {
		s := d.status.snapshot()
		s.State, s.Since, s.Cause = list[0].State, list[0].Since, list[0].Cause
		list = append(list, s)
	}
	return list
}
