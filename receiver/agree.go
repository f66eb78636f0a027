package receiver

import (
	"fmt"
	"path/filepath"
	"time"

	"photongate/protocol/table"
)

// clockFile is the side file of comparisons of clocks, made by record.
const clockFile = "receiver-clock.csv"

// noteAgreement says how well the clocks of the gateways agree whose streams
// are merged.
func (c *catter) noteAgreement(sources []*catSource) {
	var used []*gatewayClock
	for _, from := range sources {
		g := &gatewayClock{path: from.path, clocks: from.clocks}
		for _, s := range c.streams {
			if s.source == from && !s.isClocks() {
				g.name, g.streams = s.decoder.Part().Gateway, g.streams+1
			}
		}
		if g.streams > 0 {
			used = append(used, g)
		}
	}
	if len(used) == 0 {
		return
	}
	words := agreement(used)
	if c.merged != nil {
		c.merged.agreement = words
	}
	for _, w := range words {
		c.note("%s", w)
	}
}

// gatewayClock is the clock of one gateway.
type gatewayClock struct {
	name, path string
	streams    int
	clocks     *table.ClockTable
}

// agreement compares the clocks of gateways, in sentences.
func agreement(used []*gatewayClock) []string {
	if len(used) == 1 {
		return []string{"clocks: all streams are of " + used[0].name + " and share its clock"}
	}
	first := used[0]
	var words []string
	for _, g := range used[1:] {
		text := fmt.Sprintf("clocks: %s and %s: %s", first.name, g.name, stated(first, g))
		if ahead, within, ok := measured(first, g); ok {
			text += fmt.Sprintf("; as this receiver measured, %s is %v ahead of %s, to within %v", g.name, roundNs(ahead), first.name, roundNs(within))
		}
		words = append(words, text)
	}
	return words
}

// stated is what the gateways themselves say.
func stated(a, b *gatewayClock) string {
	ea, okA := a.clocks.WorstError()
	eb, okB := b.clocks.WorstError()
	switch {
	case okA && okB:
		return fmt.Sprintf("both were synchronised; by their own estimates they agree within %v", roundNs(ea+eb))
	case !a.clocks.Synchronised() && !b.clocks.Synchronised():
		return "neither says that its clock was synchronised: how well they agree is not known"
	case !a.clocks.Synchronised():
		return a.name + " does not say that its clock was synchronised: how well they agree is not known"
	case !b.clocks.Synchronised():
		return b.name + " does not say that its clock was synchronised: how well they agree is not known"
	}
	return "both were synchronised, and do not say how well"
}

func roundNs(ns int64) time.Duration {
	d := time.Duration(ns)
	if d.Abs() > time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}

// measured compares two gateways by the clock of the receiver that recorded
// both, each at its quickest round trip.
func measured(a, b *gatewayClock) (aheadNs, withinNs int64, ok bool) {
	oa, ta, okA := quickest(a)
	ob, tb, okB := quickest(b)
	return ob - oa, (ta + tb) / 2, okA && okB && filepath.Dir(a.path) == filepath.Dir(b.path)
}

// quickest finds, in the side file of a folder, the comparison with the
// shortest way: how far UTC as the gateway knows it is ahead of the receiver's.
func quickest(g *gatewayClock) (aheadNs, roundTripNs int64, ok bool) {
	err := eachComparison(g.path, func(c comparison) {
		if utc, known := g.clocks.UTC(c.base, c.at); known && (!ok || c.roundTrip < roundTripNs) {
			aheadNs, roundTripNs, ok = utc-c.at+c.offset, c.roundTrip, true
		}
	})
	if err != nil {
		return 0, 0, false
	}
	return aheadNs, roundTripNs, ok
}
