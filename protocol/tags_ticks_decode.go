package protocol

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Codecs of ticks that a column of values does not have (SPEC.md, section 13.1).
const (
	codecRising = 0x02
	codecPulses = 0x03

	risingThirds    = 0x40 // in the byte before a block of rising ticks
	risingParameter = 0x3F

	minRisingShift = 6
	maxRisingShift = 16
)

// decodeTicks reads a column of len(x) ticks from the begin of b. d.rising tells
// whether they surely never decrease.
func (d *TagsDecoder) decodeTicks(b []byte, x []uint64) (rest []byte, err error) {
	d.rising = len(b) > 0 && b[0] == codecRising
	if len(b) > 0 && b[0] == codecPulses {
		return d.decodePulses(b[1:], x)
	}
	return d.decodePlainTicks(b, x)
}

// decodePlainTicks is decodeTicks without pulses.
func (d *TagsDecoder) decodePlainTicks(b []byte, x []uint64) (rest []byte, err error) {
	if len(b) > 0 && b[0] == codecRising {
		return d.decodeRising(b[1:], x)
	}
	return decodeColumn(b, x)
}

// decodeRising reads ticks whose differences are unsigned.
func (d *TagsDecoder) decodeRising(b []byte, x []uint64) (rest []byte, err error) {
	if len(b) == 0 || b[0] < minRisingShift || b[0] > maxRisingShift {
		return nil, fmt.Errorf("%w: rising ticks without the length of their blocks, %d to %d", ErrFormat, minRisingShift, maxRisingShift)
	}
	size := 1 << b[0]
	last, b, err := parseUvarint(b[1:], "first tick")
	if err != nil {
		return nil, err
	}
	for len(x) > 0 {
		block := x[:min(size, len(x))]
		if b, err = d.decodeBlock(b, block, last); err != nil {
			return nil, err
		}
		last = block[len(block)-1]
		x = x[len(block):]
	}
	return b, nil
}

// decodeBlock reads one block of rising ticks that go on behind last.
func (d *TagsDecoder) decodeBlock(b []byte, x []uint64, last uint64) (rest []byte, err error) {
	if len(b) == 0 || b[0] > risingThirds|risingParameter {
		return nil, fmt.Errorf("%w: a block of ticks does not begin with its parameter", ErrFormat)
	}
	k := uint(b[0] & risingParameter)
	if b[0]&risingThirds == 0 {
		rest, rising, err := decodeGaps(b[1:], x, k, last)
		d.rising = d.rising && rising
		return rest, err
	}
	d.rising = false
	thirds := b[1:]
	size := (len(x) + 4) / 5
	if len(thirds) < size {
		return nil, fmt.Errorf("%w: %d bytes cannot hold the thirds of %d gaps", ErrFormat, len(thirds), len(x))
	}
	if rest, err = decodeRice(thirds[size:], x, k); err != nil {
		return nil, err
	}
	return rest, addThirds(thirds[:size], x, last)
}

// addThirds turns the words in x, with five thirds in each byte of b, into ticks.
func addThirds(b []byte, x []uint64, last uint64) error {
	var high byte
	for _, v := range b {
		high = max(high, v)
		n := uint64(v)
		five := x[:min(5, len(x))]
		x = x[len(five):]
		for i, w := range five {
			last += 3*w + n%3
			n /= 3
			five[i] = last
		}
	}
	if high >= 243 {
		return fmt.Errorf("%w: a byte of thirds is %d, at most 242", ErrFormat, high)
	}
	return nil
}

// decodePulses reads ticks as numbers of pulses and places within their period.
func (d *TagsDecoder) decodePulses(b []byte, x []uint64) (rest []byte, err error) {
	first, b, err := parseUvarint(b, "first tick")
	if err != nil {
		return nil, err
	}
	period, b, err := parseUvarint(b, "period")
	if err != nil {
		return nil, err
	}
	if len(b) < 4 {
		return nil, fmt.Errorf("%w: payload ends within the fraction of the period", ErrFormat)
	}
	fraction := uint64(binary.LittleEndian.Uint32(b))
	d.pulses = resize(d.pulses, len(x))
	if b, err = d.decodePlainTicks(b[4:], d.pulses); err != nil {
		return nil, fmt.Errorf("pulses: %w", err)
	}
	if b, err = decodeColumn(b, x); err != nil {
		return nil, fmt.Errorf("places in the period: %w", err)
	}
	var all uint64
	for i, p := range d.pulses {
		all |= p
		x[i] += first + p*period + p*fraction>>32
	}
	if bits.Len64(all) > 32 {
		return nil, fmt.Errorf("%w: a number of a pulse is beyond 2^32", ErrFormat)
	}
	return b, nil
}
