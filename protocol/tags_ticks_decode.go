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
	thirds := b[1:]
	size := (len(x) + 4) / 5
	if len(thirds) < size {
		return nil, fmt.Errorf("%w: %d bytes cannot hold the thirds of %d gaps", ErrFormat, len(thirds), len(x))
	}
	rest, rising, err := decodeGaps(thirds[size:], x, k, 0)
	if err != nil {
		return nil, err
	}
	err = addThirds(thirds[:size], x, last)
	// The sum of the words is below 2^62: there can have been one wrap at most.
	d.rising = d.rising && rising && x[len(x)-1] >= last
	return rest, err
}

// addThirds turns sums of words in x, with five thirds in each byte of b, into ticks.
func addThirds(b []byte, x []uint64, last uint64) error {
	var high byte
	for len(x) >= 5 {
		five := x[:5:5]
		high = max(high, b[0])
		n := uint64(b[0])
		by3, by9, by27, by81 := n/3, n/9, n/27, n/81
		// Sums of the digits n - 3 by3, by3 - 3 by9, ...
		five[0] = last + 3*five[0] + n - 3*by3
		five[1] = last + 3*five[1] + n - 2*by3 - 3*by9
		five[2] = last + 3*five[2] + n - 2*(by3+by9) - 3*by27
		five[3] = last + 3*five[3] + n - 2*(by3+by9+by27) - 3*by81
		digits := n - 2*(by3+by9+by27+by81)
		five[4] = last + 3*five[4] + digits
		last += digits
		b, x = b[1:], x[5:]
	}
	for _, v := range b {
		high = max(high, v)
		n := uint64(v)
		for i, w := range x {
			last += n % 3
			n /= 3
			x[i] = last + 3*w
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
