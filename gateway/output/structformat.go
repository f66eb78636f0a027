package output

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// segmentBytes is the most that is written at once of a struct output: what
// fits one TCP segment on Ethernet, so that a reader that does not put partial
// reads together seldom meets one.
const segmentBytes = 1448

// recordFormat is a format of Python's module struct, in standard sizes and
// without alignment.
type recordFormat struct {
	order  binary.AppendByteOrder
	items  []recordItem
	values int // items that carry a value
	size   int // bytes of a record
}

// recordItem is one code of a format. A count before a number's code repeats
// it; before s and x it is the length.
type recordItem struct {
	code byte
	size int
}

// codeSizes are the standard sizes of the codes that are understood.
var codeSizes = map[byte]int{
	'?': 1, 'b': 1, 'B': 1, 'h': 2, 'H': 2, 'i': 4, 'I': 4, 'l': 4, 'L': 4, 'q': 8, 'Q': 8, 'f': 4, 'd': 8, 's': 1, 'x': 1,
}

const knownCodes = "?, b, B, h, H, i, I, l, L, q, Q, f, d, s, x"

// parseRecordFormat reads a format such as "!Qd8I". The byte order must be
// said: "!" or ">" for big-endian, "<" or "=" for little-endian. Without it, or
// with "@", Python lays records out as the computer does on which the script
// runs, and that is not known here.
func parseRecordFormat(text string) (recordFormat, error) {
	if text == "" {
		return recordFormat{}, fmt.Errorf(`it is empty (expected a format of Python's struct, as in "!Qd8I")`)
	}
	f := recordFormat{}
	body := text[1:]
	switch text[0] {
	case '!', '>':
		f.order = binary.BigEndian
	case '<', '=':
		f.order = binary.LittleEndian
	default:
		return f, nativeFormat(strings.TrimPrefix(text, "@"), text)
	}
	var err error
	if f.items, err = formatItems(body); err != nil {
		return f, fmt.Errorf("%q: %w", text, err)
	}
	for _, item := range f.items {
		f.size += item.size
		if item.code != 'x' {
			f.values++
		}
	}
	switch {
	case f.values == 0 || f.size == 0: // "!0s" carries nothing
		return f, fmt.Errorf("%q carries no value", text)
	case f.size > segmentBytes:
		return f, fmt.Errorf("%q: a record of %d bytes is too long (expected at most %d, which travel in one piece)", text, f.size, segmentBytes)
	}
	return f, nil
}

// formatItems cuts a format without its byte order into items.
func formatItems(body string) ([]recordItem, error) {
	var items []recordItem
	for i := 0; i < len(body); i++ {
		if strings.IndexByte(" \t\r\n", body[i]) >= 0 {
			continue
		}
		count, digits := 0, 0
		for ; i < len(body) && body[i] >= '0' && body[i] <= '9'; i++ {
			count = min(10*count+int(body[i]-'0'), 1<<20)
			digits++
		}
		if i == len(body) {
			return nil, fmt.Errorf("it ends with a count (expected a code behind it: %s)", knownCodes)
		}
		size := codeSizes[body[i]]
		switch {
		case size == 0:
			return nil, fmt.Errorf("code %q is not understood (expected %s)", body[i], knownCodes)
		case digits == 0:
			count = 1
		case count > segmentBytes:
			return nil, fmt.Errorf("count %d before %q is too large (expected at most %d)", count, body[i], segmentBytes)
		}
		if body[i] == 's' || body[i] == 'x' {
			items = append(items, recordItem{body[i], count})
			continue
		}
		for range count {
			items = append(items, recordItem{body[i], size})
		}
		if len(items) > segmentBytes {
			return nil, fmt.Errorf("it has more than %d codes", segmentBytes)
		}
	}
	return items, nil
}

// nativeFormat refuses a format in native sizes and alignment, and says what
// it is on the computers that labs have.
func nativeFormat(body, text string) error {
	const needs = `%q does not say its byte order (expected ! or > for big-endian, < for little-endian before it)`
	items, err := formatItems(body)
	if err != nil {
		return fmt.Errorf(needs, text)
	}
	var out strings.Builder
	at := 0
	for _, item := range items {
		align := item.size
		if item.code == 's' || item.code == 'x' {
			align = 1
		}
		if item.code == 'l' || item.code == 'L' {
			return fmt.Errorf(needs+"; l and L have 8 bytes in such a format on Linux and macOS and 4 on Windows: write q and Q for 8, i and I for 4", text)
		}
		if pad := (align - at%align) % align; pad > 0 {
			fmt.Fprintf(&out, "%dx", pad)
			at += pad
		}
		at += item.size
		if align == 1 && item.size > 1 {
			fmt.Fprint(&out, item.size)
		}
		out.WriteByte(item.code)
		if out.Len() > 200 {
			return fmt.Errorf(needs, text)
		}
	}
	return fmt.Errorf(needs+`; on a PC or a Pi it is "<%s"`, text, out.String())
}

// pack appends a record of values, one for each item that carries one. It
// fails, and leaves dst as it was, when a value does not fit its code.
func (f *recordFormat) pack(dst []byte, values []value) ([]byte, error) {
	out := dst
	next := 0
	for _, item := range f.items {
		if item.code == 'x' {
			out = appendZeros(out, item.size)
			continue
		}
		v := values[next]
		if !v.fits(item) {
			return dst, unfit{at: next, code: item.code}
		}
		next++
		out = f.put(out, item, v)
	}
	return out, nil
}

// unfit says that a value cannot be written in a code.
type unfit struct {
	at   int // index of the value
	code byte
}

func (e unfit) Error() string { return fmt.Sprintf("value %d does not fit code %q", e.at+1, e.code) }

// named says which field it is, and what it holds.
func (e unfit) named(field string, v value) error {
	if v.kind == unknown {
		return fmt.Errorf("%s is not known, which code %q cannot say (expected f or d)", field, e.code)
	}
	return fmt.Errorf("%s is %s, which does not fit code %q", field, v.text, e.code)
}

// put appends a value that fits.
func (f *recordFormat) put(out []byte, item recordItem, v value) []byte {
	switch item.code {
	case '?':
		b := byte(0)
		if !v.zero() {
			b = 1
		}
		return append(out, b)
	case 's':
		return appendZeros(append(out, v.text...), item.size-len(v.text))
	case 'f':
		return f.order.AppendUint32(out, math.Float32bits(float32(v.float())))
	case 'd':
		return f.order.AppendUint64(out, math.Float64bits(v.float()))
	}
	switch word := v.word(); item.size {
	case 1:
		return append(out, byte(word))
	case 2:
		return f.order.AppendUint16(out, uint16(word))
	case 4:
		return f.order.AppendUint32(out, uint32(word))
	default:
		return f.order.AppendUint64(out, word)
	}
}

func appendZeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 0)
	}
	return dst
}
