package table

import "photongate/protocol"

// TagCounts makes counts of frames of tags, for who shows or sums rates: one row
// for each, of the time that the instrument's clock went on with it, with the
// number of tags of each channel. What a loss covers was not counted: live time
// is without it, the row is flagged short, and a channel that alone lacks some has no
// value. One goroutine uses it.
type TagCounts struct {
	part   Part // as the rows have it
	source partName
	counts protocol.Counts
	values []uint64
	flags  []uint8
	begun  bool
	next   uint64   // index of the next row
	kept   []uint64 // totals of frames with which no time passed, for the next row
}

// Part is the part of the rows: that of the tags, with channels that count.
func (t *TagCounts) Part(p *Part) *Part {
	name := partName{p.Gateway, p.Stream, p.Epoch}
	if t.source != name || len(t.part.channels) != len(p.Desc.Channels) || !t.part.Described {
		t.source, t.part = name, *p
		t.part.OfTags = true
		t.part.Desc.Channels = make(protocol.List[protocol.Channel], len(p.Desc.Channels))
		for i, ch := range p.Desc.Channels {
			if ch.Kind == protocol.KindTag || ch.Kind == protocol.KindMarker || !p.Described {
				ch.Kind = protocol.KindCount
			}
			t.part.Desc.Channels[i] = ch
		}
		t.part.channels, t.part.Desc.Tick = t.part.Desc.Channels, nil
		t.next, t.begun, t.kept = 0, false, nil
	}
	return &t.part
}

// Counts is the row of a frame, and its index: rows of a part are numbered, and a
// number is left out where frames are missing. ok is false when no time passed
// with it. The row is valid until the next call.
func (t *TagCounts) Counts(p *Part, f *TagFrame) (index uint64, c *protocol.Counts, ok bool) {
	t.Part(p)
	n := len(f.Summary.Totals)
	t.values = append(t.values[:0], f.Summary.Totals...)
	for ch, kept := range t.kept {
		t.values[ch] += kept
	}
	length := f.EndNs - f.BeginNs
	if length <= 0 || n == 0 {
		t.kept = append(t.kept[:0], t.values...)
		return 0, nil, false
	}
	t.kept = t.kept[:0]
	if f.Broken && t.begun {
		t.next++
	}
	index, t.begun = t.next, true
	t.next++
	dead, lacking := t.losses(p, f)
	c = &t.counts
	c.Begin, c.Length = append(c.Begin[:0], f.BeginNs), append(c.Length[:0], length)
	c.Dead, c.Flags = c.Dead[:0], c.Flags[:0]
	if dead > 0 {
		c.Dead, c.Flags = append(c.Dead, min(dead, length)), append(c.Flags, protocol.FlagShort)
	}
	c.Values, c.ValueFlags = c.Values[:0], c.ValueFlags[:0]
	for ch := range n {
		c.Values = append(c.Values, t.values[ch:ch+1])
		if lacking {
			c.ValueFlags = append(c.ValueFlags, t.flags[ch:ch+1])
		}
	}
	return index, c, true
}

// losses is for how long, in ns, a frame's losses of all channels say that nothing
// was counted, and whether channels lack some alone, which flags tells.
func (t *TagCounts) losses(p *Part, f *TagFrame) (dead int64, lacking bool) {
	t.flags = t.flags[:0]
	for range f.Summary.Totals {
		t.flags = append(t.flags, 0)
	}
	scale, reached := newTickScale(p.Desc.Tick), f.Begin
	for _, l := range f.Summary.Losses {
		if l.Channel >= 0 && l.Channel < len(t.flags) {
			t.flags[l.Channel], lacking = protocol.ValueAbsent, true
			continue
		}
		if from, to := max(l.From, reached), min(l.To, f.Summary.Until); from < to {
			dead += scale.ns(from, to)
			reached = to
		}
	}
	return dead, lacking
}

// CountTags is a sink that counts the tags that come, as TagCounts does, for one
// that takes counts; all else is handed on.
func CountTags(out Sink) TagSink { return &tagCounter{Sink: out} }

type tagCounter struct {
	Sink
	counts TagCounts
}

// Tags implements TagSink.
func (c *tagCounter) Tags(p *Part, f *TagFrame) error {
	if index, counts, ok := c.counts.Counts(p, f); ok {
		return c.Sink.Readings(c.counts.Part(p), index, counts)
	}
	return nil
}

// Expect implements Expecter.
func (c *tagCounter) Expect(p *Part) error { return expect(c.Sink, c.part(p)) }

// Gap implements Sink.
func (c *tagCounter) Gap(p *Part, g Gap) error { return c.Sink.Gap(c.part(p), g) }

// Event implements Sink.
func (c *tagCounter) Event(p *Part, e Event) error { return c.Sink.Event(c.part(p), e) }

func (c *tagCounter) part(p *Part) *Part {
	if p.IsTags() {
		return c.counts.Part(p)
	}
	return p
}
