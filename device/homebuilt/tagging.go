package homebuilt

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// tagging reads an instrument that sends time tags.
type tagging struct {
	*wire
	plan   *tagPlan // nil for lines of text
	clk    tagClock
	row    row
	most   int // tags that one record can be
	length int // of a record

	full    bool
	arrived int64 // the arrival that the clock knows of
	heard   bool  // something of it was taken in this Read

	bad       int // bytes discarded since the last tag
	badPieces int // pieces they were, in a row
	badDetail string
	lastBad   string
	astray    int // of these, how many were well but for their time

	lost     *device.Loss // open until a tag is later than
	lostLast uint64       // what was the latest tick when it was noted
}

// mostAstray is how many records in a row may tell times that cannot be; from there
// on it is the clock that is another one.
const mostAstray = 8

func newTagging(o *opening) *tagging {
	r := &tagging{wire: o.wire, clk: newTagClock(o.f.Tags), row: newRow(len(o.f.Channels)), most: 1}
	if rec, ok := o.format.(*record); ok {
		r.plan, r.length = rec.tags, rec.r.Length
		if r.plan.patterned {
			r.most = len(o.f.Channels)
		}
	}
	return r
}

// doubt implements reader: tags have no flags.
func (r *tagging) doubt() {}

// pause implements reader: an instrument that sends by itself is always ready.
func (r *tagging) pause(int64) error { return nil }

// resume implements reader.
func (r *tagging) resume() {}

// read implements reader.
func (r *tagging) read(b *device.Batch) error {
	if err := r.take(b); err != nil || r.full {
		return err
	}
	wait := device.MaxWait
	if rec := r.f.Record; rec != nil && rec.Idle > 0 && len(r.rest()) > 0 {
		wait = min(wait, time.Duration(r.silence))
	}
	_, err := r.wire.read(wait)
	if err != nil && !errors.Is(err, device.ErrTimeout) {
		r.tellRest(b)
		return err
	}
	return r.take(b)
}

// take takes in what was received.
func (r *tagging) take(b *device.Batch) (err error) {
	r.full, r.heard = false, false
	for r.find() {
		if err = r.takeAligned(b); err != nil || r.aligned {
			break
		}
	}
	if err != nil {
		r.tellRest(b)
	}
	if r.heard && r.clk.begun {
		r.clk.left()
		b.Tags.Until, b.Tags.At = max(r.clk.last, b.Tags.Until), r.arrived
	}
	return err
}

// find looks for where a record begins, and reports whether it is found.
func (r *tagging) find() bool {
	before := r.start
	found := r.align(&r.row)
	if r.clk.begun {
		r.bad += r.start - before
	}
	return found
}

// takeAligned takes in pieces until there are no more, or it is no longer clear where
// they begin.
func (r *tagging) takeAligned(b *device.Batch) error {
	for r.aligned {
		room := device.MaxTags - len(b.Tags.Tick)
		if room < r.most {
			r.full = true
			return nil
		}
		n, err := r.takeMany(b, room)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		piece, v := r.next(&r.row)
		if v == unclear {
			return nil
		}
		if err := r.arrive(r.came); err != nil {
			return err
		}
		switch v {
		case reading:
			err = r.tagged(b, piece)
		case ignored:
			err = r.special(b)
		case unfit, trouble:
			err = r.discard(piece, r.format.explain(piece, v))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// arrive notes when what is taken next came.
func (r *tagging) arrive(came int64) error {
	r.heard = true
	if came == r.arrived {
		return nil
	}
	before := r.arrived
	r.arrived = came
	if !r.clk.came(came) {
		return device.Anew("nothing came for %v, in which its clock begins at 0 again more than once: what comes now may be of any time",
			time.Duration(came-before).Round(time.Millisecond))
	}
	return nil
}

// takeMany takes in as many tags as there is nothing to say of.
func (r *tagging) takeMany(b *device.Batch, room int) (records int, err error) {
	if r.plan == nil || !r.plan.quick || r.bad > 0 || r.lost != nil || !r.clk.begun || bySilence(r.f) {
		return 0, nil
	}
	rest, came := r.together()
	n := r.format.(*record).whole(rest, room)
	if r.length < wordBytes { // it is read with bytes behind it; the last one, which has none, alone
		n = min(n, max(len(rest)-wordBytes+r.length, 0)/r.length)
	}
	if n == 0 {
		return 0, nil
	}
	clk, arrived, heard := r.clk, r.arrived, r.heard
	if err := r.arrive(came); err != nil {
		return 0, err
	}
	received := r.buf[r.start:r.end]
	g := &b.Tags
	had := len(g.Tick)
	var ticks []uint64
	var channels []uint8
	room = min(room, n*r.most)
	g.Tick, ticks = extend(g.Tick, room)
	g.Channel, channels = extend(g.Channel, room)
	var tags int
	last := max(r.clk.last, r.clk.base)
	if r.plan.patterned {
		records, tags, last = r.plan.manyPatterns(received, n, r.length, r.clk.base, last, r.top(), ticks, channels)
	} else {
		records, last = r.plan.many(received, n, r.length, r.clk.base, last, r.top(), ticks, channels)
		tags = records
	}
	g.Tick, g.Channel = g.Tick[:had+tags], g.Channel[:had+tags]
	if records == 0 {
		r.clk, r.arrived, r.heard = clk, arrived, heard
		return 0, nil
	}
	r.clk.last = last
	r.badPieces, r.astray = 0, 0
	r.drop(records * r.length)
	return records, nil
}

// top is the latest tick that can be before the clock begins at 0 again.
func (r *tagging) top() uint64 {
	if r.clk.wrap == 0 {
		return r.clk.most
	}
	return min(r.clk.most, r.clk.base+r.clk.wrap-1)
}

// place says which tick a time is, and which was the latest one before it.
func (r *tagging) place(raw uint64) (tick, last uint64, ok bool) {
	last, begun := r.clk.last, r.clk.begun
	tick, ok = r.clk.place(raw)
	if !begun {
		last = max(tick, 1) - 1
	}
	return tick, last, ok
}

// tagged takes one record or line in.
func (r *tagging) tagged(b *device.Batch, piece []byte) error {
	t := &r.row.tag
	tick, last, ok := r.place(t.raw)
	if !ok {
		r.astray++
		if r.astray >= mostAstray {
			return device.Anew("%d times in a row cannot be, the last one is tick %d: its clock began anew, or was set", r.astray, t.raw)
		}
		return r.discard(piece, fmt.Sprintf("a time that cannot be, tick %d, behind tick %d", t.raw, r.clk.last))
	}
	r.tell(b, last, tick)
	r.astray, r.badPieces = 0, 0
	g := &b.Tags
	if r.plan == nil || !r.plan.patterned {
		g.Tick, g.Channel = append(g.Tick, tick), append(g.Channel, t.channel)
		return nil
	}
	for rest := t.pattern; rest != 0; rest &= rest - 1 {
		g.Tick = append(g.Tick, tick)
		g.Channel = append(g.Channel, r.plan.channels[uint64(bits.TrailingZeros64(rest))<<1|t.rising])
	}
	return nil
}

// special takes in what is no tag.
func (r *tagging) special(b *device.Batch) error {
	t := &r.row.tag
	if t.special == nil {
		return nil
	}
	switch t.special.means {
	case instrument.MeansWrap:
		n := uint64(1)
		if t.special.counted {
			n = t.count
		}
		if !r.clk.wraps(n) {
			return r.discard(nil, fmt.Sprintf("a record by which its clock began anew %s, too soon", plural(int(min(n, 1<<31)), "time")))
		}
	case instrument.MeansLost:
		r.loses(r.clk.last, t.count, t.special.counted)
	case instrument.MeansTime:
		if tick, last, ok := r.place(t.raw); ok {
			r.tell(b, last, tick)
		}
	case instrument.MeansEnd:
		return device.Anew("it says that it sends no more: it is to be started again")
	}
	return nil
}

// loses notes that tags are missing, the latest one before them being at last.
func (r *tagging) loses(last, missing uint64, known bool) {
	if !r.clk.begun {
		return
	}
	if r.lost == nil {
		r.lost = &device.Loss{From: last - min(r.clk.disorder, last), Channel: -1, Known: true}
	}
	r.lostLast = last
	r.lost.Missing += missing
	r.lost.Known = r.lost.Known && known
	if !r.lost.Known {
		r.lost.Missing = 0
	}
}

// discard notes bytes that are no tag, and gives up after too many.
func (r *tagging) discard(piece []byte, detail string) error {
	if r.bad == 0 {
		r.badDetail = detail
	}
	r.lastBad = detail
	r.bad += len(piece)
	r.badPieces++
	if unmarked(r.f) { // nothing but the tags themselves says where a record begins
		r.aligned = false
	}
	switch {
	case r.clk.told && r.clk.begun:
		return device.Anew("bytes were damaged, and what tells that its clock begins at 0 again may be among them: %s", detail)
	case r.badPieces < r.maxBad() || r.plan != nil && r.bad < r.maxBad()*r.length:
		return nil
	}
	return &device.Error{
		Op: "read", Port: r.port.Name(), Hint: r.nonsenseHint(),
		Err: fmt.Errorf("%w: %d in a row cannot be read, the last one: %s", device.ErrNonsense, r.badPieces, r.lastBad),
	}
}

// tell tells what is missing before a tag, the latest one before it being at last. A
// tag that is not later than those before a loss, for disorder, does not end it: what
// is lost may be later.
func (r *tagging) tell(b *device.Batch, last, tick uint64) {
	r.tellDamage(b, last)
	if r.lost != nil && tick > r.lostLast {
		r.tellLoss(b, tick+1)
	}
}

// tellRest tells what is missing when no tag follows.
func (r *tagging) tellRest(b *device.Batch) {
	r.tellDamage(b, r.clk.last)
	if r.lost != nil {
		r.tellLoss(b, r.clk.last)
	}
}

// tellDamage tells of bytes discarded behind the tags up to last.
func (r *tagging) tellDamage(b *device.Batch, last uint64) {
	if r.bad > 0 && r.clk.begun {
		r.loses(last, 0, false)
		gap := &device.Gap{Cause: device.CauseDamaged, Detail: fmt.Sprintf("%s (%s discarded)", r.badDetail, plural(r.bad, "byte")), Begin: r.arrived}
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: gap})
	}
	r.bad = 0
}

// tellLoss ends the open loss; to is behind it, but for disorder.
func (r *tagging) tellLoss(b *device.Batch, to uint64) {
	r.lost.To = max(to+r.clk.disorder, r.lost.From)
	b.Tags.Losses = append(b.Tags.Losses, *r.lost)
	r.lost = nil
}
