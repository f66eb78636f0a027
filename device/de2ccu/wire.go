package de2ccu

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	endMark      = 0xFF // ends a packet, never data
	counterBytes = 5
	size8        = 8*counterBytes + 1
	size15       = 15*counterBytes + 1

	// maxSegment is how many bytes without an endMark are kept.
	maxSegment = 4096
)

// Bits that are clear in forty bytes of counters, as five words: bit 7 of every
// byte, and the upper half of each fifth one.
const (
	clear0 = 0x808080f080808080
	clear1 = 0x80f080808080f080
	clear2 = 0x80808080f0808080
	clear3 = 0x8080f080808080f0
	clear4 = 0xf080808080f08080
)

// valid reports whether p begins with a packet of the given size. It is the one
// judgement of bytes: detection, resynchronisation and reading all use it.
func valid(p []byte, size int) bool {
	if len(p) < size || p[size-1] != endMark {
		return false
	}
	if size == size8 {
		return valid40((*[40]byte)(p))
	}
	// Fifteen counters are two overlapping runs of eight.
	return valid40((*[40]byte)(p)) && valid40((*[40]byte)(p[size15-1-40:]))
}

// valid40 reports whether p can be eight counters.
func valid40(p *[40]byte) bool {
	le := binary.LittleEndian
	return le.Uint64(p[0:8])&clear0|le.Uint64(p[8:16])&clear1|le.Uint64(p[16:24])&clear2|
		le.Uint64(p[24:32])&clear3|le.Uint64(p[32:40])&clear4 == 0
}

// countValid returns how many packets of the given size buf begins with, at
// most limit.
func countValid(buf []byte, size, limit int) int {
	n := 0
	for n < limit && valid(buf, size) {
		buf = buf[size:]
		n++
	}
	return n
}

// counter returns the counter in the low five bytes of x, which are valid; the
// upper three are ignored.
func counter(x uint64) uint64 {
	pairs := x&0x007f007f | x>>1&0x3f803f80 // fourteen bits in each half
	return pairs&0x3fff | pairs>>2&0x0fffc000 | x>>4&0xf0000000
}

// decode8 appends nothing: it writes the counters of n valid packets of eight
// counters in buf to the first n rows of eight columns.
func decode8(buf []byte, n int, cols [][]uint64) {
	le := binary.LittleEndian
	c0, c1, c2, c3 := cols[0][:n], cols[1][:n], cols[2][:n], cols[3][:n]
	c4, c5, c6, c7 := cols[4][:n], cols[5][:n], cols[6][:n], cols[7][:n]
	for row := range n {
		p := (*[size8]byte)(buf)
		buf = buf[size8:]
		c0[row] = counter(le.Uint64(p[0:8]))
		c1[row] = counter(le.Uint64(p[5:13]))
		c2[row] = counter(le.Uint64(p[10:18]))
		c3[row] = counter(le.Uint64(p[15:23]))
		c4[row] = counter(le.Uint64(p[20:28]))
		c5[row] = counter(le.Uint64(p[25:33]))
		c6[row] = counter(le.Uint64(p[30:38]))
		c7[row] = counter(le.Uint64(p[32:40]) >> 24)
	}
}

// decode15 does the same for fifteen counters.
func decode15(buf []byte, n int, cols [][]uint64) {
	for c := range 15 {
		col := cols[c][:n]
		at, shift := c*counterBytes, 0
		if at+8 > size15 {
			at, shift = size15-8, 8*(c*counterBytes-(size15-8))
		}
		for row := range col {
			col[row] = counter(binary.LittleEndian.Uint64(buf[row*size15+at:]) >> shift)
		}
	}
}

// decode writes the counters of n valid packets to the first n rows of cols.
func decode(buf []byte, size, n int, cols [][]uint64) {
	if n == 0 {
		return
	}
	if size == size8 {
		decode8(buf, n, cols)
		return
	}
	decode15(buf, n, cols)
}

// badSegment returns how many bytes at the begin of buf, which is no packet,
// are to be discarded: up to and including the next endMark. It is 0 when more
// bytes are needed to tell.
func badSegment(buf []byte) int {
	if i := bytes.IndexByte(buf, endMark); i >= 0 {
		return i + 1
	}
	if len(buf) >= maxSegment {
		return len(buf)
	}
	return 0
}

// describe says what is wrong with a discarded segment.
func describe(segment []byte, size int) string {
	data := len(segment)
	ended := data > 0 && segment[data-1] == endMark
	if ended {
		data--
	}
	switch {
	case !ended:
		return fmt.Sprintf("%d bytes without an end mark", data)
	case data == 0:
		return "an end mark with no data before it"
	case data != size-1:
		return fmt.Sprintf("packet of %d data bytes, expected %d", data, size-1)
	default:
		return "packet with a byte no counter contains"
	}
}

// detect looks for the first complete packet after an endMark and returns its
// size and how many bytes of buf lie before the end of it. Sizes lists the
// sizes looked for. Size is 0 when there is none yet.
func detect(buf []byte, sizes ...int) (size, used int) {
	for {
		i := bytes.IndexByte(buf[used:], endMark)
		if i < 0 {
			return 0, used
		}
		used += i + 1
		for _, s := range sizes {
			if valid(buf[used:], s) {
				return s, used + s
			}
		}
	}
}
