package derive

import "testing"

// Tags come without end, 2^31 of them within minutes: no position grows with them, or
// it would overflow where an int has 32 bits.
func TestPositionsStaySmall(t *testing.T) {
	c, o := collect(t, Config{Channels: 3, Gate: 1000, Disorder: 10, Coincidences: []Coincidence{
		{Of: []int{0, 1}, Window: 4}, {Of: []int{2, 1, 0}, Window: 6},
	}})
	tick := uint64(10)
	for range 200 {
		tick += 300
		c.Add([]uint64{tick, tick + 1, tick + 2}, []uint8{0, 1, 2}, tick+2)
		for i, m := range c.matchers {
			for j, ch := range m.of {
				if at, n := m.at[j], len(c.buffers[ch].times); at < 0 || at > n || n > 3 {
					t.Fatalf("kind %d is at %d of %d times that are held of channel %d", i, at, n, ch)
				}
			}
		}
	}
	pairs, triples := uint64(0), uint64(0)
	for _, g := range o.gates {
		pairs, triples = pairs+g.Counts[3], triples+g.Counts[4]
	}
	if last := o.gates[len(o.gates)-1].Index; last < 58 || pairs < 190 || pairs != triples {
		t.Errorf("%d pairs and %d triples in the gates up to %d", pairs, triples, last)
	}
}
