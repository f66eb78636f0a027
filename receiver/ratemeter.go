package receiver

import (
	"math"
	"slices"
	"time"

	"photongate/protocol"
	"photongate/protocol/table"
)

// rateMeter turns the readings of a stream into rates over about a second.
//
// It looks into at most meterValues values per meterPeriod: beyond, as when an
// archive catches up, frames are passed over but for the latest, and rates are
// those of the frames looked into. Recording is not slowed down by its display.
type rateMeter struct {
	desc   protocol.Descriptor
	tags   meteredTags
	codec  protocol.CountsDecoder
	counts protocol.Counts
	bins   []rateBin
	last   []uint64 // raw value of each total in the reading before
	lastOK bool
	gateNs int64 // of the last reading that has a begin; 0: there was none

	period  time.Time // when the present period began
	looked  int       // values looked into since
	skipped protocol.Header
	latest  []byte // payload of the latest frame passed over, skipped its header; empty: none
}

// Bounds of what a rateMeter looks into.
const (
	meterPeriod = 100 * time.Millisecond
	meterValues = 64 << 10
)

// rateBin sums some readings, span ns of them.
type rateBin struct {
	spanNs int64
	liveNs []int64   // by channel
	sums   []float64 // by channel: events, or values
	n      []int     // by channel: readings with a value
}

const (
	binNs    = int64(100 * time.Millisecond)
	windowNs = int64(time.Second)
)

func (m *rateMeter) describe(payload []byte) {
	var desc protocol.Descriptor
	if protocol.DecodeJSON(payload, &desc) == nil {
		m.desc, m.bins, m.lastOK = desc, nil, false
		m.tags = meteredTags{part: table.Part{Desc: desc, Described: true, Stream: desc.Stream}}
	}
}

// add takes a counts frame and returns the end of its last reading, when it
// looked into it.
func (m *rateMeter) add(h protocol.Header, payload []byte) (endNs int64, ok bool) {
	if now := time.Now(); now.Sub(m.period) >= meterPeriod {
		m.period, m.looked = now, 0
	}
	if m.looked >= meterValues {
		m.skipped, m.latest = h, append(m.latest[:0], payload...)
		m.tags.reader.Break()
		return 0, false
	}
	if h.Type == protocol.TypeTags {
		m.looked += tagsFrameValues
	} else {
		m.looked += int(h.Count) * len(m.desc.Channels)
	}
	if len(m.latest) > 0 { // readings lie between the last one looked into and this
		m.latest, m.lastOK = m.latest[:0], false
	}
	return m.look(h, payload)
}

// catchUp looks into the latest frame that was passed over.
func (m *rateMeter) catchUp() (endNs int64, ok bool) {
	if len(m.latest) == 0 {
		return 0, false
	}
	m.lastOK = false
	endNs, ok = m.look(m.skipped, m.latest)
	m.latest = m.latest[:0]
	return endNs, ok
}

// look sums the readings of a frame. One that cannot be decoded is stored all
// the same; it counts for nothing here.
func (m *rateMeter) look(h protocol.Header, payload []byte) (endNs int64, ok bool) {
	if h.Type == protocol.TypeTags {
		return m.lookAtTags(h, payload)
	}
	if m.codec.Decode(h, payload, &m.counts) != nil || len(m.counts.Values) != len(m.desc.Channels) {
		m.lastOK = false
		return 0, false
	}
	for i := range m.counts.Begin {
		m.reading(i)
	}
	last := len(m.counts.Begin) - 1
	if length := m.counts.Length[last]; length > 0 {
		m.gateNs = length
	}
	return m.counts.Begin[last] + m.counts.Length[last], true
}

func (m *rateMeter) reading(i int) {
	c := &m.counts
	channels := len(m.desc.Channels)
	if n := len(m.bins); n == 0 || m.bins[n-1].spanNs >= binNs {
		m.bins = append(m.bins, rateBin{liveNs: make([]int64, channels), sums: make([]float64, channels), n: make([]int, channels)})
	}
	bin := &m.bins[len(m.bins)-1]
	first := len(c.Flags) > 0 && c.Flags[i]&protocol.FlagFirst != 0
	bin.spanNs += c.Length[i]
	for ch, spec := range m.desc.Channels {
		if table.Absent(c, ch, i) {
			continue
		}
		value := c.Values[ch][i]
		switch {
		case spec.Kind == protocol.KindTotal && !m.lastOK, first && spec.Kind != protocol.KindTotal:
			continue
		case spec.Kind == protocol.KindTotal:
			value = spec.Wrap(value - m.last[ch])
		}
		bin.sums[ch] += spec.Number(value)
		bin.liveNs[ch] += table.LiveNs(c, i)
		bin.n[ch]++
	}
	m.remember(i)
	m.trim()
}

// remember keeps the totals of a reading for the difference to the next.
func (m *rateMeter) remember(i int) {
	if cap(m.last) < len(m.desc.Channels) {
		m.last = make([]uint64, len(m.desc.Channels))
	}
	m.last = m.last[:len(m.desc.Channels)]
	m.lastOK = true
	for ch := range m.last {
		m.last[ch] = m.counts.Values[ch][i]
		if table.Absent(&m.counts, ch, i) {
			m.lastOK = false
		}
	}
}

// trim forgets the oldest readings as long as a second remains.
func (m *rateMeter) trim() {
	var span int64
	for _, b := range m.bins {
		span += b.spanNs
	}
	for len(m.bins) > 1 && span-m.bins[0].spanNs >= windowNs {
		span -= m.bins[0].spanNs
		m.bins = slices.Delete(m.bins, 0, 1)
	}
}

func (m *rateMeter) channels() []ChannelProgress {
	list := make([]ChannelProgress, 0, len(m.desc.Channels))
	for ch, spec := range m.desc.Channels {
		p := ChannelProgress{Name: spec.Name, Kind: spec.Kind, Unit: spec.Unit}
		var sum float64
		var liveNs int64
		n := 0
		for _, b := range m.bins {
			sum += b.sums[ch]
			liveNs += b.liveNs[ch]
			n += b.n[ch]
		}
		seconds := float64(liveNs) / 1e9
		switch {
		case isCounter(spec.Kind):
			p.Unit = "1/s"
			if seconds > 0 {
				p.Known, p.Value, p.Sigma = true, sum/seconds, math.Sqrt(max(sum, 1))/seconds
			}
		case n > 0:
			p.Known, p.Value = true, sum/float64(n)
		}
		list = append(list, p)
	}
	return list
}

// isCounter reports whether channels of a kind count events, so that they have a
// rate.
func isCounter(kind string) bool {
	switch kind {
	case protocol.KindCount, protocol.KindTotal, protocol.KindTag, protocol.KindMarker:
		return true
	}
	return false
}

// meteredTags counts the tags of a stream, by what its frames tell.
type meteredTags struct {
	part   table.Part
	reader table.TagReader
	counts table.TagCounts
}

// tagsFrameValues is what looking into a frame of tags costs, counted in values.
const tagsFrameValues = 256

// lookAtTags takes the totals of a frame of tags.
func (m *rateMeter) lookAtTags(h protocol.Header, payload []byte) (endNs int64, ok bool) {
	t := &m.tags
	if t.part.Epoch != h.Epoch {
		t.part.Epoch = h.Epoch
		t.reader.Enter()
	}
	f, err := t.reader.Read(&t.part, h, payload)
	if err != nil {
		return 0, false
	}
	if _, c, ok := t.counts.Counts(&t.part, f); ok && len(c.Values) == len(m.desc.Channels) {
		m.counts = *c
		m.reading(0)
	}
	return f.EndNs, true
}
