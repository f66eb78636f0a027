package derive

import "photongate/device"

// Loss notes a stretch of which tags are missing. It is told of gates that have been
// given out (see NewCounter); those to come are flagged.
func (c *Counter) Loss(l device.Loss) {
	if c.begun && !c.tellLate(l) {
		return
	}
	if n := len(c.losses); n > 0 {
		last := &c.losses[n-1]
		if last.Channel == l.Channel && last.From <= l.From && l.From <= last.To {
			last.To = max(last.To, l.To)
			return
		}
		if n >= maxLosses { // it is all one
			for _, o := range c.losses {
				l.From, l.To = min(l.From, o.From), max(l.To, o.To)
			}
			l.Channel = -1
			c.losses = c.losses[:0]
		}
	}
	c.losses = append(c.losses, l)
}

// tellLate tells of the gates given out that lack what is lost, and reports whether
// gates to come lack it too.
func (c *Counter) tellLate(l device.Loss) (more bool) {
	from, to := c.next, c.start
	for ch, d := range c.delay {
		if l.Channel >= 0 && l.Channel != ch {
			continue
		}
		// As in flag.
		begin, end := int64(l.From)+d, int64(max(l.To, l.From+1))+d+c.reach
		more = more || end > int64(c.next*c.cfg.Gate)
		if end <= 0 {
			continue
		}
		from = min(from, uint64(max(begin, 0))/c.cfg.Gate)
		to = max(to, (uint64(end)-1)/c.cfg.Gate+1)
	}
	if from, to = max(from, c.start), min(to, c.next); from < to {
		c.late(from, to)
	}
	return more
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
