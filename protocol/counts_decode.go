package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
)

// CountsDecoder turns counts frames back into Counts. It keeps scratch memory
// between calls; the zero value is ready. It is for one goroutine.
type CountsDecoder struct {
	words []uint64 // a column as words
}

// Decode reads the payload of a counts frame into c, whose memory is used
// again. h must be of the frame's own header, the payload's checksum verified.
// ErrUnknown means that the readings are there but that this version cannot
// decode them; ErrFormat and ErrLimit, that no version could. After an error the
// content of c means nothing.
func (d *CountsDecoder) Decode(h Header, payload []byte, c *Counts) error {
	if err := d.decode(h, payload, c); err != nil {
		return fmt.Errorf("counts frame %d of epoch %d, stream %d: %w", h.Seq, h.Epoch, h.Stream, err)
	}
	return nil
}

func (d *CountsDecoder) decode(h Header, payload []byte, c *Counts) error {
	if err := h.Understood(); err != nil {
		return err
	}
	present, channels, b, err := parseCountsHead(h, payload)
	if err != nil {
		return err
	}
	var mask []byte
	if present&hasValueFlags != 0 {
		size := (channels + 7) / 8
		if len(b) < size {
			return fmt.Errorf("%w: payload ends within the mask of value flags", ErrFormat)
		}
		mask, b = b[:size], b[size:]
	}
	if b, err = d.times(b, present, h, c); err != nil {
		return err
	}
	if b, err = d.channels(b, channels, mask, int(h.Count), c); err != nil {
		return err
	}
	if len(b) > 0 {
		return fmt.Errorf("%w: %d bytes behind the last column", ErrFormat, len(b))
	}
	return nil
}

// parseCountsHead reads what stands before the mask and the columns, and checks
// how many values they hold.
func parseCountsHead(h Header, payload []byte) (present byte, channels int, rest []byte, err error) {
	if h.Type != TypeCounts {
		return 0, 0, nil, fmt.Errorf("%w: a %v frame, expected counts", ErrFormat, h.Type)
	}
	if h.Count == 0 {
		return 0, 0, nil, fmt.Errorf("%w: no readings", ErrFormat)
	}
	if len(payload) < 3 {
		return 0, 0, nil, fmt.Errorf("%w: payload of %d bytes", ErrFormat, len(payload))
	}
	if payload[0] != countsSchema {
		return 0, 0, nil, fmt.Errorf("%w: schema %d of counts", ErrUnknown, payload[0])
	}
	present = payload[1]
	if present&^knownColumns != 0 {
		return 0, 0, nil, fmt.Errorf("%w: columns %#02x", ErrUnknown, present)
	}
	number, size := binary.Uvarint(payload[2:])
	switch {
	case size <= 0:
		return 0, 0, nil, fmt.Errorf("%w: number of channels is no uvarint", ErrFormat)
	case number == 0:
		return 0, 0, nil, fmt.Errorf("%w: no channels", ErrFormat)
	case number > MaxChannels:
		return 0, 0, nil, fmt.Errorf("%w: %d channels, at most %d", ErrLimit, number, MaxChannels)
	case uint64(h.Count) > MaxValues/number:
		return 0, 0, nil, fmt.Errorf("%w: %d readings of %d channels, at most %d values", ErrLimit, h.Count, number, MaxValues)
	}
	return present, int(number), payload[2+size:], nil
}

// times reads the columns that all channels share.
func (d *CountsDecoder) times(b []byte, present byte, h Header, c *Counts) (rest []byte, err error) {
	n := int(h.Count)
	if c.Length, b, err = decodeTimes(d, c.Length, b, n, "lengths"); err != nil {
		return nil, err
	}
	c.Begin = resize(c.Begin, n)
	if present&hasPauses != 0 {
		if c.Begin, b, err = decodeTimes(d, c.Begin, b, n, "pauses"); err != nil {
			return nil, err
		}
		c.Begin[0] = h.Time
		for i := 1; i < n; i++ {
			c.Begin[i] += c.Begin[i-1] + c.Length[i-1]
		}
	} else {
		at := h.Time
		for i, length := range c.Length {
			c.Begin[i] = at
			at += length
		}
	}
	c.Dead, c.Uncertainty, c.Flags = c.Dead[:0], c.Uncertainty[:0], c.Flags[:0]
	if present&hasDead != 0 {
		if c.Dead, b, err = decodeTimes(d, c.Dead, b, n, "dead"); err != nil {
			return nil, err
		}
	}
	if present&hasUncertainty != 0 {
		if c.Uncertainty, b, err = decodeTimes(d, c.Uncertainty, b, n, "uncertainty"); err != nil {
			return nil, err
		}
	}
	if present&hasFlags != 0 {
		if c.Flags, b, err = decodeFlags(d, c.Flags, b, n, math.MaxUint32, "reading flags"); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// channels reads the columns of all channels.
func (d *CountsDecoder) channels(b []byte, channels int, mask []byte, n int, c *Counts) (rest []byte, err error) {
	c.Values = regrow(c.Values, channels)
	c.ValueFlags = regrow(c.ValueFlags, channels)
	for i := range channels {
		if len(b) == 0 {
			return nil, fmt.Errorf("%w: payload ends before channel %d of %d", ErrFormat, i, channels)
		}
		c.Values[i] = resize(c.Values[i], n)
		if b, err = decodeColumn(b, c.Values[i]); err != nil {
			return nil, fmt.Errorf("values of channel %d: %w", i, err)
		}
		c.ValueFlags[i] = c.ValueFlags[i][:0]
		if mask == nil || mask[i/8]>>(i%8)&1 == 0 {
			continue
		}
		if c.ValueFlags[i], b, err = decodeFlags(d, c.ValueFlags[i], b, n, math.MaxUint8, "value flags"); err != nil {
			return nil, fmt.Errorf("channel %d: %w", i, err)
		}
	}
	return b, nil
}

// regrow is resize for columns, whose memory is kept too.
func regrow[T any](s [][]T, n int) [][]T {
	if cap(s) < n {
		s = append(s[:cap(s)], make([][]T, n-cap(s))...)
	}
	return s[:n]
}

func decodeTimes(d *CountsDecoder, to []int64, b []byte, n int, what string) (column []int64, rest []byte, err error) {
	d.words = resize(d.words, n)
	if rest, err = decodeColumn(b, d.words); err != nil {
		return to[:0], nil, fmt.Errorf("%s: %w", what, err)
	}
	to = resize(to, n)
	for i, w := range d.words {
		to[i] = int64(w)
	}
	return to, rest, nil
}

func decodeFlags[T uint32 | uint8](d *CountsDecoder, to []T, b []byte, n int, most uint64, what string) (column []T, rest []byte, err error) {
	d.words = resize(d.words, n)
	if rest, err = decodeColumn(b, d.words); err != nil {
		return to[:0], nil, fmt.Errorf("%s: %w", what, err)
	}
	to = resize(to, n)
	var all uint64
	for i, w := range d.words {
		all |= w
		to[i] = T(w)
	}
	if all > most {
		return to[:0], nil, fmt.Errorf("%s: %w: bits %#x, only %#x can be set", what, ErrFormat, all, most)
	}
	return to, rest, nil
}
