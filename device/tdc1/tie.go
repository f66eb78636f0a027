package tdc1

import "time"

// tie holds the unit's clock against the computer's: a record arrives after its
// time, and the fastest of the last while by about the same delay. So the computer
// knows by some milliseconds what time the unit's clock has, and sees a wrap of
// 268 ms that no record showed, or times that ran ahead because words were cut in
// the wrong place.
type tie struct {
	any    bool
	first  int64    // when the first record came
	begun  int64    // of the stretch that runs
	least  [2]int64 // delay of the fastest arrival, of this stretch and of the one before
	spread [2]int64 // how much slower others were
}

const (
	stretch   = int64(8 * time.Second) // a crystal that is off by 100 ppm adds 1.6 ms in two of them
	leastSlow = int64(20 * time.Millisecond)
	mostSlow  = periodNs / 2
)

// low is the delay of the fastest arrivals.
func (t *tie) low() int64 { return min(t.least[0], t.least[1]) }

// lag is by how much slower than those a record of this tick arrived; negative where
// it seems to come before its time.
func (t *tie) lag(at int64, tick uint64) int64 {
	if !t.any {
		return 0
	}
	return at - int64(tick)*tickNs - t.low()
}

// slow is how large a lag may be without another reason than the computer's own
// delays; half of it may be missing where none so fast has come yet.
func (t *tie) slow() int64 {
	return min(max(leastSlow, leastSlow+2*max(t.spread[0], t.spread[1])), mostSlow)
}

// young reports whether too few arrivals are known to say how fast the fastest are.
func (t *tie) young(at int64) bool { return at-t.first < stretch/2 }

// limit is the latest tick that a record may have which has arrived at a time.
func (t *tie) limit(at int64) uint64 {
	if !t.any {
		return 1 << 62
	}
	return uint64(max(0, at-t.low()+t.slow()/2) / tickNs)
}

// learn takes in that what is known to be of this tick arrived.
func (t *tie) learn(at int64, tick uint64) {
	delay := at - int64(tick)*tickNs
	switch {
	case !t.any:
		t.any, t.begun, t.first = true, at, at
		t.least = [2]int64{delay, delay}
	case at-t.begun > stretch:
		t.begun = at
		t.least = [2]int64{delay, t.least[0]}
		t.spread = [2]int64{0, t.spread[0]}
	}
	t.least[0] = min(t.least[0], delay)
	t.spread[0] = max(t.spread[0], min(delay-t.low(), mostSlow))
}
