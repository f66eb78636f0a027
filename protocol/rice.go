package protocol

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// escapeQuotient marks a value that is stored whole, behind the quotients.
const escapeQuotient = 32

func zigzag(d uint64) uint64   { return d<<1 ^ uint64(int64(d)>>63) }
func unzigzag(z uint64) uint64 { return z>>1 ^ -(z & 1) }

// riceCost is what k costs for some words.
type riceCost struct {
	k       uint
	all     uint64 // OR of the words
	unary   int64  // bits of the quotients
	escapes int
}

// bits is the cost of n words, without the parameters and the padding.
func (c riceCost) bits(n int) int64 {
	return int64(n)*int64(c.k) + c.unary + 64*int64(c.escapes)
}

// bytes is the exact cost of n words with the length of the quotients before them.
func (c riceCost) bytes(n int) int64 {
	u := (c.unary + 7) / 8
	return int64(uvarintSize(uint64(u))) + bitBytes(n, c.k) + u + 8*int64(c.escapes)
}

// bestRice finds the k that codes z shortest and its exact cost. mean and all
// are those of z: its mean and the OR of its words. It tries the k around the one that
// would be best for words spread exponentially with this mean; of long columns, on a
// part of them.
func bestRice(z []uint64, mean, all uint64) riceCost {
	if len(z) < 4*maxTried {
		return searchRice(z, mean, all)
	}
	var part [maxTried]uint64
	const runs, run = 8, maxTried / 8
	for i := range runs {
		copy(part[i*run:(i+1)*run], z[i*((len(z)-run)/(runs-1)):])
	}
	return costOf(z, searchRice(part[:], mean, all).k, all)
}

// maxTried is how many words of a long column choose its k.
const maxTried = 128

// searchRice is bestRice on all of z.
func searchRice(z []uint64, mean, all uint64) riceCost {
	guess := uint(bits.Len64(mean - mean>>2)) // log2 of 0.75 mean, rounded up: between log2 of ln 2 x mean and one more
	guess = min(max(guess, 2)-1, 62)
	low, mid, high := threeCosts(z, guess, all)
	n := len(z)
	switch {
	case low.bits(n) < mid.bits(n):
		for low.k > 0 {
			next := costOf(z, low.k-1, all)
			if next.bits(n) >= low.bits(n) {
				break
			}
			low = next
		}
		return low
	case high.bits(n) < mid.bits(n):
		for high.k < 63 {
			next := costOf(z, high.k+1, all)
			if next.bits(n) >= high.bits(n) {
				break
			}
			high = next
		}
		return high
	}
	return mid
}

// threeCosts are the costs of k-1, k and k+1, for 1 <= k <= 62.
func threeCosts(z []uint64, k uint, all uint64) (low, mid, high riceCost) {
	if all>>(k-1) >= escapeQuotient {
		return costOf(z, k-1, all), costOf(z, k, all), costOf(z, k+1, all)
	}
	var a, b, c uint64
	shift := k - 1
	for _, v := range z {
		v >>= shift & 63
		a += v
		b += v >> 1
		c += v >> 2
	}
	n := int64(len(z))
	return riceCost{k - 1, all, n + int64(a), 0}, riceCost{k, all, n + int64(b), 0}, riceCost{k + 1, all, n + int64(c), 0}
}

// costOf is the cost of one k, escapes included.
func costOf(z []uint64, k uint, all uint64) riceCost {
	var unary, escapes uint64
	if all>>k < escapeQuotient {
		for _, v := range z {
			unary += v >> (k & 63)
		}
		return riceCost{k, all, int64(len(z)) + int64(unary), 0}
	}
	for _, v := range z {
		q := min(v>>(k&63), escapeQuotient)
		unary += q
		escapes += q >> 5
	}
	return riceCost{k, all, int64(len(z)) + int64(unary), int(escapes)}
}

// appendRice appends what stands behind the parameters of a Rice column.
func appendRice(dst []byte, z []uint64, c riceCost) []byte {
	lowSize, unarySize := int(bitBytes(len(z), c.k)), int((c.unary+7)/8)
	dst = slices.Grow(dst, int(c.bytes(len(z)))+columnSlack)
	dst = binary.AppendUvarint(dst, uint64(unarySize))
	start := len(dst)
	room := dst[start : start+lowSize+unarySize+8]
	packBits(room, z, c.k)
	packUnary(room[lowSize:], z, c.k, c.all)
	dst = dst[:start+lowSize+unarySize]
	if c.escapes > 0 {
		for _, v := range z {
			if v>>c.k >= escapeQuotient {
				dst = binary.LittleEndian.AppendUint64(dst, v)
			}
		}
	}
	return dst
}

// decodeRice reads what stands behind the parameters of a Rice column into z.
func decodeRice(b []byte, z []uint64, k uint) (rest []byte, err error) {
	u, b, err := parseUvarint(b, "length of the quotients")
	if err != nil {
		return nil, err
	}
	lowSize := bitBytes(len(z), k)
	if lowSize > int64(len(b)) || u > uint64(int64(len(b))-lowSize) {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d values of %d low bits and %d bytes of quotients", ErrFormat, len(b), len(z), k, u)
	}
	low, rest := b, b[int(lowSize)+int(u):]
	all, ok := readUnary(b[lowSize:int(lowSize)+int(u)], z)
	if !ok {
		return nil, fmt.Errorf("%w: quotients of %d bytes are not those of %d values", ErrFormat, u, len(z))
	}
	if all < escapeQuotient {
		mergeBits(low, z, k)
		return rest, nil
	}
	return decodeEscapes(low, rest, z, k)
}

// decodeEscapes goes on with quotients in z of which some are, or exceed, the escape.
func decodeEscapes(low, rest []byte, z []uint64, k uint) ([]byte, error) {
	escapes := 0
	for i, q := range z {
		if q > escapeQuotient {
			return nil, fmt.Errorf("%w: quotient %d of value %d, at most %d", ErrFormat, q, i, escapeQuotient)
		}
		escapes += int(q >> 5)
	}
	if len(rest)/8 < escapes {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d escapes", ErrFormat, len(rest), escapes)
	}
	for i, q := range z {
		if q == escapeQuotient {
			z[i] = binary.LittleEndian.Uint64(rest)
			rest = rest[8:]
			continue
		}
		z[i] = q<<k | bitField(low, uint64(i)*uint64(k), k)
	}
	return rest, nil
}

// uvarintSize is the number of bytes of v as uvarint.
func uvarintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
