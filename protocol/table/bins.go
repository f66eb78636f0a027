package table

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"photongate/protocol"
)

// ErrShortBin says that bins are shorter than the gates that should be summed.
var ErrShortBin = fmt.Errorf("a bin is shorter than the gates")

// bins is a sink that sums gates into bins: one row for each bin in which a gate
// begins. Bins begin at multiples of their length in UTC; as long as UTC is not
// known, in the time base. One goroutine uses it.
//
// A gate belongs to the bin in which it begins, with all its counts and all its
// live time; nothing is ever divided or scaled. So live_s may differ from the
// length of the bin by a gate. The flag short says that gates are missing: a
// gap or a hole in the bin, or the record begins or ends within it. A pause that
// the instrument makes between gates is no hole; live_s tells of it.
//
// Counts are summed, and empty when a gate's is. Rates are averaged, weighted by
// live time, with three more decimals. Auxiliary values are the last ones. Flags
// are united. A reading of which the begin is unknown (first) is left out.
type bins struct {
	length int64
	clocks utcCache
	out    Sink

	part Part // of the rows that are passed on
	own  protocol.ID
	unit []valueKind

	// The bin at hand.
	open     bool
	of       Part // in which it began
	index    uint64
	begin    int64 // UTC when timed, else base
	timed    bool
	short    bool
	sum      binSum
	row      protocol.Counts
	anything bool // a gate was summed

	// The gate before.
	last gateBefore
}

// binWaiter is a sink that wants to know of a bin as soon as it begins: that no
// more rows come from before it.
type binWaiter interface {
	binBegins(p *Part, begin int64) error
}

// gateBefore is where the next gate should begin.
type gateBefore struct {
	known  bool
	end    int64 // as begin of bins
	offset int64 // of UTC
	timed  bool
	epoch  uint32
	index  uint64 // of the next gate
}

// binSum is what the gates of a bin give together.
type binSum struct {
	live, uncertainty int64
	flags             uint32
	counts            []uint64
	means             []float64 // sum of value x live
	weights           []float64
	valueFlags        []uint8
}

// valueKind says how the values of a channel make one of a bin.
type valueKind uint8

const (
	summed valueKind = iota
	averaged
	lastOne
)

func newBins(length time.Duration, clocks *ClockTable, out Sink) *bins {
	return &bins{length: int64(length), clocks: utcCache{clocks: clocks}, out: out}
}

// enter goes on with a part.
func (b *bins) enter(p *Part) error {
	if b.part.Epoch == p.Epoch && b.part.Stream == p.Stream && b.own == p.Base() && len(b.unit) == len(p.Channels()) {
		return nil
	}
	if err := b.fits(p); err != nil {
		return err
	}
	if b.open && !SameColumns(b.of.channels, binChannels(p.Channels())) {
		if err := b.close(true); err != nil {
			return err
		}
	}
	b.part, b.own = *p, p.Base()
	b.part.channels = binChannels(p.Channels())
	b.unit = b.unit[:0]
	for _, ch := range p.Channels() {
		b.unit = append(b.unit, kindOf(ch.Kind))
	}
	return nil
}

// fits refuses bins that are shorter than the gates of a part.
func (b *bins) fits(p *Part) error {
	gate := time.Duration(p.Desc.GateNs)
	if int64(gate) <= b.length {
		return nil
	}
	return fmt.Errorf("%w: those of %s last %v, and bins %v; ask for --every %v or more", ErrShortBin, p.Name(), gate, time.Duration(b.length), gate)
}

func kindOf(kind string) valueKind {
	switch kind {
	case protocol.KindCount:
		return summed
	case protocol.KindRate:
		return averaged
	}
	return lastOne
}

// meanDecimals is how many more decimals a mean has than its values.
const meanDecimals = 3

// binChannels are the channels of bins.
func binChannels(channels []protocol.Channel) []protocol.Channel {
	made := append([]protocol.Channel{}, channels...)
	for i := range made {
		if kindOf(made[i].Kind) == averaged {
			made[i].Exponent -= meanDecimals
		}
	}
	return made
}

// Expect tells what is behind of a part's channels.
func (b *bins) Expect(p *Part) error {
	if err := b.fits(p); err != nil {
		return err
	}
	return expect(b.out, b.notes(p))
}

// Readings implements Sink.
func (b *bins) Readings(p *Part, firstIndex uint64, c *protocol.Counts) error {
	if err := b.enter(p); err != nil {
		return err
	}
	b.clocks.forget()
	for i := range c.Begin {
		if err := b.gate(firstIndex+uint64(i), c, i, true); err != nil {
			return err
		}
	}
	return nil
}

// passedOver takes rows that are not to be summed: they are there all the same,
// so that next to them nothing is missing.
func (b *bins) passedOver(p *Part, firstIndex uint64, c *protocol.Counts, i, j int) error {
	if err := b.enter(p); err != nil {
		return err
	}
	for ; i < j; i++ {
		if err := b.gate(firstIndex+uint64(i), c, i, false); err != nil {
			return err
		}
	}
	return nil
}

// gate takes one gate.
func (b *bins) gate(index uint64, c *protocol.Counts, i int, wanted bool) error {
	begin, timed := b.timeOf(c.Begin[i])
	bin := begin - mod(begin, b.length)
	missing := b.missing(index, begin, c.Length[i], timed)
	if missing && b.open && b.last.end < b.begin+b.length {
		b.short = true
	}
	if b.open && (b.begin != bin || b.timed != timed) {
		if err := b.close(false); err != nil {
			return err
		}
	}
	if !b.open {
		b.start(bin, timed)
		b.short = missing && begin > bin
		if w, ok := b.out.(binWaiter); ok {
			if err := w.binBegins(&b.of, bin); err != nil {
				return err
			}
		}
	}
	b.last = gateBefore{known: true, end: begin + c.Length[i], offset: b.clocks.offset, timed: timed, epoch: b.part.Epoch, index: index + 1}
	switch {
	case !wanted:
		b.short = true
	case len(c.Flags) > 0 && c.Flags[i]&protocol.FlagFirst != 0:
		b.short = true // what came before it nobody knows
	default:
		if !b.anything {
			b.index = index
		}
		b.add(c, i)
	}
	return nil
}

// missing reports whether something is missing between the gate before and one
// that begins at begin: other than a pause that the instrument made.
func (b *bins) missing(index uint64, begin, length int64, timed bool) bool {
	l := &b.last
	switch {
	case !l.known || l.timed != timed || distance(l.offset, b.clocks.offset) > length && l.epoch == b.part.Epoch:
		return true
	case l.epoch == b.part.Epoch && l.index == index:
		return false
	}
	return begin > l.end
}

// timeOf is a moment of the part in UTC, or in its base while UTC is unknown.
func (b *bins) timeOf(at int64) (ns int64, timed bool) {
	ns, timed = b.clocks.utc(b.own, at)
	if !timed {
		return at, false
	}
	return ns, true
}

// mod is the remainder that is never negative.
func mod(a, n int64) int64 {
	r := a % n
	if r < 0 {
		r += n
	}
	return r
}

// start opens a bin.
func (b *bins) start(begin int64, timed bool) {
	n := len(b.unit)
	b.open, b.anything, b.begin, b.timed, b.of = true, false, begin, timed, b.part
	if timed {
		b.of.base = utcBase
	}
	s := &b.sum
	s.live, s.uncertainty, s.flags = 0, 0, 0
	s.counts, s.means, s.weights, s.valueFlags = zeroed(s.counts, n), zeroed(s.means, n), zeroed(s.weights, n), zeroed(s.valueFlags, n)
}

// zeroed is s with n elements of 0.
func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// add sums one gate.
func (b *bins) add(c *protocol.Counts, i int) {
	s := &b.sum
	live := LiveNs(c, i)
	if !b.anything && len(c.Uncertainty) > 0 {
		s.uncertainty = c.Uncertainty[i]
	}
	b.anything = true
	s.live += live
	if len(c.Flags) > 0 {
		s.flags |= c.Flags[i]
	}
	for ch, kind := range b.unit {
		if len(c.ValueFlags) > ch && len(c.ValueFlags[ch]) > 0 {
			s.valueFlags[ch] |= c.ValueFlags[ch][i]
		}
		word := c.Values[ch][i]
		switch kind {
		case summed:
			sum, carry := bits.Add64(s.counts[ch], word, 0)
			s.counts[ch] = sum
			if carry > 0 && !b.part.channels[ch].Signed {
				s.valueFlags[ch] |= protocol.ValueAbsent | protocol.ValueOverflow
			}
		case averaged:
			value := float64(word)
			if b.part.channels[ch].Signed {
				value = float64(int64(word))
			}
			s.means[ch] += value * float64(live)
			s.weights[ch] += float64(live)
		case lastOne:
			s.counts[ch] = word
			s.valueFlags[ch] = s.valueFlags[ch]&^protocol.ValueAbsent | absentBit(c, ch, i)
		}
	}
}

func absentBit(c *protocol.Counts, ch, i int) uint8 {
	if Absent(c, ch, i) {
		return protocol.ValueAbsent
	}
	return 0
}

// close passes on the bin at hand. With ended, nothing is known of what follows.
func (b *bins) close(ended bool) error {
	b.open = false
	if !b.anything {
		return nil
	}
	if ended && b.last.end < b.begin+b.length {
		b.short = true
	}
	s, r := &b.sum, &b.row
	if b.short {
		s.flags |= protocol.FlagShort
	}
	r.Begin, r.Length = append(r.Begin[:0], b.begin), append(r.Length[:0], b.length)
	r.Dead, r.Flags = append(r.Dead[:0], b.length-s.live), append(r.Flags[:0], s.flags)
	r.Uncertainty = append(r.Uncertainty[:0], s.uncertainty)
	for len(r.Values) < len(s.counts) {
		r.Values, r.ValueFlags = append(r.Values, nil), append(r.ValueFlags, nil)
	}
	r.Values, r.ValueFlags = r.Values[:len(s.counts)], r.ValueFlags[:len(s.counts)]
	for ch := range s.counts {
		b.mean(ch)
		r.Values[ch] = append(r.Values[ch][:0], s.counts[ch])
		r.ValueFlags[ch] = append(r.ValueFlags[ch][:0], s.valueFlags[ch])
	}
	return b.out.Readings(&b.of, b.index, r)
}

// mean makes the mean of a rate.
func (b *bins) mean(ch int) {
	s := &b.sum
	if kindOf(b.of.channels[ch].Kind) != averaged {
		return
	}
	if s.weights[ch] <= 0 {
		s.valueFlags[ch] |= protocol.ValueAbsent
		return
	}
	mean := math.Round(s.means[ch] / s.weights[ch] * 1000) // meanDecimals
	s.counts[ch] = uint64(int64(mean))
	if !b.of.channels[ch].Signed {
		s.counts[ch] = uint64(mean)
	}
}

// Gap implements Sink.
func (b *bins) Gap(p *Part, g Gap) error {
	b.last.index = math.MaxUint64 // whatever follows does not follow on
	return b.out.Gap(b.notes(p), g)
}

// Event implements Sink.
func (b *bins) Event(p *Part, e Event) error { return b.out.Event(b.notes(p), e) }

// notes is a part for notes: they keep their times.
func (b *bins) notes(p *Part) *Part {
	shown := *p
	shown.channels = binChannels(p.Channels())
	return &shown
}

// finish passes on the bin at hand.
func (b *bins) finish() error {
	if !b.open {
		return nil
	}
	return b.close(true)
}
