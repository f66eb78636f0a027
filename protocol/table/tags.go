package table

import (
	"fmt"
	"math"

	"photongate/protocol"
)

// TagFrame is a frame of time tags as it came, and what can be told of it
// without decoding the tags. It is valid during the call only.
type TagFrame struct {
	Header  protocol.Header
	Payload []byte
	Summary *protocol.TagsSummary

	// The instrument's clock went from Begin to Summary.Until meanwhile, in ticks;
	// Broken says that what came before Begin is missing, or that it is the first.
	Begin          uint64
	BeginNs, EndNs int64 // the same, ns of the part's time base
	Broken         bool

	// FromNs and ToNs bound which of its tags are meant, [FromNs, ToNs): ns of the
	// part's time base.
	FromNs, ToNs int64
}

// TagSink is a Sink that takes tags as well. Losses that a frame states come as
// gaps, ahead of it. Sinks that do not take tags are given the gaps and events of
// their streams.
type TagSink interface {
	Sink
	Tags(p *Part, f *TagFrame) error
}

// Tags implements TagSink.
func (Discard) Tags(*Part, *TagFrame) error { return nil }

// IsTags reports whether the part is one of a stream of tags.
func (p *Part) IsTags() bool { return p.Desc.Tick != nil }

// CauseTagsLost is the cause of the gaps that losses stated with the tags are told
// as.
const CauseTagsLost = "tags lost"

// TagReader reads of the frames of a stream of tags what can be told without
// decoding each tag: how far the clock came, how many tags of each channel, and
// where ticks lie on the time base. One goroutine uses it.
type TagReader struct {
	codec   protocol.TagsDecoder
	tags    protocol.Tags
	summary protocol.TagsSummary
	frame   TagFrame
	scale   tickScale

	known  bool // the two below
	tick   uint64
	ns     int64  // tick is here on the time base
	until  uint64 // how far the clock had come with the frame before
	follow bool   // until is known, and nothing is missing since
}

// anchorEvery is for how long one frame's first tag tells where ticks lie on the
// time base: the two clocks drift apart by less than a microsecond meanwhile, but
// for bad ones.
const anchorEvery = int64(1_000_000_000)

// at is a tick on the time base.
func (t *TagReader) at(tick uint64) int64 { return t.ns + t.scale.ns(t.tick, tick) }

// Break says that what comes next does not follow on what came last: frames are
// missing, or tags.
func (t *TagReader) Break() { t.follow = false }

// Enter says that another part comes next.
func (t *TagReader) Enter() { t.known, t.follow = false, false }

// Read reads the next frame of a part. What it returns is valid until the next
// call, as far as the payload is.
func (t *TagReader) Read(p *Part, h protocol.Header, payload []byte) (*TagFrame, error) {
	t.scale = newTickScale(p.Desc.Tick)
	if err := t.summary.Parse(payload); err != nil {
		return nil, err
	}
	if p.Described && len(t.summary.Totals) != len(p.Desc.Channels) {
		return nil, fmt.Errorf("%w: %d channels, the descriptor names %d", protocol.ErrFormat, len(t.summary.Totals), len(p.Desc.Channels))
	}
	begin := t.until
	switch {
	case h.Count == 0:
		t.tick, t.ns, t.known = t.summary.Until, h.Time, true
		if !t.follow {
			begin = t.summary.Until
		}
	case !t.known, !t.follow, h.Time-t.ns >= anchorEvery, h.Time < t.ns:
		if err := t.codec.Decode(h, payload, &t.tags); err != nil {
			return nil, err
		}
		t.tick, t.ns, t.known = t.tags.Ticks[0], h.Time, true
		if !t.follow {
			begin = t.tick
		}
	}
	begin = min(begin, t.summary.Until)
	t.frame = TagFrame{Header: h, Payload: payload, Summary: &t.summary, Begin: begin, BeginNs: t.at(begin), EndNs: t.at(t.summary.Until),
		Broken: !t.follow, FromNs: math.MinInt64, ToNs: math.MaxInt64}
	t.until, t.follow = t.summary.Until, true
	return &t.frame, nil
}

// tags takes a frame of tags.
func (d *Decoder) tags(h protocol.Header, payload []byte, out Sink) error {
	if d.indexKnown && h.Index != d.nextIndex || d.hole != nil {
		d.times.Break()
	}
	if err := d.advance(h, out); err != nil {
		return err
	}
	d.nextIndex, d.indexKnown = h.Index+uint64(h.Count), true
	t := &d.times
	f, err := t.Read(&d.part, h, payload)
	if err != nil {
		t.Break()
		return out.Gap(&d.part, undecodedTags(h, err))
	}
	if !d.part.Described {
		d.part.Desc.Channels = madeUp(len(t.summary.Totals))
	}
	d.endNs, d.endKnown, d.read = f.EndNs, true, true
	for _, l := range t.summary.Losses {
		if err := out.Gap(&d.part, t.loss(&d.part, h.Index, l)); err != nil {
			return err
		}
	}
	if to, ok := out.(TagSink); ok {
		return to.Tags(&d.part, f)
	}
	return nil
}

func undecodedTags(h protocol.Header, why error) Gap {
	return Gap{BeginNs: h.Time, BeginKnown: true, FirstIndex: h.Index, Missing: uint64(h.Count), MissingKnown: true,
		Cause: undecoded, Detail: why.Error()}
}

// undecoded is the cause of gaps in which frames are that cannot be decoded.
const undecoded = "undecoded"

// loss is a loss as reports show it.
func (t *TagReader) loss(p *Part, index uint64, l protocol.TagLoss) Gap {
	g := Gap{BeginNs: t.at(l.From), BeginKnown: true, DurationNs: t.scale.ns(l.From, l.To), DurationKnown: t.scale.num > 0,
		FirstIndex: index, Missing: l.Missing, MissingKnown: l.Known, Cause: CauseTagsLost}
	if l.Channel >= 0 && l.Channel < len(p.Desc.Channels) {
		g.Detail = "of channel " + p.Desc.Channels[l.Channel].Name
	}
	return g
}
