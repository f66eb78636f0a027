package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"photongate/protocol"
)

// SegmentInfo is one file of a stream.
type SegmentInfo struct {
	Path     string
	Epoch    uint32
	FirstSeq uint64
	LastSeq  uint64 // the last sequence that it covers; 0: not known
	Bytes    int64
	Open     bool      // it is being written
	Begun    time.Time // when it was made, by its own word; zero: not known

	// Times of its first and last frame, ns of their time base: from
	// DropOldest only, and both 0 when no frame can be read.
	FirstNs, LastNs int64
}

// Segments returns the files of the stream in order, oldest first. Where a
// file's end is not known yet, it is read once.
func (s *Stream) Segments() []SegmentInfo {
	s.j.mu.Lock()
	segs := s.segs
	s.j.mu.Unlock()
	infos := make([]SegmentInfo, len(segs))
	for i, seg := range segs {
		infos[i] = s.describe(seg, segs[i+1:])
	}
	return infos
}

// describe says what a file is that later ones follow.
func (s *Stream) describe(seg *segment, later []*segment) SegmentInfo {
	info := SegmentInfo{Path: seg.path, Epoch: seg.epoch, FirstSeq: seg.first, Bytes: seg.size.Load(), Open: seg.live.Load()}
	if seg.createdNs != 0 {
		info.Begun = time.Unix(0, seg.createdNs).UTC()
	}
	if info.Open {
		s.j.mu.Lock()
		if s.out != nil && s.out.seg == seg {
			info.LastSeq = s.out.written.Seq
		}
		s.j.mu.Unlock()
	} else {
		info.LastSeq = seg.lastSeq(s.j.fs, s.id)
	}
	if len(later) > 0 && later[0].epoch == seg.epoch { // it may be torn; and it may overlap what follows
		info.LastSeq = max(info.LastSeq, later[0].first-1)
	}
	return info
}

// DropOldest removes the oldest file of the stream, for whoever keeps a quota.
// It refuses the one being written, and the last one of the last epoch: that
// keeps the epoch's number. What is dropped is noted in journal.json before
// the file goes: whoever asks for it gets a hole `quota`. On a disk so full that
// this cannot be noted the file goes first, and it is noted as soon as there is
// room. One goroutine at a time.
func (s *Stream) DropOldest() (SegmentInfo, error) {
	j := s.j
	j.mu.Lock()
	segs := s.segs
	j.mu.Unlock()
	if len(segs) < 2 || segs[0].live.Load() {
		return SegmentInfo{}, fmt.Errorf("journal: stream %q: its only file cannot be dropped", s.name)
	}
	seg := segs[0]
	info := s.describe(seg, segs[1:])
	j.mu.Lock()
	needed := seg.epoch == s.epoch && s.begun && info.LastSeq >= s.undurableLocked()
	j.mu.Unlock()
	if needed { // a sync failed, and what it should have saved stands only there
		return info, fmt.Errorf("journal: stream %q: its oldest file cannot be dropped before all in it is on the disk", s.name)
	}
	info.FirstNs, info.LastNs = s.times(seg)
	noted := j.noteDropped(s, seg, info.LastSeq, segs[1].epoch != seg.epoch)
	if noted != nil && !IsFull(noted) {
		return info, fmt.Errorf("journal: drop the oldest file of stream %q: %w", s.name, noted)
	}
	j.mu.Lock()
	s.segs = without(s.segs, seg)
	j.mu.Unlock()
	if err := j.fs.Remove(seg.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		j.mu.Lock()
		s.segs = append([]*segment{seg}, s.segs...)
		j.mu.Unlock()
		return info, fmt.Errorf("journal: drop the oldest file of stream %q: %w", s.name, err)
	}
	if err := j.noteAgain(); err != nil && !IsFull(err) {
		return info, fmt.Errorf("journal: stream %q: note what was dropped: %w", s.name, err)
	}
	return info, nil
}

// times are those of the first and the last frame of a file.
func (s *Stream) times(seg *segment) (firstNs, lastNs int64) {
	f, err := s.j.fs.Open(seg.path)
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	last, ok := seg.lastFrame(f, s.id)
	sc := newScanner(f, seg, s.id, seg.epoch)
	if !ok || !sc.peek() {
		return 0, 0
	}
	return sc.head.Time, last.head.Time
}

// noteDropped enters in journal.json that a file of a stream is dropped, which
// covers its epoch up to last; whole means that it is the epoch's only one.
func (j *Journal) noteDropped(s *Stream, seg *segment, last uint64, whole bool) error {
	j.metaMu.Lock()
	defer j.metaMu.Unlock()
	m := j.meta.clone()
	e := m.stream(s.name)
	if whole {
		last = max(last, e.Ends.of(seg.epoch))
	}
	next, news := e.Dropped.with(seg.epoch, last)
	if whole && e.Ends.of(seg.epoch) > 0 {
		e.Ends, news = e.Ends.without(seg.epoch), true
	}
	if !news {
		return nil
	}
	e.Dropped = next
	j.mu.Lock()
	s.dropped = next // readers know it although the disk may not
	j.mu.Unlock()
	err := j.saveMeta(m)
	if IsFull(err) {
		j.meta, j.unsaved = m, true
	}
	return err
}

// noteAgain saves what a full disk kept from being noted.
func (j *Journal) noteAgain() error {
	j.metaMu.Lock()
	defer j.metaMu.Unlock()
	if !j.unsaved {
		return nil
	}
	return j.saveMeta(j.meta)
}

// hidden is the cause of a hole of frames that were dropped, or that no file here
// should hold: all begin later. end is how far it reaches, to at most.
func (m *merge) hidden(to uint64) (cause string, end uint64) {
	switch {
	case m.want <= m.dropped:
		return protocol.CauseQuota, min(to, m.dropped)
	case m.unknown:
		return m.unlessOpen(protocol.CauseNotHeld, to)
	}
	return m.unlessOpen(protocol.CauseFileMissing, to)
}
