package sim

import "time"

// Tag is one detection: the tick of the instrument's clock, times 256, plus the number
// of the input or channel. So tags in order are in order of time, and those of one
// tick in that of their channels. Ticks are below 2^56.
type Tag uint64

const tagChannelBits = 8

// NewTag is a detection at a tick.
func NewTag(tick uint64, channel int) Tag { return Tag(tick<<tagChannelBits | uint64(channel)) }

// Tick is when it was, in ticks.
func (t Tag) Tick() uint64 { return uint64(t) >> tagChannelBits }

// Channel is what detected it.
func (t Tag) Channel() int { return int(t & (1<<tagChannelBits - 1)) }

// TagLine is what an instrument that gives time tags speaks into besides; get it by
// [TagLineOf].
type TagLine interface {
	// Tags records the truth: what happened at the inputs while a stream was on, in
	// order of time, by a clock that never goes back.
	Tags(tags []Tag)
	// Lost records that tags from tick from to before tick to did not get to the host
	// as they were: those of a channel, or of all of them (-1).
	Lost(from, to uint64, channel int, reason string)
	// Waiting is how many bytes of a stream wait for a host that has not taken them.
	Waiting() int
	// Stream sends a piece of a stream. Unlike a message, what the host cannot take at
	// once waits for it, without bound: look at Waiting before. It returns what befell
	// the piece on its way, empty when it goes out whole. The piece is copied.
	Stream(at time.Time, piece []byte) (harm string)
}

// TagLineOf is a line's way to take tags. One that has none takes their bytes as
// messages and writes down no truth.
func TagLineOf(line Line) TagLine {
	if t, ok := line.(TagLine); ok {
		return t
	}
	return plainLine{line}
}

type plainLine struct{ line Line }

func (plainLine) Tags([]Tag)                       {}
func (plainLine) Lost(uint64, uint64, int, string) {}
func (plainLine) Waiting() int                     { return 0 }

func (p plainLine) Stream(at time.Time, piece []byte) string {
	p.line.Send(at, piece)
	return ""
}
