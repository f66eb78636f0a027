package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"
)

// tell is a benchmark that says figures and measures no time: names and values in turns.
func tell(b *testing.B, name string, figures ...any) {
	b.Run(name, func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(0, "ns/op")
		for i := 0; i+1 < len(figures); i += 2 {
			b.ReportMetric(figures[i+1].(float64), figures[i].(string))
		}
	})
}

// BenchmarkTagsSize is what tags take beside the entropy of their light: in frames of
// 65,536, and in the frames of a gateway that waits 20 ms, as it does unless told
// otherwise, 200 ms or 2 s.
func BenchmarkTagsSize(b *testing.B) {
	for _, tick := range []float64{1e-12, 81e-12} {
		for rate := 1e3; rate < 1.1e8; rate *= 10 {
			for _, c := range []struct {
				name   string
				shares []float64
			}{{"1 channel", equalShares(1)}, {"4 equal", equalShares(4)}, {"8 equal", equalShares(8)}, {"64 equal", equalShares(64)}, {"0.9-0.05-0.03-0.02", skewedShares}} {
				l := poissonLight("", rate, tick, c.shares)
				tags := l.draw(rand.New(rand.NewPCG(1, uint64(rate))), l, 2*MaxTagsFrame)
				size := func(each int) float64 {
					return bitsPerTag(b, &TagsEncoder{}, tags, len(c.shares), min(max(each, 1), MaxTagsFrame))
				}
				bits := size(MaxTagsFrame)
				tell(b, fmt.Sprintf("%.0f ps/%.0f kcps/%s", tick*1e12, rate/1e3, c.name), "entropy", l.entropy, "bits/tag", bits, "%above", 100*(bits/l.entropy-1),
					// What few tags wait for where nobody says how long: 4096 of them, or 1 s.
					"bits/tag-default", size(int(max(rate/50, min(rate, 4096)))), "bits/tag-20ms", size(int(rate/50)), "bits/tag-2s", size(int(2*rate)))
			}
		}
	}
	four := equalShares(4)
	for _, l := range []light{
		burstyLight("bursts of 10 Mcps and 100 kcps, 1 ps", 10e6, 1e5, 1e-12, four),
		afterpulsingLight("afterpulsing, 5 % within 50 ns, 1 Mcps, 1 ps", 1e6, 1e-12, 0.05, 50e-9, four),
		pulsedLight("pulsed at 80 MHz, jitter 100 ps, 1 Mcps, 1 ps", 1e6, 80e6, 100e-12, 1e-12, four),
		pulsedLight("pulsed at 76.3 MHz, jitter 300 ps, 100 kcps, 81 ps", 1e5, 76.3e6, 300e-12, 81e-12, four),
	} {
		tags := l.draw(rand.New(rand.NewPCG(1, 9)), l, 4*MaxTagsFrame)
		bits := bitsPerTag(b, &TagsEncoder{}, tags, 4, MaxTagsFrame)
		tell(b, l.name, "entropy", l.entropy, "bits/tag", bits, "%above", 100*(bits/l.entropy-1))
	}
}

// BenchmarkCountsSize is what counts take beside their entropy: frames of 1000 readings of
// eight channels.
func BenchmarkCountsSize(b *testing.B) {
	for _, mean := range []float64{10, 30, 100, 300, 1e3, 1e4, 1e5} {
		r := rand.New(rand.NewPCG(1, uint64(mean)))
		long := make([][]uint64, benchChannels)
		for i := range long {
			long[i] = poisson(r, mean, 20000)
		}
		bits := countsBits(b, long, 1000)
		entropy := poissonEntropy(mean)
		tell(b, fmt.Sprintf("mean %.0f", mean), "entropy", entropy, "bits/count", bits, "%above", 100*(bits/entropy-1))
	}
}

// countsBits is what each count takes in frames of so many readings.
func countsBits(b *testing.B, long [][]uint64, each int) float64 {
	var e CountsEncoder
	var counts Counts
	var frame []byte
	size, n := 0, len(long[0])
	for at := 0; at < n; at += each {
		window(&counts, long, at, min(each, n-at), 100e6)
		var err error
		if frame, err = e.Append(frame[:0], Header{Stream: 1, Epoch: 1, Seq: 2}, &counts); err != nil {
			b.Fatal(err)
		}
		size += len(frame)
	}
	return 8 * float64(size) / float64(n*len(long))
}

// BenchmarkTagsOtherFormats is what the same tags, 10 Mcps on four equal channels, take in
// other formats. Those of zstd are measured where the program is installed.
func BenchmarkTagsOtherFormats(b *testing.B) {
	const many, records = benchTags / 4, 9
	for _, tick := range []float64{1e-12, 81e-12} {
		l := poissonLight("", 10e6, tick, equalShares(4))
		tags := l.draw(rand.New(rand.NewPCG(1, 2)), l, many)
		say := func(name string, bits float64) {
			tell(b, fmt.Sprintf("%.0f ps/%s", tick*1e12, name), "bits/tag", bits, "%above", 100*(bits/l.entropy-1))
		}
		say("entropy", l.entropy)
		say("photongate", bitsPerTag(b, &TagsEncoder{}, tags, 4, MaxTagsFrame))
		say("records of 9 bytes", 8*records)
		say("TTTR records of 32 bits", tttrBits(tags.Ticks))
		raw, deltas := recordsOf(tags)
		say("Arrow IPC", 8*arrowBytes(8*MaxTagsFrame, MaxTagsFrame)/MaxTagsFrame)
		some := raw[:records*MaxTagsFrame]
		say("Arrow IPC with zstd", 8*arrowBytes(zstd(b, "-3", column(some, records, 0, 8)), zstd(b, "-3", column(some, records, 8, 9)))/MaxTagsFrame)
		say("records with zstd, level 3", 8*zstd(b, "-3", raw)/many)
		say("differences by bytes with zstd, level 3", 8*zstd(b, "-3", deltas)/many)
		say("differences by bytes with zstd, level 19", 8*zstd(b, "-19", deltas[:len(deltas)/8])/(many/8)) // it is slow
	}
}

// BenchmarkCountsOtherFormats is the same for readings of eight channels with a mean of
// 1000, and when each began.
func BenchmarkCountsOtherFormats(b *testing.B) {
	const many, each, record = 100_000, 1000, 8 + 4*benchChannels
	r := rand.New(rand.NewPCG(1, 2))
	long := make([][]uint64, benchChannels)
	for i := range long {
		long[i] = poisson(r, benchMean, many)
	}
	entropy := poissonEntropy(benchMean) * benchChannels / 8
	say := func(name string, bytes float64) { tell(b, name, "B/reading", bytes, "%above", 100*(bytes/entropy-1)) }
	say("entropy", entropy)
	say("photongate", countsBits(b, long, each)*benchChannels/8)
	say("records of 40 bytes", record)
	var raw, deltas []byte
	for i := range many {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(i)*100e6)
		for _, x := range long {
			raw = binary.LittleEndian.AppendUint32(raw, uint32(x[i]))
		}
	}
	for _, x := range long { // the differences of the begins are all equal
		deltas = append(deltas, planes(x, 2)...)
	}
	sizes := func(compressed bool, rows int) float64 {
		var buffers []float64
		for c := range benchChannels + 1 {
			from, to := 8+4*(c-1), 8+4*c
			if c == 0 {
				from, to = 0, 8
			}
			part := column(raw[:record*rows], record, from, to)
			if buffers = append(buffers, float64(len(part))); compressed {
				buffers[c] = zstd(b, "-3", part)
			}
		}
		return arrowBytes(buffers...) / float64(rows)
	}
	say("Arrow IPC", sizes(false, 10*each))
	say("Arrow IPC with zstd", sizes(true, 10*each))
	say("records with zstd, level 3", zstd(b, "-3", raw)/many)
	say("differences by bytes with zstd, level 19", zstd(b, "-19", deltas)/many)
}

// arrowBytes is the length of a record batch of an Arrow IPC stream with these buffers, none of
// them for validity: padded to 8 bytes each, behind a message that names them
// (Arrow columnar format, "encapsulated message format"; Message.fbs). In a compressed
// one each buffer begins with its length.
func arrowBytes(buffers ...float64) float64 {
	size := 8.0 + 96 + 32*float64(len(buffers)) // prefix, tables, and for each column a node and two buffers
	for _, n := range buffers {
		size += 8 * float64((int(n)+7)/8)
	}
	return size
}

// column is a part of each record.
func column(records []byte, record, from, to int) []byte {
	var out []byte
	for at := 0; at < len(records); at += record {
		out = append(out, records[at+from:at+to]...)
	}
	return out
}

// planes are the low bytes of words, byte by byte: what compressors like best.
func planes(words []uint64, bytes int) []byte {
	out := make([]byte, 0, bytes*len(words))
	for plane := range bytes {
		for _, w := range words {
			out = append(out, byte(w>>(8*plane)))
		}
	}
	return out
}

// tttrBits is what records of 32 bits with 25 of the time take, and one for each time it
// wraps.
func tttrBits(ticks []uint64) float64 {
	wraps := ticks[len(ticks)-1]>>25 - ticks[0]>>25
	return 32 * (1 + float64(wraps)/float64(len(ticks)))
}

// recordsOf are tags as records of 9 bytes, and as four bytes of differences and the
// channels in blocks, byte by byte.
func recordsOf(tags *Tags) (records, deltas []byte) {
	last := tags.Ticks[0]
	var gaps, channels []uint64
	for i, t := range tags.Ticks {
		records = append(binary.LittleEndian.AppendUint64(records, t), tags.Channels[i])
		gaps, channels = append(gaps, t-last), append(channels, uint64(tags.Channels[i]))
		if last = t; len(gaps) == MaxTagsFrame || i == len(tags.Ticks)-1 {
			deltas = append(append(deltas, planes(gaps, 4)...), planes(channels, 1)...)
			gaps, channels = gaps[:0], channels[:0]
		}
	}
	return records, deltas
}

// zstd is the length of data when the program of that name has compressed it.
func zstd(b *testing.B, level string, data []byte) float64 {
	b.Helper()
	program, err := exec.LookPath("zstd")
	if err != nil {
		b.Skip("no zstd: apt-get install zstd")
	}
	cmd := exec.CommandContext(b.Context(), program, level, "-c", "-q")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	return float64(len(out))
}
