package sr400

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"photongate/device"
)

const (
	manual    = "public copy of the SRS manual"
	qrspeter  = "qrspeter/Photon-counting-spectral srs_counter/srs_counter.cpp"
	epics     = "ISISComputingGroup/EPICS-Stanford_SR400_Photon_Counter"
	programs  = "what published programs do on the wire"
	inference = "nobody says so; it is what the instrument's own description suggests"
)

// quirks are what public sources warn of or leave open.
var quirks = []device.Quirk{
	{
		Name: "line end", Title: "answers end in CR with echo off, in CR LF with echo on and on GPIB", Source: manual + "; " + epics,
		Met: lineEnds,
	},
	{
		Name: "echo", Title: "with echo on each character comes back; the driver wants it off", Source: manual,
		Met: func(talk []device.Exchange) string {
			return found(talk, "echo of ", "commands came back")
		},
	},
	{
		Name: "first command", Title: "the first command after power-up may be spoiled by a character of garbage", Source: qrspeter + " sends two bare CR ahead",
		Met: firstCommand,
	},
	{
		Name: "not there yet", Title: "a point that is not complete is -1", Source: manual + "; " + qrspeter,
		Met: func(talk []device.Exchange) string { return found(talk, ": not there (yet)", "answers were -1") },
	},
	{
		Name: "one digit", Title: "presets and dwell time keep one significant digit", Source: manual,
		Met: digits,
	},
	{
		Name: "real numbers", Title: "in which form real numbers come is not known", Source: epics + " reads any",
		Met: realNumbers,
	},
	{
		Name: "illegal commands", Title: "they get no answer, and set bit 7 of the status byte", Source: manual,
		Met: func(talk []device.Exchange) string { return statusBits(talk, statusCommand, "status bytes with bit 7") },
	},
	{
		Name: "changed on the panel", Title: "bit 0 of the status byte; whether settings sent from here set it as well is not known", Source: manual,
		Met: func(talk []device.Exchange) string { return statusBits(talk, statusPanel, "status bytes with bit 0") },
	},
	{
		Name: "overflow", Title: "bit 3 of the status byte does not say which counter it was", Source: manual,
		Met: func(talk []device.Exchange) string {
			return statusBits(talk, statusOverflow, "status bytes with bit 3")
		},
	},
	{
		Name: "new scan", Title: "whether a scan that begins by itself clears the buffer is not known", Source: inference,
		Met: newScanSeen,
	},
	{
		Name: "settings unasked", Title: "whether panel lock, outputs and gate widths can be asked for is not known", Source: inference,
		Met: unanswered,
	},
	{
		Name: "blanks and line ends", Title: "blanks are ignored, an empty command is none", Source: programs,
		Met: func([]device.Exchange) string { return "" },
	},
}

// lineEnds counts how lines end.
func lineEnds(talk []device.Exchange) string {
	all := device.Received(talk)
	crlf := bytes.Count(all, []byte("\r\n"))
	cr := bytes.Count(all, []byte("\r")) - crlf
	lf := bytes.Count(all, []byte("\n")) - crlf
	var list []string
	for _, n := range []struct {
		n    int
		what string
	}{{cr, "CR"}, {crlf, "CR LF"}, {lf, "LF"}} {
		if n.n > 0 {
			list = append(list, fmt.Sprintf("%s after %d lines", n.what, n.n))
		}
	}
	return strings.Join(list, ", ")
}

// asked is a question and the line that answered it.
type asked struct{ question, line string }

// answers pairs questions and lines.
func answers(talk []device.Exchange) (list []asked) {
	c := &cutting{}
	var rest []byte
	for _, e := range talk {
		if e.Sent {
			c.sent(string(e.Bytes))
			continue
		}
		rest = append(rest, e.Bytes...)
		for {
			line, size, ok := cutLine(rest)
			if !ok {
				break
			}
			list = append(list, asked{c.question, string(line)})
			rest = rest[size:]
		}
	}
	return list
}

// found counts pieces of which something is said.
func found(talk []device.Exchange, what, text string) string {
	n := 0
	for _, p := range cutTalk(talk, 0) {
		if strings.Contains(p.What, what) {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, text)
}

// statusBits counts status bytes with a bit set.
func statusBits(talk []device.Exchange, bit int64, text string) string {
	n := 0
	for _, a := range answers(talk) {
		if v, ok := parseWhole([]byte(a.line)); ok && strings.HasSuffix(a.question, "SS") && v&bit != 0 {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, text)
}

// firstCommand says whether the first question had to be asked again.
func firstCommand(talk []device.Exchange) string {
	first, times := "", 0
	for _, e := range talk {
		text := strings.TrimSpace(string(e.Bytes))
		switch {
		case !e.Sent && times > 0:
			if times > 1 {
				return fmt.Sprintf("%s was answered when it was sent for the %d. time", first, times)
			}
			return ""
		case !e.Sent || text == "" || strings.HasPrefix(text, "++"):
		case first == "" || text == first:
			first, times = text, times+1
		}
	}
	return ""
}

// digits compares presets that were sent with what was said of them later.
func digits(talk []device.Exchange) string {
	var list []string
	for _, a := range answers(talk) {
		if a.question != "CP2" && a.question != "CP1" && a.question != "DT" {
			continue
		}
		if text := a.question + " " + a.line; !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// realNumbers shows some that are no plain integers.
func realNumbers(talk []device.Exchange) string {
	var list []string
	for _, a := range answers(talk) {
		if _, ok := parseReal([]byte(a.line)); ok && strings.ContainsAny(a.line, ".eE") && !slices.Contains(list, a.line) && len(list) < 4 {
			list = append(list, a.line)
		}
	}
	return strings.Join(list, ", ")
}

// newScanSeen looks at the first point after the last of a scan that was not
// started from here.
func newScanSeen(talk []device.Exchange) string {
	last := 0
	for _, a := range answers(talk) {
		m := 0
		if a.question == startCommand {
			last = 0
		}
		if _, err := fmt.Sscanf(a.question, "QA%d", &m); err != nil {
			continue
		}
		if m == 1 && last > 1 {
			if a.line == "-1" {
				return fmt.Sprintf("after point %d the first was -1: the buffer is cleared", last)
			}
			return fmt.Sprintf("after point %d the first was %s: the buffer may not be cleared", last, a.line)
		}
		if a.line != "-1" { // while it is opened points are looked for that are not there
			last = m
		}
	}
	return ""
}

// unanswered lists questions that were asked twice and got nothing.
func unanswered(talk []device.Exchange) string {
	var list []string
	last, silent := "", 0
	for _, e := range talk {
		text := normal(strings.TrimSpace(string(e.Bytes)))
		switch {
		case !e.Sent:
			last, silent = "", 0
		case text == last:
			silent++
		default:
			last, silent = text, 0
		}
		if silent == 1 && last != "" && !slices.Contains(list, last) {
			list = append(list, last)
		}
	}
	if list == nil {
		return ""
	}
	return "no answer to " + strings.Join(list, ", ")
}
