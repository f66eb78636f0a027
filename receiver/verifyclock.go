package receiver

import (
	"bufio"
	"cmp"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// ClockQuality says how well a gateway knew UTC during one boot of its computer,
// as far as its streams are held here. Times without a comment are ns.
type ClockQuality struct {
	Gateway string `json:"gateway"`
	Folder  string `json:"folder"` // of the gateway's journal
	Boot    string `json:"boot,omitempty"`
	Starts  int    `json:"starts"` // of the gateway in this boot

	FirstUTC string         `json:"first_utc,omitempty"` // empty: not known
	LastUTC  string         `json:"last_utc,omitempty"`
	SpanNs   protocol.Int64 `json:"span_ns"` // while the gateway ran; the sum of the following three
	SyncNs   protocol.Int64 `json:"synchronised_ns"`
	UnsyncNs protocol.Int64 `json:"unsynchronised_ns"`
	SilentNs protocol.Int64 `json:"not_told_ns"` // the system does not tell

	// While it was synchronised, by the system's own word; nil: it does not tell.
	EstErrorNs *protocol.Int64 `json:"worst_estimated_error_ns,omitempty"`
	MaxErrorNs *protocol.Int64 `json:"worst_max_error_ns,omitempty"`
	// FreqPPB is the least and the largest correction of the clock's frequency.
	FreqPPB *[2]int64 `json:"frequency_ppb,omitempty"`

	Steps    []ClockChange   `json:"steps,omitempty"`
	Suspends []ClockChange   `json:"suspends,omitempty"`
	Unknown  protocol.Uint64 `json:"readings_without_utc"` // their UTC is not known
	Compared *Comparisons    `json:"compared,omitempty"`   // with the receiver's clock; nil: never
}

// ClockChange is a step of UTC, or a time the computer was suspended.
type ClockChange struct {
	UTC    string         `json:"utc,omitempty"` // when it was noticed, corrected; empty: not known
	BaseNs protocol.Int64 `json:"base_ns"`
	Ns     protocol.Int64 `json:"ns"` // forward, or how long
}

// Comparisons say how far UTC as the gateway knows it was ahead of the
// receiver's own.
type Comparisons struct {
	N        int            `json:"n"`
	AheadNs  protocol.Int64 `json:"ahead_ns"`  // by the comparison with the shortest way
	WithinNs protocol.Int64 `json:"within_ns"` // half of that way
	LeastNs  protocol.Int64 `json:"least_ns"`
	MostNs   protocol.Int64 `json:"most_ns"`
}

// clockHistory collects what a folder tells of its gateway's clock.
type clockHistory struct {
	bases map[protocol.ID]*baseNotes
	order []protocol.ID
}

// baseNotes is one process of the gateway.
type baseNotes struct {
	boot        string
	first, last int64 // of the base, as far as anything is known; last < first: nothing is
	frames      []clockFrame
	unknown     uint64 // readings
}

type clockFrame struct {
	at int64
	protocol.Clock
}

func (n *clockHistory) base(id protocol.ID) *baseNotes {
	b := n.bases[id]
	if b == nil {
		b = &baseNotes{first: math.MaxInt64, last: math.MinInt64}
		if n.bases == nil {
			n.bases = map[protocol.ID]*baseNotes{}
		}
		n.bases[id] = b
		n.order = append(n.order, id)
	}
	return b
}

// frame takes a frame of the stream "gateway" whose part has this descriptor.
func (n *clockHistory) frame(desc *protocol.Descriptor, h protocol.Header, payload []byte) {
	if desc.Base.IsZero() || !h.Type.Numbered() {
		return
	}
	b := n.base(desc.Base)
	b.boot = desc.Boot
	b.first, b.last = min(b.first, h.Time), max(b.last, h.Time)
	var c protocol.Clock
	if h.Type == protocol.TypeClock && protocol.DecodeJSON(payload, &c) == nil && c.Kind == protocol.ClockHost {
		b.frames = append(b.frames, clockFrame{h.Time, c})
	}
}

// part takes a part of a device's stream.
func (n *clockHistory) part(desc *protocol.Descriptor, p *PartReport) {
	if desc.Base.IsZero() || p.Frames == 0 {
		return
	}
	b := n.base(desc.Base)
	b.boot = desc.Boot
	b.first, b.last = min(b.first, int64(p.FirstNs)), max(b.last, int64(p.LastNs))
	if p.FirstUTC == "" {
		b.unknown += uint64(p.Readings)
	}
}

// report makes one report of each boot, in the order of the record.
func (n *clockHistory) report(path string, times *partTimes, since time.Time) []ClockQuality {
	var boots []ClockQuality
	bases := map[protocol.ID]int{} // of boots
	for _, id := range n.order {
		b := n.bases[id]
		if b.last < b.first || !since.IsZero() && times.before(id, b.last, since) {
			continue
		}
		i := slices.IndexFunc(boots, func(q ClockQuality) bool { return q.Boot == b.boot && b.boot != "" })
		if i < 0 {
			i = len(boots)
			boots = append(boots, ClockQuality{Gateway: times.folder.Gateway(), Folder: filepath.Base(path), Boot: b.boot})
		}
		bases[id] = i
		boots[i].add(id, b, times, since)
	}
	_ = eachComparison(path, func(c comparison) {
		i, known := bases[c.base]
		utc, dated := times.clocks.UTC(c.base, c.at)
		if known && dated {
			boots[i].compare(utc-c.at+c.offset, c.roundTrip)
		}
	})
	return boots
}

// add takes one process.
func (q *ClockQuality) add(id protocol.ID, b *baseNotes, times *partTimes, since time.Time) {
	q.Starts++
	q.FirstUTC = cmp.Or(q.FirstUTC, times.utc(id, b.first))
	q.LastUTC = cmp.Or(times.utc(id, b.last), q.LastUTC)
	q.Unknown += protocol.Uint64(b.unknown)
	q.SpanNs += protocol.Int64(b.last - b.first)
	if len(b.frames) == 0 {
		q.SilentNs += protocol.Int64(b.last - b.first)
	}
	for i, f := range b.frames {
		from, to := f.at, b.last
		if i == 0 {
			from = b.first
		}
		if i+1 < len(b.frames) {
			to = b.frames[i+1].at
		}
		q.state(f, protocol.Int64(to-from))
		recent := since.IsZero() || !times.before(id, f.at, since)
		if f.Cause == protocol.ClockStep && recent {
			q.Steps = append(q.Steps, ClockChange{times.utc(id, f.at), protocol.Int64(f.at), f.StepNs})
		}
		if i > 0 && recent {
			if slept := suspended(b.frames[i-1].Clock, f.Clock); slept > 0 {
				q.Suspends = append(q.Suspends, ClockChange{times.utc(id, f.at), protocol.Int64(f.at), slept})
			}
		}
	}
}

// state counts the time for which a clock frame speaks.
func (q *ClockQuality) state(f clockFrame, lasted protocol.Int64) {
	switch f.Sync {
	case protocol.SyncSynchronised:
		q.SyncNs += lasted
		worse(&q.EstErrorNs, f.EstErrorNs)
		worse(&q.MaxErrorNs, f.MaxErrorNs)
	case protocol.SyncUnsynchronised:
		q.UnsyncNs += lasted
	default:
		q.SilentNs += lasted
		return // and does not tell of a frequency
	}
	if q.FreqPPB == nil {
		q.FreqPPB = &[2]int64{f.FreqPPB, f.FreqPPB}
	}
	q.FreqPPB[0], q.FreqPPB[1] = min(q.FreqPPB[0], f.FreqPPB), max(q.FreqPPB[1], f.FreqPPB)
}

func worse(worst **protocol.Int64, ns *protocol.Int64) {
	if ns != nil && (*worst == nil || *ns > **worst) {
		*worst = ns
	}
}

// suspended is how long the computer slept between two clock frames: what the
// clock that runs on gained on the one that stands still. Two oscillators drift
// apart by less than a thousandth.
func suspended(a, b protocol.Clock) protocol.Int64 {
	if a.BootNs == 0 || b.BootNs == 0 || a.MonoNs == 0 || b.MonoNs == 0 {
		return 0
	}
	passed := b.BootNs - a.BootNs
	if slept := passed - (b.MonoNs - a.MonoNs); slept > protocol.Int64(time.Second)/2+passed/1000 {
		return slept
	}
	return 0
}

func (q *ClockQuality) compare(ahead, roundTrip int64) {
	c := q.Compared
	if c == nil {
		c = &Comparisons{WithinNs: math.MaxInt64, LeastNs: math.MaxInt64, MostNs: math.MinInt64}
		q.Compared = c
	}
	c.N++
	c.LeastNs, c.MostNs = min(c.LeastNs, protocol.Int64(ahead)), max(c.MostNs, protocol.Int64(ahead))
	if half := protocol.Int64(roundTrip / 2); half < c.WithinNs {
		c.AheadNs, c.WithinNs = protocol.Int64(ahead), half
	}
}

// comparison is a line of the side file of a folder.
type comparison struct {
	base      protocol.ID
	at        int64 // of the base
	offset    int64 // of the base, ahead of the receiver's UTC
	roundTrip int64
}

// eachComparison reads the side file of a folder. Lines that are none are passed
// over. The error is that of opening the file: there is none where nothing was
// ever compared.
func eachComparison(path string, take func(comparison)) error {
	file, err := os.Open(filepath.Join(path, clockFile))
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		cells := strings.Split(lines.Text(), ",")
		if len(cells) != 5 {
			continue
		}
		base, err := protocol.ParseID(cells[1])
		at, errAt := strconv.ParseInt(cells[2], 10, 64)
		offset, errOffset := strconv.ParseInt(cells[3], 10, 64)
		trip, errTrip := strconv.ParseInt(cells[4], 10, 64)
		if err == nil && errAt == nil && errOffset == nil && errTrip == nil {
			take(comparison{base, at, offset, trip})
		}
	}
	return nil
}

// DeviceClock compares the clock of an instrument that times its gates itself
// with the gateway's, over all parts of a stream.
type DeviceClock struct {
	// RatePPM is how fast it runs: 100 when its gates are shorter by 100 parts per
	// million than what is told of them. WithinPPM is twice the standard error.
	RatePPM   float64 `json:"rate_ppm"`
	WithinPPM float64 `json:"within_ppm"`
	// How far the least late arrivals lie from a straight line.
	ResidualRMSNs protocol.Int64 `json:"residual_rms_ns"`
	ResidualMaxNs protocol.Int64 `json:"residual_max_ns"`
	Pairs         int            `json:"pairs"`   // so many of them
	SpanNs        protocol.Int64 `json:"span_ns"` // from the first to the last, stretches added up
	GateNs        protocol.Int64 `json:"gate_ns"` // as told; 0 for time tags
}

// deviceClock fits one rate to all stretches of clock pairs, each of which begins
// where it likes; nil: too little is known. From one index to the next it is
// stepNs by the instrument's clock: a gate, or a tick.
func deviceClock(stepNs float64, stretches []journal.Stretch) *DeviceClock {
	const least = 5 // pairs, and that many seconds
	d := &DeviceClock{GateNs: protocol.Int64(stepNs)}
	var sxx, sxy float64
	lines := make([]centred, 0, len(stretches))
	for _, s := range stretches {
		if len(s.Pairs) < 2 {
			continue
		}
		c := centre(stepNs, s.Pairs)
		lines = append(lines, c)
		for i := range c.x {
			sxx += c.x[i] * c.x[i]
			sxy += c.x[i] * c.y[i]
		}
		d.Pairs += len(s.Pairs)
		d.SpanNs += s.Pairs[len(s.Pairs)-1].BaseNs - s.Pairs[0].BaseNs
	}
	free := d.Pairs - len(lines) - 1
	if stepNs <= 0 || d.Pairs < least || free < 1 || d.SpanNs < least*protocol.Int64(time.Second) || sxx == 0 {
		return nil
	}
	slope, squares, most := sxy/sxx, 0.0, 0.0
	for _, c := range lines {
		for i := range c.x {
			off := c.y[i] - slope*c.x[i]
			squares += off * off
			most = max(most, math.Abs(off))
		}
	}
	d.RatePPM = -slope / (1 + slope) * 1e6
	d.WithinPPM = 2 * math.Sqrt(squares/float64(free)/sxx) * 1e6
	d.ResidualRMSNs = protocol.Int64(math.Round(math.Sqrt(squares / float64(d.Pairs))))
	d.ResidualMaxNs = protocol.Int64(math.Round(most))
	return d
}

// centred is a stretch around its middle: x the time told by the instrument's
// own clock, y how much more had passed by the gateway's.
type centred struct{ x, y []float64 }

func centre(stepNs float64, pairs []protocol.ClockPair) centred {
	var c centred
	var sumX, sumY float64
	for _, p := range pairs {
		x := float64(p.Index-pairs[0].Index) * stepNs
		y := float64(p.BaseNs-pairs[0].BaseNs) - x
		c.x, c.y = append(c.x, x), append(c.y, y)
		sumX, sumY = sumX+x, sumY+y
	}
	for i := range c.x {
		c.x[i] -= sumX / float64(len(pairs))
		c.y[i] -= sumY / float64(len(pairs))
	}
	return c
}

// clockStep is how long it is, in ns by the instrument's clock, from one index of a
// part's clock pairs to the next: a gate, or a tick of a stream of tags; 0: they say
// nothing of that clock.
func clockStep(d *protocol.Descriptor) float64 {
	switch {
	case d.Timing != protocol.TimingDevice || d.Stream == table.GatewayStream:
		return 0
	case d.Tick != nil:
		return tickNs(d.Tick)
	}
	return float64(d.GateNs)
}
