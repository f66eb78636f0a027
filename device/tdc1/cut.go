package tdc1

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

// cut implements device.Driver's Cut: in the counting modes everything the unit
// says is a line.
func cut(received []byte) device.Piece {
	line, _, found := bytes.Cut(received, []byte{'\n'})
	if !found {
		if len(received) > maxLine {
			return device.Piece{Length: len(received), What: fmt.Sprintf("%d bytes without a line end, as of a stream of time stamps", len(received))}
		}
		return device.Piece{}
	}
	p := device.Piece{Length: len(line) + 1, Kind: device.Other}
	trimmed, _ := trimLine(line)
	if c, ok := parseCounts(trimmed); ok {
		p.Kind, p.What, p.Values = device.Reading, fmt.Sprintf("line of %d counts", c.n), c.value[:c.n]
		return p
	}
	text := string(trimmed)
	_, isTime := parseTime(text)
	_, isLevel := parseLevel(text)
	switch {
	case text == "":
		p.What = "empty line"
	case isIdentity(text):
		p.What = "answer to *idn?: " + text
	case isTime:
		p.What = "answer: the number " + text
	case len(bytes.Trim(trimmed, "0123456789 \t,;")) == 0:
		p.Kind, p.What = device.Unfit, fmt.Sprintf("line of %d numbers, expected %d or %d", len(bytes.FieldsFunc(trimmed, separates)), inputs, numbers)
	case isLevel && printable(text):
		p.What = "answer that begins with a number: " + text
	default:
		p.Kind, p.What = device.Unfit, "line that is no answer the unit is known to give"
	}
	return p
}

func separates(r rune) bool { return r < 0x80 && isSeparator(byte(r)) }

// cutTalk implements device.Driver's CutTalk: what came before the unit was asked what
// it is may be the rest of anything, a stream of time stamps as a rule. What comes
// while it streams are records.
func cutTalk(talk []device.Exchange, _ time.Duration) []device.Piece {
	sent := func(from int, command string) int {
		at := slices.IndexFunc(talk[from:], func(e device.Exchange) bool { return e.Sent && string(e.Bytes) == command+lineEnd })
		if at < 0 {
			return -1
		}
		return from + at
	}
	at := sent(0, identify)
	if at < 0 {
		return nil // more of it may come
	}
	var list []device.Piece
	if before := device.Received(talk[:at]); len(before) > 0 {
		list = append(list, device.Piece{Length: len(before), Kind: device.Other, What: fmt.Sprintf("%d bytes from before, as of a stream of time stamps", len(before))})
	}
	for at >= 0 {
		started := sent(at, begin)
		if started < 0 {
			return append(list, device.Pieces(cut, device.Received(talk[at:]))...)
		}
		list = append(list, device.Pieces(cut, device.Received(talk[at:started]))...)
		if at = sent(started, stopStream); at < 0 {
			return append(list, device.Pieces(cutRecord, device.Received(talk[started:]))...)
		}
		list = append(list, device.Pieces(cutRecord, device.Received(talk[started:at]))...)
	}
	return list
}

// cutRecord cuts a record off a stream.
func cutRecord(received []byte) device.Piece {
	if len(received) < recordBytes {
		return device.Piece{}
	}
	w := word(received)
	at := fmt.Sprintf("%d ns of a period", w>>5*tickNs)
	p := device.Piece{Length: recordBytes, Kind: device.Other}
	var named []string
	for n := range inputs {
		if w>>n&1 != 0 {
			named = append(named, strconv.Itoa(n+1))
		}
	}
	switch {
	case w&markerBit != 0:
		p.What = "marker at " + at
	case named == nil:
		p.Kind, p.What = device.Unfit, "record of no input and no marker, at "+at
	default:
		p.What = "input " + strings.Join(named, " and ") + " at " + at
	}
	return p
}
