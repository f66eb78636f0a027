package protocol

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// packBits writes the low w bits of each value as a bit array (SPEC.md, section
// 1) to dst, which has 8 bytes more than the array needs. w is at most 63.
//
// Each step puts as many fields as fit beside 7 bits left over into one word,
// stores the whole word and moves on by the bytes that are complete: no branch
// depends on where a field begins.
func packBits(dst []byte, values []uint64, w uint) {
	step := uint64(1) << w // times step is a shift by w, and faster than a shift by a variable
	mask := step - 1
	var acc uint64 // bits not yet complete as a byte
	var fill uint  // their number, less than 8 between steps
	pos, i := 0, 0
	switch {
	case w == 0:
		return
	case w <= 14:
		for ; i+4 <= len(values); i += 4 {
			v := values[i : i+4 : i+4]
			fields := ((v[3]&mask*step+v[2]&mask)*step+v[1]&mask)*step + v[0]&mask
			acc |= fields << (fill & 63)
			binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
			fill += 4 * w
			pos += int(fill >> 3)
			acc >>= fill &^ 7 & 63
			fill &= 7
		}
	case w <= 19:
		for ; i+3 <= len(values); i += 3 {
			v := values[i : i+3 : i+3]
			acc |= ((v[2]&mask*step+v[1]&mask)*step + v[0]&mask) << (fill & 63)
			binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
			fill += 3 * w
			pos += int(fill >> 3)
			acc = acc >> 1 >> ((fill&^7 - 1) & 63) // by up to 64
			fill &= 7
		}
	case w <= 28:
		for ; i+2 <= len(values); i += 2 {
			v := values[i : i+2 : i+2]
			acc |= (v[1]&mask*step + v[0]&mask) << (fill & 63)
			binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
			fill += 2 * w
			pos += int(fill >> 3)
			acc >>= fill &^ 7 & 63
			fill &= 7
		}
	case w <= 32:
		for ; i+2 <= len(values); i += 2 { // whole words, not bytes
			v := values[i : i+2 : i+2]
			over, fields := bits.Mul64(v[1]&mask*step+v[0]&mask, 1<<(fill&63))
			acc |= fields
			if fill += 2 * w; fill >= 64 {
				binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
				acc = over
				fill -= 64
				pos += 8
			}
		}
		binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
		pos += int(fill >> 3)
		acc >>= fill &^ 7 & 63
		fill &= 7
	case w <= 56:
		for ; i < len(values); i++ {
			acc |= values[i] & mask << (fill & 63)
			binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
			fill += w
			pos += int(fill >> 3)
			acc >>= fill &^ 7 & 63
			fill &= 7
		}
	}
	for _, v := range values[i:] {
		v &= mask
		acc |= v << (fill & 63)
		binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
		over := v >> 1 >> (63 - fill) // bits that did not fit into acc
		fill += w
		pos += int(fill >> 3)
		if fill >= 64 {
			acc = over
		} else {
			acc >>= fill &^ 7 & 63
		}
		fill &= 7
	}
	binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
}

// bitBytes is the length in bytes of a bit array of n fields of w bits.
func bitBytes(n int, w uint) int64 { return (int64(n)*int64(w) + 7) / 8 }

// mergeBits reads a bit array of len(values) fields of w bits from the begin of
// b, which holds at least the array, and puts each field below what its value has:
// value = value<<w | field. Bytes of b behind the array are read, not used.
func mergeBits(b []byte, values []uint64, w uint) {
	if w == 0 {
		return
	}
	step := uint64(1) << w // times step is a shift by w, and faster than a shift by a variable
	mask := step - 1
	i := 0
	switch {
	case w <= 14:
		for bit := uint(0); i+4 <= len(values) && bit>>3+8 <= uint(len(b)); bit += 4 * w {
			v := values[i : i+4 : i+4]
			word := binary.LittleEndian.Uint64(b[bit>>3:]) >> (bit & 7)
			v[0] = v[0]*step | word&mask
			word >>= w & 63
			v[1] = v[1]*step | word&mask
			word >>= w & 63
			v[2] = v[2]*step | word&mask
			word >>= w & 63
			v[3] = v[3]*step | word&mask
			i += 4
		}
	case w <= 57:
		for bit := uint(0); i < len(values) && bit>>3+8 <= uint(len(b)); bit += w {
			word := binary.LittleEndian.Uint64(b[bit>>3:]) >> (bit & 7)
			values[i] = values[i]*step | word&mask
			i++
		}
	}
	for ; i < len(values); i++ {
		values[i] = values[i]<<(w&63) | bitField(b, uint64(i)*uint64(w), w)
	}
}

// bitField is the field of w bits that begins at a bit of b, near its end or wide.
func bitField(b []byte, bit uint64, w uint) uint64 {
	at, shift := int(bit>>3), uint(bit&7)
	lo, hi := tailWord(b[at:]), uint64(0)
	if shift+w > 64 {
		hi = uint64(b[at+8])
	}
	return (lo>>shift | hi<<1<<(63-shift)) & (uint64(1)<<w - 1)
}

// tailWord is the first 8 bytes of b as a word; bytes that are not there are 0.
func tailWord(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	var word [8]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:])
}

// packUnary writes for each value its quotient v>>k as so many zero bits and a
// one bit, to dst, which has 8 bytes more than that needs. Quotients are at
// most escapeQuotient: larger ones are written as that. all is the OR of the values.
func packUnary(dst []byte, values []uint64, k uint, all uint64) {
	var acc, fill uint64 // as in packBits
	pos, i := 0, 0
	switch most := all >> k; {
	case most == 0:
		for ; i+64 <= len(values); i += 64 {
			binary.LittleEndian.PutUint64(dst[pos:pos+8], math.MaxUint64)
			pos += 8
		}
	case most <= 13: // four fit into 56 bits
		for ; i+4 <= len(values); i += 4 {
			v := values[i : i+4 : i+4]
			p0 := v[0] >> (k & 63)
			p1 := p0 + v[1]>>(k&63) + 1
			p2 := p1 + v[2]>>(k&63) + 1
			p3 := p2 + v[3]>>(k&63) + 1
			ones := uint64(1)<<(p0&63) | uint64(1)<<(p1&63) | uint64(1)<<(p2&63) | uint64(1)<<(p3&63)
			acc |= ones << (fill & 63)
			binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
			fill += p3 + 1
			pos += int(fill >> 3)
			acc >>= fill &^ 7 & 63
			fill &= 7
		}
	case most < escapeQuotient: // four nearly always do
		for ; i+4 <= len(values); i += 4 {
			v := values[i : i+4 : i+4]
			p0 := v[0] >> (k & 63)
			p1 := p0 + v[1]>>(k&63) + 1
			p2 := p1 + v[2]>>(k&63) + 1
			p3 := p2 + v[3]>>(k&63) + 1
			if p3 > 55 {
				for _, v := range v {
					fill += v >> (k & 63)
					acc |= uint64(1) << (fill & 63)
					binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
					fill++
					pos += int(fill >> 3)
					acc >>= fill &^ 7 & 63
					fill &= 7
				}
				continue
			}
			ones := uint64(1)<<(p0&63) | uint64(1)<<(p1&63) | uint64(1)<<(p2&63) | uint64(1)<<(p3&63)
			acc |= ones << (fill & 63)
			binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
			fill += p3 + 1
			pos += int(fill >> 3)
			acc >>= fill &^ 7 & 63
			fill &= 7
		}
	}
	for _, v := range values[i:] {
		q := min(v>>k, escapeQuotient)
		acc |= uint64(1) << ((fill + q) & 63)
		binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
		fill += q + 1
		pos += int(fill >> 3)
		acc >>= fill &^ 7 & 63
		fill &= 7
	}
	binary.LittleEndian.PutUint64(dst[pos:pos+8], acc)
}

// readUnary reads len(q) quotients from the bit array b, which must hold
// exactly so many one bits and less than 8 zero bits after the last. all is the OR
// of the quotients.
func readUnary(b []byte, q []uint64) (all uint64, ok bool) {
	var start uint64 // bit after the last one bit
	i := 0
	for at := 0; at < len(b); at += 8 {
		word := tailWord(b[at:])
		ones := bits.OnesCount64(word)
		if ones > len(q)-i {
			return 0, false
		}
		base := uint64(at) * 8
		out := q[i : i+ones]
		for j := range out {
			bit := base + uint64(bits.TrailingZeros64(word))
			word &= word - 1
			v := bit - start
			start = bit + 1
			all |= v
			out[j] = v
		}
		i += ones
	}
	return all, i == len(q) && uint64(len(b))*8-start < 8
}
