package device

import (
	"fmt"
	"slices"
	"strings"
)

// verdict says which of the held readings are released when it is decided how many
// are missing.
type verdict int

const (
	untilOnTime verdict = iota // up to the last that is on time then; those behind it wait on
	everything                 // all; of those behind the last on time it is said that more may be missing
	asBytesSay                 // all; the timing says nothing
)

// resolve releases held readings, with gaps that add up to the given number of
// missing ones, of which it is not known how many they are unless that is certain or
// what the bytes say. It returns the last reading released and when it came.
func (p *Phase) resolve(b *Batch, missing uint64, which verdict, certain bool) (index uint64, at int64) {
	p.settle(b)
	n := len(p.arrivals)
	if which == untilOnTime {
		n = p.onTimeBehind(missing)
	}
	at = p.lastAt
	if n > 0 {
		at = p.arrivals[n-1].at
	}
	guess := p.guessed()
	lost := p.scatters() && missing != guess || float64(missing)*p.line.accuracy() >= 1.0/3 // is the line
	known := !lost && (certain || missing == guess)
	extra := p.share(missing)
	list := make([]place, n)
	switch {
	case p.scatters():
		p.oneGap(list, extra, guess)
	case which == everything || extra > 0:
		list = p.places(n, extra, which == everything)
	}
	if !certain && !p.scatters() {
		for i := range list {
			list[i].least = 0 // it may be late for no other reason than that it is busy
		}
	}
	p.learnDelays(list)
	p.releaseWithGaps(b, list, extra, known)
	if lost {
		p.line.anchor(p.next-1, at)
	}
	p.watchAgain()
	return p.next - 1, at
}

// oneGap says that extra readings are missing where bytes were damaged first, or else
// before the first of list, as arrivals have it that tell little.
func (p *Phase) oneGap(list []place, extra, guess uint64) {
	if extra == 0 {
		return
	}
	text := fmt.Sprintf("by the times of arrival %d are missing, by the bytes %d; gates are too short for the times to tell", extra+guess, guess)
	if len(p.marks) == 0 {
		p.marks = append(p.marks, mark{cause: CauseLost})
	}
	m := &p.marks[0]
	m.detail = strings.Trim(m.detail+"; "+text, "; ")
	for i := m.row; i < len(list); i++ {
		list[i] = place{extra, extra, extra}
	}
}

// onTimeBehind is how many of the held readings there are up to the last that is on
// time if so many are missing before it: all when there is none behind the last
// damage.
func (p *Phase) onTimeBehind(missing uint64) int {
	damage := -1
	if k := len(p.marks); k > 0 {
		damage = p.marks[k-1].row
	}
	for i, a := range slices.Backward(p.arrivals) {
		if i >= damage && a.late-int64(float64(missing)*p.line.gate) < p.half {
			return i + 1
		}
	}
	return len(p.arrivals)
}

// share keeps of what the bytes suggest as many as are missing, and returns how
// many more are.
func (p *Phase) share(missing uint64) (extra uint64) {
	for i := range p.marks {
		m := &p.marks[i]
		m.guess = min(m.guess, missing)
		missing -= m.guess
	}
	return missing
}

// learnDelays takes into account how late those readings were of which it is known.
func (p *Phase) learnDelays(list []place) {
	var told uint64
	marks := p.marks
	for i, l := range list {
		for ; len(marks) > 0 && marks[0].row <= i; marks = marks[1:] {
			told += marks[0].guess
		}
		if p.arrivals[i].own && l.least == l.most {
			p.usual.learn(p.gates(p.arrivals[i].late) - float64(told+l.likely))
		}
	}
}

// releaseWithGaps releases one held reading for each place, and the gaps between.
func (p *Phase) releaseWithGaps(b *Batch, list []place, extra uint64, known bool) {
	marks := p.marks
	p.marks = p.marks[:0]
	var before uint64
	for row := 0; ; {
		here := extra
		if row < len(list) {
			here = list[row].likely
		}
		if len(marks) > 0 && marks[0].row == row {
			m := marks[0]
			marks = marks[1:]
			m.guess += here - before
			m.detail = strings.Trim(m.detail+"; "+doubtText(list, row), "; ")
			p.noteGap(b, m, known)
		} else if here > before {
			p.noteGap(b, mark{guess: here - before, cause: CauseLost, detail: doubtText(list, row)}, known)
		}
		if before = here; row >= len(list) {
			return
		}
		end := row + 1
		for end < len(list) && list[end].likely == here && (len(marks) == 0 || marks[0].row > end) {
			end++
		}
		p.release(b, end-row)
		p.stateDoubts(b, list[row:end])
		row = end
	}
}

// inDoubt reports whether it is not known how many are missing before a reading.
func (l place) inDoubt() bool { return l.least < l.most }

// stateDoubts has the last readings of b say what they are uncertain by where more
// or less than stated may be missing before them.
func (p *Phase) stateDoubts(b *Batch, list []place) {
	first := b.Len() - len(list)
	for i, l := range list {
		if l.inDoubt() {
			gates := max(l.likely-l.least, l.most-l.likely)
			b.Uncertainty[first+i] += int64(float64(gates) * p.line.gate)
			b.Flags[first+i] |= Late
		}
	}
}

// doubtText says how far off a gap before a row may stand.
func doubtText(list []place, row int) string {
	from, to := row, row
	for from > 0 && list[from-1].inDoubt() {
		from--
	}
	for to < len(list) && list[to].inDoubt() {
		to++
	}
	var where []string
	if from < row {
		where = append(where, counted(row-from, "earlier"))
	}
	if to > row {
		where = append(where, counted(to-row, "later"))
	}
	if len(where) == 0 {
		return ""
	}
	return "it may have been up to " + strings.Join(where, " or ") + "; those are flagged late"
}

// counted says how many readings earlier or later.
func counted(n int, where string) string {
	if n == 1 {
		return "1 reading " + where
	}
	return fmt.Sprintf("%d readings %s", n, where)
}

// noteGap records the verdict about a place.
func (p *Phase) noteGap(b *Batch, m mark, known bool) {
	if m.guess == 0 {
		b.Notes = append(b.Notes, Note{Row: b.Len(), Event: &Event{
			Time: p.lastAt, What: "bytes discarded", Text: m.detail,
		}})
		return
	}
	length := int64(float64(m.guess) * p.line.gate)
	g := &Gap{Cause: m.cause, Detail: m.detail, Begin: p.edge, Duration: length, Missing: m.guess, Known: known}
	if !known {
		g.Missing = 0
		p.unknown += m.guess
	}
	b.Notes = append(b.Notes, Note{Row: b.Len(), Gap: g})
	p.edge += length
	p.next += m.guess
	p.replan = p.next
}

// watchAgain judges the readings that are still held by the line as it is now.
func (p *Phase) watchAgain() {
	p.windows = p.windows[:0]
	for i := range p.arrivals {
		a := &p.arrivals[i]
		a.late = a.at - p.line.at(p.next+uint64(i))
		if i+1 == len(p.arrivals) || p.arrivals[i+1].at != a.at {
			p.watch(i, a.at, a.late)
		}
	}
}
