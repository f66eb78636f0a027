package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
)

// A number of the format that was changed on the way is damage, not another
// version: whoever sees it comes back.
func TestFlippedVersion(t *testing.T) {
	frame, err := AppendJSON(nil, Header{Type: TypeHeartbeat}, &Heartbeat{TNs: 1})
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 {
		flipped := bytes.Clone(frame)
		flipped[3] ^= 1 << bit
		if _, _, err := NewFrameReader(bytes.NewReader(flipped), MaxFrame).Next(); !errors.Is(err, ErrHeaderCRC) || errors.Is(err, ErrVersion) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	other := bytes.Clone(frame)
	other[3] = 2
	clear(other[12:16])
	binary.LittleEndian.PutUint32(other[12:], crc32.Checksum(other[:56], crc32.MakeTable(crc32.Castagnoli)))
	for _, b := range [][]byte{other, other[:20], append(frame[:3:3], 9)} {
		if _, _, err := NewFrameReader(bytes.NewReader(b), MaxFrame).Next(); !errors.Is(err, ErrVersion) {
			t.Errorf("another version, %d bytes of it: %v", len(b), err)
		}
	}
}
