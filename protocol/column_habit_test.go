package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// lineOf are n values that rise by step.
func lineOf(first, step uint64, n int) []uint64 {
	x := make([]uint64, n)
	for i := range x {
		x[i] = first + step*uint64(i)
	}
	return x
}

// Columns coded by habit come back as they were, and take hardly more room than those
// for each of which the best is looked for, also where their character changes.
func TestHabit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type columns func(frame int) []uint64
	steady := func(mean float64) columns { return func(int) []uint64 { return poisson(r, mean, 1000) } }
	for _, c := range []struct {
		name string
		of   columns
		most float64 // above the best, in %
	}{
		{"counts of 0.5", steady(0.5), 1}, {"counts of 10", steady(10), 1}, {"counts of 1000", steady(1000), 1}, {"counts of 1e5", steady(1e5), 1},
		{"a number of each reading", func(f int) []uint64 { return lineOf(uint64(1000*f), 1, 1000) }, 0},
		{"numbers that fall", func(f int) []uint64 { return lineOf(uint64(-2000*f), 1<<64-2, 1000) }, 0},
		{"numbers, one missing in each frame", func(f int) []uint64 {
			return append(lineOf(uint64(1000*f), 1, 500), lineOf(uint64(1000*f+501), 1, 499)...)
		}, 1},
		{"totals", func(f int) []uint64 {
			x := poisson(r, 40, 1000)
			for i := 1; i < len(x); i++ {
				x[i] += x[i-1]
			}
			return x
		}, 1},
		{"a lamp that brightens", func(f int) []uint64 { return poisson(r, 100*float64(f+1), 1000) }, 2},
		{"light that comes and goes", func(f int) []uint64 { return poisson(r, []float64{5, 5, 3000, 3000, 3000, 0.01}[f%6], 1000) }, 2},
		{"another thing each frame", func(f int) []uint64 {
			return [][]uint64{lineOf(7, 3, 400), poisson(r, 20, 2000), lineOf(0, 0, 300), randomWords(r, 256), poisson(r, 2000, 300)}[f%5]
		}, 2},
		{"lengths that jump", func(f int) []uint64 {
			return append(slices.Repeat([]uint64{uint64(900 + 13*f)}, 900), slices.Repeat([]uint64{uint64(5000 + f)}, 100)...)
		}, 2},
		{"long and short", func(f int) []uint64 { return poisson(r, 50, []int{256, 4000, 10, 257}[f%4]) }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var usual, fresh columnEncoder
			var h habit
			size, best := 0, 0
			for f := range 64 {
				x := c.of(f)
				column := usual.appendBy(&h, nil, x)
				back := make([]uint64, len(x))
				if rest, err := decodeColumn(column, back); err != nil || len(rest) > 0 || !slices.Equal(back, x) {
					t.Fatalf("frame %d, codec %#02x: %d bytes left, %v", f, column[0], len(rest), err)
				}
				size += len(column)
				best += len(fresh.append(nil, x))
			}
			above := 100 * (float64(size)/float64(best) - 1)
			t.Logf("%d bytes, %.2f %% above the best", size, above)
			if above > c.most {
				t.Errorf("%d bytes instead of %d: %.2f %% more, at most %.0f %%", size, best, above, c.most)
			}
		})
	}
}

// randomWords are words without any pattern.
func randomWords(r *rand.Rand, n int) []uint64 {
	x := make([]uint64, n)
	for i := range x {
		x[i] = r.Uint64()
	}
	return x
}

// One value that differs is found wherever it stands.
func TestConstantAndLinear(t *testing.T) {
	for n := 1; n < 20; n++ {
		for _, step := range []uint64{0, 1, 1<<64 - 3, 1 << 63} {
			x := lineOf(1<<64-5, step, n)
			if !isLinear(x, step) || isConstant(x) != (step == 0 || n == 1) {
				t.Fatalf("%d values with a step of %d", n, int64(step))
			}
			for i := range x {
				x[i] ^= 1 << 40
				if n > 1 && (isConstant(x) && step != 1<<40 || isLinear(x, step)) {
					t.Fatalf("%d values with a step of %d, value %d off", n, int64(step), i)
				}
				x[i] ^= 1 << 40
			}
		}
	}
}

// A column that goes on by the same step is coded without a look at its words, in
// memory in which those of another column were: of any length it is decoded as it was.
func TestHabitOfALineBesideOthers(t *testing.T) {
	var e CountsEncoder
	var d CountsDecoder
	rng := rand.New(rand.NewPCG(5, 6))
	total := uint64(3)
	for seq, n := range []int{1596, 1598, 1598, 256, 319, 1600, 1598} {
		c := Counts{Values: [][]uint64{make([]uint64, n), make([]uint64, n)}}
		for i := range n {
			c.Begin, c.Length = append(c.Begin, int64(total)*1e8), append(c.Length, 1e8)
			c.Values[0][i], c.Values[1][i] = total, rng.Uint64N(1<<28)
			total++
		}
		frame, err := e.Append(nil, Header{Stream: 1, Epoch: 1, Seq: uint64(seq + 2)}, &c)
		if err != nil {
			t.Fatal(err)
		}
		comesBack(t, &d, frame, &c, seq)
	}
}
