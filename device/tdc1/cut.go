package tdc1

import (
	"bytes"
	"fmt"

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
	case mostlyBinary(trimmed):
		p.What = fmt.Sprintf("%d bytes as of a stream of time stamps", len(line))
	default:
		p.Kind, p.What = device.Unfit, "line that is no answer the unit is known to give"
	}
	return p
}

// mostlyBinary reports whether at least half of some bytes are no text.
func mostlyBinary(b []byte) bool {
	n := 0
	for _, c := range b {
		if c < ' ' || c > '~' {
			n++
		}
	}
	return 2*n >= len(b)
}

func separates(r rune) bool { return r < 0x80 && isSeparator(byte(r)) }
