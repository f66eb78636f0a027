package table

import (
	"math"
	"slices"
	"strconv"

	"photongate/protocol"
)

// layout is what the cells of a row hold behind its times and flags. It is made
// for the channels of the first part and used for all that have the same.
type layout struct {
	channels []protocol.Channel
	merged   []mergedStream // empty: rows of one stream
	show     []shown
	plain    bool // every channel is shown as it was read
	fixes    []fix
	fixed    bool // fixes are those of the part below
	of       partName
}

// partName tells parts apart.
type partName struct {
	gateway, stream string
	epoch           uint32
}

// shown is what is shown of one channel: one cell or several.
type shown struct {
	ch        int
	live      int // channel that holds the live time in ns; -1: the row's
	text      valueText
	seconds   bool // the value is ns, and shown as seconds
	rate      bool // counts per second and their error, instead of the value
	corrected bool // besides, the corrected value and its error
}

// newLayout finds what a view shows of a part's channels.
func newLayout(v *View, p *Part) *layout {
	l := &layout{channels: p.Channels(), merged: p.merged, plain: len(p.merged) == 0}
	liveOf := make([]int, len(l.channels))
	for ch := range liveOf {
		liveOf[ch] = -1
	}
	hidden := make([]bool, len(l.channels))
	for _, m := range l.merged {
		hidden[m.flags] = true
		for ch := m.first; ch < m.first+m.n; ch++ {
			liveOf[ch] = m.live
		}
	}
	fixes := fixesFor(v.Correct, l.channels)
	for ch, spec := range l.channels {
		if hidden[ch] {
			continue
		}
		s := shown{ch: ch, live: liveOf[ch], text: valueText{spec.Signed, spec.Exponent}}
		s.seconds = slices.ContainsFunc(l.merged, func(m mergedStream) bool { return m.live == ch })
		if spec.Kind == protocol.KindCount {
			s.rate, s.corrected = v.Rate, fixes[ch].any()
		}
		l.plain = l.plain && !s.rate && !s.corrected
		l.show = append(l.show, s)
	}
	l.fixes = fixes
	return l
}

// Column says what a column of rows holds.
type Column struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	Says string `json:"says"`
}

// columns describes the cells of values, in their order.
func (l *layout) columns(v *View) []Column {
	var list []Column
	for _, s := range l.show {
		ch := l.channels[s.ch]
		says := map[string]string{
			protocol.KindCount: "events in the gate", protocol.KindTotal: "running total of events",
			protocol.KindRate: "events per second", protocol.KindAuxiliary: "value",
		}[ch.Kind]
		switch {
		case s.seconds:
			says = "what the stream's gates that began in the bin really counted"
		case v.Every > 0:
			says = binSays(ch.Kind, says)
		}
		if ch.Input != "" {
			says += ", input " + ch.Input
		}
		if s.rate {
			list = append(list,
				Column{ch.Name + "_cps", "1/s", says + ", divided by the live time; empty when not known"},
				Column{ch.Name + "_cps_err", "1/s", "one standard deviation of it: the square root of the events, divided by the live time"})
		} else {
			list = append(list, Column{ch.Name, ch.Unit, says + "; empty when not known"})
		}
		if s.corrected {
			end, unit := "", ""
			if v.Rate {
				end, unit = "_cps", "1/s"
			}
			list = append(list, Column{ch.Name + "_corr" + end, unit, "the same, " + l.fixes[s.ch].says(l.channels)},
				Column{ch.Name + "_corr" + end + "_err", unit, "one standard deviation of it"})
		}
	}
	return list
}

func binSays(kind, says string) string {
	switch kind {
	case protocol.KindCount:
		return "events in the gates that began in the bin"
	case protocol.KindRate:
		return says + ", mean of the gates that began in the bin, weighted by live time"
	case protocol.KindAuxiliary:
		return says + ", of the last gate that began in the bin"
	}
	return says
}

// use goes on with rows of a part.
func (l *layout) use(v *View, p *Part) {
	of := partName{p.Gateway, p.Stream, p.Epoch}
	if v.Correct == 0 || l.fixed && l.of == of {
		return
	}
	l.fixes, l.fixed, l.of = fixesFor(v.Correct, p.Channels()), true, of
}

// cellText is how cells are put into a row.
type cellText struct {
	before [][]byte // each cell
	absent string
	point  byte
}

// append appends the cells of row i.
func (l *layout) append(b []byte, c *protocol.Counts, i int, how *cellText) []byte {
	k := 0
	for n := range l.show {
		s := &l.show[n]
		known := !Absent(c, s.ch, i)
		switch {
		case s.rate:
			rate, sigma, ok := l.rate(c, s.ch, s.live, i)
			b = how.pair(b, &k, rate, sigma, ok)
		case known && s.seconds:
			b = how.number(append(b, how.before[k]...), roundMicros(int64(c.Values[s.ch][i])))
			k++
		default:
			b = append(b, how.before[k]...)
			k++
			if !known {
				b = append(b, how.absent...)
				break
			}
			at := len(b)
			b = s.text.append(b, c.Values[s.ch][i])
			if how.point != '.' && s.text.exponent < 0 {
				style{point: how.point}.comma(b[at:])
			}
		}
		if s.corrected {
			value, sigma, ok := l.corrected(c, s.ch, s.live, i)
			if !s.rate {
				live := l.liveSeconds(c, s.live, i)
				value, sigma = value*live, sigma*live
			}
			b = how.pair(b, &k, value, sigma, ok)
		}
	}
	return b
}

// pair appends a value and its error.
func (how *cellText) pair(b []byte, k *int, value, sigma float64, known bool) []byte {
	for _, v := range [...]float64{value, sigma} {
		b = append(b, how.before[*k]...)
		*k++
		if !known {
			b = append(b, how.absent...)
			continue
		}
		b = how.float(b, v)
	}
	return b
}

// number appends millionths.
func (how *cellText) number(b []byte, micros int64) []byte {
	return style{point: how.point}.seconds(b, micros)
}

// float appends a number with six decimals.
func (how *cellText) float(b []byte, v float64) []byte {
	if micros := v * 1e6; micros > -1<<53 && micros < 1<<53 {
		return how.number(b, int64(math.Round(micros)))
	}
	at := len(b)
	b = strconv.AppendFloat(b, v, 'f', 6, 64)
	if how.point != '.' {
		style{point: how.point}.comma(b[at:])
	}
	return b
}

// liveSeconds is the live time of row i.
func (l *layout) liveSeconds(c *protocol.Counts, live, i int) float64 {
	if live < 0 {
		return float64(LiveNs(c, i)) * 1e-9
	}
	return float64(int64(c.Values[live][i])) * 1e-9
}

// rate is the counts per second of a channel in row i, and one standard
// deviation: of no count at all that of one, since light of so low a rate gives
// none often enough. They are not known without live time.
func (l *layout) rate(c *protocol.Counts, ch, live, i int) (rate, sigma float64, known bool) {
	seconds := l.liveSeconds(c, live, i)
	if Absent(c, ch, i) || seconds <= 0 || len(c.Flags) > 0 && c.Flags[i]&protocol.FlagFirst != 0 {
		return 0, 0, false
	}
	n := l.channels[ch].Number(c.Values[ch][i])
	return n / seconds, math.Sqrt(max(math.Abs(n), 1)) / seconds, true
}
