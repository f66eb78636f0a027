package journal

import (
	"bytes"
	"encoding/binary"

	"photongate/protocol"
)

// readPiece is how much a scanner reads from a file at once, in bytes.
const readPiece = 256 << 10

// sector is what a scanner gives up when the disk cannot read it.
const sector = 4096

// scanner reads the frames of one segment in order of sequence, in large
// pieces. It skips marks, damage and frames that are not the file's, and
// remembers what they tell about frames that are not there. One goroutine.
type scanner struct {
	f      File
	seg    *segment
	stream uint32 // 0: any
	epoch  uint32 // 0: any

	buf  []byte // a part of the file
	base int64  // offset of buf[0] in the file
	pos  int    // what is looked at, in buf

	head   protocol.Header // the frame at pos, when n > 0
	holeTo uint64          // its last sequence, when it is a hole
	n      int             // its length; 0: not looked for yet

	skipTo uint64 // frames before this are passed over without their payload being checked
	prev   uint64 // last sequence kept
	good   int64  // offset behind the last good frame or mark
	kept   int64  // offset behind the last frame taken
	mark   protocol.Mark
	marked bool   // mark holds the last mark passed
	clean  bool   // the last good thing was a mark, nothing bad follows
	lost   uint64 // last sequence of a frame with a good header and a bad payload
	cut    int64  // where the file ended although it should be longer; 0: it did not
	err    error  // the last error of the disk

	onBad func(from, to int64) // told of each stretch that is neither frame nor mark; nil: nobody
}

func newScanner(f File, seg *segment, stream, epoch uint32) *scanner {
	s := &scanner{f: f, seg: seg, stream: stream, epoch: epoch}
	s.seek(seg.begin)
	return s
}

// seek goes on at an offset of the file.
func (s *scanner) seek(off int64) {
	if in := off - s.base; in >= 0 && in <= int64(len(s.buf)) {
		s.pos = int(in)
	} else {
		s.buf, s.base, s.pos = s.buf[:0], off, 0
	}
	s.n, s.good = 0, off
}

// offset is where in the file the scanner looks.
func (s *scanner) offset() int64 { return s.base + int64(s.pos) }

// verdict is what stands at the scanner's position.
type verdict int

const (
	isFrame verdict = iota // a good frame of the file; head and n are set
	isMark
	isOther // a good frame that is not the file's or not in order; n bytes
	isBad
	isShort // cannot be told before n bytes are in buf
)

// look judges what stands at pos, from what is in buf alone.
func (s *scanner) look() (v verdict, n int) {
	b := s.buf[s.pos:]
	if len(b) < 4 {
		return isShort, 4
	}
	if b[0] != 0xF5 || b[1] != 'P' {
		return isBad, 0
	}
	if b[2] == 'M' {
		if len(b) < protocol.MarkSize {
			return isShort, protocol.MarkSize
		}
		if _, err := protocol.ParseMark(b); err != nil {
			return isBad, 0
		}
		return isMark, protocol.MarkSize
	}
	if b[2] != 'G' {
		return isBad, 0
	}
	if len(b) < protocol.HeaderSize {
		return isShort, protocol.HeaderSize
	}
	if n := 4 * int(b[4]); len(b) < n {
		return isShort, n
	}
	return s.lookFrame(b)
}

// lookFrame judges b, which begins with the magic of a frame and holds at least
// its header.
func (s *scanner) lookFrame(b []byte) (verdict, int) {
	h, err := protocol.ParseHeader(b)
	if err != nil {
		return isBad, 0
	}
	n := h.FrameLen()
	if len(b) < n {
		s.head = h // for the end of the file, where this is a frame torn
		return isShort, n
	}
	payload := b[h.HeaderLen:n]
	ours := s.ours(h)
	if !ours || h.Type == protocol.TypeHole || h.Seq >= s.skipTo {
		if protocol.Checksum(payload) != h.PayloadCRC {
			if ours && h.Type != protocol.TypeHole {
				s.lost = max(s.lost, h.Seq)
			}
			return isBad, 0
		}
	}
	if !ours || h.Seq <= s.prev {
		return isOther, n
	}
	if h.Type == protocol.TypeHole {
		to, err := holeEnd(h, payload)
		if err != nil {
			return isOther, n
		}
		s.holeTo = to
	}
	s.head = h
	return isFrame, n
}

// ours reports whether a frame is one this file may hold.
func (s *scanner) ours(h protocol.Header) bool {
	return h.Type.Stored() && h.Seq > 0 && h.Epoch > 0 && h.Seq != 1<<64-1 &&
		(s.stream == 0 || h.Stream == s.stream) && (s.epoch == 0 || h.Epoch == s.epoch)
}

// peek finds the next good frame. It is buf[pos:pos+n] until take. Without one
// it returns false, and looks again from the last good place when it is called
// again: a file being written may hold more by then.
func (s *scanner) peek() bool {
	if s.n > 0 {
		return true
	}
	bad := false
	from := int64(-1) // where a bad stretch begins
	s.cut = 0
	for {
		v, n := s.look()
		if from >= 0 && v != isBad && v != isShort {
			s.onBad(from, s.offset())
			from = -1
		}
		if v == isBad && from < 0 && s.onBad != nil {
			from = s.offset()
		}
		switch v {
		case isFrame:
			s.n = n
			if bad {
				s.clean = false
			}
			return true
		case isMark:
			s.passMark()
			s.clean = !bad
		case isOther:
			s.pos += n
			s.good = s.offset()
		case isBad:
			bad = true
			s.resync()
		case isShort:
			if s.fill(n) {
				continue
			}
			if s.onBad != nil && from < 0 && s.offset() < s.size() {
				from = s.offset()
			}
			if s.size() <= s.offset() {
				if from >= 0 {
					s.onBad(from, s.size())
				}
				s.clean = s.clean && !bad
				s.seek(s.good)
				return false
			}
			if n > protocol.HeaderSize && s.ours(s.head) && len(s.buf)-s.pos >= protocol.HeaderSize && s.headIsHere() {
				s.lost = max(s.lost, s.head.Seq)
			}
			bad = true
			s.resync()
		}
	}
}

// headIsHere reports whether head was read at the present position.
func (s *scanner) headIsHere() bool {
	return binary.LittleEndian.Uint32(s.buf[s.pos+12:]) == s.head.HeaderCRC && s.head.Type != protocol.TypeHole
}

// passMark goes behind the mark at pos.
func (s *scanner) passMark() {
	m, err := protocol.ParseMark(s.buf[s.pos:])
	// A mark that was copied to another place says nothing here.
	if err == nil && m.Offset <= uint64(s.offset()) {
		s.mark, s.marked = m, true
	}
	s.pos += protocol.MarkSize
	s.good = s.offset()
}

// resync goes to the next byte that may begin something.
func (s *scanner) resync() {
	s.pos++
	if s.pos > len(s.buf) {
		s.pos = len(s.buf)
	}
	at := bytes.IndexByte(s.buf[s.pos:], 0xF5)
	if at < 0 {
		at = len(s.buf) - s.pos
	}
	s.pos += at
}

// take goes behind the frame that peek found.
func (s *scanner) take() {
	s.prev = endSeq(s.head, s.holeTo)
	s.pos += s.n
	s.n = 0
	s.good = s.offset()
	s.kept = s.good
	s.clean = false
}

// atLast reports whether the frame that peek found ends near the end of the
// file, so that it may be the last.
func (s *scanner) atLast() bool {
	return s.offset()+int64(s.n)+protocol.MarkSize >= s.size()
}

// size is how much of the file may be looked at.
func (s *scanner) size() int64 {
	if s.cut > 0 {
		return s.cut
	}
	return s.seg.size.Load()
}

// fill brings n bytes from pos on into buf, and reports whether there are so
// many. Parts of buf that were given out are not valid any more.
func (s *scanner) fill(n int) bool {
	if len(s.buf)-s.pos >= n {
		return true
	}
	if s.offset()+int64(n) > s.size() && s.base+int64(len(s.buf)) >= s.size() {
		return false
	}
	s.base += int64(s.pos)
	rest := copy(s.buf[:cap(s.buf)], s.buf[s.pos:])
	s.buf, s.pos = s.buf[:rest], 0
	want := int64(max(readPiece, n))
	want = min(want, s.size()-s.base)
	if want <= int64(rest) {
		return rest >= n
	}
	if int64(cap(s.buf)) < want {
		grown := make([]byte, rest, want)
		copy(grown, s.buf)
		s.buf = grown
	}
	got, err := readAt(s.f, s.buf[rest:want], s.base+int64(rest))
	s.buf = s.buf[:rest+got]
	switch {
	case err != nil:
		s.err = err
		if got == 0 {
			s.skipSector(int(want))
		}
	case got == 0:
		s.cut = s.base + int64(rest)
	}
	return len(s.buf) >= n
}

// skipSector puts zeros in place of bytes that the disk cannot read: they are
// damage, and what lies behind them is not.
func (s *scanner) skipSector(want int) {
	end := s.base + int64(len(s.buf))
	zeros := min(sector-int(end%sector), want-len(s.buf))
	clear(s.buf[len(s.buf) : len(s.buf)+zeros])
	s.buf = s.buf[:len(s.buf)+zeros]
}

// run takes frames for as long as they follow each other without a break and
// stand back to back in buf, at least one and else at most max bytes, none
// from sequence stop on (0: no stop). The frame at pos was found by peek and
// is no hole. Valid until the scanner is used again.
func (s *scanner) run(max int, stop uint64) piece {
	begin := s.pos
	p := piece{from: s.head.Seq}
	for {
		p.last = s.head
		s.take()
		p.frames = s.buf[begin:s.pos]
		p.to = s.prev
		v, n := s.look()
		if v != isFrame || s.head.Type == protocol.TypeHole || s.head.Seq != p.to+1 ||
			len(p.frames)+n > max || s.head.Seq == stop {
			return p
		}
		s.n = n
	}
}

// piece is a stretch of an epoch: whole frames back to back, or one hole.
type piece struct {
	frames   []byte
	from, to uint64
	last     protocol.Header // the header of the last frame
	hole     bool
	made     bool   // a hole that no file tells
	open     bool   // a hole that may have gone on: how many frames were behind it is not known
	cause    string // of a hole
}

// holeEnd reads the last sequence of a hole from its payload.
func holeEnd(h protocol.Header, payload []byte) (uint64, error) {
	var hole protocol.Hole
	if err := protocol.DecodeJSON(payload, &hole); err != nil {
		return 0, err
	}
	if uint64(hole.To) < h.Seq || uint64(hole.To) == 1<<64-1 {
		return 0, protocol.ErrFormat
	}
	return uint64(hole.To), nil
}
