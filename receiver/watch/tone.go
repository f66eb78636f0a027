package watch

import (
	"math"
	"time"
)

// tone makes a steady tone. Only set is called often; it does not wait.
type tone interface {
	set(hz float64) // 0: silence
	name() string   // what makes it, for people
	close()
}

// A pitch follows the rate by an octave for each doubling, so that a tenth more
// light is heard well. The rate that was heard first is the middle.
const (
	middleHz  = 440.0
	lowestHz  = 80.0
	highestHz = 4000.0
)

// pitch is the tone of a rate, given the one that is the middle; 0 is silence.
func pitch(rate, middle float64) float64 {
	if rate <= 0 || middle <= 0 || math.IsInf(rate, 0) || math.IsNaN(rate) {
		return 0
	}
	return min(max(middleHz*rate/middle, lowestHz), highestHz)
}

// bellTone is the last resort: the terminal's bell, which has no pitch. It rings
// the faster the higher the tone would be.
type bellTone struct {
	ring func() error
	last time.Time
	now  func() time.Time
}

func (b *bellTone) set(hz float64) {
	if hz <= 0 {
		return
	}
	pause := time.Duration(float64(time.Second) * middleHz / hz)
	if now := b.now(); now.Sub(b.last) >= max(pause, 2*drawEvery) {
		b.last = now
		_ = b.ring() // there is nothing else to ring
	}
}

func (b *bellTone) name() string {
	return "the terminal's bell: faster is more; install aplay or pw-cat for a tone"
}
func (b *bellTone) close() {}
