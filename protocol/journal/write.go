package journal

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"photongate/protocol"
)

// appender writes what is unwritten, stream after stream, for as long as there
// is something.
func (j *Journal) appender() {
	for {
		select {
		case <-j.work:
		case <-j.done:
			return
		}
		for from := 0; ; {
			s, at := j.claimWork(from)
			if s == nil {
				break
			}
			s.writePending(false)
			j.release(s)
			from = at + 1
		}
	}
}

// claimWork takes hold of the next stream, counted from one of them on, that
// has something to write.
func (j *Journal) claimWork(from int) (*Stream, int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := len(j.streams)
	for k := range n {
		i := (from + k) % n
		s := j.streams[i]
		if !s.busy && !s.stalled && !j.starvedLocked(s) && (s.unwrittenLocked() != nil || s.out != nil && s.out.markDue) {
			s.busy = true
			return s, i
		}
	}
	return nil, 0
}

// claim waits until nobody writes the stream's file, and takes hold of it.
func (j *Journal) claim(s *Stream) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for s.busy {
		j.space.Wait()
	}
	s.busy = true
}

// release gives a stream's file back.
func (j *Journal) release(s *Stream) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s.busy = false
	j.space.Broadcast()
	if s.unwrittenLocked() != nil && !s.stalled {
		j.wakeAppender()
	}
}

// unwrittenLocked is the oldest chunk that is not all in a file, nil when all
// are.
func (s *Stream) unwrittenLocked() *chunk {
	// From the end: as a rule only the last ones are unwritten.
	var c *chunk
	for i := len(s.chunks) - 1; i >= 0 && s.chunks[i].written < s.chunks[i].n; i-- {
		c = s.chunks[i]
	}
	return c
}

// writePending writes the marks and frames of a stream that is held. Where a
// new file is needed, or the disk refuses, the stream is left stalled, for the
// syncer. With whole it goes on until all is written; otherwise it ends after
// about a chunk, so that the other streams have their turn.
func (s *Stream) writePending(whole bool) {
	for s.writeMark() {
		data, last, ok := s.nextWrite()
		if !ok {
			return
		}
		n, err := s.out.f.Write(data)
		if err == nil && n < len(data) {
			err = io.ErrShortWrite
		}
		s.wrote(data, n, last, err)
		if err != nil || !whole {
			return
		}
	}
}

// nextWrite is what the file gets next: whole frames of one chunk, back to
// back, the last one beginning at last.
func (s *Stream) nextWrite() (data []byte, last int, ok bool) {
	j := s.j
	j.mu.Lock()
	defer j.mu.Unlock()
	c := s.unwrittenLocked()
	if c == nil || j.starvedLocked(s) {
		return nil, 0, false
	}
	room := j.o.SegmentBytes
	if s.out != nil {
		room -= s.out.size
	}
	if s.out == nil || s.out.broken || s.out.frames && (room <= 0 || j.o.Now().Sub(s.out.created) >= j.o.SegmentAge) {
		s.stalled = true
		j.wakeSyncer()
		return nil, 0, false
	}
	data = c.buf[c.written:c.n]
	n, last := cut(data, int(min(room, maxWrite)))
	return data[:n], last, true
}

// maxWrite is the most that is written at once unless a single frame is
// longer, in bytes.
const maxWrite = 1 << 20

// wrote notes that n bytes of data went into the file, the last frame of which
// begins at last, and what the disk said.
func (s *Stream) wrote(data []byte, n, last int, err error) {
	j := s.j
	torn := false
	if err != nil {
		whole := 0
		for whole < n && whole+frameSize(data[whole:]) <= n {
			last = whole
			whole += frameSize(data[whole:])
		}
		torn = whole < n
		data = data[:whole]
	}
	j.mu.Lock()
	o := s.out
	if len(data) > 0 {
		o.frames = true
		o.size += int64(len(data))
		h, perr := protocol.ParseHeader(data[last:])
		if perr != nil {
			panic(perr) // Append checked it
		}
		o.written = Position{Epoch: h.Epoch, Seq: coveredSeq(data[last:]), HeaderCRC: h.HeaderCRC}
		if h.Type == protocol.TypeHole {
			o.written.HeaderCRC = 0
		}
		o.seg.size.Store(o.size)
		s.unwrittenLocked().written += len(data)
		j.space.Broadcast()
	}
	if err != nil {
		// Behind a torn frame nothing is written; the frame goes whole into a
		// new file. A full disk that took nothing leaves the file as it was.
		o.broken = torn || !IsFull(err)
		s.stalled = true
	}
	j.mu.Unlock()
	if err != nil {
		j.setTrouble(fmt.Errorf("journal: write %s: %w", o.seg.path, err))
		if IsFull(err) {
			j.wakeSyncer() // it has the reserve
		}
	}
}

// IsFull reports whether the disk said that there is no room, or none for this
// user.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || isFullHere(err)
}

// writeMark writes the mark that is due, if one is. It reports false when the
// file takes no more.
func (s *Stream) writeMark() bool {
	j := s.j
	j.mu.Lock()
	o := s.out
	if o == nil || !o.markDue || o.broken {
		j.mu.Unlock()
		return true
	}
	m := o.mark
	o.markDue = false
	j.mu.Unlock()
	b := protocol.AppendMark(nil, m)
	n, err := o.f.Write(b)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil && n == len(b) {
		o.size += int64(n)
		o.seg.size.Store(o.size)
		return true
	}
	// A mark is no frame: without it nothing is lost.
	if n > 0 || !IsFull(err) {
		o.broken = true
	}
	return true
}
