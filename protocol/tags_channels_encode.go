package protocol

import (
	"encoding/binary"
	"math"
	"slices"
)

// channelsEncoder writes columns of channels. It keeps scratch memory; the zero
// value is ready.
type channelsEncoder struct {
	plan   channelsPlanner
	words  []uint64
	parts  [maxPlanned + 1][]uint8 // tags of a split, by how deep it is
	index  [maxTagChannels]uint8   // what a channel is in what is being written
	mapped []uint8                 // tags as such
}

// append appends the channels c, of at least one tag, to dst. totals are the numbers of
// tags of each channel.
func (e *channelsEncoder) append(dst []byte, c []uint8, totals []uint32) []byte {
	e.plan.plan(totals)
	start := len(dst)
	if len(e.plan.occur) > 1 && e.runsPay(sampledRuns(c), len(c)) && e.runsPay(countRuns(c), len(c)) {
		dst = e.runs(dst, c, countRuns(c))
	} else {
		dst = e.planned(dst, c, 0, e.plan.parts, 0)
	}
	if len(dst)-start > 1+len(c) {
		return append(append(dst[:start], channelsRaw), c...)
	}
	return dst
}

// runsPay guesses whether so many runs are shorter than what is planned.
func (e *channelsEncoder) runsPay(runs, n int) bool {
	if runs > n/2 {
		return false
	}
	length := math.Log2(float64(n)/float64(runs)) + 2
	return 64+float64(runs)*(length+math.Log2(float64(len(e.plan.occur)))) < 0.9*e.plan.bits()
}

// sampledRuns guesses the number of runs from parts of c.
func sampledRuns(c []uint8) int {
	const parts, part = 16, 64
	if len(c) < 4*parts*part {
		return countRuns(c)
	}
	runs := 0
	for i := range parts {
		at := i * ((len(c) - part) / (parts - 1))
		runs += countRuns(c[at:at+part]) - 1
	}
	return 1 + runs*(len(c)/(parts*part))
}

// countRuns is the number of runs of equal channels.
func countRuns(c []uint8) int {
	runs, last := 1, c[0]
	for _, v := range c {
		if v != last {
			runs++
		}
		last = v
	}
	return runs
}

// runs appends a column as runs of equal channels.
func (e *channelsEncoder) runs(dst []byte, c []uint8, runs int) []byte {
	e.words = resize(e.words, runs)
	heads := resize(e.parts[maxPlanned], runs)
	e.parts[maxPlanned] = heads
	var totals [maxTagChannels]uint32
	run, begin := 0, 0
	for i := range c {
		if i+1 == len(c) || c[i+1] != c[i] {
			e.words[run], heads[run] = uint64(i-begin), c[i]
			totals[c[i]]++
			run, begin = run+1, i+1
		}
	}
	dst = binary.AppendUvarint(append(dst, channelsRuns), uint64(runs))
	dst = e.places(dst)
	e.plan.plan(totals[:])
	return e.planned(dst, heads, 0, e.plan.parts, 1)
}

// places appends the parameter and the words of a split or of runs.
func (e *channelsEncoder) places(dst []byte) []byte {
	var all, sum uint64
	for _, g := range e.words {
		all |= g
		sum += g
	}
	c := bestRice(e.words, sum/uint64(len(e.words)), all)
	return appendRice(append(dst, byte(c.k)), e.words, c)
}

// planned appends the tags of some parts of the plan.
func (e *channelsEncoder) planned(dst []byte, c []uint8, from, to, depth int) []byte {
	plan, channels := e.plan.plans[from][to], e.plan.channels(from, to)
	switch {
	case len(channels) == 1:
		return append(dst, channelsConstant, channels[0].channel)
	case plan.split > 0:
		return e.split(dst, c, from, plan.split, to, depth)
	}
	g := bestDigits(len(channels))
	if g.base == 0 {
		return append(append(dst, channelsRaw), c...)
	}
	return e.digits(dst, c, channels, g)
}

// split appends the tags of the parts from at on, which are rarer, and then the others.
func (e *channelsEncoder) split(dst []byte, c []uint8, from, at, to, depth int) []byte {
	for _, o := range e.plan.channels(from, at) {
		e.index[o.channel] = 0
	}
	for _, o := range e.plan.channels(at, to) {
		e.index[o.channel] = 1
	}
	few := e.plan.plans[at][to].tags
	parts := resize(e.parts[depth], len(c)+2) // either side has one more, written and not used
	e.parts[depth] = parts
	e.words = resize(e.words, few+1)
	rare, often := parts[:few+1], parts[few+1:]
	i, places, index := 0, e.words, &e.index
	for at, channel := range c { // without a branch that nobody can foresee
		rare[i], places[i] = channel, uint64(at)
		often[at-i] = channel
		i += int(index[channel])
	}
	next := uint64(0)
	for i, at := range places[:few] {
		places[i] = at - next
		next = at + 1
	}
	dst = binary.AppendUvarint(append(dst, channelsSplit), uint64(few))
	e.words = e.words[:few]
	dst = e.places(dst)
	dst = e.planned(dst, parts[:few], at, to, depth+1)
	return e.planned(dst, often[:len(c)-few], from, at, depth+1)
}

// digits appends tags of some channels, which are the palette, as groups of digits.
func (e *channelsEncoder) digits(dst []byte, c []uint8, channels []channelCount, g digits) []byte {
	dst = append(dst, channelsDigits, byte(g.base), byte(g.each))
	palette := len(dst)
	for _, o := range channels {
		dst = append(dst, o.channel)
	}
	slices.Sort(dst[palette:])
	for i := len(channels); i < g.base; i++ {
		dst = append(dst, byte(i)) // no digit names it
	}
	width, alone := g.powerOfTwo()
	for i, channel := range dst[palette : palette+len(channels)] {
		e.index[channel] = uint8(i)
	}
	if !identity(dst[palette:]) {
		e.mapped = resize(e.mapped, len(c))
		for i, channel := range c {
			e.mapped[i] = e.index[channel]
		}
		c = e.mapped
	}
	if alone {
		return appendDigits(dst, c, g, width)
	}
	e.words = resize(e.words, (len(c)+g.each-1)/g.each)
	g.numbers(e.words, c)
	return appendBits(dst, e.words, g.width)
}

// appendDigits appends a bit array of digits that have bits of their own.
func appendDigits(dst []byte, c []uint8, g digits, width uint) []byte {
	at, size := len(dst), int(g.bytes(len(c)))
	dst = slices.Grow(dst, size+8+int(width))
	packDigits(dst[at:at+size+8+int(width)], c, width)
	return dst[:at+size]
}

// appendBits appends a bit array of fields of w bits.
func appendBits(dst []byte, fields []uint64, w uint) []byte {
	at, size := len(dst), int(bitBytes(len(fields), w))
	dst = slices.Grow(dst, size+8)
	packBits(dst[at:at+size+8], fields, w)
	return dst[:at+size]
}
