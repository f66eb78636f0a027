package receiver

import (
	"slices"
	"strings"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// addLosses adds what the frames of tags say is missing, one loss for each channel.
func (p *PartReport) addLosses(losses []journal.TagLosses, desc protocol.Descriptor, times *partTimes, o *VerifyOptions) {
	if !o.Since.IsZero() && times.before(desc.Base, int64(p.LastNs), o.Since) {
		return
	}
	for _, l := range losses {
		one := LossReport{Cause: table.CauseTagsLost, BeginUTC: times.utc(desc.Base, int64(l.FirstNs)), BeginNs: protocol.Ref(l.FirstNs),
			Stretches: l.Number, Allowed: slices.Contains(o.Allow, table.CauseTagsLost)}
		if l.Channel >= 0 && l.Channel < len(desc.Channels) {
			one.Detail = "of channel " + desc.Channels[l.Channel].Name + " "
		}
		one.Detail += "in " + plural(uint64(l.Number), "stretch")
		if l.Number > 1 {
			one.Detail = strings.TrimSuffix(one.Detail, "s") + "es"
		}
		if t := desc.Tick; t != nil {
			one.DurationNs = protocol.Ref(protocol.Int64(float64(l.Ticks) * tickNs(t)))
		}
		if l.Unknown == 0 {
			one.Missing = protocol.Ref(l.Missing)
			p.Expected += l.Missing
		} else {
			p.Unknown++
		}
		p.Gaps = append(p.Gaps, one)
	}
}

// tickNs is how long a tick lasts, for times that need not be exact.
func tickNs(t *protocol.Tick) float64 { return float64(t.Num) / float64(t.Den) * 1e9 }

// tally counts what is held and what should be: readings, and tags. Streams of
// either kind were found, or not.
type tally struct {
	found    [2]bool
	held, of [2]uint64
}

func kindIndex(tags bool) int {
	if tags {
		return 1
	}
	return 0
}

func (t *tally) add(tags bool, held, of uint64) {
	k := kindIndex(tags)
	t.found[k] = t.found[k] || held+of > 0
	t.held[k], t.of[k] = t.held[k]+held, t.of[k]+of
}

// forgive takes out what may be missing.
func (t *tally) forgive(tags bool, n uint64) { t.of[kindIndex(tags)] -= n }

func (t *tally) lacks() bool { return t.of[0] > t.held[0] || t.of[1] > t.held[1] }

// text is "100 of 120 readings and 7 of 7 tags", or, without of, how many are held.
func (t *tally) text(of bool) string {
	var words []string
	for k, found := range t.found {
		switch unit := unitOf(k == 1); {
		case !found && (k == 1 || t.found[1]):
		case of:
			words = append(words, grouped(t.held[k])+" of "+plural(t.of[k], unit))
		default:
			words = append(words, plural(t.held[k], unit))
		}
	}
	return strings.Join(words, " and ")
}

// unitOf is what a stream holds one of.
func unitOf(tags bool) string {
	if tags {
		return "tag"
	}
	return "reading"
}
