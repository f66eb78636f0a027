package cd48

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"photongate/device"
)

const (
	helpText = "amcdawes/coincidence README.md (help text of a real unit)"
	colgate  = "MATLAB programs of B. Khajavi and E. Galvez, Colgate University"
	pycd48   = "OpenPhysics/pycd48 pycd48/cd48.py"
)

// quirks are what public sources warn of or leave open. A line of a real unit
// settles it; that is why it is worth reporting.
var quirks = []device.Quirk{
	{
		Name: "line end", Title: "lines end in CR LF or in LF", Source: helpText + "; " + pycd48,
		Met: lineEnds,
	},
	{
		Name: "answers to set commands", Title: "whether set commands answer anything is not known",
		Source: helpText + " tells of a blinking LED only", Met: answersToSet,
	},
	{
		Name: "answer to v", Title: "the text around the version is not known", Source: helpText,
		Met: func(talk []device.Exchange) string { return answerTo(talk, "v", "answer to v") },
	},
	{
		Name: "answer to p", Title: "separators and radix of the settings are not known", Source: helpText,
		Met: func(talk []device.Exchange) string { return answerTo(talk, "p", "answer to p") },
	},
	{
		Name: "order of masks", Title: "which bit of a mask in the answer to p is A is not known", Source: helpText,
		Met: maskOrder,
	},
	{
		Name: "repeats unasked", Title: "repeat mode survives switching off, so lines may come before anything is asked",
		Source: pycd48, Met: repeatsUnasked,
	},
	{
		Name: "first line of repeat mode", Title: "the first line after repeat mode is switched on is wrong; the driver leaves it out",
		Source: colgate, Met: firstLine,
	},
	{
		Name: "full counter", Title: "whether a counter that is full stays so or begins anew is not known", Source: pycd48,
		Met: fullCounter,
	},
	{
		Name: "clearing of overflow flags", Title: "whether c clears the overflow flags, or E only, is not known", Source: pycd48,
		Met: flagClearing,
	},
}

// lineEnds counts how lines end.
func lineEnds(talk []device.Exchange) string {
	all := device.Received(talk)
	crlf := bytes.Count(all, []byte("\r\n"))
	lf := bytes.Count(all, []byte("\n")) - crlf
	switch {
	case crlf > 0 && lf > 0:
		return fmt.Sprintf("CR LF after %d lines, LF alone after %d", crlf, lf)
	case crlf > 0:
		return fmt.Sprintf("CR LF after each of %d lines", crlf)
	case lf > 0:
		return fmt.Sprintf("LF after each of %d lines", lf)
	}
	return ""
}

// turn is one command and what came before the next.
type turn struct {
	command string // without its terminator; empty for what came before the first
	answer  []byte
}

func turns(talk []device.Exchange) []turn {
	list := []turn{{}}
	for _, e := range talk {
		if e.Sent {
			list = append(list, turn{command: strings.TrimRight(string(e.Bytes), "\r\n")})
			continue
		}
		last := &list[len(list)-1]
		last.answer = append(last.answer, e.Bytes...)
	}
	return list
}

// answersToSet says what came after set commands, besides lines of counts.
func answersToSet(talk []device.Exchange) string {
	sent := 0
	kinds := map[string]int{}
	for _, t := range turns(talk) {
		if t.command == "" || !strings.ContainsRune("LVSrRzZT", rune(t.command[0])) {
			continue
		}
		sent++
		what := "silence"
		for _, p := range device.Pieces(cut, t.answer) {
			if p.Kind != device.Reading && len(bytes.TrimSpace(t.answer[:p.Length])) > 0 {
				what = p.What
			}
		}
		kinds[what]++
	}
	if sent == 0 {
		return ""
	}
	var list []string
	for what, n := range kinds {
		list = append(list, fmt.Sprintf("%s after %d of %d", what, n, sent))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// answerTo shows the first line that answers a command.
func answerTo(talk []device.Exchange, command, what string) string {
	for _, t := range turns(talk) {
		if t.command != command {
			continue
		}
		rest := t.answer
		for _, p := range device.Pieces(cut, t.answer) {
			line := rest[:p.Length]
			if rest = rest[p.Length:]; strings.HasPrefix(p.What, what) {
				return fmt.Sprintf("%q", line)
			}
		}
		if len(bytes.TrimSpace(t.answer)) > 0 {
			return fmt.Sprintf("none of a known form; %q came", t.answer[:min(len(t.answer), 120)])
		}
		return "none"
	}
	return ""
}

// maskOrder reads the order of bits from counters 0 to 3, when they count the
// singles A B C D as they do by default.
func maskOrder(talk []device.Exchange) string {
	for _, t := range turns(talk) {
		for line := range bytes.Lines(t.answer) {
			f := strings.FieldsFunc(string(trimEcho(line, "p")), func(r rune) bool { return r < '0' || r > '9' })
			if t.command != "p" || len(f) != 12 {
				continue
			}
			for order, masks := range map[string][2]string{
				"A is the highest bit": {"8 4 2 1", "1000 0100 0010 0001"},
				"A is the lowest bit":  {"1 2 4 8", "0001 0010 0100 1000"},
			} {
				if slices.Contains(masks[:], strings.Join(f[:4], " ")) {
					return order
				}
			}
		}
	}
	return ""
}

func repeatsUnasked(talk []device.Exchange) string {
	n := len(countLines(turns(talk)[0].answer))
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d lines of counts before anything was sent", n)
}

// countLines returns the lines of counts in what came.
func countLines(received []byte) []counts {
	var list []counts
	for line := range bytes.Lines(received) {
		line, ended := bytes.CutSuffix(line, []byte{'\n'})
		trimmed, _ := trimLine(line)
		if c, ok := parseCounts(trimEcho(trimmed, "c")); ok && ended {
			list = append(list, c)
		}
	}
	return list
}

// firstLine holds the first line after the last R against those that follow, by
// the counter that reads most differently.
func firstLine(talk []device.Exchange) string {
	all := turns(talk)
	last := len(all) - 1
	for last > 0 && all[last].command != "R" {
		last--
	}
	if last <= 0 {
		return ""
	}
	var received []byte
	for _, t := range all[last:] {
		received = append(received, t.answer...)
	}
	lines := countLines(received)
	if len(lines) < 6 {
		return ""
	}
	worst, counter, median := 1.0, 0, uint64(0)
	for n := range counters {
		var others []uint64
		for _, c := range lines[1:] {
			others = append(others, c.value[n])
		}
		slices.Sort(others)
		usual := others[len(others)/2]
		first := lines[0].value[n]
		if usual < 100 {
			continue // so few scatter by themselves
		}
		if off := float64(max(first, usual)) / float64(max(min(first, usual), 1)); off > worst {
			worst, counter, median = off, n, usual
		}
	}
	switch {
	case median == 0:
		return ""
	case worst < 1.5:
		return "it was like the others"
	}
	return fmt.Sprintf("it was wrong: counter %d read %d, later about %d", counter, lines[0].value[counter], median)
}

// fullCounter looks at what a counter reads when its overflow flag has just been
// set.
func fullCounter(talk []device.Exchange) string {
	before := uint8(0xFF)
	for _, c := range countLines(device.Received(talk)) {
		for n, v := range c.value {
			switch {
			case c.status&^before>>n&1 == 0:
			case v == limit(n):
				return fmt.Sprintf("counter %d stayed at %d", n, v)
			default:
				return fmt.Sprintf("counter %d began anew, and read %d", n, v)
			}
		}
		before = c.status
	}
	return ""
}

// flagClearing looks at what E answers after a line of counts with flags set.
func flagClearing(talk []device.Exchange) string {
	flags := uint8(0)
	for _, t := range turns(talk) {
		if t.command == "E" && flags != 0 {
			for _, p := range device.Pieces(cut, t.answer) {
				if answer, is := strings.CutPrefix(p.What, "answer to E: overflow flags "); is {
					if answer == "0" {
						return fmt.Sprintf("c clears them: E answered 0 after overflow byte %d", flags)
					}
					return fmt.Sprintf("c does not clear them: E answered %s after overflow byte %d", answer, flags)
				}
			}
		}
		if lines := countLines(t.answer); len(lines) > 0 {
			flags = lines[len(lines)-1].status
		}
	}
	return ""
}
