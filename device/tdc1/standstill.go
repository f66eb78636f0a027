package tdc1

import (
	"fmt"
	"time"
)

// standstill is what is known of a time in which bytes did not come as they should:
// the host did not look, or the line stood. What comes behind it is late, and whether
// all of it comes is open.
type standstill struct {
	looked int64  // when the port was last read
	stood  bool   // it was not read for a while, or the line stood, and what had come by then is not all judged
	behind bool   // what is held began late
	alone  bool   // the first record that is held came with no other, but for such as are hardly later
	usual  uint32 // longest step of late, but for those when something stood

	// Wary says that times were given out that are late by so much that the unit's may
	// have wrapped unseen: they either catch up, or were wrong.
	wary     bool
	waryFrom uint64 // tick from which on that is open
	late     int64  // since when they are late though the port was seen to be empty; 0: they are not
	waryAt   int64  // when it began
	lag      int64  // of what was given last
}

const (
	emptyWait = int64(200 * time.Microsecond) // a Read that takes so long had to wait: the port was empty
	waryMost  = int64(10 * time.Second)       // to catch up
	wideSteps = 20                            // of so many mean ones none is as long by chance
	leastWide = period / 256                  // ticks; where records are further apart, on average, than this a long step says nothing
)

// look notes a Read that began at now and returned at a time.
func (s *streaming) look(now, at int64) {
	s.stood = s.stood || now-s.looked > freshTime
	s.looked = at
	if at-now >= emptyWait {
		s.empty = max(s.empty, now)
	}
}

// arrive notes how late the first of so many bytes of records is that came at a time.
func (s *streaming) arrive(at int64, n int) {
	w := word(s.buf)
	s.alone = (word(s.buf[n/recordBytes*recordBytes-recordBytes:])>>5-w>>5)&timeMask < calm
	step := (w>>5 - s.time) & timeMask
	tick := s.tick + uint64(step)
	if s.begun && step < period-disorder && (w&markerBit == 0 || tick > s.marked) {
		s.behind = s.tie.lag(at, tick) > s.tie.slow()
		s.stood = s.stood || s.behind
	}
}

// caughtUp reports whether the port was empty just before: what came at a time did not
// wait in it.
func (s *streaming) caughtUp(at int64) bool { return at-s.empty <= freshTime }

// missed is how many wraps no record showed, if what has such a lag is from now.
func (s *streaming) missed(lag int64) int64 { return (lag + s.tie.slow()/2) / periodNs }

// wide reports whether there is a step that is longer than those of late: something may
// be missing there.
func (s *streaming) wide(c course) bool {
	if s.pace == 0 || s.pace > leastWide {
		return c.apart > 0
	}
	return int64(c.widest) > max(calm, wideSteps*s.pace)
}

// hole reports whether tags may be missing in the longest step, as something stood: it
// is too long for the light there was, or a half of a period is in it without an event,
// and without the marker that comes then.
func (s *streaming) hole(c course) bool {
	if !s.stood || c.widest/2 < s.usual {
		return false
	}
	if s.pace != 0 && s.pace <= leastWide {
		return s.wide(c)
	}
	const half = period / 2
	return s.marks.known && uint64(c.widest) > half+(uint64(s.marks.phase)-c.before)%half
}

// overdue says why times that are late can be believed no longer, empty while they can.
func (s *streaming) overdue(lag, at int64) string {
	switch {
	case !s.wary || s.missed(lag) <= 0:
		return ""
	case !s.caughtUp(at):
		s.late = 0
	case s.late == 0:
		s.late = at
	case at-s.late >= holdMost:
		return fmt.Sprintf("after a standstill nothing waits any more, and yet times are %v late: records were lost (or it sends more than arrives: lower the rates), and how often the unit's time wrapped meanwhile is not known", time.Duration(lag).Round(time.Millisecond))
	}
	if at-s.waryAt > waryMost {
		return fmt.Sprintf("times are %v late since a standstill, and do not catch up: whether records were lost, and how often the unit's time wrapped meanwhile, is not known", time.Duration(lag).Round(time.Millisecond))
	}
	return ""
}

// weigh takes in how late what is given out is, which comes behind a tick. A lag that
// grows bit by bit is of a line that is too slow: nothing wraps unseen on it.
func (s *streaming) weigh(c course, before uint64, lag, at int64) {
	switch {
	case s.missed(lag) <= 0:
		s.wary, s.late = false, 0
	case !s.wary && (lag-s.lag >= periodNs/2 || s.wide(c)):
		s.wary, s.late, s.waryFrom, s.waryAt = true, 0, before-min(before, disorder), at // times may have fallen
	}
	s.lag = lag
	if !s.stood {
		s.usual = max(s.usual-s.usual/64, c.widest)
	}
	s.stood = s.stood && (s.behind || !s.fresh)
	s.behind = false
}
