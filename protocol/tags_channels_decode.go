package protocol

import (
	"fmt"
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

// decodePlaces reads the number of words and the words of a split or of runs,
// which are on top of the stack d.words; most is the largest number.
func (d *TagsDecoder) decodePlaces(b []byte, most int) (gaps []uint64, rest []byte, err error) {
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
	gaps = d.words[bottom:]
	rest, err = decodeRice(b[1:], gaps, uint(b[0]))
	return gaps, rest, err
}

// regrowWords gives s the length n; the elements it had stay.
func regrowWords(s []uint64, n int) []uint64 {
	if cap(s) < n {
		s = append(s[:cap(s)], make([]uint64, n-cap(s))...)
	}
	return s[:n]
}

func (d *TagsDecoder) decodeSplit(b []byte, out, spare []uint8, depth int) (rest []byte, err error) {
	n, bottom := len(out), len(d.words)
	places, b, err := d.decodePlaces(b, n-1)
	if err != nil {
		return nil, err
	}
	at := uint64(0)
	for i, g := range places {
		if at += g; g >= uint64(n) || at >= uint64(n) {
			return nil, fmt.Errorf("%w: a split puts a tag behind the last of %d", ErrFormat, n)
		}
		places[i] = at
		at++
	}
	few := len(places)
	if b, err = d.decodeChannels(b, spare[:few], out[:few], depth); err != nil {
		return nil, err
	}
	if len(b) >= 2 && b[0] == channelsConstant {
		fill(out, b[1])
		for i, p := range places {
			out[p] = spare[i]
		}
		d.words = d.words[:bottom]
		return b[2:], nil
	}
	if b, err = d.decodeChannels(b, spare[few:], out[few:], depth); err != nil {
		return nil, err
	}
	mergeChannels(out, spare, places)
	d.words = d.words[:bottom]
	return b, nil
}

// mergeChannels puts the first len(places) of both to their places in out, and the
// others into what is free.
func mergeChannels(out, both []uint8, places []uint64) {
	others := both[len(places):]
	at := 0
	for i, p := range places {
		n := copy(out[at:p], others)
		others = others[n:]
		out[p] = both[i]
		at = int(p) + 1
	}
	copy(out[at:], others)
}

func (d *TagsDecoder) decodeRuns(b []byte, out, spare []uint8, depth int) (rest []byte, err error) {
	n, bottom := len(out), len(d.words)
	lengths, b, err := d.decodePlaces(b, n)
	if err != nil {
		return nil, err
	}
	if b, err = d.decodeChannels(b, spare[:len(lengths)], out[:len(lengths)], depth); err != nil {
		return nil, err
	}
	for i, g := range lengths {
		if g >= uint64(len(out)) {
			return nil, fmt.Errorf("%w: runs of more than %d tags", ErrFormat, n)
		}
		fill(out[:g+1], spare[i])
		out = out[g+1:]
	}
	if len(out) > 0 {
		return nil, fmt.Errorf("%w: runs of %d tags, there are %d", ErrFormat, n-len(out), n)
	}
	d.words = d.words[:bottom]
	return b, nil
}
