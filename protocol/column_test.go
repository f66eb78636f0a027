package protocol

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Columns worked by hand from SPEC.md, section 5.
var handColumns = []struct {
	name, hex string
	values    []uint64
}{
	{"raw", "00 0100000000000000 0000000000000080", []uint64{1, 1 << 63}},
	{"constant", "01 AC02", []uint64{300, 300, 300}}, // 300 = 2 x 128 + 44: 0x80+44, 2
	// Fields 0 1 3 0 of two bits above 5: 00 + 01<<2 + 11<<4 = 4 + 48.
	{"fixed width", "42 05 34", []uint64{5, 6, 8, 5}},
	// z = 0 1 4. Low bits 0 1 0: 2. Quotients 0 0 2 as 1 1 001: 1 + 2 + 16.
	{"rice", "81 0A 01 02 13", []uint64{10, 9, 12}},
	// z = 0 1 2 3 4 5 6, no low bits. In pairs 0 1 are quotient 0, 2 3 are 1; 4 5 6 are 2 3 4:
	// 1 1 01 01 001 0001 00001 as bits 0 1 3 5 8 12 17. Of the pairs 0 1 0 1: 2 + 8.
	{"bell, two pairs", "12 0A 2B1102 0A", []uint64{10, 9, 11, 8, 12, 7, 13}},
	// z = 3 8, a low bit each: 1 0. Quotients 1 and 4: 1 is paired with 0, 4 is stored as 3: 1 0001.
	// Behind the low bits the 1 of the pair: 1 + 4.
	{"bell with low bits", "15 0A 11 05", []uint64{8, 14}},
	// z = 32 33: less one for the pair, 31 is the largest quotient that is none, 32 escapes: bits 31 and 64.
	{"bell, escape", "11 14 000000800000000001 2100000000000000", []uint64{36, 3}},
	// Differences 100 105 96 less the step 100: 0 5 -4, z = 0 10 7. Low bits 0 2 3: 2<<2 + 3<<4.
	// Quotients 0 2 1 as 1 001 01: 1 + 8 + 32. The step is zigzag(100) = 200.
	{"rice of differences", "C2 00 C801 01 38 29", []uint64{100, 205, 301}},
	// z = 32 0: quotient 32 escapes, then 0: bits 32 and 33.
	{"escape", "80 00 05 0000000003 2000000000000000", []uint64{16, 0}},
	// z = 31: the largest quotient that is none.
	{"no escape", "80 00 05 0000008001", []uint64{^uint64(15), 0}},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestColumnsByHand(t *testing.T) {
	for _, c := range handColumns {
		t.Run(c.name, func(t *testing.T) {
			got := make([]uint64, len(c.values))
			rest, err := decodeColumn(unhex(t, c.hex), got)
			if err != nil || len(rest) > 0 {
				t.Fatalf("%v, %d bytes left over", err, len(rest))
			}
			if d := cmp.Diff(c.values, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestColumnOfNothing(t *testing.T) {
	for _, text := range []string{"00", "01 07", "4D 07", "85 07 00", "C5 07 0E 00", "15 07"} {
		rest, err := decodeColumn(unhex(t, text+"AA"), nil)
		if err != nil || len(rest) != 1 {
			t.Errorf("% s: %v, rest % x", text, err, rest)
		}
	}
}

// columnsOf draws columns of every kind that codecs were made for, and none.
func columnsOf(t *rapid.T) []uint64 {
	n := rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(1, 1500)).Draw(t, "n")
	base := rapid.OneOf(rapid.Uint64(), rapid.Just(uint64(0)), rapid.Just(^uint64(0))).Draw(t, "base")
	step := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Max(5000), rapid.Uint64()).Draw(t, "step")
	width := rapid.IntRange(0, 64).Draw(t, "width")
	outliers := rapid.SampledFrom([]int{0, 0, 3, 50}).Draw(t, "outliers in 100")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	x := make([]uint64, n)
	for i := range x {
		x[i] = base + uint64(i)*step
		if width > 0 {
			x[i] += r.Uint64() >> (64 - width)
		}
		if r.IntN(100) < outliers {
			x[i] = r.Uint64() >> r.IntN(64)
		}
	}
	return x
}

func TestColumnRoundTrip(t *testing.T) {
	var e columnEncoder
	rapid.Check(t, func(t *rapid.T) {
		x := columnsOf(t)
		b := e.append(nil, x)
		if most := 1 + 8*len(x); len(b) > most {
			t.Fatalf("codec %#x: %d values take %d bytes, raw takes %d", b[0], len(x), len(b), most)
		}
		got := make([]uint64, len(x))
		rest, err := decodeColumn(append(b, 0xAA, 0x55), got)
		if err != nil || len(rest) != 2 {
			t.Fatalf("codec %#x: rest % x, error %v", b[0], rest, err)
		}
		if d := cmp.Diff(x, got); d != "" {
			t.Fatalf("codec %#x: %s", b[0], d)
		}
	})
}

// TestColumnSizes holds the choice of codec against what each was made for.
func TestColumnSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	counts := poisson(r, 1000, 1000)
	total := make([]uint64, 1000)
	wrapping := make([]uint64, 1000)
	outlier := append([]uint64(nil), counts...)
	outlier[500] = 1 << 40
	dark := poisson(r, 0.1, 1000)
	signed := make([]uint64, 1000)
	var sum uint64 = 1 << 23
	for i, v := range counts {
		sum += v
		total[i] = sum
		wrapping[i] = sum % (1 << 20)
		signed[i] = v - 1000
	}
	for _, c := range []struct {
		name  string
		x     []uint64
		bytes int // the entropy of 1000 counts of mean 1000 is 879 bytes
	}{
		{"counts", counts, 905}, {"running total", total, 915}, {"wrapping total", wrapping, 925}, {"with an outlier", outlier, 935},
		{"dark counts of mean 0.1", dark, 155}, {"signed", signed, 905}, {"constant", make([]uint64, 1000), 2},
	} {
		var e columnEncoder
		b := e.append(nil, c.x)
		t.Logf("%s: codec %#02x, %d bytes", c.name, b[0], len(b))
		if len(b) > c.bytes {
			t.Errorf("%s: %d bytes, expected at most %d", c.name, len(b), c.bytes)
		}
	}
}
