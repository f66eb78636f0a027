package protocol

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

var skewedShares = []float64{0.9, 0.05, 0.03, 0.02}

// bitsPerTag encodes tags in frames of so many, and gives what a tag takes with everything.
func bitsPerTag(t testing.TB, e *TagsEncoder, tags *Tags, channels, each int) float64 {
	t.Helper()
	var frame []byte
	size := 0
	for at := 0; at < len(tags.Ticks); at += each {
		to := min(at+each, len(tags.Ticks))
		part := Tags{Ticks: tags.Ticks[at:to], Channels: tags.Channels[at:to], Until: tags.Ticks[to-1]}
		var err error
		if frame, err = e.Append(frame[:0], Header{Stream: 1, Epoch: 1, Seq: 2}, channels, &part); err != nil {
			t.Fatal(err)
		}
		size += len(frame)
	}
	return 8 * float64(size) / float64(len(tags.Ticks))
}

// TestTagsBits is the table of bits for each tag in frames of 65,536, header and
// checksums and all, against the entropy of the same light.
func TestTagsBits(t *testing.T) {
	t.Logf("%-34s %9s %9s %8s", "light", "entropy", "bits/tag", "above")
	for _, tick := range []float64{1e-12, 81e-12} {
		for rate := 1e3; rate < 1.1e8; rate *= 10 {
			for _, c := range []struct {
				name   string
				shares []float64
				most   float64 // percent above the entropy
			}{{"1 channel", equalShares(1), 1}, {"2 equal", equalShares(2), 1}, {"3 equal", equalShares(3), 1}, {"4 equal", equalShares(4), 1},
				{"5 equal", equalShares(5), 1}, {"6 equal", equalShares(6), 1}, {"7 equal", equalShares(7), 1}, {"8 equal", equalShares(8), 1},
				{"0.9/0.05/0.03/0.02", skewedShares, 1.5}} {
				l := poissonLight(fmt.Sprintf("%.0f kcps, %.0f ps, %s", rate/1e3, tick*1e12, c.name), rate, tick, c.shares)
				tags := l.draw(rand.New(rand.NewPCG(1, uint64(rate))), l, 2*MaxTagsFrame)
				bits := bitsPerTag(t, &TagsEncoder{}, tags, len(c.shares), MaxTagsFrame)
				above := 100 * (bits/l.entropy - 1)
				t.Logf("%-34s %9.3f %9.3f %7.2f%%", l.name, l.entropy, bits, above)
				if above > c.most {
					t.Errorf("%s: %.2f %% above the entropy, at most %.1f %%", l.name, above, c.most)
				}
			}
		}
	}
}

// TestTagsBitsOfOtherLight goes on with light that is not that of a lamp.
func TestTagsBitsOfOtherLight(t *testing.T) {
	t.Logf("%-46s %9s %9s %8s", "light", "entropy", "bits/tag", "above")
	four := equalShares(4)
	for _, c := range []struct {
		light light
		most  float64 // percent above the entropy
	}{
		{burstyLight("bursts, 10 Mcps and 100 kcps, 1 ps", 10e6, 1e5, 1e-12, four), 2},
		{burstyLight("bursts, 1 Mcps and 10 kcps, 81 ps", 1e6, 1e4, 81e-12, four), 2},
		{afterpulsingLight("afterpulsing, 5 % in 50 ns, 100 kcps, 1 ps", 1e5, 1e-12, 0.05, 50e-9, four), 1},
		{afterpulsingLight("afterpulsing, 5 % in 50 ns, 1 Mcps, 1 ps", 1e6, 1e-12, 0.05, 50e-9, four), 1},
		{afterpulsingLight("afterpulsing, 5 % in 50 ns, 10 Mcps, 1 ps", 10e6, 1e-12, 0.05, 50e-9, four), 1},
		{pulsedLight("pulses, 80 MHz, 100 ps, 1 Mcps, 1 ps", 1e6, 80e6, 100e-12, 1e-12, four), 2.5},
		{pulsedLight("pulses, 80 MHz, 100 ps, 10 Mcps, 1 ps", 10e6, 80e6, 100e-12, 1e-12, four), 2.5},
		{pulsedLight("pulses, 76.3 MHz, 300 ps, 100 kcps, 81 ps", 1e5, 76.3e6, 300e-12, 81e-12, four), 2.5},
		{pulsedLight("pulses, 1 MHz, 300 ps, 100 kcps, 1 ps", 1e5, 1e6, 300e-12, 1e-12, four), 2.5},
	} {
		tags := c.light.draw(rand.New(rand.NewPCG(1, 9)), c.light, 4*MaxTagsFrame)
		bits := bitsPerTag(t, &TagsEncoder{}, tags, len(c.light.shares), MaxTagsFrame)
		above := 100 * (bits/c.light.entropy - 1)
		t.Logf("%-46s %9.3f %9.3f %7.2f%%", c.light.name, c.light.entropy, bits, above)
		if above > c.most {
			t.Errorf("%s: %.2f %% above the entropy, at most %.1f %%", c.light.name, above, c.most)
		}
	}
}

// TestTagsBitsOfBatches is the table of what tags take in frames that are as long as a
// gateway waits, 20 ms unless it is told otherwise.
func TestTagsBitsOfBatches(t *testing.T) {
	const most = HeaderSize + 40 // bytes of a frame besides its tags
	t.Logf("%-18s %9s %12s %12s %12s", "light", "entropy", "20 ms", "200 ms", "2 s")
	for _, tick := range []float64{1e-12, 81e-12} {
		for rate := 1e3; rate < 1.1e8; rate *= 10 {
			l := poissonLight(fmt.Sprintf("%.0f kcps, %.0f ps", rate/1e3, tick*1e12), rate, tick, equalShares(4))
			tags := l.draw(rand.New(rand.NewPCG(3, uint64(rate))), l, 2*MaxTagsFrame)
			var bits [3]float64
			for i, age := range []float64{0.02, 0.2, 2} {
				each := min(int(rate*age), MaxTagsFrame)
				bits[i] = bitsPerTag(t, &TagsEncoder{}, tags, 4, each)
				if bits[i] > 1.02*l.entropy+8*most/float64(each) {
					t.Errorf("%s, %d tags in a frame: %.2f bits a tag, more than 2 %% above the entropy and %d bytes a frame", l.name, each, bits[i], most)
				}
			}
			t.Logf("%-18s %9.3f %12.3f %12.3f %12.3f", l.name, l.entropy, bits[0], bits[1], bits[2])
		}
	}
}
