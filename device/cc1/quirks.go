package cc1

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"photongate/device"
)

const (
	instrumentKit = "instrumentkit/InstrumentKit src/instruments/qubitekk/cc1.py and its tests"
	classK        = "an independent class \"Python driver for the CC1 coincidence counter\""
)

// quirks are what public sources warn of or leave open.
var quirks = []device.Quirk{
	{
		Name: "firmware", Title: "from 2.2 on the box says ON and OFF in words, older ones 1 and 0; 2.010 is 2.10", Source: instrumentKit,
		Met: func(talk []device.Exchange) string {
			fw, ok := saidFirmware(talk)
			if !ok {
				return ""
			}
			return fmt.Sprintf("v%s, the %s command set", fw.text, map[bool]string{true: "new", false: "old"}[fw.newer])
		},
	},
	{
		Name: "acknowledgements", Title: "the box may send each command back before its answer", Source: instrumentKit,
		Met: func(talk []device.Exchange) string {
			n := 0
			for _, l := range linesOf(talk) {
				if bytes.ContainsAny(l, ":?") && echo.Match(l) {
					n++
				}
			}
			return counted(n, "commands sent back")
		},
	},
	{
		Name: "first exchange", Title: "the first question may be answered \"Unknown Command\", or not at all", Source: instrumentKit,
		Met: firstExchange,
	},
	{
		Name: "units", Title: "numbers may carry a unit; the old firmware says the dwell time in ms, whatever it prints behind it", Source: classK + "; " + instrumentKit,
		Met: units,
	},
	{
		Name: "line end", Title: "lines end in LF; a CR before it has been seen", Source: instrumentKit,
		Met: func(talk []device.Exchange) string {
			return counted(bytes.Count(device.Received(talk), []byte("\r\n")), "lines end in CR LF")
		},
	},
	{
		Name: "stray lines", Title: "lines that are no count may come before one", Source: instrumentKit + " tries five more lines",
		Met: func(talk []device.Exchange) string {
			n := 0
			for _, l := range linesOf(talk) {
				if _, isCount := parseCount(l); isCount || len(l) == 0 {
					continue
				}
				if kind, _ := judgeLine(l); kind == device.Unfit {
					n++
				}
			}
			return counted(n, "lines that are none the box is known to give")
		},
	},
	{
		Name: "refusals", Title: "a command may be answered \"Unknown Command\" or \"Unable to comply\"", Source: instrumentKit,
		Met: func(talk []device.Exchange) string {
			n := 0
			for _, l := range linesOf(talk) {
				if isRefusal(l) {
					n++
				}
			}
			return counted(n, "refusals")
		},
	},
	{
		Name: "how a gate is begun", Title: "whether CLEA alone begins a new gate in start/stop mode is not known for sure; the option start = \"count\" sends :COUN:ON as well",
		Source: classK + " sends :COUN:ON before each measurement; clients of the other sort send CLEA only", Met: gateBegun,
	},
	{
		Name: "clears itself", Title: "in continuous mode the totals begin anew when the dwell time is over", Source: instrumentKit,
		Met: func(talk []device.Exchange) string {
			return counted(falls(talk), "times a total was lower than before")
		},
	},
}

// linesOf are the lines received.
func linesOf(talk []device.Exchange) (list [][]byte) {
	for l := range bytes.Lines(device.Received(talk)) {
		if l, ended := bytes.CutSuffix(l, []byte{'\n'}); ended {
			list = append(list, trimLine(l))
		}
	}
	return list
}

// counted is "3 of what", or nothing for none.
func counted(n int, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

func saidFirmware(talk []device.Exchange) (firmware, bool) {
	for _, l := range linesOf(talk) {
		if fw, ok := parseFirmware(l); ok {
			return fw, true
		}
	}
	return firmware{}, false
}

// firstExchange looks at what came before the second question was sent.
func firstExchange(talk []device.Exchange) string {
	asked := 0
	var got []byte
	for _, e := range talk {
		switch {
		case e.Sent && asked == 1:
			if len(got) == 0 {
				return "the first question got no answer"
			}
			if l, _, _ := firstLine(got); isRefusal(l) {
				return fmt.Sprintf("the first question was answered %q", l)
			}
			return ""
		case e.Sent:
			asked++
		case asked == 1:
			got = append(got, e.Bytes...)
		}
	}
	return ""
}

// units shows answers that carry one.
func units(talk []device.Exchange) string {
	var list []string
	for _, l := range linesOf(talk) {
		if _, unit, ok := parseQuantity(l); ok && unit != "" && !slices.Contains(list, string(l)) {
			list = append(list, string(l))
		}
	}
	return strings.Join(list, ", ")
}

// gateBegun says whether totals were other than before when gates were begun.
func gateBegun(talk []device.Exchange) string {
	begun := 0
	for _, e := range talk {
		if e.Sent {
			begun += bytes.Count(e.Bytes, []byte("CLEA\n"))
		}
	}
	var sets [][]uint64
	same := 0
	for _, p := range device.Pieces(cut, device.Received(talk)) {
		if p.Kind != device.Reading {
			continue
		}
		if n := len(sets); n > 0 && slices.Equal(sets[n-1], p.Values) {
			same++
		}
		sets = append(sets, p.Values)
	}
	if begun < 2 || len(sets) < 2 {
		return ""
	}
	return fmt.Sprintf("CLEA was sent %d times; the totals were as before in %d of %d gates", begun, same, len(sets))
}

// falls counts totals of the first channel that are lower than before, while CLEA
// was not sent.
func falls(talk []device.Exchange) (n int) {
	for _, e := range talk {
		if e.Sent && bytes.HasPrefix(e.Bytes, []byte("CLEA\n")) {
			return 0
		}
	}
	last := uint64(0)
	for _, p := range device.Pieces(cut, device.Received(talk)) {
		if p.Kind == device.Reading {
			if p.Values[0] < last {
				n++
			}
			last = p.Values[0]
		}
	}
	return n
}
