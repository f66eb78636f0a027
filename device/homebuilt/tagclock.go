package homebuilt

import (
	"math"
	"math/bits"
	"time"

	"photongate/instrument"
)

const (
	// tagSlack is by how much a tag may seem to be ahead of the instrument's clock, as
	// the arrivals tell it: the first ones may have been late by so much.
	tagSlack = 100 * time.Millisecond
	// tagSettleNs is how long arrivals are waited for that are not late, before times are
	// judged by them: what came when the instrument was opened may have waited.
	tagSettleNs = int64(2 * time.Second)
	// tagWaited is how long at most.
	tagWaited = 10 * time.Second
	// earlyInARow tags that seem to be ahead show that the arrivals were late.
	earlyInARow = 4
	// tagRefNs is for how long one least late arrival tells the clock.
	tagRefNs = int64(10 * time.Second)
	// tagDrift is the part by which a clock may be wrong: a resonator, not a crystal.
	tagDrift = 1e-2
)

// tagClock undoes wraps, and judges by when the bytes came whether a time can be.
type tagClock struct {
	wrap     uint64 // ticks; 0: it never does
	told     bool   // a record tells when it does
	disorder uint64
	perNs    float64 // ticks

	begun bool
	base  uint64 // of the wraps so far
	last  uint64 // latest tick
	most  uint64 // what can be by now
	from  int64  // when the first bytes came that were taken
	early int    // times in a row that were ahead,
	ahead uint64 // the last of them
	at    int64  // when the last bytes came

	ref, next tagRef // least late arrivals, of the last stretch and of the present one
}

// tagRef is a tick and when it had arrived.
type tagRef struct {
	tick uint64
	at   int64
	from int64 // begin of its stretch
}

func newTagClock(t *instrument.Tags) tagClock {
	c := tagClock{wrap: t.Wrap, disorder: t.Disorder, perNs: float64(t.Tick.Den) / float64(t.Tick.Num) / 1e9}
	for _, s := range t.Special {
		c.told = c.told || s.Means == instrument.MeansWrap
	}
	return c
}

// ticks is so many ns in ticks.
func (c *tagClock) ticks(ns int64) uint64 { return uint64(min(float64(ns)*c.perNs, math.MaxInt64)) }

// came notes that bytes came at a time. It reports false when so long nothing did that
// nobody knows how often the clock began anew.
func (c *tagClock) came(at int64) bool {
	quiet := at - c.at
	c.at = at
	if !c.begun {
		c.most = math.MaxUint64
		return true
	}
	c.most = c.latest(c.ref, at)
	if (c.wrap == 0 || c.told) && at-c.from < tagSettleNs {
		c.most += c.ticks(int64(tagWaited))
	}
	return c.wrap == 0 || c.told || c.ticks(quiet+int64(tagSlack)) < c.wrap
}

// latest is the latest tick that can be at a time, by an arrival.
func (c *tagClock) latest(r tagRef, at int64) uint64 {
	since := float64(at - r.at)
	return r.tick + c.ticks(int64(since+tagDrift*max(since, -since))+int64(tagSlack))
}

// left notes that all that came was taken: the arrival may be the least late one.
func (c *tagClock) left() {
	if !c.begun {
		return
	}
	late := func(r tagRef) float64 { // of the last arrival, by another one
		return float64(c.at-r.at) - (float64(c.last)-float64(r.tick))/c.perNs
	}
	now := tagRef{c.last, c.at, c.at}
	if c.ref.at == 0 {
		c.ref, c.next = now, now
		return
	}
	if late(c.ref) <= 0 {
		now.from = c.ref.from
		c.ref = now
	}
	if late(c.next) <= 0 {
		now.from = c.next.from
		c.next = now
	}
	if c.at-c.next.from >= tagRefNs {
		c.ref = c.next
		c.next = tagRef{c.last, c.at, c.at}
	}
}

// place says which tick a time is. It reports false for one that cannot be.
func (c *tagClock) place(raw uint64) (tick uint64, ok bool) {
	if c.wrap > 0 && raw >= c.wrap {
		return 0, false
	}
	tick = c.base + raw
	if !c.begun {
		c.begun, c.last, c.from = true, tick, c.at
		return tick, true
	}
	if tick > c.most && (c.wrap == 0 || c.told) && tick <= math.MaxInt64 {
		if c.early == 0 || tick < c.ahead {
			c.early = 0
		}
		c.ahead = tick
		if c.early++; c.early == earlyInARow {
			c.ref = tagRef{tick, c.at, c.at}
			c.next = c.ref
			c.most = c.latest(c.ref, c.at)
		}
	}
	switch {
	case tick >= c.last && tick <= c.most:
		c.last, c.early = tick, 0
		return tick, true
	case tick < c.last && tick+c.disorder >= c.last:
		return tick, true
	case c.wrap == 0:
		return 0, false
	case tick >= c.wrap && tick-c.wrap <= c.last && tick-c.wrap+c.disorder >= c.last: // from before it began anew
		return tick - c.wrap, true
	case !c.told && tick+c.wrap >= c.last && tick+c.wrap <= c.most:
		c.base += c.wrap
		c.last = tick + c.wrap
		return c.last, true
	}
	return 0, false
}

// wraps notes that the time began at 0 again, so many times. It reports false when
// that cannot be.
func (c *tagClock) wraps(n uint64) bool {
	over, by := bits.Mul64(n, c.wrap)
	if over != 0 || by > math.MaxInt64-c.base || c.begun && c.base+by > c.most {
		return false
	}
	c.base += by
	if c.begun {
		c.last = max(c.last, c.base)
	}
	return true
}
