package device

import "slices"

// mark is a place among the held readings where some may be missing.
type mark struct {
	row           int    // before this held reading
	guess         uint64 // how many the bytes suggest
	most          uint64 // how many can be missing up to here, by how late the packet behind it came
	late          bool   // found by timing alone
	level         int    // of the window that began here
	cause, detail string
}

// window watches the lateness of held packets.
type window struct {
	from        int64 // arrival that began it
	start, best int64 // lateness then, and the least since
	last        int64 // latest arrival
	latest      int64 // and its lateness
	arrivals    int
	regular     int // of the latest ones, how many came about a gate after the one before
}

// see takes another arrival.
func (w *window) see(at, late, gate int64) {
	w.best = min(w.best, late)
	w.arrivals++
	if d := at - w.last; d >= gate/2 && d <= gate/2*3 {
		w.regular++
	} else {
		w.regular = 0
	}
	w.last, w.latest = at, late
}

// hold takes the last n readings of b, which came late or behind such, out of b
// until it is clear what happened.
func (p *Phase) hold(b *Batch, n int, at, late int64) {
	p.markLate(late)
	move(p.held, b, n)
	p.watch(at, late)
	p.decide(b, at)
	b.Held = len(p.held.Flags)
}

// maxLevels bounds the windows of packets that come later than those before them,
// and these again: a computer that is busy all the time.
const maxLevels = 8

// markLate marks the place before packets that come late, if it is one of its own:
// the first such place, or one from which on they come later still by a gate. A
// packet may be held up just before others are lost.
func (p *Phase) markLate(late int64) {
	row, n := len(p.held.Flags), len(p.marks)
	w := p.present()
	switch {
	case n == 0:
		p.marks = append(p.marks, mark{row: row, late: true, cause: CauseLost})
	case w != nil && len(p.windows) < maxLevels && late-max(w.best, w.latest) > p.gate*3/4 && p.marks[n-1].row < row && n < maxHeld:
		p.marks = append(p.marks, mark{row: row, late: true, level: len(p.windows), cause: CauseLost})
		p.windows = append(p.windows, window{}) // it begins with this arrival
	}
	most, _ := p.whole(late)
	for i := len(p.marks) - 1; i >= 0 && p.marks[i].row == row; i-- {
		p.marks[i].most = most
	}
}

// watch notes the lateness of held packets. A window starts afresh whenever they
// catch up, and one of those that came later still ends when one does not: they
// were only held up.
func (p *Phase) watch(at, late int64) {
	if len(p.windows) == 0 {
		p.windows = append(p.windows, window{})
	}
	for i := range p.windows {
		w := &p.windows[i]
		if i > 0 && late-p.windows[i-1].best <= p.half {
			p.windows = p.windows[:i]
			p.marks = slices.DeleteFunc(p.marks, func(m mark) bool { return m.level >= i })
			return
		}
		if w.arrivals == 0 || late < w.start-p.gate/4 {
			*w = window{from: at, last: at, latest: late, start: late, best: late, arrivals: 1}
		} else {
			w.see(at, late, p.gate)
		}
	}
}

// present is the window that tells how many are missing, nil for none.
func (p *Phase) present() *window {
	if n := len(p.windows); n > 0 {
		return &p.windows[n-1]
	}
	return nil
}

// guessed is how many packets are missing by the amount of damaged bytes.
func (p *Phase) guessed() uint64 {
	var sum uint64
	for _, m := range p.marks {
		sum += m.guess
	}
	return sum
}

// share distributes what is missing over the marks: as many as the bytes suggest
// at each. What is over went where bytes were damaged, if so many can be missing
// there, or else where the timing first showed as many.
func (p *Phase) share(missing uint64) {
	if len(p.marks) == 0 {
		return
	}
	all := missing
	extra, fits := len(p.marks)-1, 0
	for i := range p.marks {
		m := &p.marks[i]
		m.guess = min(m.guess, missing)
		missing -= m.guess
		fit := 0
		switch {
		case m.most < all:
		case m.late:
			fit = 1
		default:
			fit = 2
		}
		if fit > fits {
			extra, fits = i, fit
		}
	}
	p.marks[extra].guess += missing
}
