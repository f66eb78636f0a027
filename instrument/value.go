package instrument

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bytes are bytes as a file writes them: a text in which `\r \n \t \0 \\ \xHH`
// stand for what one cannot type and each other character up to ÿ for its one
// byte; or hex digits after "hex:", with blanks anywhere.
type Bytes string

// Pattern is a regular expression (RE2) as a file writes it.
type Pattern struct {
	*regexp.Regexp
}

// Ref names one value of a line or record: by its number, from 1, or by its name.
// The zero value names none.
type Ref struct {
	Index int
	Name  string
}

// IsZero reports whether it names no value.
func (r Ref) IsZero() bool { return r == Ref{} }

// String returns the number or the name in quotes.
func (r Ref) String() string {
	if r.Name != "" {
		return strconv.Quote(r.Name)
	}
	return strconv.Itoa(r.Index)
}

// Decimal is a number that is exactly Mantissa x 10^Exponent. The zero value means
// that none was given.
type Decimal struct {
	Mantissa uint64
	Exponent int
}

// Sentinel is a number, or a word that stands in the place of one.
type Sentinel struct {
	Word   string  // as the instrument sends it; empty for a number
	Number float64 // 0 for a word
	Bits   uint64  // Number, exactly, where it was written as a whole number from 0 on
}

// Value is a value of a setting: time.Duration, int64, float64, bool or string as
// the setting's kind has it. Nil means that none was given.
type Value struct{ V any }

// readBytes reads bytes as a file writes them.
func readBytes(v any) (Bytes, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s is %s (expected bytes as a text in quotes: \"c\\r\", or \"hex: 00 FF\")", shown(v), kindOf(v))
	}
	if digits, ok := strings.CutPrefix(s, "hex:"); ok {
		b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			return "", errors.New("is no hex (expected pairs of hex digits after hex:, as in \"hex: 00 FF\")")
		}
		return Bytes(b), nil
	}
	return unescape(s)
}

// escapes are what a letter behind a backslash stands for.
var escapes = map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '0': 0, '\\': '\\', 'e': 0x1b}

// unescape turns characters into bytes and escapes into what they stand for.
func unescape(s string) (Bytes, error) {
	var out []byte
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r > 0xFF {
				return "", fmt.Errorf("%q is no single byte (expected characters up to ÿ, or \\xHH for each byte)", string(r))
			}
			out = append(out, byte(r))
			i += size
			continue
		}
		if i+1 == len(s) {
			return "", errors.New(`ends in a backslash (expected \\ for a backslash that is to be sent)`)
		}
		if b, ok := escapes[s[i+1]]; ok {
			out = append(out, b)
			i += 2
			continue
		}
		if s[i+1] != 'x' || i+4 > len(s) {
			return "", fmt.Errorf(`has %q (expected one of \r \n \t \0 \e \\ \xHH)`, s[i:min(i+4, len(s))])
		}
		b, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
		if err != nil {
			return "", fmt.Errorf("has %q (expected two hex digits behind \\x)", s[i:i+4])
		}
		out = append(out, byte(b))
		i += 4
	}
	return Bytes(out), nil
}
