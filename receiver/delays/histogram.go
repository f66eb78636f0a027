package delays

import (
	"errors"
	"fmt"
	"math/bits"
)

// Bounds of a histogram.
const (
	MaxBins  = 1 << 20 // bins
	maxReach = 1 << 30 // ticks to each side, so that places fit 32 bits
	maxKept  = 1 << 22 // tags of one channel that are kept; half as many may lie within reach of each other
)

// ErrRange says that so many tags lie within the range that a histogram of all
// their pairs is no use.
var ErrRange = errors.New("too many tags lie within the range")

// Histogram counts pairs of tags of two channels by the difference of their
// times, that of B less that of A: positive where B is later. Bins are centred,
// so that one lies around 0. One goroutine uses it.
type Histogram struct {
	Bin     uint64   // width of a bin, ticks
	Counts  []uint64 // pairs, by bin; their number is odd, that around 0 in the middle
	A, B    uint64   // tags of the channels
	Skipped uint64   // tags that are not in order of time by more than the slack; they are left out

	reach  uint64 // of the differences counted: [-low, reach-low)
	low    uint64
	slack  uint64
	magic  uint64 // ceil(2^64 / Bin)
	latest uint64
	a, b   recent
}

// New returns a histogram of the differences from -reach to reach, in bins of
// bin, all in ticks. Both are rounded: a bin is at least a tick, and the range
// whole bins to either side. Tags may come out of order by slack ticks.
func New(reach, bin, slack uint64) (*Histogram, error) {
	bin = max(bin, 1)
	side := (reach + bin - 1) / bin
	if reach == 0 || side > MaxBins/2-1 {
		return nil, fmt.Errorf("a range of %d bins to each side: there may be 1 to %d", side, MaxBins/2-1)
	}
	h := &Histogram{Bin: bin, Counts: make([]uint64, 2*side+1), slack: slack}
	h.reach = uint64(len(h.Counts)) * bin
	h.low = side*bin + bin/2
	if h.reach >= 2*maxReach {
		return nil, fmt.Errorf("a range of %d ticks to each side: at most %d", side*bin, maxReach)
	}
	h.magic = ^uint64(0)/bin + 1
	if bin == 1 {
		h.magic = 0
	}
	return h, nil
}

// Add takes the next tags of a stream, of all its channels, in order: times in
// ticks and their channels, those of a and b are of interest. The error is
// ErrRange.
func (h *Histogram) Add(ticks []uint64, channels []uint8, a, b uint8) error {
	for i, ch := range channels {
		if ch != a && ch != b {
			continue
		}
		t := ticks[i]
		if t < h.latest && h.latest-t > h.slack {
			h.Skipped++
			continue
		}
		h.latest = max(h.latest, t)
		// Who comes later in order counts the pair with all that came before.
		if ch == a {
			h.A++
			h.b.drop(h.latest, h.reach+h.slack)
			for _, other := range h.b.list() {
				h.count(other - t + h.low)
			}
		}
		if ch == b {
			h.B++
			h.a.drop(h.latest, h.reach+h.slack)
			for _, other := range h.a.list() {
				h.count(t - other + h.low)
			}
		}
		if err := h.keep(ch == a, t); err != nil {
			return err
		}
	}
	return nil
}

// keep remembers a tag for those to come.
func (h *Histogram) keep(isA bool, t uint64) error {
	to := &h.b
	if isA {
		to = &h.a
	}
	if !to.add(t, h.latest, h.reach+h.slack) {
		return fmt.Errorf("%w: more than %d", ErrRange, maxKept/2)
	}
	return nil
}

// count takes a difference, from the begin of the first bin on; what lies below
// it has wrapped.
func (h *Histogram) count(place uint64) {
	if place >= h.reach {
		return
	}
	if h.magic == 0 {
		h.Counts[place]++
		return
	}
	// place / Bin: exact, since place and Bin are below 2^32.
	bin, _ := bits.Mul64(place, h.magic)
	h.Counts[bin]++
}

// Break forgets the tags that came: those that follow have other times, as after
// a loss or in another part.
func (h *Histogram) Break() {
	h.a.reset()
	h.b.reset()
	h.latest = 0
}

// Difference is the middle of a bin, in ticks: of a bin of one tick that
// difference.
func (h *Histogram) Difference(bin float64) float64 {
	return bin*float64(h.Bin) + float64(h.Bin-1)/2 - float64(h.low)
}

// recent are the times of the latest tags of a channel.
type recent struct {
	ticks []uint64
	begin int // those before are too old
}

// drop leaves out what is older than reach. Being a little out of order does no
// harm: who is kept too long is out of range.
func (r *recent) drop(latest, reach uint64) {
	for r.begin < len(r.ticks) && latest > r.ticks[r.begin] && latest-r.ticks[r.begin] > reach {
		r.begin++
	}
}

func (r *recent) list() []uint64 { return r.ticks[r.begin:] }

func (r *recent) reset() { r.ticks, r.begin = r.ticks[:0], 0 }

// add appends a tag, and reports whether there is room.
func (r *recent) add(t, latest, reach uint64) bool {
	if len(r.ticks) == cap(r.ticks) || len(r.ticks) >= maxKept {
		r.drop(latest, reach)
		if r.begin >= len(r.ticks)/2 { // at least half of the room is free
			r.ticks = r.ticks[:copy(r.ticks, r.ticks[r.begin:])]
			r.begin = 0
		}
		if len(r.ticks) >= maxKept {
			return false
		}
	}
	r.ticks = append(r.ticks, t)
	return true
}
