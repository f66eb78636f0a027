package protocol

import (
	"math/rand/v2"
	"testing"
)

// TestCountsBits is the table of bits for each count in frames of 1000 readings of 8
// channels, header, times and checksums and all, against the entropy. Of counts around 10
// the header alone is 1.5 % of the entropy, the parameters of the columns 1.3 %.
func TestCountsBits(t *testing.T) {
	const channels, readings, each = 8, 20000, 1000
	t.Logf("%9s %9s %11s %8s", "mean", "entropy", "bits/count", "above")
	for _, c := range []struct{ mean, most float64 }{
		{10, 5}, {13, 5}, {18, 5}, {20, 5}, {30, 5}, {56, 5}, {75, 5}, {100, 5}, {300, 5}, {600, 5},
		{1000, 3}, {1300, 3}, {3000, 3}, {1e4, 3}, {3e4, 3}, {1e5, 3},
	} {
		r := rand.New(rand.NewPCG(1, uint64(c.mean)))
		long := make([][]uint64, channels)
		for i := range long {
			long[i] = poisson(r, c.mean, readings)
		}
		var e CountsEncoder
		var frame []byte
		var counts Counts
		size := 0
		for at := 0; at < readings; at += each {
			window(&counts, long, at, each, 100e6)
			var err error
			if frame, err = e.Append(frame[:0], Header{Stream: 1, Epoch: 1, Seq: 2}, &counts); err != nil {
				t.Fatal(err)
			}
			size += len(frame)
		}
		bits, entropy := 8*float64(size)/(channels*readings), poissonEntropy(c.mean)
		above := 100 * (bits/entropy - 1)
		t.Logf("%9.0f %9.3f %11.3f %7.2f%%", c.mean, entropy, bits, above)
		if above > c.most {
			t.Errorf("mean %.0f: %.2f %% above the entropy, at most %.0f %%", c.mean, above, c.most)
		}
	}
}
