package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Sizes and limits of format 1 (SPEC.md, section 10).
const (
	HeaderSize  = 56       // bytes of a header without extension
	MaxFrame    = 1 << 20  // bytes of a frame, header and payload
	MaxValues   = 4 << 20  // count x channels of one counts frame
	MaxChannels = 1024     // channels of one counts frame
	MaxJSON     = 64 << 10 // bytes of a JSON payload
	MaxHello    = 4 << 10  // bytes of hello, proof and any frame before proof
	MaxPreamble = 256 << 10
	MaxNesting  = 8 // objects and arrays within each other, the outermost counted

	minHeaderWords = HeaderSize / 4
	maxHeaderWords = 63
	criticalBit    = 0x80
	criticalFlags  = 0xFF00
)

// What is wrong with bytes. Errors of this package wrap one of these, or
// io.ErrUnexpectedEOF where a frame, preamble or mark is cut short.
var (
	ErrMagic      = errors.New("not a photongate frame")
	ErrVersion    = errors.New("made for another version of photongate, a newer one is needed")
	ErrHeaderCRC  = errors.New("header damaged (checksum)")
	ErrPayloadCRC = errors.New("payload damaged (checksum)")
	ErrLimit      = errors.New("beyond the limits of the format")
	ErrFormat     = errors.New("against the format")
	ErrUnknown    = errors.New("not known to this version of photongate")
)

// castagnoli is the table of CRC32C; the standard library uses the processor's
// instruction for it where there is one.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is the CRC32C of b, as headers, payloads, preambles and marks use it.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Header is the fixed part of every frame.
type Header struct {
	Type       Type   // without bit 7
	Critical   bool   // bit 7: who does not know the type must not go on in this epoch
	Flags      uint16 // none defined in version 1; the high byte must be understood
	HeaderLen  int    // bytes; 0 means HeaderSize when encoding
	PayloadLen int    // bytes
	HeaderCRC  uint32 // filled by parsing and by encoding
	PayloadCRC uint32 // filled by parsing and by encoding
	Stream     uint32 // stream id; 0 for session frames
	Epoch      uint32 // 0 for session frames
	Count      uint32 // number of readings or tags; 0 for other types
	Seq        uint64 // sequence; for holes the first missing one; 0 for session frames
	Index      uint64 // index of the first reading, or of the next one
	Time       int64  // ns of the time base
}

// FrameLen is the length of the whole frame in bytes.
func (h Header) FrameLen() int { return h.headerLen() + h.PayloadLen }

func (h Header) headerLen() int {
	if h.HeaderLen == 0 {
		return HeaderSize
	}
	return h.HeaderLen
}

// Understood returns an error that is ErrUnknown when this version must not
// decode the frame, nor what follows it in its epoch: it has an unknown type
// that must be understood, or an unknown flag that must be.
func (h Header) Understood() error {
	if h.Critical && !h.Type.Known() {
		return fmt.Errorf("frame %d of epoch %d, stream %d: %w: %v, which must be understood", h.Seq, h.Epoch, h.Stream, ErrUnknown, h.Type)
	}
	if h.Flags&criticalFlags != 0 {
		return fmt.Errorf("frame %d of epoch %d, stream %d: %w: flags %#04x, which must be understood", h.Seq, h.Epoch, h.Stream, ErrUnknown, h.Flags)
	}
	return nil
}

// frameMagic is the magic of frames: three bytes of name, one of version.
var frameMagic = [4]byte{0xF5, 'P', 'G', formatMajor}

const formatMajor = 1

// checkMagic compares as much of the magic as b holds.
func checkMagic(b []byte, magic [4]byte) error {
	n := min(len(b), 3)
	for i := range n {
		if b[i] != magic[i] {
			return fmt.Errorf("%w: begins with % x, expected %x %x %x", ErrMagic, b[:n], magic[0], magic[1], magic[2])
		}
	}
	if len(b) > 3 && b[3] != magic[3] {
		return fmt.Errorf("%w: format %d, this one reads %d", ErrVersion, b[3], formatMajor)
	}
	return nil
}

// ParseHeader reads the header at the begin of b and checks, in this order,
// its magic, length, checksum and limits. When b is too short the error is
// io.ErrUnexpectedEOF. It neither needs nor looks at the payload.
func ParseHeader(b []byte) (Header, error) {
	if err := checkMagic(b, frameMagic); err != nil {
		return Header{}, err
	}
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("header: %d bytes of %d: %w", len(b), HeaderSize, io.ErrUnexpectedEOF)
	}
	words := int(b[4])
	if words < minHeaderWords || words > maxHeaderWords {
		return Header{}, fmt.Errorf("%w: header length %d words, expected %d to %d", ErrFormat, words, minHeaderWords, maxHeaderWords)
	}
	size := 4 * words
	if len(b) < size {
		return Header{}, fmt.Errorf("header: %d bytes of %d: %w", len(b), size, io.ErrUnexpectedEOF)
	}
	stored, got := binary.LittleEndian.Uint32(b[12:]), headerChecksum(b[:size])
	if stored != got {
		return Header{}, fmt.Errorf("%w: %08x expected, %08x found", ErrHeaderCRC, stored, got)
	}
	payload := binary.LittleEndian.Uint32(b[8:])
	if payload > MaxFrame {
		return Header{}, fmt.Errorf("%w: payload of %d bytes, a frame has at most %d", ErrLimit, payload, MaxFrame)
	}
	h := Header{
		Type:       Type(b[5] &^ criticalBit),
		Critical:   b[5]&criticalBit != 0,
		Flags:      binary.LittleEndian.Uint16(b[6:]),
		HeaderLen:  size,
		PayloadLen: int(payload),
		HeaderCRC:  stored,
		PayloadCRC: binary.LittleEndian.Uint32(b[16:]),
		Stream:     binary.LittleEndian.Uint32(b[20:]),
		Epoch:      binary.LittleEndian.Uint32(b[24:]),
		Count:      binary.LittleEndian.Uint32(b[28:]),
		Seq:        binary.LittleEndian.Uint64(b[32:]),
		Index:      binary.LittleEndian.Uint64(b[40:]),
		Time:       int64(binary.LittleEndian.Uint64(b[48:])),
	}
	return h, h.checkLimits()
}

// checkLimits refuses what section 10 forbids and a header alone can tell.
func (h Header) checkLimits() error {
	if h.FrameLen() > MaxFrame {
		return fmt.Errorf("%w: frame of %d bytes, at most %d", ErrLimit, h.FrameLen(), MaxFrame)
	}
	if most := h.Type.maxPayload(); h.PayloadLen > most {
		return fmt.Errorf("%w: %v with %d bytes of payload, at most %d", ErrLimit, h.Type, h.PayloadLen, most)
	}
	if h.Type == TypeCounts && h.Count > MaxValues {
		return fmt.Errorf("%w: %d readings in a frame, at most %d values", ErrLimit, h.Count, MaxValues)
	}
	if h.Type == TypeTags && h.Count > MaxTagsFrame {
		return fmt.Errorf("%w: %d tags in a frame, at most %d", ErrLimit, h.Count, MaxTagsFrame)
	}
	return nil
}

// headerChecksum is the CRC32C of a header with its own field as zero.
func headerChecksum(b []byte) uint32 {
	crc := ^Checksum(b[:12])
	for range 4 {
		crc = crc>>8 ^ castagnoli[byte(crc)] // a byte of zero
	}
	return crc32.Update(^crc, castagnoli, b[16:])
}

// put writes h into the first HeaderSize bytes of b and returns its checksum.
func (h Header) put(b []byte) uint32 {
	copy(b, frameMagic[:])
	b[4] = minHeaderWords
	b[5] = byte(h.Type)
	if h.Critical {
		b[5] |= criticalBit
	}
	binary.LittleEndian.PutUint16(b[6:], h.Flags)
	binary.LittleEndian.PutUint32(b[8:], uint32(h.PayloadLen))
	binary.LittleEndian.PutUint32(b[16:], h.PayloadCRC)
	binary.LittleEndian.PutUint32(b[20:], h.Stream)
	binary.LittleEndian.PutUint32(b[24:], h.Epoch)
	binary.LittleEndian.PutUint32(b[28:], h.Count)
	binary.LittleEndian.PutUint64(b[32:], h.Seq)
	binary.LittleEndian.PutUint64(b[40:], h.Index)
	binary.LittleEndian.PutUint64(b[48:], uint64(h.Time))
	crc := headerChecksum(b[:HeaderSize])
	binary.LittleEndian.PutUint32(b[12:], crc)
	return crc
}
