package journal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"photongate/protocol"
)

// What ends a small JSON file of this package: the CRC32C of all that stands
// before it. One flipped bit could make journal.json name another journal, and
// nothing in it would look wrong.
const (
	crcBegin = `,"crc":"`
	crcEnd   = "\"}\n"
	crcLen   = len(crcBegin) + 8 + len(crcEnd)

	// crcChanged is how many of the bytes around the digits may have changed for it to
	// be known still that a checksum was there.
	crcChanged = 3
)

// errChanged is the cause why a JSON file is not used whose bytes have changed.
var errChanged = errors.New("its checksum does not hold: it was changed since it was written; remove its member \"crc\" if that was you")

// WithCRC ends a JSON object with its checksum, as its last member "crc" and a
// line feed.
func WithCRC(object []byte) []byte {
	b := bytes.TrimRight(object, " \n")
	b = bytes.TrimRight(b[:len(b)-1], " \n") // without the closing brace
	return fmt.Appendf(b, "%s%08x%s", crcBegin, protocol.Checksum(b), crcEnd)
}

// CheckCRC is an error when the checksum at the end of a JSON file does not hold. A
// file without one is taken as it is.
func CheckCRC(b []byte) error {
	at := len(b) - crcLen
	if at < 0 {
		return nil
	}
	frame := slices.Concat(b[at:at+len(crcBegin)], b[len(b)-len(crcEnd):])
	switch differs := distance(frame, []byte(crcBegin+crcEnd)); {
	case differs > 0 && differs <= crcChanged:
		return errChanged
	case differs > 0:
		return nil
	}
	if string(b[at+len(crcBegin):len(b)-len(crcEnd)]) != fmt.Sprintf("%08x", protocol.Checksum(b[:at])) {
		return errChanged
	}
	return nil
}

// distance is in how many bytes two texts of one length differ.
func distance(a, b []byte) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
