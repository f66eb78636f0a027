package cc1

import (
	"bytes"
	"fmt"

	"photongate/device"
)

// cut implements device.Driver's Cut: everything the box says is a line. Three
// counts and the answer to FIRM? behind them are a reading: the driver closes the
// counts with that question in both ways of reading, so that one line too many or
// too few shows. In continuous mode a later one replaces it.
func cut(received []byte) device.Piece {
	line, size, ok := firstLine(received)
	switch {
	case !ok && len(received) > maxLine:
		return device.Piece{Length: len(received), What: fmt.Sprintf("%d bytes without a line end", len(received))}
	case !ok:
		return device.Piece{}
	}
	if _, is := parseCount(line); is || isQuestion(line) {
		return cutCounts(received, size, line)
	}
	p := device.Piece{Length: size, Kind: device.Other}
	p.Kind, p.What = judgeLine(line)
	return p
}

// firstLine returns the first line and its size with its end.
func firstLine(received []byte) (line []byte, size int, ok bool) {
	i := bytes.IndexByte(received, '\n')
	if i < 0 {
		return nil, 0, false
	}
	return trimLine(received[:i]), i + 1, true
}

// isQuestion reports whether a line is the echo of a question for a count.
func isQuestion(line []byte) bool {
	for c := range names {
		if string(line) == countQuestion(c) {
			return true
		}
	}
	return false
}

// cutCounts cuts what begins with a count or the echo of the question for it.
func cutCounts(received []byte, size int, first []byte) device.Piece {
	single := device.Piece{Length: size, Kind: device.Other, What: "number " + string(first)}
	if isQuestion(first) {
		single.What = "echo of " + string(first)
	}
	var values []uint64
	others, at := 0, 0
	for {
		line, n, ok := firstLine(received[at:])
		if !ok {
			if len(received)-at > maxLine {
				return single
			}
			return device.Piece{} // the reading may still become whole
		}
		at += n
		count, isCount := parseCount(line)
		_, closes := parseFirmware(line)
		switch {
		case isCount:
			if values = append(values, count); len(values) > channels {
				return single
			}
		case isQuestion(line) || string(line) == whoAreYou || string(line) == "CLEA" || len(line) == 0:
		case closes && len(values) == channels:
			return device.Piece{Length: at, Kind: device.Reading, Values: values, Passing: true,
				What: fmt.Sprintf("three counts, closed by %q", line)}
		default:
			if others++; closes || isSetting(line) || others > maxJunk {
				return single
			}
		}
	}
}

// isSetting reports whether a line answers a question for a setting in words.
func isSetting(line []byte) bool {
	_, on := parseSwitch(line)
	_, trigger := parseTrigger(line)
	_, unit, number := parseQuantity(line)
	return on || trigger || number && unit != ""
}

// judgeLine judges a line that is no count.
func judgeLine(line []byte) (device.PieceKind, string) {
	_, isVersion := parseFirmware(line)
	_, _, isQuantity := parseQuantity(line)
	switch {
	case len(line) == 0:
		return device.Other, "empty line"
	case isVersion:
		return device.Other, fmt.Sprintf("answer to FIRM?: %s", line)
	case isRefusal(line):
		return device.Other, fmt.Sprintf("refusal: %s", line)
	case isSetting(line) || isQuantity:
		return device.Other, fmt.Sprintf("answer to a question for a setting: %s", line)
	case echo.Match(line):
		return device.Other, fmt.Sprintf("echo of %s", line)
	}
	return device.Unfit, "line that is no answer the box is known to give"
}
