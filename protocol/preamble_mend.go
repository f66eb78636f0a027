package protocol

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// MendPreamble finds where a preamble ends whose first bytes were damaged, so that
// its copies are not taken for the file's own frames. b is the begin of a segment
// file: all of it, or at least 2 x MaxPreamble bytes.
//
// Where the checksum of what follows the head holds up to a frame, a mark or the end
// of the file, the preamble is known and p is it. Otherwise p is zero, and size is
// the length that the head states, if a frame or mark begins there, or the place
// where frames that stand back to back begin to follow each other. size 0 says that
// none of this can be told.
func MendPreamble(b []byte) (p Preamble, size int) {
	if len(b) < PreambleHeadSize {
		return Preamble{}, 0
	}
	if p, size, ok := mendBySum(b); ok {
		return p, size
	}
	if stated := binary.LittleEndian.Uint32(b[4:]); stated > PreambleHeadSize && stated <= MaxPreamble && beginsAt(b, int(stated)) {
		return Preamble{}, int(stated)
	}
	return Preamble{}, copiesEnd(b)
}

// FindCopies returns the copies of frames in the preamble b that are whole, also
// where other bytes of it are damaged: each bears its own checksums. They are parts of b.
func FindCopies(b []byte) [][]byte {
	var copies [][]byte
	for at := PreambleHeadSize; at < len(b); {
		next := indexMagic(b[at:])
		if next < 0 {
			break
		}
		at += next
		h, _, _, err := ParseFrame(b[at:])
		if err != nil {
			at++
			continue
		}
		n := h.FrameLen()
		copies = append(copies, b[at:at+n:at+n])
		at += n
	}
	return copies
}

// mendBySum looks for the end of the preamble at which its second checksum holds,
// and reads it with a head made anew.
func mendBySum(b []byte) (Preamble, int, bool) {
	want := binary.LittleEndian.Uint32(b[12:])
	sum, from := uint32(0), PreambleHeadSize
	for end := from; ; {
		at := indexMagic(b[end:min(len(b), MaxPreamble+len(frameMagic))])
		switch {
		case at >= 0:
			end += at
		case len(b) <= MaxPreamble:
			end = len(b)
		default:
			return Preamble{}, 0, false
		}
		sum, from = crc32.Update(sum, castagnoli, b[from:end]), end
		if sum == want && end > PreambleHeadSize {
			p, err := withNewHead(b[:end])
			return p, end, err == nil
		}
		if end == len(b) {
			return Preamble{}, 0, false
		}
		end++
	}
}

// withNewHead reads a preamble of which all but the head is right.
func withNewHead(b []byte) (Preamble, error) {
	text := bytes.IndexByte(b[PreambleHeadSize:], frameMagic[0]) // no byte of UTF-8
	if text < 0 {
		text = len(b) - PreambleHeadSize
	}
	b = bytes.Clone(b)
	putPreambleHead(b, text)
	p, _, err := ParsePreamble(b)
	return p, err
}

// beginsAt reports whether a frame or a mark begins at an offset, or nothing does
// since b ends there.
func beginsAt(b []byte, at int) bool {
	if at >= len(b) {
		return at == len(b)
	}
	if _, err := ParseMark(b[at:]); err == nil {
		return true
	}
	_, err := ParseHeader(b[at:])
	return err == nil
}

// copiesEnd is where the first frames that stand back to back leave off being
// copies: in the file itself each follows the one before it. It is 0 without frames.
func copiesEnd(b []byte) int {
	at := PreambleHeadSize
	for {
		next := indexMagic(b[at:min(len(b), MaxPreamble)])
		if next < 0 {
			return 0
		}
		at += next
		if _, _, _, err := ParseFrame(b[at:]); err == nil {
			break
		}
		at++
	}
	begin := at
	var last Header
	for to := uint64(0); at < MaxPreamble; {
		h, err := ParseHeader(b[at:])
		if err != nil {
			break
		}
		if last.Seq > 0 && (h.Stream != last.Stream || h.Epoch != last.Epoch || h.Seq != to+1) {
			begin = at
		}
		_, payload, rest, err := ParseFrame(b[at:])
		if err != nil {
			break
		}
		last, to = h, h.Seq
		var hole Hole
		if h.Type == TypeHole && DecodeJSON(payload, &hole) == nil {
			to = uint64(hole.To)
		}
		at = len(b) - len(rest)
	}
	return begin
}
