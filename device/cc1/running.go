package cc1

import (
	"fmt"
	"time"

	"photongate/device"
)

const (
	// clockPart is by which part the box's clock may be off.
	clockPart = 2000
	// surely is from how many counts on a total that is not lower than before shows
	// that the box has not cleared it meanwhile.
	surely = 10
	// mostMissed is how many clearings that are due may fail to show.
	mostMissed = 3
	// While it is not known when the box clears, a sample is taken each lookPart of the
	// dwell time, within these bounds: a fast port would carry hundreds to no use.
	lookPart  = 50
	lookLeast = int64(5 * time.Millisecond)
	lookMost  = int64(50 * time.Millisecond)
	// mostVain is how often the dwell time is asked for in vain.
	mostVain = 3
)

// running reads continuous mode. The box clears its totals itself, each time the
// dwell time is over, and does not say so: it shows as a total that is lower than
// before. The last totals asked for before it are the reading. What was counted
// between them and the clearing is lost, and no part of the live time. A sample in
// the midst of which the box cleared is left out.
//
// A box that restarted begins anew, and may have another dwell time. So that is asked
// for at once when it was silent, or cleared out of turn, or not when it should have.
type running struct {
	rows
	clock device.Clock
	dwell int64
	began int64 // of the source

	step   int
	now    sample // being asked for
	before sample // the last complete one of the running gate
	seen   bool   // there is one

	doubt bool           // the last sample looked as if the box had cleared
	fell  device.Bracket // then

	begins device.Bracket // when the running gate began
	ends   device.Bracket // when it is to end
	synced bool           // both are known
	missed int            // clearings in succession that were due and did not show
	grew   int64          // since when each sample showed that the box has not cleared
	wrong  error

	gone     uint64 // gates that ended and of which nothing is known, up to begins
	goneFrom int64
	goneWhy  string
	unknown  bool // nor how many they are

	says   string // the dwell time, as the box told it; empty: it did not
	other  string // what it told after a sign, and has to tell twice
	asking bool   // for it
	vain   int    // how often
	unsure bool   // it was silent, and has not been seen to clear in turn since
}

// sample is what three questions told, and the FIRM? that closed them.
type sample struct {
	value [channels]uint64
	from  [channels]int64 // when each question was written
	to    [channels]int64 // and its answer came
}

// begun and ended bound the time in which a sample was taken.
func (s sample) begun() int64 { return s.from[0] }
func (s sample) ended() int64 { return s.to[channels-1] }

func newRunning(clock device.Clock, gate time.Duration, says string, r rows) *running {
	return &running{rows: r, clock: clock, dwell: int64(gate), says: says, began: clock()}
}

// broken implements reader.
func (r *running) broken() error { return r.wrong }

// next implements reader. Between one sample after a clearing and those around the
// next one the box is left alone.
func (r *running) next() (lines []string, when int64) {
	if r.step == channels {
		return []string{whoAreYou}, 0
	}
	switch {
	case r.step > 0 || r.doubt:
	case r.asking:
		return []string{dwellQuestion}, 0
	case !r.synced:
		when = r.now.begun() + min(max(r.dwell/lookPart, lookLeast), lookMost)
	default:
		when = r.ends.From - 2*(r.before.ended()-r.before.begun()) - r.dwell/100
	}
	return []string{countQuestion(r.step)}, when
}

// answered implements reader.
func (r *running) answered(b *device.Batch, a answer) {
	if a.said != "" {
		r.told(a.said)
		return
	}
	if r.step < channels {
		r.now.value[r.step], r.now.from[r.step], r.now.to[r.step] = a.count, a.wrote, a.first
		r.step++
		return
	}
	r.step = 0
	if a.extra == 0 && a.refuse == "" {
		r.judge(b, r.now)
	}
}

// lost implements reader: the sample is taken again.
func (r *running) lost(_ *device.Batch, _ string, silent bool) {
	r.step = 0
	if r.asking {
		r.vain++
		r.asking = r.vain < mostVain
		return
	}
	if silent {
		r.unsure = true
		r.suspect()
	}
}

// suspect has the dwell time asked for.
func (r *running) suspect() {
	if r.says != "" && !r.asking {
		r.asking, r.vain, r.other = true, 0, ""
	}
}

// told takes the dwell time that the box tells: another one counts when it is told
// twice, since lines carry no checksum.
func (r *running) told(says string) {
	switch says {
	case r.says:
		r.asking = false
	case r.other:
		r.wrong = fmt.Errorf("%w: gate was %s and is %s", device.ErrChanged, r.says, says)
	default:
		r.other = says
	}
}

// end implements reader. The running gate is not complete.
func (r *running) end(b *device.Batch) { r.tellLost(b) }

// after is when the box clears n dwell times after a clearing.
func (r *running) after(b device.Bracket, n int64) device.Bracket {
	off := time.Duration(r.dwell/clockPart) + 1
	return b.After(n, time.Duration(r.dwell)-off, time.Duration(r.dwell)+off)
}

// judge holds a sample against the one before.
func (r *running) judge(b *device.Batch, s sample) {
	if r.doubt && r.confirms(s) {
		r.clear(b, r.fell)
		r.seen = false
	}
	r.doubt = false
	over := int64(0) // clearings that must have been since then
	for r.synced && r.after(r.ends, over).To < s.begun() {
		over++
	}
	fell, when := r.fallen(s)
	grows := !fell && r.grows(s)
	if !grows {
		r.grew = s.begun()
	}
	switch {
	case over > 1:
		r.skip(b, over)
	case fell: // or a digit was lost: the next sample tells
		r.doubt, r.fell = true, when
		return
	case r.torn(s):
		r.seen = false // the sample before stands for little of the gate
		return
	case over == 1 && grows:
		r.overdue()
	case over == 1:
		r.close(b, r.ends) // so few counts show nothing, or it was asked too rarely
		r.suspect()
	case !r.synced && s.begun()-r.began > 2*r.dwell:
		r.unsynced(s)
	}
	narrow := r.ends.To-r.ends.From < r.dwell/2
	if r.synced && s.ended() >= r.ends.From && s.begun() <= r.ends.To && (!r.seen || narrow && !grows) {
		return // of which gate it is nothing before it tells
	}
	r.before, r.seen = s, true
}

// fallen reports whether a total is lower than before, and then between which
// times the box has cleared it.
func (r *running) fallen(s sample) (fell bool, when device.Bracket) {
	if !r.seen {
		return false, when
	}
	when = device.Bracket{From: r.before.begun(), To: s.ended()}
	for c, v := range s.value {
		switch {
		case v < r.before.value[c] && !fell:
			fell, when.To = true, s.to[c]
		case v >= r.before.value[c] && r.before.value[c] >= surely && !fell:
			when.From = s.from[c]
		}
	}
	return fell, when
}

// torn reports whether a sample may be of two gates without a total that is lower
// than before: this computer was held up in the midst of it while the box was to
// clear, and what it told then may be of as late in the new gate as the sample before
// was in the old one.
func (r *running) torn(s sample) bool {
	heldUp := s.ended()-s.begun() > 3*(r.before.ended()-r.before.begun())
	return r.seen && r.synced && heldUp && s.begun() <= r.ends.To && s.ended()-r.ends.From >= r.before.begun()-r.begins.To
}

// confirms reports whether a sample shows as well that the box has cleared since the
// one before it. A total that was damaged on the way is alone with it.
func (r *running) confirms(s sample) bool {
	lower := false
	for c, v := range s.value {
		if v >= r.before.value[c] && r.before.value[c] >= surely {
			return false
		}
		lower = lower || v < r.before.value[c]
	}
	return lower
}

// grows reports whether a sample shows that the box has not cleared since the one
// before, of not long ago.
func (r *running) grows(s sample) bool {
	if !r.seen || s.ended()-r.before.begun() > r.dwell/2 {
		return false
	}
	for c, v := range s.value {
		if r.before.value[c] >= surely && v >= r.before.value[c] {
			return true
		}
	}
	return false
}

// clear takes a clearing that was seen. The sample that showed it may be of both
// gates and is left out.
func (r *running) clear(b *device.Batch, seen device.Bracket) {
	at, fits := seen, true
	if r.synced {
		r.unseen(b, seen)
		at, fits = r.ends.Narrow(seen)
	}
	if !fits {
		r.suspect()
		if r.unsure { // it began at a time that nobody knows
			r.seen = false
		}
		r.unknown = r.unknown || r.unsure || r.missed > 0
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: seen.To, What: "cleared out of turn",
			Text: fmt.Sprintf("%v from when the dwell time of %v was over: somebody cleared or set the box, or its clock is off",
				time.Duration(seen.Middle()-r.ends.Middle()).Round(time.Millisecond), time.Duration(r.dwell)),
		}})
	}
	r.unsure = false
	r.close(b, at)
}

// unseen ends the gates that must have ended before a clearing that was seen. The
// last sample is of the first of them, or else of the last.
func (r *running) unseen(b *device.Batch, seen device.Bracket) {
	for n := int64(1); ; n++ {
		next := r.after(r.ends, n)
		if next.From > seen.To {
			return
		}
		if _, fits := next.Narrow(seen); !fits {
			continue
		}
		if r.before.begun() > r.ends.To {
			r.missed += int(n)
			r.ends = next
			return
		}
		r.close(b, r.ends)
		r.seen = false
		if n > 1 {
			r.lose(uint64(n-1), notAsked)
		}
		r.begins, r.ends = r.after(r.begins, n-1), r.after(r.ends, n-1)
		return
	}
}

// notAsked is why nothing is known of a gate.
const notAsked = "the box was not asked before it cleared its totals"

// close ends the running gate and gives its reading.
func (r *running) close(b *device.Batch, at device.Bracket) {
	if r.synced {
		r.give(b, at)
	}
	r.begins, r.ends, r.synced, r.missed = at, r.after(at, 1), true, 0
}

// give gives the reading of a gate that ended.
func (r *running) give(b *device.Batch, at device.Bracket) {
	begin, length := r.begins.Middle(), at.Middle()-r.begins.Middle()
	if !r.seen || length <= 0 {
		r.lose(1, notAsked)
		return
	}
	x := reading{value: r.before.value}
	if r.unsure {
		x.flags |= device.Unverified
	}
	if r.missed > 0 { // totals are never of more than one dwell time, if that is as the box says
		r.lose(uint64(r.missed), "the box must have cleared its totals and nobody saw it")
		r.begins = r.after(at, -1)
		begin, length = r.begins.Middle(), at.Middle()-r.begins.Middle()
		x.flags |= device.Short
	}
	r.tellLost(b)
	if 10*max(r.begins.Half(), at.Half()) > r.dwell {
		x.flags |= device.Late
	}
	middle := r.before.begun() + (r.before.ended()-r.before.begun())/2
	live := min(max(middle-begin, 0), length)
	if live < length/2 { // what is not known of the begin is much of so little
		x.flags |= device.Short
	}
	r.add(b, x, begin, length, live, r.begins.Half())
}

// skip goes on after a time in which the box was not asked: the running gate has
// ended, and others after it of which nothing is known.
func (r *running) skip(b *device.Batch, over int64) {
	r.close(b, r.ends)
	r.lose(uint64(over-1), notAsked)
	r.begins = r.after(r.begins, over-1)
	r.ends = r.after(r.begins, 1)
}

// lose notes gates from the running one on of which nothing is known.
func (r *running) lose(gates uint64, why string) {
	if r.gone == 0 {
		r.goneFrom, r.goneWhy = r.begins.Middle(), why
	}
	r.gone += gates
}

// tellLost gives the gap before the running gate.
func (r *running) tellLost(b *device.Batch) {
	if r.gone == 0 {
		return
	}
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: &device.Gap{
		Cause: device.CauseOverrun, Detail: r.goneWhy,
		Begin: r.goneFrom, Duration: max(r.begins.Middle()-r.goneFrom, 0), Missing: r.gone, Known: !r.unknown,
	}})
	r.gone, r.unknown = 0, false
}

// overdue notes that the totals go on although the dwell time is over.
func (r *running) overdue() {
	r.ends = r.after(r.ends, 1)
	r.missed++
	r.suspect()
	r.endless(r.missed)
}

// unsynced is for a box that has not cleared its totals since it was opened. With
// hardly any counts that cannot be seen: gates of unknown phase are as good as any.
func (r *running) unsynced(s sample) {
	if grown := s.begun() - r.grew; grown > 0 {
		r.endless(int(grown / r.dwell))
		return
	}
	r.begins = device.Bracket{From: s.begun() - r.dwell, To: s.begun()}
	r.ends, r.synced = r.after(r.begins, 1), true
}

// endless fails the source when the totals were not cleared in so many dwell times.
func (r *running) endless(times int) {
	if times >= mostMissed {
		r.wrong = fmt.Errorf("%w: the totals were not cleared in %d dwell times of %v; if the box stands still, name trigger = \"stop\"",
			device.ErrNonsense, times, time.Duration(r.dwell))
	}
}
