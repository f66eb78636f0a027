package device

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// Bounds of Rounds.
const (
	// askTime is the part of MaxWait that is left for question and answer.
	askTime = 100 * time.Millisecond
	// mostLost is how many answers in a row may be lost before that is an error.
	mostLost = 5
)

// Rounds paces a host that asks an instrument again and again what it has counted,
// and times the readings: the end of one is the begin of the next, and lies between
// the question and the first byte of the answer. It serves counters that are
// cleared when they are read, and running totals. Of the former the first answer
// only sets the begin, as does the first one after an answer was lost, with a gap
// for what is between; of the latter nothing is lost with an answer, and the first
// total is flagged First. One goroutine uses it; Close may be called from another.
type Rounds struct {
	clock  Clock
	gate   int64
	totals bool

	slot    int64 // when to ask next
	hasEdge bool  // edge is where the next reading begins
	edge    int64 // end of the last reading; 0 before the first
	blur    int64 // its uncertainty
	lost    int   // answers lost in a row
	cause   string
	detail  string // of the first of them

	timer  *time.Timer
	closed chan struct{}
	once   sync.Once
}

// NewRounds returns Rounds that ask every gate, from now on. Totals says that the
// values are running totals.
func NewRounds(gate time.Duration, totals bool, clock Clock) *Rounds {
	r := &Rounds{clock: clock, gate: int64(gate), totals: totals, slot: clock(), timer: time.NewTimer(MaxWait), closed: make(chan struct{})}
	r.timer.Stop()
	return r
}

// Wait waits until it is time to ask, but so long only that a Read that asks then
// still returns within MaxWait, and reports whether it is. After Close it returns
// ErrClosed.
func (r *Rounds) Wait() (due bool, err error) {
	wait := time.Duration(r.slot - r.clock())
	due = wait <= MaxWait-askTime
	r.timer.Reset(max(0, min(wait, MaxWait-askTime)))
	select {
	case <-r.closed:
		return false, ErrClosed
	case <-r.timer.C:
	}
	select {
	case <-r.closed: // both were ready
		return false, ErrClosed
	default:
		return due, nil
	}
}

// Close frees Wait.
func (r *Rounds) Close() { r.once.Do(func() { close(r.closed) }) }

// Answered takes an answer: asked is from the begin of the question until the first
// byte of the answer. It appends the times and flags of the reading to b and returns
// true: the caller appends the values. It returns false, with nothing to append,
// when the answer only sets the begin of the next.
func (r *Rounds) Answered(b *Batch, asked Bracket) bool {
	edge, blur := asked.Middle(), asked.Half()
	reading := true
	switch {
	case r.hasEdge:
		edge = max(edge, r.edge+1)
		length, flags := edge-r.edge, ReadingFlags(0)
		if length > 2*r.gate || 10*max(r.blur, blur) > min(length, r.gate) {
			flags = Late
		}
		r.add(b, r.edge, length, r.blur, flags)
	case r.totals:
		r.add(b, edge, 0, blur, First)
	default:
		r.Flush(b, edge)
		reading = false
	}
	r.edge, r.blur, r.hasEdge, r.lost = edge, blur, true, 0
	r.slot += r.gate
	if behind := asked.To - r.slot; behind >= 0 {
		r.slot += (behind/r.gate + 1) * r.gate
	}
	return reading
}

// add appends the times and flags of a reading.
func (r *Rounds) add(b *Batch, begin, length, blur int64, flags ReadingFlags) {
	b.Begin = append(b.Begin, begin)
	b.Length = append(b.Length, length)
	b.Live = append(b.Live, length)
	b.Uncertainty = append(b.Uncertainty, blur)
	b.Flags = append(b.Flags, flags)
}

// Lost says that no answer came that can be read: what the counters were cleared
// of, if they were, is not known. Several in a row are an error. The next question
// is due now, or in a tenth of a second where some were lost already.
func (r *Rounds) Lost(cause, detail string) error {
	if r.lost == 0 {
		r.cause, r.detail = cause, detail
	}
	r.lost++
	r.slot = r.clock()
	if r.lost > 1 {
		r.slot += int64(askTime)
	}
	if r.lost >= mostLost {
		return fmt.Errorf("%w: %d answers in a row could not be read, the last: %s", ErrNonsense, r.lost, detail)
	}
	if !r.totals {
		r.hasEdge = false
	}
	return nil
}

// Flush tells of the readings that were lost until now, where they were not told
// of yet: for a Read that ends with an error.
func (r *Rounds) Flush(b *Batch, now int64) {
	if r.lost == 0 || r.edge == 0 || r.totals {
		return
	}
	r.lost = 0
	missing := max(1, math.Round(float64(now-r.edge)/float64(r.gate)))
	b.Notes = append(b.Notes, Note{Row: b.Len(), Gap: &Gap{
		Cause: r.cause, Detail: r.detail, Begin: r.edge, Duration: now - r.edge, Missing: uint64(missing), Known: true}})
}

// A rate that no input of a counter of 32 bits reaches, in counts per second, and
// what the computer's own delays may add.
const (
	fastest32 = 50e6
	slack32   = 1e6
)

// Reachable32 reports whether a running total of 32 bits can have become another in
// that time by counting up. One that cannot was set by somebody, or the instrument
// restarted.
func Reachable32(from, to uint32, elapsed time.Duration) bool {
	return float64(to-from) <= elapsed.Seconds()*fastest32+slack32
}
