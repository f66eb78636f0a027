package homebuilt

import (
	"bytes"
	"fmt"
	"math/bits"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// tagDecimals are the digits behind the point that are kept of a time in a line.
const tagDecimals = 12

// tagSlots lists where the values of a line go that is a tag.
func tagSlots(f *instrument.File) []slot {
	if f.Text == nil {
		return nil // see tagPlan
	}
	t := f.Tags
	var list []slot
	refs := map[int]instrument.Ref{ownTime: t.Time, ownChannel: t.Channel, ownEdge: t.Edge}
	for _, own := range []int{ownTime, ownChannel, ownEdge} {
		ref := refs[own]
		if ref.IsZero() {
			continue
		}
		spec := number{base: uint64(f.Text.Base), factor: 1, max: 1<<64 - 1}
		switch {
		case own == ownTime && spec.base == 10:
			spec.decimals = tagDecimals
		case own == ownEdge && t.Rising.Word != "":
			spec.overflow = t.Rising
			spec.absent = []instrument.Sentinel{{Word: "-"}, {Word: "+"}, {Word: "0"}, {Word: "1"}}
		}
		list = append(list, slot{ref: ref, channel: -1, own: own, spec: spec})
	}
	return list
}

// lineTag makes a tag of what was read of a line. It reports false for a channel
// that there is not, and a time that is too long.
func (t *text) lineTag(row *row) bool {
	f := t.f.Tags
	edge := uint64(1)
	if !f.Edge.IsZero() && row.own[ownEdge] != max(f.Rising.Bits, 1) {
		edge = 0
	}
	number := row.own[ownChannel]
	if f.Channel.IsZero() {
		number = 0
	}
	ch, ok := t.channels[number<<1|edge]
	digits := 0
	if t.t.Base == 10 {
		digits = tagDecimals
	}
	raw, fits := inTicks(row.own[ownTime], f, digits)
	row.tag = tag{raw: raw, channel: ch}
	return ok && fits
}

// inTicks is a time with so many digits behind its point, in ticks, rounded.
func inTicks(v uint64, f *instrument.Tags, digits int) (uint64, bool) {
	num, den := f.UnitTicks.Num().Uint64(), f.UnitTicks.Denom().Uint64()
	ten := uint64(1)
	for range digits {
		ten *= 10
	}
	over, all := bits.Mul64(den, ten)
	high, low := bits.Mul64(v, num)
	low, carry := bits.Add64(low, all/2, 0)
	high += carry
	if over != 0 || high >= all {
		return 0, false
	}
	ticks, _ := bits.Div64(high, low, all)
	return ticks, ticks < 1<<62
}

// unmarked reports whether nothing but the tags themselves tells where a record
// begins.
func unmarked(f *instrument.File) bool {
	r := f.Record
	return f.Tags != nil && r != nil && r.Length > 1 && r.Sync == "" && r.Trail == ""
}

const (
	// likely is how many tags in a row must agree to tell where a record begins.
	likely = 4
	// likelySpan is by how much the time goes on at most from one to the next of these.
	likelySpan = 10 * time.Second
)

// alignTags looks for where records begin by their tags: so many in a row are of
// channels that there are, and of times that go on.
func (w *wire) alignTags(row *row) {
	r := w.format.(*record)
	clk := newTagClock(w.f.Tags)
	for rest := w.rest(); len(rest) >= likely*r.r.Length; rest = w.rest() {
		if r.agree(rest, row, &clk) {
			w.aligned = true
			return
		}
		w.drop(1)
	}
}

// agree reports whether p begins with tags that follow each other.
func (r *record) agree(p []byte, row *row, clk *tagClock) bool {
	var last uint64
	begun := false
	for range likely {
		n, v := r.cut(p, row)
		if v != reading { // of what is no tag much is taken for one
			return false
		}
		if len(p) >= 2*n && bytes.Equal(p[:n], p[n:2*n]) { // bytes that stay the same agree anywhere
			return false
		}
		p = p[n:]
		now := row.tag.raw
		ahead := now - last
		if begun && now < last {
			ahead += clk.wrap
			if last-now <= clk.disorder {
				ahead = 0
			}
		}
		if clk.wrap > 0 && now >= clk.wrap || begun && ahead > clk.ticks(int64(likelySpan)) {
			return false
		}
		last, begun = now, true
	}
	return true
}

// tagText says what a record is, for people.
func (r *record) tagText(p []byte) string {
	row := newRow(0)
	r.tagIn(p, &row)
	if s := row.tag.special; s != nil {
		return map[instrument.Meaning]string{
			instrument.MeansWrap: "record: the time begins at 0 again", instrument.MeansLost: "record: tags were lost",
			instrument.MeansTime: "record of a time alone", instrument.MeansIgnore: ignoredText, instrument.MeansEnd: "record: it sends no more",
		}[s.means]
	}
	return tagText(r.f, &row.tag)
}

// tagText says what a tag is, for people.
func tagText(f *instrument.File, t *tag) string {
	names := ""
	for i := range f.Channels {
		if t.pattern != 0 && t.pattern>>*f.Channels[i].Number&1 != 0 && edgeFits(&f.Channels[i], t.rising) {
			names += " " + f.Channels[i].Name
		}
	}
	switch {
	case names != "":
	case !f.Tags.Pattern.IsZero():
		return fmt.Sprintf("tag of no channel at tick %d", t.raw)
	default:
		names = " " + f.Channels[t.channel].Name
	}
	return fmt.Sprintf("tag of%s at tick %d, %s s", names, t.raw, seconds(f, t.raw))
}

// edgeFits reports whether a channel is that of an edge.
func edgeFits(ch *instrument.Channel, rising uint64) bool {
	return ch.Edge == "" || (ch.Edge == instrument.RisingEdge) == (rising == 1)
}

// seconds writes a tick in seconds.
func seconds(f *instrument.File, tick uint64) string {
	t := device.Tick{Num: f.Tags.Tick.Num, Den: f.Tags.Tick.Den}
	return fmt.Sprintf("%.9f", t.Ns(float64(tick))/1e9)
}
