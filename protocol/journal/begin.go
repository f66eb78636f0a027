package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"photongate/protocol"
)

// Begin starts an epoch: number 0 is the next one, and another must be later
// than all there are. In an archive it can also be the last one there is, to
// go on with it in a new file from a sequence that is not held. Who archives
// an epoch from its middle on begins it at 1: Append states what lies before,
// and a file that is lost later is told from frames never fetched. It returns the
// epoch's number when that can never be used again: segment, folder and
// journal.json are on the disk. Until then it waits for the disk.
//
// copies are frames for the preamble, so that the file stands alone: the
// epoch's descriptor when firstSeq is more than 1. The last clock frame of the
// stream "gateway" comes by itself, and so does a descriptor that was
// appended. When Begin fails, the stream is as it was, but the number may be
// used.
func (s *Stream) Begin(epoch uint32, firstSeq uint64, copies ...[]byte) (uint32, error) {
	if firstSeq == 0 || firstSeq >= 1<<64-1 {
		return 0, fmt.Errorf("journal: stream %q: begin at sequence %d: %w", s.name, firstSeq, ErrOrder)
	}
	for _, c := range copies {
		if h, _, rest, err := protocol.ParseFrame(c); err != nil || len(rest) > 0 || !h.Type.Numbered() {
			return 0, fmt.Errorf("journal: stream %q: begin: a copy is not one numbered frame: %w", s.name, errors.Join(protocol.ErrFormat, err))
		}
	}
	epoch, err := s.checkBegin(epoch, firstSeq)
	if err != nil {
		return 0, err
	}
	err = s.j.ask(context.Background(), ask{kind: askBegin, s: s, epoch: epoch, first: firstSeq, copies: copies})
	if err != nil {
		return 0, fmt.Errorf("journal: stream %q: begin epoch %d: %w", s.name, epoch, err)
	}
	return epoch, nil
}

// checkBegin finds the number of the epoch to begin.
func (s *Stream) checkBegin(epoch uint32, firstSeq uint64) (uint32, error) {
	j := s.j
	j.metaMu.Lock()
	used := j.meta.stream(s.name).LastEpoch
	j.metaMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	used = max(used, s.epoch)
	switch {
	case j.closing:
		return 0, ErrClosed
	case epoch == 0 && used == 1<<32-1:
		return 0, fmt.Errorf("journal: stream %q: all epoch numbers are used: begin a new journal in another folder", s.name)
	case epoch == 0:
		return used + 1, nil
	case epoch > used:
		return epoch, nil
	case epoch < used:
		return 0, fmt.Errorf("journal: stream %q: begin epoch %d: epoch %d was begun already: %w", s.name, epoch, used, ErrOrder)
	case j.o.Place == InJournal && !s.begun:
		return 0, fmt.Errorf("journal: stream %q: begin epoch %d: an epoch is not continued after a restart: %w", s.name, epoch, ErrOrder)
	case s.ended:
		return 0, fmt.Errorf("journal: stream %q: begin epoch %d: it has its end frame: %w", s.name, epoch, ErrOrder)
	case s.epoch == epoch && firstSeq < s.next:
		return 0, fmt.Errorf("journal: stream %q: begin epoch %d at %d: expected %d or later: %w", s.name, epoch, firstSeq, s.next, ErrOrder)
	}
	return epoch, nil
}

// begin does what Begin asks, in the syncer.
func (j *Journal) begin(a ask) error {
	j.makeReserve() // there may be room again
	s := a.s
	j.claim(s)
	defer j.release(s)
	if err := s.flushHeld(); err != nil {
		return err
	}
	j.mu.Lock()
	s.flushDropsLocked() // there is room for it, all is written
	closing, dropped := j.closing, s.dropFrom > 0
	j.mu.Unlock()
	switch {
	case closing:
		return ErrClosed
	case dropped:
		return ErrTailFull
	}
	if err := s.flushHeld(); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return errors.Join(err, s.newFile())
	}
	o, err := s.create(a.epoch, a.first, j.copies(s, a))
	if err != nil {
		return err
	}
	if err := j.takeEpoch(s, a.epoch); err != nil {
		// It never held a frame, and who asks again and again must not use up the names.
		return errors.Join(err, o.f.Close(), j.fs.Remove(o.seg.path))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	again := s.epoch == a.epoch
	s.installLocked(o)
	s.epoch, s.begun, s.begunFirst, s.next = a.epoch, true, a.first, a.first
	s.ended = false
	if !again {
		s.descriptor = nil
	}
	s.adoptLocked(a.copies)
	s.notifyLocked()
	return nil
}

// adoptLocked keeps the epoch's descriptor when it is among copies.
func (s *Stream) adoptLocked(copies [][]byte) {
	for _, c := range copies {
		if h, err := protocol.ParseHeader(c); err == nil && h.Type == protocol.TypeDescriptor && h.Stream == s.id && h.Epoch == s.epoch {
			s.descriptor = append([]byte(nil), c...)
		}
	}
}

// installLocked makes o the file that is written.
func (s *Stream) installLocked(o *output) {
	s.out = o
	s.stalled = false
	o.seg.live.Store(true)
	segs := append(without(s.segs, nil), o.seg)
	sortSegments(segs)
	s.segs = segs
	s.j.wakeAppender()
}

// without is a copy of segs without one of them.
func without(segs []*segment, seg *segment) []*segment {
	out := make([]*segment, 0, len(segs)+1)
	for _, o := range segs {
		if o != seg {
			out = append(out, o)
		}
	}
	return out
}

// create makes, writes and syncs a new file with its preamble, and its name in
// the folder.
func (s *Stream) create(epoch uint32, first uint64, copies [][]byte) (*output, error) {
	j := s.j
	now := j.o.Now()
	p := protocol.Preamble{
		Journal: j.id, Gateway: j.gateway, Stream: s.name, StreamID: s.id, Epoch: epoch,
		FirstSeq: protocol.Uint64(first), Place: string(j.o.Place), CreatedUTCNs: protocol.Int64(now.UnixNano()), Copies: copies,
	}
	head, err := protocol.AppendPreamble(nil, p)
	if err != nil {
		return nil, err
	}
	f, path, err := s.place(epoch, first, head)
	if j.giveReserve(err) {
		f, path, err = s.place(epoch, first, head)
	}
	if err != nil {
		return nil, err
	}
	seg := &segment{name: filepath.Base(path), path: path, epoch: epoch, first: first, begin: int64(len(head)), mtime: now, createdNs: now.UnixNano()}
	seg.size.Store(int64(len(head)))
	return &output{seg: seg, f: f, created: now, size: int64(len(head))}, nil
}

// place puts a new file with its preamble head on the disk, and its name.
func (s *Stream) place(epoch uint32, first uint64, head []byte) (f File, path string, err error) {
	f, name, err := s.createName(epoch, first)
	if err != nil {
		return nil, "", err
	}
	path = filepath.Join(s.dir, name)
	_, err = f.Write(head)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.j.fs.SyncDir(s.dir)
	}
	if err != nil {
		// It never held a frame: the next try begins with a clean name.
		return nil, "", errors.Join(fmt.Errorf("new file %s: %w", path, err), f.Close(), s.j.fs.Remove(path))
	}
	return f, path, nil
}

// createName makes an empty file, under a name that was not there.
func (s *Stream) createName(epoch uint32, first uint64) (File, string, error) {
	const tries = 1000
	for try := range tries {
		name := segmentName(epoch, first, try)
		f, err := s.j.fs.Create(filepath.Join(s.dir, name))
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return f, name, err
		}
	}
	return nil, "", fmt.Errorf("new file in %s: the names %s to -%d are all there", s.dir, segmentName(epoch, first, 0), tries-1)
}

// copies are the frames for the preamble of the file that Begin makes.
func (j *Journal) copies(s *Stream, a ask) [][]byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	has := map[protocol.Type]bool{}
	for _, c := range a.copies {
		if h, err := protocol.ParseHeader(c); err == nil {
			has[h.Type] = true
		}
	}
	out := slices.Clone(a.copies)
	if !has[protocol.TypeDescriptor] && a.epoch == s.epoch && a.first > 1 && s.descriptor != nil {
		out = append(out, s.descriptor)
	}
	if !has[protocol.TypeClock] && j.clock != nil {
		out = append(out, slices.Clone(j.clock))
	}
	return out
}

// CloseSegment ends the file that is being written and goes on in a new one, so
// that what is in it can be dropped. It does nothing where no frame stands in
// it. It waits for the disk.
func (s *Stream) CloseSegment(ctx context.Context) error {
	if err := s.j.ask(ctx, ask{kind: askEnd, s: s}); err != nil {
		return fmt.Errorf("journal: stream %q: end a file: %w", s.name, err)
	}
	return nil
}

// endFile does what CloseSegment asks, in the syncer.
func (j *Journal) endFile(s *Stream) error {
	j.claim(s)
	defer j.release(s)
	s.writePending(true)
	j.mu.Lock()
	idle := j.closing || s.out == nil || !s.out.frames
	j.mu.Unlock()
	if idle {
		return nil
	}
	return s.newFile()
}

// newFile closes the file of a stream that is held, if it has one, and goes on
// in a new one. Frames of the old one that are not surely on the disk are in
// the new one again: from memory, or read from the file.
func (s *Stream) newFile() error {
	j := s.j
	failed := s.finish()
	if failed == nil {
		_ = j.noteEnds(true, s) // what cannot be noted now is noted with the next file
	}
	j.mu.Lock()
	s.stalled = true
	first, before := s.undurableLocked(), s.next
	if c := s.unwrittenLocked(); c != nil {
		before = frameSeq(c.buf[c.written:])
	} else if s.dropFrom > 0 {
		before = s.dropFrom
	}
	epoch := s.epoch
	j.mu.Unlock()
	o, err := s.create(epoch, first, j.copies(s, ask{epoch: epoch, first: first}))
	if err == nil && first < before {
		err = s.salvage(o, first, before)
	}
	if err != nil {
		if o != nil {
			err = errors.Join(err, o.f.Close(), j.fs.Remove(o.seg.path))
		}
		return errors.Join(failed, fmt.Errorf("journal: stream %q: %w", s.name, err))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s.installLocked(o)
	return failed
}

// salvage copies frames from one sequence to before another out of the older
// files into a new one, which nobody else knows yet.
func (s *Stream) salvage(o *output, first, before uint64) error {
	j := s.j
	j.mu.Lock()
	segs := epochSegments(s.segs, s.epoch)
	j.mu.Unlock()
	m := newMerge(j.fs, j.o.By, s.id, o.seg.epoch, first)
	m.segs = segs
	defer m.close()
	for m.want < before {
		p, ok := m.next(maxWrite, before)
		if !ok {
			p = m.make(before-1, protocol.Hole{Cause: protocol.CauseDamaged})
			m.want = before
		}
		if _, err := o.f.Write(p.frames); err != nil {
			return err
		}
		o.frames = true
		o.size += int64(len(p.frames))
		o.written = Position{Epoch: o.seg.epoch, Seq: p.to, HeaderCRC: p.last.HeaderCRC}
		o.seg.size.Store(o.size)
	}
	return nil
}
