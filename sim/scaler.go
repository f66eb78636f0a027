package sim

import "time"

// Scaler counts the pulses of every input of a light, without end and without ever
// being cleared: the counters of an instrument are differences of what it reads.
type Scaler struct {
	light    *Light
	counted  time.Time // what came before is in the totals
	patterns []int64
	totals   []uint64
}

// NewScaler makes one that counts from start on.
func NewScaler(light *Light, start time.Time) *Scaler {
	return &Scaler{light: light, counted: start,
		patterns: make([]int64, light.Patterns()), totals: make([]uint64, light.Inputs())}
}

// Totals are the pulses of each input from the start to now. They are valid until the
// next call.
func (s *Scaler) Totals(now time.Time) []uint64 {
	if now.After(s.counted) {
		clear(s.patterns)
		s.light.Draw(s.counted, now, s.patterns)
		s.counted = now
		for i := range s.totals {
			s.totals[i] += uint64(Together(s.patterns, 1<<i))
		}
	}
	return s.totals
}
