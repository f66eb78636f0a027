package instrument

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// formatWidths are the bytes of the numbers in a format, as Python's struct has
// them for standard sizes.
var formatWidths = map[byte]int{'b': 1, 'B': 1, 'h': 2, 'H': 2, 'i': 4, 'I': 4, 'l': 4, 'L': 4, 'q': 8, 'Q': 8}

// parseFormat reads a format string of Python's struct: `<Q8I`. It returns one
// field for each group of numbers, the first at offset at, and where they end.
func parseFormat(format string, at int) (fields []Field, end int, err error) {
	order := Little
	switch {
	case strings.HasPrefix(format, "<"):
	case strings.HasPrefix(format, ">"), strings.HasPrefix(format, "!"):
		order = Big
	default:
		return nil, 0, fmt.Errorf("%q does not say the order of bytes (expected < for the least significant first, or >, as in \"<Q8I\")", format)
	}
	var repeat int
	var digits string
	for _, c := range []byte(format[1:]) {
		switch {
		case c == ' ':
			continue
		case c >= '0' && c <= '9':
			if digits += string(c); len(digits) > 5 {
				return nil, 0, fmt.Errorf("%q has a number that is too large", format)
			}
			continue
		}
		repeat = 1
		if digits != "" {
			if repeat, err = strconv.Atoi(digits); err != nil || repeat < 1 {
				return nil, 0, fmt.Errorf("%q repeats something %s times", format, digits)
			}
			digits = ""
		}
		width := formatWidths[c]
		switch {
		case c == 'x':
			at += repeat
		case width > 0:
			fields = append(fields, Field{
				At: at, Width: width, Order: order, Stride: 1, Bits: 8, Signed: c >= 'a', Repeat: repeat, Step: width,
			})
			at += repeat * width
		default:
			return nil, 0, fmt.Errorf("%q: %q is not read (expected b B h H i I l L q Q for numbers, x for a byte that does not matter)", format, c)
		}
		if at > maxRecord {
			return nil, 0, fmt.Errorf("%q is longer than %d bytes", format, maxRecord)
		}
	}
	if digits != "" {
		return nil, 0, fmt.Errorf("%q ends in a number (expected a letter behind it)", format)
	}
	if len(fields) == 0 {
		return nil, 0, errors.New("holds no number")
	}
	return fields, at, nil
}
