package gateway

import (
	"math/rand/v2"
	"time"
)

// Pauses between two attempts to open a device.
const (
	backoffFirst = 250 * time.Millisecond
	backoffMax   = 10 * time.Second
	// backoffForget is how long a device must have been read before the next
	// trouble begins with the shortest pause again: one that fails after each
	// first reading is opened less and less often, too.
	backoffForget = 10 * time.Second
)

// backoff gives growing pauses, each up to a quarter shorter than its nominal
// length so that devices that failed together do not return together.
type backoff struct{ next time.Duration }

func (b *backoff) pause() time.Duration {
	d := max(b.next, backoffFirst)
	b.next = min(2*d, backoffMax)
	return d - time.Duration(rand.Int64N(int64(d/4)))
}

func (b *backoff) reset() { b.next = 0 }
