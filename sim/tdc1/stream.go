package tdc1

import (
	"encoding/binary"
	"time"

	"photongate/sim"
)

const (
	// chunk is how much of a stream is sent at once.
	chunk = time.Millisecond
	// ticksPerTag is how long the unit takes for a tag on average: it has 10 million per
	// second (datasheet). Of more light the rest of a chunk is lost.
	ticksPerTag = 50
	// maxTail bounds the bytes that follow the end of a stream.
	maxTail = 4096
	// defaultFIFO lets a busy host, or a busy machine that simulates, be late by 100 ms
	// at the highest rate.
	defaultFIFO = 4 << 20
	// portBytes is more than what a port holds that was taken from the unit and is lost
	// when it goes.
	portBytes = 64 << 10
)

// The time of a tag (pyS15, and a capture of a real unit).
const (
	wordBytes   = 4
	tickNs      = 2
	timeBits    = 27
	patternBits = 5
	input1      = 1
	marker      = 1 << 4
	halfPeriod  = 1 << (timeBits - 1) // ticks; a marker belongs to each
	markerAt    = 3960                // ticks after each half period
)

// sent says which bytes of a stream are of which time, to tell what is lost with a port.
type sent struct {
	bytes int64 // of the stream before
	tick  uint64
}

// word is a record as it is sent, of the unit's time and the low five bits.
func word(tick uint64, bits uint32) uint32 {
	return uint32(tick)&(1<<timeBits-1)<<patternBits | bits
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
	from, to := u.clock.ticks(u.run.drawn), u.clock.ticks(until)
	u.run.drawn = until
	u.tags = u.light.Until(until, to, u.tags[:0])
	u.words = u.words[:0]
	lostFrom := u.write(from, to)
	tags := u.truthLine(line)
	tags.Tags(u.tags)
	u.send(tags, until, from, to)
	if lostFrom < to {
		tags.Lost(lostFrom, to, -1, "more than ten million tags per second")
	}
}

// truthLine is what the stream goes into, without a truth while nobody who is there now
// asked for it.
func (u *Unit) truthLine(line sim.Line) sim.TagLine {
	if u.run.left {
		return untold{sim.TagLineOf(line)}
	}
	return sim.TagLineOf(line)
}

type untold struct{ sim.TagLine }

func (untold) Tags([]sim.Tag)                    {}
func (untold) Lost(_, _ uint64, _ int, _ string) {}

// write makes the words of u.tags, which came from tick from to before tick to, and
// returns the tick from which on there were too many of them.
func (u *Unit) write(from, to uint64) (lostFrom uint64) {
	left := (to-from)/ticksPerTag + 1
	at := u.nextMarker(from)
	for i := 0; i < len(u.tags); {
		tick, bits := u.tags[i].Tick(), uint32(0)
		for ; i < len(u.tags) && u.tags[i].Tick() == tick; i++ {
			bits |= input1 << u.tags[i].Channel()
		}
		for ; at < tick; at += halfPeriod {
			u.writeMarker(at)
		}
		if left == 0 {
			for ; at < to; at += halfPeriod {
				u.writeMarker(at)
			}
			return tick
		}
		left--
		u.marker = bits
		u.words = binary.LittleEndian.AppendUint32(u.words, word(tick-u.clock.zero, bits))
	}
	for ; at < to; at += halfPeriod {
		u.writeMarker(at)
	}
	return to
}

// writeMarker makes the marker of a tick, unless it is to be lost.
func (u *Unit) writeMarker(tick uint64) {
	if u.loseNext {
		u.loseNext = false
		return
	}
	u.words = binary.LittleEndian.AppendUint32(u.words, word(tick-u.clock.zero, marker|u.marker))
}

// nextMarker is the tick of the first marker that does not come before from.
func (u *Unit) nextMarker(from uint64) uint64 {
	own := from - u.clock.zero
	if own <= markerAt {
		return u.clock.zero + markerAt
	}
	return u.clock.zero + (own-markerAt+halfPeriod-1)/halfPeriod*halfPeriod + markerAt
}

// send sends u.words, which are of the ticks from from to before to.
func (u *Unit) send(line sim.TagLine, at time.Time, from, to uint64) {
	n := int64(len(u.words))
	if n == 0 {
		return
	}
	if line.Waiting()+int(n) > u.options.FIFO {
		line.Lost(from, to, -1, "the host did not take them in time")
		return
	}
	if harm := line.Stream(at, u.words); harm != "" {
		line.Lost(from, to, -1, harm)
	}
	u.sent = append(u.sent, sent{u.run.sent, from})
	u.run.sent += n
	old := 0
	for old+1 < len(u.sent) && u.sent[old+1].bytes+int64(line.Waiting())+portBytes < u.run.sent {
		old++
	}
	u.sent = u.sent[:copy(u.sent, u.sent[old:])]
}

// lose says what is lost of a stream when its port goes: what the port holds.
func (u *Unit) lose(at time.Time, reason string, line sim.Line) {
	if len(u.sent) == 0 {
		return
	}
	u.truthLine(line).Lost(u.sent[0].tick, u.clock.ticks(at), -1, reason)
	u.sent = u.sent[:0]
}

// endStream stops the stream; what has left the unit's memory by then still comes: tags
// of input 1, the last one cut.
func (u *Unit) endStream(now time.Time, line sim.Line) {
	defer func() { u.run, u.sent = run{}, u.sent[:0] }()
	if u.options.Tail == 0 {
		return
	}
	u.words, u.tags = u.words[:0], u.tags[:0]
	from := u.clock.ticks(now)
	tick := from
	for len(u.words) < u.options.Tail {
		u.tags = append(u.tags, sim.NewTag(tick, 0))
		u.words = binary.LittleEndian.AppendUint32(u.words, word(tick-u.clock.zero, input1))
		tick++
	}
	u.words = u.words[:u.options.Tail]
	tags := u.truthLine(line)
	tags.Tags(u.tags[:u.options.Tail/wordBytes])
	u.send(tags, now, from, tick)
}
