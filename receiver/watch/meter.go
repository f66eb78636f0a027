package watch

import (
	"math"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// Bounds of what is remembered of a channel.
const (
	slotTime   = 50 * time.Millisecond // readings are summed over this, or over one gate where that is longer
	maxSlots   = 1200                  // a minute of slots, or more where gates are longer
	fanoCounts = 200                   // of so many gates variance over mean is made
	fanoFew    = 20                    // and of so many at least
	traceTime  = 500 * time.Millisecond
	traceLen   = 240 // values of history
)

// slot sums a few readings of one channel.
type slot struct {
	endNs  int64 // of the last of them
	liveNs int64
	sum    float64 // events; or the sum of values
	n      int
}

// meter knows the recent past of one channel.
type meter struct {
	spec protocol.Channel

	slots   []slot // oldest first
	lastRaw uint64 // of a total
	hasLast bool

	counts []float64 // of the last gates of one length, a ring
	next   int
	gateNs int64

	peak     float64
	hasPeak  bool
	trace    []float64 // smoothed, one per traceTime, oldest first; NaN where there was none
	traced   int64     // end of the last one
	flags    string    // of the latest flagged reading: "overflow"
	flagNs   int64     // when it ended
	quietNs  int64     // end of the last reading that counted something
	lastSeen int64     // end of the last reading with a value
}

// add takes row i of counts, of a channel ch.
func (m *meter) add(c *protocol.Counts, ch, i int, endNs int64) {
	first := len(c.Flags) > 0 && c.Flags[i]&protocol.FlagFirst != 0
	if len(c.ValueFlags) > ch && len(c.ValueFlags[ch]) > 0 {
		m.noteFlags(c.ValueFlags[ch][i], endNs)
	}
	if table.Absent(c, ch, i) {
		m.hasLast = false
		return
	}
	word, live := c.Values[ch][i], table.LiveNs(c, i)
	value := m.spec.Number(word)
	switch m.spec.Kind {
	case protocol.KindTotal:
		had := m.hasLast
		value = m.spec.Number(m.spec.Wrap(word - m.lastRaw))
		m.lastRaw, m.hasLast = word, true
		if !had {
			return
		}
	case protocol.KindCount:
		if first {
			return
		}
	}
	m.lastSeen = endNs
	if value != 0 {
		m.quietNs = endNs
	}
	m.put(slot{endNs: endNs, liveNs: live, sum: value, n: 1}, c.Length[i])
	if m.events() && live == c.Length[i] {
		m.spread(value, c.Length[i])
	}
}

// events reports whether the channel counts photons, rather than giving a
// value of its own.
func (m *meter) events() bool {
	return m.spec.Kind == protocol.KindCount || m.spec.Kind == protocol.KindTotal
}

func (m *meter) noteFlags(flags uint8, endNs int64) {
	for bit, word := range [...]string{1: "overflow", 2: "suspect"} {
		if word != "" && flags>>bit&1 != 0 {
			m.flags, m.flagNs = word, endNs
		}
	}
}

// put adds to the last slot, or begins the next.
func (m *meter) put(s slot, lengthNs int64) {
	if n := len(m.slots); n > 0 {
		last := &m.slots[n-1]
		if last.liveNs+s.liveNs <= int64(slotTime) && s.endNs-last.endNs <= int64(slotTime)+lengthNs {
			last.endNs, last.liveNs, last.sum, last.n = s.endNs, last.liveNs+s.liveNs, last.sum+s.sum, last.n+s.n
			return
		}
	}
	if len(m.slots) >= maxSlots {
		m.slots = append(m.slots[:0], m.slots[maxSlots/8:]...)
	}
	m.slots = append(m.slots, s)
}

// spread remembers the counts of a gate. Gates of another length begin anew.
func (m *meter) spread(value float64, lengthNs int64) {
	if d := lengthNs - m.gateNs; d*100 > m.gateNs || -d*100 > m.gateNs {
		m.counts, m.next, m.gateNs = m.counts[:0], 0, lengthNs
	}
	if len(m.counts) < fanoCounts {
		m.counts = append(m.counts, value)
		return
	}
	m.counts[m.next] = value
	m.next = (m.next + 1) % fanoCounts
}

// value is a rate or value with its error of one sigma.
type value struct {
	known    bool
	v, sigma float64
}

// over is the rate over the last span of time that readings came from, at
// least one slot; of a channel that is no counter it is the mean.
func (m *meter) over(span time.Duration) value {
	if len(m.slots) == 0 {
		return value{}
	}
	newest := m.slots[len(m.slots)-1].endNs
	var sum float64
	var live int64
	n := 0
	for i := len(m.slots) - 1; i >= 0; i-- {
		s := m.slots[i]
		if i < len(m.slots)-1 && s.endNs <= newest-int64(span) {
			break
		}
		sum, live, n = sum+s.sum, live+s.liveNs, n+s.n
	}
	if !m.events() {
		return value{known: n > 0, v: sum / float64(max(n, 1))}
	}
	seconds := float64(live) / 1e9
	if seconds <= 0 {
		return value{}
	}
	return value{true, sum / seconds, math.Sqrt(max(sum, 1)) / seconds}
}

// fano is variance over mean of the counts of the last gates: about 1 for
// light without a rhythm of its own.
func (m *meter) fano() (f float64, ok bool) {
	if len(m.counts) < fanoFew {
		return 0, false
	}
	var mean float64
	for _, c := range m.counts {
		mean += c
	}
	mean /= float64(len(m.counts))
	if mean == 0 {
		return 0, false
	}
	var square float64
	for _, c := range m.counts {
		square += (c - mean) * (c - mean)
	}
	return square / float64(len(m.counts)-1) / mean, true
}

// look updates the maximum and the history; to be called after readings up to
// endNs were added.
func (m *meter) look(span time.Duration, endNs int64) {
	v := m.over(span)
	if !v.known {
		return
	}
	if (!m.hasPeak || v.v > m.peak) && m.covers(span) {
		m.peak, m.hasPeak = v.v, true
	}
	step := max(int64(traceTime), m.gateNs)
	missing := (endNs - m.traced) / step
	switch {
	case missing < 1:
		return
	case m.traced > 0 && missing > traceLen:
		m.trace = m.trace[:0]
	case m.traced > 0:
		for ; missing > 2; missing-- { // one that is a little late is no hole
			m.push(math.NaN())
		}
	}
	m.push(v.v)
	m.traced = endNs
}

// covers reports whether the readings at hand fill a span of time. The scatter of
// a few at the begin is no maximum.
func (m *meter) covers(span time.Duration) bool {
	var live int64
	for i := len(m.slots) - 1; i >= 0 && live < int64(span)*9/10; i-- {
		live += m.slots[i].liveNs
	}
	return live >= int64(span)*9/10
}

func (m *meter) push(v float64) {
	if len(m.trace) >= traceLen {
		m.trace = append(m.trace[:0], m.trace[1:]...)
	}
	m.trace = append(m.trace, v)
}
