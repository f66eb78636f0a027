package protocol

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// hostile are tags that leave nothing to save, or pretend to.
func hostile(r *rand.Rand, n int) map[string]*Tags {
	all := map[string]*Tags{}
	put := func(name string, tick func(i int, last uint64) uint64, channel func(i int) uint8) {
		t := &Tags{}
		last := uint64(0)
		for i := range n {
			last = tick(i, last)
			t.Ticks, t.Channels = append(t.Ticks, last), append(t.Channels, channel(i))
		}
		t.Until = last
		all[name] = t
	}
	any8 := func(int) uint8 { return uint8(r.Uint32()) }
	put("random", func(int, uint64) uint64 { return r.Uint64() }, any8)
	sorted := make([]uint64, n)
	for i := range sorted {
		sorted[i] = r.Uint64()
	}
	slices.Sort(sorted)
	put("sorted", func(i int, _ uint64) uint64 { return sorted[i] }, any8)
	put("far and near", func(i int, last uint64) uint64 { return last + []uint64{1, 1 << 47}[i%2] }, any8)
	put("heavy tail", func(_ int, last uint64) uint64 { return last + r.Uint64()>>(17+r.UintN(47)) }, any8)
	put("back and forth", func(i int, _ uint64) uint64 { return uint64(i%2) << 63 }, func(i int) uint8 { return uint8(i * 7) })
	quiet := func(i, at int) bool { return i < at || i > n-at }
	// What is looked at to choose a codec is tame, the rest is not.
	put("tame begin", func(i int, last uint64) uint64 {
		if quiet(i, n/3) {
			return last + uint64(r.UintN(100))
		}
		return last + r.Uint64()>>18
	}, func(i int) uint8 {
		if quiet(i, n/3) {
			return 0
		}
		return uint8(r.Uint32())
	})
	put("changing channels", func(_ int, last uint64) uint64 { return last + r.Uint64()>>17 }, func(i int) uint8 { return uint8(i & (i >> 8)) })
	return all
}

func TestTagsWorstCase(t *testing.T) {
	const raw = 9.0
	var e TagsEncoder
	for name, tags := range hostile(rand.New(rand.NewPCG(5, 6)), MaxTagsFrame) {
		bits := bitsPerTag(t, &e, tags, 256, MaxTagsFrame)
		t.Logf("%-18s %6.3f bytes a tag", name, bits/8)
		if bits/8 > 1.01*raw {
			t.Errorf("%s: %.3f bytes a tag, at most %.3f", name, bits/8, 1.01*raw)
		}
		encodeAndBack(t, 256, tags)
	}
}

func TestTagsEncoderRefuses(t *testing.T) {
	ticks := []uint64{1, 2}
	for _, c := range []struct {
		name     string
		channels int
		t        Tags
		is       error
	}{
		{"no channels", 0, Tags{}, ErrLimit},
		{"too many channels", 257, Tags{}, ErrLimit},
		{"too many tags", 1, Tags{Ticks: make([]uint64, MaxTagsFrame+1), Channels: make([]uint8, MaxTagsFrame+1)}, ErrLimit},
		{"columns of different lengths", 1, Tags{Ticks: ticks, Channels: []uint8{0}}, ErrFormat},
		{"a channel that there is not", 2, Tags{Ticks: ticks, Channels: []uint8{0, 2}}, ErrFormat},
		{"a loss of a channel that there is not", 2, Tags{Losses: []TagLoss{{Channel: 2}}}, ErrFormat},
		{"a loss of channel -2", 2, Tags{Losses: []TagLoss{{Channel: -2}}}, ErrFormat},
		{"a loss that ends before it begins", 2, Tags{Losses: []TagLoss{{From: 2, To: 1}}}, ErrFormat},
		{"losses that are not in order", 2, Tags{Losses: []TagLoss{{From: 2, To: 3}, {From: 1, To: 3}}}, ErrFormat},
		{"a number that is not known", 2, Tags{Losses: []TagLoss{{Missing: 1}}}, ErrFormat},
		{"over 1 MiB", 2, Tags{Losses: make([]TagLoss, 300000)}, ErrLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e TagsEncoder
			out, err := e.Append([]byte("as it was"), Header{}, c.channels, &c.t)
			if !errors.Is(err, c.is) || string(out) != "as it was" {
				t.Errorf("%d bytes, %v, expected %v", len(out), err, c.is)
			}
		})
	}
}

func TestTagsAllocateNothing(t *testing.T) {
	for _, l := range []light{
		poissonLight("4 equal", 10e6, 81e-12, equalShares(4)), poissonLight("3 equal", 10e6, 81e-12, equalShares(3)),
		poissonLight("thirds", 100e6, 81e-12, equalShares(1)), poissonLight("skewed", 10e6, 81e-12, skewedShares),
		poissonLight("mixed", 10e6, 81e-12, []float64{0.4, 0.3, 0.2, 0.1}), burstyLight("bursts", 10e6, 1e5, 1e-12, equalShares(4)),
		pulsedLight("pulses", 1e6, 80e6, 100e-12, 1e-12, equalShares(4)),
	} {
		shares := l.shares
		tags := l.draw(rand.New(rand.NewPCG(1, 2)), l, 20000)
		var e TagsEncoder
		var d TagsDecoder
		var got Tags
		frame, err := e.Append(nil, Header{}, len(shares), tags)
		if err != nil {
			t.Fatal(err)
		}
		room := make([]byte, 0, len(frame)+9*len(tags.Ticks)+1000)
		allocs := testing.AllocsPerRun(10, func() {
			out, err := e.Append(room, Header{}, len(shares), tags)
			if err != nil {
				t.Fatal(err)
			}
			h, payload, _, err := ParseFrame(out)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Decode(h, payload, &got); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations to encode and decode a frame", l.name, allocs)
		}
	}
}
