package sim

import (
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// mostBehind is how far an instrument of tags may be behind the time before its own
	// goes slower.
	mostBehind = 250 * time.Millisecond
	// tryAgain is how long a host that did not take all of a stream has before it is
	// offered the rest.
	tryAgain = 200 * time.Microsecond
)

// pace is the time of an instrument. It is that of the machine, unless the machine
// cannot keep up with it, or it is to go as fast as the host takes what there is: then
// it has a time of its own, which stands still while the host does not.
type pace struct {
	fast   bool
	start  time.Time
	offset atomic.Int64 // ns: of a fast one since the start, else what is added to the machine's time
	told   bool
}

// now may be called from any goroutine.
func (p *pace) now() time.Time {
	offset := time.Duration(p.offset.Load())
	if p.fast {
		return p.start.Add(offset)
	}
	return time.Now().Add(offset)
}

// keepUp looks how far what was done for the time now has come late. It says once in
// words that the instrument's time goes slower than the machine's.
func (p *pace) keepUp(now time.Time, notice func(string)) {
	if p.fast {
		return
	}
	behind := p.now().Sub(now)
	if behind <= mostBehind {
		return
	}
	p.offset.Add(-int64(behind))
	if !p.told && notice != nil {
		p.told = true
		notice(fmt.Sprintf("too much light for this machine: simulating it takes longer than it lasts (%v behind), and the instrument's clock goes slower from now on; "+
			"lower the rates, or have it go at its own speed from the start (--speed max)", behind.Round(time.Millisecond)))
	}
}

// holder is an instrument that knows whether its host has all there is, for it is not
// sent anything by itself.
type holder interface {
	// Hungry reports whether the host waits for more than there is, Blocked whether
	// there is something that it does not fetch.
	Hungry() bool
	Blocked() bool
}

// appetite says whether the host has taken all there is and is there to take more, or
// has not taken what there is.
func (r *Runner) appetite() (hungry, blocked bool) {
	if h, ok := r.instrument.(holder); ok {
		return h.Hungry(), h.Blocked()
	}
	return r.wire.open && r.wire.kept == 0, r.wire.kept > 0
}

// skip goes on to the next thing to be done at once, where nothing but time is waited
// for.
func (r *Runner) skip(next time.Time) bool {
	if !r.pace.fast || next.IsZero() {
		return false
	}
	hungry, _ := r.appetite()
	if hungry {
		r.pace.offset.Store(int64(max(next.Sub(r.pace.start), time.Duration(r.pace.offset.Load()))))
	}
	return hungry
}

// passed lets an instrument of its own time live through a wait of the machine's, up to
// the next thing to be done.
func (r *Runner) passed(wait time.Duration, next time.Time) {
	if _, blocked := r.appetite(); !r.pace.fast || blocked {
		return
	}
	now := r.pace.now()
	if left := next.Sub(now); !next.IsZero() && wait > left {
		wait = max(left, 0)
	}
	r.pace.offset.Add(int64(wait))
}
