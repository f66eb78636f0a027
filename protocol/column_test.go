package protocol

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// poisson gives n counts of the mean.
func poisson(r *rand.Rand, mean float64, n int) []uint64 {
	x := make([]uint64, n)
	for i := range x {
		x[i] = uint64(math.Max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	return x
}

// columnsOf draws columns of every kind that codecs were made for, and none.
func columnsOf(t *rapid.T) []uint64 {
	n := rapid.IntRange(1, 300).Draw(t, "n")
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
			t.Fatalf("%d values take %d bytes, raw takes %d", len(x), len(b), most)
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

func BenchmarkColumn(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	x := poisson(r, 1000, 1000)
	var e columnEncoder
	col := e.append(nil, x)
	b.Logf("codec %#x %d bytes", col[0], len(col))
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			col = e.append(col[:0], x)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
	b.Run("survey", func(b *testing.B) {
		for b.Loop() {
			surveyOf(x)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
	b.Run("words", func(b *testing.B) {
		for b.Loop() {
			e.words(x, choice{codec: codecRice, ref: 1000})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
	b.Run("threeCosts", func(b *testing.B) {
		for b.Loop() {
			threeCosts(e.z, 5, 511)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
	room := make([]byte, 8000)
	b.Run("packBits", func(b *testing.B) {
		for b.Loop() {
			packBits(room, e.z, 5)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
	b.Run("packUnary", func(b *testing.B) {
		for b.Loop() {
			packUnary(room, e.z, 5, 255)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			decodeColumn(col, x)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
	_, _, z := 0, 0, make([]uint64, 1000)
	b.Run("readUnary", func(b *testing.B) {
		for b.Loop() {
			readUnary(col[len(col)-int((bestRice(e.z[:0], 50, 1).unary)):], z[:0])
		}
	})
	b.Run("mergeBits", func(b *testing.B) {
		for b.Loop() {
			mergeBits(room, z, 5)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
}
