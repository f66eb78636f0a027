package instrument

import (
	"regexp"
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

// Decimal is a number that is exactly Mantissa x 10^Exponent. The zero value means
// that none was given.
type Decimal struct {
	Mantissa uint64
	Exponent int
}

// Sentinel is a number or a word that stands in the place of a number.
type Sentinel struct {
	Word   string // as the instrument sends it; empty for a number
	Number float64
	// Bits is Number where that is a whole one that is not negative.
	Bits uint64
}

// Value is a value of a setting: time.Duration, int64, float64, bool or string as
// the setting's kind has it. Nil means that none was given.
type Value struct{ V any }
