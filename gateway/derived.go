package gateway

import (
	"context"
	"fmt"
	"math"
	"time"

	"photongate/device"
	"photongate/gateway/derive"
	"photongate/protocol"
)

// Times of counts that are made from tags.
const (
	deriveSettle = int64(250 * time.Millisecond) // until the instrument's clock is known well enough to begin
	deriveSlew   = 1000                          // an edge moves by a thousandth of a gate at most, when the clock is known better
	causeLeap    = "clock leapt"                 // gates that were left out
	eventLate    = "counts short"                // readings lack tags and are not flagged
	lateEvery    = int64(time.Second)            // so often it is told at most

	// By how many ns a tag may come behind others: gates are complete so much later.
	// An instrument may say more, up to the most: all tags of as long are held.
	leastDisorder = float64(1e6)
	mostDisorder  = float64(1e9)
)

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

	clock *tickClock
	gate  uint64 // ticks
	first int64  // when the clock was known first
	out   *device.Batch
	edge  int64 // end of the last gate
	begun bool
	until uint64

	next      uint64 // the gate that is to come
	lateFrom  uint64 // gates given out that proved to lack tags, not told yet
	lateTo    uint64 // behind them; 0: there are none
	lateAgain int64  // not before the edge is here are more told
}

// derive makes ready to count the tags of an opening, and starts the goroutines that
// write the counts; wait awaits them. disorder is the instrument's, in ticks.
func (t *task) derive(hard context.Context, tags *batcher, disorder uint64) error {
	for _, of := range t.derivations {
		d, err := newDerived(of, tags, disorder)
		if err != nil {
			return &device.Error{Op: "open", Port: t.cfg.Port, Err: err, Hint: "correct the configuration of this device"}
		}
		tags.derived = append(tags.derived, d)
		settings := d.batcher.descriptor.Settings
		t.control.counting(of.name, settings)
		t.log.Info().Str("stream", of.name).Strs("how", settingTexts(settings)).Msg("counting its time tags")
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
		d.tellLate()
		d.flush()
		d.over.finish(d.queue)
		d.queue.close()
		<-d.done
		d.of.previous = d.batcher.finish(cause, detail)
	}
}

// newDerived makes the counter and the batcher of one opening.
func newDerived(of *derivation, tags *batcher, disorder uint64) (*derived, error) {
	plan, err := planCounts(of, &tags.descriptor, disorder)
	if err != nil {
		return nil, err
	}
	desc := plan.descriptor
	d := &derived{of: of, queue: newQueue(len(desc.Channels)), gate: plan.counter.Gate}
	d.out = d.queue.empty()
	if d.counter, err = derive.NewCounter(plan.counter, d.give, d.skip, d.tooLate); err != nil {
		return nil, err
	}
	d.batcher = &batcher{
		log: of.frames, now: tags.now, status: of.status, previous: of.previous, batch: tags.batch, gate: time.Duration(desc.GateNs), descriptor: desc,
	}
	of.status.derivedFrom(&desc)
	return d, nil
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
	if d.edge >= d.lateAgain {
		d.tellLate()
	}
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
	d.next = g.Index + 1
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
	d.edge, d.next = end, to
}

// tooLate takes word of gates that were given out and lack tags.
func (d *derived) tooLate(from, to uint64) {
	if d.lateTo > 0 {
		from, to = min(from, d.lateFrom), max(to, d.lateTo)
	}
	d.lateFrom, d.lateTo = from, to
}

// tellLate has an event say which readings lack tags, as they can be flagged no more.
func (d *derived) tellLate() {
	if d.lateTo == 0 || !d.begun {
		return
	}
	length := float64(d.gate) * d.clock.perTick
	begin, end := d.edge-int64(float64(d.next-d.lateFrom)*length), d.edge-int64(float64(d.next-d.lateTo)*length)
	d.out.Notes = append(d.out.Notes, device.Note{Row: d.out.Len(), Event: &device.Event{
		Time: d.edge, What: eventLate,
		Text: fmt.Sprintf("some readings from %.6g s to %.6g s before this lack tags and are not flagged: tags of then came, or were found to be lost, when they had been written (stream time %d to %d ns)",
			float64(d.edge-begin)/1e9, float64(d.edge-end)/1e9, begin, end),
	}})
	d.lateTo, d.lateAgain = 0, d.edge+lateEvery
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
