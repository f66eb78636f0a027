package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"photongate/cmd/internal/cli"
	"photongate/gateway"
	"photongate/protocol"
)

// statusWidth is how wide a line is at most, labelWidth where its text begins.
const (
	statusWidth = 80
	labelWidth  = 11
)

// needsAttention reports whether somebody should look.
func needsAttention(s *protocol.Status) bool {
	bad := s.Journal.Trouble != "" || s.Journal.State != "" && s.Journal.State != protocol.JournalOK
	for _, d := range s.Devices {
		bad = bad || troubled(&d)
		for _, a := range d.Alarms {
			bad = bad || a.On
		}
	}
	for _, a := range s.Archives {
		bad = bad || a.Trouble != ""
	}
	for _, f := range s.Forwards {
		bad = bad || f.State == "refused"
	}
	for _, o := range s.Outputs {
		bad = bad || o.Trouble != ""
	}
	return bad
}

// troubled reports whether a device does not read, and not only because it was
// opened a moment ago.
func troubled(d *protocol.DeviceStatus) bool {
	return d.State != gateway.Running && d.State != gateway.Opening
}

// statusText writes a status for people.
type statusText struct {
	strings.Builder
	s      *protocol.Status
	now    time.Time // by the gateway's clock
	colour bool
}

func writeStatus(w io.Writer, s *protocol.Status, now time.Time, colour bool) error {
	if s.UTCNs != 0 {
		now = time.Unix(0, int64(s.UTCNs))
	}
	t := &statusText{s: s, now: now, colour: colour}
	t.gateway()
	for i := range s.Devices {
		t.device(&s.Devices[i])
	}
	t.others()
	_, err := io.WriteString(w, t.String())
	return err
}

// line writes a label and the parts of a text, broken between them where it
// would be too wide.
func (t *statusText) line(label string, parts ...string) {
	t.coloured(label, "", parts...)
}

// bad is a line that is red where there is colour.
func (t *statusText) bad(label string, parts ...string) {
	t.coloured(label, "\x1b[31m", parts...)
}

func (t *statusText) coloured(label, start string, parts ...string) {
	end := "\x1b[0m"
	if !t.colour || start == "" {
		start, end = "", ""
	}
	for _, line := range wrap(parts, statusWidth-labelWidth) {
		if len([]rune(label)) >= labelWidth { // a long name has its line for itself
			fmt.Fprintln(t, label)
			label = ""
		}
		fmt.Fprintf(t, "%-*s%s%s%s\n", labelWidth, label, start, line, end)
		label = ""
	}
}

// wrap joins parts by two spaces to lines of at most so many letters; a part
// that is longer is broken between words.
func wrap(parts []string, width int) []string {
	var lines []string
	line := ""
	for _, p := range parts {
		gap := "  "
		for i, word := range pieces(shownText(p), width) {
			if i > 0 {
				gap = " "
			}
			switch {
			case word == "":
			case line == "":
				line = word
			case len([]rune(line))+len(gap)+len([]rune(word)) <= width:
				line += gap + word
			default:
				lines, line = append(lines, line), word
			}
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// shownText is a text without what a terminal would obey.
func shownText(p string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, p)
}

// pieces is a part that fits into a line, or its words.
func pieces(p string, width int) []string {
	if len([]rune(p)) <= width {
		return []string{p}
	}
	return strings.Fields(p)
}

func (t *statusText) gateway() {
	s := t.s
	t.line(s.Name, s.Software, "up for "+t.span(s.Started), "listens on "+strings.Join(s.Listen, ", "))
	clock := "the clock is " + s.ClockSync
	if s.ClockSync == protocol.SyncUnknown {
		clock = "whether the clock is synchronised is not known"
	}
	if s.ClockErrNs != nil && s.ClockSync == protocol.SyncSynchronised {
		clock += fmt.Sprintf(", off by about %v", time.Duration(*s.ClockErrNs).Round(time.Microsecond))
	}
	t.line("clock", t.now.UTC().Format("2006-01-02 15:04:05")+" UTC", clock)
	t.journal(&s.Journal)
	t.line("control", map[string]string{
		gateway.ControlToken: "who has the token may change settings",
		gateway.ControlLocal: "who has the token may change settings, from the gateway's computer",
		gateway.ControlOff:   "nobody may change settings",
	}[s.Control])
	if m := s.Measurement; m != nil {
		t.line("measuring", fmt.Sprintf("%q", m.Measurement.Title), "by "+orSomebody(m.Who), "from "+m.From, "for "+t.span(m.Since))
	}
	t.WriteByte('\n')
}

// journal says how the journal is, and for how long it lasts.
func (t *statusText) journal(j *protocol.JournalStatus) {
	switch {
	case j.State == protocol.JournalFull:
		t.bad("journal", j.Folder, "FULL: what an archive has not fetched is dropped")
	case j.State == protocol.JournalDegraded || j.Trouble != "":
		t.bad("journal", j.Folder, "DEGRADED")
		t.bad("", gateway.DegradedText(j))
	default:
		t.line("journal", j.Folder, "is written")
	}
	if j.State != "" { // an older gateway does not say
		t.line("", gateway.JournalText(j)...)
	}
	if j.Dropped != "" {
		t.line("", "dropped last: "+strings.TrimPrefix(j.Dropped, "journal full: "))
	}
}

func orSomebody(who string) string {
	if who == "" {
		return "somebody"
	}
	return who
}

func (t *statusText) device(d *protocol.DeviceStatus) {
	what := d.Driver + " on " + d.Port
	if d.Model != "" && !strings.EqualFold(d.Model, d.Driver) {
		what = d.Model + ", " + what
	}
	head := []string{d.State + " for " + t.span(d.Since), what}
	if d.GateNs > 0 {
		head = append(head, "gate "+time.Duration(d.GateNs).String())
	}
	if troubled(d) {
		t.bad(d.Name, head...)
	} else {
		t.line(d.Name, head...)
	}
	if d.Cause != "" {
		t.line("", d.Cause)
	}
	if d.Hint != "" {
		t.line("", d.Hint)
	}
	if d.LeftBehind != "" && d.LeftBehind != d.Cause {
		t.bad("", "a call into the system hangs: "+d.LeftBehind)
	}
	one, rate, unverified := "reading", "counts/s", "UNVERIFIED, readings are flagged: "
	if d.Tags {
		one, rate, unverified = "tag", "tags/s", "UNVERIFIED: "
	}
	if d.Unverified != "" {
		t.bad("", unverified+d.Unverified)
	}
	t.line("", t.rates(d, rate)...)
	readings := []string{cli.Count(uint64(d.Readings), one), cli.Count(uint64(d.Gaps), "gap") + " since it was started"}
	if d.LastReadingNs != 0 {
		readings = append(readings, "last "+time.Duration(t.s.NowNs-d.LastReadingNs).Round(10*time.Millisecond).String()+" ago")
	}
	t.line("", readings...)
	for _, a := range d.Alarms {
		if a.On {
			t.bad("", "ALARM for "+t.span(a.Since)+": "+a.Text)
		} else {
			t.line("", "alarm over: "+a.Text+", "+cli.Count(uint64(a.Times), "time"))
		}
	}
	if d.NotKept != "" {
		t.line("", "set: "+d.NotKept)
	}
	t.WriteByte('\n')
}

// rates are those of the last reading, or of the last quarter of a second of tags.
func (t *statusText) rates(d *protocol.DeviceStatus, unit string) []string {
	var parts []string
	for _, r := range d.Rates {
		if r.CPS == nil {
			parts = append(parts, r.Channel+" ?")
		} else {
			parts = append(parts, fmt.Sprintf("%s %s", r.Channel, shortRate(*r.CPS)))
		}
	}
	if len(parts) > 0 {
		parts = append(parts, unit)
	}
	return parts
}

// shortRate is a rate in four digits: 57.12k.
func shortRate(cps float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if cps >= u.size*10 {
			return fmt.Sprintf("%.4g%s", cps/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.4g", cps)
}

// others are sessions, archives and outputs.
func (t *statusText) others() {
	label := "sessions"
	for _, s := range t.s.Sessions {
		parts := []string{s.Name, "from " + s.Address, "for " + t.span(s.Since), strings.Join(s.Rights, " ")}
		if s.Forward {
			parts = append(parts, "dialled from here")
		}
		if s.TLS {
			parts = append(parts, "TLS")
		}
		if s.Archive {
			parts = append(parts, "archive", toSend(int64(s.Behind)))
		}
		t.line(label, parts...)
		label = ""
	}
	label = "archives"
	for _, a := range t.s.Archives {
		// What is on its way to one that is connected may have arrived.
		seen, lacks := "connected", "has not confirmed"
		if !a.Connected {
			seen, lacks = "last seen "+t.span(a.LastSeen)+" ago", "has not fetched"
		}
		parts := []string{a.Name, seen}
		switch {
		case !a.Holds:
			parts = append(parts, "nothing is kept for it")
		case upToDate(&a):
			parts = append(parts, "has confirmed all but the last seconds")
		case a.BehindBytes > 0 && a.BehindS != nil:
			parts = append(parts, fmt.Sprintf("%s %s, the oldest recorded %s", lacks, behindBytes(&a), behindTime(&a)))
		case a.BehindBytes > 0:
			parts = append(parts, lacks+" "+behindBytes(&a))
		default:
			parts = append(parts, "has all")
		}
		if a.LostBytes > 0 {
			parts = append(parts, gateway.SizeText(int64(a.LostBytes))+" were dropped from the journal before it had confirmed them")
		}
		if a.BadFrames > 0 {
			parts = append(parts, cli.Count(uint64(a.BadFrames), "frame")+" arrived damaged, sent again")
		}
		t.line(label, parts...)
		if a.Trouble != "" {
			t.bad("", "TROUBLE at "+a.Name+": "+a.Trouble)
		}
		label = ""
	}
	label = "forward"
	for _, f := range t.s.Forwards {
		parts := []string{f.Address, f.State + " for " + t.span(f.Since), f.Trouble}
		if f.State == "refused" {
			t.bad(label, parts...)
		} else {
			t.line(label, parts...)
		}
		label = ""
	}
	label = "outputs"
	for _, o := range t.s.Outputs {
		parts := []string{o.Name, o.Kind, o.Address, cli.Count(o.Clients, "client")}
		if o.Dropped > 0 {
			parts = append(parts, cli.Count(uint64(o.Dropped), "block")+" dropped")
		}
		if o.Trouble != "" {
			t.bad(label, append(parts, "TROUBLE: "+o.Trouble)...)
		} else {
			t.line(label, parts...)
		}
		label = ""
	}
}

// toSend is how much of the journal waits to be sent in a session.
func toSend(n int64) string {
	if n == 0 {
		return "all is sent"
	}
	return gateway.SizeText(n) + " not yet sent"
}

// span is how long ago something was, in its two largest units.
func (t *statusText) span(since time.Time) string {
	d := max(t.now.Sub(since), 0).Round(time.Second)
	days := int(d / (24 * time.Hour))
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, int(d/time.Hour)%24)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d/time.Hour), int(d/time.Minute)%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", int(d/time.Minute), int(d/time.Second)%60)
	}
	return fmt.Sprintf("%d s", int(d/time.Second))
}
