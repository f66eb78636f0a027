package gateway

import (
	"sync"
	"time"
)

// repeatsKept bounds how many different keys are told apart; the others share
// one line.
const repeatsKept = 256

// repeats turns many equal messages into few: the first of a key is told at
// once, those that follow are counted and told once in repeatEvery. It may be
// used concurrently; the zero value is ready.
type repeats struct {
	mu   sync.Mutex
	seen map[string]*repeated
}

type repeated struct {
	count int       // since it was last told
	next  time.Time // when it may be told again
}

// tell reports whether a message of this key is to be told now, and how many
// there were since the last one that was, this one included.
func (r *repeats) tell(key string) (count int, now bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]*repeated{}
	}
	at := time.Now()
	if r.seen[key] == nil && len(r.seen) >= repeatsKept {
		r.forgetLocked(at)
		if len(r.seen) >= repeatsKept {
			key = "" // so many at once: one line for all of them
		}
	}
	e := r.seen[key]
	if e == nil {
		e = &repeated{}
		r.seen[key] = e
	}
	e.count++
	if at.Before(e.next) {
		return e.count, false
	}
	count, e.count, e.next = e.count, 0, at.Add(repeatEvery)
	return count, true
}

// forgetLocked drops the keys that have been quiet for a while.
func (r *repeats) forgetLocked(at time.Time) {
	for key, e := range r.seen {
		if at.After(e.next) {
			delete(r.seen, key)
		}
	}
}
