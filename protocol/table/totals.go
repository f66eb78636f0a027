package table

import "photongate/protocol"

// totals is a sink that turns running totals into counts of a gate: the
// difference from the total before, modulo the counter's width. Where readings
// are missing before a gate, and at the begin of a part, its count is not known.
// Streams without totals pass through. One goroutine uses it.
type totals struct {
	out Sink

	part    Part // as it is passed on
	epoch   uint32
	columns []int // channels that are totals
	last    []uint64
	known   []bool // last
	next    uint64 // index of the reading behind the last one
	broken  bool   // a gap was told since

	counts protocol.Counts // passed on; columns of other channels are the frame's
	values [][]uint64      // of the totals
	flags  [][]uint8
}

// enter goes on with a part, and reports whether it has totals.
func (t *totals) enter(p *Part) bool {
	if t.epoch == p.Epoch && t.part.Stream == p.Stream && len(t.part.Channels()) == len(p.Channels()) {
		return len(t.columns) > 0
	}
	t.part, t.epoch = *p, p.Epoch
	t.columns = t.columns[:0]
	t.part.channels = append([]protocol.Channel(nil), p.Channels()...)
	for i := range t.part.channels {
		if t.part.channels[i].Kind == protocol.KindTotal {
			t.part.channels[i].Kind = protocol.KindCount
			t.columns = append(t.columns, i)
		}
	}
	t.last, t.known = make([]uint64, len(t.columns)), make([]bool, len(t.columns))
	t.values, t.flags = make([][]uint64, len(t.columns)), make([][]uint8, len(t.columns))
	return len(t.columns) > 0
}

// Expect tells what is behind of a part's channels.
func (t *totals) Expect(p *Part) error {
	if t.enter(p) {
		p = &t.part
	}
	return expect(t.out, p)
}

// Readings implements Sink.
func (t *totals) Readings(p *Part, firstIndex uint64, c *protocol.Counts) error {
	if !t.enter(p) {
		return t.out.Readings(p, firstIndex, c)
	}
	if t.broken || firstIndex != t.next {
		clear(t.known)
	}
	t.broken, t.next = false, firstIndex+uint64(len(c.Begin))
	out := &t.counts
	out.Begin, out.Length, out.Dead, out.Uncertainty, out.Flags = c.Begin, c.Length, c.Dead, c.Uncertainty, c.Flags
	out.Values = append(out.Values[:0], c.Values...)
	out.ValueFlags = append(out.ValueFlags[:0], c.ValueFlags...)
	for len(out.ValueFlags) < len(c.Values) {
		out.ValueFlags = append(out.ValueFlags, nil)
	}
	for k, ch := range t.columns {
		t.differences(k, ch, c)
		out.Values[ch], out.ValueFlags[ch] = t.values[k], t.flags[k]
	}
	return t.out.Readings(&t.part, firstIndex, out)
}

// differences fills the columns of one total.
func (t *totals) differences(k, ch int, c *protocol.Counts) {
	spec := t.part.channels[ch]
	values, flags := t.values[k][:0], t.flags[k][:0]
	for i, total := range c.Values[ch] {
		flag := uint8(0)
		if len(c.ValueFlags) > ch && len(c.ValueFlags[ch]) > 0 {
			flag = c.ValueFlags[ch][i]
		}
		absent := flag&protocol.ValueAbsent != 0
		if !t.known[k] {
			flag |= protocol.ValueAbsent
		}
		values, flags = append(values, spec.Wrap(total-t.last[k])), append(flags, flag)
		t.last[k], t.known[k] = total, !absent
	}
	t.values[k], t.flags[k] = values, flags
}

// Gap implements Sink.
func (t *totals) Gap(p *Part, g Gap) error {
	t.broken = true
	if t.enter(p) {
		p = &t.part
	}
	return t.out.Gap(p, g)
}

// Event implements Sink.
func (t *totals) Event(p *Part, e Event) error {
	if t.enter(p) {
		p = &t.part
	}
	return t.out.Event(p, e)
}
