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
	codecBell     = 0x10 // + 4 x k + s, k to 11, s 1..3
	codecFixed    = 0x40 // + width, 1..63
	codecRice     = 0x80 // + k
	codecRiceDiff = 0xC0 // + k

	codecParameter = 0x3F // width or k
)

// columnSlack is how many bytes an encoder may write beyond what it keeps.
const columnSlack = 64

func appendRaw(dst []byte, x []uint64) []byte {
	dst = append(slices.Grow(dst, 1+8*len(x)), codecRaw)
	for _, v := range x {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

func appendConstant(dst []byte, v uint64) []byte {
	return binary.AppendUvarint(append(dst, codecConstant), v)
}

// appendFixed appends x as fields of w bits above ref. z is scratch for as many words.
func appendFixed(dst []byte, x, z []uint64, ref uint64, w uint) []byte {
	size := int(bitBytes(len(x), w))
	dst = slices.Grow(dst, 1+binary.MaxVarintLen64+size+columnSlack)
	dst = binary.AppendUvarint(append(dst, codecFixed+byte(w)), ref)
	for i, v := range x {
		z[i] = v - ref
	}
	end := len(dst) + size
	packBits(dst[len(dst):end+8], z, w)
	return dst[:end]
}

// decodeColumn reads a column of len(x) values from the begin of b.
func decodeColumn(b []byte, x []uint64) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: payload ends before the column", ErrFormat)
	}
	codec, b := b[0], b[1:]
	parameter := uint(codec & codecParameter)
	switch {
	case codec == codecRaw:
		return decodeRaw(b, x)
	case codec == codecConstant:
		return decodeConstant(b, x)
	case codec >= codecRiceDiff:
		return decodeDifferences(b, x, parameter)
	case codec >= codecRice:
		return decodeReferred(b, x, parameter)
	case codec > codecFixed:
		return decodeFixed(b, x, parameter)
	case isBell(codec):
		k, s := bellParameters(codec)
		return decodeBell(b, x, k, s)
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
	v, rest, err := parseUvarint(b, "constant")
	if err != nil {
		return nil, err
	}
	for i := range x {
		x[i] = v
	}
	return rest, nil
}

func decodeFixed(b []byte, x []uint64, w uint) (rest []byte, err error) {
	ref, b, err := parseUvarint(b, "reference")
	if err != nil {
		return nil, err
	}
	size := bitBytes(len(x), w)
	if int64(len(b)) < size {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d fields of %d bits", ErrFormat, len(b), len(x), w)
	}
	clear(x)
	mergeBits(b, x, w)
	for i := range x {
		x[i] += ref
	}
	return b[size:], nil
}

func decodeReferred(b []byte, x []uint64, k uint) (rest []byte, err error) {
	ref, b, err := parseUvarint(b, "reference")
	if err != nil {
		return nil, err
	}
	if rest, err = decodeRice(b, x, k); err != nil {
		return nil, err
	}
	for i, z := range x {
		x[i] = ref + unzigzag(z)
	}
	return rest, nil
}

func decodeDifferences(b []byte, x []uint64, k uint) (rest []byte, err error) {
	last, b, err := parseUvarint(b, "reference")
	if err != nil {
		return nil, err
	}
	step, b, err := parseUvarint(b, "step")
	if err != nil {
		return nil, err
	}
	if rest, err = decodeRice(b, x, k); err != nil {
		return nil, err
	}
	step = unzigzag(step)
	for i, z := range x {
		last += step + unzigzag(z)
		x[i] = last
	}
	return rest, nil
}

// parseUvarint reads what (for errors) from the begin of b.
func parseUvarint(b []byte, what string) (v uint64, rest []byte, err error) {
	v, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, fmt.Errorf("%w: %s is no uvarint", ErrFormat, what)
	}
	return v, b[size:], nil
}
