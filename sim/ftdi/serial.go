package ftdi

import (
	"fmt"
	"time"

	"photongate/sim"
)

const (
	// serialBytes is what the chip and the instrument's own buffer hold for a host that
	// does not fetch it. The chip alone has 256 bytes, but a message comes here at once
	// and not at the pace of the line.
	serialBytes = 20 << 10
	// maxLater bounds the messages that are still to come.
	maxLater = 256
)

// serial is an instrument on the serial line of the chip.
type serial struct {
	instrument sim.Instrument
	waiting    []byte
	later      []spoken // replies that take their time
	lost       bool
}

// spoken is what comes at its time.
type spoken struct {
	at    time.Time
	bytes []byte
}

func (s *serial) Name() string       { return s.instrument.Name() }
func (s *serial) Channels() []string { return s.instrument.Channels() }

func (s *serial) CheckFault(f sim.Fault) error {
	if own, ok := s.instrument.(interface{ CheckFault(sim.Fault) error }); ok {
		return own.CheckFault(f)
	}
	return fmt.Errorf("fault %v: %s has no %s", f, s.Name(), f.Kind)
}

func (s *serial) Handle(ev sim.Event, line sim.Line) { s.instrument.Handle(ev, line) }

func (s *serial) Advance(now time.Time, line sim.Line) {
	s.instrument.Advance(now, line)
	s.arrive(now)
}

func (s *serial) Next() time.Time {
	next := s.instrument.Next()
	if len(s.later) > 0 && (next.IsZero() || s.later[0].at.Before(next)) {
		return s.later[0].at
	}
	return next
}

// Full is never known before: what comes next is told by Next.
func (s *serial) Full(int) time.Time { return time.Time{} }

// send takes a message of the instrument.
func (s *serial) send(at time.Time, message []byte) {
	if len(s.later) < maxLater {
		s.later = append(s.later, spoken{at, append([]byte(nil), message...)})
	}
}

// stream takes a piece of a stream, which waits for the host without bound: the
// instrument looks at how much does.
func (s *serial) stream(at time.Time, piece []byte) {
	s.arrive(at)
	s.waiting = append(s.waiting, piece...)
}

// arrive lets what was sent by now come into the chip; what finds it full is lost.
func (s *serial) arrive(now time.Time) {
	for len(s.later) > 0 && !s.later[0].at.After(now) {
		b := s.later[0].bytes
		s.later = s.later[1:]
		n := min(len(b), max(serialBytes-len(s.waiting), 0))
		s.waiting = append(s.waiting, b[:n]...)
		s.lost = s.lost || n < len(b)
	}
}

func (s *serial) Fill(now time.Time, p []byte, _ sim.Line) (n int, lost bool) {
	s.arrive(now)
	n = copy(p, s.waiting)
	s.waiting = s.waiting[n:]
	lost, s.lost = s.lost, false
	return n, lost
}

func (s *serial) Waiting(now time.Time) int {
	s.arrive(now)
	return len(s.waiting)
}

func (s *serial) Hear(now time.Time, p []byte, line sim.Line) {
	s.instrument.Handle(sim.Event{Kind: sim.Received, At: now, Data: p}, line)
}

func (s *serial) Purge(now time.Time) {
	s.arrive(now)
	s.waiting, s.lost = s.waiting[:0], false
}
