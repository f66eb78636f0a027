package ni6501

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"photongate/device"
)

// Commands. Byte 3 is the length of the packet, byte 5 that less 4.
var (
	cmdStart = []byte{0x00, 0x01, 0x00, 0x0C, 0x00, 0x08, 0x01, 0x09, 0x02, 0x20, 0x00, 0x00}
	cmdStop  = []byte{0x00, 0x01, 0x00, 0x0C, 0x00, 0x08, 0x01, 0x0C, 0x02, 0x20, 0x00, 0x00}
	cmdRead  = []byte{0x00, 0x01, 0x00, 0x0C, 0x00, 0x08, 0x01, 0x0E, 0x02, 0x20, 0x00, 0x00}
	cmdZero  = []byte{0x00, 0x01, 0x00, 0x10, 0x00, 0x0C, 0x01, 0x0F, 0x02, 0x20, 0x00, 0x00, 0, 0, 0, 0}
)

// Answers.
var (
	done  = []byte{0x00, 0x01, 0x00, 0x0C, 0x00, 0x08, 0x01, 0x00, 0x00, 0x00, 0x00, 0x02}
	total = []byte{0x00, 0x01, 0x00, 0x10, 0x00, 0x0C, 0x01, 0x00, 0x00, 0x00, 0x00, 0x02} // and the total, big-endian
)

// parseDone judges the answer to a command that sets something.
func parseDone(p []byte) error {
	if !bytes.Equal(p, done) {
		return fmt.Errorf("%w: expected % x, got %s", device.ErrNonsense, done, device.ShowBytes(p))
	}
	return nil
}

// parseTotal reads the answer to cmdRead.
func parseTotal(p []byte) (uint32, error) {
	value, found := bytes.CutPrefix(p, total)
	if !found || len(value) != 4 {
		return 0, fmt.Errorf("%w: expected % x and four bytes, got %s", device.ErrNonsense, total, device.ShowBytes(p))
	}
	return binary.BigEndian.Uint32(value), nil
}

// A rate that no input of the device reaches, in counts per second, and what the
// computer's own delays may add.
const (
	fastest = 50e6
	slack   = 1e6
)

// reachable reports whether a total can have become another in so many ns, by
// counting up.
func reachable(from, to uint32, ns int64) bool {
	return float64(to-from) <= float64(ns)*(fastest/1e9)+slack
}
