package cc1

import (
	"fmt"
	"time"

	"photongate/device"
)

const (
	// A gate is taken to have ended when its dwell time has passed and a bit more,
	// for the clock of the box and for its own thoughts.
	gateSlackPart = 1000
	gateSlack     = 2 * time.Millisecond
	// absentAfter is how often a count is asked for in vain before it is absent.
	absentAfter = 3
	// sameLeast is from how many counts on two gates that are alike are suspicious.
	sameLeast = 20
	// mostGrown is how often the totals may have grown when the gate is long over.
	mostGrown = 5
	// suspicious is how often they may have grown at the end of a gate, with a box whose
	// totals stood still before.
	suspicious = 2
)

// gated reads start/stop mode: a gate is begun, and when it has ended the totals
// stand still and are read. Nothing that is lost on the way costs a count then,
// since it can be asked for again. The gate begins between the writing of CLEA and
// the answer to the FIRM? sent along with it; that answer also closes the three
// counts before it, so that one too many or too few shows.
//
// The first total is asked for until it was the same twice: if the box has restarted
// meanwhile, it counts a gate of its own, or in continuous mode, and the totals go on.
type gated struct {
	rows
	clock device.Clock
	begin []string // what begins a gate
	dwell int64

	step   int     // 0 to 2: that count is next; then the question for a new gate
	now    reading // of the gate that is being read
	failed [channels]int
	have   bool // a gate was begun, and step counts in it
	from   device.Bracket
	ready  int64 // when the gate has surely ended

	proven bool // it was seen before that totals stand still, and these are not all 0
	stood  bool // that was so once
	probed int  // how often the first total of this gate was told
	probe  uint64
	grown  int   // how often it had grown
	late   int   // and how often so late that it should not any more
	until  int64 // from when on that is so

	doubt bool // it was silent, and has not been asked for its settings since

	last   [channels]uint64
	isLast bool
	wrong  error
}

func newGated(clock device.Clock, gate time.Duration, count bool, r rows) *gated {
	g := &gated{rows: r, clock: clock, begin: []string{"CLEA", whoAreYou}, dwell: int64(gate), step: channels}
	if count {
		g.begin = []string{"CLEA", ":COUN:ON", whoAreYou}
	}
	return g
}

// broken implements reader.
func (g *gated) broken() error { return g.wrong }

// next implements reader.
func (g *gated) next() (lines []string, when int64) {
	switch {
	case !g.have || g.step == channels:
		return g.begin, 0
	default:
		return []string{countQuestion(g.step)}, g.ready
	}
}

// answered implements reader.
func (g *gated) answered(b *device.Batch, a answer) {
	switch {
	case !g.have || g.step == channels:
		g.begun(b, a)
	case g.step == 0:
		g.prove(b, a)
	default:
		g.now.value[g.step], g.now.absent[g.step] = a.count, false
		g.step++
	}
}

// begun takes the answer that says that a gate was begun, and gives the one
// before.
func (g *gated) begun(b *device.Batch, a answer) {
	if a.extra > 0 {
		g.now.flags |= device.Implausible
	}
	g.end(b)
	if a.refuse != "" { // the box counts on, or stands still: either way this is tried again
		g.have = false
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: a.first, What: "gate not begun", Text: fmt.Sprintf("%q to %q", a.refuse, g.begin[0])}})
		g.ready = a.first + g.dwell
		return
	}
	g.from, g.have, g.step = device.Bracket{From: a.wrote, To: a.first}, true, 0
	g.now, g.failed, g.probed, g.grown, g.late = reading{}, [channels]int{}, 0, 0, 0
	g.ready = a.first + g.dwell + g.dwell/gateSlackPart + int64(gateSlack)
	g.until = g.ready + 3*g.dwell
}

// prove looks whether the totals stand still. A box that does not stop, or later than
// it says, would be read wrongly.
func (g *gated) prove(b *device.Batch, a answer) {
	switch {
	case g.probed == 0:
	case a.count == g.probe:
		g.proven = g.proven || a.count > 0 && g.grown < suspicious
		g.stood = g.stood || g.proven
		g.now.value[0], g.now.absent[0], g.step = a.count, false, 1
	case a.count > g.probe:
		if g.grown++; a.first > g.until {
			g.late++
		}
	}
	if g.proven && g.grown == suspicious {
		g.restarted(b, "its totals went on when the gate was over")
	}
	if g.late > mostGrown {
		kind := device.ErrNonsense
		if g.stood {
			kind = device.ErrChanged
		}
		g.wrong = fmt.Errorf("%w: in start/stop mode %s goes on counting after the dwell time of %v",
			kind, names[0].name, time.Duration(g.dwell))
	}
	g.probe = a.count
	g.probed++
}

// lost implements reader. The totals stand still, so they are asked for again. But
// a box that was silent may have restarted, and count a gate of its own, or with
// other settings: readings are unverified until it was asked for them.
func (g *gated) lost(b *device.Batch, why string, silent bool) {
	if silent && g.have && g.step < channels {
		g.probed, g.step = 0, 0
		g.restarted(b, why)
		return
	}
	if !g.have || g.step == channels || g.step == 0 && !g.proven {
		return
	}
	k := g.step
	if g.failed[k]++; g.failed[k] >= absentAfter {
		g.now.value[k], g.now.absent[k] = 0, true
		g.step++
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: g.clock(), What: "count not known", Text: fmt.Sprintf("asked %d times for %s: %s", absentAfter, names[k].name, why)}})
		return
	}
	g.step = 0
}

// restarted notes that the box may have.
func (g *gated) restarted(b *device.Batch, why string) {
	g.proven, g.grown, g.late, g.doubt = false, 0, 0, true
	g.until = g.clock() + 3*g.dwell
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
		Time: g.clock(), What: "box may have restarted", Text: why + ": if it has, the counts that come next are not of the gate that was begun"}})
}

// end implements reader: it gives the reading that is complete.
func (g *gated) end(b *device.Batch) {
	if !g.have || g.step < channels {
		return
	}
	g.have = false
	begin, blur := g.from.Middle(), g.from.Half()
	if 10*blur > g.dwell {
		g.now.flags |= device.Late
	}
	if g.isLast && g.now.absent == [channels]bool{} && g.now.value == g.last && g.last[0]+g.last[1] >= sameLeast {
		g.now.flags |= device.Implausible
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: g.clock(), What: "same counts twice", Text: "all totals are as in the gate before: the box may not have begun a new one"}})
	}
	g.last, g.isLast = g.now.value, true
	if g.doubt {
		g.now.flags |= device.Unverified
	}
	g.add(b, g.now, begin, g.dwell, g.dwell, blur)
}
