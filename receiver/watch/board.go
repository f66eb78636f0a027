package watch

import (
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// board is all that is known of what is watched. What reads the gateway or the
// folder puts things in, what draws looks: both at any time.
type board struct {
	smooth   time.Duration
	channels []string // patterns of what to show, in this order; none: all

	mu      sync.Mutex
	source  string // what is watched, for the title
	trouble string // why nothing comes; empty: connected
	awaited string // where the gateway is to dial in for the first time; empty: it has, or is dialled
	streams []*stream
	several bool             // channels of more than one stream are shown
	status  *protocol.Status // as the gateway last told; nil: not known
	warned  []string         // what the opening of the session gave to think of, as clocks that are wrong
	note    string           // the last event of people
	noteAt  time.Time
}

// stream is one device.
type stream struct {
	name    string // pi-lab3/bench
	device  string // bench
	meters  []*meter
	desc    protocol.Descriptor
	epoch   uint32
	tags    bool      // readings are stretches of time tags
	gateNs  int64     // of the last reading, or nominal
	endNs   int64     // of the last reading, on its base
	came    time.Time // when the last reading ended, by this computer's clock
	any     bool      // a reading has come
	gaps    int
	lastGap string
}

func newBoard(source string, smooth time.Duration, channels []string) *board {
	return &board{source: source, smooth: smooth, channels: channels}
}

// sink is the part of the board that one stream's decoder writes to.
type sink struct {
	board *board
	// age is how long ago a moment of the part's base was; ok is false when that
	// cannot be told but by when the reading came.
	age func(p *table.Part, ns int64) (d time.Duration, ok bool)
	now func() time.Time
}

// Readings implements table.Sink.
func (s *sink) Readings(p *table.Part, _ uint64, c *protocol.Counts) error {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	st := s.board.stream(p)
	st.describe(p)
	st.tags = p.OfTags
	for i := range c.Begin {
		end := c.Begin[i] + c.Length[i]
		for ch, m := range st.meters {
			if ch < len(c.Values) {
				m.add(c, ch, i, end)
			}
		}
		st.endNs = end
		if c.Length[i] > 0 {
			st.gateNs = c.Length[i]
		}
		for _, m := range st.meters {
			m.look(s.board.smooth, end)
		}
	}
	st.any = true
	st.came = s.now()
	if d, ok := s.age(p, st.endNs); ok {
		st.came = st.came.Add(-max(0, d))
	}
	return nil
}

// Gap implements table.Sink.
func (s *sink) Gap(p *table.Part, g table.Gap) error {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	st := s.board.stream(p)
	st.gaps++
	st.lastGap = g.Cause
	for _, m := range st.meters {
		m.hasLast = false
	}
	return nil
}

// Event implements table.Sink.
func (s *sink) Event(p *table.Part, e table.Event) error {
	text := e.Text
	switch e.What {
	case protocol.EventNote:
		text = "note: " + text
	case protocol.EventBegin, protocol.EventEnd:
		text = e.What
		if e.Measurement != nil && e.Measurement.Title != "" {
			text += ": " + e.Measurement.Title
		}
	case protocol.EventSet:
		text = p.Stream + ": " + e.Key + " " + e.Old + " -> " + e.New
	case protocol.EventAlarm, protocol.EventAlarmOver:
		text = e.What + ": " + text
	default:
		return nil
	}
	if e.Who != "" && e.Who != "gateway" {
		text += " (" + e.Who + ")"
	}
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.board.note, s.board.noteAt = text, s.now()
	if ago, ok := s.age(p, e.AtNs); ok {
		s.board.noteAt = s.board.noteAt.Add(-ago)
	}
	return nil
}

// stream finds or makes the stream of a part. The caller holds the lock.
func (b *board) stream(p *table.Part) *stream {
	i := slices.IndexFunc(b.streams, func(st *stream) bool { return st.name == p.Name() })
	if i >= 0 {
		return b.streams[i]
	}
	st := &stream{name: p.Name(), device: p.Stream}
	b.streams = append(b.streams, st)
	slices.SortFunc(b.streams, func(x, y *stream) int { return strings.Compare(x.name, y.name) })
	return st
}

// describe begins anew with an epoch. What a channel's maximum and history were
// is kept as long as the channel is the same one.
func (st *stream) describe(p *table.Part) {
	if st.epoch == p.Epoch && len(st.meters) == len(p.Desc.Channels) {
		return
	}
	earlier := st.meters
	st.epoch, st.desc, st.gateNs = p.Epoch, p.Desc, int64(p.Desc.GateNs)
	st.meters = nil
	for _, spec := range p.Desc.Channels {
		m := &meter{spec: spec}
		i := slices.IndexFunc(earlier, func(e *meter) bool {
			return e.spec.Name == spec.Name && e.spec.Kind == spec.Kind && e.spec.Unit == spec.Unit
		})
		if i >= 0 {
			m.peak, m.hasPeak, m.trace = earlier[i].peak, earlier[i].hasPeak, earlier[i].trace
		}
		st.meters = append(st.meters, m)
	}
}

// setAwaited says where the gateway is to dial in; empty: it has.
func (b *board) setAwaited(where string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.awaited = where
}

// setTrouble says why nothing comes, or with "" that all is well again.
func (b *board) setTrouble(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble = text
	if text != "" {
		b.status = nil
	}
}

// setWarnings notes what is to be said for as long as the session lasts.
func (b *board) setWarnings(sentences []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.warned = sentences
}

// setStatus notes what the gateway says of itself.
func (b *board) setStatus(s *protocol.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = s
}

// resetPeaks forgets the maxima.
func (b *board) resetPeaks() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, st := range b.streams {
		for _, m := range st.meters {
			m.hasPeak = false
		}
	}
}

// setSmooth changes the time over which rates are taken, within bounds.
func (b *board) setSmooth(change func(time.Duration) time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.smooth = min(max(change(b.smooth), minSmooth), maxSmooth)
}

// Bounds of smoothing.
const (
	minSmooth = 50 * time.Millisecond
	maxSmooth = time.Minute
)

// shown is a channel that is to be shown, and its place.
type shown struct {
	stream *stream
	ch     int
}

// choose returns the channels to show: those asked for, in that order, or all.
// misses are the patterns that fit none. The caller holds the lock.
func (b *board) choose() (list []shown, misses []string) {
	if len(b.channels) == 0 {
		return b.all(""), nil
	}
	for _, pattern := range b.channels {
		fits := false
		for _, s := range b.all(pattern) {
			if !s.fits(pattern) {
				continue
			}
			if fits = true; !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
		if !fits {
			misses = append(misses, pattern)
		}
	}
	return list, misses
}

// all are the channels that a pattern can mean. Those of time tags of which counts are
// made are left out unless it names their stream: the counts have the same channels.
func (b *board) all(pattern string) []shown {
	var list []shown
	for _, st := range b.streams {
		if b.counted(st) && !strings.Contains(pattern, "/") || !b.read(st) {
			continue
		}
		for ch := range st.meters {
			list = append(list, shown{st, ch})
		}
	}
	return list
}

// read reports whether the gateway reads the stream: one of a device that is in its
// configuration no more is only remembered. Until it tells, all are.
func (b *board) read(st *stream) bool {
	return b.status == nil || slices.ContainsFunc(b.status.Devices, func(d protocol.DeviceStatus) bool { return d.Name == st.device })
}

// counted reports whether counts are made of a stream's tags, and come.
func (b *board) counted(of *stream) bool {
	return slices.ContainsFunc(b.streams, func(st *stream) bool {
		return st.desc.Parent != nil && st.any && st.desc.Parent.Stream == of.device && strings.TrimSuffix(st.name, st.device) == strings.TrimSuffix(of.name, of.device)
	})
}

// fits reports whether a pattern means the channel: AB, bench/AB or
// pi-lab3/bench/AB, with * and ?.
func (s shown) fits(pattern string) bool {
	name := s.stream.meters[s.ch].spec.Name
	for _, full := range []string{name, s.stream.device + "/" + name, s.stream.name + "/" + name} {
		if pattern == full {
			return true
		}
		if ok, err := path.Match(pattern, full); ok && err == nil {
			return true
		}
	}
	return false
}

// rate is the smoothed rate of the first channel that fits a pattern, for the
// tone. It is not known while the readings are stale.
func (b *board) rate(pattern string, now time.Time) (float64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.all(pattern) {
		if s.fits(pattern) {
			v := s.stream.meters[s.ch].over(b.smooth)
			return v.v, v.known && !s.stream.stale(now) && b.trouble == ""
		}
	}
	return 0, false
}

// staleGates is after how many gates without a reading a number is old.
const staleGates = 3

// stale reports whether the last reading is older than three gates. What the
// way from the instrument takes, batching included, is allowed for.
func (st *stream) stale(now time.Time) bool {
	return !st.any || now.Sub(st.came) > staleGates*time.Duration(st.gateNs)+allowance
}

// allowance is what batching, network and the pace of drawing may add to the
// age of a reading.
const allowance = 250 * time.Millisecond
