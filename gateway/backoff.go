package gateway

import (
	"errors"
	"math/rand/v2"
	"time"

	"photongate/device"
)

// Pauses between two attempts to open a device.
const (
	backoffFirst = 250 * time.Millisecond
	backoffMax   = 10 * time.Second
	// backoffAbsent bounds the pause while the port does not exist: looking for
	// it costs little and disturbs nobody, and somebody who plugs an instrument
	// in waits for it.
	backoffAbsent = time.Second
	// backoffForget is how long a device must have been read before the next
	// trouble begins with the shortest pause again: one that fails after each
	// first reading is opened less and less often, too.
	backoffForget = 10 * time.Second
)

// backoff gives growing pauses, each up to a quarter shorter than its nominal
// length so that devices that failed together do not return together.
type backoff struct{ next time.Duration }

// pause returns how long to wait after err.
func (b *backoff) pause(err error) time.Duration {
	limit := backoffMax
	if errors.Is(err, device.ErrNoPort) {
		limit = backoffAbsent
	}
	return b.upTo(limit)
}

// upTo is a pause of at most limit.
func (b *backoff) upTo(limit time.Duration) time.Duration {
	d := min(max(b.next, backoffFirst), limit)
	b.next = min(2*d, backoffMax)
	return d - time.Duration(rand.Int64N(int64(d/4)))
}

func (b *backoff) reset() { b.next = 0 }
