package device

// mark is a place among the held readings where bytes arrived that are no packet.
type mark struct {
	row           int    // before this held reading
	guess         uint64 // how many packets the bytes suggest
	cause, detail string
}

// arrival is how a held reading came.
type arrival struct {
	at, late int64 // late if none is missing before any that is held
	own      bool  // not right behind another, with which it may have been held up
}

// ownPart is the part of a gate that must lie between two arrivals for the second
// to say something of its own about delays.
const ownPart = 8

// window watches the lateness of held packets.
type window struct {
	from        int64 // arrival that began it
	start, best int64 // lateness then, and the least since
	last        int64 // latest arrival
	latest      int64 // and its lateness
	arrivals    int
	regular     int   // of the latest ones, how many came about a gate after the one before
	steady      int64 // the least lateness of these
}

// see takes another arrival.
func (w *window) see(at, late, gate int64) {
	w.best = min(w.best, late)
	w.arrivals++
	if d := at - w.last; d >= gate/2 && d <= gate/2*3 {
		w.regular++
		w.steady = min(w.steady, late)
	} else {
		w.regular, w.steady = 0, late
	}
	w.last, w.latest = at, late
}

// holding reports whether readings wait for it to become clear what happened.
func (p *Phase) holding() bool { return len(p.windows) > 0 || len(p.marks) > 0 }

// keep takes the last n readings of b out of it; late is that of the last.
func (p *Phase) keep(b *Batch, n int, at, late int64, own bool) {
	for i := range n {
		behind := int64(float64(n-1-i) * p.line.gate)
		p.arrivals = append(p.arrivals, arrival{at, late + behind, own && i == 0})
	}
	move(p.held, b, n)
}

// hold takes the last n readings of b, which came late or behind such, out of b
// until it is clear what happened.
func (p *Phase) hold(b *Batch, n int, at, late int64, own bool) {
	row := len(p.held.Flags)
	p.keep(b, n, at, late, own)
	p.watch(row, at, late)
	p.decide(b, at)
	b.Held = len(p.held.Flags)
}

// maxLevels bounds the windows of packets that come later than those before them,
// and these again: a computer that is busy all the time.
const maxLevels = 8

// watch notes the lateness of held packets. A window starts afresh whenever they
// catch up. Those that come later still by a gate have one of their own, which ends
// when one does not: they were only held up. A packet may be held up just before
// others are lost. Row is the first held reading of those that came now.
func (p *Phase) watch(row int, at, late int64) {
	n := len(p.marks)
	w := p.present()
	if w == nil || len(p.windows) < maxLevels && late-max(w.best, w.latest) > p.gate*3/4 && (n == 0 || p.marks[n-1].row < row) {
		p.windows = append(p.windows, window{}) // it begins with this arrival
	}
	for i := range p.windows {
		w := &p.windows[i]
		if i > 0 && late-p.windows[i-1].best <= p.half {
			p.windows = p.windows[:i]
			return
		}
		if w.arrivals == 0 || late < w.start-p.gate/4 {
			*w = window{from: at, last: at, latest: late, start: late, best: late, steady: late, arrivals: 1}
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
