package device

import (
	"math"
	"slices"
)

// Of what is likely, as far as the place of missing packets is concerned.
const (
	// doubtful is how unlikely a place of a reading must be to be left out of what
	// is stated to be possible.
	doubtful = 1e-5
	// lossRare and lossOften are how likely packets are lost between two others
	// without a trace: as good as never by what is likely, and often by what is
	// possible.
	lossRare  = 1e-5
	lossOften = 1e-2
	// tooEarly is how likely a packet comes before its time by more than a gate's
	// earlyPart, as the line is not quite where it should be, and slightlyEarly by
	// more than its usuallyPart.
	tooEarly      = 1e-9
	earlyPart     = 16
	slightlyEarly = 1e-2
	usuallyPart   = 64
	// fewLevels is up to how many missing packets every number is thought of.
	fewLevels = 16
)

// delays is how late packets usually come, learned from those of which it is known:
// how many within each octave of a gate's sixteenth, the latest hundreds of them.
type delays struct {
	count [16]float64
	total float64
	more  float64 // that came late just now, in ways not known
}

const (
	maxLearned = 256
	// unseen stands in each octave for what has not happened yet, and leak is the
	// part of the two beside it that might as well have come in it.
	unseen = 1.0 / 64
	leak   = 1.0 / 16
	// busier stands in each octave for every held packet that was surely late.
	busier = 1.0
)

// octave returns the number of the one that a delay in gates is in, and its width.
func octave(gates float64) (i int, width float64) {
	if gates < 1.0/8 {
		return 0, 1.0 / 8
	}
	_, e := math.Frexp(gates * 8)
	return e, math.Ldexp(1.0/8, e-1)
}

// learn takes a delay into account.
func (d *delays) learn(gates float64) {
	i, _ := octave(gates)
	d.count[min(i, len(d.count)-1)]++
	if d.total++; d.total >= maxLearned {
		d.total = 0
		for i := range d.count {
			d.count[i] /= 2
			d.total += d.count[i]
		}
	}
}

// density returns how likely a delay is, per gate.
func (d *delays) density(gates float64) float64 {
	i, width := octave(gates)
	n := 0.0
	if i < len(d.count) {
		n += d.count[i]
	}
	if i > 1 && i <= len(d.count) {
		n += leak * d.count[i-1]
	}
	if i > 0 && i+1 < len(d.count) {
		n += leak * d.count[i+1]
	}
	return (n/width + (unseen+d.more)/max(width, 1)) / (d.total + d.more + 1)
}

// place says how many packets are missing before a held reading, of those that the
// bytes do not tell: at the likeliest, at least and at most.
type place struct{ likely, least, most uint64 }

// places tells for each of the first n held readings how many of extra missing
// packets were before it. None comes early, which bounds it from above; that it
// came on time if so many were missing, and else would have been held up by just
// as many gates, makes it likely. How likely delays are is learned: on a computer
// that is never late, those that come just a gate late are surely the next ones,
// and on a busy one several must say so. But the first behind missing ones of which
// there is no other trace is always in doubt: what loses packets may as well have
// held up the one before by just as long. With open, more than extra may be missing
// before the last ones.
func (p *Phase) places(n int, extra uint64, open bool) []place {
	c := chain{p: p, rows: p.arrivals[:n], told: make([]int64, n), free: make([]bool, n), usual: p.usual}
	for _, m := range p.marks {
		if m.row < n {
			c.free[m.row] = true
		}
		for i := m.row; i < n; i++ {
			c.told[i] += int64(float64(m.guess) * p.line.gate)
		}
	}
	if !open {
		c.lineOff(extra)
	}
	c.learnHeld()
	c.chooseLevels(extra, open)
	list := make([]place, n)
	c.loss = lossRare
	c.forward()
	c.backward(extra, true, func(i int, sum []float64) {
		list[i].likely = c.level(sum, 0.5)
	})
	c.loss = lossOften
	c.forward()
	c.backward(extra, false, func(i int, sum []float64) {
		list[i].least = min(c.level(sum, doubtful), list[i].likely)
		list[i].most = max(c.level(sum, 1-doubtful), list[i].likely)
	})
	var before uint64
	for i := range list {
		if l := &list[i]; l.likely > before && !c.free[i] {
			l.least = min(l.least, before)
		}
		before = list[i].likely
	}
	return list
}

// chain weighs how many are missing before each reading, from one to the next
// never less.
type chain struct {
	p      *Phase
	rows   []arrival
	told   []int64 // by how much the bytes explain that it is late
	free   []bool  // bytes were damaged before it
	off    int64   // by how much the line is late, as the last arrivals show
	levels []uint64
	usual  delays
	loss   float64
	ahead  [][]float64
}

// lineOff finds by how much the line is late from the last readings, before which
// all extra ones are missing.
func (c *chain) lineOff(extra uint64) {
	seen := 0
	for i := len(c.rows) - 1; i >= 0 && seen < 3; i-- {
		if c.rows[i].own {
			c.off = min(c.off, c.late(i, extra))
			seen++
		}
	}
	c.off = max(c.off, -c.p.gate/earlyPart-int64(c.drift(extra)))
}

// late is how late a reading came if that many are missing before it.
func (c *chain) late(i int, missing uint64) int64 {
	return c.rows[i].late - c.told[i] - int64(float64(missing)*c.p.line.gate) - c.off
}

// learnHeld learns from the readings themselves: from those before which surely none
// is missing, as one that is no gate late follows, how late they came; from others
// that no whole number of gates explains, that delays of any length must be expected.
func (c *chain) learnHeld() {
	sure := false
	for i := len(c.rows) - 1; i >= 0; i-- {
		sure = sure || c.most(i) == 0
		gates := c.p.gates(c.late(i, 0))
		switch {
		case !c.rows[i].own:
		case sure:
			c.usual.learn(gates)
			fallthrough
		case math.Abs(gates-math.Round(gates)) > 1.0/8:
			c.usual.more += busier
		}
	}
}

// chooseLevels chooses the numbers of missing ones to think of: all when they are
// few, or else those that arrivals can be explained by.
func (c *chain) chooseLevels(extra uint64, open bool) {
	top := extra
	if last := len(c.rows) - 1; open && last >= 0 {
		top = max(top, c.most(last))
	}
	if top <= fewLevels {
		for k := range top + 1 {
			c.levels = append(c.levels, k)
		}
		return
	}
	c.levels = append(c.levels, 0, extra, top)
	for i := range c.rows {
		if k := c.most(i); k < top && len(c.levels) < 2*fewLevels {
			c.levels = append(c.levels, k)
		}
		slices.Sort(c.levels)
		c.levels = slices.Compact(c.levels)
	}
}

// most is how many can be missing before a reading: it did not come early.
func (c *chain) most(i int) uint64 {
	return uint64(max(c.late(i, 0)+c.p.gate/earlyPart, 0) / int64(c.p.line.gate))
}

// drift is by how much the line may be off behind so many missing ones.
func (c *chain) drift(missing uint64) float64 {
	return min(float64(missing)*c.p.line.accuracy(), 0.25) * c.p.line.gate
}

// odds says how likely a reading came as it did with each number of missing ones.
func (c *chain) odds(i, k int) float64 {
	missing := c.levels[k]
	late := c.late(i, missing)
	drift := c.drift(missing)
	gates := c.p.gates(late)
	switch {
	case float64(late) < -float64(c.p.gate/earlyPart)-drift:
		return tooEarly
	case !c.rows[i].own:
		return 1
	case float64(late) < -float64(c.p.gate/usuallyPart)-drift:
		return c.usual.density(0) * slightlyEarly
	case float64(late) < drift:
		gates = 0
	}
	return c.usual.density(gates)
}

// jump is how likely packets are missing right before a reading.
func (c *chain) jump(i int) float64 {
	if c.free[i] {
		return 1
	}
	return c.loss
}

// forward weighs what the arrivals up to each reading say.
func (c *chain) forward() {
	c.ahead = c.ahead[:0]
	before := make([]float64, len(c.levels))
	before[0] = 1
	for i := range c.rows {
		now := make([]float64, len(c.levels))
		less, all := 0.0, 0.0
		for k := range now {
			now[k] = (before[k] + less*c.jump(i)) * c.odds(i, k)
			less += before[k]
			all += now[k]
		}
		normalise(now, all)
		c.ahead = append(c.ahead, now)
		before = now
	}
}

// backward adds what the arrivals behind each reading say, and hands out the sums
// of what is likely up to each level. With exact, just extra are missing in the end.
func (c *chain) backward(extra uint64, exact bool, take func(i int, sum []float64)) {
	behind, sum := make([]float64, len(c.levels)), make([]float64, len(c.levels))
	for k, level := range c.levels {
		if !exact || level == extra {
			behind[k] = 1
		}
	}
	for i := len(c.rows) - 1; i >= 0; i-- {
		all := 0.0
		for k := range sum {
			sum[k] = c.ahead[i][k] * behind[k]
			all += sum[k]
		}
		normalise(sum, all)
		for k := 1; k < len(sum); k++ {
			sum[k] += sum[k-1]
		}
		take(i, sum)
		more, all := 0.0, 0.0
		for k := len(behind) - 1; k >= 0; k-- {
			here := behind[k] * c.odds(i, k)
			behind[k] = here + more*c.jump(i)
			more += here
			all += behind[k]
		}
		normalise(behind, all)
	}
}

// level returns the lowest one that is reached with a probability.
func (c *chain) level(sum []float64, share float64) uint64 {
	for k, s := range sum {
		if s >= share*sum[len(sum)-1] {
			return c.levels[k]
		}
	}
	return c.levels[len(c.levels)-1]
}

// normalise makes weights add up to about one; none vanishes that was there.
func normalise(weights []float64, all float64) {
	for k, w := range weights {
		if w > 0 {
			weights[k] = max(w/max(all, math.SmallestNonzeroFloat64), 1e-200)
		}
	}
}
