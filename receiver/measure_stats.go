package receiver

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"photongate/protocol"
	"photongate/protocol/table"
)

// measuredSums is a sink that sums what one stream of a measurement gives. It
// remembers no readings. One goroutine uses it.
type measuredSums struct {
	clocks   *table.ClockTable
	channels []channelSum
	parts    []MeasuredPart
	tagged   bool // the rows are tags, counted in the stretches in which they came
	readings uint64
	liveNs   int64
	firstIn  protocol.ID // time bases of these two
	lastIn   protocol.ID
	firstNs  int64 // begin of the first reading
	lastNs   int64 // end of the last one
	flags    map[string]uint64
	gaps     int
	missing  uint64
	unknown  losses // gaps of which the number of readings missing is not known
	unknowns int
	causes   []string
	changes  []string
	alarms   []string
	ended    string // why the part in force ended; empty: it goes on
}

// channelSum is one channel.
type channelSum struct {
	spec   protocol.Channel
	sum    uint64 // of counts
	liveNs int64  // of the readings that are in sum
	n      int    // readings with a value
	mean   float64
	m2     float64 // sum of squared deviations from the mean
	last   uint64  // raw value of a total in the reading before, at lastAt
	lastAt uint64
	lastOK bool
}

func newMeasuredSums(clocks *table.ClockTable) *measuredSums {
	return &measuredSums{clocks: clocks, flags: map[string]uint64{}}
}

// Readings implements table.Sink.
func (m *measuredSums) Readings(p *table.Part, firstIndex uint64, c *protocol.Counts) error {
	n := len(c.Begin)
	part := m.enter(p, firstIndex)
	part.ToIndex = protocol.Uint64(firstIndex + uint64(n) - 1)
	part.Readings += uint64(n)
	if m.readings == 0 {
		m.firstIn, m.firstNs = p.Desc.Base, c.Begin[0]
	}
	m.readings += uint64(n)
	m.lastIn, m.lastNs, m.ended = p.Desc.Base, c.Begin[n-1]+c.Length[n-1], ""
	for i := range n {
		m.liveNs += table.LiveNs(c, i)
	}
	for ch, spec := range p.Desc.Channels {
		m.channel(spec).add(c, ch, firstIndex)
	}
	m.countFlags(p, c)
	return nil
}

// enter returns the part in force.
func (m *measuredSums) enter(p *table.Part, firstIndex uint64) *MeasuredPart {
	last := len(m.parts) - 1
	if last < 0 || m.parts[last].Part != p.Epoch {
		m.parts = append(m.parts, MeasuredPart{Part: p.Epoch, FromIndex: protocol.Uint64(firstIndex)})
		last++
		for i := range m.channels {
			m.channels[i].lastOK = false
		}
	}
	return &m.parts[last]
}

// channel finds the sum of a channel, by name and kind.
func (m *measuredSums) channel(spec protocol.Channel) *channelSum {
	i := slices.IndexFunc(m.channels, func(s channelSum) bool { return s.spec.Name == spec.Name && s.spec.Kind == spec.Kind })
	if i < 0 {
		i = len(m.channels)
		m.channels = append(m.channels, channelSum{spec: spec})
	}
	return &m.channels[i]
}

// add sums the column ch of a frame.
func (s *channelSum) add(c *protocol.Counts, ch int, firstIndex uint64) {
	for i, word := range c.Values[ch] {
		index := firstIndex + uint64(i)
		if table.Absent(c, ch, i) {
			s.lastOK = false
			continue
		}
		switch s.spec.Kind {
		case protocol.KindCount:
			s.count(word, table.LiveNs(c, i))
		case protocol.KindTotal:
			if s.lastOK && index == s.lastAt+1 {
				s.count(s.spec.Wrap(word-s.last), table.LiveNs(c, i))
			}
			s.last, s.lastAt, s.lastOK = word, index, true
		default:
			s.value(s.spec.Number(word))
		}
	}
}

func (s *channelSum) count(word uint64, liveNs int64) {
	s.sum += word
	s.liveNs += liveNs
	s.n++
}

// value adds to mean and scatter (Welford's way, which keeps its digits).
func (s *channelSum) value(v float64) {
	s.n++
	d := v - s.mean
	s.mean += d / float64(s.n)
	s.m2 += d * (v - s.mean)
}

// countFlags counts readings by flag; a flag of a value with its channel.
func (m *measuredSums) countFlags(p *table.Part, c *protocol.Counts) {
	for _, f := range c.Flags {
		for bit := 0; f != 0; bit, f = bit+1, f>>1 {
			if f&1 != 0 {
				m.flags[protocol.ReadingFlagWord(bit)]++
			}
		}
	}
	for ch, column := range c.ValueFlags {
		for _, f := range column {
			for bit := 0; f != 0; bit, f = bit+1, f>>1 {
				if f&1 != 0 {
					m.flags[protocol.ValueFlagWord(bit)+":"+p.Desc.Channels[ch].Name]++
				}
			}
		}
	}
}

// Gap implements table.Sink.
func (m *measuredSums) Gap(p *table.Part, g table.Gap) error {
	m.gaps++
	if g.MissingKnown {
		m.missing += g.Missing
	} else {
		m.unknowns++
		loss := LossReport{}
		if g.DurationKnown {
			loss.DurationNs = protocol.Ref(protocol.Int64(g.DurationNs))
		}
		m.unknown.add([]LossReport{loss})
	}
	if !slices.Contains(m.causes, g.Cause) {
		m.causes = append(m.causes, g.Cause)
	}
	return nil
}

// maxSentences bounds the changes and alarms that are told one by one.
const maxSentences = 100

// Event implements table.Sink.
func (m *measuredSums) Event(p *table.Part, e table.Event) error {
	switch e.What {
	case protocol.EventSet:
		if len(m.changes) < maxSentences {
			m.changes = append(m.changes, changeText(e.Event))
		}
	case protocol.EventAlarm:
		if len(m.alarms) < maxSentences && !slices.Contains(m.alarms, alarmText(e.Event)) {
			m.alarms = append(m.alarms, alarmText(e.Event))
		}
	case "part ended":
		m.ended = e.New
	}
	return nil
}

// changeText says who changed a setting.
func changeText(e protocol.Event) string {
	who := e.Who
	if who == "" {
		who = "somebody"
	}
	text := fmt.Sprintf("%s changed %s from %s to %s", who, e.Key, orUnknown(e.Old), orUnknown(e.New))
	if e.ReadBack != "" && e.ReadBack != e.New {
		text += ", and the instrument says " + e.ReadBack
	}
	return text
}

func orUnknown(s string) string {
	if s == "" {
		return "an unknown value"
	}
	return s
}

func alarmText(e protocol.Event) string {
	if e.Text != "" {
		return e.Text
	}
	return fmt.Sprintf("%s: %s, limit %s", e.Channel, e.New, e.Old)
}

// loss says what is missing, empty when nothing is.
func (m *measuredSums) loss() string {
	if m.gaps == 0 {
		return ""
	}
	text, unit := plural(uint64(m.gaps), "gap"), unitOf(m.tagged)
	switch {
	case m.unknowns > 0 && m.missing > 0:
		text += fmt.Sprintf(", %s and an unknown number more missing", plural(m.missing, unit))
	case m.unknowns > 0:
		text += ", an unknown number of " + unit + "s missing in " + m.unknown.time()
	default:
		text += fmt.Sprintf(", %s missing", plural(m.missing, unit))
	}
	return text + " (" + strings.Join(m.causes, ", ") + ")"
}

// tags is how many tags came, of all channels.
func (m *measuredSums) tags() (n uint64) {
	for _, sum := range m.channels {
		n += sum.sum
	}
	return n
}

// measured fills in what the sums tell.
func (m *measuredSums) measured(s *MeasuredStream) {
	s.Readings, s.Gaps, s.Missing, s.Unknown, s.LiveS = m.readings, m.gaps, m.missing, m.unknowns, float64(m.liveNs)/1e9
	s.Parts, s.Changes = slices.Clone(m.parts), m.changes
	s.Alarms = append(s.Alarms, m.alarms...)
	if len(m.flags) > 0 {
		s.Flags = m.flags
	}
	if m.readings > 0 {
		s.FirstUTC, s.LastUTC = m.utc(m.firstIn, m.firstNs), m.utc(m.lastIn, m.lastNs)
	}
	if m.tagged {
		s.Tags = m.tags()
	}
	for _, sum := range m.channels {
		i := slices.IndexFunc(s.Channels, func(c MeasuredChannel) bool { return c.Name == sum.spec.Name && c.Kind == sum.spec.Kind })
		if i < 0 {
			i = len(s.Channels)
			s.Channels = append(s.Channels, MeasuredChannel{Channel: sum.spec})
		}
		sum.measured(&s.Channels[i])
	}
	for i := range s.Channels {
		accidentals(s.Channels, &s.Channels[i])
	}
	s.Alarms = append(s.Alarms, sorrows(s)...)
}

func (m *measuredSums) utc(base protocol.ID, at int64) string {
	if utc, known := m.clocks.UTC(base, at); known {
		return table.FormatUTC(utc)
	}
	return ""
}

func (s *channelSum) measured(c *MeasuredChannel) {
	switch s.spec.Kind {
	case protocol.KindCount, protocol.KindTotal:
		c.Counts, c.LiveS = protocol.Ref(s.sum), float64(s.liveNs)/1e9
		if s.liveNs > 0 {
			c.Rate = protocol.Ref(float64(s.sum) / c.LiveS)
			c.RateErr = protocol.Ref(math.Sqrt(max(float64(s.sum), 1)) / c.LiveS)
		}
		return
	}
	if s.n > 0 {
		c.Mean = protocol.Ref(s.mean)
	}
	if s.n > 1 {
		c.MeanErr = protocol.Ref(math.Sqrt(s.m2 / float64(s.n-1) / float64(s.n)))
	}
}

// accidentals fills in the accidental coincidences of a channel that counts
// those of two others within a known window: R_1 x R_2 x window. Their errors
// are those of R_1 and R_2.
func accidentals(all []MeasuredChannel, c *MeasuredChannel) {
	if len(c.Of) != 2 || c.Window() <= 0 || c.Rate == nil {
		return
	}
	one, two := rateOf(all, c.Of[0]), rateOf(all, c.Of[1])
	if one == nil || two == nil || *one.Counts == 0 || *two.Counts == 0 {
		return
	}
	acc := *one.Rate * *two.Rate * c.Window()
	c.Acc = protocol.Ref(acc)
	c.AccErr = protocol.Ref(acc * math.Sqrt(1/float64(*one.Counts)+1/float64(*two.Counts)))
	c.AccRatio = protocol.Ref(*c.Rate / acc)
}

func rateOf(all []MeasuredChannel, name string) *MeasuredChannel {
	i := slices.IndexFunc(all, func(c MeasuredChannel) bool { return c.Name == name && c.Rate != nil })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// sorrows says what is wrong with the counts themselves: overflows, and
// detectors that are named and silent.
func sorrows(s *MeasuredStream) []string {
	var said []string
	for _, c := range s.Channels {
		if n := s.Flags["overflow:"+c.Name]; n > 0 {
			said = append(said, fmt.Sprintf("%s overflowed in %s: the true counts are higher; choose a shorter gate", c.Name, plural(n, "reading")))
		}
		if c.Detector != "" && c.Counts != nil && *c.Counts == 0 && c.LiveS > 0 {
			said = append(said, fmt.Sprintf("%s counted nothing: the detector (%s) is off or dead, or in the dark", c.Name, c.Detector))
		}
	}
	if n := s.Flags["implausible"]; n > 0 {
		said = append(said, fmt.Sprintf("%s counts that no light can make", pluralHave(n, "reading")))
	}
	return said
}

func pluralHave(n uint64, what string) string {
	if n == 1 {
		return "1 " + what + " has"
	}
	return plural(n, what) + " have"
}
