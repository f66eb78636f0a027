package device

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Times and bounds of a Phase.
const (
	// maxDelayNs is the longest a host, a hub or a serial server may sit on
	// bytes before a Phase thinks anything of it.
	maxDelayNs = int64(10 * time.Second)
	// settleNs bounds how long the first readings are held back so that a
	// delayed first packet does not shift the whole record.
	settleNs = int64(250 * time.Millisecond)
	// maxHeld is how many readings may wait for the timing to become clear;
	// maxBurst while they come faster than the instrument gives them, having
	// waited for a host that did not run.
	maxHeld  = 256
	maxBurst = MaxRows / 2
	// slewPart is the part of a gate by which an interval may be made longer or
	// shorter to bring the edges back to the fitted line.
	slewPart = 1e-3
	// planNs is how long one interval length is kept before the next is chosen.
	planNs = 1e9
	// astrayNs is from where on the distance of edges from the line is stated.
	astrayNs = int64(time.Millisecond)
	// Where delays of more than half a gate are usual, as shown by maxDelays of
	// them with less than calmNs between, a loss must be seen in more arrivals.
	maxDelays = 2
	calmNs    = int64(time.Minute)
	// A computer, a hub or a pseudo-terminal scatters arrivals by up to hostNs at any
	// time, whatever the gate: what is late by less says nothing. Where gates are shorter
	// than twice that, arrivals tell nothing for scatterNs, and then not how many are
	// missing (see decideScattered).
	hostNs    = int64(500 * time.Microsecond)
	scatterNs = int64(time.Second)
	// pairNs is the least distance of two clock pairs.
	pairNs = int64(time.Second)
)

// Phase times the readings of an instrument that runs by its own clock and
// sends one packet (or line) per gate without being asked.
//
// The end of reading i is first + i x gate, fitted from below to the arrivals:
// packets are never early, only late, and the gate is learned since no crystal
// is exact. Intervals are contiguous: each begins where the one before ended.
//
// A missing packet is found by that line although packets arrive in bunches. A
// packet more than half a gate late is held back, with all after it, until it
// is clear which of two things happened: either a later one is on time again,
// and it was only a delay; or arrivals are on time by a whole number of gates, for
// long enough that no busy computer does it (see certain), and that many packets are
// missing. Where that is not so within ten seconds there is a gap of unknown count,
// for a computer may just as well be as late as that. Which readings the
// missing ones were between, the arrivals tell too (see place); readings of which
// they leave it open have an Uncertainty that covers all that is possible, and the
// flag Late, and the gap's Detail says how far off it may stand.
//
// Gates of less than a millisecond are shorter than any computer's delays: of these
// only the bytes tell how many are missing. Where arrivals stay late all the same, there
// is a gap of unknown count, whose Detail says how many the arrivals would have.
//
// Input that arrives much too early (a recording played as fast as it can be
// read) moves the line down; the edges go on gate by gate. Where the line had
// held for a while the readings are flagged and an event says so: a packet may
// have come twice. Then the edges go back at once, so that the flagged reading
// overlaps the one before it, and all that follow stand where they belong.
//
// A driver appends the values of n packets that one Read returned to
// Batch.Values, ValueFlags and Flags and calls [Phase.Take]; before that, for
// bytes that were no valid packet, [Phase.Damage]; when nothing came,
// [Phase.Tick]; when the instrument is gone, [Phase.Flush]. The cost of Take does
// not depend on the number of packets but for filling the time columns, and
// nothing is allocated in steady state. A Phase is used by one goroutine.
type Phase struct {
	line  arrivalLine
	gate  int64 // nominal
	half  int64 // half a gate, or what a computer scatters arrivals by
	delay int64 // between the end of a gate and the arrival of its packet, at least

	next    uint64 // index of the next reading to be released
	edge    int64  // its begin
	step    int64  // length of intervals until index replan
	replan  uint64
	unknown uint64 // readings in gaps of unknown count, in next but not in clock pairs

	started  bool
	settled  bool
	firstAt  int64
	lastAt   int64
	movedAt  int64     // when the line was moved to an arrival last
	held     *Batch    // value columns and Flags only, as in aside
	arrivals []arrival // of the readings held
	aside    *Batch
	marks    []mark
	windows  []window // each of packets that come later than those of the one before
	usual    delays
	delays   int   // how often packets came more than half a gate late lately, and none was missing; at most maxDelays
	delayAt  int64 // when that was last
	pair     point
	pairLate int64
	pairFrom int64
	pairOpen bool
}

// NewPhase returns a Phase for an instrument with the given nominal gate and
// number of channels. Delay is how long a packet takes at least from the end of
// its gate to its last byte; edges are set earlier by that much.
func NewPhase(gate time.Duration, channels int, delay time.Duration) *Phase {
	p := &Phase{
		line:  arrivalLine{nominal: float64(gate)},
		gate:  int64(gate),
		half:  max(int64(gate)/2, hostNs),
		delay: int64(delay),
		step:  int64(gate),
		held:  NewBatch(channels),
		aside: NewBatch(channels),
	}
	p.line.anchor(0, 0)
	return p
}

// Room returns how many readings may be appended to b before the next Take.
func (p *Phase) Room(b *Batch) int {
	return max(0, MaxRows-b.Len()-len(p.held.Flags))
}

// Take times the last n readings of b, whose packets arrived together at the
// given time with no damage between them: it appends Begin, Length, Live and
// Uncertainty, or takes the readings out of b and holds them back. Notes about
// what happened before them are appended too.
func (p *Phase) Take(b *Batch, n int, at int64) {
	if n == 0 {
		return
	}
	own := !p.started || at-p.lastAt >= p.gate/ownPart
	p.lastAt = at
	if !p.started {
		p.started, p.firstAt, p.movedAt = true, at, at
		p.line.anchor(uint64(n)-1, at)
	}
	last := p.next + uint64(len(p.held.Flags)) + uint64(n) - 1 // if none is missing
	late := at - p.line.at(last)
	if late < -p.half { // no instrument is that early: it was the line that was late
		if p.holding() {
			p.setAside(b, n)
			p.resolve(b, p.guessed(), asBytesSay, true)
			p.putBack(b)
			last = p.next + uint64(n) - 1
		}
		early := p.settled && at-p.movedAt > maxDelayNs
		if early {
			p.noteEarly(b, n, at, late)
		}
		p.line.anchor(last, at)
		if early {
			p.leapBack()
		}
		p.movedAt = at
		late = 0
	}
	if !p.settled {
		if late < p.half && !p.holding() {
			p.line.observe(last, at)
			p.keep(b, n, at, late, own)
			if at-p.firstAt >= min(settleNs, 2*p.gate) || len(p.held.Flags) >= maxHeld/4 {
				p.settle(b)
			}
			return
		}
		p.setAside(b, n)
		p.settle(b)
		p.putBack(b)
	}
	if !p.holding() && late < p.half {
		if own {
			p.usual.learn(p.gates(late) + float64(n-1))
		}
		p.onTime(b, n, last, at, late)
		return
	}
	p.hold(b, n, at, late, own)
}

// noteEarly tells of the last n readings of b, which came before their time.
func (p *Phase) noteEarly(b *Batch, n int, at, late int64) {
	for i := len(b.Flags) - n; i < len(b.Flags); i++ {
		b.Flags[i] |= Implausible
	}
	b.Notes = append(b.Notes, Note{Row: b.Len(), Event: &Event{
		Time: at, What: "packet too early",
		Text: fmt.Sprintf("%v before its time: there is one too many, or those before it had been late", time.Duration(-late).Round(time.Millisecond)),
	}})
}

// leapBack sets the edges on the line again at once, after packets that came too
// early: of a packet that came twice, the second one's interval is that of the
// first. It goes back by one interval at most, so that no reading begins before
// the one ahead of it; what is left comes back little by little.
func (p *Phase) leapBack() {
	p.edge = max(min(p.edge, p.line.at(p.next)-int64(p.line.gate)-p.delay), p.edge-p.step)
	p.replan = p.next
}

// onTime releases readings that nothing is wrong with.
func (p *Phase) onTime(b *Batch, n int, last uint64, at, late int64) {
	p.line.observe(last, at)
	p.notePair(b, last, at, late)
	p.stamp(b, n)
}

// Damage says that bytes arrived which are no valid packet, after the packets
// taken so far: guess is how many packets the amount of them suggests. Cause
// and detail are those of the gap, if the timing confirms that there is one.
func (p *Phase) Damage(guess int, cause, detail string) {
	if !p.started {
		return
	}
	row := len(p.held.Flags)
	if k := len(p.marks); k > 0 && p.marks[k-1].row == row || k == maxHeld {
		p.marks[k-1].guess += uint64(guess)
		return
	}
	p.marks = append(p.marks, mark{row: row, guess: uint64(guess), cause: cause, detail: detail})
	p.windows = p.windows[:0]
}

// Tick releases what was held back when time has made it clear. Now is the time
// base at a moment when all that had arrived has been taken.
func (p *Phase) Tick(b *Batch, now int64) {
	switch {
	case !p.started:
	case !p.settled && now-p.firstAt >= min(settleNs, 2*p.gate):
		p.settle(b)
	case len(p.held.Flags) > 0 && now-p.lastAt > max(maxDelayNs, 3*p.gate):
		p.Flush(b)
	}
}

// Flush releases all that was held back, deciding as well as can be.
func (p *Phase) Flush(b *Batch) {
	if !p.started {
		return
	}
	p.settle(b)
	if !p.holding() {
		return
	}
	missing, certain := p.guessed(), true
	for _, late := range p.candidates() {
		if k, near := p.whole(late); near && !p.scatters() && (k == missing || p.likely(k)) {
			certain = k == missing || p.certain(k, p.lastAt)
			missing = k
			break
		}
	}
	p.resolve(b, missing, everything, certain)
}

// settle ends the start: the edges are laid under the first arrivals, and the
// readings before any mark are released.
func (p *Phase) settle(b *Batch) {
	if p.settled {
		return
	}
	p.settled = true
	p.edge = p.line.at(p.next) - int64(p.line.gate) - p.delay
	p.replan = p.next
	if !p.holding() {
		p.release(b, len(p.held.Flags))
	}
}

// setAside takes the last n readings, which are still to be judged, out of b,
// so that earlier ones can be released; putBack returns them.
func (p *Phase) setAside(b *Batch, n int) { move(p.aside, b, n) }
func (p *Phase) putBack(b *Batch)         { move(b, p.aside, len(p.aside.Flags)) }

// move appends the last n rows of src's value columns to dst and removes them
// from src.
func move(dst, src *Batch, n int) {
	from := len(src.Flags) - n
	dst.Flags = append(dst.Flags, src.Flags[from:]...)
	src.Flags = src.Flags[:from]
	for c := range src.Values {
		dst.Values[c] = append(dst.Values[c], src.Values[c][from:]...)
		dst.ValueFlags[c] = append(dst.ValueFlags[c], src.ValueFlags[c][from:]...)
		src.Values[c] = src.Values[c][:from]
		src.ValueFlags[c] = src.ValueFlags[c][:from]
	}
}

// scatters reports whether gates are so short that any computer scatters arrivals by
// more.
func (p *Phase) scatters() bool { return p.gate < 2*hostNs }

// decideScattered is decide for such gates: the bytes say how many are missing, as soon
// as arrivals are on time by that. If they are not for long, more or fewer are, and how
// many is not known.
func (p *Phase) decideScattered(b *Batch, at int64) {
	w := p.present()
	missing, which := p.guessed(), untilOnTime
	off := w.best - int64(float64(missing)*p.line.gate)
	if max(off, -off) >= p.half {
		if at-w.from < scatterNs && len(p.held.Flags) <= maxBurst {
			return
		}
		missing, _ = p.whole(w.best)
		which = everything
	}
	p.line.observe(p.resolve(b, missing, which, false))
}

// decide releases held readings when it is clear how many are missing, or when it has
// not become clear for too long.
func (p *Phase) decide(b *Batch, at int64) {
	if p.scatters() {
		p.decideScattered(b, at)
		return
	}
	w := p.present()
	guess := p.guessed()
	missing, near := p.whole(w.best)
	if at-p.delayAt > calmNs {
		p.delays = 0
	}
	steady, whole := p.whole(w.steady)
	late, level := p.whole(p.lately())
	certain := true
	switch {
	case whole && w.regular >= fewAgree-1 && steady > missing && p.certain(steady, at):
		missing = steady // what came less late was held up before the others were lost
	case near && (missing == 0 || missing == guess):
	case guess == 0 && w.best < p.half:
		missing = 0
	case p.half >= maxDelayNs && near:
	case near && p.certain(missing, at):
	case level && late > missing && p.certain(late, at):
		missing = late
	case p.outOfPatience(at):
		certain = false
		missing = late
		if d := int64(missing) - int64(guess); guess > 0 && -1 <= d && d <= 1 {
			missing = guess
		}
	default:
		return
	}
	if missing == 0 && guess == 0 {
		p.delays, p.delayAt = min(p.delays+1, maxDelays), at
	}
	p.line.observe(p.resolve(b, missing, untilOnTime, certain))
}

// sure reports whether the arrivals leave no doubt that so many are missing before
// the last one that is on time then.
func (p *Phase) sure(missing uint64) bool {
	guess := p.guessed()
	if missing <= guess {
		return true
	}
	n := p.onTimeBehind(missing)
	return !p.places(n, missing-guess, false)[n-1].inDoubt()
}

// whole returns lateness as a whole number of gates and whether it is near one.
func (p *Phase) whole(late int64) (gates uint64, near bool) {
	x := float64(late) / p.line.gate
	k := max(math.Round(x), 0)
	return uint64(k), math.Abs(x-k) < 0.25
}

// gates returns a time as a number of gates.
func (p *Phase) gates(ns int64) float64 { return float64(ns) / p.line.gate }

// release moves the next n held readings to b and times them.
func (p *Phase) release(b *Batch, n int) {
	if n <= 0 {
		return
	}
	h := p.held
	b.Flags = append(b.Flags, h.Flags[:n]...)
	h.Flags = slices.Delete(h.Flags, 0, n)
	p.arrivals = slices.Delete(p.arrivals, 0, n)
	for c := range h.Values {
		b.Values[c] = append(b.Values[c], h.Values[c][:n]...)
		b.ValueFlags[c] = append(b.ValueFlags[c], h.ValueFlags[c][:n]...)
		h.Values[c] = slices.Delete(h.Values[c], 0, n)
		h.ValueFlags[c] = slices.Delete(h.ValueFlags[c], 0, n)
	}
	p.stamp(b, n)
}

// stamp appends the time columns of the next n readings.
func (p *Phase) stamp(b *Batch, n int) {
	for n > 0 {
		if p.next >= p.replan {
			p.plan()
		}
		k := int(min(uint64(n), p.replan-p.next))
		at := len(b.Begin)
		b.Begin = slices.Grow(b.Begin, k)[:at+k]
		b.Length = slices.Grow(b.Length, k)[:at+k]
		b.Live = slices.Grow(b.Live, k)[:at+k]
		b.Uncertainty = slices.Grow(b.Uncertainty, k)[:at+k]
		begin, length, live, uncertainty := b.Begin[at:], b.Length[at:], b.Live[at:], b.Uncertainty[at:]
		edge, step := p.edge, p.step
		for i := range begin {
			begin[i] = edge
			edge += step
		}
		for i := range length {
			length[i] = step
		}
		for i := range live {
			live[i] = step
		}
		off := p.astray()
		for i := range uncertainty {
			uncertainty[i] = off
		}
		p.edge = edge
		p.next += uint64(k)
		n -= k
	}
}

// astray is how far the next edge is from the fitted line, as an uncertainty: an
// opening that the host was late for is put right little by little. What the
// scatter of arrivals moves the line by is none.
func (p *Phase) astray() int64 {
	off := p.line.at(p.next) - int64(p.line.gate) - p.delay - p.edge
	if off < -2*maxDelayNs || off > -astrayNs && off < astrayNs {
		return 0
	}
	return max(off, -off)
}

// plan chooses the length of the next intervals: the learned gate, and a little
// more or less where the edges have left the line.
func (p *Phase) plan() {
	count := max(1, int64(planNs/p.line.gate))
	off := p.line.at(p.next) - int64(p.line.gate) - p.delay - p.edge
	if off < -2*maxDelayNs {
		off = 0 // input faster than time itself: not from an instrument
	}
	slew := min(max(float64(off)/float64(count), -slewPart*p.line.gate), slewPart*p.line.gate)
	p.step = int64(math.Round(p.line.gate + slew))
	p.replan = p.next + uint64(count)
}

// notePair collects the least late arrival of each second.
func (p *Phase) notePair(b *Batch, index uint64, at, late int64) {
	if p.pairOpen && at-p.pairFrom >= pairNs {
		b.Notes = append(b.Notes, Note{Row: b.Len(), Pair: &ClockPair{
			Index: p.pair.index - p.unknown, Base: p.pair.at,
		}})
		p.pairOpen = false
	}
	if !p.pairOpen {
		p.pairOpen, p.pairFrom = true, at
	} else if late >= p.pairLate {
		return
	}
	p.pair, p.pairLate = point{index, at}, late
}
