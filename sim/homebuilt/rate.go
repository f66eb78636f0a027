package homebuilt

import (
	"time"

	"photongate/instrument"
)

// UsualRateHz is a rate of light that the instrument can tell of: 50000 photons a
// second on each input, or a third of what its counters or its line can carry.
func UsualRateHz(f *instrument.File) float64 {
	const usual, margin, bitsPerByte = 50_000, 3, 10
	if f.Tags != nil {
		return usual
	}
	rate := float64(usual)
	c := Counter{file: f, distinct: -1, places: make([]int, len(f.Channels))}
	if f.Simulate != nil {
		c.play = *f.Simulate
	}
	c.forget()
	if c.events() {
		length := len(f.Examples[0].Bytes)
		if f.Record != nil {
			length = f.Record.Length
		} else if lines := exampleLines(f); len(lines) > 0 {
			length = len(lines[len(lines)-1])
			for _, line := range lines {
				length = max(length, len(line)+2)
			}
		}
		return min(rate, float64(f.Link.Baud/bitsPerByte/length/margin))
	}
	gate := c.gateTime()
	if f.Poll != nil && f.Gate.By == instrument.ByPoll {
		gate = max(f.Poll.Every, time.Millisecond)
	}
	for i, ch := range f.Channels {
		if ch.Kind == instrument.Count {
			rate = min(rate, float64(c.most(i))/gate.Seconds()/margin)
		}
	}
	for _, i := range litChannels(f) {
		if f.Channels[i].Kind == instrument.Auxiliary {
			rate = min(rate, float64(c.most(i))/gate.Seconds()/margin)
		}
	}
	return max(float64(int(rate)), 1)
}
