package derive

import "iter"

// buffer holds the times of a channel that may take part in coincidences yet, in
// order.
type buffer struct {
	times []int64
}

// put adds a time, before those of later ones that came first.
func (b *buffer) put(at int64) {
	t := append(b.times, at)
	for i := len(t) - 1; i > 0 && t[i-1] > at; i-- {
		t[i], t[i-1] = t[i-1], t[i]
	}
	b.times = t
}

// matcher finds the coincidences of one kind.
type matcher struct {
	of     []int // channels
	half   int64 // of the window
	column int   // to count in
	at     []int // for each channel, where in its buffer the oldest tag is that may coincide with others yet
}

// match finds the coincidences of a kind whose tags all lie before a mark, up to
// which all are there.
func (c *Counter) match(m *matcher, mark int64) {
	if len(m.of) == 2 {
		c.matchTwo(m, mark)
		return
	}
	for {
		last := int64(-1 << 62) // the latest of the oldest tags
		for j, ch := range m.of {
			if at := c.oldest(m.at[j], ch, mark); at > last {
				last = at
			}
		}
		// One that is too old for the latest coincides with none of its channel.
		moved := false
		for j, ch := range m.of {
			if c.oldest(m.at[j], ch, mark) < last-m.half {
				m.at[j]++
				moved = true
			}
		}
		if moved {
			continue
		}
		if last >= mark {
			return
		}
		for j := range m.at {
			m.at[j]++
		}
		c.coincide(m, last)
	}
}

// oldest is the time at a position of a channel; the mark where there is none before
// it: what comes is not earlier.
func (c *Counter) oldest(position, channel int, mark int64) int64 {
	if times := c.buffers[channel].times; position < len(times) && times[position] < mark {
		return times[position]
	}
	return mark
}

// matchTwo is match for two channels.
func (c *Counter) matchTwo(m *matcher, mark int64) {
	p, q := &c.buffers[m.of[0]], &c.buffers[m.of[1]]
	a, b := p.times[m.at[0]:], q.times[m.at[1]:]
	i, j := 0, 0
	for {
		x, y := mark, mark
		if i < len(a) && a[i] < mark {
			x = a[i]
		}
		if j < len(b) && b[j] < mark {
			y = b[j]
		}
		switch d := x - y; {
		case d < -m.half:
			i++
			continue
		case d > m.half:
			j++
			continue
		}
		if x == mark || y == mark {
			break
		}
		i++
		j++
		c.coincide(m, max(x, y))
	}
	m.at[0] += i
	m.at[1] += j
}

// coincide counts a coincidence whose last tag is of a time. Those before the first
// gate are in none.
func (c *Counter) coincide(m *matcher, at int64) {
	if uint64(at-c.matchLow) >= c.matchSpan {
		c.matchSpan = 0
		if at < 0 || uint64(at)/c.cfg.Gate < c.next {
			return
		}
		k := uint64(at) / c.cfg.Gate
		i := int(k - c.next)
		c.matchLow, c.matchSpan = int64(k*c.cfg.Gate), c.cfg.Gate
		c.matchRow = c.counts[i*c.columns : (i+1)*c.columns]
	}
	c.matchRow[m.column]++
}

// forget drops the times that take part in no coincidence any more.
func (c *Counter) forget() {
	c.matchSpan = 0
	for ch := range c.buffers {
		b := &c.buffers[ch]
		if len(b.times) == 0 {
			continue
		}
		n := len(b.times)
		for at := range c.positions(ch) {
			n = min(n, *at)
		}
		for at := range c.positions(ch) {
			*at -= n
		}
		b.times = b.times[:copy(b.times, b.times[n:])]
	}
}

// positions are those that the matchers hold in the buffer of a channel.
func (c *Counter) positions(channel int) iter.Seq[*int] {
	return func(yield func(*int) bool) {
		for i := range c.matchers {
			m := &c.matchers[i]
			for j, of := range m.of {
				if of == channel && !yield(&m.at[j]) {
					return
				}
			}
		}
	}
}
