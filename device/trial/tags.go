package trial

import (
	"fmt"

	"photongate/device"
)

// shownTags is how many tags of one Read are shown one by one.
const shownTags = 10

// tags shows tags, what is missing among them, and what was told beside them.
func (r *run) tags(b *device.Batch) {
	g := &b.Tags
	for i, tick := range g.Tick {
		r.report.Readings++
		r.perChannel[g.Channel[i]]++
		if i < shownTags {
			r.out.line("           tag %d: %s at tick %d, %s s", r.report.Readings, r.channels[g.Channel[i]].Name, tick, r.seconds(tick))
		}
	}
	if more := len(g.Tick) - shownTags; more > 0 {
		r.out.line("           and %d more, up to tick %d", more, g.Tick[len(g.Tick)-1])
	}
	for _, l := range g.Losses {
		missing := "an unknown number of tags"
		if l.Known {
			missing = fmt.Sprintf("tags: %d", l.Missing)
		}
		text := fmt.Sprintf("lost between ticks %d and %d: %s", l.From, l.To, missing)
		r.out.line("           %s", text)
		r.surprise("%s", text)
	}
	for _, n := range b.Notes {
		r.note(n)
	}
}

// seconds writes a tick in seconds.
func (r *run) seconds(tick uint64) string { return fmt.Sprintf("%.9f", r.tick.Ns(float64(tick))/1e9) }

// tagSummary says how many tags came of each channel.
func (r *run) tagSummary() {
	for c, n := range r.perChannel {
		r.out.line("  %s: %d tags", r.channels[c].Name, n)
	}
}
