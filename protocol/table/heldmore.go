package table

import "photongate/protocol"

// Before is what is held of the epoch before the one at hand. The zero value:
// nothing is.
type Before struct {
	Epoch uint32
	Seq   uint64      // of the last frame held
	Base  protocol.ID // of EndNs
	EndNs int64       // end of the last reading held
	Known bool        // EndNs; false: there is no reading
}

// HeldUntil returns where a gap before the first reading of a part begins at the
// earliest, in the part's time base: the end of the last reading that is held of
// the epoch before, when more of that is held than the gateway knew as it wrote
// the part's descriptor. A gateway whose power was cut forgets what was not on its
// disk, and a receiver may have it.
func (t *ClockTable) HeldUntil(d *protocol.Descriptor, b Before) (ns int64, more bool) {
	p := d.Previous
	if p == nil || !b.Known || p.Epoch != b.Epoch || b.Seq <= uint64(p.Seq) {
		return 0, false
	}
	return b.EndNs + t.Shift(d.Base, b.Base), true
}

// clip shortens a gap that begins before the moment until; how many readings are
// missing in what is left is not known.
func (g *Gap) clip(until int64) {
	if g.BeginKnown && g.BeginNs >= until {
		return
	}
	if g.DurationKnown {
		g.DurationNs = max(0, g.BeginNs+g.DurationNs-until)
	}
	g.BeginNs, g.BeginKnown = until, true
	g.Missing, g.MissingKnown = 0, false
}

// Last is how far the part that was read last goes.
type Last struct {
	EndNs int64         // end of its last reading
	Index uint64        // that the next one would have
	AtNs  int64         // time of its last frame
	End   *protocol.End // nil: it has none, or none came
}

// Last tells how far the part that was read last goes; not ok: no reading of it
// was read, or its time base is not known.
func (d *Decoder) Last() (l Last, ok bool) {
	return Last{d.endNs, d.nextIndex, d.atNs, d.end}, d.endKnown && d.part.Described
}
