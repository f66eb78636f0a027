package unknown

import (
	"fmt"
	"slices"
	"time"
)

// period says how often something comes, from the times at which it came. It is
// empty when there are too few.
func period(what string, times []time.Duration) string {
	if len(times) < 3 {
		return ""
	}
	var steps []time.Duration
	together := 0
	for i := 1; i < len(times); i++ {
		step := times[i] - times[i-1]
		steps = append(steps, step)
		if step < time.Millisecond {
			together++
		}
	}
	mean := (times[len(times)-1] - times[0]) / time.Duration(len(steps))
	if together > len(steps)/4 {
		return fmt.Sprintf("%s come several at a time (%d of %d with the one before), on average one every %v",
			what, together, len(steps), round(mean))
	}
	slices.Sort(steps)
	median := steps[len(steps)/2]
	scatter := (steps[len(steps)*84/100] - steps[len(steps)*16/100]) / 2
	return fmt.Sprintf("%s come every %v (median of %d; two thirds within ± %v, from %v to %v, as this computer saw them)",
		what, round(median), len(steps), round(scatter), round(steps[0]), round(steps[len(steps)-1]))
}

// round keeps what a person wants to know of a time.
func round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Second:
		return d.Round(time.Millisecond)
	case d >= 100*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	default:
		return d.Round(10 * time.Microsecond)
	}
}
