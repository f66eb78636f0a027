package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"photongate/protocol"
)

// recover finds what the folder holds.
func (j *Journal) recover() error {
	m, isNew, err := loadMeta(j.fs, j.dir, j.o)
	if err != nil {
		return err
	}
	saved := m
	if !isNew {
		m, err = j.adoptFolders(m.clone())
		if err != nil {
			return err
		}
	}
	j.id, j.archive, j.gateway = m.Journal, m.Archive, m.Gateway
	j.begins = m.Place == InJournal && m.MadeAgain
	if j.o.By == "" {
		j.o.By = j.gateway
		if j.o.Place == InArchive {
			j.o.By = string(InArchive)
		}
	}
	for i := range m.Streams {
		s, err := j.recoverStream(m, m.Streams[i])
		if err != nil {
			return err
		}
		m.Streams[i].LastEpoch = max(m.Streams[i].LastEpoch, s.epoch)
		s.epoch = m.Streams[i].LastEpoch
		j.addLocked(s)
	}
	j.findTimes()
	j.meta = m
	if isNew || m.changed(saved) {
		return j.saveMeta(m)
	}
	return nil
}

// changed reports whether m says something that old does not.
func (m meta) changed(old meta) bool {
	if m.fresh || m.Gateway != old.Gateway || len(m.Streams) != len(old.Streams) {
		return true
	}
	for i, s := range m.Streams {
		if o := old.Streams[i]; s.Name != o.Name || s.ID != o.ID || s.LastEpoch != o.LastEpoch {
			return true
		}
	}
	return false
}

// loadMeta reads journal.json, or makes it anew: for an empty folder, or from
// the preambles of the files where it is missing or damaged. It never gives
// a new identity to a folder that holds data.
func loadMeta(fsys FS, dir string, o Options) (m meta, isNew bool, err error) {
	m, err = readMeta(fsys, dir)
	switch {
	case err == nil:
	case errors.Is(err, protocol.ErrVersion):
		return meta{}, false, err
	default:
		cause := err
		var found bool
		if m, found, err = rebuildMeta(fsys, dir); err != nil {
			return meta{}, false, fmt.Errorf("%w; it cannot be made again from the files: %w; put a copy of %s back, or move the folder aside and begin a new one",
				cause, err, metaName)
		}
		if !found && !errors.Is(cause, fs.ErrNotExist) {
			return meta{}, false, fmt.Errorf("%w; there is no segment file to make it again from: put a copy of it back, or remove it to begin a new journal here", cause)
		}
		if !found {
			m, err = newMeta(o)
			return m, true, err
		}
		m.fresh = true
		o.OnTrouble(fmt.Errorf("journal: %w; made again from the files' own words%s", cause, putAside(fsys, dir, cause)))
	}
	return fitOptions(m, dir, o)
}

// putAside keeps a journal.json that cannot be used under another name: what it
// says of the quota's drops stands nowhere else, and it may be somebody's edit.
func putAside(fsys FS, dir string, cause error) (words string) {
	if errors.Is(cause, fs.ErrNotExist) {
		return ""
	}
	name := filepath.Join(dir, metaName)
	if err := errors.Join(fsys.Rename(name, name+damagedExt), fsys.SyncDir(dir)); err != nil {
		return fmt.Sprintf("; the old one could not be put aside: %v", err)
	}
	return "; the old one is kept as " + name + damagedExt
}

// newMeta is the journal.json of a new folder.
func newMeta(o Options) (meta, error) {
	m := meta{Format: 1, Place: o.Place, Journal: o.Journal, Archive: o.Archive, Gateway: o.Gateway,
		CreatedUTCNs: protocol.Int64(o.Now().UnixNano())}
	if m.Journal.IsZero() {
		if o.Place == InArchive {
			return meta{}, errors.New("a new archive needs the id of the journal it keeps")
		}
		m.Journal = protocol.NewID()
	}
	if m.Archive.IsZero() && o.Place == InArchive {
		m.Archive = protocol.NewID()
	}
	return m, m.check()
}

// fitOptions compares what a folder is with what it is opened as.
func fitOptions(m meta, dir string, o Options) (meta, bool, error) {
	switch {
	case m.Place != o.Place:
		return m, false, fmt.Errorf("%s is of kind %q, it cannot be used as %q: name another folder: %w", dir, m.Place, o.Place, ErrOther)
	case !o.Journal.IsZero() && m.Journal != o.Journal:
		return m, false, fmt.Errorf("%s holds journal %v, not %v: name another folder: %w", dir, m.Journal, o.Journal, ErrOther)
	case !o.Archive.IsZero() && !m.Archive.IsZero() && m.Archive != o.Archive:
		return m, false, fmt.Errorf("%s is archive %v, not %v: name another folder: %w", dir, m.Archive, o.Archive, ErrOther)
	}
	if m.Archive.IsZero() && o.Place == InArchive {
		m.Archive, m.fresh = o.Archive, true
		if m.Archive.IsZero() {
			m.Archive = protocol.NewID()
		}
	}
	if o.Gateway != "" {
		if err := protocol.CheckName(o.Gateway); err != nil {
			return m, false, err
		}
		m.fresh = m.fresh || m.Gateway != o.Gateway
		m.Gateway = o.Gateway
	}
	return m, false, nil
}

// adoptFolders enters streams whose folders are there although journal.json
// does not know them: it may be an older copy.
func (j *Journal) adoptFolders(m meta) (meta, error) {
	entries, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return m, err
	}
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() || m.stream(name) != nil || protocol.CheckName(name) != nil {
			continue
		}
		next := m.clone()
		n, err := next.learn(j.fs, filepath.Join(j.dir, name))
		switch {
		case err != nil:
			j.o.OnTrouble(fmt.Errorf("journal: folder not used: %w", err))
		case n > 0:
			m = next
		}
	}
	return m, nil
}

// recoverStream finds the files of a stream and the last frame in them.
func (j *Journal) recoverStream(m meta, e metaStream) (*Stream, error) {
	s := j.newStream(e.Name, e.ID)
	if _, err := j.fs.Stat(s.dir); errors.Is(err, fs.ErrNotExist) {
		if err := makePath(j.fs, s.dir); err != nil {
			return nil, fmt.Errorf("stream %q: %w", e.Name, err)
		}
	}
	l := newFiles(j.fs, j.dir, m, e)
	if _, err := l.refresh(); err != nil {
		return nil, fmt.Errorf("stream %q: %w", e.Name, err)
	}
	for _, stray := range l.strays {
		j.o.OnTrouble(fmt.Errorf("journal: %w", stray))
	}
	s.segs, s.dropped, s.noted = l.segs, e.Dropped, e.Ends
	s.next = 1
	if n := len(s.segs); n > 0 {
		s.epoch = s.segs[n-1].epoch
		s.segs[n-1].live.Store(false) // nothing is ever appended to an old file
	}
	s.findLast(s.epoch)
	if m.Place == InArchive {
		s.retreat()
	}
	if err := s.cutShort(e); err != nil {
		j.o.OnTrouble(err)
	}
	return s, nil
}

// cutShort is an error when the last epoch was once further on the disk than its
// files go, nil when that is not known.
func (s *Stream) cutShort(e metaStream) error {
	held, noted := uint64(0), e.Ends.of(e.LastEpoch)
	if s.epoch == e.LastEpoch {
		held = s.next - 1
	}
	if noted <= max(held, e.Dropped.of(e.LastEpoch)) {
		return nil
	}
	what := "they are lost"
	if s.j.o.Place == InArchive {
		what = "the gateway is asked for them again"
	}
	return fmt.Errorf("journal: %s ends before what was on this disk: part %d went up to frame %d at least, and its files end with frame %d; a file was cut short or removed: the %d frames between are gone, and %s",
		s.dir, e.LastEpoch, noted, held, noted-held, what)
}

// findLast finds the last frame of the stream up to an epoch, and what of it is
// on the disk.
func (s *Stream) findLast(epoch uint32) {
	for epoch > 0 {
		f, seg, ok := lastOf(s.j.fs, epochSegments(s.segs, epoch), s.id)
		if ok {
			covered := endSeq(f.head, f.to)
			if epoch == s.epoch {
				s.next = covered + 1
				s.ended = f.head.Type == protocol.TypeEnd
			}
			s.findHead(epoch, f)
			s.durable = s.settle(seg, Position{Epoch: epoch, Seq: covered, HeaderCRC: f.head.HeaderCRC})
			return
		}
		epoch = epochBefore(s.segs, epoch)
	}
}

// findHead finds the last numbered frame, which is last, or lies before it when
// that is a hole: maybe in another epoch.
func (s *Stream) findHead(epoch uint32, last found) {
	for ok := true; !s.have && epoch > 0; {
		switch {
		case ok && last.head.Type != protocol.TypeHole:
			s.head, s.have = last.head, true
			s.lastTime.ns, s.lastTime.ok = endTime(last.head, last.data), true
		case ok:
			s.findNumbered(epoch, last.head.Seq)
		}
		epoch = epochBefore(s.segs, epoch)
		last, _, ok = lastOf(s.j.fs, epochSegments(s.segs, epoch), s.id)
	}
}

// epochBefore is the last epoch before another one of which sorted segs hold a
// file, 0 when there is none.
func epochBefore(segs []*segment, epoch uint32) (before uint32) {
	for _, seg := range segs {
		if seg.epoch < epoch {
			before = seg.epoch
		}
	}
	return before
}

// findNumbered finds the last numbered frame of an epoch that ends in a hole,
// from the last file backwards.
func (s *Stream) findNumbered(epoch uint32, hole uint64) {
	segs := epochSegments(s.segs, epoch)
	for i := len(segs) - 1; i >= 0 && !s.have; i-- {
		m := newMerge(s.j.fs, s.j.o.By, s.id, epoch, segs[i].first)
		m.segs = segs
		for m.want < hole {
			p, ok := m.next(maxWrite, hole)
			if !ok {
				break
			}
			if !p.hole {
				_, last := cut(p.frames, len(p.frames))
				s.head, s.have = p.last, true
				s.lastTime.ns, s.lastTime.ok = endTime(p.last, p.frames[last:]), true
			}
		}
		m.close()
	}
}

// settle puts a file that Open found on the disk: frames found may be in the
// memory of the operating system only. It returns what is durable.
func (s *Stream) settle(seg *segment, last Position) Position {
	f, err := s.j.fs.Open(seg.path)
	if err != nil {
		return Position{}
	}
	defer f.Close()
	mark, _, ok := lastMark(f, seg.size.Load())
	if ok && mark.LastSeq >= last.Seq || f.Sync() == nil {
		return last
	}
	if ok {
		return Position{Epoch: seg.epoch, Seq: mark.LastSeq}
	}
	return Position{}
}

// lastOf finds the last frame in the files of one epoch, and its file.
func lastOf(fsys FS, segs []*segment, stream uint32) (last found, in *segment, ok bool) {
	for i := len(segs) - 1; i >= 0; i-- {
		seg := segs[i]
		if ok && quickLast(fsys, seg) <= endSeq(last.head, last.to) {
			continue
		}
		f, err := fsys.Open(seg.path)
		if err != nil {
			continue
		}
		found, has := seg.lastFrame(f, stream)
		_ = f.Close()
		if has && (!ok || endSeq(found.head, found.to) > endSeq(last.head, last.to)) {
			last, in, ok = found, seg, true
		}
	}
	return last, in, ok
}

// quickLast is the last sequence in a file by the mark at its very end, a large
// number when there is none.
func quickLast(fsys FS, seg *segment) uint64 {
	f, err := fsys.Open(seg.path)
	if err != nil {
		return 0
	}
	defer f.Close()
	var b [protocol.MarkSize]byte
	at := seg.size.Load() - protocol.MarkSize
	if n, err := readAt(f, b[:], max(at, 0)); at < 0 || err != nil || n < len(b) {
		return 1<<64 - 1
	}
	m, err := protocol.ParseMark(b[:])
	if err != nil || m.Offset > uint64(at) {
		return 1<<64 - 1
	}
	return m.LastSeq
}

// endTime is where a frame ends on its time base: the end of its last reading,
// or its time.
func endTime(h protocol.Header, frame []byte) int64 {
	if h.Type != protocol.TypeCounts {
		return h.Time
	}
	var d protocol.CountsDecoder
	var c protocol.Counts
	if err := d.Decode(h, frame[h.HeaderLen:], &c); err != nil || len(c.Begin) == 0 {
		return h.Time
	}
	n := len(c.Begin) - 1
	return c.Begin[n] + c.Length[n]
}

// findTimes gives every stream the UTC of its last frame. The time base of a
// process reads UTC as it was believed at its start; the last clock frame of
// the same process knows better.
func (j *Journal) findTimes() {
	g := j.findLocked(gatewayStream)
	var clock protocol.Clock
	var clockTime int64
	var base protocol.ID
	if g != nil {
		base = g.baseOf(g.head.Epoch)
		clock, clockTime = g.lastClock()
	}
	for _, s := range j.streams {
		t := &s.lastTime
		t.utcNs = t.ns
		if clock.Kind == protocol.ClockHost && !base.IsZero() && s.baseOf(s.head.Epoch) == base {
			t.utcNs = int64(clock.UTCNs) + (t.ns - clockTime)
		}
	}
}

// lastClock is the last clock frame near the end of a stream.
func (s *Stream) lastClock() (clock protocol.Clock, timeNs int64) {
	const near = 1 << 20
	segs := epochSegments(s.segs, s.head.Epoch)
	if len(segs) == 0 {
		return clock, 0
	}
	seg := segs[len(segs)-1]
	f, err := s.j.fs.Open(seg.path)
	if err != nil {
		return clock, 0
	}
	defer f.Close()
	sc := newScanner(f, seg, s.id, seg.epoch)
	sc.seek(max(seg.begin, seg.size.Load()-near))
	for sc.peek() {
		var c protocol.Clock
		if sc.head.Type == protocol.TypeClock && protocol.DecodeJSON(sc.buf[sc.pos+sc.head.HeaderLen:sc.pos+sc.n], &c) == nil {
			clock, timeNs = c, sc.head.Time
		}
		sc.take()
	}
	return clock, timeNs
}

// baseOf is the id of the time base that the descriptor of an epoch names, as
// its last file has it; zero when it is not found.
func (s *Stream) baseOf(epoch uint32) protocol.ID {
	segs := epochSegments(s.segs, epoch)
	if len(segs) == 0 {
		return protocol.ID{}
	}
	seg := segs[len(segs)-1]
	f, err := s.j.fs.Open(seg.path)
	if err != nil {
		return protocol.ID{}
	}
	defer f.Close()
	p, _, _ := ReadPreamble(f) // of a damaged one, the copies that are whole
	frames := p.Copies
	if sc := newScanner(f, seg, s.id, epoch); sc.peek() {
		frames = append(frames, sc.buf[sc.pos:sc.pos+sc.n])
	}
	for _, frame := range frames {
		h, err := protocol.ParseHeader(frame)
		var d protocol.Descriptor
		if err == nil && h.Type == protocol.TypeDescriptor && h.Stream == s.id && h.Epoch == epoch &&
			protocol.DecodeJSON(frame[h.HeaderLen:h.FrameLen()], &d) == nil {
			return d.Base
		}
	}
	return protocol.ID{}
}
