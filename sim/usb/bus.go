package usb

import (
	"fmt"
	"time"

	"photongate/sim"
)

// answerFirst is how long a device that leaves the bus waits, so that the host has the
// answer to what made it leave.
const answerFirst = 20 * time.Millisecond

// frame is how often a host asks a device whose packets are lost on their way.
const frame = time.Millisecond

// Bus is one device, its cable and the host controller above it. It implements
// [sim.Instrument] and [sim.Conn]: give it twice to [sim.NewRunner]. One goroutine, the
// Runner's, uses it.
type Bus struct {
	device Device
	port   Port
	line   sim.Line // of the call that is under way
	at     time.Time

	facts      Descriptors // as they were plugged in
	configured uint8
	host       Host // nil when nobody has it
	next       Happening
	pipes      []*pipe // in the order they were first used
	lost       []*Transfer
	heldUntil  time.Time // no packet to the host before

	pulled   bool      // the cable is
	leaveAt  time.Time // when the device leaves the bus by itself; zero: it does not
	away     time.Duration
	returnAt time.Time // when it is back; zero: it is not away
}

// NewBus hangs a device on a bus that hosts reach at port, and plugs it in.
func NewBus(device Device, port Port) (*Bus, error) {
	b := &Bus{device: device, port: port, facts: device.Descriptors()}
	if err := port.Offer(b.facts); err != nil {
		return nil, err
	}
	return b, nil
}

// Name implements [sim.Instrument].
func (b *Bus) Name() string { return b.device.Name() }

// Channels implements [sim.Instrument].
func (b *Bus) Channels() []string { return b.device.Channels() }

// CheckFault refuses what neither the bus nor the device can have.
func (b *Bus) CheckFault(f sim.Fault) error {
	if own, ok := b.device.(interface{ CheckFault(sim.Fault) error }); ok {
		return own.CheckFault(f)
	}
	return fmt.Errorf("fault %v: %s has no %s", f, b.Name(), f.Kind)
}

// Handle implements [sim.Instrument].
func (b *Bus) Handle(ev sim.Event, line sim.Line) {
	b.line, b.at = line, ev.At
	switch ev.Kind {
	case sim.Received:
		b.happened(ev.At)
	case sim.Opened:
		if b.host != nil { // it may have lost the device again before this was told
			b.device.Handle(ev, b)
		}
	case sim.Closed, sim.Unplugged:
		b.forget()
		b.device.Handle(ev, b)
	default:
		b.device.Handle(ev, b)
	}
	b.pump(ev.At)
}

// happened does what the host wants, unless it lost the device since it said so: the
// next one must not get answers to what it never asked.
func (b *Bus) happened(at time.Time) {
	switch h := b.next; {
	case h.Host != b.host:
	case h.Kind == Submitted:
		b.submit(at, h.Transfer)
	case h.Kind == Unlink:
		h.Host.Unlinked(h.Request, b.unlink(h.Victim))
	}
}

// Next implements [sim.Instrument].
func (b *Bus) Next() time.Time {
	next := sooner(b.device.Next(), sooner(b.leaveAt, b.returnAt))
	if b.wanted() {
		next = sooner(next, b.heldUntil)
	}
	return next
}

// Advance implements [sim.Instrument].
func (b *Bus) Advance(now time.Time, line sim.Line) {
	b.line, b.at = line, now
	if !b.leaveAt.IsZero() && !b.leaveAt.After(now) {
		b.leave()
	}
	b.device.Advance(now, b)
	if !b.returnAt.IsZero() && !b.returnAt.After(now) {
		b.comeBack(now)
	}
	b.pump(now)
}

// Latched implements [Wire].
func (b *Bus) Latched(at time.Time, values []uint64) { b.line.Latched(at, values) }

// GivesTags says whether the device gives tags.
func (b *Bus) GivesTags() bool {
	d, ok := b.device.(interface{ GivesTags() bool })
	return ok && d.GivesTags()
}

// Tags implements [TagWire].
func (b *Bus) Tags(tags []sim.Tag) { sim.TagLineOf(b.line).Tags(tags) }

// Lost implements [TagWire].
func (b *Bus) Lost(from, to uint64, channel int, reason string) {
	sim.TagLineOf(b.line).Lost(from, to, channel, reason)
}

// Hungry reports whether the host waits for what there is not, for a Runner that goes as
// fast as the host.
func (b *Bus) Hungry() bool { return b.wanted() && b.heldUntil.IsZero() }

// Blocked reports whether the device has something to stream that the host does not ask
// for.
func (b *Bus) Blocked() bool {
	d, ok := b.device.(interface{ Waiting() int })
	return ok && b.host != nil && !b.wanted() && d.Waiting() > 0
}

// Leave implements [Wire].
func (b *Bus) Leave(away time.Duration) {
	b.leaveAt, b.away = b.at.Add(answerFirst), away
}

// leave takes the device from the bus.
func (b *Bus) leave() {
	at := b.leaveAt
	b.leaveAt = time.Time{}
	if b.pulled {
		return
	}
	b.returnAt = at.Add(b.away)
	_ = b.port.Withdraw() // nothing is left to be closed then
	b.forget()
	b.device.Handle(sim.Event{Kind: sim.Closed, At: at}, b)
}

// comeBack puts the device on the bus again.
func (b *Bus) comeBack(now time.Time) {
	b.returnAt = time.Time{}
	b.device.Handle(sim.Event{Kind: sim.Reboot, At: now}, b)
	_ = b.offer() // a port that cannot be opened again stays away, as a broken device does
}

func (b *Bus) offer() error {
	b.facts, b.configured = b.device.Descriptors(), 0
	return b.port.Offer(b.facts)
}

// forget drops all that a host wanted.
func (b *Bus) forget() {
	b.host, b.pipes, b.lost, b.heldUntil = nil, nil, nil, time.Time{}
	b.configured = 0
}

// Ready implements [sim.Conn].
func (b *Bus) Ready() <-chan struct{} { return b.port.Ready() }

// Poll implements [sim.Conn]. What a host of before did is passed over.
func (b *Bus) Poll() (sim.Event, bool) {
	for {
		h, ok := b.port.Poll()
		if !ok {
			return sim.Event{}, false
		}
		b.next = h
		switch {
		case h.Kind == Imported:
			b.host = h.Host
			return sim.Event{Kind: sim.Opened}, true
		case h.Host != b.host:
		case h.Kind == Gone:
			return sim.Event{Kind: sim.Closed}, true
		default:
			return sim.Event{Kind: sim.Received}, true
		}
	}
}

// TryWrite implements [sim.Conn]: nothing goes past the packets.
func (b *Bus) TryWrite(p []byte) int { return len(p) }

// Unplug implements [sim.Conn].
func (b *Bus) Unplug() error {
	b.pulled = true
	b.leaveAt, b.returnAt = time.Time{}, time.Time{}
	return b.port.Withdraw()
}

// Plug implements [sim.Conn].
func (b *Bus) Plug() error {
	b.pulled = false
	return b.offer()
}

// Where implements [sim.Conn].
func (b *Bus) Where() string { return b.port.Where() }

// Close implements [sim.Conn].
func (b *Bus) Close() error { return b.port.Close() }

// sooner is the earlier of two times, where zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
