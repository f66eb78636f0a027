package protocol

import (
	"encoding/binary"
	"fmt"
	"slices"
)

const countsSchema = 1

// Bits of the byte that says which columns are present.
const (
	hasPauses = 1 << iota
	hasDead
	hasUncertainty
	hasFlags
	hasValueFlags

	knownColumns = 1<<iota - 1
)

// Counts are the readings of one counts frame, as columns. All present columns
// have one element for each reading, oldest first. Times are ns of the time base.
type Counts struct {
	Begin       []int64  // begin of the interval
	Length      []int64  // length of the interval
	Dead        []int64  // length less the live time; empty: all 0
	Uncertainty []int64  // half-width of the uncertainty of Begin; empty: 0, not known or negligible
	Flags       []uint32 // reading flags (FlagFirst, ...); empty: all 0

	Values     [][]uint64 // for each channel, as the instrument gave them
	ValueFlags [][]uint8  // for each channel (ValueAbsent, ...), its column empty: all 0. Encoding takes a nil ValueFlags as well
}

// check refuses what cannot be one frame.
func (c *Counts) check() error {
	n, channels := len(c.Begin), len(c.Values)
	switch {
	case n == 0:
		return fmt.Errorf("%w: counts without readings", ErrFormat)
	case channels == 0:
		return fmt.Errorf("%w: counts without channels", ErrFormat)
	case channels > MaxChannels:
		return fmt.Errorf("%w: %d channels, at most %d", ErrLimit, channels, MaxChannels)
	case n > MaxValues/channels:
		return fmt.Errorf("%w: %d readings of %d channels, at most %d values in a frame", ErrLimit, n, channels, MaxValues)
	case len(c.Length) != n || !emptyOr(len(c.Dead), n) || !emptyOr(len(c.Uncertainty), n) || !emptyOr(len(c.Flags), n):
		return fmt.Errorf("%w: columns of different lengths: %d begins, %d lengths, %d dead, %d uncertainties, %d flags",
			ErrFormat, n, len(c.Length), len(c.Dead), len(c.Uncertainty), len(c.Flags))
	case !emptyOr(len(c.ValueFlags), channels):
		return fmt.Errorf("%w: value flags for %d channels of %d", ErrFormat, len(c.ValueFlags), channels)
	}
	for i, v := range c.Values {
		if len(v) != n {
			return fmt.Errorf("%w: channel %d has %d values for %d readings", ErrFormat, i, len(v), n)
		}
	}
	for i, f := range c.ValueFlags {
		if !emptyOr(len(f), n) {
			return fmt.Errorf("%w: channel %d has %d value flags for %d readings", ErrFormat, i, len(f), n)
		}
	}
	return nil
}

func emptyOr(have, n int) bool { return have == 0 || have == n }

// CountsEncoder turns Counts into frames. It keeps scratch memory between
// calls, and of long columns how they were coded last: one encoder is for the
// frames of one stream. The zero value is ready. It is for one goroutine.
type CountsEncoder struct {
	words  []uint64 // a column as words
	column columnEncoder

	// How the columns of frames before were coded.
	length, pause, dead, uncertainty habit
	values                           []habit
}

// Append appends a whole frame of c to dst: h gives stream, epoch, sequence and
// index; type, count, time, lengths and checksums are set here. Columns that
// are all 0 are left out and come back empty. Nothing is allocated when dst has
// room for the frame and 64 bytes more. On error (ErrFormat, ErrLimit) dst comes
// back as it was.
func (e *CountsEncoder) Append(dst []byte, h Header, c *Counts) ([]byte, error) {
	if err := c.check(); err != nil {
		return dst, fmt.Errorf("counts frame: %w", err)
	}
	start := len(dst)
	out := slices.Grow(dst, HeaderSize+columnSlack)[:start+HeaderSize]
	out = append(out, countsSchema, 0)
	out = binary.AppendUvarint(out, uint64(len(c.Values)))
	out = e.mask(out, start+HeaderSize+1, c)
	out = e.times(out, start+HeaderSize+1, c)
	if len(e.values) != len(c.Values) {
		e.values = make([]habit, len(c.Values))
	}
	for i, values := range c.Values {
		if len(out)-start > MaxFrame {
			break
		}
		out = e.column.appendBy(&e.values[i], out, values)
		if len(c.ValueFlags) > 0 && anySet(c.ValueFlags[i]) {
			out = appendColumn(e, nil, out, c.ValueFlags[i])
		}
	}
	h.Type, h.Count, h.Time = TypeCounts, uint32(len(c.Begin)), c.Begin[0]
	if _, err := SealFrame(out[start:], h); err != nil {
		return dst, fmt.Errorf("counts frame of %d readings of %d channels: %w; put fewer readings into one frame", len(c.Begin), len(c.Values), err)
	}
	return out, nil
}

// mask appends which channels have value flags, if any has.
func (e *CountsEncoder) mask(out []byte, present int, c *Counts) []byte {
	start := len(out)
	for i, f := range c.ValueFlags {
		if !anySet(f) {
			continue
		}
		if len(out) == start {
			out[present] |= hasValueFlags
			for range (len(c.Values) + 7) / 8 {
				out = append(out, 0)
			}
		}
		out[start+i/8] |= 1 << (i % 8)
	}
	return out
}

// times appends the columns that all channels share.
func (e *CountsEncoder) times(out []byte, present int, c *Counts) []byte {
	var pause bool
	if isConstant(c.Length) {
		out = appendConstantOrRaw(out, uint64(c.Length[0]), len(c.Length))
		pause = !isLinear(c.Begin, c.Length[0])
	} else {
		out = e.column.appendBy(&e.length, out, widen(e, c.Length))
		pause = hasPause(c)
	}
	if pause {
		out[present] |= hasPauses
		out = e.column.appendBy(&e.pause, out, e.pauses(c))
	}
	out = appendUnlessZero(e, &e.dead, out, present, hasDead, c.Dead)
	out = appendUnlessZero(e, &e.uncertainty, out, present, hasUncertainty, c.Uncertainty)
	return appendUnlessZero(e, nil, out, present, hasFlags, c.Flags)
}

// appendUnlessZero appends a column, and notes that it is there, if one of its numbers
// is not 0.
func appendUnlessZero[T int64 | uint32](e *CountsEncoder, h *habit, out []byte, present int, bit byte, column []T) []byte {
	if len(column) == 0 || column[0] == 0 && isConstant(column) {
		return out
	}
	out[present] |= bit
	return appendColumn(e, h, out, column)
}

// appendColumn appends a column of other numbers than words; without a habit, if h
// is nil.
func appendColumn[T int64 | uint32 | uint8](e *CountsEncoder, h *habit, out []byte, column []T) []byte {
	switch {
	case isConstant(column):
		return appendConstantOrRaw(out, uint64(column[0]), len(column))
	case h == nil:
		return e.column.append(out, widen(e, column))
	}
	return e.column.appendBy(h, out, widen(e, column))
}

// hasPause reports whether an interval does not begin where the one before ends.
func hasPause(c *Counts) bool {
	next := c.Begin[0]
	for i, begin := range c.Begin {
		if begin != next {
			return true
		}
		next = begin + c.Length[i]
	}
	return false
}

// pauses gives the pause before each interval. The first means nothing; it repeats
// the second, so that equal pauses are constant.
func (e *CountsEncoder) pauses(c *Counts) []uint64 {
	pauses := e.room(len(c.Begin))
	for i := 1; i < len(pauses); i++ {
		pauses[i] = uint64(c.Begin[i] - c.Begin[i-1] - c.Length[i-1])
	}
	pauses[0] = pauses[1]
	return pauses
}

func (e *CountsEncoder) room(n int) []uint64 {
	e.words = resize(e.words, n)
	return e.words
}

// widen copies a column into e's scratch as words; int64 become two's complement.
func widen[T int64 | uint32 | uint8](e *CountsEncoder, column []T) []uint64 {
	words := e.room(len(column))
	for i, v := range column {
		words[i] = uint64(v)
	}
	return words
}

func anySet[T int64 | uint32 | uint8](column []T) bool {
	var set T
	for _, v := range column {
		set |= v
	}
	return set != 0
}

// resize gives s the length n, keeping its memory where it suffices; what the
// elements hold is not said.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
