package output

import (
	"math"
	"strconv"
	"sync"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// latest is a sink that keeps the rates of the last reading for those who ask,
// and hands everything on.
type latest struct {
	table.Sink

	mu       sync.Mutex
	channels []protocol.Channel
	rates    []float64 // counts per second; not a number: not known
	at       time.Time // zero: no reading yet
}

// Readings implements table.Sink.
func (l *latest) Readings(p *table.Part, firstIndex uint64, c *protocol.Counts) error {
	l.mu.Lock()
	row := len(c.Begin) - 1
	l.channels = append(l.channels[:0], p.Channels()...)
	l.rates = l.rates[:0]
	for ch := range l.channels {
		l.rates = append(l.rates, rate(l.channels[ch], c, ch, row))
	}
	l.at = time.Now()
	l.mu.Unlock()
	return l.Sink.Readings(p, firstIndex, c)
}

// rate is what a channel counts per second in row i: counts over the time they
// were counted in. What is no count is given as it is.
func rate(channel protocol.Channel, c *protocol.Counts, ch, i int) float64 {
	if table.Absent(c, ch, i) {
		return math.NaN()
	}
	v := channel.Number(c.Values[ch][i])
	if channel.Kind != protocol.KindCount {
		return v
	}
	liveNs := table.LiveNs(c, i)
	if liveNs <= 0 {
		return math.NaN()
	}
	return v * 1e9 / float64(liveNs)
}

// text is the answer to "?": NAME=RATE for each channel, and the age of the
// reading.
func (l *latest) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		return "error: there is no reading yet"
	}
	var b []byte
	for i, ch := range l.channels {
		b = strconv.AppendFloat(append(append(b, ch.Name...), '='), l.rates[i], 'f', 3, 64)
		b = append(b, ' ')
	}
	b = append(b, "age_s="...)
	return string(strconv.AppendFloat(b, time.Since(l.at).Seconds(), 'f', 3, 64))
}
