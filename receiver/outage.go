package receiver

import (
	"slices"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// causeCrashed is why a part ended that has no end though its gateway's process
// is over.
const causeCrashed = "gateway crashed"

// outage is a gap that goes on: the stream ended, and not because its gateway was
// stopped, and no later part tells how long it lasted (SPEC.md, 7.4).
type outage struct {
	cause, detail string
	base          protocol.ID // of untilNs
	untilNs       int64       // latest moment that is known of
}

// ofEnd is the outage that an end frame tells; none for a gateway that was
// stopped.
func ofEnd(e protocol.End) (o outage, ok bool) {
	return outage{cause: e.Cause, detail: e.Detail}, e.Cause != protocol.CauseGatewayStopped
}

// presence knows when a gateway was there, from the frames of its stream
// "gateway" in order: it tells how long a stream that ended has been silent. The
// zero value is ready. One goroutine uses it.
type presence struct {
	processes []process
	epoch     uint32
	covered   uint64 // frames of the epoch that are held, or were told to be missing
	broken    bool   // what follows was recorded anew: what lies between is not known
}

// also notes a frame of another stream of the gateway, by whose time it was there
// as well.
func (p *presence) also(base protocol.ID, at int64) {
	if n := len(p.processes); n > 0 && p.processes[n-1].base == base {
		p.processes[n-1].lastNs = max(p.processes[n-1].lastNs, at)
	}
}

// process is a stretch of frames of one process of a gateway.
type process struct {
	base            protocol.ID
	firstNs, lastNs int64
	ended           bool // in good order
	follows         bool // nothing lies between this and the stretch before
}

// frame takes the next frame of the stream "gateway", and the descriptor of its
// epoch.
func (p *presence) frame(gateway string, desc *protocol.Descriptor, h protocol.Header, payload []byte) {
	if h.Type == protocol.TypeHole {
		var hole protocol.Hole
		if protocol.DecodeJSON(payload, &hole) != nil {
			return
		}
		p.broken = p.broken || hole.Cause == protocol.CauseNotHeld && hole.By != gateway
		if h.Epoch == p.epoch {
			p.covered = max(p.covered, uint64(hole.To))
		}
		return
	}
	if h.Epoch != p.epoch {
		before := desc.Previous
		p.broken = p.broken || h.Type != protocol.TypeDescriptor || before == nil || before.Epoch != p.epoch || uint64(before.Seq) > p.covered
		p.epoch, p.covered = h.Epoch, 0
		p.begin(desc.Base, h.Time)
	} else if p.broken {
		p.begin(desc.Base, h.Time)
	}
	p.covered = max(p.covered, h.Seq)
	last := &p.processes[len(p.processes)-1]
	last.lastNs = max(last.lastNs, h.Time)
	last.ended = last.ended || h.Type == protocol.TypeEnd
}

func (p *presence) begin(base protocol.ID, at int64) {
	p.processes = append(p.processes, process{base: base, firstNs: at, lastNs: at, follows: !p.broken})
	p.broken = false
}

// outage tells of a stream whose last part has the time base base whether it has
// been silent since the moment at, by that base. end is its end frame; nil: it has
// none, which is an outage when its process crashed and a later one was there.
func (p *presence) outage(base protocol.ID, at int64, end *protocol.End) (o outage, ok bool) {
	if end != nil {
		if o, ok = ofEnd(*end); !ok {
			return o, false
		}
	}
	o.base, o.untilNs = base, at
	i := len(p.processes) - 1
	for i >= 0 && (p.processes[i].base != base || p.processes[i].firstNs > at) {
		i--
	}
	if i < 0 {
		return o, end != nil
	}
	crashed := !p.processes[i].ended
	for i+1 < len(p.processes) && p.processes[i+1].follows {
		i++
	}
	last := p.processes[i]
	if end == nil {
		o.cause = causeCrashed
		if !crashed || last.base == base {
			return o, false
		}
	}
	if last.base != base || last.lastNs > at {
		o.base, o.untilNs = last.base, last.lastNs
	}
	return o, true
}

// stillOpen says until when an outage is known to last.
func (o *outage) stillOpen(clocks *table.ClockTable) (utc string, text string) {
	ns, known := clocks.UTC(o.base, o.untilNs)
	if known {
		utc = table.FormatUTC(ns)
	}
	return utc, "still open at " + momentText(utc, protocol.Int64(o.untilNs))
}

// gap is the outage as a gap of a decoded stream that has come to its end; nil:
// there is none.
func (p *presence) gap(d *table.Decoder) *table.Gap {
	last, ok := d.Last()
	if !ok {
		return nil
	}
	o, ok := p.outage(d.Part().Desc.Base, max(last.AtNs, last.EndNs), last.End)
	if !ok {
		return nil
	}
	g := &table.Gap{BeginNs: last.EndNs, BeginKnown: true, FirstIndex: last.Index, DurationKnown: true, Cause: o.cause}
	g.DurationNs = max(0, o.untilNs+d.Clocks().Shift(d.Part().Desc.Base, o.base)-last.EndNs)
	_, g.Detail = o.stillOpen(d.Clocks())
	if o.detail != "" {
		g.Detail += ": " + o.detail
	}
	return g
}

// outage is the gap behind the last part of a stream, as verify tells it; nil:
// there is none, or it ended before a time.
func (t *partTimes) outage(desc *protocol.Descriptor, e *journal.EpochReport, o *VerifyOptions) *LossReport {
	begin, at := t.end(desc.Stream, e), int64(e.LastNs)
	var end *protocol.End
	if h, payload, ok := t.frame(desc.Stream, e.Epoch, lastHeld(e)); ok && h.Type == protocol.TypeEnd {
		end = &protocol.End{}
		if protocol.DecodeJSON(payload, end) != nil {
			end.Cause = "undecoded"
		}
	}
	if e.LastData == 0 || end == nil && e.Ended {
		return nil
	}
	found, ok := t.presence.outage(desc.Base, max(at, begin), end)
	if !ok || !o.Since.IsZero() && t.before(found.base, found.untilNs, o.Since) {
		return nil
	}
	loss := &LossReport{Cause: found.cause, Detail: found.detail, BeginUTC: t.utc(desc.Base, begin), BeginNs: protocol.Ref(protocol.Int64(begin)),
		Open: true, Allowed: slices.Contains(o.Allow, found.cause)}
	loss.DurationNs = protocol.Ref(protocol.Int64(max(0, found.untilNs+t.clocks.Shift(desc.Base, found.base)-begin)))
	loss.OpenUTC, loss.openText = found.stillOpen(t.clocks)
	return loss
}

// withOutage is a score with the outage that goes on, if there is one, as a gap
// up to now, and of a run for a time at most up to its end. The caller holds mu.
func (b *scoreboard) withOutage(key streamKey, s *score, now time.Time) score {
	c, end := *s, s.ended
	if own := b.scores[streamKey{key.gateway, gatewayStream}]; end == nil && own != nil && own.started(s) {
		end = &protocol.End{Cause: causeCrashed}
	}
	if end == nil || s.Readings == 0 {
		return c
	}
	if _, ok := ofEnd(*end); !ok {
		return c
	}
	until := s.endedNs
	if s.clock != nil {
		until = max(until, s.clock.baseNow(now))
	}
	if toNs := b.ends[key.gateway]; toNs > 0 {
		until = min(until, toNs)
	}
	c.Gaps++
	c.Unknown++
	c.unknown.add([]LossReport{{DurationNs: protocol.Ref(protocol.Int64(max(0, until-s.LastNs)))}})
	return c
}

// started reports whether a gateway, of whose own stream the score is, is another
// process than the one that began the last part of a stream.
func (s *score) started(of *score) bool {
	now, then := s.meter.desc.Base, of.meter.desc.Base
	return !now.IsZero() && !then.IsZero() && now != then
}
