package protocol

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

const (
	maxGroup       = 1 << 16 // numbers of a group of digits are below it
	maxGroupDigits = 16
	maxTable       = 1 << 12 // numbers of a group that a decoder makes a table for
)

// digits is how groups of tags are numbers: the digits' base and their number.
type digits struct {
	base, each int
	groups     uint64 // base^each
	width      uint   // bits of a group
}

// digitsOf is the zero value when the base and the number are not allowed.
func digitsOf(base, each int) digits {
	if base < 2 || base > 255 || each < 1 || each > maxGroupDigits {
		return digits{}
	}
	groups := uint64(1)
	for range each {
		if groups *= uint64(base); groups > maxGroup {
			return digits{}
		}
	}
	return digits{base, each, groups, uint(bits.Len64(groups - 1))}
}

// bytes is the length of the bit array of n tags.
func (g digits) bytes(n int) int64 { return bitBytes((n+g.each-1)/g.each, g.width) }

// powerOfTwo tells whether each digit has bits of its own, and how many.
func (g digits) powerOfTwo() (width uint, ok bool) {
	return uint(bits.TrailingZeros(uint(g.base))), g.base&(g.base-1) == 0
}

// lanes move eight digits of 1 to 7 bits between their bytes and a bit array, in three
// steps: each brings the upper half of what are two, four and eight digits to the lower.
type lanes struct {
	one, two, four uint64 // lower halves of every 16, 32 and 64 bits
	width          uint
}

func lanesOf(width uint) lanes {
	low := func(n uint) uint64 { return uint64(1)<<(n*width) - 1 }
	return lanes{low(1) * 0x0001000100010001, low(2) * 0x0000000100000001, low(4), width}
}

// pack brings eight digits, one in each byte, side by side.
func (l lanes) pack(x uint64) uint64 {
	w := l.width
	x = x&l.one | x>>((8-w)&63)&(l.one<<(w&63))
	x = x&l.two | x>>((16-2*w)&63)&(l.two<<(2*w&63))
	return x&l.four | x>>((32-4*w)&63)&(l.four<<(4*w&63))
}

// spread is the way back; it ignores what stands above the digits.
func (l lanes) spread(x uint64) uint64 {
	w := l.width
	x = x&l.four | x<<((32-4*w)&63)&(l.four<<32)
	x = x&l.two | x<<((16-2*w)&63)&(l.two<<16)
	return x&l.one | x<<((8-w)&63)&(l.one<<8)
}

// numbers turns groups of at most eight digits, one in each byte of c, into numbers.
func (g digits) numbers(out []uint64, c []uint8) {
	const twos, fours = 0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF
	base := uint64(g.base)
	square := base * base
	fourth := square * square
	used := ^uint64(0) >> (64 - 8*g.each)
	for i := range out {
		var word uint64
		if len(c) >= 8 {
			word = binary.LittleEndian.Uint64(c) & used
			c = c[g.each:]
		} else {
			word = tailWord(c) & used
			c = c[min(g.each, len(c)):]
		}
		word = word&twos + word>>8&twos*base
		word = word&fours + word>>16&fours*square
		out[i] = word&0xFFFFFFFF + word>>32*fourth
	}
}

// packDigits writes the digits c of some bits each as a bit array to dst, which has
// 8 bytes more than that needs.
func packDigits(dst []byte, c []uint8, width uint) {
	l := lanesOf(width)
	for ; len(c) >= 8; c = c[8:] {
		binary.LittleEndian.PutUint64(dst, l.pack(binary.LittleEndian.Uint64(c)))
		dst = dst[width:]
	}
	binary.LittleEndian.PutUint64(dst, l.pack(tailWord(c)))
}

// spreadDigits reads len(out) digits of some bits each from a bit array.
func spreadDigits(b []byte, out []uint8, width uint) {
	l := lanesOf(width)
	for ; len(out) >= 8 && len(b) >= 8; out = out[8:] {
		binary.LittleEndian.PutUint64(out, l.spread(binary.LittleEndian.Uint64(b)))
		b = b[width:]
	}
	for len(out) > 0 {
		var eight [8]byte
		binary.LittleEndian.PutUint64(eight[:], l.spread(tailWord(b)))
		out = out[copy(out, eight[:]):]
		b = b[min(int(width), len(b)):]
	}
}

// identity tells whether each channel of a palette is the digit itself.
func identity(palette []uint8) bool {
	for i, channel := range palette {
		if int(channel) != i {
			return false
		}
	}
	return true
}

// groupTable is what the numbers of some digits stand for: up to eight channels,
// one in each byte of a word.
type groupTable struct {
	digits  digits
	palette [maxTagChannels]uint8
	words   []uint64
}

// of gives the table for some digits, the same as long as they are.
func (t *groupTable) of(g digits, palette []uint8) []uint64 {
	if g == t.digits && string(palette) == string(t.palette[:len(palette)]) {
		return t.words
	}
	t.digits = g
	copy(t.palette[:], palette)
	t.words = resize(t.words, int(g.groups))
	for i := range t.words {
		number, word := i, uint64(0)
		for j := range g.each {
			word |= uint64(palette[number%g.base]) << (8 * j)
			number /= g.base
		}
		t.words[i] = word
	}
	return t.words
}

func (d *TagsDecoder) decodeDigits(b []byte, out []uint8) (rest []byte, err error) {
	if len(b) < 2 {
		return nil, fmt.Errorf("%w: payload ends within digits", ErrFormat)
	}
	g := digitsOf(int(b[0]), int(b[1]))
	if g.base == 0 {
		return nil, fmt.Errorf("%w: groups of %d digits of base %d", ErrFormat, b[1], b[0])
	}
	if b = b[2:]; int64(len(b)) < int64(g.base)+g.bytes(len(out)) {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d digits of base %d", ErrFormat, len(b), len(out), g.base)
	}
	palette, b := b[:g.base], b[g.base:]
	rest = b[g.bytes(len(out)):]
	if width, ok := g.powerOfTwo(); ok {
		spreadDigits(b, out, width)
		if !identity(palette) {
			for i, digit := range out {
				out[i] = palette[digit]
			}
		}
		return rest, nil
	}
	bit := uint64(0)
	if g.groups <= maxTable && g.each <= 8 {
		table := d.table.of(g, palette)
		for ; len(out) >= 8 && bit>>3+8 <= uint64(len(b)); bit += uint64(g.width) {
			number := binary.LittleEndian.Uint64(b[bit>>3:]) >> (bit & 7) & (1<<g.width - 1)
			if number >= uint64(len(table)) {
				return nil, badGroup(number, g)
			}
			binary.LittleEndian.PutUint64(out, table[number])
			out = out[g.each:]
		}
	}
	for ; len(out) > 0; bit += uint64(g.width) {
		number := bitField(b, bit, g.width)
		if number >= g.groups {
			return nil, badGroup(number, g)
		}
		group := out[:min(g.each, len(out))]
		for j := range group {
			group[j] = palette[number%uint64(g.base)]
			number /= uint64(g.base)
		}
		out = out[len(group):]
	}
	return rest, nil
}

func badGroup(number uint64, g digits) error {
	return fmt.Errorf("%w: a group of digits is %d, expected less than %d", ErrFormat, number, g.groups)
}
