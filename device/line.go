package device

// lateness line: when packet i arrives if nothing delays it. Arrivals are never
// early, only late, so the line is fitted from below: of all lines that lie
// under the least late arrivals of the last quarter of an hour, the one closest
// to them. That line passes through the edge of their lower convex hull which
// spans the mean index.

const (
	blockNs     = 4e9 // one point of the fit is the least late arrival of 4 s
	blockCount  = 256 // points kept: 17 minutes, short against crystal drift
	learnNs     = 30e9
	maxOffParts = 3e-3 // no crystal is off by more
)

// point is an arrival that bears on the fit.
type point struct {
	index uint64
	at    int64
}

// arrivalLine predicts undelayed arrivals.
type arrivalLine struct {
	nominal float64 // gate as the instrument says, ns
	gate    float64 // gate as learned, ns
	ref     uint64  // the line passes through (ref, base)
	base    int64

	points     [blockCount]point // ring, oldest at first
	first, len int

	block      point // least late arrival of the running block
	blockLate  int64
	blockStart int64
	blockOpen  bool
}

// anchor makes the line pass through one arrival and forgets all others.
func (l *arrivalLine) anchor(index uint64, at int64) {
	l.ref, l.base = index, at
	if l.gate == 0 {
		l.gate = l.nominal
	}
	l.first, l.len = 0, 0
	l.blockOpen = false
}

// at returns when packet index arrives undelayed.
func (l *arrivalLine) at(index uint64) int64 {
	return l.base + int64(float64(int64(index-l.ref))*l.gate)
}

// observe takes an arrival into account.
func (l *arrivalLine) observe(index uint64, at int64) {
	late := at - l.at(index)
	lowest := late < 0
	if lowest {
		l.base += late
		late = 0
	}
	if !l.blockOpen {
		l.blockOpen, l.blockStart = true, at
		l.block, l.blockLate = point{index, at}, late
		return
	}
	if lowest || late < l.blockLate {
		l.block, l.blockLate = point{index, at}, late
	}
	if at-l.blockStart >= blockNs {
		l.push(l.block)
		l.blockOpen = false
		l.refit()
	}
}

func (l *arrivalLine) push(p point) {
	if l.len == blockCount {
		l.points[l.first] = p
		l.first = (l.first + 1) % blockCount
		return
	}
	l.points[(l.first+l.len)%blockCount] = p
	l.len++
}

// refit lays the line under all points kept.
func (l *arrivalLine) refit() {
	origin := l.points[l.first]
	var hull [blockCount][2]float64 // lower hull: index and residual against the nominal gate
	n := 0
	var sum float64
	for k := range l.len {
		p := l.points[(l.first+k)%blockCount]
		x := float64(int64(p.index - origin.index))
		y := float64(p.at-origin.at) - x*l.nominal
		sum += x
		for n >= 2 && turnsUp(hull[n-2], hull[n-1], [2]float64{x, y}) {
			n--
		}
		hull[n] = [2]float64{x, y}
		n++
	}
	mean := sum / float64(l.len)
	k := 1
	for k < n-1 && hull[k][0] < mean {
		k++
	}
	slope := 0.0
	if n >= 2 {
		slope = (hull[k][1] - hull[k-1][1]) / (hull[k][0] - hull[k-1][0])
		slope = l.believable(slope, hull[n-1][0]*l.nominal)
	}
	l.gate = l.nominal + slope
	lowest := hull[0][1] - slope*hull[0][0]
	for _, p := range hull[1:n] {
		lowest = min(lowest, p[1]-slope*p[0])
	}
	last := l.points[(l.first+l.len-1)%blockCount]
	l.ref = last.index
	x := float64(int64(last.index - origin.index))
	l.base = origin.at + int64(x*l.nominal+x*slope+lowest)
}

// turnsUp reports whether b lies on or above the segment from a to c, so that
// it is no corner of the lower hull.
func turnsUp(a, b, c [2]float64) bool {
	return (b[0]-a[0])*(c[1]-a[1])-(b[1]-a[1])*(c[0]-a[0]) <= 0
}

// believable returns the part of a fitted deviation per gate that jitter alone
// does not explain, given the time it was fitted over.
func (l *arrivalLine) believable(slope, spanNs float64) float64 {
	if spanNs < learnNs {
		jitter := l.nominal / 10 * l.nominal / max(spanNs, 1)
		switch {
		case slope > jitter:
			slope -= jitter
		case slope < -jitter:
			slope += jitter
		default:
			slope = 0
		}
	}
	limit := maxOffParts * l.nominal
	return min(max(slope, -limit), limit)
}

// accuracy returns how far the learned gate may be off, as a fraction.
func (l *arrivalLine) accuracy() float64 {
	if l.len < 2 {
		return 3e-4
	}
	span := float64(l.points[(l.first+l.len-1)%blockCount].at - l.points[l.first].at)
	if span < learnNs {
		return 3e-4
	}
	return max(1e-5, 2e6/span)
}
