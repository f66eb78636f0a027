package receiver

import (
	"fmt"
	"strings"

	"photongate/protocol"
)

// gatewayStream is the stream of clocks and events of a gateway itself.
const gatewayStream = "gateway"

// part is what rows need to know of an epoch of a stream. People know it as
// part 1, 2, 3...; the number is the epoch's.
type part struct {
	gateway, stream string
	epoch           uint32
	desc            protocol.Descriptor // Channels are made up when the descriptor is lost
	described       bool                // desc was read
}

// name is the stream as outputs show it: "pi-lab3/bench".
func (p *part) name() string { return p.gateway + "/" + p.stream }

// gapRow is a gap or a hole, as a report shows it.
type gapRow struct {
	beginNs    int64 // of the time base of the part
	durationNs int64
	firstIndex uint64
	missing    uint64 // readings
	// What is known of the above.
	beginKnown, durationKnown, missingKnown bool
	cause, detail                           string
}

// eventRow is an event of a stream.
type eventRow struct {
	at    int64
	index uint64 // that the next reading had
	event protocol.Event
}

// sink takes what a stream holds, in order. The part and the counts are valid
// during the call only.
type sink interface {
	readings(p *part, firstIndex uint64, c *protocol.Counts) error
	gap(p *part, g gapRow) error
	event(p *part, e eventRow) error
}

// decoder turns the frames of one stream, in order, into what a sink takes.
// The stream "gateway" feeds the clock table. One goroutine uses it.
type decoder struct {
	clocks *clockTable
	part   part
	counts protocol.Counts
	codec  protocol.CountsDecoder

	look func(epoch uint32) [][]byte // finds copies for a part whose descriptor does not come; nil: there are none

	undecodable bool // the rest of this epoch must not be decoded
	read        bool // a reading was given to the sink
	nextIndex   uint64
	indexKnown  bool
	endNs       int64 // end of the last reading of the part
	endKnown    bool
	hole        *gapRow // waits for what follows it to tell its extent
}

func newDecoder(gateway, stream string, clocks *clockTable) *decoder {
	return &decoder{clocks: clocks, part: part{gateway: gateway, stream: stream}}
}

// context takes a copy of a frame that is not in order: the descriptor or the
// clock state in force where reading begins.
func (d *decoder) context(h protocol.Header, payload []byte) {
	switch h.Type {
	case protocol.TypeDescriptor:
		var desc protocol.Descriptor
		if protocol.DecodeJSON(payload, &desc) == nil {
			d.describe(h, desc)
		}
	case protocol.TypeClock:
		d.clock(h, payload)
	}
}

// frame takes the next frame of the stream; its checksums hold. An error is
// the sink's. What cannot be decoded is told to the sink as a gap.
func (d *decoder) frame(h protocol.Header, payload []byte, out sink) error {
	if h.Epoch != d.part.epoch {
		if err := d.leave(out); err != nil {
			return err
		}
		d.enter(h.Epoch)
		d.lookup(h)
	}
	if h.Type == protocol.TypeHole {
		return d.openHole(h, payload, out)
	}
	if d.undecodable {
		return nil
	}
	if err := h.Understood(); err != nil {
		d.undecodable = true
		return out.gap(&d.part, gapRow{beginNs: h.Time, beginKnown: true, firstIndex: h.Index, cause: "undecoded", detail: err.Error()})
	}
	if err := d.known(h, payload, out); err != nil {
		return err
	}
	if h.Type == protocol.TypeEnd {
		return d.leave(out)
	}
	return nil
}

// finish tells the sink what still waits.
func (d *decoder) finish(out sink) error { return d.leave(out) }

func (d *decoder) known(h protocol.Header, payload []byte, out sink) error {
	switch h.Type {
	case protocol.TypeDescriptor:
		return d.descriptor(h, payload, out)
	case protocol.TypeCounts:
		return d.readings(h, payload, out)
	case protocol.TypeGap:
		return d.gap(h, payload, out)
	case protocol.TypeEvent:
		var e protocol.Event
		if err := protocol.DecodeJSON(payload, &e); err != nil {
			e = protocol.Event{What: "undecoded", Text: err.Error()}
		}
		return out.event(&d.part, eventRow{h.Time, h.Index, e})
	case protocol.TypeEnd:
		var e protocol.End
		if err := protocol.DecodeJSON(payload, &e); err != nil {
			e = protocol.End{Cause: "undecoded", Detail: err.Error()}
		}
		return out.event(&d.part, eventRow{h.Time, h.Index, protocol.Event{What: "part ended", Who: "gateway", New: e.Cause, Text: e.Detail}})
	case protocol.TypeClock:
		d.clock(h, payload)
	}
	return nil
}

func (d *decoder) enter(epoch uint32) {
	described := d.part.described && d.part.epoch == epoch
	d.part.epoch = epoch
	if !described {
		d.part.described, d.part.desc = false, protocol.Descriptor{}
	}
	d.undecodable, d.indexKnown, d.endKnown = false, false, false
}

// lookup searches for the descriptor of a part that does not begin with it.
func (d *decoder) lookup(h protocol.Header) {
	if d.part.described || h.Type == protocol.TypeDescriptor || d.look == nil {
		return
	}
	for _, frame := range d.look(h.Epoch) {
		if copied, payload, _, err := protocol.ParseFrame(frame); err == nil {
			d.context(copied, payload)
		}
	}
}

// leave tells the sink of a hole whose end nothing in the part tells.
func (d *decoder) leave(out sink) error {
	if d.hole == nil {
		return nil
	}
	g := *d.hole
	d.hole = nil
	return out.gap(&d.part, g)
}

func (d *decoder) describe(h protocol.Header, desc protocol.Descriptor) {
	if d.part.stream == gatewayStream {
		d.clocks.setEpoch(h.Epoch, desc.Base)
	}
	d.clocks.setBoot(desc.Base, desc.Boot)
	if d.part.described && d.part.epoch == h.Epoch {
		return
	}
	if d.part.epoch != h.Epoch {
		d.enter(h.Epoch)
	}
	d.part.desc, d.part.described = desc, true
}

func (d *decoder) descriptor(h protocol.Header, payload []byte, out sink) error {
	var desc protocol.Descriptor
	if err := protocol.DecodeJSON(payload, &desc); err != nil {
		return out.event(&d.part, eventRow{h.Time, h.Index, protocol.Event{What: "undecoded", Who: "photonrecv", Text: err.Error()}})
	}
	d.describe(h, desc)
	d.nextIndex, d.indexKnown = h.Index, true
	return out.event(&d.part, eventRow{h.Time, h.Index, protocol.Event{What: "part began", Who: "gateway", New: desc.Cause}})
}

func (d *decoder) clock(h protocol.Header, payload []byte) {
	var c protocol.Clock
	if protocol.DecodeJSON(payload, &c) != nil || c.Kind != protocol.ClockHost {
		return
	}
	base, ok := d.clocks.epochs[h.Epoch] // the frame is one of the stream "gateway", a copy too
	if !ok && d.part.described {
		base, ok = d.part.desc.Base, true
	}
	if ok {
		d.clocks.add(base, h.Time, &c)
	}
}

func (d *decoder) openHole(h protocol.Header, payload []byte, out sink) error {
	var hole protocol.Hole
	if err := protocol.DecodeJSON(payload, &hole); err != nil {
		hole = protocol.Hole{Cause: "undecoded", Detail: err.Error()}
	}
	if hole.Cause == protocol.CauseNotHeld && !d.read {
		return nil // what lies before the first row is not part of the output
	}
	if hole.Cause == protocol.CauseNotHeld && hole.By != "" && hole.By != d.part.gateway {
		d.indexKnown = false // an archive never asked for it: it is no gap
		return nil
	}
	if d.hole != nil {
		if !strings.Contains(d.hole.cause, hole.Cause) {
			d.hole.cause += ", " + hole.Cause
		}
		return nil
	}
	d.hole = &gapRow{
		beginNs: d.endNs, beginKnown: d.endKnown, firstIndex: d.nextIndex,
		cause: hole.Cause, detail: strings.TrimSpace(fmt.Sprintf("frames %d to %d %s", h.Seq, hole.To, hole.Detail)),
	}
	return nil
}

// interrupted says that frames are not shown from here on to the next one. It
// is no loss: who archives has them.
func (d *decoder) interrupted(cause string) {
	if d.read && d.hole == nil {
		d.hole = &gapRow{beginNs: d.endNs, beginKnown: d.endKnown, firstIndex: d.nextIndex, cause: cause}
	}
}

// advance settles a waiting hole by the frame behind it, and tells of readings
// whose absence nothing explains.
func (d *decoder) advance(h protocol.Header, out sink) error {
	g := d.hole
	if g == nil && d.indexKnown && h.Index > d.nextIndex {
		g = &gapRow{beginNs: d.endNs, beginKnown: d.endKnown, firstIndex: d.nextIndex, cause: "unexplained", detail: "the index jumps and nothing says why"}
	}
	d.hole = nil
	if g == nil {
		return nil
	}
	if d.indexKnown && h.Index >= g.firstIndex {
		g.missing, g.missingKnown = h.Index-g.firstIndex, true
	}
	if g.beginKnown && h.Time >= g.beginNs {
		g.durationNs, g.durationKnown = h.Time-g.beginNs, true
	}
	return out.gap(&d.part, *g)
}

func (d *decoder) gap(h protocol.Header, payload []byte, out sink) error {
	if err := d.advance(h, out); err != nil {
		return err
	}
	var g protocol.Gap
	if err := protocol.DecodeJSON(payload, &g); err != nil {
		g = protocol.Gap{Cause: "undecoded", Detail: err.Error()}
	}
	row := gapRow{beginNs: h.Time, beginKnown: true, firstIndex: h.Index, cause: g.Cause, detail: g.Detail}
	if g.DurationNs != nil {
		row.durationNs, row.durationKnown = int64(*g.DurationNs), true
	}
	if g.Missing != nil {
		row.missing, row.missingKnown = uint64(*g.Missing), true
	}
	if g.Approximate {
		row.detail = strings.TrimSpace(row.detail + " (begin known approximately)")
	}
	d.nextIndex, d.indexKnown = h.Index+row.missing, true
	return out.gap(&d.part, row)
}

func (d *decoder) readings(h protocol.Header, payload []byte, out sink) error {
	if err := d.advance(h, out); err != nil {
		return err
	}
	d.nextIndex, d.indexKnown = h.Index+uint64(h.Count), true
	err := d.codec.Decode(h, payload, &d.counts)
	if err == nil && d.part.described && len(d.counts.Values) != len(d.part.desc.Channels) {
		err = fmt.Errorf("%w: %d channels, the descriptor names %d", protocol.ErrFormat, len(d.counts.Values), len(d.part.desc.Channels))
	}
	if err != nil {
		return out.gap(&d.part, gapRow{
			beginNs: h.Time, beginKnown: true, firstIndex: h.Index, missing: uint64(h.Count), missingKnown: true,
			cause: "undecoded", detail: err.Error(),
		})
	}
	if !d.part.described {
		d.part.desc.Channels = madeUp(len(d.counts.Values))
	}
	n := len(d.counts.Begin)
	d.endNs, d.endKnown = d.counts.Begin[n-1]+d.counts.Length[n-1], true
	d.read = true
	return out.readings(&d.part, h.Index, &d.counts)
}

// madeUp names the channels of a part whose descriptor is lost.
func madeUp(n int) []protocol.Channel {
	channels := make([]protocol.Channel, n)
	for i := range channels {
		channels[i] = protocol.Channel{Name: fmt.Sprintf("channel%d", i+1), Kind: protocol.KindAuxiliary}
	}
	return channels
}
