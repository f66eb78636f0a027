package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"photongate/protocol"
)

// segmentExt ends the names of segment files. Other files in a stream's
// folder are not looked at.
const segmentExt = ".pgs"

// segment is one file of a stream. All but the atomic fields stay as they are
// once it is known.
type segment struct {
	name      string // of the file, without the folder
	path      string
	epoch     uint32
	first     uint64 // first sequence by the preamble; where that is damaged, of the first frame
	begin     int64  // offset of what follows the preamble
	mtime     time.Time
	createdNs int64 // UTC, as the preamble says
	spoilt    error // what is wrong with the preamble; nil: nothing
	guessed   bool  // the preamble does not tell epoch and first: they are those of the first good frame

	size atomic.Int64  // bytes that readers may look at: whole frames and marks
	live atomic.Bool   // this process may still write to it
	last atomic.Uint64 // last sequence in it, found when needed; 0: not looked for yet
}

// segmentName is the name of a new file. It is for people: readers take order
// and identity from the preamble. The n-th try for the same frame gets a
// number of its own.
func segmentName(epoch uint32, first uint64, try int) string {
	if try == 0 {
		return fmt.Sprintf("%06d-%012d%s", epoch, first, segmentExt)
	}
	return fmt.Sprintf("%06d-%012d-%d%s", epoch, first, try, segmentExt)
}

// sortSegments orders files by what they hold: epoch, first sequence; of two
// with the same begin the one made later comes later.
func sortSegments(segs []*segment) {
	slices.SortFunc(segs, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.epoch, b.epoch), cmp.Compare(a.first, b.first),
			cmp.Compare(a.createdNs, b.createdNs), strings.Compare(a.name, b.name))
	})
}

// epochSegments is the part of sorted segs that belongs to an epoch.
func epochSegments(segs []*segment, epoch uint32) []*segment {
	lo, _ := slices.BinarySearchFunc(segs, epoch, func(s *segment, e uint32) int { return cmp.Compare(s.epoch, e) })
	hi := lo
	for hi < len(segs) && segs[hi].epoch == epoch {
		hi++
	}
	return segs[lo:hi:hi]
}

// nextEpoch is the first epoch after this one of which sorted segs hold a
// file, 0 when there is none.
func nextEpoch(segs []*segment, epoch uint32) uint32 {
	i, _ := slices.BinarySearchFunc(segs, epoch, func(s *segment, e uint32) int {
		if s.epoch <= e {
			return -1
		}
		return 1
	})
	if i == len(segs) {
		return 0
	}
	return segs[i].epoch
}

// stray is a file among the segments that is not used, and why.
type stray struct {
	path string
	err  error
}

func (s stray) Error() string { return fmt.Sprintf("%s: not used: %v", s.path, s.err) }
func (s stray) Unwrap() error { return s.err }

// lost reports whether the file may hold frames of the stream that cannot be
// read; the others hold none, or another's.
func (s stray) lost() bool {
	for _, harmless := range []error{errEmpty, errNoSegment, errForeign, protocol.ErrVersion} {
		if errors.Is(s.err, harmless) {
			return false
		}
	}
	return true
}

// errEmpty is the cause why a file is not used that holds nothing but zeros
// or nothing: what a power cut leaves of a file just made.
var errEmpty = errors.New("it holds no frame and no readable preamble")

// errSpoilt is the cause why a file is not used that is too long to have been
// made just before a power cut, and holds nothing that can be read.
var errSpoilt = errors.New("no frame in it can be read, and no preamble")

// errForeign is the cause why a file is not used that belongs elsewhere.
var errForeign = errors.New("it belongs to")

// errNoSegment is the cause why a file is not used that has another kind of
// name.
var errNoSegment = errors.New("not a segment file (" + segmentExt + ")")

// ownFile reports whether a name is one this package gives to a file that is
// no segment.
func ownFile(name string) bool {
	return name == cacheName || name == cacheName+tempExt
}

// readAt reads as much of b as the file has. The end of the file is no error.
func readAt(f File, b []byte, off int64) (int, error) {
	n, err := f.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// lastMark searches a file backwards for its last mark.
func lastMark(f File, size int64) (m protocol.Mark, at int64, ok bool) {
	const piece = 64 << 10
	b := make([]byte, piece+protocol.MarkSize)
	for end := size; end > 0; {
		begin := max(0, end-piece)
		n, err := readAt(f, b[:min(size-begin, int64(len(b)))], begin)
		if err != nil {
			n = 0
		}
		for i := n - protocol.MarkSize; i >= 0; i-- {
			if b[i] != 0xF5 {
				continue
			}
			if m, err := protocol.ParseMark(b[i:n]); err == nil {
				return m, begin + int64(i), true
			}
		}
		end = begin
	}
	return protocol.Mark{}, 0, false
}

// lastSeq returns the last sequence in a segment, 0 when it holds none. A file
// that was closed in good order ends in a mark that says it; otherwise the end
// of the file is searched, more and more of it until a frame is found.
func (seg *segment) lastSeq(fsys FS, stream uint32) uint64 {
	live := seg.live.Load() // before it is read: it may be closed meanwhile, with more in it
	if last := seg.last.Load(); last != 0 && !live {
		return last
	}
	f, err := fsys.Open(seg.path)
	if err != nil {
		return 0
	}
	defer f.Close()
	h, ok := seg.lastFrame(f, stream)
	if !ok {
		return 0
	}
	last := endSeq(h.head, h.to)
	if !live {
		seg.last.Store(last)
	}
	return last
}

// found is a frame that a search found.
type found struct {
	head protocol.Header
	to   uint64 // holes: last sequence
	data []byte // the whole frame
	off  int64
}

// endSeq is the last sequence that a stored frame covers.
func endSeq(h protocol.Header, holeTo uint64) uint64 {
	if h.Type == protocol.TypeHole {
		return holeTo
	}
	return h.Seq
}

// lastFrame finds the last good frame of a file from its end.
func (seg *segment) lastFrame(f File, stream uint32) (found, bool) {
	size := seg.size.Load()
	for window := int64(64 << 10); ; window *= 8 {
		begin := max(seg.begin, size-window)
		s := newScanner(f, seg, stream, seg.epoch)
		s.seek(begin)
		var last found
		ok := false
		for s.peek() {
			last = found{head: s.head, to: s.holeTo, off: s.base + int64(s.pos)}
			ok = true
			if s.atLast() {
				last.data = slices.Clone(s.buf[s.pos : s.pos+s.n])
			}
			s.take()
		}
		if ok {
			if last.data == nil {
				last.data = make([]byte, last.head.FrameLen())
				if n, err := readAt(f, last.data, last.off); err != nil || n < len(last.data) {
					return found{}, false
				}
			}
			return last, true
		}
		if begin == seg.begin {
			return found{}, false
		}
	}
}
