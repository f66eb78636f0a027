package protocol

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// ParseFrame reads the frame at the begin of b and checks both checksums. The
// payload is a part of b; rest is what stands behind the frame.
//
// When only the payload is damaged (ErrPayloadCRC), h and rest are valid: the
// identity of the frame is known, and one can go on behind it.
func ParseFrame(b []byte) (h Header, payload []byte, rest []byte, err error) {
	h, err = ParseHeader(b)
	if err != nil {
		return Header{}, nil, nil, err
	}
	size := h.FrameLen()
	if len(b) < size {
		return h, nil, nil, fmt.Errorf("%v frame: %d bytes of %d: %w", h.Type, len(b), size, io.ErrUnexpectedEOF)
	}
	payload, rest = b[h.HeaderLen:size:size], b[size:]
	if crc := Checksum(payload); crc != h.PayloadCRC {
		return h, nil, rest, fmt.Errorf("frame %d of epoch %d, stream %d: %w: %08x expected, %08x found",
			h.Seq, h.Epoch, h.Stream, ErrPayloadCRC, h.PayloadCRC, crc)
	}
	return h, payload, rest, nil
}

// AppendFrame appends a frame of h and payload to dst. It sets lengths and
// checksums itself, and bit 7 for descriptors. On error dst comes back as it was.
func AppendFrame(dst []byte, h Header, payload []byte) ([]byte, error) {
	if len(payload) > MaxFrame {
		return dst, fmt.Errorf("%w: payload of %d bytes, a frame has at most %d", ErrLimit, len(payload), MaxFrame)
	}
	start := len(dst)
	out := slices.Grow(dst, HeaderSize+len(payload))[:start+HeaderSize]
	out = append(out, payload...)
	if _, err := SealFrame(out[start:], h); err != nil {
		return dst, err
	}
	return out, nil
}

// SealFrame makes a frame where its payload already is: frame is HeaderSize
// bytes of room and then the payload. It writes the header and returns it with
// lengths and checksums. Headers with an extension cannot be written.
func SealFrame(frame []byte, h Header) (Header, error) {
	if len(frame) < HeaderSize {
		return h, fmt.Errorf("%w: %d bytes cannot hold a header of %d", ErrFormat, len(frame), HeaderSize)
	}
	if h.HeaderLen != 0 && h.HeaderLen != HeaderSize {
		return h, fmt.Errorf("%w: cannot write a header of %d bytes, only of %d", ErrFormat, h.HeaderLen, HeaderSize)
	}
	if h.Type&criticalBit != 0 {
		return h, fmt.Errorf("%w: type byte %#02x: bit 7 is Header.Critical", ErrFormat, uint8(h.Type))
	}
	h.HeaderLen = HeaderSize
	h.PayloadLen = len(frame) - HeaderSize
	h.Critical = h.Critical || h.Type == TypeDescriptor
	if err := h.checkLimits(); err != nil {
		return h, err
	}
	h.PayloadCRC = Checksum(frame[HeaderSize:])
	h.HeaderCRC = h.put(frame)
	return h, nil
}

// FindFrame is resynchronisation in a damaged file: the smallest offset >= from
// at which b holds a whole frame or mark whose checksums hold, or -1.
func FindFrame(b []byte, from int) int {
	for i := max(from, 0); i+MarkSize <= len(b); i++ {
		at := indexMagic(b[i:])
		if at < 0 {
			return -1
		}
		i += at
		switch binary.LittleEndian.Uint32(b[i:]) {
		case magicWord(frameMagic):
			if _, _, _, err := ParseFrame(b[i:]); err == nil {
				return i
			}
		case magicWord(markMagic):
			if _, err := ParseMark(b[i:]); err == nil {
				return i
			}
		}
	}
	return -1
}
