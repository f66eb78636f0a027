package instrument

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Template is bytes with places in them: `{NAME}` or `{NAME:FORMAT}` stands for a
// value, `{{` and `}}` for braces. The zero value is empty.
//
// Without a format a number is written as it is. FORMAT is `.2` for two digits
// behind the point, `05` for at least five digits, `x` for hex, or, for bytes of a
// binary number, `u8`, `u16le`, `u16be`, `u32le`, `u32be`, `u64le`, `u64be`.
type Template struct {
	Parts []Part
}

// Part is a piece of a Template: bytes, or a place.
type Part struct {
	Bytes  Bytes
	Name   string // of the place; empty for Bytes
	Format string
}

// IsEmpty reports whether there is nothing in it.
func (t Template) IsEmpty() bool { return len(t.Parts) == 0 }

// Names returns the names of the places.
func (t Template) Names() []string {
	var names []string
	for _, p := range t.Parts {
		if p.Name != "" && !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// Append appends the bytes to dst, with what lookup says for each place: int64,
// uint64, float64, bool or string. It fails when a value does not fit its format.
func (t Template) Append(dst []byte, lookup func(name string) (any, bool)) ([]byte, error) {
	for _, p := range t.Parts {
		if p.Name == "" {
			dst = append(dst, p.Bytes...)
			continue
		}
		v, ok := lookup(p.Name)
		if !ok {
			return dst, fmt.Errorf("{%s} has no value", p.Name)
		}
		var err error
		if dst, err = p.append(dst, v); err != nil {
			return dst, fmt.Errorf("{%s}: %w", p.Name, err)
		}
	}
	return dst, nil
}

// append appends one value.
func (p Part) append(dst []byte, v any) ([]byte, error) {
	if b, ok := v.(bool); ok {
		v = int64(0)
		if b {
			v = int64(1)
		}
	}
	if s, ok := v.(string); ok {
		if p.Format != "" {
			return dst, fmt.Errorf("format %q is for numbers, %q is a word", p.Format, s)
		}
		return append(dst, s...), nil
	}
	if d, ok := v.(time.Duration); ok {
		v = int64(d)
	}
	if width, order := BinaryFormat(p.Format); width > 0 {
		n, err := wholeNumber(v)
		if err != nil {
			return dst, err
		}
		return appendBinary(dst, n, width, order)
	}
	return appendNumber(dst, v, p.Format)
}

// wholeNumber returns v rounded to a whole number.
func wholeNumber(v any) (uint64, error) {
	switch v := v.(type) {
	case int64:
		return uint64(v), nil
	case uint64:
		return v, nil
	case float64:
		if r := math.Round(v); r >= 0 && r < 1<<63 {
			return uint64(r), nil
		}
	}
	return 0, fmt.Errorf("%v is no whole number from 0 on", v)
}

// ByteOrder reads and writes numbers in one order of their bytes.
type ByteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// BinaryFormat returns how many bytes a binary format of a template has, as 2 for
// "u16le", and their order; 0 for another format.
func BinaryFormat(format string) (width int, order ByteOrder) {
	switch format {
	case "u8":
		return 1, binary.LittleEndian
	case "u16le":
		return 2, binary.LittleEndian
	case "u16be":
		return 2, binary.BigEndian
	case "u32le":
		return 4, binary.LittleEndian
	case "u32be":
		return 4, binary.BigEndian
	case "u64le":
		return 8, binary.LittleEndian
	case "u64be":
		return 8, binary.BigEndian
	}
	return 0, nil
}

func appendBinary(dst []byte, n uint64, width int, order binary.AppendByteOrder) ([]byte, error) {
	if width < 8 && n>>(8*width) != 0 {
		return dst, fmt.Errorf("%d does not fit into %d bytes", n, width)
	}
	switch width {
	case 1:
		return append(dst, byte(n)), nil
	case 2:
		return order.AppendUint16(dst, uint16(n)), nil
	case 4:
		return order.AppendUint32(dst, uint32(n)), nil
	}
	return order.AppendUint64(dst, n), nil
}

// appendNumber writes a number as text.
func appendNumber(dst []byte, v any, format string) ([]byte, error) {
	if places, ok := strings.CutPrefix(format, "."); ok {
		n, err := strconv.Atoi(places)
		if err != nil {
			return dst, err
		}
		return strconv.AppendFloat(dst, asFloat(v), 'f', n, 64), nil
	}
	var text string
	switch v := v.(type) {
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
		if format != "" && v != math.Trunc(v) {
			return dst, fmt.Errorf("%s is no whole number, as format %q wants", text, format)
		}
	case int64:
		text = strconv.FormatInt(v, 10)
	case uint64:
		text = strconv.FormatUint(v, 10)
	}
	switch {
	case format == "x":
		n, err := wholeNumber(v)
		return strconv.AppendUint(dst, n, 16), err
	case strings.HasPrefix(format, "0"):
		n, err := strconv.Atoi(format)
		if err != nil {
			return dst, err
		}
		dst = append(dst, strings.Repeat("0", max(0, n-len(text)))...)
	}
	return append(dst, text...), nil
}

func asFloat(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}

// maxDigits bounds the digits that a format may ask for.
const maxDigits = 20

// parseTemplate reads a template from decoded bytes.
func parseTemplate(text Bytes) (Template, error) {
	var t Template
	var plain []byte
	flush := func() {
		if len(plain) > 0 {
			t.Parts = append(t.Parts, Part{Bytes: Bytes(plain)})
			plain = nil
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(text) && text[i+1] == c:
			plain = append(plain, c)
			i++
		case c == '}':
			return t, errors.New("has a } without its { (expected }} for a brace that is to be sent)")
		case c == '{':
			end := strings.IndexByte(string(text[i:]), '}')
			if end < 0 {
				return t, errors.New("has a { without its } (expected {{ for a brace that is to be sent)")
			}
			p, err := parsePlace(string(text[i+1 : i+end]))
			if err != nil {
				return t, err
			}
			flush()
			t.Parts = append(t.Parts, p)
			i += end
		default:
			plain = append(plain, c)
		}
	}
	flush()
	return t, nil
}

// parsePlace reads what stands between braces.
func parsePlace(text string) (Part, error) {
	name, format, _ := strings.Cut(text, ":")
	p := Part{Name: strings.TrimSpace(name), Format: format}
	if p.Name == "" {
		return p, errors.New("has a place without a name (expected {NAME}, or {{ for a brace that is to be sent)")
	}
	digits, point := strings.CutPrefix(format, ".")
	n, err := strconv.Atoi(digits)
	number := err == nil && n >= 0 && n <= maxDigits && (point || strings.HasPrefix(format, "0"))
	if width, _ := BinaryFormat(format); format != "" && format != "x" && width == 0 && !number {
		return p, fmt.Errorf("{%s}: %q is no format (expected .2, 05, x, u8, u16le, u16be, u32le, u32be, u64le or u64be)", text, format)
	}
	return p, nil
}
