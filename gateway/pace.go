package gateway

import (
	"net"
	"time"

	"photongate/protocol/pulse"
)

// What may stand unsent in the socket of a session that has a view: what the
// line takes in paceAhead, within bounds. What is written is late by as much, so
// that a view stays current on a slow line, behind its own frames and backfill
// alike.
const (
	paceAhead = 500 * time.Millisecond
	paceLook  = 100 * time.Millisecond // least time over which the line's rate is taken
	paceAgain = 20 * time.Millisecond  // pause before looking again whether there is room
	paceLeast = 16 << 10
	paceMost  = 256 << 10
)

// pace measures what a line takes. The sender uses it.
type pace struct {
	conn    net.Conn
	written int64     // bytes
	at      time.Time // of the last measure
	gone    int64     // bytes that the other end had then
	busy    bool      // something was unsent then
	ahead   int64     // what may stand unsent
}

func newPace(conn net.Conn) *pace {
	return &pace{conn: conn, at: time.Now(), ahead: sendChunk}
}

// room is how many bytes more may be written now; where the system does not
// tell what is unsent, as many as ever.
func (p *pace) room() int {
	unsent, ok := pulse.Unsent(p.conn)
	if !ok {
		return sendChunk
	}
	p.measure(int64(unsent), time.Now())
	return int(p.ahead) - unsent
}

// measure takes the rate of the line while it has something to do all the time.
func (p *pace) measure(unsent int64, now time.Time) {
	took := now.Sub(p.at)
	if took < paceLook {
		return
	}
	gone := p.written - unsent
	if rate := float64(gone-p.gone) / took.Seconds(); unsent > 0 && p.busy {
		p.ahead = min(max(int64(rate*paceAhead.Seconds()), paceLeast), paceMost)
	} else if unsent == 0 { // it takes all it is given
		p.ahead = min(2*p.ahead, paceMost)
	}
	p.at, p.gone, p.busy = now, gone, unsent > 0
}
