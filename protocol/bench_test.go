package protocol

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Benchmarks run over more memory than caches hold, and measure a memory copy
// of the same values in the same run.
const (
	benchChannels = 8
	benchReadings = 1 << 20 // x 8 channels x 8 bytes = 64 MiB
	benchMean     = 1000
)

func benchValues() [][]uint64 {
	r := rand.New(rand.NewPCG(1, 2))
	long := make([][]uint64, benchChannels)
	for i := range long {
		long[i] = poisson(r, benchMean, benchReadings)
	}
	return long
}

// copyTime is how long a memory copy of all values takes, the best of three.
func copyTime(from, to [][]uint64) time.Duration {
	best := time.Hour
	for range 3 {
		begin := time.Now()
		for i := range from {
			copy(to[i], from[i])
		}
		best = min(best, time.Since(begin))
	}
	return best
}

func report(b *testing.B, size int, copied time.Duration) {
	const values = benchReadings * benchChannels
	each := b.Elapsed() / time.Duration(b.N)
	b.SetBytes(8 * values)
	b.ReportMetric(values/each.Seconds()/1e6, "Mvalues/s")
	b.ReportMetric(float64(each.Nanoseconds())/values, "ns/value")
	b.ReportMetric(each.Seconds()/copied.Seconds(), "copies")
	b.ReportMetric(float64(size)/benchReadings, "B/reading")
	b.ReportMetric(float64(size)/benchReadings*8/(poissonEntropy(benchMean)*benchChannels), "x-entropy")
}

func BenchmarkCounts(b *testing.B) {
	long := benchValues()
	out := make([][]uint64, benchChannels)
	for i := range out {
		out[i] = make([]uint64, benchReadings)
	}
	buffer := make([]byte, 0, 128*benchReadings)
	copied := copyTime(long, out)
	for _, readings := range []int{1, 20, 1000} {
		var encoded []byte
		b.Run(fmt.Sprintf("encode/%d", readings), func(b *testing.B) {
			for b.Loop() {
				encoded = encodeAll(b, buffer, long, readings)
			}
			report(b, len(encoded), copied)
		})
		encoded = encodeAll(b, buffer, long, readings)
		b.Run(fmt.Sprintf("decode/%d", readings), func(b *testing.B) {
			for b.Loop() {
				decodeAll(b, encoded, out)
			}
			report(b, len(encoded), copied)
		})
		for i := range long {
			for j := range long[i] {
				if long[i][j] != out[i][j] {
					b.Fatalf("value %d of channel %d differs", j, i)
				}
			}
		}
	}
}

// encodeAll encodes long in frames of so many readings.
func encodeAll(b *testing.B, buffer []byte, long [][]uint64, readings int) []byte {
	var e CountsEncoder
	var c Counts
	buffer = buffer[:0]
	var err error
	for at := 0; at < benchReadings; at += readings {
		window(&c, long, at, min(readings, benchReadings-at), 1e6)
		if buffer, err = e.Append(buffer, Header{Stream: 1, Epoch: 1, Seq: uint64(at)}, &c); err != nil {
			b.Fatal(err)
		}
	}
	return buffer
}

// decodeAll decodes frames into the long columns out.
func decodeAll(b *testing.B, frames []byte, out [][]uint64) {
	var d CountsDecoder
	c := Counts{Values: make([][]uint64, benchChannels)}
	for at := 0; len(frames) > 0; {
		h, payload, rest, err := ParseFrame(frames)
		if err != nil {
			b.Fatal(err)
		}
		for i := range out {
			c.Values[i] = out[i][at:at:min(at+int(h.Count), benchReadings)]
		}
		if err := d.Decode(h, payload, &c); err != nil {
			b.Fatal(err)
		}
		at += int(h.Count)
		frames = rest
	}
}

// BenchmarkCountsChannels is how the cost grows with channels: frames of 1000 readings.
func BenchmarkCountsChannels(b *testing.B) {
	for _, channels := range []int{1, 8, 64} {
		const readings, each = 1 << 14, 1000
		r := rand.New(rand.NewPCG(1, 2))
		long := make([][]uint64, channels)
		for i := range long {
			long[i] = poisson(r, benchMean, readings)
		}
		var e CountsEncoder
		var d CountsDecoder
		var c Counts
		frames := make([][]byte, (readings+each-1)/each)
		var err error
		encode := func(i int) {
			window(&c, long, i*each, min(each, readings-i*each), 1e6)
			if frames[i], err = e.Append(frames[i][:0], Header{Stream: 1, Epoch: 1, Seq: uint64(i)}, &c); err != nil {
				b.Fatal(err)
			}
		}
		decode := func(i int) {
			h, payload, _, err := ParseFrame(frames[i])
			if err == nil {
				err = d.Decode(h, payload, &c)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		run := func(what string, do func(int)) {
			b.Run(fmt.Sprintf("%d/%s", channels, what), func(b *testing.B) {
				for b.Loop() {
					for i := range frames {
						do(i)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(readings*channels), "ns/value")
			})
		}
		for i := range frames {
			encode(i)
		}
		run("encode", encode)
		c = Counts{} // not the columns that were encoded
		run("decode", decode)
	}
}

// BenchmarkColumn is one warm column: the codec alone.
func BenchmarkColumn(b *testing.B) {
	x := poisson(rand.New(rand.NewPCG(1, 2)), benchMean, 1000)
	var e columnEncoder
	column := e.append(nil, x)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			column = e.append(column[:0], x)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeColumn(column, x); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
	})
}

func BenchmarkChecksum(b *testing.B) {
	data := make([]byte, 64<<20)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	for _, size := range []int{56, 300, 7200, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			at := 0
			for b.Loop() {
				Checksum(data[at : at+size])
				if at += size; at+size > len(data) {
					at = 0
				}
			}
		})
	}
}
