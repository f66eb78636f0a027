package table

import (
	"fmt"
	"strings"

	"photongate/protocol"
)

// GatewayStream is the stream of clocks and events of a gateway itself.
const GatewayStream = "gateway"

// Part is what rows need to know of an epoch of a stream. People know it as
// part 1, 2, 3...; the number is the epoch's.
type Part struct {
	Gateway, Stream string
	Epoch           uint32
	Desc            protocol.Descriptor // Channels are made up when the descriptor is lost
	Described       bool                // Desc was read
	OfTags          bool                // its rows are stretches of time tags, counted

	// What a view made of it; the zero values: nothing.
	base     protocol.ID        // of the times of its rows
	channels []protocol.Channel // of its rows
	merged   []mergedStream     // its rows are of several streams
}

// Name is the stream as outputs show it: "pi-lab3/bench".
func (p *Part) Name() string { return p.Gateway + "/" + p.Stream }

// Base is the time base of the part's rows: that of the descriptor, unless a
// view gave them times of its own.
func (p *Part) Base() protocol.ID {
	if p.base.IsZero() {
		return p.Desc.Base
	}
	return p.base
}

// Channels are those of the part's rows: those of the descriptor, unless a view
// made others of them.
func (p *Part) Channels() []protocol.Channel {
	if p.channels == nil {
		return p.Desc.Channels
	}
	return p.channels
}

// Merged reports whether the rows are of several streams side by side.
func (p *Part) Merged() bool { return p.merged != nil }

// Gap is a gap or a hole, as a report shows it.
type Gap struct {
	BeginNs    int64 // of the time base of the part
	DurationNs int64
	FirstIndex uint64
	Missing    uint64 // readings
	// What is known of the above.
	BeginKnown, DurationKnown, MissingKnown bool
	Cause, Detail                           string
}

// Event is an event of a stream.
type Event struct {
	AtNs           int64  // of the time base of the part
	Index          uint64 // that the next reading had
	protocol.Event        // what happened
}

// Sink takes what a stream holds, in order. The part and the counts are valid
// during the call only.
type Sink interface {
	Readings(p *Part, firstIndex uint64, c *protocol.Counts) error
	Gap(p *Part, g Gap) error
	Event(p *Part, e Event) error
}

// Discard is a sink for streams that are read for their clocks.
type Discard struct{}

// Readings implements Sink.
func (Discard) Readings(*Part, uint64, *protocol.Counts) error { return nil }

// Gap implements Sink.
func (Discard) Gap(*Part, Gap) error { return nil }

// Event implements Sink.
func (Discard) Event(*Part, Event) error { return nil }

// Decoder turns the frames of one stream, in order, into what a sink takes.
// The stream "gateway" feeds the clock table. One goroutine uses it.
type Decoder struct {
	// Look finds copies of frames for a part whose descriptor does not come,
	// as they stand at the begin of segment files; nil: there are none.
	Look func(epoch uint32) [][]byte

	clocks *ClockTable
	part   Part
	counts protocol.Counts
	codec  protocol.CountsDecoder
	times  TagReader // of a stream of tags

	firstNs     int64 // begin of the part's first reading, by its descriptor; 0: not known
	undecodable bool  // the rest of this epoch must not be decoded
	read        bool  // a reading was given to the sink
	nextIndex   uint64
	indexKnown  bool
	endNs       int64 // end of the last reading of the part
	endKnown    bool
	hole        *Gap // waits for what follows it to tell its extent
	lastSeq     uint64
	before      Before // the part before
	atNs        int64  // time of the last frame of the part
	end         *protocol.End
}

// NewDecoder returns a decoder for a stream of a gateway. All streams of one
// journal share the clock table.
func NewDecoder(gateway, stream string, clocks *ClockTable) *Decoder {
	return &Decoder{clocks: clocks, part: Part{Gateway: gateway, Stream: stream}}
}

// Part is what is known of the part that was read last. It is valid until the
// next call.
func (d *Decoder) Part() *Part { return &d.part }

// Clocks is the table the decoder feeds or uses.
func (d *Decoder) Clocks() *ClockTable { return d.clocks }

// Frames takes whole frames of the stream, back to back, whose checksums hold,
// as a reader of a journal gives them. An error is the sink's.
func (d *Decoder) Frames(frames []byte, out Sink) error {
	for len(frames) > 0 {
		h, err := protocol.ParseHeader(frames)
		if err != nil {
			return err
		}
		if err := d.Frame(h, frames[h.HeaderLen:h.FrameLen()], out); err != nil {
			return err
		}
		frames = frames[h.FrameLen():]
	}
	return nil
}

// Context takes a copy of a frame that is not in order: the descriptor or the
// clock state in force where reading begins.
func (d *Decoder) Context(h protocol.Header, payload []byte) {
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

// Frame takes the next frame of the stream; its checksums hold. An error is
// the sink's. What cannot be decoded is told to the sink as a gap.
func (d *Decoder) Frame(h protocol.Header, payload []byte, out Sink) error {
	if h.Epoch != d.part.Epoch {
		if err := d.leave(out); err != nil {
			return err
		}
		d.enter(h.Epoch)
		d.lookup(h)
	}
	if h.Type == protocol.TypeHole {
		return d.openHole(h, payload, out)
	}
	d.lastSeq, d.atNs = h.Seq, h.Time
	if d.undecodable {
		return nil
	}
	if err := h.Understood(); err != nil {
		d.undecodable = true
		return out.Gap(&d.part, Gap{BeginNs: h.Time, BeginKnown: true, FirstIndex: h.Index, Cause: "undecoded", Detail: err.Error()})
	}
	if err := d.known(h, payload, out); err != nil {
		return err
	}
	if h.Type == protocol.TypeEnd {
		return d.leave(out)
	}
	return nil
}

// Finish tells the sink what still waits.
func (d *Decoder) Finish(out Sink) error { return d.leave(out) }

func (d *Decoder) known(h protocol.Header, payload []byte, out Sink) error {
	switch h.Type {
	case protocol.TypeDescriptor:
		return d.descriptor(h, payload, out)
	case protocol.TypeCounts:
		return d.readings(h, payload, out)
	case protocol.TypeTags:
		return d.tags(h, payload, out)
	case protocol.TypeGap:
		return d.gap(h, payload, out)
	case protocol.TypeEvent:
		var e protocol.Event
		if err := protocol.DecodeJSON(payload, &e); err != nil {
			e = protocol.Event{What: "undecoded", Text: err.Error()}
		}
		return out.Event(&d.part, Event{h.Time, h.Index, e})
	case protocol.TypeEnd:
		var e protocol.End
		if err := protocol.DecodeJSON(payload, &e); err != nil {
			e = protocol.End{Cause: "undecoded", Detail: err.Error()}
		}
		d.end = &e
		return out.Event(&d.part, Event{h.Time, h.Index, protocol.Event{What: "part ended", Who: "gateway", New: e.Cause, Text: e.Detail}})
	case protocol.TypeClock:
		d.clock(h, payload)
	}
	return nil
}

func (d *Decoder) enter(epoch uint32) {
	if d.part.Epoch != epoch {
		d.before = Before{Epoch: d.part.Epoch, Seq: d.lastSeq, Base: d.part.Desc.Base, EndNs: d.endNs, Known: d.endKnown && d.part.Described}
		d.lastSeq = 0
	}
	described := d.part.Described && d.part.Epoch == epoch
	d.part.Epoch = epoch
	if !described {
		d.part.Described, d.part.Desc, d.firstNs = false, protocol.Descriptor{}, 0
	}
	d.undecodable, d.indexKnown, d.endKnown, d.end = false, false, false, nil
	d.times.Enter()
}

// lookup searches for the descriptor of a part that does not begin with it.
func (d *Decoder) lookup(h protocol.Header) {
	if d.part.Described || h.Type == protocol.TypeDescriptor || d.Look == nil {
		return
	}
	for _, frame := range d.Look(h.Epoch) {
		if copied, payload, _, err := protocol.ParseFrame(frame); err == nil {
			d.Context(copied, payload)
		}
	}
}

// leave tells the sink of a hole whose end nothing in the part tells.
func (d *Decoder) leave(out Sink) error {
	if d.hole == nil {
		return nil
	}
	g := *d.hole
	d.hole = nil
	return out.Gap(&d.part, g)
}

func (d *Decoder) describe(h protocol.Header, desc protocol.Descriptor) {
	if d.part.Stream == GatewayStream {
		d.clocks.setEpoch(h.Epoch, desc.Base)
	}
	d.clocks.SetBoot(desc.Base, desc.Boot)
	if d.part.Described && d.part.Epoch == h.Epoch {
		return
	}
	if d.part.Epoch != h.Epoch {
		d.enter(h.Epoch)
	}
	d.part.Desc, d.part.Described, d.firstNs = desc, true, h.Time
}

func (d *Decoder) descriptor(h protocol.Header, payload []byte, out Sink) error {
	var desc protocol.Descriptor
	if err := protocol.DecodeJSON(payload, &desc); err != nil {
		return out.Event(&d.part, Event{h.Time, h.Index, protocol.Event{What: "undecoded", Who: "photonrecv", Text: err.Error()}})
	}
	d.describe(h, desc)
	d.nextIndex, d.indexKnown = h.Index, true
	return out.Event(&d.part, Event{h.Time, h.Index, protocol.Event{What: "part began", Who: "gateway", New: desc.Cause}})
}

func (d *Decoder) clock(h protocol.Header, payload []byte) {
	var c protocol.Clock
	if protocol.DecodeJSON(payload, &c) != nil || c.Kind != protocol.ClockHost {
		return
	}
	base, ok := d.clocks.epochs[h.Epoch] // the frame is one of the stream "gateway", a copy too
	if !ok && d.part.Described {
		base, ok = d.part.Desc.Base, true
	}
	if ok {
		d.clocks.Add(base, h.Time, &c)
	}
}

func (d *Decoder) openHole(h protocol.Header, payload []byte, out Sink) error {
	var hole protocol.Hole
	if err := protocol.DecodeJSON(payload, &hole); err != nil {
		hole = protocol.Hole{Cause: "undecoded", Detail: err.Error()}
	}
	if hole.Cause == protocol.CauseNotHeld && !d.read {
		return nil // what lies before the first row is not part of the output
	}
	if hole.Cause == protocol.CauseNotHeld && hole.By != "" && hole.By != d.part.Gateway {
		d.indexKnown = false // an archive never asked for it: it is no gap
		return nil
	}
	if d.hole != nil {
		if !strings.Contains(d.hole.Cause, hole.Cause) {
			d.hole.Cause += ", " + hole.Cause
		}
		return nil
	}
	d.hole = &Gap{
		BeginNs: d.endNs, BeginKnown: d.endKnown, FirstIndex: d.nextIndex,
		Cause: hole.Cause, Detail: strings.TrimSpace(fmt.Sprintf("frames %d to %d %s", h.Seq, hole.To, hole.Detail)),
	}
	return nil
}

// Interrupted says that frames are not shown from here on to the next one. It
// is no loss: who archives has them.
func (d *Decoder) Interrupted(cause string) {
	if d.read && d.hole == nil {
		d.hole = &Gap{BeginNs: d.endNs, BeginKnown: d.endKnown, FirstIndex: d.nextIndex, Cause: cause}
	}
}

// advance settles a waiting hole by the frame behind it, and tells of readings
// whose absence nothing explains.
func (d *Decoder) advance(h protocol.Header, out Sink) error {
	g := d.hole
	if g == nil && d.indexKnown && h.Index > d.nextIndex {
		g = &Gap{BeginNs: d.endNs, BeginKnown: d.endKnown, FirstIndex: d.nextIndex, Cause: "unexplained", Detail: "the index jumps and nothing says why"}
	}
	d.hole = nil
	if g == nil {
		return nil
	}
	if d.indexKnown && h.Index >= g.FirstIndex {
		g.Missing, g.MissingKnown = h.Index-g.FirstIndex, true
	}
	if g.BeginKnown && h.Time >= g.BeginNs {
		g.DurationNs, g.DurationKnown = h.Time-g.BeginNs, true
	}
	return out.Gap(&d.part, *g)
}

func (d *Decoder) gap(h protocol.Header, payload []byte, out Sink) error {
	d.times.Break()
	if err := d.advance(h, out); err != nil {
		return err
	}
	var g protocol.Gap
	if err := protocol.DecodeJSON(payload, &g); err != nil {
		g = protocol.Gap{Cause: "undecoded", Detail: err.Error()}
	}
	row := Gap{BeginNs: h.Time, BeginKnown: true, FirstIndex: h.Index, Cause: g.Cause, Detail: g.Detail}
	if g.DurationNs != nil {
		row.DurationNs, row.DurationKnown = int64(*g.DurationNs), true
	}
	if g.Missing != nil {
		row.Missing, row.MissingKnown = uint64(*g.Missing), true
	}
	d.nextIndex, d.indexKnown = h.Index+row.Missing, true
	if g.Approximate {
		d.approximate(&row)
	}
	if until, more := d.clocks.HeldUntil(&d.part.Desc, d.before); more && h.Index == 0 {
		row.clip(until)
	}
	return out.Gap(&d.part, row)
}

// approximate places a gap that began in another process.
func (d *Decoder) approximate(g *Gap) {
	word, first := "known approximately", d.firstNs
	if g.DurationKnown {
		first = g.BeginNs + g.DurationNs
	}
	if d.part.Described {
		g.BeginNs, g.DurationKnown = d.clocks.GapBegin(d.part.Desc.Base, g.BeginNs, first)
		if g.DurationNs = first - g.BeginNs; !g.DurationKnown {
			word = "not known"
		}
	}
	g.Detail = strings.TrimSpace(g.Detail + " (begin " + word + ")")
}

func (d *Decoder) readings(h protocol.Header, payload []byte, out Sink) error {
	if err := d.advance(h, out); err != nil {
		return err
	}
	d.nextIndex, d.indexKnown = h.Index+uint64(h.Count), true
	err := d.codec.Decode(h, payload, &d.counts)
	if err == nil && d.part.Described && len(d.counts.Values) != len(d.part.Desc.Channels) {
		err = fmt.Errorf("%w: %d channels, the descriptor names %d", protocol.ErrFormat, len(d.counts.Values), len(d.part.Desc.Channels))
	}
	if err != nil {
		return out.Gap(&d.part, Gap{
			BeginNs: h.Time, BeginKnown: true, FirstIndex: h.Index, Missing: uint64(h.Count), MissingKnown: true,
			Cause: "undecoded", Detail: err.Error(),
		})
	}
	if !d.part.Described {
		d.part.Desc.Channels = madeUp(len(d.counts.Values))
	}
	n := len(d.counts.Begin)
	d.endNs, d.endKnown = d.counts.Begin[n-1]+d.counts.Length[n-1], true
	d.read = true
	return out.Readings(&d.part, h.Index, &d.counts)
}

// madeUp names the channels of a part whose descriptor is lost.
func madeUp(n int) []protocol.Channel {
	channels := make([]protocol.Channel, n)
	for i := range channels {
		channels[i] = protocol.Channel{Name: fmt.Sprintf("channel%d", i+1), Kind: protocol.KindAuxiliary}
	}
	return channels
}
