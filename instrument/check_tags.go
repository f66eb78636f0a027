package instrument

import (
	"math/big"
	"math/bits"
	"time"
)

// maxTagRecord bounds the bytes of a record that is a tag.
const maxTagRecord = 256

// shortestWrap is how long the time must go on at least before it begins at 0 again,
// where no record tells when it does: for less a computer that is held up would not
// know how often.
const shortestWrap = 500 * time.Millisecond

// shortestTold is the same where a record tells.
const shortestTold = time.Microsecond

// tags checks what is said of time tags.
func (c *checker) tags() {
	f, t := c.f, c.f.Tags
	switch {
	case f.Poll != nil:
		c.report("poll", "tags come by themselves (expected no [poll])")
	case f.Gate != Gate{}:
		c.report("gate", "tags have no interval that is counted (expected no [gate] beside [tags])")
	case t.Tick.IsZero():
		c.report("tags.tick", `is missing (expected how long a tick of the instrument's clock is: tick = "4ns")`)
	case t.Time.IsZero():
		c.report("tags.time", "is missing (expected which value is the time)")
	case f.Text != nil && (f.Text.Pairs || f.Text.Count != ""):
		c.report("text", "tags are read from columns or by a pattern (expected no pairs and no count)")
	case f.Text != nil && (len(t.Special) > 0 || t.Begin != "" || !t.High.IsZero() || !t.Pattern.IsZero()):
		c.report("tags", "special, begin, high and pattern are for records (expected lost, or skip under [text])")
	case f.Record != nil && (len(t.Lost) > 0 || !t.Unit.IsZero()):
		c.report("tags", "lost and unit are for lines of text (expected [[tags.special]], and a time in ticks)")
	}
	if len(c.problems) > 0 {
		return
	}
	c.tagReferences()
	c.tagChannels()
	if len(c.problems) > 0 {
		return
	}
	if f.Record != nil {
		c.tagFields()
	}
	c.tagTimes()
}

// tagReferences gives each reference its number.
func (c *checker) tagReferences() {
	t := c.f.Tags
	refs := map[string]*Ref{
		"tags.time": &t.Time, "tags.high": &t.High, "tags.channel": &t.Channel, "tags.pattern": &t.Pattern, "tags.edge": &t.Edge,
	}
	for i := range t.Special {
		at, s := index("tags.special", i), &t.Special[i]
		refs[at+".value"], refs[at+".and"], refs[at+".count"] = &s.Value, &s.And, &s.Count
		switch {
		case s.Value.IsZero():
			c.report(at+".value", "is missing (expected the value by which such a record is known)")
		case s.Means == "":
			c.report(at+".means", "is missing (expected one of wrap, lost, time, ignore, end)")
		case s.And.IsZero() != (len(s.AndIs) == 0):
			c.report(at+".and", "and and and_is belong together (expected both, or none)")
		case !s.Count.IsZero() && s.Means != MeansWrap && s.Means != MeansLost:
			c.report(at+".count", "is for wrap and lost (expected none)")
		}
	}
	for path, ref := range refs {
		if !ref.IsZero() {
			c.reference(path, ref)
		}
	}
	if text := c.f.Text; text != nil && text.Columns == 0 && text.Pattern == nil {
		text.Columns = max(len(text.columns()), t.Time.Index, t.Channel.Index, t.Edge.Index)
	}
}

// tagChannels checks the channels, and numbers them where the file does not.
func (c *checker) tagChannels() {
	t := c.f.Tags
	if !t.Channel.IsZero() && !t.Pattern.IsZero() {
		c.report("tags.pattern", "there is channel as well (expected one of the two)")
	}
	numbered := !t.Channel.IsZero() || !t.Pattern.IsZero()
	type known struct {
		number uint64
		edge   PulseEdge
	}
	seen := map[known]bool{}
	for i := range c.f.Channels {
		at, ch := index("channel", i), &c.f.Channels[i]
		switch {
		case !ch.From.IsZero() || ch.Width > 0 || ch.Signed || ch.Max != nil || ch.Overflow != nil || len(ch.Absent) > 0 || ch.Scale.Mantissa != 0 || ch.Decimals > 0 || ch.Unit != "":
			c.report(at, "has keys of a count (expected name, kind, number and edge of a channel that is tagged)")
		case ch.Kind != Tagged && ch.Kind != Marker:
			c.report(at+".kind", "%q does not go with [tags] (expected \"tag\" or \"marker\")", ch.Kind)
		case ch.Number == nil && numbered && t.Edge.IsZero():
			n := uint64(i)
			ch.Number = &n
		case ch.Number == nil && numbered:
			c.report(at+".number", "is missing (expected the number that the instrument has for it)")
		case ch.Number != nil && !numbered:
			c.report(at+".number", "nothing tells the channel (expected channel or pattern under [tags])")
		}
		if ch.Number == nil {
			ch.Number = new(uint64)
			if numbered {
				continue // it was refused
			}
		}
		for _, edge := range []PulseEdge{RisingEdge, FallingEdge} {
			if ch.Edge != "" && ch.Edge != edge && !t.Edge.IsZero() {
				continue
			}
			k := known{*ch.Number, edge}
			if seen[k] {
				c.report(at+".number", "number %d is another channel's already", *ch.Number)
			}
			seen[k] = true
		}
	}
	const most = 255
	if len(c.f.Channels) > most {
		c.report("channel", "there are %d (expected at most %d)", len(c.f.Channels), most)
	}
	if t.Rising == nil {
		t.Rising = &Sentinel{Number: 1, Bits: 1}
	}
}

// tagFields checks the fields of a record that is a tag.
func (c *checker) tagFields() {
	r := c.f.Record
	if r.Length > maxTagRecord {
		c.report("record.length", "%d bytes cannot be (expected at most %d for a tag)", r.Length, maxTagRecord)
	}
	for i, f := range r.Fields {
		if f.Bits != 8 || f.Stride != 1 || f.Signed {
			c.report(index("record.field", i), "a tag's numbers are plain (expected no bits, stride or signed)")
		}
	}
	if c.f.Tags.Rising.Word != "" {
		c.report("tags.rising", "%q is a word (expected a number: it is looked for in binary records)", c.f.Tags.Rising.Word)
	}
}

// tagTimes works out what the parts of the time are in ticks.
func (c *checker) tagTimes() {
	t := c.f.Tags
	tick := t.Tick.Rat()
	if c.f.Text != nil {
		t.UnitTicks = big.NewRat(1, 1)
		if !t.Unit.IsZero() {
			t.UnitTicks.Quo(t.Unit.Rat(), tick)
		}
		return
	}
	values := c.f.Record.Values()
	low := values[t.Time.Index-1].largest()
	all := low + 1 // 0: more than 64 bits, which no clock fills
	if !t.High.IsZero() {
		t.HighTicks = low + 1
		if !t.HighUnit.IsZero() {
			n := new(big.Rat).Quo(t.HighUnit.Rat(), tick)
			if !n.IsInt() || !n.Num().IsUint64() {
				c.report("tags.high_unit", "is no whole number of ticks (expected one, as 1s is of 4ns)")
				return
			}
			t.HighTicks = n.Num().Uint64()
		}
		if t.HighTicks == 0 {
			c.report("tags.high", "time alone fills 64 bits (expected no high)")
			return
		}
		high := values[t.High.Index-1].largest() + 1
		var carry uint64
		if carry, all = bits.Mul64(t.HighTicks, high); carry != 0 || high == 0 {
			all = 0
		}
	} else if !t.HighUnit.IsZero() {
		c.report("tags.high_unit", "there is no high (expected both, or none)")
	}
	if t.Wrap == 0 {
		t.Wrap = all
	}
	const most = 1 << 62
	if t.Wrap > most {
		t.Wrap = 0
	}
	seconds, _ := new(big.Rat).Mul(tick, new(big.Rat).SetInt(new(big.Int).SetUint64(t.Wrap))).Float64()
	told := false
	for _, s := range t.Special {
		told = told || s.Means == MeansWrap
	}
	switch {
	case told && t.Wrap == 0:
		c.report("tags.wrap", "is missing (expected after how many ticks the time begins at 0 again, since a record tells when it does)")
	case told && seconds < shortestTold.Seconds():
		c.report("tags.wrap", "the time begins at 0 again after %.3g s (expected at least %v, or the line would carry little else)", seconds, shortestTold)
	case t.Wrap > 0 && !told && seconds < shortestWrap.Seconds():
		c.report("tags.wrap", "the time begins at 0 again after %.3g s, and nothing tells how often (expected at least %v, or a record that means \"wrap\", or high)", seconds, shortestWrap)
	case t.Wrap > 0 && t.Disorder > t.Wrap/4:
		c.report("tags.disorder", "%d is too much (expected at most a quarter of the ticks after which the time begins anew)", t.Disorder)
	}
}
