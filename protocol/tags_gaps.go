package protocol

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// maxGapBits is how many low bits addGaps takes at most.
const maxGapBits = 41

// decodeGaps reads gaps that are coded as Rice and adds them up behind last.
// rising tells that the sums surely did not exceed 2^64 on the way.
func decodeGaps(b []byte, x []uint64, k uint, last uint64) (rest []byte, rising bool, err error) {
	if low, unary, rest, ok := splitRice(b, len(x), k); ok && k <= maxGapBits && len(low) >= int(bitBytes(len(x), k))+8 && !hasEscape(unary) {
		if !addGaps(low, unary, x, k, last) {
			return nil, false, fmt.Errorf("%w: quotients of %d bytes are not those of %d gaps", ErrFormat, len(unary), len(x))
		}
		// The sum of 65,536 gaps below 2^46 is below 2^62: there can have been one wrap at most.
		return rest, x[len(x)-1] >= last, nil
	}
	if rest, err = decodeRice(b, x, k); err != nil {
		return nil, false, err
	}
	for i, z := range x {
		last += z
		x[i] = last
	}
	return rest, false, nil
}

// splitRice finds the parts of n Rice words, where they are whole. low is the
// low bits and all that follows them.
func splitRice(b []byte, n int, k uint) (low, unary, rest []byte, ok bool) {
	u, b, err := parseUvarint(b, "")
	size := bitBytes(n, k)
	if err != nil || size > int64(len(b)) || u > uint64(int64(len(b))-size) {
		return nil, nil, nil, false
	}
	end := int(size) + int(u)
	return b, b[size:end], b[end:], true
}

// hasEscape tells whether some quotient in a bit array may be an escape: whether
// there are escapeQuotient zero bits one after the other.
func hasEscape(unary []byte) bool {
	zeros := 0 // before the word
	for at := 0; at < len(unary); at += 8 {
		word := tailWord(unary[at:])
		if zeros+bits.TrailingZeros64(word) >= escapeQuotient {
			return true
		}
		zeros = bits.LeadingZeros64(word)
		run := ^word // a bit is left where it and as many more as were tried are zeros
		run &= run >> 1
		run &= run >> 2
		run &= run >> 4
		run &= run >> 8
		if run&(run>>16) != 0 {
			// The bytes that the last word does not have are no zeros of the array.
			return len(unary)-at >= 8 || bits.TrailingZeros64(run&(run>>16))+escapeQuotient <= 8*(len(unary)-at)
		}
	}
	return false
}

// addGaps adds up len(x) gaps without escapes: their k low bits,
// from low, which has 8 bytes more than these, and their quotients. It is false when
// there are not as many quotients, or more than 7 bits behind them.
//
// The place of the one bit that ends a quotient is the sum of all quotients so far
// and of as many ones: only the low bits have to be added up.
func addGaps(low, unary []byte, x []uint64, k uint, last uint64) bool {
	step := uint64(1) << k
	mask := step - 1
	bit := uint(0) // where the next low bits begin
	i := 0
	for at := 0; at < len(unary); at += 8 {
		word := tailWord(unary[at:])
		ones := bits.OnesCount64(word)
		if ones > len(x)-i {
			return false
		}
		out := x[i : i+ones]
		quotients := uint64(8*at - i) // of a one bit at the begin of the word
		for k <= 28 && len(out) >= 2 {
			q0 := quotients + uint64(bits.TrailingZeros64(word))
			word &= word - 1
			q1 := quotients + uint64(bits.TrailingZeros64(word)) - 1
			word &= word - 1
			quotients -= 2
			fields := binary.LittleEndian.Uint64(low[bit>>3:]) >> (bit & 7)
			bit += 2 * k
			first := last + fields&mask
			last = first + fields>>(k&63)&mask
			out[0] = q0*step + first
			out[1] = q1*step + last
			out = out[2:]
		}
		for k > 28 && len(out) >= 2 {
			first := last + binary.LittleEndian.Uint64(low[bit>>3:])>>(bit&7)&mask
			bit += k
			last = first + binary.LittleEndian.Uint64(low[bit>>3:])>>(bit&7)&mask
			bit += k
			out[0] = (quotients+uint64(bits.TrailingZeros64(word)))*step + first
			word &= word - 1
			out[1] = (quotients+uint64(bits.TrailingZeros64(word))-1)*step + last
			word &= word - 1
			quotients -= 2
			out = out[2:]
		}
		for j := range out {
			last += binary.LittleEndian.Uint64(low[bit>>3:]) >> (bit & 7) & mask
			bit += k
			out[j] = (quotients+uint64(bits.TrailingZeros64(word)))*step + last
			word &= word - 1
			quotients--
		}
		i += ones
	}
	n := len(unary)
	return i == len(x) && n > 0 && unary[n-1] != 0
}
