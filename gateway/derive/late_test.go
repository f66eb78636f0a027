package derive

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

// What concerns gates that have been given out is said of these, and what comes
// later is flagged: no gate that lacks nothing is.
func TestTooLate(t *testing.T) {
	pairs := []Coincidence{{Of: []int{0, 1}, Window: 20}}
	for _, tc := range []struct {
		name  string
		kinds []Coincidence
		late  func(c *Counter) // gates up to 4 have been given out, and the mark is 530
		told  [][2]uint64
		short []uint64
	}{
		{name: "a tag", late: func(c *Counter) { c.Add([]uint64{240}, []uint8{0}, 550) }, told: [][2]uint64{{2, 3}}},
		{name: "a tag that might be in a coincidence", kinds: pairs, late: func(c *Counter) { c.Add([]uint64{395}, []uint8{0}, 550) }, told: [][2]uint64{{3, 5}}},
		{name: "a tag that might be in one to come", kinds: pairs, late: func(c *Counter) { c.Add([]uint64{495}, []uint8{0}, 550) },
			told: [][2]uint64{{4, 5}}, short: []uint64{5}},
		{name: "a tag in time for its gate, not for coincidences", kinds: pairs, late: func(c *Counter) { c.Add([]uint64{520}, []uint8{0}, 550) }, short: []uint64{5}},
		{name: "a tag that is in no coincidence, in time for its gate", late: func(c *Counter) { c.Add([]uint64{520}, []uint8{0}, 550) }},
		{name: "a tag of before the first gate", late: func(c *Counter) { c.Add([]uint64{20}, []uint8{0}, 550) }},
		{name: "a loss", late: func(c *Counter) { c.Loss(device.Loss{From: 210, To: 401, Channel: 1}) }, told: [][2]uint64{{2, 5}}},
		{name: "a loss up to a border", late: func(c *Counter) { c.Loss(device.Loss{From: 210, To: 400, Channel: -1}) }, told: [][2]uint64{{2, 4}}},
		{name: "a loss of no length", late: func(c *Counter) { c.Loss(device.Loss{From: 300, To: 300, Channel: -1}) }, told: [][2]uint64{{3, 4}}},
		{name: "a loss that goes on", late: func(c *Counter) { c.Loss(device.Loss{From: 0, To: 650, Channel: 1}) },
			told: [][2]uint64{{1, 5}}, short: []uint64{5, 6}},
		{name: "a loss to come", late: func(c *Counter) { c.Loss(device.Loss{From: 600, To: 650, Channel: 1}) }, short: []uint64{6}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, o := collect(t, Config{Channels: 2, Gate: 100, Disorder: 20, Coincidences: tc.kinds})
			c.Add([]uint64{30, 250}, []uint8{0, 0}, 550)
			tc.late(c)
			c.Add(nil, nil, 1000)
			var short []uint64
			for _, g := range o.gates {
				if g.Short {
					short = append(short, g.Index)
				}
			}
			if d := cmp.Diff(o.late, tc.told); d != "" {
				t.Errorf("told (-got +want):\n%s", d)
			}
			if !slices.Equal(short, tc.short) {
				t.Errorf("flagged %v, want %v", short, tc.short)
			}
		})
	}
}

// Whatever comes late by whatever much: a gate that lacks a tag is flagged or told,
// and what is in neither is complete.
func TestNoGateLacksTagsUnsaid(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	told, lacking := 0, 0
	for range 200 {
		cfg := Config{Channels: 2, Gate: 50 + rng.Uint64N(200), Disorder: 10, Delay: []int64{0, rng.Int64N(100) - 50}}
		if rng.IntN(2) == 0 {
			cfg.Coincidences = []Coincidence{{Of: []int{0, 1}, Window: 10}}
		}
		c, o := collect(t, cfg)
		var tags []tag
		until := uint64(1000)
		for range 300 {
			until += rng.Uint64N(60)
			at := until
			if rng.IntN(10) == 0 {
				at -= rng.Uint64N(500)
			}
			tags = append(tags, tag{at, uint8(rng.IntN(2))})
			c.Add([]uint64{at}, []uint8{tags[len(tags)-1].channel}, until)
		}
		want := bruteForce(cfg, tags)
		for _, g := range o.gates {
			late := slices.ContainsFunc(o.late, func(r [2]uint64) bool { return r[0] <= g.Index && g.Index < r[1] })
			w := want[g.Index]
			if w == nil {
				w = make([]uint64, 3)
			}
			if late {
				told++
			}
			if slices.Equal(g.Counts[:2], w[:2]) {
				continue
			}
			lacking++
			if !late {
				t.Fatalf("gate %d lacks tags unsaid: %v, want %v", g.Index, g.Counts, w)
			}
		}
	}
	if lacking == 0 || told < lacking || told > 4*lacking {
		t.Errorf("%d gates lack tags, %d are said to", lacking, told)
	}
}

// What is lost in more stretches than are told apart is one, also when they come in
// any order.
func TestManyLossesInAnyOrder(t *testing.T) {
	c, o := collect(t, Config{Channels: 1, Gate: 100})
	c.Add([]uint64{10, 20}, []uint8{0, 0}, 50)
	for i := range uint64(maxLosses) {
		c.Loss(device.Loss{From: 500_000 - 100*i, To: 500_001 - 100*i, Channel: 0})
	}
	c.Loss(device.Loss{From: 1150, To: 1151, Channel: 0})
	c.Add(nil, nil, 600_000)
	for _, g := range o.gates {
		if want := g.Index >= 11 && g.Index <= 5000; g.Short != want {
			t.Fatalf("gate %d: short %v, want %v", g.Index, g.Short, want)
		}
	}
}
