package derive

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/device"
)

// given is a gate that was given out.
type given struct {
	Index  uint64
	Counts []uint64
	Short  bool
	Absent []bool
}

// collector collects what a counter gives out.
type collector struct {
	gates   []given
	skipped [][2]uint64
	late    [][2]uint64
}

func collect(t testing.TB, cfg Config) (*Counter, *collector) {
	t.Helper()
	o := &collector{}
	c, err := NewCounter(cfg, func(g Gate) {
		o.gates = append(o.gates, given{g.Index, slices.Clone(g.Counts), g.Short, slices.Clone(g.Absent)})
	}, func(from, to uint64) { o.skipped = append(o.skipped, [2]uint64{from, to}) }, func(from, to uint64) { o.late = append(o.late, [2]uint64{from, to}) })
	if err != nil {
		t.Fatal(err)
	}
	return c, o
}

type tag struct {
	tick    uint64
	channel uint8
}

// bruteForce counts by the words of the package's documentation: it takes all tags in
// order of their delayed times, and at each looks for the oldest unused one of every
// other channel that is within half a window.
func bruteForce(cfg Config, tags []tag) map[uint64][]uint64 {
	type delayed struct {
		at      int64
		channel int
	}
	var all []delayed
	for _, g := range tags {
		at := int64(g.tick)
		if cfg.Delay != nil {
			at += cfg.Delay[g.channel]
		}
		all = append(all, delayed{at, int(g.channel)})
	}
	slices.SortStableFunc(all, func(a, b delayed) int { return int(a.at - b.at) })
	counts := map[uint64][]uint64{}
	add := func(at int64, column int) {
		if at < 0 {
			return
		}
		k := uint64(at) / cfg.Gate
		if counts[k] == nil {
			counts[k] = make([]uint64, cfg.Channels+len(cfg.Coincidences))
		}
		counts[k][column]++
	}
	for _, d := range all {
		add(d.at, d.channel)
	}
	for i, co := range cfg.Coincidences {
		unused := map[int][]int64{}
		for _, d := range all {
			if !slices.Contains(co.Of, d.channel) {
				continue
			}
			unused[d.channel] = append(unused[d.channel], d.at)
			found := true
			for _, ch := range co.Of {
				for len(unused[ch]) > 0 && 2*(d.at-unused[ch][0]) > int64(co.Window) {
					unused[ch] = unused[ch][1:]
				}
				found = found && len(unused[ch]) > 0
			}
			if found {
				for _, ch := range co.Of {
					unused[ch] = unused[ch][1:]
				}
				add(d.at, cfg.Channels+i)
			}
		}
	}
	return counts
}

// agree adds tags in pieces, and compares each gate that comes out with brute force.
// It returns how many did.
func agree(t testing.TB, cfg Config, tags []tag, piece func() int) int {
	t.Helper()
	c, o := collect(t, cfg)
	until := uint64(0)
	for rest := tags; len(rest) > 0; {
		n := min(max(piece(), 0), len(rest))
		var ticks []uint64
		var channels []uint8
		for _, g := range rest[:n] {
			ticks, channels = append(ticks, g.tick), append(channels, g.channel)
			until = max(until, g.tick)
		}
		c.Add(ticks, channels, until)
		rest = rest[n:]
	}
	c.Add(nil, nil, until+cfg.Disorder+uint64(c.most-c.least)+2*cfg.Gate)
	want := bruteForce(cfg, tags)
	for i, g := range o.gates {
		if i > 0 && g.Index != o.gates[i-1].Index+1 {
			t.Fatalf("gate %d after gate %d", g.Index, o.gates[i-1].Index)
		}
		w := want[g.Index]
		if w == nil {
			w = make([]uint64, cfg.Channels+len(cfg.Coincidences))
		}
		if g.Short {
			t.Fatalf("gate %d is flagged, and nothing was lost", g.Index)
		}
		if !slices.Equal(g.Counts, w) {
			t.Fatalf("gate %d: got %v, want %v (%+v)", g.Index, g.Counts, w, cfg)
		}
	}
	if len(tags) > 0 {
		last := uint64(0)
		for k := range want {
			last = max(last, k)
		}
		if len(o.gates) > 0 && o.gates[len(o.gates)-1].Index < last {
			t.Fatalf("the last gate is %d, tags are in %d", o.gates[len(o.gates)-1].Index, last)
		}
	}
	return len(o.gates)
}

func TestCountsAgainstBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	gates := 0
	for round := range 300 {
		cfg := Config{Channels: 1 + rng.IntN(5), Gate: 50 + rng.Uint64N(2000), Disorder: rng.Uint64N(40)}
		if rng.IntN(3) > 0 {
			for range cfg.Channels {
				cfg.Delay = append(cfg.Delay, rng.Int64N(400)-200)
			}
		}
		for range rng.IntN(4) {
			of := rng.Perm(cfg.Channels)
			if n := 2 + rng.IntN(3); n <= len(of) {
				cfg.Coincidences = append(cfg.Coincidences, Coincidence{Of: of[:n], Window: rng.Uint64N(120)})
			}
		}
		var tags []tag
		tick := uint64(rng.IntN(5000))
		mean := 1 + rng.Float64()*100
		for range 1500 {
			tick += uint64(rng.ExpFloat64() * mean)
			if rng.IntN(200) == 0 {
				tick += 3 * cfg.Gate // dark for a while
			}
			early := rng.Uint64N(cfg.Disorder + 1)
			tags = append(tags, tag{tick - min(early, tick), uint8(rng.IntN(cfg.Channels))})
		}
		most := []int{1, 7, 100, 1500}[round%4]
		gates += agree(t, cfg, tags, func() int { return rng.IntN(most + 1) })
	}
	if gates < 5000 {
		t.Errorf("only %d gates were compared", gates)
	}
}

// By hand: two channels, a window of 4 ticks, B delayed by -10.
func TestCountsByHand(t *testing.T) {
	cfg := Config{Channels: 2, Gate: 100, Delay: []int64{0, -10}, Coincidences: []Coincidence{{Of: []int{0, 1}, Window: 4}}}
	c, o := collect(t, cfg)
	c.Add([]uint64{5, 8}, []uint8{0, 1}, 90)
	// B at 113 is at 103: two after the A at 101. The next A, at 105, finds it used, and the
	// B at 118 is at 108: three after it, one too many.
	c.Add([]uint64{101, 105, 113, 118, 198, 199}, []uint8{0, 0, 1, 1, 0, 0}, 207)
	c.Add([]uint64{208, 210, 211}, []uint8{1, 1, 0}, 211) // 198 with the A at 198, 200 with that at 199: of gate 2
	c.Add(nil, nil, 410)
	want := []given{
		{1, []uint64{4, 3, 2}, false, make([]bool, 3)},
		{2, []uint64{1, 1, 1}, false, make([]bool, 3)},
		{3, []uint64{0, 0, 0}, false, make([]bool, 3)},
	}
	if d := cmp.Diff(o.gates, want); d != "" {
		t.Errorf("gates (-got +want):\n%s", d)
	}
	if w := cfg.Coincidences[0].Width(); w != 5 {
		t.Errorf("width %d, want 5: differences of -2 to 2", w)
	}
}

// A gate of which tags may be missing says so, whatever is counted in it.
func TestLossesAreFlagged(t *testing.T) {
	cfg := Config{Channels: 2, Gate: 100, Delay: []int64{0, 20}, Coincidences: []Coincidence{{Of: []int{0, 1}, Window: 8}}, Disorder: 10}
	for _, tc := range []struct {
		name   string
		loss   device.Loss
		short  []uint64 // gates
		absent map[uint64][]bool
	}{
		{name: "within a gate", loss: device.Loss{From: 420, To: 430, Channel: -1}, short: []uint64{4}},
		{name: "of no length", loss: device.Loss{From: 450, To: 450, Channel: -1}, short: []uint64{4}},
		{name: "across a border", loss: device.Loss{From: 490, To: 501, Channel: 0}, short: []uint64{4, 5}},
		{name: "close before a border: a coincidence may end behind it", loss: device.Loss{From: 490, To: 497, Channel: 0}, short: []uint64{4, 5}},
		{name: "ends at a border", loss: device.Loss{From: 470, To: 480, Channel: 1}, short: []uint64{4, 5}},
		{name: "with its delay", loss: device.Loss{From: 481, To: 490, Channel: 1}, short: []uint64{5}},
		{name: "a channel for a whole gate", loss: device.Loss{From: 370, To: 490, Channel: 1}, short: []uint64{3, 4, 5},
			absent: map[uint64][]bool{4: {false, true, true}}},
		{name: "all for two gates", loss: device.Loss{From: 380, To: 600, Channel: -1}, short: []uint64{3, 4, 5, 6},
			absent: map[uint64][]bool{4: {true, true, true}, 5: {true, true, true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, o := collect(t, cfg)
			c.Add([]uint64{50, 110}, []uint8{0, 1}, 350)
			c.Loss(tc.loss)
			c.Add(nil, nil, 1000)
			for _, g := range o.gates {
				if g.Short != slices.Contains(tc.short, g.Index) {
					t.Errorf("gate %d: short %v", g.Index, g.Short)
				}
				want := tc.absent[g.Index]
				if want == nil {
					want = make([]bool, 3)
				}
				if !slices.Equal(g.Absent, want) {
					t.Errorf("gate %d: absent %v, want %v", g.Index, g.Absent, want)
				}
			}
			if n := len(o.gates); n < 7 {
				t.Errorf("%d gates", n)
			}
		})
	}
}

func TestGapIsFlagged(t *testing.T) {
	c, o := collect(t, Config{Channels: 1, Gate: 100})
	c.Add([]uint64{10, 150, 250}, []uint8{0, 0, 0}, 260)
	c.Gap(250)
	c.Add([]uint64{420}, []uint8{0}, 720)
	var short []uint64
	for _, g := range o.gates {
		if g.Short {
			short = append(short, g.Index)
		}
	}
	if !slices.Equal(short, []uint64{2, 3, 4}) {
		t.Errorf("flagged gates %v, want 2, 3 and 4", short)
	}
}

// A clock that leaps gives no gates without end, and takes no memory for them.
func TestLeap(t *testing.T) {
	c, o := collect(t, Config{Channels: 1, Gate: 10})
	c.Add([]uint64{5, 25}, []uint8{0, 0}, 31)
	c.Add([]uint64{1 << 61, 1<<61 + 15}, []uint8{0, 0}, 1<<61+100)
	first, last := uint64(0), uint64(0)
	for _, s := range o.skipped {
		if first == 0 {
			first = s[0]
		}
		last = s[1]
	}
	if first == 0 || last < 1<<57 || len(o.gates) > 3*maxGates || cap(c.counts) > 4*maxRows {
		t.Errorf("skipped %v, %d gates, memory for %d", o.skipped, len(o.gates), cap(c.counts))
	}
	n := uint64(0)
	for _, g := range o.gates {
		n += g.Counts[0]
	}
	if n != 3 { // the very first came before the first gate
		t.Errorf("%d tags counted, want 3", n)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{
		{}, {Channels: 300, Gate: 1}, {Channels: 1}, {Channels: 2, Gate: 1, Delay: []int64{1}}, {Channels: 1, Gate: 1, Delay: []int64{1 << 62}},
		{Channels: 2, Gate: 1, Coincidences: []Coincidence{{Of: []int{0}}}},
		{Channels: 2, Gate: 1, Coincidences: []Coincidence{{Of: []int{0, 0}}}},
		{Channels: 2, Gate: 1, Coincidences: []Coincidence{{Of: []int{0, 2}}}},
	} {
		if _, err := NewCounter(cfg, nil, nil, nil); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	c, tags := poisson(t, 4096)
	add := func() { c.Add(tags.tick, tags.channel, tags.move()) }
	for range 100 {
		add()
	}
	if n := testing.AllocsPerRun(50, add); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// poissonTags are tags that can be added again and again, later each time.
type poissonTags struct {
	tick    []uint64
	channel []uint8
	length  uint64
}

// move moves all tags on by their length, and returns where they end.
func (p *poissonTags) move() uint64 {
	for i := range p.tick {
		p.tick[i] += p.length
	}
	return p.tick[len(p.tick)-1]
}

// poisson is 10 million tags a second on four channels, in ticks of 1 ps, with one
// pair and one triple; and their counter, with gates of 1 ms.
func poisson(t testing.TB, n int) (*Counter, *poissonTags) {
	rng := rand.New(rand.NewPCG(1, 1))
	p := &poissonTags{}
	tick := 0.0
	for range n {
		tick += rng.ExpFloat64() * 1e5
		p.tick = append(p.tick, uint64(tick))
		p.channel = append(p.channel, uint8(rng.IntN(4)))
	}
	p.length = uint64(tick) + 1
	c, err := NewCounter(Config{Channels: 4, Gate: 1e9, Delay: []int64{0, 12500, -3000, 400}, Disorder: 1e6,
		Coincidences: []Coincidence{{Of: []int{0, 1}, Window: 2000}, {Of: []int{0, 1, 2}, Window: 2000}}}, func(Gate) {}, func(_, _ uint64) {}, func(_, _ uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

func BenchmarkCounter(b *testing.B) {
	for _, what := range []string{"singles", "one pair", "a pair and a triple"} {
		b.Run(what, func(b *testing.B) {
			c, tags := poisson(b, device.MaxTags)
			cfg := c.cfg
			switch what {
			case "singles":
				cfg.Coincidences = nil
			case "one pair":
				cfg.Coincidences = cfg.Coincidences[:1]
			}
			c, err := NewCounter(cfg, c.give, c.skip, c.late)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				until := tags.move()
				c.Add(tags.tick, tags.channel, until)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/device.MaxTags, "ns/tag")
		})
	}
}

func FuzzCounter(f *testing.F) {
	f.Add([]byte{2, 100, 5, 0, 10, 4, 1, 5, 0, 3, 1, 3, 0, 200, 1, 1})
	f.Add([]byte{4, 30, 0, 20, 250, 9, 0, 0, 1, 0, 2, 1, 3, 0, 0, 255, 2, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 6 || len(b) > 1000 {
			return
		}
		n := 2 + int(b[0]%4)
		cfg := Config{Channels: n, Gate: 1 + uint64(b[1]), Disorder: uint64(b[2] % 32)}
		for i := range n {
			cfg.Delay = append(cfg.Delay, int64(int8(b[3]))*int64(i))
		}
		cfg.Coincidences = []Coincidence{{Of: []int{0, 1}, Window: uint64(b[4])}, {Of: []int{n - 1, 0}, Window: uint64(b[5])}}
		if n > 2 {
			cfg.Coincidences = append(cfg.Coincidences, Coincidence{Of: []int{2, 0, 1}, Window: uint64(b[4] ^ b[5])})
		}
		var tags []tag
		tick := uint64(0)
		for i := 6; i+1 < len(b); i += 2 {
			tick += uint64(b[i+1])
			early := uint64(b[i]>>3) % (cfg.Disorder + 1)
			tags = append(tags, tag{tick - min(early, tick), b[i] % uint8(n)})
		}
		i := 0
		agree(t, cfg, tags, func() int { i++; return int(b[i%len(b)]%9) + i%2 })
	})
}

func ExampleCoincidence_Width() {
	fmt.Println(Coincidence{Of: []int{0, 1}, Window: 2000}.Width(), "ticks")
	// Output: 2001 ticks
}
