package receiver

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// errDiverged says that the gateway has other bytes under numbers the archive
// holds.
var errDiverged = errors.New("the gateway's record and the archive differ under the same numbers")

// diskTrouble is an error of the archive's disk that may pass, as when it is
// full. The gateway keeps what the archive does not take.
type diskTrouble struct{ err error }

func (e *diskTrouble) Error() string {
	return fmt.Sprintf("the archive cannot be written, and the gateway keeps what it has: %v", e.err)
}
func (e *diskTrouble) Unwrap() error { return e.err }

// onDisk tells errors of the disk from those that trying again cannot mend.
func onDisk(err error) error {
	for _, kind := range []error{errDiverged, protocol.ErrFormat, journal.ErrOther, journal.ErrOrder, journal.ErrClosed} {
		if errors.Is(err, kind) {
			return err
		}
	}
	return &diskTrouble{err}
}

// whilePassing tells, of errors of opening an archive, those of a disk that may
// take what comes again from those of the folder itself.
func whilePassing(err error) error {
	if journal.IsFull(err) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EIO) {
		return &diskTrouble{err}
	}
	return err
}

// store is the archive of one journal of one gateway, being written. One
// goroutine uses it; acks may be asked for by another.
type store struct {
	journal *journal.Journal
	path    string
	name    string // of the receiver, for holes it states
	targets map[uint32]*target
	clock   []byte // last copy of a clock frame the gateway gave, nil: none
}

// target is one stream of a store.
type target struct {
	stream     *journal.Stream
	epoch      uint32 // of the last frame stored, 0: none
	covered    uint64 // all up to here is stored or known to be missing
	begun      bool   // this process has begun a file for epoch
	start      bool   // the next frame is a subscription's first: it may lie ahead
	descriptor []byte // copy of a descriptor the gateway gave

	asked journal.Position // the cursor that was given last, on the disk for good; zero: none
}

// openStore opens or makes the folder.
func openStore(a *archiveDir, path string, hello *protocol.Hello, log zerolog.Logger) (*store, error) {
	var opened atomic.Bool
	j, err := journal.Open(path, journal.Options{
		FS: a.fs, Place: journal.InArchive, Journal: hello.ID, Gateway: hello.Name, Archive: a.id, WaitWhenFull: true,
		OnTrouble: func(err error) {
			level := zerolog.WarnLevel
			if opened.Load() {
				level = zerolog.DebugLevel // a diskWatch says it, and what it means
			}
			log.WithLevel(level).Err(err).Msg("the archive's disk gives trouble")
		},
	})
	opened.Store(true)
	if errors.Is(err, journal.ErrOther) {
		err = cmp.Or(a.misnamed(path, hello.ID), err)
	}
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", path, err)
	}
	s := &store{journal: j, path: path, name: a.name, targets: map[uint32]*target{}}
	for _, stream := range j.Streams() {
		s.add(stream)
	}
	return s, nil
}

func (s *store) add(stream *journal.Stream) *target {
	t := &target{stream: stream}
	if t.epoch = stream.Epoch(); t.epoch > 0 {
		t.covered = max(stream.NextSeq(), 1) - 1
	}
	s.targets[stream.ID()] = t
	return t
}

// target returns the stream of this name and id, which is made where it is new.
func (s *store) target(name string, id uint32) (*target, error) {
	if t := s.targets[id]; t != nil && t.stream.Name() == name {
		return t, nil
	}
	stream, err := s.journal.Stream(name, id)
	if err != nil {
		return nil, err
	}
	return s.add(stream), nil
}

// context keeps a copy of a frame for the begin of files.
func (s *store) context(h protocol.Header, frame []byte) {
	switch h.Type {
	case protocol.TypeDescriptor:
		if t := s.targets[h.Stream]; t != nil {
			t.descriptor = append([]byte(nil), frame...)
		}
	case protocol.TypeClock:
		s.clock = append([]byte(nil), frame...)
	}
}

// put stores a frame whose checksums hold; after an error of the disk it may be
// called again with the same one. stored is false for one that the
// archive holds already. Errors are errDiverged, protocol.ErrFormat when the
// frame is out of order, or the disk's.
func (s *store) put(h protocol.Header, frame []byte) (stored bool, err error) {
	t := s.targets[h.Stream]
	if t == nil {
		return false, fmt.Errorf("%w: a frame of stream %d, which no answer named", protocol.ErrFormat, h.Stream)
	}
	first, last := h.Seq, h.Seq
	var hole protocol.Hole
	if h.Type == protocol.TypeHole {
		if err := protocol.DecodeJSON(frame[h.HeaderLen:], &hole); err != nil {
			return false, err
		}
		last = uint64(hole.To)
	}
	if first == 0 || last < first || h.Epoch == 0 {
		return false, fmt.Errorf("%w: frames %d to %d of epoch %d", protocol.ErrFormat, first, last, h.Epoch)
	}
	if h.Epoch < t.epoch || h.Epoch == t.epoch && last <= t.covered {
		return false, t.compare(h)
	}
	start := t.start
	if h.Epoch == t.epoch && first <= t.covered { // a hole that begins in what is held
		h.Seq, first = t.covered+1, t.covered+1
		if frame, err = protocol.AppendJSON(nil, h, &hole); err != nil {
			return false, err
		}
	}
	if !start && !t.follows(h.Epoch, first) {
		return false, fmt.Errorf("%w: frame %d of epoch %d of stream %s, after %d of epoch %d and no word of what lies between",
			protocol.ErrFormat, first, h.Epoch, t.stream.Name(), t.covered, t.epoch)
	}
	if start {
		if err := s.leaveOut(t, h, frame[h.HeaderLen:]); err != nil {
			return false, err
		}
	}
	if err := s.begin(t, h.Epoch); err != nil {
		return false, err
	}
	if err := t.stream.Append(frame); err != nil {
		return false, err
	}
	t.covered, t.start = last, false
	return true, nil
}

// leaveOut states that the rest of an earlier epoch was not asked for, when a
// recording begins ahead, with a later epoch. Otherwise it would look lost.
func (s *store) leaveOut(t *target, h protocol.Header, payload []byte) error {
	var d protocol.Descriptor
	if t.epoch == 0 || h.Epoch <= t.epoch || h.Type != protocol.TypeDescriptor || protocol.DecodeJSON(payload, &d) != nil {
		return nil // what is wrong with it is not for the archive to judge
	}
	if d.Previous == nil || d.Previous.Epoch != t.epoch || uint64(d.Previous.Seq) <= t.covered {
		return nil
	}
	if err := s.begin(t, t.epoch); err != nil {
		return err
	}
	frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHole, Stream: h.Stream, Epoch: t.epoch, Seq: t.covered + 1},
		&protocol.Hole{To: d.Previous.Seq, Cause: protocol.CauseNotHeld, By: string(journal.InArchive)})
	if err != nil {
		return err
	}
	return t.stream.Append(frame)
}

// follows reports whether a frame is the next one: the one after the last, or
// the first of a later epoch.
func (t *target) follows(epoch uint32, first uint64) bool {
	return t.epoch == 0 || epoch == t.epoch && first == t.covered+1 || epoch > t.epoch && first == 1
}

// compare finds out whether a frame that came again has the bytes it had.
func (t *target) compare(h protocol.Header) error {
	if h.Type == protocol.TypeHole {
		return nil
	}
	held, found, err := t.stream.Lookup(h.Epoch, h.Seq)
	if err != nil || !found {
		return err // what was a hole stays one: the archive is only appended to
	}
	if held.HeaderCRC != h.HeaderCRC {
		return fmt.Errorf("%w: frame %d of epoch %d of stream %s", errDiverged, h.Seq, h.Epoch, t.stream.Name())
	}
	return nil
}

// begin makes the stream ready for a frame of an epoch. Where a recording goes
// on further ahead, also in the middle of an epoch, the journal states what was
// never fetched.
func (s *store) begin(t *target, epoch uint32) error {
	if epoch == t.epoch && t.begun {
		return nil
	}
	first := uint64(1)
	if epoch == t.epoch {
		first = t.covered + 1
	}
	if _, err := t.stream.Begin(epoch, first, s.copies(t, epoch)...); err != nil {
		return err
	}
	t.epoch, t.covered, t.begun = epoch, first-1, true
	return nil
}

// copies are the frames that a file in the middle of an epoch needs to stand
// alone.
func (s *store) copies(t *target, epoch uint32) [][]byte {
	var copies [][]byte
	if held, err := t.stream.Descriptor(epoch); err == nil {
		copies = append(copies, held)
	} else if h, err := protocol.ParseHeader(t.descriptor); err == nil && h.Epoch == epoch {
		copies = append(copies, t.descriptor)
	}
	if s.clock != nil {
		copies = append(copies, s.clock)
	}
	return copies
}

// cursors says for each stream of names which frame is held last, for good; with
// names nil, for all.
func (s *store) cursors(names map[string]bool) []protocol.Cursor {
	var cursors []protocol.Cursor
	for _, t := range s.targets {
		if names != nil && !names[t.stream.Name()] {
			continue
		}
		last, ok := t.cursor()
		if !ok && names != nil { // of a run from now, which would leave out what comes meanwhile
			last, ok = t.stream.Last()
		}
		if !ok {
			continue
		}
		cursors = append(cursors, protocol.Cursor{Stream: t.stream.Name(), Epoch: last.Epoch, Seq: protocol.Uint64(last.Seq), CRC: protocol.CRC(last.HeaderCRC)})
	}
	return cursors
}

// cursor is the last frame that is on the disk for good: the gateway takes a
// cursor for an ack, and may forget what lies before it. What lies behind it in
// memory only comes again.
func (t *target) cursor() (journal.Position, bool) {
	last, ok := t.stream.Last()
	if at := t.stream.Durable(); ok && after(last, at) {
		h, found, err := t.stream.Lookup(at.Epoch, at.Seq)
		if err != nil || !found { // a hole: what was asked for before does
			return t.asked, t.asked.Epoch > 0
		}
		last = journal.Position{Epoch: at.Epoch, Seq: at.Seq, HeaderCRC: h.HeaderCRC}
	}
	t.asked = last
	return last, ok
}

// asked are the cursors that were given last, by stream.
func (s *store) asked() map[uint32]journal.Position {
	at := map[uint32]journal.Position{}
	for id, t := range s.targets {
		at[id] = t.asked
	}
	return at
}
