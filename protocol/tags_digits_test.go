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
