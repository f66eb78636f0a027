package journal

import (
	"errors"
	"io/fs"
	"math"
	"slices"

	"photongate/protocol"
)

// merge reads one epoch in order of sequence out of its segments, whatever
// order they lie in and however they overlap. As a rule one file follows the
// other; only where a sequence is missing in the file at hand are the others
// asked, and only when none has it is there a hole. One goroutine.
type merge struct {
	fs      FS
	by      string // name of the gateway or archive, for holes
	stream  uint32
	epoch   uint32
	want    uint64     // the next sequence
	segs    []*segment // of the epoch, sorted
	dropped uint64     // the quota dropped frames up to here; 0: none
	unknown bool       // why there is nothing before the files is not known
	ended   bool       // nothing more can come in this epoch: a broken frame at the end of its last file is lost for good
	known   uint64     // frames up to here were once on the disk, but for holes; 0: not known
	knownBy string     // who says so
	more    bool       // more than what is known may have been on the disk

	// dropsNow reads again how far the quota dropped the epoch, which may be further
	// than when its files were listed; nil: it is always known.
	dropsNow func() uint64

	at   *scanner              // the one that was used last
	open []*scanner            // all that are not at their end
	past map[*segment]*scanner // those at their end, closed; for what they tell
	hole []byte                // room for hole frames
	err  error                 // the last error of the disk
}

func newMerge(fsys FS, by string, stream, epoch uint32, want uint64) *merge {
	return &merge{fs: fsys, by: by, stream: stream, epoch: epoch, want: want, past: map[*segment]*scanner{}}
}

// close closes the files.
func (m *merge) close() {
	for _, s := range m.open {
		_ = s.f.Close()
	}
	m.open, m.at = nil, nil
}

// next returns the next stretch: frames back to back, as a rule at most max
// bytes, none from sequence stop on (0: no stop), or a hole. Without one, false:
// the files hold no more at present. Valid until the next call.
func (m *merge) next(max int, stop uint64) (piece, bool) {
	for {
		if m.advance() {
			p := m.at.run(max, stop)
			m.want = p.to + 1
			return p, true
		}
		if m.openMore() {
			continue
		}
		lowest, ok := m.lowest()
		if !ok {
			continue
		}
		p, ok := m.missing(lowest)
		if ok {
			m.want = p.to + 1
		}
		return p, ok
	}
}

// advance brings all open scanners to the wanted sequence, and reports whether
// one of them has it; it is at then.
func (m *merge) advance() bool {
	if m.at != nil && m.reach(m.at) {
		return true
	}
	kept := m.open[:0]
	var have *scanner
	for _, s := range m.open {
		live := s.seg.live.Load() // before its end is seen: the last bytes come first
		if have == nil && m.reach(s) {
			have = s
		}
		if s.n == 0 && have == nil && !live {
			m.past[s.seg] = s
			_ = s.f.Close()
			s.buf = nil
			continue
		}
		kept = append(kept, s)
	}
	m.open = kept
	m.at = have
	return have != nil
}

// reach passes over what lies before the wanted sequence, and reports whether
// a scanner has it as a frame.
func (m *merge) reach(s *scanner) bool {
	s.skipTo = m.want
	for s.peek() {
		if endSeq(s.head, s.holeTo) < m.want {
			s.take()
			continue
		}
		return s.head.Type != protocol.TypeHole && s.head.Seq == m.want
	}
	if s.err != nil {
		m.err = s.err
	}
	return false
}

// used reports whether a segment was opened already.
func (m *merge) used(seg *segment) bool {
	if _, ok := m.past[seg]; ok {
		return true
	}
	for _, s := range m.open {
		if s.seg == seg {
			return true
		}
	}
	return false
}

// openMore opens one more file that may hold the wanted sequence: the one that
// should, then those that reach so far although a later one begins before.
func (m *merge) openMore() bool {
	first := true
	for i := len(m.segs) - 1; i >= 0; i-- {
		seg := m.segs[i]
		if seg.first > m.want {
			continue
		}
		if !m.used(seg) && (first || seg.lastSeq(m.fs, m.stream) >= m.want) && m.openSegment(seg) {
			return true
		}
		first = false
	}
	return false
}

// openSegment opens a file; one that cannot be opened is as good as missing, and
// one that is gone since the files were listed is just that.
func (m *merge) openSegment(seg *segment) bool {
	f, err := m.fs.Open(seg.path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			m.err = err
		}
		m.past[seg] = &scanner{seg: seg}
		return false
	}
	s := newScanner(f, seg, m.stream, m.epoch)
	m.open = append(m.open, s)
	return true
}

// lowest is the first sequence after the wanted one that there is. ok is false
// when a file had to be opened to tell: then all begins anew.
func (m *merge) lowest() (seq uint64, ok bool) {
	seq = math.MaxUint64
	for _, s := range m.open {
		if !s.peek() {
			continue
		}
		if s.head.Type == protocol.TypeHole && s.head.Seq <= m.want {
			seq = min(seq, s.holeTo+1)
		} else {
			seq = min(seq, s.head.Seq)
		}
	}
	for _, seg := range m.segs {
		if seg.first > m.want && seg.first <= seq && !m.used(seg) && m.openSegment(seg) {
			return 0, false
		}
	}
	return seq, true
}

// missing makes the hole that begins with the wanted sequence; lowest is where
// something is again, MaxUint64 when nothing follows. ok is false when nothing
// is known to be missing: the files end here.
func (m *merge) missing(lowest uint64) (p piece, ok bool) {
	if s := m.told(); s != nil {
		return m.stored(s, min(s.holeTo, lowest-1)), true
	}
	end, short := lowest-1, false
	if lowest == math.MaxUint64 && m.known >= m.want {
		end, short = m.known, true
	}
	owner, to := m.owner(end)
	var cause string
	switch {
	case owner == nil || m.want <= m.dropped: // files may overlap, so that one that is here should hold it too
		cause, to = m.hidden(to)
	default:
		cause, to = m.judge(owner, to)
	}
	var detail string
	switch {
	case cause == "":
		return piece{}, false
	case cause == protocol.CauseFileMissing && m.droppedSince():
		return m.missing(lowest)
	case cause == protocol.CauseFileMissing && m.spoiltAt(to+1):
		cause = protocol.CauseDamaged
	case short && cause != protocol.CauseDamaged && cause != protocol.CauseNotHeld && cause != protocol.CauseQuota:
		cause, to, detail = protocol.CauseFileMissing, end, m.gone(owner)
	}
	p = m.make(to, protocol.Hole{Cause: cause, Detail: detail})
	p.open = short && m.more && to == end
	return p, true
}

// spoiltAt reports whether a file begins with a sequence only because nothing
// before it can be read in that file: it began earlier.
func (m *merge) spoiltAt(seq uint64) bool {
	return slices.ContainsFunc(m.segs, func(seg *segment) bool { return seg.first == seq && seg.guessed })
}

// droppedSince reports whether the quota dropped the wanted sequence after the
// files were listed. It is noted before a file goes, so that whoever misses the
// file finds the note.
func (m *merge) droppedSince() bool {
	if m.dropsNow == nil {
		return false
	}
	now := m.dropsNow()
	if now < m.want || now <= m.dropped {
		return false
	}
	m.dropped = now
	if now > m.known {
		m.known, m.knownBy = now, metaName
	}
	return true
}

// told is a scanner at a stored hole that covers the wanted sequence.
func (m *merge) told() *scanner {
	for _, s := range m.open {
		if s.n > 0 && s.head.Type == protocol.TypeHole && s.head.Seq <= m.want && s.holeTo >= m.want {
			return s
		}
	}
	return nil
}

// stored gives out a stored hole, as it is when it says just that.
func (m *merge) stored(s *scanner, to uint64) piece {
	frame := s.buf[s.pos : s.pos+s.n]
	if s.head.Seq == m.want && s.holeTo == to {
		return piece{frames: frame, from: m.want, to: to, last: s.head, hole: true, cause: holeCause(frame, s.head)}
	}
	var h protocol.Hole
	if err := protocol.DecodeJSON(frame[s.head.HeaderLen:], &h); err != nil {
		h.Cause = protocol.CauseNotHeld
	}
	p := m.make(to, h)
	p.made = false
	return p
}

func holeCause(frame []byte, h protocol.Header) string {
	var hole protocol.Hole
	if err := protocol.DecodeJSON(frame[h.HeaderLen:], &hole); err != nil {
		return ""
	}
	return hole.Cause
}

// make makes a hole from the wanted sequence to to.
func (m *merge) make(to uint64, h protocol.Hole) piece {
	h.To = protocol.Uint64(to)
	if h.By == "" {
		h.By = m.by
	}
	m.hole = appendHole(m.hole[:0], m.stream, m.epoch, m.want, h)
	head, err := protocol.ParseHeader(m.hole)
	if err != nil {
		panic(err) // it was made a line above
	}
	return piece{frames: m.hole, from: m.want, to: to, last: head, hole: true, made: true, cause: h.Cause}
}

// appendHole appends a hole frame to dst.
func appendHole(dst []byte, stream, epoch uint32, from uint64, h protocol.Hole) []byte {
	out, err := protocol.AppendJSON(dst, protocol.Header{Type: protocol.TypeHole, Stream: stream, Epoch: epoch, Seq: from}, &h)
	if err != nil {
		h.Detail = "" // only texts of others can be too long
		h.By = ""
		out, err = protocol.AppendJSON(dst, protocol.Header{Type: protocol.TypeHole, Stream: stream, Epoch: epoch, Seq: from}, &h)
		if err != nil {
			panic(err)
		}
	}
	return out
}

// owner is the file that should hold the wanted sequence, nil when all begin
// later, and the last of the sequences up to "to" that it should hold.
func (m *merge) owner(to uint64) (*segment, uint64) {
	var owner *segment
	for _, seg := range m.segs {
		if seg.first > m.want {
			to = min(to, seg.first-1)
			break
		}
		owner = seg
	}
	// Where files overlap, as when one fills a hole of another, the one with frames
	// on both sides of the gap is the one that lost what lies between.
	if m.past[owner] != nil {
		for _, s := range m.open {
			if s.n > 0 && s.seg.first <= m.want {
				owner = s.seg
			}
		}
	}
	return owner, to
}

// judge says why frames from the wanted one to "to" are missing in the file
// that should hold them, and how far that cause goes.
func (m *merge) judge(owner *segment, to uint64) (cause string, end uint64) {
	s := m.past[owner]
	for _, o := range m.open {
		if o.seg == owner {
			s = o
		}
	}
	if s == nil || s.f == nil {
		return m.unlessOpen(protocol.CauseFileMissing, to)
	}
	if s.n > 0 { // the file goes on behind the gap
		if s.marked && int64(s.mark.Offset) > s.kept || m.markedBehind(s) {
			return protocol.CauseDamaged, to
		}
		return protocol.CauseUnsyncedTail, to
	}
	if s.marked && s.mark.LastSeq >= m.want {
		return protocol.CauseDamaged, min(to, s.mark.LastSeq)
	}
	if owner != m.segs[len(m.segs)-1] {
		// Whoever began the next file began it with what followed here: a tail
		// that a crash takes leaves nothing out between the two.
		return protocol.CauseFileMissing, to
	}
	if s.lost >= m.want && m.ended {
		return protocol.CauseUnsyncedTail, min(to, s.lost)
	}
	if s.clean {
		return m.unlessOpen(protocol.CauseFileMissing, to)
	}
	return m.unlessOpen(protocol.CauseUnsyncedTail, to)
}

// unlessOpen gives no cause where nothing follows: what does not exist is not
// missing.
func (m *merge) unlessOpen(cause string, to uint64) (string, uint64) {
	if to == math.MaxUint64-1 {
		return "", to
	}
	return cause, to
}

// marked is the last sequence that marks of the files read say was on the disk.
func (m *merge) marked() uint64 {
	var last uint64
	for _, s := range m.past {
		if s.marked {
			last = max(last, s.mark.LastSeq)
		}
	}
	for _, s := range m.open {
		if s.marked {
			last = max(last, s.mark.LastSeq)
		}
	}
	return last
}

// markedBehind reports whether a mark of the file says that the place of the
// gap had been on the disk.
func (m *merge) markedBehind(s *scanner) bool {
	f, err := m.fs.Open(s.seg.path)
	if err != nil {
		return false
	}
	defer f.Close()
	mark, _, ok := lastMark(f, s.seg.size.Load())
	return ok && int64(mark.Offset) > s.kept
}
