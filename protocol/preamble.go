package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Sizes of what stands between the frames of a segment file, in bytes.
const (
	PreambleHeadSize = 20 // the part of a preamble that says how long it is
	MarkSize         = 32
)

// Places a segment can be in.
const (
	PlaceJournal = "journal"
	PlaceArchive = "archive"
)

var (
	preambleMagic = [4]byte{0xF5, 'P', 'S', formatMajor}
	markMagic     = [4]byte{0xF5, 'P', 'M', formatMajor}
)

func magicWord(m [4]byte) uint32 { return binary.LittleEndian.Uint32(m[:]) }

// indexMagic is the offset of the next bytes that every magic begins with, with
// four bytes there, or -1.
func indexMagic(b []byte) int {
	at := bytes.Index(b, frameMagic[:2])
	if at < 0 || at+4 > len(b) {
		return -1
	}
	return at
}

// Preamble is the begin of a segment file: it says whose frames follow.
type Preamble struct {
	Format       int    `json:"format"` // 1; AppendPreamble sets it
	Journal      ID     `json:"journal"`
	Gateway      string `json:"gateway"`
	Stream       string `json:"stream"`
	StreamID     uint32 `json:"stream_id"`
	Epoch        uint32 `json:"epoch"`
	FirstSeq     Uint64 `json:"first_seq"`
	Place        string `json:"place"` // PlaceJournal or PlaceArchive
	CreatedUTCNs Int64  `json:"created_utc_ns"`

	// Copies are whole frames given so that the file stands alone: the epoch's
	// descriptor when FirstSeq > 1, the last clock frame of the stream "gateway".
	Copies [][]byte `json:"-"`
}

func (p *Preamble) required() []string {
	return []string{"format", "journal", "gateway", "stream", "stream_id", "epoch", "first_seq", "place", "created_utc_ns"}
}

// AppendPreamble appends the preamble p to dst. On error dst comes back as it was.
func AppendPreamble(dst []byte, p Preamble) ([]byte, error) {
	p.Format = formatMajor
	if err := p.check(); err != nil {
		return dst, fmt.Errorf("preamble: %w", err)
	}
	text, err := json.Marshal(&p)
	if err != nil {
		return dst, fmt.Errorf("preamble: %w", err)
	}
	if len(text) > MaxJSON {
		return dst, fmt.Errorf("preamble: %w: JSON of %d bytes, at most %d", ErrLimit, len(text), MaxJSON)
	}
	start := len(dst)
	out := append(dst, make([]byte, PreambleHeadSize)...)
	out = append(out, text...)
	for _, frame := range p.Copies {
		out = append(out, frame...)
	}
	b := out[start:]
	if len(b) > MaxPreamble {
		return dst, fmt.Errorf("preamble: %w: %d bytes, at most %d", ErrLimit, len(b), MaxPreamble)
	}
	putPreambleHead(b, len(text))
	return out, nil
}

// putPreambleHead writes the head of the preamble b, whose JSON is so long.
func putPreambleHead(b []byte, text int) {
	copy(b, preambleMagic[:])
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[8:], uint32(text))
	binary.LittleEndian.PutUint32(b[12:], Checksum(b[PreambleHeadSize:]))
	binary.LittleEndian.PutUint32(b[16:], Checksum(b[:16]))
}

// PreambleSize reads the first PreambleHeadSize bytes of a preamble, checks them
// and returns the length of the whole preamble in bytes.
func PreambleSize(b []byte) (int, error) {
	size, _, err := parsePreambleHead(b)
	return size, err
}

func parsePreambleHead(b []byte) (size, text int, err error) {
	if err := checkMagic(b, preambleMagic); err != nil {
		return 0, 0, fmt.Errorf("preamble: %w", err)
	}
	if len(b) < PreambleHeadSize {
		return 0, 0, fmt.Errorf("preamble: %d bytes of %d: %w", len(b), PreambleHeadSize, io.ErrUnexpectedEOF)
	}
	if stored, crc := binary.LittleEndian.Uint32(b[16:]), Checksum(b[:16]); crc != stored {
		return 0, 0, fmt.Errorf("preamble: %w: %08x expected, %08x found", ErrHeaderCRC, stored, crc)
	}
	whole, json := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	switch {
	case whole > MaxPreamble:
		return 0, 0, fmt.Errorf("preamble: %w: %d bytes, at most %d", ErrLimit, whole, MaxPreamble)
	case json > MaxJSON:
		return 0, 0, fmt.Errorf("preamble: %w: JSON of %d bytes, at most %d", ErrLimit, json, MaxJSON)
	case whole < PreambleHeadSize || json > whole-PreambleHeadSize:
		return 0, 0, fmt.Errorf("preamble: %w: %d bytes cannot hold JSON of %d", ErrFormat, whole, json)
	}
	return int(whole), int(json), nil
}

// ParsePreamble reads the preamble at the begin of b. size is its length: the
// first frame or mark stands there. Copies are parts of b, each a whole frame
// whose checksums hold.
func ParsePreamble(b []byte) (p Preamble, size int, err error) {
	size, text, err := parsePreambleHead(b)
	if err != nil {
		return Preamble{}, 0, err
	}
	if len(b) < size {
		return Preamble{}, 0, fmt.Errorf("preamble: %d bytes of %d: %w", len(b), size, io.ErrUnexpectedEOF)
	}
	body := b[PreambleHeadSize:size]
	if stored, crc := binary.LittleEndian.Uint32(b[12:]), Checksum(body); crc != stored {
		return Preamble{}, 0, fmt.Errorf("preamble: %w: %08x expected, %08x found", ErrPayloadCRC, stored, crc)
	}
	if err := DecodeJSON(body[:text], &p); err != nil {
		return Preamble{}, 0, fmt.Errorf("preamble: %w", err)
	}
	if err := p.check(); err != nil {
		return Preamble{}, 0, fmt.Errorf("preamble: %w", err)
	}
	for rest := body[text:]; len(rest) > 0; {
		_, _, after, err := ParseFrame(rest)
		if err != nil {
			return Preamble{}, 0, fmt.Errorf("preamble: %w: copy of a frame at byte %d: %v", ErrFormat, size-len(rest), err)
		}
		n := len(rest) - len(after)
		p.Copies = append(p.Copies, rest[:n:n])
		rest = after
	}
	return p, size, nil
}

func (p *Preamble) check() error {
	if p.Format != formatMajor {
		return fmt.Errorf("%w: format %d, this one reads %d", ErrVersion, p.Format, formatMajor)
	}
	if p.StreamID == 0 || p.Epoch == 0 || p.FirstSeq == 0 {
		return fmt.Errorf("%w: stream %d, epoch %d, sequence %d: all begin with 1", ErrFormat, p.StreamID, p.Epoch, p.FirstSeq)
	}
	if err := CheckName(p.Gateway); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if err := CheckName(p.Stream); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return nil
}

// Mark stands in a segment after a sync: what lies before Offset is on the disk.
type Mark struct {
	Offset  uint64 // length of the file that had been synced, in bytes
	LastSeq uint64 // last sequence before Offset
}

// AppendMark appends the MarkSize bytes of m to dst.
func AppendMark(dst []byte, m Mark) []byte {
	start := len(dst)
	dst = append(dst, markMagic[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, MarkSize)
	dst = binary.LittleEndian.AppendUint64(dst, m.Offset)
	dst = binary.LittleEndian.AppendUint64(dst, m.LastSeq)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, Checksum(dst[start:]))
}

// ParseMark reads the mark at the begin of b.
func ParseMark(b []byte) (Mark, error) {
	if err := checkMagic(b, markMagic); err != nil {
		return Mark{}, fmt.Errorf("mark: %w", err)
	}
	if len(b) < MarkSize {
		return Mark{}, fmt.Errorf("mark: %d bytes of %d: %w", len(b), MarkSize, io.ErrUnexpectedEOF)
	}
	if stored, crc := binary.LittleEndian.Uint32(b[28:]), Checksum(b[:28]); crc != stored {
		return Mark{}, fmt.Errorf("mark: %w: %08x expected, %08x found", ErrHeaderCRC, stored, crc)
	}
	if n := binary.LittleEndian.Uint32(b[4:]); n != MarkSize {
		return Mark{}, fmt.Errorf("mark: %w: length %d, expected %d", ErrFormat, n, MarkSize)
	}
	return Mark{Offset: binary.LittleEndian.Uint64(b[8:]), LastSeq: binary.LittleEndian.Uint64(b[16:])}, nil
}
