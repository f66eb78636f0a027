// Package repeats keeps whoever makes the same mistake again and again from
// filling the log.
package repeats

import (
	"sync"
	"time"
)

// Every is how often the same is told.
const Every = time.Minute

// kept bounds how many different keys are told apart; the others share one line.
const kept = 256

// Filter turns many equal messages into few: the first of a key is told at once,
// those that follow are counted and told once in Every. It may be used
// concurrently; the zero value is ready.
type Filter struct {
	mu   sync.Mutex
	seen map[string]*repeated
}

type repeated struct {
	count int       // since it was last told
	next  time.Time // when it may be told again
}

// Tell reports whether a message of this key is to be told now, and how many
// there were since the last one that was, this one included.
func (r *Filter) Tell(key string) (count int, now bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]*repeated{}
	}
	at := time.Now()
	if r.seen[key] == nil && len(r.seen) >= kept {
		r.forgetLocked(at)
		if len(r.seen) >= kept {
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
	count, e.count, e.next = e.count, 0, at.Add(Every)
	return count, true
}

// forgetLocked drops the keys that have been quiet for a while.
func (r *Filter) forgetLocked(at time.Time) {
	for key, e := range r.seen {
		if at.After(e.next) {
			delete(r.seen, key)
		}
	}
}
