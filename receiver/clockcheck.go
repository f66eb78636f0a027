package receiver

import (
	"sync"
	"time"

	"photongate/protocol"
)

// roundTrips is how many heartbeats one comparison of clocks takes; the one
// with the shortest way counts.
const roundTrips = 8

// clockCheck compares the receiver's UTC with the gateway's time base, by
// heartbeats. It may be used concurrently.
type clockCheck struct {
	mu      sync.Mutex
	started time.Time // when the gateway's hello came
	baseNs  int64     // and what its time base read
	echo    *protocol.Echo
	tries   int
	best    clockComparison
	done    clockComparison // the last one finished
	ready   bool            // done was not asked for yet
}

// clockComparison says that at UTC of the receiver the gateway's time base was
// ahead by Offset.
type clockComparison struct {
	utcNs       int64
	offsetNs    int64
	roundTripNs int64
}

func (c *clockCheck) begin(now time.Time, baseNs int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started, c.baseNs = now, baseNs
}

// baseNow estimates what the gateway's time base reads, late by half a round
// trip.
func (c *clockCheck) baseNow(now time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.baseNs + int64(now.Sub(c.started))
}

// beat is the heartbeat to send now.
func (c *clockCheck) beat(now time.Time) *protocol.Heartbeat {
	c.mu.Lock()
	defer c.mu.Unlock()
	beat := &protocol.Heartbeat{TNs: protocol.Int64(now.UnixNano()), Echo: c.echo}
	c.echo = nil
	return beat
}

// heard takes a heartbeat of the gateway (SPEC.md, 9.4).
func (c *clockCheck) heard(now time.Time, beat *protocol.Heartbeat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	received := now.UnixNano()
	c.echo = &protocol.Echo{TNs: beat.TNs, ReceivedNs: protocol.Int64(received)}
	if beat.Echo == nil {
		return
	}
	t1, t2, t3, t4 := int64(beat.Echo.TNs), int64(beat.Echo.ReceivedNs), int64(beat.TNs), received
	trip := clockComparison{utcNs: t4, offsetNs: ((t2 - t1) + (t3 - t4)) / 2, roundTripNs: (t4 - t1) - (t3 - t2)}
	if trip.roundTripNs < 0 {
		return // one of the clocks stepped meanwhile
	}
	if c.tries == 0 || trip.roundTripNs < c.best.roundTripNs {
		c.best = trip
	}
	if c.tries++; c.tries == roundTrips {
		c.tries = 0
		c.done, c.ready = c.best, true
	}
}

// latest returns the last comparison finished, once.
func (c *clockCheck) latest() (clockComparison, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ready := c.ready
	c.ready = false
	return c.done, ready
}
