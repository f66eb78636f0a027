package trial

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"photongate/device"
)

// shownBytes is how many bytes stand in one line.
const shownBytes = 32

// printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.w != nil && p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) exchange(e device.Exchange) {
	if p.w != nil && p.err == nil {
		p.err = ShowExchange(p.w, e)
	}
}

// ShowExchange writes bytes that were read or written as a trial shows them:
// when, which way, in hex and as text, a line for at most 32 of them.
func ShowExchange(w io.Writer, e device.Exchange) error {
	direction := '<'
	if e.Sent {
		direction = '>'
	}
	for part := range slices.Chunk(e.Bytes, shownBytes) {
		if _, err := fmt.Fprintf(w, "%9.3f %c %s\n", e.At.Seconds(), direction, device.ShowBytes(part)); err != nil {
			return err
		}
	}
	return nil
}

// heading says what is tried, and how to read the rest.
func (r *run) heading() {
	a := r.About
	var settings []string
	for key, value := range a.Settings {
		settings = append(settings, key+"="+value)
	}
	slices.Sort(settings)
	if len(settings) == 0 {
		settings = []string{"none, the instrument stays as it is"}
	}
	if a.Software != "" {
		r.out.line("%s, %s, %s", a.Software, a.System, a.Began.UTC().Format("2006-01-02 15:04:05Z"))
	}
	port := a.Port
	if a.PortKind != "" {
		port += " (" + a.PortKind + ")"
	}
	r.out.line("%s: %s, on %s at %s, for %v", r.Driver.Name, r.Driver.Title, port, r.Driver.LineWith(r.Settings), a.For)
	r.out.line("settings to push: %s", strings.Join(settings, " "))
	r.out.line("seconds, < from the instrument or > to it, bytes; = how they are cut")
}

// description shows what the driver found out while opening.
func (r *run) description(d device.Description) {
	firmware := ""
	if d.Firmware != "" {
		firmware = ", firmware " + d.Firmware
	}
	timed := fmt.Sprintf("gate %v timed by %s", d.Gate, d.Timing)
	if r.tagged.tick = d.Tick; d.Tick.Num != 0 {
		timed = fmt.Sprintf("time tags in ticks of %g ns", d.Tick.Ns(1))
		r.tagged.counts = make([]uint64, len(d.Channels))
	}
	r.out.line("open after %.3f s: %s%s, identity %s, %s", r.since(r.now).Seconds(), d.Model, firmware, d.Identity, timed)
	for _, s := range d.Settings {
		r.out.line("  %s (%s)", strings.TrimRight(fmt.Sprintf("%s = %s %s", s.Key, s.Value, s.Unit), " "), s.How)
	}
	r.totals = make([]channelTotal, len(d.Channels))
	for _, c := range d.Channels {
		r.channels = append(r.channels, c)
		r.out.line("  channel %s: %s", c.Name, c.Input)
	}
	if d.Blind != "" {
		r.out.line("  not visible in this instrument's bytes: %s", d.Blind)
	}
}

// batch shows readings and notes in order, and judges them.
func (r *run) batch(b *device.Batch) {
	if r.tagged.tick.Num != 0 {
		r.tags(b)
		return
	}
	notes := b.Notes
	for row := 0; row <= b.Len(); row++ {
		for ; len(notes) > 0 && notes[0].Row == row; notes = notes[1:] {
			r.note(notes[0])
		}
		if row < b.Len() {
			r.reading(b, row)
		}
	}
}

func (r *run) note(n device.Note) {
	switch {
	case n.Gap != nil:
		r.report.Gaps = append(r.report.Gaps, *n.Gap)
		what := "reading"
		if r.tagged.tick.Num != 0 {
			what = "tag"
		}
		missing := "an unknown number of " + what + "s missing"
		if n.Gap.Known {
			missing = fmt.Sprintf("%ss missing: %d", what, n.Gap.Missing)
		}
		text := fmt.Sprintf("gap after %s %d: %s: %s; %s", what, r.report.Readings, n.Gap.Cause, n.Gap.Detail, missing)
		r.out.line("           %s", text)
		r.surprise("%s", text)
	case n.Event != nil:
		r.out.line("           %s: %s", n.Event.What, n.Event.Text)
	}
}

// reading shows one reading, and says which of its flags surprise.
func (r *run) reading(b *device.Batch, row int) {
	r.report.Readings++
	number := r.report.Readings
	var values []uint64
	var text strings.Builder
	for c := range b.Values {
		v, flags := b.Values[c][row], b.ValueFlags[c][row]
		values = append(values, v)
		if flags&device.Absent != 0 {
			fmt.Fprintf(&text, "  %s -", r.channels[c].Name)
			continue
		}
		fmt.Fprintf(&text, "  %s %s", r.channels[c].Name, shown(&r.channels[c], v))
		r.totals[c].add(&r.channels[c], v)
		if flags != 0 {
			fmt.Fprintf(&text, " (%v)", flags)
		}
		if flags&device.Suspect != 0 {
			r.surprise("reading %d: channel %s reads %s, which its counter cannot hold", number, r.channels[c].Name, shown(&r.channels[c], v))
		}
	}
	if len(r.report.Rows) < keptRows {
		r.report.Rows = append(r.report.Rows, values)
	}
	from := "from bytes not seen"
	if absent(b, row) {
		r.surprise("reading %d has no counts", number)
	} else if r.Driver.Singles {
		from = fmt.Sprintf("events that came: %d", r.singles)
		if values[0] != r.singles {
			r.surprise("reading %d counts %d events, %d came: a mistake in the driver", number, values[0], r.singles)
		}
		r.singles = 0
	} else if p, skipped, ok := r.take(b, row); ok {
		from = fmt.Sprintf("bytes %d to %d", p.from, p.to)
		if skipped > 0 && number > 1 {
			r.surprise("before reading %d the driver left out %d that are whole", number, skipped)
		}
	} else {
		r.surprise("reading %d is not among the bytes that came: a mistake in the driver", number)
	}
	flags := ""
	if f := b.Flags[row]; f != 0 {
		flags = fmt.Sprintf(", flagged %v", f)
	}
	r.out.line("           reading %d, %s, %.3f ms%s:%s", number, from, float64(b.Length[row])/1e6, flags, text.String())
	// Late tells of this computer, first and unverified of what the driver knows.
	if f := b.Flags[row] &^ (device.Late | device.First | device.Unverified); f != 0 {
		r.surprise("reading %d is flagged %v", number, f)
	}
}

// absent reports whether no count of a reading is known.
func absent(b *device.Batch, row int) bool {
	for c := range b.Values {
		if b.ValueFlags[c][row]&device.Absent == 0 {
			return false
		}
	}
	return true
}

// channelTotal sums up what one channel read.
type channelTotal struct {
	n        int
	min, max uint64
	sum      float64
}

func (t *channelTotal) add(ch *device.Channel, v uint64) {
	if t.n == 0 {
		t.min, t.max = v, v
	}
	t.n++
	if ch.Signed {
		t.min, t.max = uint64(min(int64(t.min), int64(v))), uint64(max(int64(t.max), int64(v)))
		t.sum += float64(int64(v))
		return
	}
	t.min, t.max = min(t.min, v), max(t.max, v)
	t.sum += float64(v)
}

// shown is a value of a channel with its point and unit.
func shown(ch *device.Channel, v uint64) string {
	digits, sign := strconv.FormatUint(v, 10), ""
	if ch.Signed && int64(v) < 0 {
		digits, sign = strconv.FormatUint(-v, 10), "-"
	}
	switch places := -ch.Exponent; {
	case places > 0:
		digits = strings.Repeat("0", max(places+1-len(digits), 0)) + digits
		digits = digits[:len(digits)-places] + "." + digits[len(digits)-places:]
	case places < 0 && v != 0:
		digits += strings.Repeat("0", -places)
	}
	return strings.TrimRight(sign+digits+" "+ch.Unit, " ")
}

// summary says what was read, which quirks showed, and the verdict.
func (r *run) summary() {
	if r.report.Readings > 0 {
		r.out.line("what was read:")
	}
	for c, t := range r.totals {
		if t.n > 0 {
			ch := &r.channels[c]
			mean := t.sum / float64(t.n) * math.Pow10(ch.Exponent)
			r.out.line("  %s: %d values, %s to %s, mean %.*f", ch.Name, t.n, shown(ch, t.min), shown(ch, t.max), max(1-ch.Exponent, 1), mean)
		}
	}
	r.tagSummary()
	if r.opened { // otherwise it may be another instrument
		r.quirks()
	}
	if r.report.Readings == 0 {
		r.alike()
	}
	if r.report.Surprise != "" {
		r.out.line("first surprise: %s", r.report.Surprise)
		return
	}
	what := "readings"
	if r.tagged.tick.Num != 0 {
		what = "tags"
	}
	r.out.line("works as documented: %d %s", r.report.Readings, what)
}

func (r *run) quirks() {
	r.report.Quirks = map[string]string{}
	var unseen []string
	for _, q := range r.Driver.Quirks {
		how := q.Met(r.talk)
		if how == "" {
			unseen = append(unseen, q.Name)
			continue
		}
		if len(r.report.Quirks) == 0 {
			r.out.line("documented quirks that showed:")
		}
		r.report.Quirks[q.Name] = how
		r.out.line("  %s: %s\n    (%s; source: %s)", q.Name, how, q.Title, q.Source)
	}
	if len(unseen) > 0 {
		r.out.line("documented quirks that did not show: %s", strings.Join(unseen, ", "))
	}
}

// alike names drivers that know the bytes better.
func (r *run) alike() {
	received := device.Received(r.talk)
	for _, d := range r.Others {
		if n, part := device.Fit(d.Cut, received); n > 0 && part > 0.5 && d.Name != r.Driver.Name {
			r.out.line("what came looks like %s: %d of its readings make %.0f %% of the bytes; try: photongate try %s --port %s",
				d.Title, n, 100*part, d.Name, r.About.Port)
		}
	}
}
