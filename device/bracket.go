package device

import "time"

// Bracket is what a polling host knows of a moment in an instrument, the end of
// a gate: it lies between the last question answered with "not yet" and the first
// byte of the answer that shows it. Both are of the time base.
type Bracket struct{ From, To int64 }

// Middle is the moment that is stated.
func (b Bracket) Middle() int64 { return b.From + (b.To-b.From)/2 }

// Half is the uncertainty of Middle.
func (b Bracket) Half() int64 { return (b.To - b.From + 1) / 2 }

// After is what is known of the moment n periods later, where each takes from
// shortest to longest.
func (b Bracket) After(n int64, shortest, longest time.Duration) Bracket {
	return Bracket{b.From + n*int64(shortest), b.To + n*int64(longest)}
}

// Narrow is what is known of a moment that lies in both brackets: so each gate
// tells the phase of an instrument better than one question can. It reports false,
// with what was seen, when the two exclude each other: the instrument does not
// keep the period it was thought to have.
func (b Bracket) Narrow(seen Bracket) (Bracket, bool) {
	n := Bracket{max(b.From, seen.From), min(b.To, seen.To)}
	if n.From > n.To {
		return seen, false
	}
	return n, true
}
