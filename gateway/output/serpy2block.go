package output

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Types of the data in a block of serpy2.
const (
	serpy2Integer byte = 0x01 // 8 bytes, little-endian, signed
	serpy2Float   byte = 0x11 // C99 hexadecimal text
	serpy2Text    byte = 0x21 // UTF-8
	serpy2Bytes   byte = 0x81
)

// serpy2Magic begins every block. Behind it come the type, the sum of the data
// bytes modulo 2^32 and their number, both as u32 little-endian, and the data.
var serpy2Magic = []byte{0xDE, 0xCA, 0xFE, 0xCA, 0xFE}

const serpy2Header = 14

// appendSerpy2Block appends a whole block.
func appendSerpy2Block(dst []byte, typ byte, data []byte) []byte {
	dst = append(append(dst, serpy2Magic...), typ)
	dst = binary.LittleEndian.AppendUint32(dst, serpy2Sum(data))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(data)))
	return append(dst, data...)
}

func serpy2Sum(data []byte) (sum uint32) {
	for _, b := range data {
		sum += uint32(b)
	}
	return sum
}

// appendHexFloat appends v as Python's float.hex writes it and float.fromhex
// and C99 read it: 0x1.8000000000000p+1.
func appendHexFloat(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "nan"...)
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
	return strconv.AppendFloat(dst, v, 'x', -1, 64)
}

// serpy2RequestMax bounds the data of a block that a client sends.
const serpy2RequestMax = 64 << 10

// errSerpy2 says that bytes are no blocks of serpy2.
var errSerpy2 = errors.New("no block of serpy2")

// serpy2Reader cuts what a client sends, in pieces of any size, into blocks.
type serpy2Reader struct {
	buf []byte // bounded by a piece, a header and serpy2RequestMax
}

// take takes the next bytes and gives every whole block to use. What it is
// given is valid during the call. After an error (errSerpy2) nothing can be
// read any more: nobody knows where the next block begins.
func (r *serpy2Reader) take(data []byte, use func(typ byte, data []byte)) error {
	r.buf = append(r.buf, data...)
	rest := r.buf
	for {
		if n := min(len(rest), len(serpy2Magic)); !bytes.Equal(rest[:n], serpy2Magic[:n]) {
			return fmt.Errorf("%w: it begins with % X (expected DE CA FE CA FE)", errSerpy2, rest[:n])
		}
		if len(rest) < serpy2Header {
			break
		}
		size := binary.LittleEndian.Uint32(rest[10:])
		if size > serpy2RequestMax {
			return fmt.Errorf("%w that is read here: it holds %d bytes (expected at most %d)", errSerpy2, size, serpy2RequestMax)
		}
		if uint32(len(rest)-serpy2Header) < size {
			break
		}
		body := rest[serpy2Header : serpy2Header+int(size)]
		if sum := binary.LittleEndian.Uint32(rest[6:]); sum != serpy2Sum(body) {
			return fmt.Errorf("%w: its bytes add up to %d (expected %d, as its header says)", errSerpy2, serpy2Sum(body), sum)
		}
		use(rest[5], body)
		rest = rest[serpy2Header+int(size):]
	}
	r.buf = append(r.buf[:0], rest...)
	return nil
}
