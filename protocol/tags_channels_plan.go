package protocol

import (
	"math"
	"math/bits"
	"slices"
)

// maxPlanned is how many parts a plan tells apart: the most frequent channels, the
// last part being all the others.
const maxPlanned = 8

// channelCount is a channel that occurs, and how often.
type channelCount struct {
	channel uint8
	n       int
}

// channelsPlanner finds out how channels that follow each other independently are
// coded shortest, as far as split and digits can. It keeps scratch memory.
type channelsPlanner struct {
	occur []channelCount // the most frequent first
	parts int
	begin [maxPlanned + 1]int                 // of each part in occur, and the end
	plans [maxPlanned][maxPlanned + 1]subplan // by the first part and the one behind the last
}

// subplan is how the tags of some parts are coded.
type subplan struct {
	tags  int
	bits  float64
	split int // the first part of those that are taken out; 0: nothing is split
}

// plan makes the plan for the totals of all channels.
func (p *channelsPlanner) plan(totals []uint32) {
	p.occur = p.occur[:0]
	for i, n := range totals {
		if n > 0 {
			p.occur = append(p.occur, channelCount{uint8(i), int(n)})
		}
	}
	slices.SortStableFunc(p.occur, func(a, b channelCount) int { return b.n - a.n })
	p.parts = min(len(p.occur), maxPlanned)
	for i := range p.parts {
		p.begin[i] = i
	}
	p.begin[p.parts] = len(p.occur)
	for size := 1; size <= p.parts; size++ {
		for from := 0; from+size <= p.parts; from++ {
			p.plans[from][from+size] = p.best(from, from+size)
		}
	}
}

// bits is what the whole plan costs.
func (p *channelsPlanner) bits() float64 { return p.plans[0][p.parts].bits }

// channels are those of some parts.
func (p *channelsPlanner) channels(from, to int) []channelCount {
	return p.occur[p.begin[from]:p.begin[to]]
}

// best is the shortest plan for some parts; those of fewer parts are there.
func (p *channelsPlanner) best(from, to int) subplan {
	channels := p.channels(from, to)
	plan := subplan{}
	for _, c := range channels {
		plan.tags += c.n
	}
	plan.bits = leafBits(len(channels), plan.tags)
	for at := from + 1; at < to; at++ {
		often, rare := p.plans[from][at], p.plans[at][to]
		if bits := often.bits + rare.bits + splitBits(rare.tags, plan.tags); bits < plan.bits {
			plan.bits, plan.split = bits, at
		}
	}
	return plan
}

// leafBits is what n tags of so many channels cost that are not split.
func leafBits(channels, n int) float64 {
	if channels == 1 {
		return 16
	}
	g := bestDigits(channels)
	if g.base == 0 {
		return 8 + 8*float64(n)
	}
	return 8*float64(3+channels) + 8*float64(g.bytes(n))
}

// splitBits is what the places of few tags among n cost, where few are as likely
// everywhere, and a little for the time that it takes to put them there.
func splitBits(few, n int) float64 {
	const (
		head  = 48
		price = 0.02 // bits for each tag
	)
	others := 1 - float64(few)/float64(n) // probability that a gap goes on, then by as much as two, four, ...
	each := math.Inf(1)
	for k := range 17 {
		cost := float64(k) + 1/(1-others)
		if cost >= each {
			break
		}
		each = cost
		others *= others
	}
	return head + price*float64(n) + each*float64(few)
}

// bestDigits packs digits for so many channels tightest; the zero value when there
// are too many. A power of two is taken where it is as good: it is faster.
func bestDigits(channels int) digits {
	var best digits
	for each := 1; each <= 8; each++ {
		g := digitsOf(channels, each)
		if g.base == 0 || g.groups > maxTable && each > 1 {
			break
		}
		if best.base == 0 || int(g.width)*best.each < int(best.width)*g.each {
			best = g
		}
	}
	if width := bits.Len(uint(channels - 1)); width < 8 && int(best.width) == width*best.each {
		each := 1
		if 8%width == 0 {
			each = 8 / width // whole bytes
		}
		return digitsOf(1<<width, each)
	}
	return best
}
