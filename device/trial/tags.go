package trial

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"photongate/device"
)

// Of an instrument of tags the first ones are shown one by one, with their bytes; of
// those that follow only how many came in each second.
const (
	shownTags   = 40
	shownUnfit  = 20      // pieces that do not fit, among what is not shown
	shownStream = 1024    // bytes that come with nothing sent between them
	keptStream  = 1 << 16 // bytes to look for quirks in: a driver that cuts by the whole of them cuts them again at each Read
	tallyEvery  = int64(time.Second)
)

// tagTally is what was read of an instrument of tags.
type tagTally struct {
	tick     device.Tick // zero: it gives none
	received int         // bytes that came
	stretch  int         // of them, since something was sent
	quiet    bool        // those from hushed on are not shown
	hushed   int
	unfit    int      // pieces among them that were shown all the same
	counts   []uint64 // tags of each channel
	from     uint64   // first tick, when begun
	until    uint64
	begun    bool

	told      int64    // when was told last what came
	toldTags  []uint64 // counts by then
	toldBytes int
}

// exchanged shows bytes of an instrument that may give tags: of what it sends unasked
// the begin.
func (r *run) exchanged(e device.Exchange) {
	t := &r.tagged
	if e.Sent {
		r.out.exchange(e)
		if t.stretch = 0; !r.opened {
			t.quiet = false
		}
		return
	}
	n, room := len(e.Bytes), max(shownStream-t.stretch, 0)
	if !t.quiet {
		e.Bytes = e.Bytes[:min(n, room)]
		r.out.exchange(e)
	}
	if n > room && !t.quiet {
		t.quiet, t.hushed = true, t.received+room
		r.out.line("           ... and so on: not all bytes are shown")
	}
	t.received += n
	t.stretch += n
}

// hides reports whether a piece that begins at a byte is not shown.
func (r *run) hides(p numbered) bool {
	t := &r.tagged
	if !t.quiet || p.from < t.hushed {
		return false
	}
	if p.Kind == device.Unfit {
		t.unfit++
		return t.unfit > shownUnfit
	}
	return true
}

// tags shows tags, what is missing among them, and what was told beside them.
func (r *run) tags(b *device.Batch) {
	g, t := &b.Tags, &r.tagged
	if n := len(g.Tick); n > 0 && !t.begun {
		t.begun, t.from = true, g.Tick[0]
	}
	for i, tick := range g.Tick {
		r.report.Readings++
		t.counts[g.Channel[i]]++
		t.until = max(t.until, tick)
		if r.report.Readings <= shownTags {
			r.out.line("           tag %d: %s at tick %d, %s s", r.report.Readings, r.channels[g.Channel[i]].Name, tick, r.seconds(tick))
		}
	}
	if g.At != 0 {
		t.until = max(t.until, g.Until)
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
	if t.toldTags == nil {
		t.told, t.toldBytes, t.toldTags = r.now, t.received, slices.Clone(t.counts)
		r.out.line("           from here on it is told each second how much came, and what does not fit")
	} else if r.now-t.told >= tallyEvery {
		r.tally()
	}
}

// tally tells what came since it was told last.
func (r *run) tally() {
	t := &r.tagged
	var all uint64
	var each []string
	for c, n := range t.counts {
		all += n - t.toldTags[c]
		each = append(each, fmt.Sprintf("%s %d", r.channels[c].Name, n-t.toldTags[c]))
	}
	r.out.line("%9.3f < %d bytes: %d tags in %.3f s: %s", r.since(r.now).Seconds(), t.received-t.toldBytes, all, float64(r.now-t.told)/1e9, strings.Join(each, ", "))
	t.told, t.toldBytes = r.now, t.received
	copy(t.toldTags, t.counts)
}

// seconds writes a tick in seconds.
func (r *run) seconds(tick uint64) string {
	return fmt.Sprintf("%.9f", r.tagged.tick.Ns(float64(tick))/1e9)
}

// tagSummary says how many tags came of each channel, and how many in a second of the
// instrument's own clock.
func (r *run) tagSummary() {
	t := &r.tagged
	s := 0.0
	if t.begun && t.until > t.from {
		s = t.tick.Ns(float64(t.until-t.from)) / 1e9
	}
	for c, n := range t.counts {
		rate := ""
		if s > 0 {
			rate = fmt.Sprintf(", %.4g/s", float64(n)/s)
		}
		r.out.line("  %s: %d tags%s", r.channels[c].Name, n, rate)
	}
	if s > 0 {
		r.out.line("  in %.6g s by its own clock", s)
	}
}
