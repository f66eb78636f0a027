package homebuilt

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"photongate/instrument"
)

// wordBytes is how many bytes are looked at together.
const wordBytes = 8

// picker takes a number out of a record: one load, a shift and a mask.
type picker struct {
	off   int // where the word begins
	big   bool
	shift uint
	mask  uint64 // 0: there is no such number, which reads as 0
}

// newPicker finds how to take a value out of records of a length, at least eight
// bytes of which can be loaded.
func newPicker(ref instrument.Ref, places []instrument.Place, length int) picker {
	if ref.IsZero() {
		return picker{}
	}
	p := places[ref.Index-1]
	g := picker{big: p.Order == instrument.Big, off: min(p.At, max(length-wordBytes, 0))}
	low := p.At - g.off // bytes of lower places
	if g.big {
		low = g.off + wordBytes - p.At - p.Width
	}
	g.mask = ^uint64(0) >> (64 - 8*p.Width)
	if p.Mask != 0 {
		g.mask &= p.Mask
	}
	g.mask >>= p.Shift
	g.shift = uint(8*low + p.Shift)
	return g
}

// of takes the number out of a record with at least eight bytes.
func (g *picker) of(p []byte) uint64 {
	if g.mask == 0 {
		return 0
	}
	return g.word(p) >> g.shift & g.mask
}

func (g *picker) word(p []byte) uint64 {
	if g.big {
		return binary.BigEndian.Uint64(p[g.off:])
	}
	return binary.LittleEndian.Uint64(p[g.off:])
}

// special is a kind of record that is no tag.
type special struct {
	value, and, count picker
	is, andIs         []uint64
	means             instrument.Meaning
	counted           bool
}

// matches reports whether a record is of the kind.
func (s *special) matches(p []byte) bool {
	v := s.value.of(p)
	if len(s.is) == 0 && v == 0 || len(s.is) > 0 && !slices.Contains(s.is, v) {
		return false
	}
	return len(s.andIs) == 0 || slices.Contains(s.andIs, s.and.of(p))
}

const (
	noChannel   = 0xFF
	channelKeys = 512 // channel numbers below 256, and an edge
)

// tagPlan is how tags are read from records.
type tagPlan struct {
	time, high, channel, pattern, edge picker
	highTicks, rising                  uint64
	lowMost                            uint64 // the time's own part is no larger
	specials                           []special
	channels                           map[uint64]uint8 // by number x 2 + 1 for a rising edge
	patterned                          bool

	// For records all of whose numbers are in one word.
	quick   bool
	off     int
	big     bool
	fixed   uint64                   // bits that are the same in every tag,
	want    uint64                   // as here
	never   [4]struct{ m, v uint64 } // what no tag is
	nevers  int
	byKey   [channelKeys]uint8
	edgeBit picker // of one bit; mask 0 when edges do not matter
}

func newTagPlan(f *instrument.File) *tagPlan {
	t, r := f.Tags, f.Record
	places := r.Values()
	pick := func(ref instrument.Ref) picker { return newPicker(ref, places, r.Length) }
	p := &tagPlan{
		time: pick(t.Time), high: pick(t.High), channel: pick(t.Channel), pattern: pick(t.Pattern), edge: pick(t.Edge),
		highTicks: t.HighTicks, rising: t.Rising.Bits, channels: channelsByKey(f), patterned: !t.Pattern.IsZero(),
	}
	for _, s := range t.Special {
		p.specials = append(p.specials, special{
			value: pick(s.Value), and: pick(s.And), count: pick(s.Count), is: s.Is, andIs: s.AndIs, means: s.Means, counted: !s.Count.IsZero(),
		})
	}
	p.lowMost = math.MaxUint64
	if !t.HighUnit.IsZero() {
		p.lowMost = t.HighTicks - 1
	}
	p.compile(places, r.Length)
	return p
}

// channelsByKey are the channels by their number x 2, and 1 more for a rising edge.
func channelsByKey(f *instrument.File) map[uint64]uint8 {
	list := map[uint64]uint8{}
	for i, ch := range f.Channels {
		if ch.Edge != instrument.RisingEdge || f.Tags.Edge.IsZero() {
			list[*ch.Number<<1] = uint8(i)
		}
		if ch.Edge != instrument.FallingEdge || f.Tags.Edge.IsZero() {
			list[*ch.Number<<1|1] = uint8(i)
		}
	}
	return list
}

// compile finds out whether all numbers are in one word, which most taggers' are.
func (p *tagPlan) compile(places []instrument.Place, length int) {
	p.off, p.big, p.edgeBit = p.time.off, p.time.big, p.edge
	for _, g := range []*picker{&p.high, &p.channel, &p.pattern, &p.edge} {
		if g.mask != 0 && (g.off != p.off || g.big != p.big) {
			return
		}
	}
	if p.edge.mask > 1 || p.channel.mask > channelKeys/2-1 || p.rising > 1 {
		return
	}
	for _, s := range p.specials {
		switch {
		case s.value.mask == 0 || s.value.off != p.off || s.value.big != p.big:
			return
		case len(s.is) == 0:
			p.fixed |= s.value.mask << s.value.shift
		default:
			for _, v := range s.is {
				if p.nevers == len(p.never) {
					return
				}
				p.never[p.nevers].m, p.never[p.nevers].v = s.value.mask<<s.value.shift, v<<s.value.shift
				p.nevers++
			}
		}
	}
	for i, place := range places {
		if place.Is == nil {
			continue
		}
		g := newPicker(instrument.Ref{Index: i + 1}, places, length)
		if g.off != p.off || g.big != p.big {
			return
		}
		p.fixed |= g.mask << g.shift
		p.want |= *place.Is << g.shift
	}
	for key := range p.byKey {
		p.byKey[key] = noChannel
		if ch, ok := p.channels[uint64(key)^(1-p.rising)]; ok {
			p.byKey[key] = ch
		}
	}
	p.quick = true
}

// tag is what one record says.
type tag struct {
	raw     uint64 // the time, wraps not undone
	special *special
	count   uint64 // of special
	channel uint8
	pattern uint64 // several channels, in place of one
	rising  uint64 // 1 for a rising edge of these
}

// read reads a record that has eight bytes at least. It reports false for a channel
// that there is not.
func (p *tagPlan) read(record []byte) (t tag, ok bool) {
	low := p.time.of(record)
	t.raw = low + p.high.of(record)*p.highTicks
	for i := range p.specials {
		if p.specials[i].matches(record) {
			t.special = &p.specials[i]
			t.count = t.special.count.of(record)
			return t, true
		}
	}
	if low > p.lowMost {
		return t, false
	}
	if p.patterned {
		t.pattern, t.rising = p.pattern.of(record), p.keyOf(0, record)
		for rest := t.pattern; rest != 0; rest &= rest - 1 {
			if _, ok := p.channels[uint64(bits.TrailingZeros64(rest))<<1|t.rising]; !ok {
				return t, false
			}
		}
		return t, true
	}
	t.channel, ok = p.channels[p.keyOf(p.channel.of(record), record)]
	return t, ok
}

// keyOf is the key of a channel's number and the record's edge.
func (p *tagPlan) keyOf(number uint64, record []byte) uint64 {
	if p.edge.mask != 0 && p.edge.of(record) != p.rising {
		return number << 1
	}
	return number<<1 | 1
}

// many reads the tags of up to n records of a length, which are whole, for as long
// as there is nothing to say of one: it is of a channel, not earlier than the one
// before and not later than most. It appends no more than there is room for in
// ticks and channels, and returns how many records it took and the last tick.
func (p *tagPlan) many(records []byte, n, length int, base, last, most uint64, ticks []uint64, channels []uint8) (int, uint64) {
	n = min(n, len(ticks), len(channels))
	if length <= 0 || len(records) < wordBytes {
		return 0, last
	}
	n = min(n, (len(records)-p.off-wordBytes)/length+1)
	ticks, channels = ticks[:n], channels[:n]
	ts, tm, hs, hm, hu := p.time.shift&63, p.time.mask, p.high.shift&63, p.high.mask, p.highTicks
	cs, cm, es, em := p.channel.shift&63, p.channel.mask, p.edgeBit.shift&63, p.edgeBit.mask
	at, lowMost := p.off, p.lowMost
	for i := range ticks {
		w := binary.LittleEndian.Uint64(records[at:])
		if p.big {
			w = bits.ReverseBytes64(w)
		}
		at += length
		low := w >> ts & tm
		tick := low + w>>hs&hm*hu + base
		ch := p.byKey[(w>>cs&cm<<1|w>>es&em)%channelKeys]
		if w&p.fixed != p.want || ch == noChannel || tick < last || tick > most || low > lowMost {
			return i, last
		}
		for k := range p.nevers {
			if w&p.never[k%4].m == p.never[k%4].v {
				return i, last
			}
		}
		ticks[i], channels[i], last = tick, ch, tick
	}
	return n, last
}

// manyPatterns is many for records with a bit for each channel.
func (p *tagPlan) manyPatterns(records []byte, n, length int, base, last, most uint64, ticks []uint64, channels []uint8) (taken, tags int, newest uint64) {
	if length <= 0 || len(records) < wordBytes {
		return 0, 0, last
	}
	n = min(n, (len(records)-p.off-wordBytes)/length+1)
	for i := range n {
		record := records[i*length:]
		w := p.time.word(record)
		low := w >> p.time.shift & p.time.mask
		tick := low + w>>p.high.shift&p.high.mask*p.highTicks + base
		if w&p.fixed != p.want || tick < last || tick > most || low > p.lowMost {
			return i, tags, last
		}
		for k := range p.nevers {
			if w&p.never[k].m == p.never[k].v {
				return i, tags, last
			}
		}
		tagsBefore := tags
		pattern, edge := w>>p.pattern.shift&p.pattern.mask, w>>p.edgeBit.shift&p.edgeBit.mask
		if bits.OnesCount64(pattern) > len(ticks)-tags {
			return i, tags, last
		}
		for rest := pattern; rest != 0; rest &= rest - 1 {
			ch := p.byKey[(uint64(bits.TrailingZeros64(rest))<<1|edge)%channelKeys]
			if ch == noChannel {
				return i, tagsBefore, last
			}
			ticks[tags], channels[tags] = tick, ch
			tags++
		}
		last = tick
	}
	return n, tags, last
}
