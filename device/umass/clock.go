package umass

import (
	"fmt"
	"time"
)

// latest is the latest tick that data may be of which arrive at a time, but for those that
// show that the ones before were late.
func (s *source) latest(at int64) uint64 {
	if !s.begun {
		return 1<<64 - 1
	}
	ns := uint64(max(0, at-s.low+leadMost+(at-s.lowAt)/driftParts))
	return ns/1e9*uint64(s.hertz) + ns%1e9*uint64(s.hertz)/1e9
}

// earlier takes in that those before came late, as several are of a later time than they
// allow; it returns the latest tick then. Where they were later than is believable the
// clock is given up when these are taken.
func (s *source) earlier(tick uint64, at int64) (limit uint64) {
	delay := at - s.ns(tick)
	if delay < s.low-aheadMost {
		return 1<<64 - 1
	}
	s.low = delay
	return s.latest(at)
}

// unwrapped is the tick of a record behind the last one.
func (s *source) unwrapped(w uint64) uint64 {
	tick := s.tick + (w-s.tick)&timeMask
	if w&wrapBit != 0 && tick>>36 == s.tick>>36 {
		tick += period
	}
	return tick
}

// disagreement holds its clock against the computer's: it cannot be ahead, and when it
// is behind by half a wrap it is not known any more how often it has wrapped. It says
// what is wrong, empty for nothing.
func (s *source) disagreement(first bool, at int64) string {
	delay := at - s.ns(s.tick)
	off := delay - s.low
	switch {
	case first, off < 0 && off >= -aheadMost:
		s.low, off = delay, 0
	case off > 0:
		s.low += min(off, (at-s.lowAt)/driftParts)
	}
	s.lowAt = at
	slack := s.ns(s.tick) / driftParts
	switch {
	case off < 0:
		return fmt.Sprintf("its clock is %v ahead of the computer's: it began anew, or bytes are damaged", time.Duration(-off))
	case off > s.ns(period)/behindParts+slack:
		return fmt.Sprintf("its clock is %v behind the computer's: it began anew, or wraps were not told", time.Duration(off))
	}
	return ""
}

// ns is a tick in nanoseconds.
func (s *source) ns(tick uint64) int64 {
	return int64(tick/uint64(s.hertz))*1e9 + int64(tick%uint64(s.hertz)*1e9/uint64(s.hertz))
}
