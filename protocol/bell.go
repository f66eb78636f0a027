package protocol

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// Bell is Rice for words whose smallest quotients are about equally frequent, as
// where counts scatter around their mean: the 2 s smallest share their codes in pairs
// (SPEC.md, section 5).
const (
	maxBellShift = 11
	maxBellPairs = 3
)

// bellCodec is the first byte of a column; bellParameters is the way back.
func bellCodec(k, s uint) byte { return codecBell + byte(4*k+s) }

func bellParameters(codec byte) (k, s uint) { return uint(codec-codecBell) >> 2, uint(codec) & 3 }

// isBell tells whether a column begins with this byte. Without a pair it would be Rice.
func isBell(codec byte) bool { return codec >= codecBell && codec < codecFixed && codec&3 != 0 }

// bellCost is what k and s cost for some words.
type bellCost struct {
	k, s    uint
	all     uint64 // OR of the quotients as they are stored
	unary   int64  // bits of the quotients
	pairs   int64  // bits that tell the two of a pair apart
	escapes int
}

// bytes is the exact cost of n words.
func (c bellCost) bytes(n int) int64 {
	return (c.unary+7)/8 + (int64(n)*int64(c.k)+c.pairs+7)/8 + 8*int64(c.escapes)
}

// guessBell finds the k and s that code z shortest, from the k that is best for
// Rice, and about how many bits that takes. Many escapes make the guess worse.
func guessBell(z []uint64, rice uint) (k, s uint, size int64) {
	low := max(rice, 1) - 1
	if low > maxBellShift {
		return 0, 0, 1 << 62
	}
	var of [8]int64 // words of this quotient; the last: or of a larger one
	var unary, halves uint64
	for _, v := range z {
		q := min(v>>(low&63), escapeQuotient)
		of[min(q, 7)&7]++
		unary += q
		halves += q >> 1
	}
	n := int64(len(z))
	from := of // words of this quotient or a larger one
	for i := 6; i >= 0; i-- {
		from[i] += from[i+1]
	}
	k, s, size = low, 1, n+int64(unary)+of[0]-from[2]
	if two := n + int64(unary) + of[0] - from[3] - from[4]; two < size {
		s, size = 2, two
	}
	if three := n + int64(unary) + of[0] - from[3] - from[5] - from[6]; three < size {
		s, size = 3, three
	}
	size += n * int64(low)
	if rice >= 1 && rice <= maxBellShift {
		if wide := n*int64(rice) + n + int64(halves) + of[0] + of[1] - from[4]; wide < size {
			return rice, 1, wide
		}
	}
	return k, s, size
}

// bellQuotients makes the quotients of z as they are stored, and gives the exact cost.
func bellQuotients(z, quotients []uint64, k, s uint) bellCost {
	var all, unary, pairs, escapes uint64
	twice := uint64(2 * s)
	for i, v := range z {
		v = min(v>>(k&63), 2*escapeQuotient)
		paired := (v - twice) >> 63 // 1 where it is less than twice
		q := v>>1&-paired | min(v-uint64(s), escapeQuotient)&(paired-1)
		quotients[i] = q
		all |= q
		unary += q
		pairs += paired
		escapes += q >> 5
	}
	return bellCost{k, s, all, int64(len(z)) + int64(unary), int64(pairs), int(escapes)}
}

// appendBell appends what stands behind the reference of a column.
func appendBell(dst []byte, z, quotients []uint64, c bellCost) []byte {
	dst = slices.Grow(dst, int(c.bytes(len(z)))+columnSlack)
	unarySize := int((c.unary + 7) / 8)
	packUnary(dst[len(dst):len(dst)+unarySize+8], quotients, 0, c.all)
	dst = dst[:len(dst)+unarySize]
	low := int64(len(z)) * int64(c.k)
	fields := int((low + c.pairs + 7) / 8)
	packBits(dst[len(dst):len(dst)+fields+8], z, c.k)
	packPairs(dst[len(dst)+int(low/8):len(dst)+fields+8], uint(low%8), z, quotients, c)
	dst = dst[:len(dst)+fields]
	if c.escapes > 0 {
		for i, q := range quotients {
			if q == escapeQuotient {
				dst = binary.LittleEndian.AppendUint64(dst, z[i])
			}
		}
	}
	return dst
}

// packPairs writes which of a pair each quotient is, from a bit of the first byte of
// dst on, which has 8 bytes more than that needs.
func packPairs(dst []byte, fill uint, z, quotients []uint64, c bellCost) {
	acc := uint64(dst[0]) & (1<<fill - 1)
	pos := 0
	for i, q := range quotients {
		paired := (q - uint64(c.s)) >> 63
		acc |= z[i] >> (c.k & 63) & paired << (fill & 63)
		fill += uint(paired)
		if fill == 64 {
			binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
			acc, fill = 0, 0
			pos += 8
		}
	}
	for ; fill > 0; fill -= min(fill, 8) {
		dst[pos] = byte(acc)
		acc >>= 8
		pos++
	}
}

// decodeBell reads what stands behind the codec into x.
func decodeBell(b []byte, x []uint64, k, s uint) (rest []byte, err error) {
	ref, b, err := parseUvarint(b, "reference")
	if err != nil {
		return nil, err
	}
	size := unaryBytes(b, len(x))
	all, ok := readUnary(b[:size], x)
	if !ok {
		return nil, fmt.Errorf("%w: %d bytes do not begin with the quotients of %d values", ErrFormat, len(b), len(x))
	}
	if all > escapeQuotient { // several ORed, or one that is too large
		if i := slices.IndexFunc(x, func(q uint64) bool { return q > escapeQuotient }); i >= 0 {
			return nil, fmt.Errorf("%w: quotient %d of value %d, at most %d", ErrFormat, x[i], i, escapeQuotient)
		}
	}
	low, rest, ok := splitPairs(b[size:], x, k, s)
	if !ok {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d values of %d low bits, and their pairs", ErrFormat, len(b)-size, len(x), k)
	}
	mergeBits(low, x, k)
	if all >= escapeQuotient {
		return decodeBellEscapes(rest, x, ref, k, s)
	}
	for i, z := range x {
		x[i] = ref + unzigzag(z)
	}
	return rest, nil
}

// unaryBytes is how many bytes of b hold n one bits; all, where there are less.
func unaryBytes(b []byte, n int) int {
	at := 0
	for ; n > 64 && at+8 <= len(b); at += 8 {
		n -= bits.OnesCount64(binary.LittleEndian.Uint64(b[at:]))
	}
	for ; n > 0 && at < len(b); at++ {
		n -= bits.OnesCount8(b[at])
	}
	return at
}

// splitPairs makes quotients of those stored in q; the bits that tell pairs apart
// stand behind the low bits at the begin of b.
func splitPairs(b []byte, q []uint64, k, s uint) (low, rest []byte, ok bool) {
	pairs := uint64(0)
	for _, v := range q {
		pairs += (v - uint64(s)) >> 63
	}
	bit := uint64(len(q)) * uint64(k)
	size := (bit + pairs + 7) / 8
	if size > uint64(len(b)) {
		return nil, nil, false
	}
	from := b[bit/8:]
	word, left := tailWord(from)>>(bit%8), 64-bit%8 // bits to come, and how many
	for i, v := range q {
		paired := (v - uint64(s)) >> 63
		q[i] = v + uint64(s) + (v-uint64(s)+word&1)&-paired
		word >>= paired
		if left -= paired; left == 0 {
			from = from[min(8, len(from)):]
			word, left = tailWord(from), 64
		}
	}
	return b, b[size:], true
}

// decodeBellEscapes goes on with zigzag words of which some are escapes.
func decodeBellEscapes(b []byte, x []uint64, ref uint64, k, s uint) (rest []byte, err error) {
	for i, z := range x {
		if z>>k == escapeQuotient+uint64(s) {
			if len(b) < 8 {
				return nil, fmt.Errorf("%w: the payload ends within the escapes", ErrFormat)
			}
			z, b = binary.LittleEndian.Uint64(b), b[8:]
		}
		x[i] = ref + unzigzag(z)
	}
	return b, nil
}
