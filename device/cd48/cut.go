package cd48

import (
	"bytes"
	"fmt"
	"regexp"

	"photongate/device"
)

// cut implements device.Driver's Cut: everything the box says is a line.
func cut(received []byte) device.Piece {
	line, _, found := bytes.Cut(received, []byte{'\n'})
	if !found {
		if len(received) > maxLine {
			return device.Piece{Length: len(received), What: fmt.Sprintf("%d bytes without a line end", len(received))}
		}
		return device.Piece{}
	}
	p := device.Piece{Length: len(line) + 1, Kind: device.Other}
	trimmed, _ := trimLine(line)
	if c, ok := parseCounts(trimEcho(trimmed, "c")); ok {
		p.Kind, p.What, p.Values = device.Reading, fmt.Sprintf("line of counts, overflow byte %d", c.status), c.value[:]
		return p
	}
	switch {
	case len(trimmed) == 0:
		p.What = "empty line"
	case string(trimmed) == "OK":
		p.What = "acknowledgement"
	case echoPattern.Match(trimmed):
		p.What = "echo of a command"
	case overflowPattern.Match(trimmed):
		p.What = "answer to E: overflow flags " + string(trimEcho(trimmed, "E"))
	default:
		p.Kind, p.What = longAnswer(trimmed)
	}
	return p
}

// echoPattern matches a command sent back, overflowPattern the answer to "E".
var (
	echoPattern     = regexp.MustCompile(`^(S[0-7][01]{4}|[LV]\d{1,3}|r\d{1,5}|[cCEHhPpRTvZz])$`)
	overflowPattern = regexp.MustCompile(`^(E[\r ]*)?\d{1,3}$`)
)

// longAnswer judges a line that may answer "p" or "v".
func longAnswer(line []byte) (device.PieceKind, string) {
	if s, ok := parseSettings(trimEcho(line, "p")); ok {
		return device.Other, fmt.Sprintf("answer to p: interval %v, repeat %v, threshold %d", s.interval, s.repeat, s.trigger)
	}
	if v, ok := parseVersion(line); ok && len(versionNumbers.FindAll(line, 3)) <= 2 {
		return device.Other, "answer to v: " + v
	}
	if n := len(bytes.Fields(line)); n > 1 && len(bytes.Trim(line, "0123456789 ")) == 0 {
		return device.Unfit, fmt.Sprintf("line of %d numbers, expected %d single-spaced, the last at most 255", n, counters+1)
	}
	return device.Unfit, "line that is no answer the box is known to give"
}

// versionNumbers finds the numbers of a line: an answer to "v" holds a version,
// and perhaps a year.
var versionNumbers = regexp.MustCompile(`\d[\d.]*`)
