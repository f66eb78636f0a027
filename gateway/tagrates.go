package gateway

import (
	"photongate/device"
	"photongate/protocol"
)

// tagRates makes readings of frames of tags, of pieces of time, for rates and
// alarms: by the totals that stand in each frame, so that no tag is looked at again.
type tagRates struct {
	summary protocol.TagsSummary
	totals  []uint64
	from    uint64 // tick at which the piece begins
	begun   bool
	lossy   bool
	row     *device.Batch // the last piece, one reading
}

func newTagRates(channels int) tagRates {
	return tagRates{totals: make([]uint64, channels), row: device.NewBatch(channels)}
}

// restart begins a new piece: tags are missing, so that those of this one are too
// few for its time.
func (r *tagRates) restart() {
	clear(r.totals)
	r.begun, r.lossy = false, false
}

// add takes a frame whose clock came to a tick, and reports whether a piece is
// complete: then row has it.
func (r *tagRates) add(frame []byte, until uint64, clock *tickClock) bool {
	if r.summary.Parse(frame[protocol.HeaderSize:]) != nil {
		return false
	}
	if !r.begun {
		r.begun, r.from = true, until // what the first frame holds began at an unknown tick
		return false
	}
	for c, n := range r.summary.Totals {
		r.totals[c] += n
	}
	r.lossy = r.lossy || len(r.summary.Losses) > 0
	if until <= r.from || !clock.begun {
		return false
	}
	begin := clock.at(r.from)
	length := int64(float64(until-r.from) * clock.perTick)
	if length < int64(tagsPiece) {
		return false
	}
	b := r.row
	b.Reset()
	b.Begin, b.Length, b.Live, b.Uncertainty = append(b.Begin, begin), append(b.Length, length), append(b.Live, length), append(b.Uncertainty, 0)
	flags := device.ReadingFlags(0)
	if r.lossy {
		flags = device.Short
	}
	b.Flags = append(b.Flags, flags)
	for c := range r.totals {
		b.Values[c] = append(b.Values[c], r.totals[c])
		b.ValueFlags[c] = append(b.ValueFlags[c], 0)
		r.totals[c] = 0
	}
	r.from, r.lossy = until, false
	return true
}
