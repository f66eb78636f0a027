package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestDigitsAreBits: digits of 1 to 7 bits stand where packBits, bit by bit, puts them.
func TestDigitsAreBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for width := uint(1); width < 8; width++ {
		for n := range 40 {
			c, fields := make([]uint8, n), make([]uint64, n)
			for i := range c {
				c[i] = uint8(r.IntN(1 << width))
				fields[i] = uint64(c[i])
			}
			got, want := make([]byte, 60), make([]byte, 60)
			packDigits(got, c, width)
			packBits(want, fields, width)
			if !slices.Equal(got, want) {
				t.Fatalf("%d digits of %d bits: % x, expected % x", n, width, got, want)
			}
			out := make([]uint8, n)
			if spreadDigits(got[:bitBytes(n, width)], out, width); !slices.Equal(out, c) {
				t.Fatalf("%d digits of %d bits come back as %v, expected %v", n, width, out, c)
			}
		}
	}
}

// TestHasEscape compares with looking at each bit.
func TestHasEscape(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 20000 {
		b := make([]byte, 1+r.IntN(24))
		run, longest := 0, 0
		b[len(b)-1] = 1 << r.IntN(8)
		for range r.IntN(6) {
			b[r.IntN(len(b))] |= 1 << r.IntN(8)
		}
		for bit := range 8 * len(b) {
			if run++; b[bit/8]>>(bit%8)&1 == 1 {
				longest, run = max(longest, run-1), 0
			}
		}
		if longest >= escapeQuotient {
			found++
		}
		if got := hasEscape(b); got != (longest >= escapeQuotient) {
			t.Fatalf("% x: %v, its longest quotient is %d", b, got, longest)
		}
	}
	if found < 1000 || found > 19000 {
		t.Fatalf("%d of 20000 have one", found)
	}
}

// TestAddGapsCounts: what is too few is not taken for what stood there before.
func TestAddGapsCounts(t *testing.T) {
	low := make([]byte, 100)
	for ones, want := range map[int]bool{15: false, 16: true, 17: false} {
		unary := make([]byte, (ones+7)/8)
		for i := range ones {
			unary[i/8] |= 1 << (i % 8)
		}
		if got := addGaps(low, unary, make([]uint64, 16), 3, 7); got != want {
			t.Errorf("%d quotients for 16 gaps: %v", ones, got)
		}
	}
}
