package usb

import (
	"slices"
	"time"

	"photongate/sim"
)

// pipe is one endpoint other than 0 as a host uses it.
type pipe struct {
	Endpoint
	waiting []*Transfer // the first is under way
	halted  bool
	packet  []byte
	left    []byte // of a packet that faults made longer, or cut in two
}

// submit begins a transfer.
func (b *Bus) submit(at time.Time, t *Transfer) {
	if t.Endpoint&^directionIn == 0 {
		b.control(at, t)
		return
	}
	p := b.pipe(t.Endpoint)
	if p == nil {
		b.complete(t, Nowhere)
		return
	}
	p.waiting = append(p.waiting, t)
}

// pipe finds or makes the pipe of an endpoint; nil if the device has none.
func (b *Bus) pipe(address uint8) *pipe {
	for _, p := range b.pipes {
		if p.Address == address {
			return p
		}
	}
	e, ok := b.facts.endpoint(address)
	if !ok {
		return nil
	}
	p := &pipe{Endpoint: e, packet: make([]byte, e.MaxPacket)}
	b.pipes = append(b.pipes, p)
	return p
}

// unlink forgets a transfer that is not yet complete and returns it; nil if there is
// none.
func (b *Bus) unlink(id uint32) *Transfer {
	for _, p := range b.pipes {
		if t := take(&p.waiting, id); t != nil {
			return t
		}
	}
	return take(&b.lost, id)
}

// take takes a transfer out of a list.
func take(list *[]*Transfer, id uint32) *Transfer {
	i := slices.IndexFunc(*list, func(t *Transfer) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	t := (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	return t
}

// wanted reports whether a host waits for a packet.
func (b *Bus) wanted() bool {
	return slices.ContainsFunc(b.pipes, func(p *pipe) bool {
		return p.Address&directionIn != 0 && len(p.waiting) > 0
	})
}

// complete ends a transfer.
func (b *Bus) complete(t *Transfer, s Status) {
	t.Status = s
	if b.host != nil {
		b.host.Complete(t)
	}
}

// pump moves packets until nobody has or takes any.
func (b *Bus) pump(at time.Time) {
	if !b.heldUntil.After(at) {
		b.heldUntil = time.Time{}
	}
	for _, p := range b.pipes {
		for len(p.waiting) > 0 {
			if p.halted {
				b.finish(p, Stalled)
				continue
			}
			move := b.moveOut
			if p.Address&directionIn != 0 {
				move = b.moveIn
			}
			if !move(at, p) {
				break
			}
		}
	}
}

// finish completes the transfer that is under way.
func (b *Bus) finish(p *pipe, s Status) {
	t := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	b.complete(t, s)
}

// moveOut gives the device one packet and reports whether it took it.
func (b *Bus) moveOut(at time.Time, p *pipe) bool {
	t := p.waiting[0]
	n := min(len(t.Data)-t.Moved, p.MaxPacket)
	switch b.device.Out(at, p.Address, t.Data[t.Moved:t.Moved+n], b) {
	case NAK:
		return false
	case Stall:
		p.halted = true
		b.finish(p, Stalled)
		return true
	}
	t.Moved += n
	if t.Moved == len(t.Data) && !(t.ZeroEnds && n == p.MaxPacket) {
		b.finish(p, Done)
	}
	return true
}

// moveIn takes one packet of the device and reports whether there was one.
func (b *Bus) moveIn(at time.Time, p *pipe) bool {
	if b.heldUntil.After(at) {
		return false
	}
	packet := p.left
	if packet == nil {
		n, answer := b.device.In(at, p.Address, p.packet, b)
		switch answer {
		case NAK:
			return false
		case Stall:
			p.halted = true
			b.finish(p, Stalled)
			return true
		}
		var arrived bool
		if packet, arrived = b.pass(at, p, p.packet[:n:n]); !arrived {
			return false
		}
	}
	p.left = nil
	if len(packet) > p.MaxPacket {
		packet, p.left = packet[:p.MaxPacket], slices.Clone(packet[p.MaxPacket:])
	}
	t := p.waiting[0]
	room := len(t.Data) - t.Moved
	if len(packet) > room {
		b.finish(p, Babble)
		return true
	}
	t.Moved += copy(t.Data[t.Moved:], packet)
	switch {
	case t.Moved == len(t.Data):
		b.finish(p, Done)
	case len(packet) < p.MaxPacket && t.ShortIsError:
		b.finish(p, Short)
	case len(packet) < p.MaxPacket:
		b.finish(p, Done)
	}
	return true
}

// passer does to a message what the faults say; a [sim.Runner]'s line is one.
type passer interface {
	Pass(at time.Time, message []byte) sim.Passed
}

// pass sends a packet through the faults and reports whether anything of it comes now.
func (b *Bus) pass(at time.Time, p *pipe, packet []byte) ([]byte, bool) {
	line, ok := b.line.(passer)
	if !ok || len(packet) == 0 {
		return packet, true
	}
	passed := line.Pass(at, packet)
	if d, ok := b.device.(interface{ Harmed(Wire, string) }); ok && passed.Harm != "" {
		d.Harmed(b, passed.Harm)
	}
	switch {
	case len(passed.Bytes) == 0:
		b.heldUntil = at.Add(frame)
		return nil, false
	case passed.Held > 0:
		p.left, b.heldUntil = slices.Clone(passed.Bytes), at.Add(passed.Held)
		return nil, false
	case passed.Cut > 0:
		packet = slices.Clone(passed.Bytes)
		p.left, b.heldUntil = packet[passed.Cut:], at.Add(passed.Between)
		return packet[:passed.Cut], true
	}
	return passed.Bytes, true
}
