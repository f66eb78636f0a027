package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzFramesOfOneEncoder has one encoder code frames of all kinds of columns one after
// another: what it keeps from one for the next must not show in any of them.
func FuzzFramesOfOneEncoder(f *testing.F) {
	for seed := range uint64(64) { // of lengths at which an encoder keeps something
		f.Add(seed, uint16(250+17*seed), uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, usual uint16, kinds uint8) {
		r := rand.New(rand.NewPCG(seed, 1))
		var e CountsEncoder
		var d CountsDecoder
		channels := 1 + r.IntN(5)
		for frame := range 24 {
			n := 1 + int(usual)%2000
			if r.IntN(4) == 0 {
				n = 1 + r.IntN(700)
			}
			c := Counts{Begin: anyTimes(r, n), Length: make([]int64, n)}
			for i, v := range anyColumn(r, n, r.IntN(3)) {
				c.Length[i] = int64(v % (1 << 40))
			}
			for range channels {
				kind := int(kinds) % 8
				if r.IntN(4) == 0 {
					kind = r.IntN(8)
				}
				c.Values = append(c.Values, anyColumn(r, n, kind))
			}
			bytes, err := e.Append(nil, Header{Stream: 1, Epoch: 1, Seq: uint64(frame + 1)}, &c)
			if err != nil {
				t.Fatalf("frame %d of %d readings: %v", frame, n, err)
			}
			comesBack(t, &d, bytes, &c, frame)
		}
	})
}

// comesBack holds a frame, the n-th of an encoder, against the counts it was made of.
func comesBack(t *testing.T, d *CountsDecoder, frame []byte, c *Counts, n int) {
	t.Helper()
	h, payload, _, err := ParseFrame(frame)
	var got Counts
	if err == nil {
		err = d.Decode(h, payload, &got)
	}
	if err != nil {
		t.Fatalf("frame %d of %d readings: %v", n, len(c.Begin), err)
	}
	if !slices.Equal(got.Begin, c.Begin) || !slices.Equal(got.Length, c.Length) {
		t.Fatalf("frame %d of %d readings: their times are not what they were", n, len(c.Begin))
	}
	for i, want := range c.Values {
		if !slices.Equal(got.Values[i], want) {
			t.Fatalf("frame %d of %d readings: channel %d is not what it was", n, len(c.Begin), i)
		}
	}
}

// anyTimes are begins that rise by equal steps, or nearly so.
func anyTimes(r *rand.Rand, n int) []int64 {
	x := make([]int64, n)
	at, step, jitter := r.Int64N(1<<50), r.Int64N(1<<20), r.Int64N(1+r.Int64N(3)*500)
	for i := range x {
		x[i] = at
		if at += step; jitter > 0 {
			at += r.Int64N(jitter)
		}
	}
	return x
}

// anyColumn is one of eight kinds of columns.
func anyColumn(r *rand.Rand, n, kind int) []uint64 {
	x := make([]uint64, n)
	level := r.Uint64() >> r.IntN(64)
	switch kind {
	case 0:
		for i := range x {
			x[i] = level
		}
	case 1:
		step := uint64(1) // as numbers of readings have it
		if r.IntN(4) == 0 {
			step = r.Uint64() >> r.IntN(64)
		}
		return lineOf(level, step, n)
	case 2:
		return poisson(r, 1+float64(level%5000), n)
	case 3:
		return poisson(r, float64(level%100)/50, n)
	case 4:
		x = poisson(r, float64(level%100), n)
		for i := 1; i < n; i++ {
			x[i] += x[i-1]
		}
	case 5:
		return randomWords(r, n)
	case 6:
		width := r.IntN(64)
		for i := range x {
			x[i] = level + r.Uint64()>>width
		}
	case 7:
		jump := r.IntN(n + 1)
		x = append(lineOf(level, 1, jump), lineOf(level+r.Uint64()>>r.IntN(64), 1, n-jump)...)
	}
	return x
}
