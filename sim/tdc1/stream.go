package tdc1

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"photongate/sim"
)

// chunk is how much of a stream is sent at once.
const chunk = time.Millisecond

// maxTags is the most that a chunk holds: 10 million per second (datasheet). Of more
// light the same part is lost of every pattern.
const maxTags = 10_000

// maxTail bounds the bytes that follow the end of a stream.
const maxTail = 4096

// The time of a tag (pyS15, and a capture of a real unit).
const (
	tickNs      = 2
	timeBits    = 27
	patternBits = 5
	halfPeriod  = 1 << (timeBits - 1) // ticks; a marker belongs to each
	markerAt    = 3960                // ticks after each half period
	markerBits  = 0x11                // bit 4, and the pattern seen with it
)

// tag is one record: ticks since power-on and the low five bits.
type tag struct {
	tick int64
	bits uint32
}

// word is a tag as it is sent.
func (t tag) word() uint32 {
	return uint32(t.tick)&(1<<timeBits-1)<<patternBits | t.bits
}

// ticks is what the unit's clock shows: 2 ns each, by its crystal.
func (u *Unit) ticks(at time.Time) int64 {
	ns := at.Sub(u.power).Nanoseconds()
	return (ns + int64(float64(ns)*u.options.FastPPM*1e-6)) / tickNs
}

// chunkEnd is when the next piece of the stream is due.
func (u *Unit) chunkEnd() time.Time {
	end := u.run.drawn.Add(chunk)
	if !u.run.end.IsZero() && u.run.end.Before(end) {
		return u.run.end
	}
	return end
}

// sendTags sends what came since the last time: tags and markers in order.
func (u *Unit) sendTags(until time.Time, line sim.Line) {
	from, to := u.ticks(u.run.drawn), u.ticks(until)
	u.tags = u.tags[:0]
	if to > from {
		u.drawTags(from, to, until)
	}
	u.run.drawn = until
	for at := nextMarker(from); at < to; at += halfPeriod {
		if u.loseNext {
			u.loseNext = false
			continue
		}
		u.tags = append(u.tags, tag{at, markerBits})
	}
	slices.SortFunc(u.tags, func(a, b tag) int {
		return cmp.Or(cmp.Compare(a.tick, b.tick), cmp.Compare(a.bits, b.bits))
	})
	u.words = u.words[:0]
	for i, t := range u.tags {
		if i+1 < len(u.tags) && t.together(u.tags[i+1]) {
			u.tags[i+1].bits |= t.bits
			continue
		}
		u.words = binary.LittleEndian.AppendUint32(u.words, t.word())
	}
	if len(u.words) > 0 {
		line.Send(until, u.words)
	}
}

// together reports whether two tags are edges within one tick: these share a word.
func (t tag) together(other tag) bool {
	const marker = 1 << 4
	return t.tick == other.tick && (t.bits|other.bits)&marker == 0
}

// drawTags strews the pulses of the light over the ticks from from to before to.
func (u *Unit) drawTags(from, to int64, until time.Time) {
	clear(u.patterns)
	u.options.Light.Draw(u.run.drawn, until, u.patterns)
	total := int64(0)
	for _, n := range u.patterns {
		total += n
	}
	for pattern, n := range u.patterns {
		if total > maxTags {
			n = n * maxTags / total
		}
		for range n {
			u.tags = append(u.tags, tag{from + u.rng.Int64N(to-from), uint32(pattern)})
		}
	}
}

// nextMarker is the tick of the first marker that does not come before from.
func nextMarker(from int64) int64 {
	periods := (from - markerAt + halfPeriod - 1) / halfPeriod
	return max(periods, 0)*halfPeriod + markerAt
}

// endStream stops the stream; what has left the unit's memory by then still comes.
func (u *Unit) endStream(now time.Time, line sim.Line) {
	u.run = run{}
	if u.options.Tail == 0 {
		return
	}
	u.words = u.words[:0]
	for len(u.words) < u.options.Tail {
		const input1 = 1
		u.words = binary.LittleEndian.AppendUint32(u.words, tag{u.ticks(now), input1}.word())
	}
	line.Send(now, u.words[:u.options.Tail])
}
