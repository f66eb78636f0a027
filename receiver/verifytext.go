package receiver

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	b := &strings.Builder{}
	for i := range r.Streams {
		r.Streams[i].writeText(b)
	}
	writeClocks(b, r.Clocks)
	for _, d := range r.Damage {
		fmt.Fprintf(b, "damage: %s\n", d)
	}
	for _, n := range r.NotUsed {
		fmt.Fprintf(b, "not part of the record: %s\n", n)
	}
	for _, twice := range r.Twice {
		fmt.Fprintf(b, "note: %s\n", twice)
	}
	for _, line := range r.repairs() {
		fmt.Fprintln(b, line)
	}
	fmt.Fprintln(b, r.verdict()+r.notRead())
	_, err := io.WriteString(w, b.String())
	return err
}

// notRead says of how many files the verdict is an earlier one's.
func (r *Report) notRead() string {
	if r.Earlier == 0 || len(r.AsOfUTC) < len("2026-11-20") {
		return ""
	}
	were, have, them := "was", "has", "it"
	if r.Earlier > 1 {
		were, have, them = "were", "have", "them"
	}
	return fmt.Sprintf(" (%s of %s %s read on %s and %s not changed in size or time since; --full reads %s again)",
		grouped(uint64(r.Earlier)), plural(uint64(r.Files), "file"), were, r.AsOfUTC[:len("2026-11-20")], have, them)
}

// verdict is what the last line says.
func (r *Report) verdict() string {
	var held tally
	gaps, holes := 0, 0
	var unknown losses
	var allowed []string // causes of what is missing
	for _, s := range r.Streams {
		held.add(s.Tags, uint64(s.Readings), uint64(s.Expected))
		for _, p := range s.Parts {
			gaps += counted(p.Gaps)
			holes += counted(p.Holes)
			all := slices.Concat(p.Gaps, p.Holes)
			for _, l := range all {
				if l.Allowed && !slices.Contains(allowed, shellWord(l.Cause)) {
					allowed = append(allowed, shellWord(l.Cause))
				}
			}
			if r.State == Incomplete { // what is told is what makes it so
				all = slices.DeleteFunc(all, func(l LossReport) bool {
					if l.Allowed && l.Missing != nil {
						held.forgive(s.Tags, uint64(*l.Missing))
					}
					return l.Allowed
				})
			}
			unknown.add(all)
		}
	}
	of, besides := held.text(true), ""
	if len(allowed) > 0 {
		besides = fmt.Sprintf("; what was allowed (--allow %s) is not counted", strings.Join(allowed, ","))
	}
	if unknown.n > 0 {
		if !held.lacks() {
			of = held.text(false)
		}
		of += ", and an unknown number missing in " + unknown.time()
		if r.State == Incomplete {
			return fmt.Sprintf("incomplete: %s (%s), each with its cause above%s", of, lossText(gaps, holes), besides)
		}
	}
	switch {
	case r.State == Damaged:
		return fmt.Sprintf("DAMAGED: %s; what is damaged is listed above, all else is held and checked", of)
	case r.State == Incomplete:
		return fmt.Sprintf("incomplete: %s, %s, %s, each with its cause above%s", of, plural(uint64(gaps), "gap"), plural(uint64(holes), "hole"), besides)
	case held.lacks() || unknown.n > 0 || len(allowed) > 0:
		return fmt.Sprintf("complete but for what was allowed (--allow %s): %s", strings.Join(allowed, ","), of)
	}
	return fmt.Sprintf("complete: %s", of)
}

// shellWord is a cause as it is written after --allow.
func shellWord(cause string) string {
	if strings.ContainsAny(cause, " '") {
		return "'" + strings.ReplaceAll(cause, "'", `'\''`) + "'"
	}
	return cause
}

// losses are gaps and holes of which it is not known how many readings are
// missing in them.
type losses struct {
	n       int
	ns      int64 // how long they are together
	endless bool  // of one that is not known either
}

func (l *losses) add(some []LossReport) {
	for _, one := range some {
		if one.Missing != nil {
			continue
		}
		l.n++
		if one.DurationNs == nil {
			l.endless = true
			continue
		}
		l.ns += int64(*one.DurationNs)
	}
}

// time is how long they are, in words.
func (l *losses) time() string {
	text := strconv.FormatFloat(float64(l.ns)/1e9, 'f', 1, 64) + " s"
	switch {
	case l.endless && l.ns > 0:
		return "more than " + text
	case l.endless:
		return "an unknown time"
	}
	return text
}

// lossText counts gaps and holes, of which there is at least one.
func lossText(gaps, holes int) string {
	switch {
	case holes == 0:
		return plural(uint64(gaps), "gap")
	case gaps == 0:
		return plural(uint64(holes), "hole")
	}
	return plural(uint64(gaps), "gap") + ", " + plural(uint64(holes), "hole")
}

// counted is how many losses are not allowed.
func counted(losses []LossReport) int {
	n := 0
	for _, l := range losses {
		if !l.Allowed {
			n++
		}
	}
	return n
}

func (s *StreamReport) writeText(b *strings.Builder) {
	fmt.Fprintf(b, "%s/%s   in %s\n", s.Gateway, s.Name, s.Folder)
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  part\t%ss\tof\tfirst\tlast\tgaps\tholes\tframes held\tSHA-256\n", unitOf(s.Tags))
	for i := range s.Parts {
		p := &s.Parts[i]
		of, first, last := grouped(uint64(p.Expected)), "-", "-"
		if p.Unknown > 0 {
			of += "+?"
		}
		if p.Frames > 0 {
			first, last = momentText(p.FirstUTC, p.FirstNs), momentText(p.LastUTC, p.LastNs)
		}
		fmt.Fprintf(table, "  %d\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%.16s\n", p.Part, grouped(uint64(p.Readings)), of,
			first, last, len(p.Gaps), len(p.Holes), heldText(p.Held), p.Digest)
	}
	_ = table.Flush() // a strings.Builder takes everything
	for i := range s.Parts {
		s.Parts[i].writeLosses(b)
	}
	if s.Clock != nil {
		fmt.Fprintf(b, "  %s\n", s.Clock.text())
	}
	if s.Blind != "" {
		fmt.Fprintf(b, "  not visible in this instrument's bytes: %s\n", s.Blind)
	}
	fmt.Fprintln(b)
}

func (p *PartReport) writeLosses(b *strings.Builder) {
	for i := range p.Gaps {
		fmt.Fprintf(b, "  part %d: gap: %s\n", p.Part, p.Gaps[i].text(unitOf(p.tags)))
	}
	for i := range p.Holes {
		h := &p.Holes[i]
		more := ""
		if h.AtLeast {
			more = " at least"
		}
		fmt.Fprintf(b, "  part %d: hole: %s, frames %d to %d%s\n", p.Part, h.text(unitOf(p.tags)), h.From, h.To, more)
	}
	for _, u := range p.Unrecorded {
		what := "not recorded here"
		if p.place == journal.InJournal {
			what = "not kept any more"
		}
		fmt.Fprintf(b, "  part %d: %s: frames %d to %d\n", p.Part, what, u[0], u[1])
	}
}

// text says cause, begin, duration and number of what is missing.
func (l *LossReport) text(unit string) string {
	words := []string{l.Cause}
	if l.Cause == "" {
		words[0] = "cause not known"
	}
	if l.BeginNs != nil {
		words = append(words, "from "+momentText(l.BeginUTC, *l.BeginNs))
	}
	if l.Open {
		words = append(words, l.openText)
	} else if l.DurationNs != nil {
		words = append(words, "for "+strconv.FormatFloat(float64(*l.DurationNs)/1e9, 'f', 3, 64)+" s")
	} else {
		words = append(words, "for an unknown time")
	}
	if l.Missing != nil {
		words = append(words, plural(uint64(*l.Missing), unit)+" missing")
	} else {
		words = append(words, "an unknown number of "+unit+"s missing")
	}
	if l.Detail != "" {
		words = append(words, l.Detail)
	}
	if l.Allowed {
		words = append(words, "allowed")
	}
	return strings.Join(words, ", ")
}

// momentText is UTC to the millisecond, or the time base where UTC is not known.
func momentText(utc string, ns protocol.Int64) string {
	if utc == "" {
		return strconv.FormatInt(int64(ns), 10) + " ns (UTC not known)"
	}
	return utc[:len("2006-01-02T15:04:05.000")] + "Z"
}

func heldText(held [][2]protocol.Uint64) string {
	if len(held) == 0 {
		return "none"
	}
	if len(held) > 3 {
		return fmt.Sprintf("%d-%d in %d stretches", held[0][0], held[len(held)-1][1], len(held))
	}
	words := make([]string, len(held))
	for i, r := range held {
		words[i] = fmt.Sprintf("%d-%d", r[0], r[1])
	}
	return strings.Join(words, " ")
}

// grouped writes 12000 as 12,000.
func grouped(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var out []byte
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, digits[i])
	}
	return string(out)
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(n) + " " + what + "s"
}
