package journal

import (
	"bytes"
	"errors"
	"fmt"

	"photongate/protocol"
)

// What ends a small JSON file of this package: the CRC32C of all that stands
// before it. One flipped bit could make journal.json name another journal, and
// nothing in it would look wrong.
const (
	crcBegin = `,"crc":"`
	crcEnd   = "\"}\n"
	crcLen   = len(crcBegin) + 8 + len(crcEnd)
)

// errChanged is the cause why a JSON file is not used whose bytes have changed.
var errChanged = errors.New("its checksum does not hold: it was changed since it was written; remove its member \"crc\" if that was you")

// withCRC ends a JSON object with its checksum.
func withCRC(object []byte) []byte {
	b := bytes.TrimRight(object, " \n")
	b = bytes.TrimRight(b[:len(b)-1], " \n") // without the closing brace
	return fmt.Appendf(b, "%s%08x%s", crcBegin, protocol.Checksum(b), crcEnd)
}

// checkCRC reports whether the checksum at the end of a JSON file holds. A
// file without one is taken as it is.
func checkCRC(b []byte) error {
	at := len(b) - crcLen
	if at < 0 || !bytes.HasPrefix(b[at:], []byte(crcBegin)) || !bytes.HasSuffix(b, []byte(crcEnd)) {
		return nil
	}
	if string(b[at+len(crcBegin):len(b)-len(crcEnd)]) != fmt.Sprintf("%08x", protocol.Checksum(b[:at])) {
		return errChanged
	}
	return nil
}
