package protocol

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Codecs of channels (SPEC.md, section 13.2).
const (
	channelsRaw = iota
	channelsConstant
	channelsDigits
	channelsSplit
	channelsRuns
)

const (
	maxChannelsDepth = 8 // of splits and runs within each other
)

// decodeChannels reads a column of len(out) channels. spare is as long: both are
// scratch until out is complete. d.words is a stack of scratch.
func (d *TagsDecoder) decodeChannels(b []byte, out, spare []uint8, depth int) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: payload ends before the column", ErrFormat)
	}
	codec, b := b[0], b[1:]
	switch codec {
	case channelsRaw:
		if len(b) < len(out) {
			return nil, fmt.Errorf("%w: %d bytes cannot hold the channels of %d tags", ErrFormat, len(b), len(out))
		}
		copy(out, b)
		return b[len(out):], nil
	case channelsConstant:
		if len(b) == 0 {
			return nil, fmt.Errorf("%w: payload ends before the constant", ErrFormat)
		}
		fill(out, b[0])
		return b[1:], nil
	case channelsDigits:
		return d.decodeDigits(b, out)
	case channelsSplit, channelsRuns:
		if depth == maxChannelsDepth {
			return nil, fmt.Errorf("%w: splits and runs within each other deeper than %d", ErrFormat, maxChannelsDepth)
		}
		if codec == channelsRuns {
			return d.decodeRuns(b, out, spare, depth+1)
		}
		return d.decodeSplit(b, out, spare, depth+1)
	}
	return nil, fmt.Errorf("%w: codec %#02x", ErrUnknown, codec)
}

func fill(out []uint8, c uint8) {
	if len(out) == 0 {
		return
	}
	out[0] = c
	for n := 1; n < len(out); n *= 2 {
		copy(out[n:], out[:n])
	}
}

// decodeEnds reads the number of words and the words of a split or of runs, at most
// so many, of n tags. ends, on top of the stack d.words, are their sums and one more for
// each: where runs end, and one behind the places of a split.
func (d *TagsDecoder) decodeEnds(b []byte, most, n int) (ends []uint64, rest []byte, err error) {
	number, b, err := parseUvarint(b, "number of words")
	if err != nil {
		return nil, nil, err
	}
	if number == 0 || number > uint64(most) {
		return nil, nil, fmt.Errorf("%w: a split or runs of %d, expected 1 to %d", ErrFormat, number, most)
	}
	if len(b) == 0 || b[0] > codecParameter {
		return nil, nil, fmt.Errorf("%w: a split or runs without the parameter of their words", ErrFormat)
	}
	bottom := len(d.words)
	d.words = regrowWords(d.words, bottom+int(number))
	ends = d.words[bottom:]
	rest, rising, err := decodeGaps(b[1:], ends, uint(b[0]), 0)
	if err != nil {
		return nil, nil, err
	}
	if last := ends[len(ends)-1]; last > uint64(n)-number || !rising && !slices.IsSorted(ends) {
		return nil, nil, fmt.Errorf("%w: a split or runs go behind the last of %d tags", ErrFormat, n)
	}
	for i := range ends {
		ends[i] += uint64(i) + 1
	}
	return ends, rest, nil
}

// regrowWords gives s the length n; the elements it had stay.
func regrowWords(s []uint64, n int) []uint64 {
	if cap(s) < n {
		s = append(s[:cap(s)], make([]uint64, n-cap(s))...)
	}
	return s[:n]
}

func (d *TagsDecoder) decodeSplit(b []byte, out, spare []uint8, depth int) (rest []byte, err error) {
	bottom := len(d.words)
	ends, b, err := d.decodeEnds(b, len(out)-1, len(out))
	if err != nil {
		return nil, err
	}
	few := len(ends)
	if b, err = d.decodeChannels(b, spare[:few], out[:few], depth); err != nil {
		return nil, err
	}
	if len(b) >= 2 && b[0] == channelsConstant {
		fill(out, b[1])
		for i, end := range ends {
			out[end-1] = spare[i]
		}
		d.words = d.words[:bottom]
		return b[2:], nil
	}
	if b, err = d.decodeChannels(b, spare[few:], out[few:], depth); err != nil {
		return nil, err
	}
	mergeChannels(out, spare, ends)
	d.words = d.words[:bottom]
	return b, nil
}

// mergeChannels puts the first len(ends) of both to their places in out, one before
// the ends, and the others into what is free.
func mergeChannels(out, both []uint8, ends []uint64) {
	others := both[len(ends):]
	at := 0
	for i, end := range ends {
		n := int(end) - 1 - at
		if n <= 8 && at+8 <= len(out) && len(others) >= 8 {
			// What is written too much is written again.
			binary.LittleEndian.PutUint64(out[at:], binary.LittleEndian.Uint64(others))
		} else {
			copy(out[at:at+n], others)
		}
		others = others[n:]
		out[end-1] = both[i]
		at = int(end)
	}
	copy(out[at:], others)
}

func (d *TagsDecoder) decodeRuns(b []byte, out, spare []uint8, depth int) (rest []byte, err error) {
	bottom := len(d.words)
	ends, b, err := d.decodeEnds(b, len(out), len(out))
	if err != nil {
		return nil, err
	}
	runs := len(ends)
	if ends[runs-1] != uint64(len(out)) {
		return nil, fmt.Errorf("%w: runs of %d tags, there are %d", ErrFormat, ends[runs-1], len(out))
	}
	if b, err = d.decodeChannels(b, spare[:runs], out[:runs], depth); err != nil {
		return nil, err
	}
	at := uint64(0)
	for i, end := range ends {
		fill(out[at:end], spare[i])
		at = end
	}
	d.words = d.words[:bottom]
	return b, nil
}
