package homebuilt

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"photongate/instrument"
)

// fitting says how bytes from the host compare with a template.
type fitting int

const (
	no   fitting = iota
	part         // they may become it
	open         // they are it, and more digits may come
	full         // they are it
)

// match compares what came with a template: length is how many bytes it takes,
// and values what stands in its places, as texts or numbers.
func match(f *instrument.File, t instrument.Template, came []byte) (fit fitting, length int, values map[string]any) {
	rest := came
	for i, p := range t.Parts {
		if p.Name == "" {
			n := min(len(p.Bytes), len(rest))
			if string(p.Bytes[:n]) != string(rest[:n]) {
				return no, 0, nil
			}
			if n < len(p.Bytes) {
				return part, 0, nil
			}
			rest = rest[n:]
			continue
		}
		v, n, more := takeValue(f.Setting(p.Name), p.Format, rest)
		last := i == len(t.Parts)-1
		switch {
		case v == nil && !more:
			return no, 0, nil
		case v == nil || more && !last:
			return part, 0, nil
		}
		if values == nil {
			values = map[string]any{}
		}
		values[p.Name] = v
		if rest = rest[n:]; more {
			return open, len(came) - len(rest), values
		}
	}
	return full, len(came) - len(rest), values
}

// maxPlace bounds what may stand in a place.
const maxPlace = 40

// takeValue takes the value of a place of a setting: v is nil when it is not whole,
// n how many bytes belong to it, and more says that bytes still to come may belong
// to it too. What can be no value is neither.
func takeValue(s *instrument.Setting, format string, rest []byte) (v any, n int, more bool) {
	if width, order := instrument.BinaryFormat(format); width > 0 {
		if len(rest) < width {
			return nil, 0, true
		}
		whole := make([]byte, 8)
		if order == binary.ByteOrder(binary.BigEndian) {
			copy(whole[8-width:], rest[:width])
		} else {
			copy(whole, rest[:width])
		}
		return order.Uint64(whole), width, false
	}
	if s != nil && s.Kind == instrument.WordSetting {
		return takeChoice(s.Choices, string(rest))
	}
	for n < len(rest) && n < maxPlace && belongs(format, rest[:n], rest[n]) {
		n++
	}
	more = n == len(rest) && !complete(format, rest[:n])
	base := 10
	if format == "x" {
		base = 16
	}
	if whole, err := strconv.ParseUint(string(rest[:n]), base, 64); err == nil {
		return whole, n, more
	}
	if number, err := strconv.ParseFloat(string(rest[:n]), 64); err == nil && base == 10 {
		return number, n, more
	}
	return nil, n, more
}

// takeChoice takes the longest of several words.
func takeChoice(choices []string, rest string) (v any, n int, more bool) {
	for _, choice := range choices {
		if strings.HasPrefix(rest, choice) && len(choice) > n {
			v, n = choice, len(choice)
		}
	}
	for _, choice := range choices {
		more = more || len(choice) > len(rest) && strings.HasPrefix(choice, rest)
	}
	return v, n, more
}

// belongs reports whether a byte may stand behind what a place has so far.
func belongs(format string, before []byte, b byte) bool {
	digit := b >= '0' && b <= '9'
	switch {
	case format == "x":
		return digit || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
	case complete(format, before):
		return false
	case strings.HasPrefix(format, "0"):
		return digit
	}
	return digit || b == '.' || (b == '-' || b == '+') && len(before) == 0
}

// complete reports whether a place can take no more: it has all its digits behind
// the point.
func complete(format string, have []byte) bool {
	digits, point := strings.CutPrefix(format, ".")
	places, err := strconv.Atoi(digits)
	if !point || err != nil || places == 0 {
		return false
	}
	_, behind, found := strings.Cut(string(have), ".")
	return found && len(behind) >= places
}

// atFirst is what a setting is when nobody has set it.
func (c *Counter) atFirst(s *instrument.Setting) any {
	for _, v := range []any{s.Default.V, s.Min.V} {
		if v != nil {
			return v
		}
	}
	switch s.Kind {
	case instrument.DurationSetting:
		if s.Name == c.file.Gate.Setting && c.file.Gate.Time > 0 {
			return c.file.Gate.Time
		}
		return s.Step
	case instrument.IntegerSetting:
		return int64(0)
	case instrument.NumberSetting:
		return 0.0
	case instrument.WordSetting:
		return s.Choices[0]
	}
	return false
}

// take sets a setting to what stood in a place. A number out of its range becomes
// the nearest that is not; false says that it is no value at all, or that clamp is
// false and it is out of range.
func take(s *instrument.Setting, sent any, clamp bool) (any, bool) {
	if n, ok := sent.(uint64); ok {
		sent = float64(n)
	}
	n, number := sent.(float64)
	if s.Kind == instrument.WordSetting {
		return sent, true // takeChoice has looked
	}
	if s.Kind == instrument.BoolSetting && (n == 0 || n == 1) && number {
		return n == 1, true
	}
	if !number || n != n || s.Kind == instrument.BoolSetting {
		return nil, false
	}
	if s.Kind == instrument.DurationSetting {
		n *= float64(s.Step)
	}
	low, high := s.Bounds()
	if (n < low || n > high) && !clamp {
		return nil, false
	}
	n = min(max(n, low), high)
	const largest = 1 << 62
	n = min(max(n, -largest), largest)
	switch s.Kind {
	case instrument.DurationSetting:
		return time.Duration(n), true
	case instrument.IntegerSetting:
		return int64(n), true
	}
	return n, true
}
