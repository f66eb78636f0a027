package derive

import (
	"fmt"
	"slices"

	"photongate/device"
)

// Config says what is counted, in ticks of the instrument's clock.
type Config struct {
	Channels     int
	Gate         uint64  // length of a gate, at least 1
	Delay        []int64 // for each channel, added to its times; nil: none
	Coincidences []Coincidence
	// Disorder is by how much a tag may be of a time before the one up to which the
	// clock was known to have come: gates are given out so much later. A tag that
	// comes later still is lost, and said to be.
	Disorder uint64
}

// Coincidence is a kind of coincidence.
type Coincidence struct {
	Of     []int  // two channels or more, each once
	Window uint64 // its whole width
}

// Width is the width of the differences in time of two tags that coincide, in ticks.
func (c Coincidence) Width() uint64 { return c.Window/2*2 + 1 }

// Gate is what was counted in one gate. Its slices are valid until the function
// that it was given to returns.
type Gate struct {
	Index  uint64   // it begins at Index x Config.Gate
	Counts []uint64 // of each channel, then of each coincidence
	Short  bool     // tags of it may be missing
	Absent []bool   // beside Counts: nothing of it is known
}

// Bounds of a Counter.
const (
	maxRows   = 4096    // gates counted in at a time
	maxGates  = 1 << 20 // that the clock may leap over: more are left out
	maxLosses = 1024    // stretches of missing tags told apart at a time
)

// Counter counts tags. It is for one goroutine.
type Counter struct {
	cfg      Config
	delay    []int64
	least    int64 // of delay
	most     int64
	reach    int64 // the longest half of a window
	give     func(Gate)
	skip     func(from, to uint64)
	late     func(from, to uint64)
	columns  int
	keep     []bool    // whether a channel takes part in coincidences
	buffers  []buffer  // of these, a time each
	matchers []matcher // one for each coincidence

	begun  bool
	start  uint64   // the first gate
	next   uint64   // the oldest gate that has not been given out
	counts []uint64 // of the gates from next on, columns for each
	row    []uint64 // of the gate that the tag before fell into
	low    int64    // where it begins
	span   uint64   // its length; 0: there is none

	matchRow  []uint64 // as row, low and span: of the coincidence before
	matchLow  int64
	matchSpan uint64

	until    uint64 // the clock is known to have come to
	mark     int64  // all tags before it are there
	losses   []device.Loss
	gapAt    uint64 // where a gap began whose end is not known yet
	gapOpen  bool
	gate     Gate     // that is being given out
	zeroRows []uint64 // a gate without tags
}

// NewCounter makes a counter. give is called with each gate, in order, when all its
// tags are there; skip when gates are left out because the clock leapt over too
// many, with the first and the one behind the last; late, with the same, when gates
// that were given out prove to lack tags. Within late nothing is to be given.
func NewCounter(cfg Config, give func(Gate), skip, late func(from, to uint64)) (*Counter, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Counter{
		cfg: cfg, delay: make([]int64, cfg.Channels), give: give, skip: skip, late: late, mark: -1 << 62,
		columns: cfg.Channels + len(cfg.Coincidences), keep: make([]bool, cfg.Channels), buffers: make([]buffer, cfg.Channels),
	}
	copy(c.delay, cfg.Delay)
	c.least, c.most = slices.Min(c.delay), slices.Max(c.delay)
	c.gate.Absent, c.zeroRows = make([]bool, c.columns), make([]uint64, c.columns)
	for i, co := range cfg.Coincidences {
		for _, ch := range co.Of {
			c.keep[ch] = true
		}
		half := int64(co.Window / 2)
		c.reach = max(c.reach, half)
		c.matchers = append(c.matchers, matcher{of: co.Of, half: half, column: cfg.Channels + i, at: make([]int, len(co.Of))})
	}
	return c, nil
}

func (cfg Config) check() error {
	switch {
	case cfg.Channels < 1 || cfg.Channels > 256:
		return fmt.Errorf("derive: %d channels, expected 1 to 256", cfg.Channels)
	case cfg.Gate == 0 || cfg.Gate >= 1<<60 || cfg.Disorder >= 1<<60:
		return fmt.Errorf("derive: a gate of %d ticks, a disorder of %d", cfg.Gate, cfg.Disorder)
	case cfg.Delay != nil && len(cfg.Delay) != cfg.Channels:
		return fmt.Errorf("derive: %d delays for %d channels", len(cfg.Delay), cfg.Channels)
	}
	for _, d := range cfg.Delay {
		if d <= -1<<60 || d >= 1<<60 {
			return fmt.Errorf("derive: a delay of %d ticks", d)
		}
	}
	for _, co := range cfg.Coincidences {
		if len(co.Of) < 2 || co.Window >= 1<<60 {
			return fmt.Errorf("derive: a coincidence of %d channels, with a window of %d ticks", len(co.Of), co.Window)
		}
		for i, ch := range co.Of {
			if ch < 0 || ch >= cfg.Channels || slices.Contains(co.Of[:i], ch) {
				return fmt.Errorf("derive: a coincidence of the channels %v, of %d", co.Of, cfg.Channels)
			}
		}
	}
	return nil
}

// Add counts tags; until is the tick to which the clock is known to have come with
// them. Channels must be of those there are.
func (c *Counter) Add(ticks []uint64, channels []uint8, until uint64) {
	if len(ticks) > 0 {
		c.sign(ticks[0])
	} else if until > c.until {
		c.sign(until)
	}
	c.count(ticks, channels)
	c.advance(until)
}

// sign takes the first sign of the clock in what is added: the gates begin with the
// very first, and a gap ends with the next.
func (c *Counter) sign(tick uint64) {
	if !c.begun {
		c.begun, c.until = true, tick
		start := max(int64(tick)+c.most, 0) + c.reach + int64(c.cfg.Disorder)
		c.start = (uint64(start) + c.cfg.Gate - 1) / c.cfg.Gate
		c.next = c.start
	}
	if c.gapOpen {
		c.gapOpen = false
		c.Loss(device.Loss{From: min(c.gapAt, tick), To: max(c.gapAt, tick), Channel: -1})
	}
}

// count adds tags to their gates, and keeps those that may coincide with others.
func (c *Counter) count(ticks []uint64, channels []uint8) {
	delay, keep := c.delay, c.keep
	low, span, row := c.low, c.span, c.row
	for i, tick := range ticks {
		ch := channels[i]
		at := int64(tick) + delay[ch]
		if uint64(at-low) >= span {
			c.find(tick, at)
			low, span, row = c.low, c.span, c.row
		}
		in := uint64(at-low) < span
		if in {
			row[ch]++
		}
		if keep[ch] || !in {
			if at < c.mark { // too late
				c.Loss(device.Loss{From: tick, To: tick + 1, Channel: int(ch)})
			} else if keep[ch] {
				c.buffers[ch].put(at)
			}
		}
	}
}

// find finds the gate of a tag: then low, span and row are its. span is 0 when there
// is none: before the first gate, or one that has been given out.
func (c *Counter) find(tick uint64, at int64) {
	c.span = 0
	if at < 0 {
		return
	}
	k := uint64(at) / c.cfg.Gate
	if k >= c.next+maxRows {
		c.advance(tick) // the clock has come to it
	}
	if k < c.next {
		return
	}
	i := int(k - c.next)
	for len(c.counts) < (i+1)*c.columns {
		c.counts = append(c.counts, c.zeroRows...)
	}
	c.low, c.span = int64(k*c.cfg.Gate), c.cfg.Gate
	c.row = c.counts[i*c.columns : (i+1)*c.columns]
}

// advance gives out what is complete when the clock has come to a tick.
func (c *Counter) advance(until uint64) {
	if !c.begun || until < c.until {
		return
	}
	c.until = until
	mark := int64(until) - int64(c.cfg.Disorder) + c.least
	if mark <= c.mark {
		return
	}
	for i := range c.matchers {
		c.match(&c.matchers[i], mark)
	}
	c.mark = mark
	c.forget()
	gone := 0
	for mark >= 0 && c.next < uint64(mark)/c.cfg.Gate {
		if left := uint64(mark)/c.cfg.Gate - c.next; gone*c.columns == len(c.counts) && left > maxGates {
			c.skip(c.next, c.next+left)
			c.next += left
			break
		}
		counts := c.zeroRows
		if gone*c.columns < len(c.counts) {
			counts = c.counts[gone*c.columns : (gone+1)*c.columns]
			gone++
		}
		c.giveNext(counts)
	}
	if gone > 0 {
		c.counts = c.counts[:copy(c.counts, c.counts[gone*c.columns:])]
	}
	c.span = 0
}

// giveNext gives out the oldest gate.
func (c *Counter) giveNext(counts []uint64) {
	g := &c.gate
	g.Index, g.Counts, g.Short = c.next, counts, false
	c.flag(int64(c.next*c.cfg.Gate), int64((c.next+1)*c.cfg.Gate))
	c.next++
	c.give(*g)
}
