package derive

import "photongate/device"

// Loss notes a stretch of which tags are missing, before the Add that brings the
// clock beyond it.
func (c *Counter) Loss(l device.Loss) {
	if n := len(c.losses); n > 0 {
		last := &c.losses[n-1]
		if last.Channel == l.Channel && last.From <= l.From && l.From <= last.To {
			last.To = max(last.To, l.To)
			return
		}
		if n >= maxLosses { // it is all one
			c.losses = append(c.losses[:0], device.Loss{From: c.losses[0].From, To: max(last.To, l.To), Channel: -1})
			return
		}
	}
	c.losses = append(c.losses, l)
}

// Gap notes that tags are missing between those added so far, of which the last is
// of a tick, and the next ones.
func (c *Counter) Gap(tick uint64) {
	if c.begun && !c.gapOpen {
		c.gapOpen, c.gapAt = true, max(tick, c.until)
	}
}

// flag says of the gate that is being given out, from begin to end, what may be
// missing, and forgets the losses that lie behind it.
func (c *Counter) flag(begin, end int64) {
	g := &c.gate
	clear(g.Absent)
	left := c.losses[:0]
	for _, l := range c.losses {
		past := true
		for ch, d := range c.delay {
			if l.Channel >= 0 && l.Channel != ch {
				continue
			}
			from, to := int64(l.From)+d, int64(max(l.To, l.From+1))+d
			// What is lost is missing in coincidences that end a little later.
			g.Short = g.Short || from < end && to+c.reach > begin
			g.Absent[ch] = g.Absent[ch] || from <= begin && to >= end
			past = past && to+c.reach <= end
		}
		if !past {
			left = append(left, l)
		}
	}
	c.losses = left
	for i, co := range c.cfg.Coincidences {
		for _, ch := range co.Of {
			g.Absent[c.cfg.Channels+i] = g.Absent[c.cfg.Channels+i] || g.Absent[ch]
		}
	}
}
