package journal

import (
	"context"
	"errors"
	"math"

	"photongate/protocol"
)

func isNotHeld(err error) bool { return errors.Is(err, ErrNotHeld) }

// walker goes through a stream: its files, then the tail. It does not wait.
type walker struct {
	s     *Stream
	epoch uint32 // 0: the oldest there is
	want  uint64
	m     *merge // of the epoch; nil: not in files
	c     *chunk // where the last frames came from; nil: not from the tail
	off   int    // in c
	hole  []byte // room for a hole frame
}

func (s *Stream) walk(after Position) *walker {
	w := &walker{s: s, epoch: after.Epoch, want: 1}
	if after.Epoch > 0 {
		w.want = after.Seq + 1
	}
	return w
}

func (w *walker) close() {
	if w.m != nil {
		w.m.close()
		w.m = nil
	}
	w.c = nil
}

// enter goes to the begin of an epoch.
func (w *walker) enter(epoch uint32) {
	w.close()
	w.epoch, w.want = epoch, 1
}

// view is what a walker needs to know of its stream for one step.
type view struct {
	chunk   *chunk // has the wanted sequence; nil: none has
	n       int    // bytes of it
	end     bool   // the wanted sequence is the one to come
	before  uint64 // the files have all sequences before this
	ended   bool   // no frame is appended to the epoch any more
	dropped uint64 // the quota dropped frames of the epoch up to here
	unknown bool   // why there is nothing before its files is not known
	known   uint64 // an earlier process had it on the disk up to here; 0: not known
	segs    []*segment
	next    uint32 // the epoch that follows, 0: none
}

// lookLocked finds where the wanted sequence is.
func (w *walker) lookLocked() view {
	s := w.s
	if w.c != nil && w.off < w.c.n {
		return view{chunk: w.c, n: w.c.n}
	}
	if c := s.chunkLocked(w.epoch, w.want); c != nil {
		if c != w.c {
			w.c, w.off = c, -1
		}
		return view{chunk: c, n: c.n}
	}
	v := view{before: math.MaxUint64, ended: true}
	if s.begun && w.epoch == s.epoch {
		v.ended = false
		v.before = s.next
		if s.dropFrom > 0 {
			v.before = s.dropFrom
		}
		v.end = w.want >= v.before
	}
	if first := s.tailFirstLocked(w.epoch); first > 0 {
		v.before = first
	}
	v.dropped = s.dropped.of(w.epoch)
	v.unknown = s.j.begins && len(s.segs) > 0 && s.segs[0].epoch >= w.epoch
	v.segs = epochSegments(s.segs, w.epoch)
	v.next = nextEpoch(s.segs, w.epoch)
	for _, known := range []ends{s.dropped, s.noted} {
		if e := known.after(w.epoch); e > 0 && (v.next == 0 || e < v.next) {
			v.next = e
		}
	}
	if !s.begun || w.epoch != s.epoch {
		v.known = max(s.noted.of(w.epoch), v.dropped)
	}
	return v
}

// tryNext returns the next frames, as a rule at most max bytes, or one hole, and
// their epoch; no frames when there are no more at present.
func (w *walker) tryNext(max int) (piece, uint32, error) {
	for {
		w.s.j.mu.Lock()
		if w.epoch == 0 {
			if len(w.s.segs) == 0 {
				w.s.j.mu.Unlock()
				return piece{}, 0, nil
			}
			oldest := w.s.segs[0].epoch
			if e := w.s.noted.after(0); e > 0 {
				oldest = min(oldest, e)
			}
			w.enter(oldest)
		}
		v := w.lookLocked()
		w.s.j.mu.Unlock()
		switch {
		case v.chunk != nil:
			return w.fromTail(v, max), w.epoch, nil
		case v.end:
			return piece{}, 0, nil
		}
		before := w.want
		if p, ok := w.fromFiles(v, max); ok {
			if p.hole && p.cause == protocol.CauseFileMissing && w.droppedSince(v) {
				w.want, w.m.want = before, before
				continue
			}
			return p, w.epoch, nil
		}
		if v.next == 0 {
			return piece{}, 0, nil
		}
		w.enter(v.next)
	}
}

// droppedSince reports whether the quota dropped frames of the epoch after v was
// looked up: then a file that was missing was not lost.
func (w *walker) droppedSince(v view) bool {
	w.s.j.mu.Lock()
	defer w.s.j.mu.Unlock()
	return w.s.dropped.of(w.epoch) != v.dropped
}

// fromTail gives out frames of a chunk, as they stand in memory.
func (w *walker) fromTail(v view, max int) piece {
	if w.m != nil {
		w.m.close()
		w.m = nil
	}
	data := v.chunk.buf[:v.n]
	if w.off < 0 {
		for w.off = 0; coveredSeq(data[w.off:]) < w.want; {
			w.off += frameSize(data[w.off:])
		}
	}
	data = data[w.off:]
	n, last := cut(data, max)
	if first := frameSeq(data); first < w.want { // the rest of a hole
		n, last = frameSize(data), 0
		w.off += n
		w.hole = w.s.restOfHoleFrom(w.want, w.epoch, data[:n])
		data, n = w.hole, len(w.hole)
	} else {
		w.off += n
	}
	h, err := protocol.ParseHeader(data[last:])
	if err != nil {
		panic(err) // Append checked it
	}
	p := piece{frames: data[:n:n], from: w.want, to: coveredSeq(data[last:]), last: h, hole: last == 0 && h.Type == protocol.TypeHole}
	w.want = p.to + 1
	return p
}

// restOfHoleFrom makes the part of a hole frame that begins with a sequence.
func (s *Stream) restOfHoleFrom(from uint64, epoch uint32, frame []byte) []byte {
	var hole protocol.Hole
	if err := protocol.DecodeJSON(frame[4*int(frame[4]):], &hole); err != nil {
		panic(err) // it was decoded before
	}
	return appendHole(nil, s.id, epoch, from, hole)
}

// fromFiles gives out frames of the epoch's files, or a hole for what should
// be in them.
func (w *walker) fromFiles(v view, max int) (piece, bool) {
	w.c = nil
	if w.m == nil {
		w.m = newMerge(w.s.j.fs, w.s.j.o.By, w.s.id, w.epoch, w.want)
	}
	m := w.m
	m.segs, m.ended, m.dropped, m.unknown = v.segs, v.ended, v.dropped, v.unknown
	m.known, m.knownBy = v.known, metaName
	stop := uint64(0)
	if v.before != math.MaxUint64 {
		stop = v.before
	}
	p, ok := m.next(max, stop)
	if !ok && stop > w.want {
		// It had been written, and cannot be read any more.
		p, ok = m.make(stop-1, protocol.Hole{Cause: protocol.CauseDamaged}), true
		m.want = stop
	}
	if ok {
		w.want = p.to + 1
	}
	return p, ok
}

// Reader follows a stream from a position on: what is in files, then the tail,
// then what is appended. It holds up nobody. One goroutine may use it, Ready
// excepted.
type Reader struct {
	s    *Stream
	w    *walker
	last Position
	seen uint64 // the stream's version when there was nothing
}

// Reader returns a reader that begins with the first frame after a position;
// the zero Position begins with the oldest there is. It must be closed.
func (s *Stream) Reader(after Position) *Reader {
	return &Reader{s: s, w: s.walk(after), last: after}
}

// ReaderAtEnd returns a reader that begins with the next frame appended. It
// must be closed.
func (s *Stream) ReaderAtEnd() *Reader {
	r := s.Reader(Position{})
	r.SkipToEnd()
	return r
}

// TryNext returns whole frames back to back, at least one and else at most
// maxBytes, in order of epoch and sequence: frames held, hole frames that are
// held, and hole frames that the reader makes for what is missing. All are of
// one epoch. It returns nil when there are no more at present. What it returns
// must not be changed and is valid until the reader is used again.
func (r *Reader) TryNext(maxBytes int) ([]byte, error) {
	j := r.s.j
	j.mu.Lock()
	version, closed := r.s.version, j.closed
	j.mu.Unlock()
	p, epoch, err := r.w.tryNext(maxBytes)
	if err != nil {
		return nil, err
	}
	if len(p.frames) == 0 {
		r.seen = version
		if closed {
			return nil, ErrClosed
		}
		return nil, nil
	}
	r.last = Position{Epoch: epoch, Seq: p.to}
	if p.last.Type != protocol.TypeHole {
		r.last.HeaderCRC = p.last.HeaderCRC
	}
	return p.frames, nil
}

// Next is TryNext that waits for frames, until ctx ends or the journal is
// closed and all of it was read ([ErrClosed]).
func (r *Reader) Next(ctx context.Context, maxBytes int) ([]byte, error) {
	for {
		b, err := r.TryNext(maxBytes)
		if b != nil || err != nil {
			return b, err
		}
		select {
		case <-r.Ready():
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Ready returns a channel that is closed when TryNext may give something, or
// an error.
func (r *Reader) Ready() <-chan struct{} {
	j := r.s.j
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.s.version != r.seen || j.closed {
		return closedChannel
	}
	if r.s.notify == nil {
		r.s.notify = make(chan struct{})
	}
	return r.s.notify
}

// Position is the last frame given out, or where the reader began.
func (r *Reader) Position() Position { return r.last }

// Behind is how many bytes of frames lie before the reader, counted by files:
// an estimate for people and for pacing.
func (r *Reader) Behind() (bytes int64) {
	s := r.s
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	if c := r.w.c; c != nil {
		bytes = int64(c.n - r.w.off)
		for _, o := range s.chunks {
			if o.epoch > c.epoch || o.epoch == c.epoch && o.first > c.last {
				bytes += int64(o.n)
			}
		}
		return bytes
	}
	for _, o := range s.chunks {
		bytes += int64(o.n - o.written)
	}
	for i, seg := range s.segs {
		follows := i+1 < len(s.segs) && s.segs[i+1].epoch == seg.epoch
		passed := seg.epoch < r.w.epoch || seg.epoch == r.w.epoch && follows && s.segs[i+1].first <= r.w.want
		if passed || seg.epoch == r.w.epoch && s.epoch == seg.epoch && r.w.want >= s.next {
			continue
		}
		bytes += seg.size.Load()
		if r.w.m != nil && r.w.m.at != nil && r.w.m.at.seg == seg {
			bytes -= r.w.m.at.offset()
		} else {
			bytes -= seg.begin
		}
	}
	return max(bytes, 0)
}

// SkipToEnd moves the reader behind the last frame there is, and returns where
// it is then.
func (r *Reader) SkipToEnd() Position {
	r.w.close()
	s := r.s
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	if s.epoch > 0 {
		r.w.epoch, r.w.want = s.epoch, s.next
		r.last = Position{Epoch: s.epoch, Seq: s.next - 1}
		if s.have && s.head.Epoch == s.epoch && s.head.Seq == s.next-1 {
			r.last.HeaderCRC = s.head.HeaderCRC
		}
	}
	return r.last
}

// Close gives the reader's files back.
func (r *Reader) Close() { r.w.close() }
