package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// benchTags is how many tags are encoded and decoded: nine bytes each are 64 MiB and
// a little, and the buffers are not in any cache when their turn comes again.
const benchTags = 114 * MaxTagsFrame

// coldMemory drives everything else out of the caches.
type coldMemory []byte

func (m coldMemory) touch() {
	for i := 0; i < len(m); i += 64 {
		m[i]++
	}
}

// rawCopyTime is how long it takes to copy benchTags raw tags of nine bytes between
// buffers that no cache holds, the middle one of five.
func rawCopyTime(cold coldMemory) time.Duration {
	from, to := make([]byte, 9*benchTags), make([]byte, 9*benchTags)
	for i := range from {
		from[i] = byte(i)
	}
	copy(to, from)
	var all []time.Duration
	for range 5 {
		cold.touch()
		begin := time.Now()
		copy(to, from)
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	return all[2]
}

func reportTags(b *testing.B, size int, copied time.Duration, entropy float64) {
	each := b.Elapsed() / time.Duration(b.N)
	b.SetBytes(9 * benchTags)
	b.ReportMetric(benchTags/each.Seconds()/1e6, "Mtags/s")
	b.ReportMetric(float64(each.Nanoseconds())/benchTags, "ns/tag")
	b.ReportMetric(each.Seconds()/copied.Seconds(), "copies")
	b.ReportMetric(8*float64(size)/benchTags, "bits/tag")
	b.ReportMetric(100*(8*float64(size)/benchTags/entropy-1), "%above")
}

// BenchmarkTags is the speed of one core on cold buffers, in frames of 65,536 tags,
// checksums and all, and how often raw tags of nine bytes could have been copied meanwhile.
func BenchmarkTags(b *testing.B) {
	cold := make(coldMemory, 512<<20)
	copied := rawCopyTime(cold)
	b.Logf("copy of raw tags: %.2f ns/tag", float64(copied.Nanoseconds())/benchTags)
	for _, l := range []light{
		poissonLight("1 channel", 10e6, 1e-12, equalShares(1)),
		poissonLight("4 equal", 10e6, 1e-12, equalShares(4)),
		poissonLight("8 equal", 10e6, 1e-12, equalShares(8)),
		poissonLight("4 equal, 81 ps", 10e6, 81e-12, equalShares(4)),
		poissonLight("4 equal, 1 kcps", 1e3, 1e-12, equalShares(4)),
		poissonLight("3 equal", 10e6, 1e-12, equalShares(3)),
		poissonLight("skewed", 10e6, 1e-12, skewedShares),
	} {
		tags := l.draw(rand.New(rand.NewPCG(1, 2)), l, benchTags)
		frames := make([]byte, 0, 10*benchTags)
		b.Run("encode/"+l.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				cold.touch()
				b.StartTimer()
				frames = encodeAllTags(b, frames, tags, len(l.shares))
			}
			reportTags(b, len(frames), copied, l.entropy)
		})
		frames = encodeAllTags(b, frames, tags, len(l.shares))
		out := Tags{Ticks: make([]uint64, benchTags), Channels: make([]uint8, benchTags)}
		b.Run("decode/"+l.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				cold.touch()
				b.StartTimer()
				decodeAllTags(b, frames, &out)
			}
			reportTags(b, len(frames), copied, l.entropy)
		})
		if !slices.Equal(out.Ticks, tags.Ticks) || !slices.Equal(out.Channels[:benchTags], tags.Channels) {
			b.Fatal("other tags come back")
		}
	}
}

// encodeAllTags encodes tags in full frames.
func encodeAllTags(b *testing.B, frames []byte, tags *Tags, channels int) []byte {
	var e TagsEncoder
	frames = frames[:0]
	var err error
	for at := 0; at < len(tags.Ticks); at += MaxTagsFrame {
		to := min(at+MaxTagsFrame, len(tags.Ticks))
		part := Tags{Ticks: tags.Ticks[at:to], Channels: tags.Channels[at:to], Until: tags.Ticks[to-1]}
		if frames, err = e.Append(frames, Header{Stream: 1, Epoch: 1, Seq: uint64(at)}, channels, &part); err != nil {
			b.Fatal(err)
		}
	}
	return frames
}

// decodeAllTags decodes frames into the long columns of out.
func decodeAllTags(b *testing.B, frames []byte, out *Tags) {
	var d TagsDecoder
	for at := 0; len(frames) > 0; {
		h, payload, rest, err := ParseFrame(frames)
		if err != nil {
			b.Fatal(err)
		}
		part := Tags{Ticks: out.Ticks[at:at], Channels: out.Channels[at:at]}
		if err := d.Decode(h, payload, &part); err != nil {
			b.Fatal(err)
		}
		at += len(part.Ticks)
		frames = rest
	}
}
