package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"photongate/protocol"
)

// askKind is what the syncer is asked for.
type askKind int

const (
	askSync  askKind = iota // write and sync all
	askBegin                // begin an epoch, or a file, of a stream
	askEnd                  // end the file of a stream
	askClose                // write, sync and close all
)

// ask is a request to the syncer, which sends one reply.
type ask struct {
	kind   askKind
	s      *Stream
	epoch  uint32
	first  uint64
	copies [][]byte
	reply  chan error // room for one
}

// ask hands a request to the syncer and waits for its reply.
func (j *Journal) ask(ctx context.Context, a ask) error {
	a.reply = make(chan error, 1)
	select {
	case j.asks <- a:
	case <-j.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-a.reply:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wakeSyncer tells the syncer that a stream needs a new file.
func (j *Journal) wakeSyncer() {
	select {
	case j.renew <- struct{}{}:
	default:
	}
}

// syncer is the only one that makes, syncs and closes segment files.
func (j *Journal) syncer() {
	tick := time.NewTicker(j.o.SyncEvery)
	defer tick.Stop()
	j.makeReserve()
	for {
		select {
		case <-tick.C:
			j.round()
		case <-j.renew:
			if err := j.renewStalled(j.giveReserve(j.Err())); err != nil {
				j.setTrouble(err)
			}
		case a := <-j.asks:
			switch a.kind {
			case askSync:
				a.reply <- j.flush()
			case askBegin:
				a.reply <- j.begin(a)
			case askEnd:
				a.reply <- j.endFile(a.s)
			case askClose:
				a.reply <- j.finishAll()
			}
		case <-j.done:
			return
		}
	}
}

// round syncs every file that has something new, and gives streams that the
// disk refused another try.
func (j *Journal) round() {
	j.makeReserve()
	var errs []error
	for _, s := range j.Streams() {
		errs = append(errs, j.syncStream(s))
	}
	err := joined(append(errs, j.renewStalled(true), j.noteAgain()))
	if j.giveReserve(err) {
		err = j.renewStalled(true)
	}
	j.setTrouble(err)
	j.noteProgress()
}

// flush writes and syncs all.
func (j *Journal) flush() error {
	j.makeReserve() // there may be room again
	var errs []error
	for _, s := range j.Streams() {
		if err := j.flushStream(s); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, j.syncStream(s))
	}
	err := joined(errs)
	j.setTrouble(err)
	return err
}

// flushStream writes all frames of a stream, into new files where needed.
func (j *Journal) flushStream(s *Stream) error {
	j.claim(s)
	defer j.release(s)
	return s.flushHeld()
}

// flushHeld is flushStream for a stream that is held.
func (s *Stream) flushHeld() error {
	for {
		s.writePending(true)
		if !s.waits() {
			return nil
		}
		if err := s.starved(); err != nil {
			return err
		}
		if err := s.newFile(); err != nil {
			return err
		}
		s.writePending(true)
		if s.waits() && !s.fileIsFull() {
			if err := s.j.Err(); err != nil {
				return err
			}
			return fmt.Errorf("journal: stream %q: the disk takes nothing", s.name)
		}
	}
}

// starved is why a stream must wait although there is room for the stream
// gateway, nil when it need not.
func (s *Stream) starved() error {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	if !s.j.starvedLocked(s) {
		return nil
	}
	return s.j.reserve.full
}

// waits reports whether frames of the stream are not in a file.
func (s *Stream) waits() bool {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	return s.unwrittenLocked() != nil
}

// fileIsFull reports whether the file takes no more because it is long or old
// enough.
func (s *Stream) fileIsFull() bool {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	return s.out != nil && !s.out.broken && s.j.fullLocked(s.out)
}

// syncStream syncs a stream's file when it has something new. Frames are
// written to it meanwhile; they wait for the next round.
func (j *Journal) syncStream(s *Stream) error {
	j.mu.Lock()
	o := s.out
	if o == nil || o.restsLocked() {
		j.mu.Unlock()
		return nil
	}
	size, at, written := o.size, o.written, s.syncingLocked()
	j.mu.Unlock()
	if err := o.f.Sync(); err != nil {
		return s.syncFailed(o, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s.syncedLocked(o, size, at)
	s.reachedLocked(written)
	j.wakeAppender()
	return nil
}

// restsLocked reports whether no frame was written since the last sync.
func (o *output) restsLocked() bool {
	return !o.frames || o.mark.Offset > 0 && o.written.Seq == o.mark.LastSeq
}

// syncedLocked notes that a file is on the disk up to size, which is behind
// the frame at; a mark is due.
func (s *Stream) syncedLocked(o *output, size int64, at Position) {
	o.mark = protocol.Mark{Offset: uint64(size), LastSeq: at.Seq}
	o.markDue = true
	if at != s.durable {
		s.durable = at
		s.notifyDurableLocked()
	}
}

// syncFailed closes a file whose sync failed: the operating system may have
// forgotten what it could not write, and a second sync would say that all is
// well. What was not synced goes into a new file.
func (s *Stream) syncFailed(o *output, cause error) error {
	s.j.claim(s)
	defer s.j.release(s)
	if s.out != o {
		return nil
	}
	return errors.Join(s.giveUp(cause), s.newFile())
}

// giveUp closes the file of a stream that is held without believing it, and
// makes the frames behind the durable ones unwritten again as far as memory
// has them. newFile reads the others from the file.
func (s *Stream) giveUp(cause error) error {
	j := s.j
	o := s.out
	_ = o.f.Close()
	j.mu.Lock()
	defer j.mu.Unlock()
	s.closedLocked(o)
	from := s.undurableLocked()
	for _, c := range s.chunks {
		if c.epoch != s.epoch || c.last < from {
			continue
		}
		c.written = 0
		for c.written < c.n && coveredSeq(c.buf[c.written:]) < from {
			c.written += frameSize(c.buf[c.written:])
		}
	}
	return fmt.Errorf("journal: sync %s: %w; the file is closed and what was not on the disk is written to a new one", o.seg.path, cause)
}

// undurableLocked is the first sequence of the epoch that is not on the disk.
func (s *Stream) undurableLocked() uint64 {
	if s.durable.Epoch == s.epoch && s.durable.Seq >= s.begunFirst {
		return s.durable.Seq + 1
	}
	return s.begunFirst
}

// closedLocked notes that a file is not written any more.
func (s *Stream) closedLocked(o *output) {
	o.seg.last.Store(o.written.Seq)
	o.seg.live.Store(false)
	s.out = nil
	s.stalled = true
}

// finish syncs and closes the file of a stream that is held. When that fails
// the frames not synced are unwritten again.
func (s *Stream) finish() error {
	j := s.j
	o := s.out
	if o == nil {
		return nil
	}
	j.mu.Lock()
	rests, written := o.restsLocked(), uint64(0)
	if !rests {
		written = s.syncingLocked()
	}
	j.mu.Unlock()
	if !rests {
		if err := o.f.Sync(); err != nil {
			return s.giveUp(err)
		}
		j.mu.Lock()
		s.syncedLocked(o, o.size, o.written)
		s.reachedLocked(written)
		j.mu.Unlock()
	}
	s.writeMark()
	_ = o.f.Close() // it is synced: nothing can be lost
	j.mu.Lock()
	s.closedLocked(o)
	// The file that took an epoch's number stays: an epoch without any file is
	// one whose files were removed.
	empty := !o.frames && len(epochSegments(s.segs, o.seg.epoch)) > 1
	if empty {
		s.segs = without(s.segs, o.seg)
	}
	j.mu.Unlock()
	if empty {
		// Nothing was ever in it.
		_ = j.fs.Remove(o.seg.path)
	}
	return nil
}

// finishAll writes, syncs and closes all files.
func (j *Journal) finishAll() error {
	var errs []error
	streams := j.Streams()
	slices.SortStableFunc(streams, func(a, b *Stream) int { // the room there is goes to the record of the trouble first
		return cmp.Compare(rank(a), rank(b))
	})
	for _, s := range streams {
		j.claim(s)
		err := s.flushHeld()
		if j.giveReserve(err) {
			err = s.flushHeld()
		}
		for range 2 {
			if ferr := s.finish(); ferr == nil || s.flushHeld() != nil {
				err = errors.Join(err, ferr)
				break
			}
		}
		j.mu.Lock()
		if left := s.next - s.undurableLocked(); err != nil && s.begun && left > 0 {
			err = fmt.Errorf("stream %q: %d frames are not on the disk: %w", s.name, left, err)
		}
		j.mu.Unlock()
		j.release(s)
		errs = append(errs, err)
	}
	_ = j.noteEnds(false, streams...) // a disk that is full may have taken all frames
	_ = j.noteAgain()
	return joined(errs)
}

// rank orders streams by what is written first when the disk is nearly full.
func rank(s *Stream) int {
	if s.name == gatewayStream {
		return 0
	}
	return 1
}

// renewStalled gives the streams that wait for it a new file. Those that the
// disk refused have their turn with the round only.
func (j *Journal) renewStalled(refused bool) error {
	var errs []error
	for _, s := range j.Streams() {
		j.mu.Lock()
		o := s.out
		due := s.stalled && s.unwrittenLocked() != nil && !j.starvedLocked(s)
		if j.trouble != nil && !refused {
			due = false
		}
		if due && o != nil && !o.broken && !j.fullLocked(o) {
			s.stalled = false // the disk was full: try the same file again
			j.wakeAppender()
			due = false
			errs = append(errs, j.trouble) // until the next round shows that it is over
		}
		j.mu.Unlock()
		if !due {
			continue
		}
		j.claim(s)
		errs = append(errs, s.newFile())
		j.release(s)
	}
	return joined(errs)
}

// fullLocked reports whether a file is long or old enough.
func (j *Journal) fullLocked(o *output) bool {
	return o.frames && (o.size >= j.o.SegmentBytes || j.o.Now().Sub(o.created) >= j.o.SegmentAge)
}

// joined is errors.Join that leaves a single error as it is.
func joined(errs []error) error {
	var some []error
	for _, err := range errs {
		if err != nil {
			some = append(some, err)
		}
	}
	if len(some) == 1 {
		return some[0]
	}
	return errors.Join(some...)
}
