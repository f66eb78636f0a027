package sim

import "math/rand/v2"

// speed is a [Conn] to an instrument whose port has a speed of its own: as long as
// the host has set another, both hear noise. A Conn that cannot tell the host's
// speed is taken to have the right one.
type speed struct {
	Conn
	baud int
	rng  *rand.Rand
}

// wrongBaud is the speed the host has set; 0 if that is not known or is right.
func (s *speed) wrongBaud() int {
	conn, ok := s.Conn.(interface{ Baud() int })
	if !ok {
		return 0
	}
	if baud := conn.Baud(); baud != s.baud {
		return baud
	}
	return 0
}

// Poll implements [Conn].
func (s *speed) Poll() (Event, bool) {
	ev, ok := s.Conn.Poll()
	if ok && ev.Kind == Received {
		if baud := s.wrongBaud(); baud > 0 {
			ev.Data = s.noise(len(ev.Data), baud, s.baud)
		}
	}
	return ev, ok
}

// TryWrite implements [Conn].
func (s *speed) TryWrite(p []byte) int {
	if baud := s.wrongBaud(); baud > 0 {
		s.Conn.TryWrite(s.noise(len(p), s.baud, baud))
		return len(p)
	}
	return s.Conn.TryWrite(p)
}

// noise is what n bytes sound like to who listens at another speed: fewer to the
// slower one, and mostly with the top bit set, since the line rests high.
func (s *speed) noise(n, from, to int) []byte {
	if to < from {
		n = max(1, n*to/from)
	}
	const top = 0x80
	bytes := make([]byte, n)
	for i := range bytes {
		bytes[i] = byte(s.rng.Uint32())
		if s.rng.IntN(4) > 0 {
			bytes[i] |= top
		}
	}
	return bytes
}
