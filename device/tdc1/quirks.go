package tdc1

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"photongate/device"
)

const (
	pyS15    = "s-fifteen-instruments/pyS15 S15lib/instruments/usb_counter_fpga.py"
	usbpy    = "s-fifteen-instruments/Timestamp_TDC1 python/usbcount_class.py"
	notebook = "s-fifteen-instruments/pyS15 examples/TDC1_time_to_digital_converter.ipynb"
	specif   = "specification in the TDC1's datasheet"
)

// quirks are what public sources warn of or leave open. A line of a real unit
// settles it; that is why it is worth reporting.
var quirks = []device.Quirk{
	{
		Name: "answer to *idn?", Title: "the text around the word TDC1 is not known", Source: pyS15,
		Met: func(talk []device.Exchange) string { return answerTo(talk, "*idn?") },
	},
	{
		Name: "line end", Title: "lines end in CR LF or in LF", Source: pyS15 + " (takes either)",
		Met: lineEnds,
	},
	{
		Name: "blanks", Title: "what stands between the counts is not known", Source: pyS15 + " (splits at any blanks)",
		Met: blanks,
	},
	{
		Name: "signed time", Title: "TIME? answers with a signed 16-bit number: from 32768 ms on it is negative", Source: usbpy,
		Met: func(talk []device.Exchange) string {
			if a := answerTo(talk, "time?"); strings.HasPrefix(a, `"-`) {
				return a
			}
			return ""
		},
	},
	{
		Name: "answer to level?", Title: "a number in volts, and words behind it that are not known", Source: pyS15,
		Met: func(talk []device.Exchange) string { return answerTo(talk, "level?") },
	},
	{
		Name: "answer to refclk?", Title: "0 auto, 1 external, 2 internal; whether words follow is not known", Source: pyS15,
		Met: func(talk []device.Exchange) string { return answerTo(talk, "refclk?") },
	},
	{
		Name: "answer to eclock?", Title: "says whether there is an external clock, in words that are not known", Source: usbpy,
		Met: func(talk []device.Exchange) string { return answerTo(talk, "eclock?") },
	},
	{
		Name: "left streaming", Title: "a unit left in timestamp mode sends binary records until it is told abort", Source: pyS15,
		Met: leftStreaming,
	},
	{
		Name: "answers to set commands", Title: "whether commands that set something answer anything is not known", Source: pyS15 + " (reads and drops what comes)",
		Met: answersToSet,
	},
	{
		Name: "markers", Title: "in a stream of time stamps markers come just after each half of a period, at times 3960 and 67112824 in the only capture that is printed", Source: notebook,
		Met: markersMet,
	},
	{
		Name: "late answers", Title: "the counts come when the integration time is over; how much later is not known", Source: pyS15 + " (waits 0.1 s longer)",
		Met: lateness,
	},
	{
		Name: "full counter", Title: "the width of the counters is not published; an input takes 250 MHz", Source: specif,
		Met: largest,
	},
}

// turn is one command and what came before the next.
type turn struct {
	command string // without its line end; empty for what came before the first
	answer  []byte
	sent    time.Duration
	first   time.Duration // when the answer began to come
}

func turns(talk []device.Exchange) []turn {
	list := []turn{{}}
	for _, e := range talk {
		if e.Sent {
			list = append(list, turn{command: strings.ToLower(strings.TrimRight(string(e.Bytes), "\r\n;")), sent: e.At})
			continue
		}
		last := &list[len(list)-1]
		if len(last.answer) == 0 {
			last.first = e.At
		}
		last.answer = append(last.answer, e.Bytes...)
	}
	return list
}

// answerTo shows the first line that came after a query.
func answerTo(talk []device.Exchange, query string) string {
	asked := false
	for _, t := range turns(talk) {
		if t.command != query {
			continue
		}
		asked = true
		if line, _, found := bytes.Cut(bytes.TrimLeft(t.answer, "\r\n"), []byte{'\n'}); found {
			return fmt.Sprintf("%.120q", line)
		}
	}
	if asked {
		return "none"
	}
	return ""
}

func lineEnds(talk []device.Exchange) string {
	crlf, lf := 0, 0
	for _, t := range turns(talk) {
		if t.command == question {
			c := bytes.Count(t.answer, []byte("\r\n"))
			crlf, lf = crlf+c, lf+bytes.Count(t.answer, []byte("\n"))-c
		}
	}
	switch {
	case crlf > 0 && lf > 0:
		return fmt.Sprintf("CR LF after %d answers, LF alone after %d", crlf, lf)
	case crlf > 0:
		return fmt.Sprintf("CR LF after each of %d answers", crlf)
	case lf > 0:
		return fmt.Sprintf("LF after each of %d answers", lf)
	}
	return ""
}

// blanks shows what stands around the numbers of the first answer.
func blanks(talk []device.Exchange) string {
	for _, t := range turns(talk) {
		line, _, found := bytes.Cut(t.answer, []byte{'\n'})
		if _, ok := parseCounts(bytes.TrimSuffix(line, []byte{'\r'})); t.command != question || !found || !ok {
			continue
		}
		form := bytes.Map(func(r rune) rune {
			if '0' <= r && r <= '9' {
				return '0'
			}
			return r
		}, line)
		return fmt.Sprintf("%q, with 0 for each digit", form)
	}
	return ""
}

func leftStreaming(talk []device.Exchange) string {
	all := turns(talk)
	if before := all[0].answer; len(before) > 0 {
		return fmt.Sprintf("%d bytes came before anything was sent: %s", len(before), device.ShowBytes(before[:min(len(before), 16)]))
	}
	for _, t := range all {
		if t.command == "abort" && len(t.answer) > 0 {
			return fmt.Sprintf("%d bytes came after abort", len(t.answer))
		}
	}
	return ""
}

// markersMet says which markers there are in a stream.
func markersMet(talk []device.Exchange) string {
	var times []string
	records, markers, streams := 0, 0, false
	var stream []byte
	for _, e := range talk {
		if e.Sent {
			streams = streams || string(e.Bytes) == begin+lineEnd
			streams = streams && string(e.Bytes) != stopStream+lineEnd
		} else if streams {
			stream = append(stream, e.Bytes...)
		}
	}
	for ; len(stream) >= recordBytes; stream = stream[recordBytes:] {
		w := word(stream)
		if records++; w&markerBit == 0 {
			continue
		}
		markers++
		if at := fmt.Sprint(w >> 5); len(times) < 4 && !slices.Contains(times, at) {
			times = append(times, at)
		}
	}
	if markers == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d records, at time %s", markers, records, strings.Join(times, ", "))
}

func answersToSet(talk []device.Exchange) string {
	sent, silent := 0, 0
	for _, t := range turns(talk) {
		if t.command == "" || t.command == "abort" || strings.HasSuffix(t.command, "?") {
			continue
		}
		sent++
		if len(bytes.TrimSpace(t.answer)) > 0 {
			return fmt.Sprintf("%.120q after %s", t.answer, t.command)
		}
		silent++
	}
	if sent == 0 {
		return ""
	}
	return fmt.Sprintf("silence after %d of %d", silent, sent)
}

// lateness says how long after its integration time an answer came.
func lateness(talk []device.Exchange) string {
	var gate, least, most time.Duration
	n := 0
	for _, t := range turns(talk) {
		line, _, found := bytes.Cut(bytes.TrimLeft(t.answer, "\r\n"), []byte{'\n'})
		if !found {
			continue
		}
		trimmed, _ := trimLine(line)
		if g, ok := parseTime(string(trimmed)); ok && t.command == "time?" {
			gate = g
		}
		if _, ok := parseCounts(trimmed); !ok || t.command != question || gate == 0 {
			continue
		}
		late := t.first - t.sent - gate
		if n++; n == 1 || late < least {
			least = late
		}
		most = max(most, late)
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f to %.1f ms after %v, of %d answers", least.Seconds()*1e3, most.Seconds()*1e3, gate, n)
}

// largest shows a count that is near or beyond what 32 bits hold.
func largest(talk []device.Exchange) string {
	var most uint64
	for _, p := range device.Pieces(cut, device.Received(talk)) {
		for _, v := range p.Values {
			most = max(most, v)
		}
	}
	if most < 1<<31 {
		return ""
	}
	return fmt.Sprintf("a count of %d was told", most)
}
