package protocol

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Int64 is a signed 64-bit integer that JSON writes as a decimal string.
type Int64 int64

// Uint64 is an unsigned 64-bit integer that JSON writes as a decimal string.
type Uint64 uint64

// CRC is a checksum that JSON writes as 8 lower-case hex digits.
type CRC uint32

// List is a slice that JSON writes as [] when it is nil: for fields that are
// always present. A []T can be assigned to it.
type List[T any] []T

// Ref is a pointer to a copy of v, for fields that may be absent.
func Ref[T any](v T) *T { return &v }

// MarshalText writes the shortest decimal digits.
func (v Int64) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(v), 10), nil }

// UnmarshalText reads decimal digits without leading zeros or plus.
func (v *Int64) UnmarshalText(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != string(b) {
		return fmt.Errorf("%.40q is no 64-bit integer in plain decimal digits", b)
	}
	*v = Int64(n)
	return nil
}

// MarshalText writes the shortest decimal digits.
func (v Uint64) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(v), 10), nil }

// UnmarshalText reads decimal digits without leading zeros or plus.
func (v *Uint64) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != string(b) {
		return fmt.Errorf("%.40q is no unsigned 64-bit integer in plain decimal digits", b)
	}
	*v = Uint64(n)
	return nil
}

// String is the checksum as 8 lower-case hex digits.
func (v CRC) String() string { return fmt.Sprintf("%08x", uint32(v)) }

// MarshalText is String.
func (v CRC) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads 8 lower-case hex digits.
func (v *CRC) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 32)
	if err != nil || len(b) != 8 || !lowerHex(string(b)) {
		return fmt.Errorf("%.40q is no checksum of 8 lower-case hex digits", b)
	}
	*v = CRC(n)
	return nil
}

// MarshalJSON writes the elements, or [].
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}
