package device

import (
	"math"
	"slices"
	"time"
)

// When it is certain that packets are missing. A computer that is busy is late by more
// than a gate for seconds, by more and by less, and at times by just as much as if some
// were missing. So a number of missing ones is stated only where nearly all arrivals are
// on time by it, for a good while and for longer where delays are usual; or where it has
// been watched for long and was never late for nearly as long as it would be now.
const (
	// fewAgree is how many arrivals have to, at least, and agreeNs for how long.
	fewAgree = 5
	agreeNs  = int64(250 * time.Millisecond)
	// onTimePart is the part of a gate by which one that is on time may be late,
	// busyPart where delays are usual.
	onTimePart = 8
	busyPart   = 4
	// maxSure is how many readings may be held that it is still looked for in. More
	// have come of gates of a few milliseconds, of which many a number is possible.
	maxSure = 2 * maxHeld
)

// agreement is what the latest arrivals say of a number of missing packets: since when
// none of them was too early for it, how many these are, how many of them came by
// themselves and on time, and how many of the latest all did and since when.
type agreement struct {
	from, rowFrom      int64
	all, onTime, inRow int
}

// agree asks the latest arrivals about a number of missing packets before them.
func (p *Phase) agree(missing uint64) (a agreement) {
	off := int64(float64(missing) * p.line.gate)
	drift := int64(min(float64(missing)*p.line.accuracy(), 0.25) * p.line.gate)
	early := -p.gate/earlyPart - drift
	late := max(p.gate/onTimePart, min(hostNs, p.gate/busyPart)) + drift
	if p.delays > 0 {
		late = p.gate/busyPart + drift
	}
	first := 0
	if k := len(p.marks); k > 0 {
		first = p.marks[k-1].row // what came before the damage says nothing of it
	}
	for i, r := range slices.Backward(p.arrivals) {
		behind := r.late - off
		if i < first || behind < early {
			break
		}
		if r.own && behind <= late && (i == 0 || r.at-p.arrivals[i-1].at >= p.gate/2) {
			if a.onTime == a.all {
				a.inRow, a.rowFrom = a.inRow+1, r.at
			}
			a.onTime++
		}
		a.from = r.at
		a.all++
	}
	return a
}

// lately is how late the latest half of the held readings came at least.
func (p *Phase) lately() int64 {
	least := int64(math.MaxInt64)
	for _, a := range p.arrivals[len(p.arrivals)/2:] {
		least = min(least, a.late)
	}
	return least
}

// candidates are by how much packets may be late for no other reason than that some
// are missing, of the latest arrivals at first.
func (p *Phase) candidates() (late []int64) {
	late = append(late, p.lately())
	for _, w := range slices.Backward(p.windows) {
		late = append(late, w.best)
	}
	return late
}

// certain reports whether arrivals up to the present leave no doubt that so many are
// missing before the latest ones.
func (p *Phase) certain(missing uint64, at int64) bool {
	if len(p.arrivals) > maxSure {
		return false
	}
	a := p.agree(missing)
	agreed := a.all >= 12<<p.delays && a.onTime >= (a.all+1)/2 && at-a.from >= agreeNs
	if p.delays == 0 {
		agreed = a.inRow >= fewAgree && at-a.rowFrom >= agreeNs
	}
	return agreed && p.sure(missing)
}

// likely reports whether about half of the arrivals up to the present, when no more
// will come, have it that so many are missing.
func (p *Phase) likely(missing uint64) bool {
	a := p.agree(missing)
	return a.onTime >= 3 && a.onTime >= (a.all+1)/2
}

// outOfPatience reports whether readings were held back for longer than any computer
// is late.
func (p *Phase) outOfPatience(at int64) bool {
	n := len(p.arrivals)
	return n >= maxHeld/16 && at-p.arrivals[0].at >= max(maxDelayNs, 8*p.gate) || n > maxBurst
}
