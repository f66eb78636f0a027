package protocol

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// First bytes of a column (SPEC.md, section 5).
const (
	codecRaw      = 0x00
	codecConstant = 0x01
)

// columnSlack is how many bytes an encoder may write beyond what it keeps.
const columnSlack = 64

// columnEncoder chooses a codec for each column; it keeps scratch memory.
type columnEncoder struct{}

// append appends x as a column to dst.
func (e *columnEncoder) append(dst []byte, x []uint64) []byte {
	for _, v := range x {
		if v != x[0] {
			return appendRaw(dst, x)
		}
	}
	dst = append(dst, codecConstant)
	return binary.AppendUvarint(dst, x[0])
}

func appendRaw(dst []byte, x []uint64) []byte {
	dst = append(slices.Grow(dst, 1+8*len(x)), codecRaw)
	for _, v := range x {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

// decodeColumn reads a column of len(x) values from the begin of b.
func decodeColumn(b []byte, x []uint64) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: payload ends before the column", ErrFormat)
	}
	codec, b := b[0], b[1:]
	switch codec {
	case codecRaw:
		return decodeRaw(b, x)
	case codecConstant:
		return decodeConstant(b, x)
	}
	return nil, fmt.Errorf("%w: codec %#02x", ErrUnknown, codec)
}

func decodeRaw(b []byte, x []uint64) (rest []byte, err error) {
	if len(b)/8 < len(x) {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d raw values", ErrFormat, len(b), len(x))
	}
	for i := range x {
		x[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return b[8*len(x):], nil
}

func decodeConstant(b []byte, x []uint64) (rest []byte, err error) {
	v, size := binary.Uvarint(b)
	if size <= 0 {
		return nil, fmt.Errorf("%w: constant is no uvarint", ErrFormat)
	}
	for i := range x {
		x[i] = v
	}
	return b[size:], nil
}
