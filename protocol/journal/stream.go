package journal

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"photongate/protocol"
)

// gatewayStream is the stream whose clock frames tie all others to UTC.
const gatewayStream = "gateway"

// Stream is one stream of a journal. Append and Begin are for one goroutine;
// all other methods may be called from several.
type Stream struct {
	j    *Journal
	name string
	id   uint32
	dir  string

	// Guarded by Journal.mu.

	segs      []*segment // sorted; a new slice whenever it changes
	dropped   ends       // how far the quota dropped each epoch
	noted     ends       // how far epochs of earlier processes were on the disk; never changes
	chunks    []*chunk   // of the tail, oldest first
	chunkSize int        // of the newest, bytes

	epoch      uint32 // begun, or the last one found
	begun      bool   // by this process
	begunFirst uint64 // its first sequence here
	next       uint64 // the next sequence
	ended      bool   // the end frame has been appended
	dropFrom   uint64 // first sequence dropped and not yet told; 0: none
	descriptor []byte // of the epoch, a whole frame; nil: not known

	head     protocol.Header // last numbered frame, recovered or appended
	have     bool
	lastTime lastTime // of what Open found

	out     *output // the file being written; nil: a new one is needed
	busy    bool    // out is in somebody's hands
	stalled bool    // the appender leaves it to the syncer

	appended uint64 // bytes that Append took
	unsynced unsynced

	durable        Position
	version        uint64        // counts changes that readers can see
	notify         chan struct{} // closed when something was appended; nil: nobody waits
	durableChanged chan struct{} // closed when durable changed; nil: nobody waits
}

// output is the segment file being written. Its fields are guarded by
// Journal.mu; f is written by who holds the stream (busy), and synced and
// closed by the syncer.
type output struct {
	seg     *segment
	f       File
	created time.Time
	frames  bool     // at least one stands in it
	size    int64    // bytes written
	written Position // the last frame written
	mark    protocol.Mark
	markDue bool
	broken  bool // a frame in it is torn: nothing may be added
}

// lastTime is the end of what a stream held when it was opened.
type lastTime struct {
	ns, utcNs int64
	ok        bool
}

func (j *Journal) newStream(name string, id uint32) *Stream {
	return &Stream{j: j, name: name, id: id, dir: filepath.Join(j.dir, name)}
}

// Name is the stream's name.
func (s *Stream) Name() string { return s.name }

// ID is the stream's id in this journal.
func (s *Stream) ID() uint32 { return s.id }

// Last returns the last numbered frame held, found by Open or appended since.
// It reports false when there is none.
func (s *Stream) Last() (Position, bool) {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	return s.lastLocked(), s.have
}

func (s *Stream) lastLocked() Position {
	return Position{Epoch: s.head.Epoch, Seq: s.head.Seq, HeaderCRC: s.head.HeaderCRC}
}

// LastTime tells, of the last frame that Open found, where it ends: in ns of
// the time base of its gateway process, and in ns of UTC as that process knew
// it. With counts that is the end of the last reading, otherwise the time of
// the frame. It is for gaps across a restart.
func (s *Stream) LastTime() (ns, utcNs int64, ok bool) {
	return s.lastTime.ns, s.lastTime.utcNs, s.lastTime.ok
}

// NextSeq is the sequence that the next frame must have at least: behind the
// last one appended, dropped, told as a hole, or found by Open.
func (s *Stream) NextSeq() uint64 {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	return s.next
}

// Epoch is the epoch begun, or the last one whose number was used; 0 when the
// stream is new.
func (s *Stream) Epoch() uint32 {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	return s.epoch
}

// Durable is the last sequence up to which all that was appended is on the
// disk, dropped frames and holes told excepted.
func (s *Stream) Durable() Position {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	return s.durable
}

// DurableChanged returns a channel that is closed when Durable changes after
// the call, or the journal is closed.
func (s *Stream) DurableChanged() <-chan struct{} {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	if s.j.closed {
		return closedChannel
	}
	if s.durableChanged == nil {
		s.durableChanged = make(chan struct{})
	}
	return s.durableChanged
}

// closedChannel is ready at once.
var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// notifyLocked tells readers that there is something new.
func (s *Stream) notifyLocked() {
	s.version++
	if s.notify != nil {
		close(s.notify)
		s.notify = nil
	}
}

func (s *Stream) notifyDurableLocked() {
	if s.durableChanged != nil {
		close(s.durableChanged)
		s.durableChanged = nil
	}
}

// Oldest returns the first frame held and its time, ns of its time base.
func (s *Stream) Oldest() (p Position, timeNs int64, ok bool) {
	m := s.walk(Position{})
	defer m.close()
	for {
		piece, _, err := m.tryNext(1)
		if err != nil || len(piece.frames) == 0 {
			return Position{}, 0, false
		}
		if !piece.hole {
			h := piece.last
			return Position{Epoch: h.Epoch, Seq: h.Seq, HeaderCRC: h.HeaderCRC}, h.Time, true
		}
	}
}

// Newest returns the last numbered frame held and its time, ns of its time
// base.
func (s *Stream) Newest() (p Position, timeNs int64, ok bool) {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	return s.lastLocked(), s.head.Time, s.have
}

// find gives the frame of this identity to use, which must not keep it.
func (s *Stream) find(epoch uint32, seq uint64, use func(h protocol.Header, frame []byte)) error {
	if epoch == 0 || seq == 0 {
		return ErrNotHeld
	}
	r := s.walk(Position{Epoch: epoch, Seq: seq - 1})
	defer r.close()
	p, at, err := r.tryNext(1)
	if err != nil {
		return err
	}
	if at != epoch || len(p.frames) == 0 || p.hole || p.from != seq {
		return fmt.Errorf("journal: stream %q: frame %d of epoch %d: %w", s.name, seq, epoch, ErrNotHeld)
	}
	n, _ := cut(p.frames, 1)
	h, err := protocol.ParseHeader(p.frames)
	if err != nil {
		return err
	}
	use(h, p.frames[:n])
	return nil
}

// Frame returns a copy of one frame, from memory or from its file, read anew
// and checked. When it is not there, or damaged, the error is [ErrNotHeld].
func (s *Stream) Frame(epoch uint32, seq uint64) ([]byte, error) {
	var out []byte
	err := s.find(epoch, seq, func(_ protocol.Header, frame []byte) { out = slices.Clone(frame) })
	return out, err
}

// Descriptor returns a copy of the descriptor of an epoch, a whole frame, also
// where the frame itself is not held any more: every file of the epoch has a
// copy at its begin. Without one the error is [ErrNotHeld].
func (s *Stream) Descriptor(epoch uint32) ([]byte, error) {
	j := s.j
	j.mu.Lock()
	if epoch == s.epoch && s.descriptor != nil {
		defer j.mu.Unlock()
		return slices.Clone(s.descriptor), nil
	}
	segs := epochSegments(s.segs, epoch)
	j.mu.Unlock()
	frame, err := s.Frame(epoch, 1)
	if err == nil {
		return frame, nil
	}
	for _, seg := range segs {
		if c := seg.descriptor(j.fs, s.id); c != nil {
			return c, nil
		}
	}
	return nil, err
}

// descriptor is the copy of its epoch's descriptor at the begin of a file, nil
// when there is none.
func (seg *segment) descriptor(fsys FS, stream uint32) []byte {
	f, err := fsys.Open(seg.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	p, _, _ := ReadPreamble(f) // of a damaged one, the copies that are whole
	for _, c := range p.Copies {
		h, err := protocol.ParseHeader(c)
		if err == nil && h.Type == protocol.TypeDescriptor && h.Stream == stream && h.Epoch == seg.epoch {
			return slices.Clone(c)
		}
	}
	return nil
}

// Lookup returns the header of one frame, and whether it is held.
func (s *Stream) Lookup(epoch uint32, seq uint64) (h protocol.Header, found bool, err error) {
	err = s.find(epoch, seq, func(head protocol.Header, _ []byte) { h, found = head, true })
	if !found && isNotHeld(err) {
		err = nil
	}
	return h, found, err
}

// EpochEnd returns the last sequence held of an epoch, and whether that is its
// end frame. For the epoch being written that is the last one so far. An epoch
// that was begun, and whose frames a crash took all, is found and ends with 0.
func (s *Stream) EpochEnd(epoch uint32) (lastSeq uint64, clean bool, found bool) {
	j := s.j
	j.mu.Lock()
	if s.have && s.head.Epoch == epoch {
		h := s.head
		j.mu.Unlock()
		return h.Seq, h.Type == protocol.TypeEnd, true
	}
	segs := epochSegments(s.segs, epoch)
	begun := len(segs) > 0 && s.dropped.of(epoch) == 0 && s.noted.of(epoch) == 0
	j.mu.Unlock()
	last, _, ok := lastOf(j.fs, segs, s.id)
	if !ok {
		return 0, false, begun
	}
	return last.head.Seq, last.head.Type == protocol.TypeEnd, true
}
