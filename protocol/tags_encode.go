package protocol

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// TagsEncoder turns Tags into frames. It keeps scratch memory between calls; the
// zero value is ready. It is for one goroutine; several encoders run side by side.
type TagsEncoder struct {
	words           []uint64 // gaps of a block of ticks
	column          columnEncoder
	disordered      habit // of ticks that are not sorted
	inPeriod        habit // of places
	finder          pulseFinder
	numbers, places []uint64 // of pulses, and within their period
	other           []byte   // another way to code the ticks of a frame
	channels        channelsEncoder
	totals          channelTotals
}

// Append appends a whole frame of t to dst: h gives stream, epoch, sequence,
// index and time; type, count, lengths and checksums are set here. channels is the
// number of channels of the descriptor. Nothing is allocated when dst has room for the
// frame and for 9 bytes more for each tag, some way to code them having been tried. On error
// (ErrFormat, ErrLimit) dst comes back as it was.
func (e *TagsEncoder) Append(dst []byte, h Header, channels int, t *Tags) ([]byte, error) {
	out, err := e.append(dst, h, channels, t)
	if err != nil {
		return dst, fmt.Errorf("tags frame of %d tags: %w", len(t.Ticks), err)
	}
	return out, nil
}

func (e *TagsEncoder) append(dst []byte, h Header, channels int, t *Tags) ([]byte, error) {
	if err := t.check(channels); err != nil {
		return nil, err
	}
	if err := e.count(channels, t); err != nil {
		return nil, err
	}
	start := len(dst)
	out := slices.Grow(dst, HeaderSize+columnSlack)[:start+HeaderSize]
	out = e.head(out, channels, t)
	if n := len(t.Ticks); n > 0 {
		var sorted bool
		if out, sorted = e.ticks(out, t.Ticks); !sorted {
			out[start+HeaderSize+1] &^= tagsSorted
		}
		out = e.channels.append(out, t.Channels, e.totals[:channels])
	}
	h.Type, h.Count = TypeTags, uint32(len(t.Ticks))
	if _, err := SealFrame(out[start:], h); err != nil {
		return nil, err
	}
	return out, nil
}

// count fills in the totals of the channels.
func (e *TagsEncoder) count(channels int, t *Tags) error {
	e.totals.count(t.Channels)
	for c, n := range e.totals[channels:] {
		if n > 0 {
			return fmt.Errorf("%w: %d tags of channel %d, there are %d channels", ErrFormat, n, channels+c, channels)
		}
	}
	return nil
}

// head appends all that stands before the columns, as of sorted ticks.
func (e *TagsEncoder) head(out []byte, channels int, t *Tags) []byte {
	bits := byte(tagsSorted)
	if len(t.Losses) > 0 {
		bits |= tagsLosses
	}
	out = append(out, tagsSchema, bits)
	out = binary.AppendUvarint(out, uint64(channels))
	last := t.Until
	if n := len(t.Ticks); n > 0 {
		last = t.Ticks[n-1]
	}
	out = binary.AppendUvarint(out, last)
	for _, n := range e.totals[:channels] {
		out = binary.AppendUvarint(out, uint64(n))
	}
	out = binary.AppendUvarint(out, zigzag(t.Until-last))
	if len(t.Losses) == 0 {
		return out
	}
	out = binary.AppendUvarint(out, uint64(len(t.Losses)))
	from := uint64(0)
	for _, l := range t.Losses {
		out = binary.AppendUvarint(out, l.From-from)
		out = binary.AppendUvarint(out, l.To-l.From)
		out = binary.AppendUvarint(out, uint64(l.Channel+1))
		known := byte(0)
		if l.Known {
			known = 1
		}
		out = append(out, known)
		if l.Known {
			out = binary.AppendUvarint(out, l.Missing)
		}
		from = l.From
	}
	return out
}
