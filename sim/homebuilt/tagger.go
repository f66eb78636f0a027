package homebuilt

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"photongate/instrument"
	"photongate/sim"
)

const (
	// tagChunk is how much of a stream of tags is sent at once.
	tagChunk = time.Millisecond
	// tagMemory is how many bytes wait in the instrument for a host that does not take
	// them, where it can tell that it lost some; tagPatience where it cannot, so that a
	// busy machine is not taken for an instrument that loses in silence.
	tagMemory   = 4 << 20
	tagPatience = 256 << 20
)

// tagger is what an instrument of tags has besides: light that is resolved in time, and
// a clock.
type tagger struct {
	tags    *instrument.Tags
	light   *sim.TagLight
	inputs  []uint8 // the channel of the truth, by input
	message func(out []byte, at stamp) []byte

	streams bool
	tear    bool          // the host came in the middle of a record
	start   time.Time     // of the clock
	zero    uint64        // tick of the truth at which its own clock began
	drawn   time.Time     // until when the light has been seen
	tick    uint64        // then
	wraps   uint64        // told so far
	losing  bool          // the host does not take what is sent
	lost    uint64        // since this tick,
	missing uint64        // so many tags
	over    time.Duration // to come: as if the host did not for so long

	list  []sim.Tag
	bytes []byte
}

// stamp is what a record says.
type stamp struct {
	tick    uint64 // of its own clock
	channel uint8  // an index into the file's channels
	pattern uint64
	special *instrument.Special
	count   uint64
}

// tagInputs names the inputs of an instrument of tags, one for each number of a channel,
// and says which channel of the file it is.
func tagInputs(f *instrument.File) (names []string, channels []uint8) {
	var numbers []uint64
	for i, ch := range f.Channels {
		if !slices.Contains(numbers, *ch.Number) && len(numbers) < sim.MaxInputs {
			numbers = append(numbers, *ch.Number)
			names, channels = append(names, ch.Name), append(channels, uint8(i))
		}
	}
	return names, channels
}

func newTagger(c *Counter, settings sim.TagSettings) (*tagger, error) {
	t := &tagger{tags: c.file.Tags, streams: !slices.ContainsFunc(c.play.Replies, func(r instrument.Reply) bool { return r.Stream == "on" })}
	_, t.inputs = tagInputs(c.file)
	settings.TickS, _ = t.tags.Tick.Rat().Float64()
	var err error
	if t.light, err = sim.NewTagLight(c.light, settings); err != nil {
		return nil, err
	}
	if c.file.Text != nil {
		t.message, err = t.lines(c)
	} else {
		t.message, err = t.records(c.file)
	}
	return t, err
}

// special is the first kind of record that means something; nil for none.
func (t *tagger) special(means instrument.Meaning) *instrument.Special {
	i := slices.IndexFunc(t.tags.Special, func(s instrument.Special) bool { return s.Means == means })
	if i < 0 {
		return nil
	}
	return &t.tags.Special[i]
}

// records makes the bytes of a record.
func (t *tagger) records(f *instrument.File) (func([]byte, stamp) []byte, error) {
	r := f.Record
	values := r.Values()
	put := func(record []byte, ref instrument.Ref, n uint64) {
		if !ref.IsZero() {
			place(record, values[ref.Index-1], n)
		}
	}
	blank := make([]byte, r.Length)
	copy(blank, r.Sync)
	copy(blank[r.Length-len(r.Trail):], r.Trail)
	for _, p := range values {
		if p.Is != nil {
			place(blank, p, *p.Is)
		}
	}
	return func(out []byte, s stamp) []byte {
		record := append([]byte(nil), blank...)
		if s.special == nil || s.special.Means == instrument.MeansTime {
			tick := s.tick
			if t.tags.Wrap > 0 {
				tick %= t.tags.Wrap
			}
			low := tick
			if t.tags.HighTicks > 0 {
				put(record, t.tags.High, tick/t.tags.HighTicks)
				low = tick % t.tags.HighTicks
			}
			put(record, t.tags.Time, low)
		}
		if sp := s.special; sp != nil {
			value := uint64(1)
			if len(sp.Is) > 0 {
				value = sp.Is[0]
			}
			put(record, sp.Count, s.count)
			put(record, sp.Value, value)
			if len(sp.AndIs) > 0 {
				put(record, sp.And, sp.AndIs[0])
			}
		} else {
			ch := &f.Channels[s.channel]
			put(record, t.tags.Channel, *ch.Number)
			put(record, t.tags.Pattern, s.pattern)
			rising := t.tags.Rising.Bits
			if ch.Edge == instrument.FallingEdge {
				rising = 1 - min(rising, 1)
			}
			put(record, t.tags.Edge, rising)
		}
		sum(record, r)
		return append(out, record...)
	}, nil
}

// lines makes the bytes of a line.
func (t *tagger) lines(c *Counter) (func([]byte, stamp) []byte, error) {
	line := c.play.Line
	if line.IsEmpty() {
		if c.file.Text.Pattern != nil {
			return nil, errors.New(`it is not known what a line looks like (expected line = "{channel} {time:.9}\n" under [simulate])`)
		}
		names := map[int]string{t.tags.Time.Index: "time", t.tags.Channel.Index: "channel", t.tags.Edge.Index: "edge"}
		for i := range c.file.Text.Columns {
			if i > 0 {
				line.Parts = append(line.Parts, instrument.Part{Bytes: instrument.Bytes(c.file.Text.Split[:1])})
			}
			p := instrument.Part{Bytes: "0"}
			if name := names[i+1]; name != "" {
				p = instrument.Part{Name: name}
			}
			line.Parts = append(line.Parts, p)
		}
		line.Parts = append(line.Parts, instrument.Part{Bytes: instrument.Bytes(c.lineEnd())})
	}
	digits := 0
	if !t.tags.UnitTicks.IsInt() || t.tags.UnitTicks.Num().BitLen() > 1 {
		digits = 9
		if t.tags.Tick.Rat().Cmp(big.NewRat(1, 1e9)) < 0 {
			digits = 12
		}
	}
	return func(out []byte, s stamp) []byte {
		ch := &c.file.Channels[s.channel]
		edge := any(t.tags.Rising.Bits)
		switch {
		case t.tags.Rising.Word != "" && ch.Edge == instrument.FallingEdge:
			edge = "-"
		case t.tags.Rising.Word != "":
			edge = t.tags.Rising.Word
		case ch.Edge == instrument.FallingEdge:
			edge = uint64(0)
		}
		return append(out, fill(line, func(name string) (any, bool) {
			switch name {
			case "time":
				v := new(big.Rat).SetInt(new(big.Int).SetUint64(s.tick))
				return v.Quo(v, t.tags.UnitTicks).FloatString(digits), true
			case "channel":
				return strconv.FormatUint(*ch.Number, 10), true
			case "edge":
				return edge, true
			}
			return c.value(name)
		})...)
	}, nil
}

// ticks is what the clock of the truth shows.
func (c *Counter) ticks(at time.Time) uint64 {
	t := c.tagger
	ns := at.Sub(t.start).Nanoseconds()
	ns += int64(float64(ns) * c.fastPPM * 1e-6)
	if ns <= 0 {
		return 0
	}
	const second = 1e9
	high, low := bits.Mul64(uint64(ns), t.tags.Tick.Den)
	_, per := bits.Mul64(t.tags.Tick.Num, second)
	if high >= per {
		return 0
	}
	n, _ := bits.Div64(high, low, per)
	return n
}

// restartTags has the instrument's own clock begin anew.
func (c *Counter) restartTags(ready time.Time) {
	t := c.tagger
	if t.start.IsZero() {
		t.start = ready
	}
	t.zero, t.wraps, t.losing = c.ticks(ready), 0, false
	t.beginTags(ready, t.zero)
}

// beginTags begins to see the light.
func (t *tagger) beginTags(now time.Time, tick uint64) {
	t.drawn, t.tick = now, tick
	t.light.Begin(now, tick)
}

// stream begins or ends the stream, as a reply says.
func (c *Counter) stream(now time.Time, how instrument.Switch) {
	t := c.tagger
	switch {
	case how == "on" && !t.streams:
		t.streams = true
		t.beginTags(now, c.ticks(now))
		c.begin(now)
	case how == "off" && t.streams:
		t.streams = false
	}
}

// sendTags sends what came since the last time.
func (c *Counter) sendTags(at time.Time, line sim.Line) {
	t := c.tagger
	from, to := t.tick, c.ticks(at)
	t.list = t.light.Until(at, to, t.list[:0])
	t.drawn, t.tick = at, to
	for i, tag := range t.list {
		t.list[i] = sim.NewTag(tag.Tick(), int(t.inputs[tag.Channel()]))
	}
	truth := sim.TagLineOf(line)
	truth.Tags(t.list)
	told := t.special(instrument.MeansLost)
	room := tagMemory
	if told == nil {
		room = tagPatience
	}
	if t.over > 0 || truth.Waiting() > room {
		t.over -= min(t.over, tagChunk)
		if !t.losing {
			t.losing, t.lost, t.missing = true, from, 0
		}
		t.missing += uint64(len(t.list))
		return
	}
	t.bytes = t.bytes[:0]
	if t.losing {
		t.losing = false
		truth.Lost(t.lost, from, -1, "the host did not take them in time")
		if told != nil {
			t.bytes = t.message(t.bytes, stamp{special: told, count: t.missing})
		}
	}
	c.writeTags()
	c.putOut(truth, at, from, to)
}

// writeTags makes the records of t.list, and those that tell of the time.
func (c *Counter) writeTags() {
	t := c.tagger
	wrap := t.special(instrument.MeansWrap)
	for i := 0; i < len(t.list); i++ {
		tag := t.list[i]
		own := tag.Tick() - t.zero
		if wrap != nil {
			t.tellWraps(wrap, own/t.tags.Wrap)
		}
		s := stamp{tick: own, channel: uint8(tag.Channel())}
		if !t.tags.Pattern.IsZero() {
			for ; i < len(t.list) && t.list[i].Tick() == tag.Tick(); i++ {
				s.pattern |= 1 << *c.file.Channels[t.list[i].Channel()].Number
			}
			i--
		}
		t.bytes = t.message(t.bytes, s)
	}
	if wrap != nil {
		t.tellWraps(wrap, (t.tick-t.zero)/t.tags.Wrap)
	}
}

// tellWraps tells that the time has begun at 0 again as often as it has.
func (t *tagger) tellWraps(wrap *instrument.Special, now uint64) {
	for t.wraps < now {
		n := uint64(1)
		if !wrap.Count.IsZero() {
			n = now - t.wraps
		}
		t.bytes = t.message(t.bytes, stamp{special: wrap, count: n})
		t.wraps += n
	}
}

// putOut sends t.bytes, which are of the ticks from from to before to.
func (c *Counter) putOut(line sim.TagLine, at time.Time, from, to uint64) {
	t := c.tagger
	piece := t.bytes
	if len(piece) == 0 {
		return
	}
	if t.tear {
		t.tear = false
		n := len(piece)/2 + 1
		if r := c.file.Record; r != nil {
			n = 1 + c.rng.IntN(max(r.Length-1, 1))
		}
		piece = piece[min(n, len(piece)):]
		line.Lost(from, to, -1, "the host came in the middle of them")
	}
	if harm := line.Stream(at, piece); harm != "" {
		line.Lost(from, to, -1, harm)
	}
}

// checkTagFault refuses what an instrument of tags cannot have.
func (c *Counter) checkTagFault(f sim.Fault) error {
	if f.Kind == sim.FaultOverflow && c.tagger.special(instrument.MeansLost) == nil {
		return fmt.Errorf("fault %v: %s does not tell that it lost tags (expected a [[tags.special]] that means \"lost\")", f, c.file.Name)
	}
	return nil
}
