package homebuilt

import (
	"math"
	"slices"
	"strconv"
	"time"

	"photongate/instrument"
	"photongate/sim"
)

// reading is what was counted last.
type reading struct {
	counts []uint64  // of the light, not yet taken into a reading
	sent   []sending // per channel
	stored []uint64  // per channel, as the truth has it
	span   time.Duration
}

// sending is a number as the instrument sends it: mantissa with so many digits
// behind the point, or what stands in its place.
type sending struct {
	mantissa uint64
	places   int
	instead  *instrument.Sentinel
}

// forget makes the instrument what it is when it is new.
func (c *Counter) forget() {
	n := len(c.file.Channels)
	c.reading = reading{counts: make([]uint64, n), sent: make([]sending, n), stored: make([]uint64, n)}
	c.settings = map[string]any{}
	for i := range c.file.Settings {
		c.settings[c.file.Settings[i].Name] = c.atFirst(&c.file.Settings[i])
	}
}

// count counts the light until now.
func (c *Counter) count(now time.Time) {
	if !now.After(c.counted) {
		return
	}
	clear(c.patterns)
	c.light.Draw(c.counted, now, c.patterns)
	c.counted = now
	for i, mask := range c.masks {
		c.reading.counts[i] += uint64(sim.Together(c.patterns, mask))
	}
}

// prepare works out what does not change from reading to reading.
func (c *Counter) prepare() {
	c.limits, c.owns = nil, nil
	for i := range c.file.Channels {
		c.limits = append(c.limits, c.most(i))
		c.owns = append(c.owns, c.owned(&c.file.Channels[i]))
	}
}

// latch makes a reading of what was counted in the last span.
func (c *Counter) latch(span time.Duration) {
	c.number++
	c.reading.span = span
	for i := range c.file.Channels {
		c.reading.sent[i], c.reading.stored[i] = c.measure(i)
		c.reading.counts[i] = 0
	}
	c.over = -1
}

// measure is what channel i says, and what that comes to as the truth has it.
func (c *Counter) measure(i int) (sending, uint64) {
	ch := &c.file.Channels[i]
	most := c.limits[i]
	scale := 1.0
	if ch.Scale.Mantissa > 0 {
		scale = float64(ch.Scale.Mantissa) * math.Pow10(ch.Scale.Exponent)
	}
	places := math.Pow10(c.places[i])
	var n uint64 // without its point
	switch word := c.owns[i]; {
	case word != "":
		v, _ := c.own(word)
		whole, _ := v.(uint64)
		n = whole * uint64(places)
	case ch.Kind == instrument.Total:
		c.totals[i] += c.reading.counts[i]
		n = uint64(float64(c.totals[i]) / scale)
		if scale == 1 {
			n = c.totals[i]
		}
	case c.masks[i] == 0: // made up
		const about, scatter = 20, 2
		n = uint64(math.Round((about + scatter*c.rng.Float64()) / scale * places))
	case ch.Kind == instrument.Rate:
		span := max(c.reading.span, time.Microsecond)
		n = uint64(math.Round(float64(c.reading.counts[i]) / span.Seconds() / scale * places))
	default:
		n = uint64(float64(c.reading.counts[i])/scale) * uint64(places)
	}
	if i == c.distinct {
		n = c.distinctNumber(ch, most) * uint64(places)
	}
	return c.fit(i, n, most)
}

// distinctNumber is what makes the next row differ from all others.
func (c *Counter) distinctNumber(ch *instrument.Channel, most uint64) uint64 {
	if ch.Kind == instrument.Total {
		if c.total > 0 {
			return c.total + uint64(c.rows)
		}
		return sim.DistinctValue(c.rows, math.MaxUint64) // it wraps where the counter does
	}
	return sim.DistinctValue(c.rows, most)
}

// fit brings a number into what the channel can say: it wraps, stops at the top,
// or is told as an overflow.
func (c *Counter) fit(i int, n, most uint64) (sending, uint64) {
	ch := &c.file.Channels[i]
	s := sending{places: c.places[i]}
	store := func(n uint64) uint64 {
		return n * uint64(math.Pow10(ch.Decimals-c.places[i])) * ch.Factor
	}
	largest := most * uint64(math.Pow10(c.places[i]))
	if ch.Overflow != nil && (n > largest || i == c.over) {
		s.instead = ch.Overflow
		return s, store(n)
	}
	wraps := ch.Width > 0 && ch.Width < 64 && ch.Kind != instrument.Rate && ch.Kind != instrument.Auxiliary
	if wraps && n > largest && most == 1<<ch.Width-1 {
		n &= most
	}
	s.mantissa = min(n, largest)
	return s, store(s.mantissa)
}

// The largest numbers of channels that have no bound: whole ones, and those with
// digits behind the point.
const (
	mostWhole = 1<<53 - 1
	mostPoint = 1<<32 - 1
)

// most is the largest number that a channel can say.
func (c *Counter) most(i int) uint64 {
	ch := &c.file.Channels[i]
	most := uint64(mostWhole)
	if c.places[i] > 0 {
		most = mostPoint
	}
	if ch.Width > 0 && ch.Width < 53 {
		most = 1<<ch.Width - 1
	}
	if ch.Max != nil {
		most = min(most, *ch.Max)
	}
	if t := c.file.Text; t != nil && t.Count != "" {
		most = min(most, uint64(min(t.MaxLength, longestLine)/len(t.Count)))
	}
	if r := c.file.Record; r != nil && ch.From.Index > 0 {
		most = min(most, capacity(r.Values()[ch.From.Index-1]))
	}
	if o := ch.Overflow; o != nil && o.Word == "" && o.Bits > 0 {
		most = min(most, o.Bits-1)
	}
	return most
}

// longestLine bounds a line that repeats a text: a pseudo-terminal holds 4096
// bytes.
const longestLine = 4000

// value is what a name in a template, or a place in a record, stands for.
func (c *Counter) value(name string) (any, bool) {
	if i := slices.IndexFunc(c.file.Channels, func(ch instrument.Channel) bool { return ch.Name == name }); i >= 0 {
		if c.events() {
			return c.number, true
		}
		return c.reading.sent[i].asValue(), true
	}
	if s := c.file.Setting(name); s != nil {
		return s.ToSend(c.settings[name]), true
	}
	return c.own(name)
}

// own is what the instrument says of its readings: their number, how long they
// took, and what its clock shows at their end.
func (c *Counter) own(name string) (any, bool) {
	switch name {
	case "number":
		return c.number, true
	case "length":
		return uint64(c.reading.span / max(c.file.Gate.Unit, 1)), true
	case "clock":
		return uint64(c.elapsed / max(c.file.Gate.Unit, 1)), true
	}
	return nil, false
}

// owned is the word for own where a channel is that value too; empty otherwise.
func (c *Counter) owned(ch *instrument.Channel) string {
	g := c.file.Gate
	for word, ref := range map[string]instrument.Ref{"number": g.Number, "length": g.Length, "clock": g.Clock} {
		if !ref.IsZero() && ref == ch.From {
			return word
		}
	}
	return ""
}

// asValue is a number as a template takes it; a string for what stands in its
// place.
func (s sending) asValue() any {
	switch {
	case s.instead != nil && s.instead.Word != "":
		return s.instead.Word
	case s.instead != nil && s.instead.Bits == 0:
		return int64(s.instead.Number) // as -1
	case s.instead != nil:
		return s.instead.Bits
	case s.places == 0:
		return s.mantissa
	}
	n, err := strconv.ParseFloat(strconv.FormatUint(s.mantissa, 10)+"e-"+strconv.Itoa(s.places), 64)
	if err != nil {
		return 0.0
	}
	return n
}

// sendEvents sends a line or record for each event of a slot.
func (c *Counter) sendEvents(from, to time.Time, line sim.Line) {
	c.count(to)
	n := min(c.reading.counts[0], mostEvents)
	c.reading.counts[0] = 0
	times := make([]time.Duration, n)
	for i := range times {
		times[i] = time.Duration(c.rng.Int64N(int64(to.Sub(from))))
	}
	slices.Sort(times)
	for _, t := range times {
		at := from.Add(t)
		c.number++
		line.Latched(at, []uint64{c.number})
		line.Send(at, c.message(c.value))
	}
}

// mostEvents bounds the events of one slot; no serial line carries more.
const mostEvents = 20_000
