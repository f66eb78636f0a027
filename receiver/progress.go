package receiver

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"photongate/protocol"
)

// Progress is a recording as it stands.
type Progress struct {
	Streams      []StreamProgress // sorted by gateway and stream; without the streams "gateway"
	Connected    int              // gateways with a session
	Disconnected int              // gateways without one
	Trouble      string           // with the archive's disk; empty: none
	Waiting      string           // with Trouble: how much waits at the gateway, and for how long it can
	Listening    []string         // addresses at which gateways dial in
}

// StreamProgress is one stream of a recording.
type StreamProgress struct {
	Gateway, Stream string
	Folder          string            // where the archive of the gateway is
	Channels        []ChannelProgress // of the part that came last
	Tags            bool              // what is called readings here is time tags
	Readings        uint64            // recorded since the recording began
	Expected        uint64            // readings between the first and the last, as the index counts them
	Parts           int               // begun or gone on with
	Gaps            int               // stretches without readings, as the gateway tells
	Missing         uint64            // readings in them, as far as known
	Unknown         int               // gaps of which it is not known how many readings are missing
	Holes           int               // stretches the gateway does not hold any more
	Lag             time.Duration     // from the end of the last reading to now, by the gateway's clock
	FirstNs, LastNs int64             // begin of the first reading, end of the last; ns of the time base
	State           string            // StateComing...
	Cause           string            // of StateSilent and StateNotKept; empty: not known
	CSV             []string          // files written, with RecordOptions.CSV, at the end
}

// ChannelProgress is the latest of one channel, over about the last second.
type ChannelProgress struct {
	Name  string
	Kind  string  // protocol.KindCount...; counts and totals are shown as rates
	Unit  string  // "1/s" for rates
	Value float64 // rate in 1/s, or the mean value
	Sigma float64 // one standard deviation of a rate, from counting; 0 for others
	Known bool    // there was a reading to tell from
}

type streamKey struct{ gateway, stream string }

// scoreboard gathers what recorders see. It may be used concurrently.
type scoreboard struct {
	mu        sync.Mutex
	scores    map[streamKey]*score
	why       []string
	connected map[string]bool
	trouble   map[string]string // with the disk, by gateway
	waiting   map[string]string // meanwhile, likewise
	began     map[string]int64  // by gateway: when a run began, ns of its time base
	ends      map[string]int64  // by gateway: when a run for a time ends
	listening []string
}

func newScoreboard() *scoreboard {
	return &scoreboard{scores: map[streamKey]*score{}, connected: map[string]bool{}, trouble: map[string]string{}, waiting: map[string]string{}, began: map[string]int64{}, ends: map[string]int64{}}
}

// score is one stream.
type score struct {
	StreamProgress
	epoch     uint32
	seq       uint64        // of the last frame
	heldTo    int64         // end of the last reading of the part before, when more of that came than the gateway knew later; 0: not
	ended     *protocol.End // of the part at hand; nil: it goes on
	endedNs   int64         // when
	nextIndex uint64
	indexed   bool
	meter     rateMeter
	summary   protocol.TagsSummary
	via       string    // what its gateway is called in messages
	taken     time.Time // when it was asked for over the present session
	heard     time.Time // when its last readings came
	clock     *clockCheck
	unknown   losses // of which the number of readings missing is not known
	fresh     bool   // nothing of it is held, but holes
	beganNs   int64  // of a run: its begin, ns of the time base; 0: not a run from now
	before    string // cause of a gap that lasted when the run began, and ended with its first reading
}

// add begins or goes on with a stream; fresh says that the archive holds nothing of it.
func (b *scoreboard) add(key streamKey, via, folder string, fresh bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.scores[key]
	if s == nil {
		s = &score{}
		s.Gateway, s.Stream = key.gateway, key.stream
		b.scores[key] = s
	}
	s.fresh, s.via, s.taken = fresh, via, time.Now()
	s.Folder, s.beganNs = folder, b.began[key.gateway]
}

// runBegan notes when a run of a gateway began. What lay before is no part of it.
func (b *scoreboard) runBegan(gateway string, ns int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.began[gateway] == 0 {
		b.began[gateway] = ns
	}
}

// runEnds notes when a run for a time ends, by the gateway's time base.
func (b *scoreboard) runEnds(gateway string, ns int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ends[gateway] = ns
}

// context takes the descriptor of a part that is under way.
func (b *scoreboard) context(key streamKey, h protocol.Header, payload []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.scores[key]; s != nil && h.Type == protocol.TypeDescriptor {
		s.meter.describe(payload)
	}
}

// stored takes a frame that was stored.
func (b *scoreboard) stored(key streamKey, h protocol.Header, payload []byte, clock *clockCheck) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.scores[key]
	if s == nil {
		return
	}
	s.clock = clock
	if h.Epoch != s.epoch {
		s.enter(h, payload)
	}
	s.seq = h.Seq
	s.fresh = s.fresh && h.Type == protocol.TypeHole
	switch h.Type {
	case protocol.TypeDescriptor:
		s.meter.describe(payload)
	case protocol.TypeTags:
		s.Tags = true
		s.readings(h, payload)
		s.losses(payload)
	case protocol.TypeCounts:
		s.readings(h, payload)
	case protocol.TypeGap:
		s.gap(h, payload)
	case protocol.TypeHole:
		if !s.fresh { // it lies before the archive began
			s.Holes++
		}
	case protocol.TypeEnd:
		var e protocol.End
		if protocol.DecodeJSON(payload, &e) != nil {
			e.Cause = "undecoded"
		}
		s.ended, s.endedNs = &e, h.Time
	}
}

// enter goes on with a part.
func (s *score) enter(h protocol.Header, payload []byte) {
	var d protocol.Descriptor
	s.heldTo = 0
	if h.Type == protocol.TypeDescriptor && protocol.DecodeJSON(payload, &d) == nil {
		if p := d.Previous; p != nil && p.Epoch == s.epoch && s.seq > uint64(p.Seq) {
			s.heldTo = s.lastEnd()
		}
	}
	s.epoch, s.indexed, s.ended = h.Epoch, false, nil
	s.Parts++
}

// lastEnd is the end of the last reading; 0: there was none.
func (s *score) lastEnd() int64 {
	if end, ok := s.meter.catchUp(); ok {
		s.LastNs = end
	}
	return s.LastNs
}

func (s *score) readings(h protocol.Header, payload []byte) {
	s.heard = time.Now()
	if h.Type == protocol.TypeTags && h.Count == 0 { // it tells how far the clock came
		if end, ok := s.meter.add(h, payload); ok {
			s.LastNs = end
		}
		return
	}
	if s.indexed && h.Index > s.nextIndex { // in a hole
		s.Missing += h.Index - s.nextIndex
		s.Expected += h.Index - s.nextIndex
	}
	s.Readings += uint64(h.Count)
	s.Expected += uint64(h.Count)
	s.nextIndex, s.indexed = h.Index+uint64(h.Count), true
	if s.FirstNs == 0 {
		s.FirstNs = h.Time
	}
	if end, ok := s.meter.add(h, payload); ok {
		s.LastNs = end
	}
}

// losses counts what a frame of tags says is missing.
func (s *score) losses(payload []byte) {
	if s.summary.Parse(payload) != nil {
		return
	}
	for _, l := range s.summary.Losses {
		s.Gaps++
		if l.Known {
			s.Missing += l.Missing
			s.Expected += l.Missing
			continue
		}
		one := LossReport{}
		if t := s.meter.desc.Tick; t != nil {
			one.DurationNs = protocol.Ref(protocol.Int64(float64(l.To-l.From) * tickNs(t)))
		}
		s.Unknown++
		s.unknown.add([]LossReport{one})
	}
}

func (s *score) gap(h protocol.Header, payload []byte) {
	s.meter.tags.reader.Break()
	var g protocol.Gap
	if protocol.DecodeJSON(payload, &g) != nil {
		g = protocol.Gap{Cause: "undecoded"}
	}
	if h.Index == 0 && s.heldTo > h.Time {
		if g.Missing = nil; g.DurationNs != nil {
			g.DurationNs = protocol.Ref(max(0, *g.DurationNs-protocol.Int64(s.heldTo-h.Time)))
		}
	}
	if g.Missing != nil {
		s.nextIndex, s.indexed = h.Index+uint64(*g.Missing), true
	}
	if s.Readings == 0 && h.Time < s.beganNs {
		s.before = g.Cause
		return
	}
	s.Gaps++
	if g.Missing != nil {
		s.Missing += uint64(*g.Missing)
		s.Expected += uint64(*g.Missing)
		return
	}
	s.Unknown++
	s.unknown.add([]LossReport{{DurationNs: g.DurationNs}})
}

// why says what is missing, empty when nothing is.
func (s *score) why() string {
	gaps, unit := plural(uint64(s.Gaps), "gap"), unitOf(s.Tags)
	switch {
	case s.Holes > 0:
		return plural(uint64(s.Holes), "hole") + ", which the gateway does not hold any more"
	case s.Unknown > 0 && s.Missing > 0:
		return fmt.Sprintf("%s of %s, and an unknown number missing in %s (%s)", grouped(s.Readings), plural(s.Expected, unit), s.unknown.time(), gaps)
	case s.Unknown > 0:
		return fmt.Sprintf("%s, and an unknown number missing in %s (%s)", plural(s.Readings, unit), s.unknown.time(), gaps)
	case s.Gaps > 0:
		return fmt.Sprintf("%s, %s missing", gaps, plural(s.Missing, unit))
	case s.Missing > 0:
		return plural(s.Missing, unit) + " missing"
	}
	return ""
}

// note says how long a run waited for its first reading, when a gap that had
// begun before it lasted.
func (s *score) note() string {
	if late := time.Duration(s.FirstNs - s.beganNs); s.before != "" && late > 0 && s.Readings > 0 {
		return fmt.Sprintf("the first reading begins %.1f s after the recording did: a gap (%s) that had begun before", late.Seconds(), s.before)
	}
	return ""
}

// incomplete notes why a recording is not what was asked for.
func (b *scoreboard) incomplete(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.why = append(b.why, fmt.Sprintf(format, args...))
}

// forget is for a gateway that is connected under another name.
func (b *scoreboard) forget(hostPort string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.connected, hostPort)
}

func (b *scoreboard) setConnected(hostPort string, yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connected[hostPort] = yes
}

// setTrouble notes what is wrong with the disk of a gateway's archive (empty:
// nothing), and what waits meanwhile.
func (b *scoreboard) setTrouble(hostPort, what, waiting string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble[hostPort], b.waiting[hostPort] = what, waiting
}

// listens notes an address at which gateways dial in.
func (b *scoreboard) listens(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listening = append(b.listening, address)
}

func (b *scoreboard) csvFiles(gateway string, files map[string][]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for stream, names := range files {
		if s := b.scores[streamKey{gateway, stream}]; s != nil {
			s.CSV = append(s.CSV, names...)
		}
	}
}

// allHave reports whether at least one stream of the gateway gave readings,
// and all that gave any gave n.
func (b *scoreboard) allHave(gateway string, n uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	any := false
	for key, s := range b.scores {
		if key.gateway != gateway || s.Readings == 0 {
			continue
		}
		if s.Readings < n {
			return false
		}
		any = true
	}
	return any
}

func (b *scoreboard) progress() Progress {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := Progress{Streams: b.streamsLocked(), Listening: slices.Clone(b.listening)}
	for _, yes := range b.connected {
		if yes {
			p.Connected++
		} else {
			p.Disconnected++
		}
	}
	for _, hostPort := range slices.Sorted(maps.Keys(b.trouble)) {
		if what := b.trouble[hostPort]; what > p.Trouble {
			p.Trouble, p.Waiting = what, b.waiting[hostPort]
		}
	}
	return p
}

func (b *scoreboard) streamsLocked() []StreamProgress {
	var streams []StreamProgress
	now := time.Now()
	for key, s := range b.scores {
		if key.stream == gatewayStream {
			continue
		}
		s.lastEnd()
		one := b.withOutage(key, s, now).StreamProgress
		one.Channels = s.meter.channels()
		if s.LastNs != 0 && s.clock != nil {
			one.Lag = max(0, time.Duration(s.clock.baseNow(now)-s.LastNs))
		}
		one.State, one.Cause = b.standing(s, one.Lag, now)
		streams = append(streams, one)
	}
	slices.SortFunc(streams, func(a, b StreamProgress) int {
		return cmp.Or(cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Stream, b.Stream))
	})
	return streams
}

func (b *scoreboard) summary() Summary {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Summary{Streams: b.streamsLocked(), Why: slices.Clone(b.why)}
	total := uint64(0)
	for _, one := range s.Streams {
		total += one.Readings
		key := streamKey{one.Gateway, one.Stream}
		score := b.scores[key]
		told := b.withOutage(key, score, time.Now())
		if why := told.why(); why != "" {
			s.Why = append(s.Why, fmt.Sprintf("%s/%s: %s", one.Gateway, one.Stream, why))
		}
		if note := score.note(); note != "" {
			s.Notes = append(s.Notes, fmt.Sprintf("%s/%s: %s", one.Gateway, one.Stream, note))
		}
	}
	if total == 0 && len(s.Why) == 0 {
		s.Why = append(s.Why, "not one "+s.unit()+" came")
	}
	if total > 0 {
		b.silentLocked(&s)
	}
	s.Complete = len(s.Why) == 0
	return s
}

// unit is what the streams of a recording hold one of.
func (s *Summary) unit() string {
	return unitOf(len(s.Streams) > 0 && !slices.ContainsFunc(s.Streams, func(one StreamProgress) bool { return !one.Tags }))
}

// Unit is what the stream holds one of: "reading" or "tag".
func (s *StreamProgress) Unit() string { return unitOf(s.Tags) }
