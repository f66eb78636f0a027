package output

import (
	"sync"
	"time"
)

// How often the same is told, and how much is told apart.
const (
	repeatEvery = time.Minute
	repeatsKept = 64
)

// repeats turns many equal messages into few: the first of a key is told at
// once, those that follow within a minute are counted. It may be used
// concurrently; the zero value is ready.
type repeats struct {
	mu   sync.Mutex
	seen map[string]repeated
}

type repeated struct {
	count int       // since it was last told
	next  time.Time // when it may be told again
}

// tell reports whether a message is to be told now, and how many there were
// since it was last told, this one included.
func (r *repeats) tell(key string) (count int, now bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := time.Now()
	if r.seen == nil || len(r.seen) >= repeatsKept {
		r.seen = map[string]repeated{} // too many to tell apart: all are news
	}
	e := r.seen[key]
	e.count++
	count, now = e.count, !at.Before(e.next)
	if now {
		e.count, e.next = 0, at.Add(repeatEvery)
	}
	r.seen[key] = e
	return count, now
}
