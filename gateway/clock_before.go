package gateway

import (
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// processBefore is the time base of the gateway process before this one, as far
// as its stream "gateway" tells; zero: it does not.
type processBefore struct {
	base   protocol.ID
	boot   string
	offset int64 // of the base, ahead of the clock under it
	tied   bool  // offset is known
}

// clockFrames is how many frames at the end of a stream are looked at for the
// last one of the clock.
const clockFrames = 256

// lastProcess finds the process that wrote the stream "gateway" before. To be
// called before this one writes to it.
func lastProcess(st *journal.Stream) (p processBefore) {
	last, ok := st.Last()
	if !ok {
		return p
	}
	desc := descriptorOf(st, last.Epoch)
	p.base, p.boot = desc.Base, desc.Boot
	for seq := last.Seq; seq > 0 && last.Seq-seq < clockFrames; seq-- {
		frame, err := st.Frame(last.Epoch, seq)
		if err != nil {
			continue
		}
		h, payload, _, err := protocol.ParseFrame(frame)
		var c protocol.Clock
		if err == nil && h.Type == protocol.TypeClock && protocol.DecodeJSON(payload, &c) == nil && c.Kind == protocol.ClockHost && c.BootNs != 0 {
			p.offset, p.tied = h.Time-int64(c.BootNs), true
			return p
		}
	}
	return p
}

// descriptorOf is the descriptor of an epoch, empty when it is not held any more.
func descriptorOf(st *journal.Stream, epoch uint32) (d protocol.Descriptor) {
	frame, err := st.Descriptor(epoch)
	if err != nil {
		return d
	}
	if h, payload, _, err := protocol.ParseFrame(frame); err != nil || h.Type != protocol.TypeDescriptor || protocol.DecodeJSON(payload, &d) != nil {
		return protocol.Descriptor{}
	}
	return d
}

// neverSet is a time before which no photongate existed: a clock that says less
// has never been set.
var neverSet = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// date says when, by the present time base, a stream's last reading of an earlier
// process ended: exactly within one boot of the computer, by UTC as it was
// believed else. What was believed of a clock that was never set is no time.
func (p processBefore) date(last *lastEpoch, st *journal.Stream, base *timeBase) {
	if last == nil || !last.hasEnd {
		return
	}
	ns, utc, ok := st.LastTime()
	switch {
	case ok && p.tied && p.boot == base.source.Boot && descriptorOf(st, last.epoch).Base == p.base:
		last.endNs += ns - utc + base.offset - p.offset
		last.approximate = false
	case last.endNs < neverSet && base.now() >= neverSet:
		last.undated = true
	}
}
