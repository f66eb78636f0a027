package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// benchTags is how many tags are encoded and decoded, in frames of 65,536: nine bytes
// each are 64 MiB and a little.
const (
	benchFrames = 114
	benchTags   = benchFrames * MaxTagsFrame
)

// coldMemory drives everything else out of the caches.
type coldMemory []byte

func (m coldMemory) touch() {
	for i := 0; i < len(m); i += 64 {
		m[i]++
	}
}

// race times something and a copy of raw tags of nine bytes, in turns of some frames, in
// buffers that no cache holds. What else the machine does makes frames slower and
// none faster: of each the time counts that a quarter of the frames kept within.
type race struct {
	cold     coldMemory
	from, to []byte
	times    [2][]time.Duration
}

func newRace() *race {
	r := &race{cold: make(coldMemory, 512<<20), from: make([]byte, 9*benchTags), to: make([]byte, 9*benchTags)}
	for i := range r.from {
		r.from[i] = byte(i)
	}
	copy(r.to, r.from)
	return r
}

// run is a benchmark of frame, which is called for each.
func (r *race) run(b *testing.B, frame func(i int)) {
	const raw, turn = 9 * MaxTagsFrame, 19 // frames; 6 turns of each
	r.times[0], r.times[1] = r.times[0][:0], r.times[1][:0]
	for b.Loop() {
		r.cold.touch()
		for first := 0; first < benchFrames; first += turn {
			for what, f := range []func(i int){func(i int) { copy(r.to[i*raw:(i+1)*raw], r.from[i*raw:]) }, frame} {
				for i := first; i < first+turn; i++ {
					begin := time.Now()
					f(i)
					r.times[what] = append(r.times[what], time.Since(begin))
				}
			}
		}
	}
	slices.Sort(r.times[0])
	slices.Sort(r.times[1])
	copied, each := r.times[0][len(r.times[0])/4], r.times[1][len(r.times[1])/4]
	b.ReportMetric(0, "ns/op") // both of them, and the touching
	b.ReportMetric(MaxTagsFrame/each.Seconds()/1e6, "Mtags/s")
	b.ReportMetric(float64(each.Nanoseconds())/MaxTagsFrame, "ns/tag")
	b.ReportMetric(float64(copied.Nanoseconds())/MaxTagsFrame, "copy-ns/tag")
	b.ReportMetric(each.Seconds()/copied.Seconds(), "copies")
}

func reportBits(b *testing.B, size int, entropy float64) {
	bits := 8 * float64(size) / benchTags
	b.ReportMetric(bits, "bits/tag")
	b.ReportMetric(100*(bits/entropy-1), "%above")
}

// BenchmarkTags is the speed of one core in frames of 65,536 tags, checksums and all.
// "copies" is how often raw tags of nine bytes could have been copied meanwhile.
func BenchmarkTags(b *testing.B) {
	four, r := equalShares(4), newRace()
	for _, l := range []light{
		poissonLight("1 channel", 10e6, 1e-12, equalShares(1)),
		poissonLight("2 equal", 10e6, 1e-12, equalShares(2)),
		poissonLight("3 equal", 10e6, 1e-12, equalShares(3)),
		poissonLight("4 equal", 10e6, 1e-12, four),
		poissonLight("8 equal", 10e6, 1e-12, equalShares(8)),
		poissonLight("16 equal", 10e6, 1e-12, equalShares(16)),
		poissonLight("64 equal", 10e6, 1e-12, equalShares(64)),
		poissonLight("4 equal, 81 ps", 10e6, 81e-12, four),
		poissonLight("4 equal, 1 kcps", 1e3, 1e-12, four),
		poissonLight("4 equal, 100 Mcps, 81 ps (thirds)", 100e6, 81e-12, four),
		poissonLight("0.9-0.05-0.03-0.02", 10e6, 1e-12, skewedShares),
		poissonLight("0.4-0.3-0.2-0.1", 10e6, 1e-12, []float64{0.4, 0.3, 0.2, 0.1}),
		burstyLight("bursts", 10e6, 1e5, 1e-12, four),
		afterpulsingLight("afterpulsing", 1e6, 1e-12, 0.05, 50e-9, four),
		pulsedLight("pulses", 1e6, 80e6, 100e-12, 1e-12, four),
	} {
		tags := l.draw(rand.New(rand.NewPCG(1, 2)), l, benchTags)
		benchTagsOf(b, r, l.name, l.entropy, len(l.shares), tags)
		if l.name == "4 equal" {
			for i := 10; i < benchTags; i += 100 {
				tags.Ticks[i], tags.Ticks[i-1] = tags.Ticks[i-1], tags.Ticks[i]
			}
			benchTagsOf(b, r, "4 equal, every 50th out of order", l.entropy, len(l.shares), tags)
		}
	}
}

func benchTagsOf(b *testing.B, r *race, name string, entropy float64, channels int, tags *Tags) {
	const room = 9*MaxTagsFrame + 1000
	var frames [benchFrames][]byte
	memory := make([]byte, benchFrames*room)
	size := 0
	var e TagsEncoder
	encode := func(i int) {
		from, to := i*MaxTagsFrame, (i+1)*MaxTagsFrame
		part := Tags{Ticks: tags.Ticks[from:to], Channels: tags.Channels[from:to], Until: tags.Ticks[to-1]}
		var err error
		if frames[i], err = e.Append(memory[i*room:i*room:(i+1)*room], Header{Stream: 1, Epoch: 1, Seq: uint64(i)}, channels, &part); err != nil {
			b.Fatal(err)
		}
	}
	for i := range benchFrames {
		encode(i)
		size += len(frames[i])
	}
	b.Run("encode/"+name, func(b *testing.B) {
		r.run(b, encode)
		reportBits(b, size, entropy)
	})
	out := Tags{Ticks: make([]uint64, benchTags), Channels: make([]uint8, benchTags)}
	var d TagsDecoder
	decode := func(i int) {
		h, payload, _, err := ParseFrame(frames[i])
		if err != nil {
			b.Fatal(err)
		}
		at := i * MaxTagsFrame
		part := Tags{Ticks: out.Ticks[at:at], Channels: out.Channels[at:at]}
		if err := d.Decode(h, payload, &part); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("decode/"+name, func(b *testing.B) {
		r.run(b, decode)
	})
	for i := range benchFrames {
		decode(i)
	}
	if !slices.Equal(out.Ticks, tags.Ticks) || !slices.Equal(out.Channels, tags.Channels) {
		b.Fatal("other tags come back")
	}
}
