package protocol

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// countsOf draws readings with some of the optional columns.
func countsOf(t *rapid.T) *Counts {
	n := rapid.IntRange(1, 50).Draw(t, "n")
	channels := rapid.IntRange(1, 20).Draw(t, "channels")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
	optional := rapid.IntRange(0, 31).Draw(t, "columns")
	wide := uint(rapid.IntRange(0, 63).Draw(t, "bits less"))
	c := &Counts{ValueFlags: make([][]uint8, channels)}
	column := func(bit int) (x []int64) {
		if optional>>bit&1 == 0 {
			return nil
		}
		for range n {
			x = append(x, int64(r.Uint64()>>wide))
		}
		return x
	}
	at := int64(r.Uint64())
	pauses := column(0)
	for i := range n {
		length := int64(r.Uint64() >> wide)
		if pauses != nil {
			at += pauses[i]
		}
		c.Begin, c.Length = append(c.Begin, at), append(c.Length, length)
		at += length
	}
	c.Dead, c.Uncertainty = column(1), column(2)
	if optional>>3&1 > 0 {
		for range n {
			c.Flags = append(c.Flags, r.Uint32()>>min(wide, 31))
		}
	}
	for i := range channels {
		values := make([]uint64, n)
		for j := range values {
			values[j] = r.Uint64() >> wide
			if optional>>4&1 > 0 && i%3 == 1 {
				c.ValueFlags[i] = append(c.ValueFlags[i], uint8(r.Uint32()))
			}
		}
		c.Values = append(c.Values, values)
	}
	return c
}

func TestCountsRoundTrip(t *testing.T) {
	var e CountsEncoder
	var d CountsDecoder
	var got Counts // used again and again: nothing of one frame may show in the next
	rapid.Check(t, func(t *rapid.T) {
		want := countsOf(t)
		frame, err := e.Append([]byte("before"), Header{Stream: 1, Epoch: 2, Seq: 3, Index: 4}, want)
		if err != nil {
			t.Fatal(err)
		}
		h, payload, rest, err := ParseFrame(frame[6:])
		if err != nil || len(rest) > 0 {
			t.Fatalf("%v, %d bytes left over", err, len(rest))
		}
		if h.Time != want.Begin[0] || h.Count != uint32(len(want.Begin)) || h.Type != TypeCounts || h.Seq != 3 || h.Index != 4 {
			t.Fatalf("header %+v", h)
		}
		if err := d.Decode(h, payload, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(withoutZeros(want), &got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

// withoutZeros leaves out columns that are all 0, as a frame does.
func withoutZeros(c *Counts) *Counts {
	out := *c
	if !anySet(c.Dead) {
		out.Dead = nil
	}
	if !anySet(c.Uncertainty) {
		out.Uncertainty = nil
	}
	if !anySet(c.Flags) {
		out.Flags = nil
	}
	out.ValueFlags = make([][]uint8, len(c.Values))
	for i, f := range c.ValueFlags {
		if anySet(f) {
			out.ValueFlags[i] = f
		}
	}
	return &out
}

func TestCountsEncoderRefuses(t *testing.T) {
	one := []int64{1}
	values := [][]uint64{{1}}
	random := make([]uint64, 1<<18)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range random {
		random[i] = r.Uint64()
	}
	many := make([]int64, len(random))
	for _, c := range []struct {
		name string
		c    Counts
		is   error
	}{
		{"no readings", Counts{Values: values}, ErrFormat},
		{"no channels", Counts{Begin: one, Length: one}, ErrFormat},
		{"too many channels", Counts{Begin: one, Length: one, Values: make([][]uint64, MaxChannels+1)}, ErrLimit},
		{"too many values", Counts{Begin: make([]int64, 4097), Values: make([][]uint64, MaxChannels)}, ErrLimit},
		{"lengths lacking", Counts{Begin: one, Values: values}, ErrFormat},
		{"flags too long", Counts{Begin: one, Length: one, Flags: []uint32{1, 2}, Values: values}, ErrFormat},
		{"a channel too short", Counts{Begin: one, Length: one, Values: [][]uint64{{1}, {}}}, ErrFormat},
		{"value flags of too many channels", Counts{Begin: one, Length: one, Values: values, ValueFlags: make([][]uint8, 2)}, ErrFormat},
		{"value flags too long", Counts{Begin: one, Length: one, Values: values, ValueFlags: [][]uint8{{1, 1}}}, ErrFormat},
		{"over 1 MiB", Counts{Begin: many, Length: many, Values: [][]uint64{random, random}}, ErrLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e CountsEncoder
			out, err := e.Append([]byte("as it was"), Header{}, &c.c)
			if !errors.Is(err, c.is) || string(out) != "as it was" {
				t.Errorf("%d bytes, %v, expected %v", len(out), err, c.is)
			}
		})
	}
}

// window is Counts that look at n readings of long columns.
func window(c *Counts, long [][]uint64, begin, n int, gate int64) {
	c.Begin, c.Length = resize(c.Begin, n), resize(c.Length, n)
	for i := range n {
		c.Begin[i], c.Length[i] = int64(begin+i)*gate, gate
	}
	c.Values = resize(c.Values, len(long))
	for i := range long {
		c.Values[i] = long[i][begin : begin+n]
	}
}

func TestCountsSizes(t *testing.T) {
	const channels, readings = 8, 20000
	r := rand.New(rand.NewPCG(1, 2))
	long := make([][]uint64, channels)
	for i := range long {
		long[i] = poisson(r, 1000, readings)
	}
	entropy := poissonEntropy(1000) * channels / 8
	if math.Abs(poissonEntropy(1000)-7.0299) > 0.0001 {
		t.Fatalf("entropy of a count %.4f bits, expected 7.0299", poissonEntropy(1000))
	}
	for _, c := range []struct {
		readings int
		bytes    float64 // for each reading, at most
	}{{1, 120}, {20, 15}, {1000, 1.03 * entropy}} {
		var e CountsEncoder
		var frame []byte
		var counts Counts
		total := 0
		for at := 0; at < readings; at += c.readings {
			window(&counts, long, at, c.readings, 100e6)
			var err error
			if frame, err = e.Append(frame[:0], Header{Stream: 1, Epoch: 1, Seq: 2}, &counts); err != nil {
				t.Fatal(err)
			}
			total += len(frame)
		}
		got := float64(total) / readings
		t.Logf("frames of %4d readings: %6.2f bytes for each reading of %d channels, entropy +%.2f %%", c.readings, got, channels, 100*(got/entropy-1))
		if got > c.bytes {
			t.Errorf("frames of %d readings: %.2f bytes for each, expected at most %.2f", c.readings, got, c.bytes)
		}
	}
}

func TestCountsAllocateNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	long := [][]uint64{poisson(r, 1000, 1000), poisson(r, 3, 1000)}
	var e CountsEncoder
	var d CountsDecoder
	var counts, got Counts
	window(&counts, long, 0, 1000, 100e6)
	frame, err := e.Append(nil, Header{}, &counts)
	if err != nil {
		t.Fatal(err)
	}
	room := make([]byte, 0, len(frame)+64)
	allocs := testing.AllocsPerRun(10, func() {
		out, err := e.Append(room, Header{}, &counts)
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
		t.Errorf("%v allocations to encode and decode a frame", allocs)
	}
}
