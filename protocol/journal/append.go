package journal

import (
	"fmt"
	"slices"

	"photongate/protocol"
)

// Append takes over a whole frame, copying it. The frame's header checks, its
// stream and epoch are the ones begun, and its sequence is at least NextSeq;
// where it is more, the frames between become a stored hole.
//
// Append does not wait for the disk. When the tail is full of frames that the
// disk has not taken, the frame is dropped and the error is [ErrTailFull]; its
// sequence is used, and the frames dropped become a hole `overrun` before the
// next one that fits. With Options.WaitWhenFull it waits for room instead, until
// [Journal.StopWaiting]; what is refused then uses no sequence.
//
// A hole frame that says nothing new is taken without effect; of one that
// overlaps what is there only the rest is stored.
func (s *Stream) Append(frame []byte) error {
	h, err := protocol.ParseHeader(frame)
	if err != nil {
		return fmt.Errorf("journal: stream %q: append: %w", s.name, err)
	}
	if h.FrameLen() != len(frame) || !h.Type.Stored() {
		return fmt.Errorf("journal: stream %q: append: %v frame of %d bytes in %d: %w", s.name, h.Type, h.FrameLen(), len(frame), protocol.ErrFormat)
	}
	to := h.Seq
	if h.Type == protocol.TypeHole {
		if to, err = holeEnd(h, frame[h.HeaderLen:]); err != nil {
			return fmt.Errorf("journal: stream %q: append: hole: %w", s.name, err)
		}
	}
	j := s.j
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := s.acceptsLocked(h); err != nil {
		return err
	}
	if h.Type == protocol.TypeHole {
		if to < s.next {
			return nil
		}
		if h.Seq < s.next {
			frame = s.restOfHole(frame[h.HeaderLen:])
			h.Seq = s.next
		}
	}
	return s.takeLocked(h, frame, to)
}

// acceptsLocked reports why a frame cannot be the next.
func (s *Stream) acceptsLocked(h protocol.Header) error {
	switch {
	case s.j.closing:
		return ErrClosed
	case !s.begun:
		return fmt.Errorf("journal: stream %q: append before Begin: %w", s.name, ErrOrder)
	case h.Stream != s.id || h.Epoch != s.epoch:
		return fmt.Errorf("journal: stream %q: append: frame of stream id %d, epoch %d, expected id %d, epoch %d: %w",
			s.name, h.Stream, h.Epoch, s.id, s.epoch, ErrOrder)
	case s.ended:
		return fmt.Errorf("journal: stream %q: append: frame %d after the end of epoch %d: %w", s.name, h.Seq, s.epoch, ErrOrder)
	case h.Type != protocol.TypeHole && h.Seq < s.next || h.Seq == 0 || h.Seq == 1<<64-1:
		return fmt.Errorf("journal: stream %q: append: frame %d of epoch %d, expected %d or later: %w", s.name, h.Seq, s.epoch, s.next, ErrOrder)
	}
	return nil
}

// restOfHole makes the part of a hole that begins with the next sequence.
func (s *Stream) restOfHole(payload []byte) []byte {
	var hole protocol.Hole
	if err := protocol.DecodeJSON(payload, &hole); err != nil {
		panic(err) // it was decoded before
	}
	return appendHole(nil, s.id, s.epoch, s.next, hole)
}

// takeLocked stores a frame that was accepted, together with a hole where frames
// before it are missing: both or none.
func (s *Stream) takeLocked(h protocol.Header, frame []byte, to uint64) error {
	first := h.Seq
	var lead []byte
	switch {
	case s.dropFrom > 0:
		first = s.dropFrom
		lead = s.holeBefore(first, h.Seq, protocol.CauseOverrun)
	case h.Seq > s.next:
		first = s.next
		lead = s.holeBefore(first, h.Seq, protocol.CauseNotHeld)
	}
	for !s.putLocked(lead, frame, first, to) {
		switch {
		case s.j.closing:
			return ErrClosed
		case !s.j.o.WaitWhenFull:
			s.dropFrom, s.next = first, to+1
			return ErrTailFull
		case s.j.hurried:
			return ErrTailFull
		}
		s.j.wakeAppender()
		s.j.space.Wait()
	}
	s.dropFrom = 0
	s.next = to + 1
	if h.Type != protocol.TypeHole {
		s.head, s.have = h, true
		s.rememberLocked(h, frame)
	}
	s.notifyLocked()
	s.j.wakeAppender()
	return nil
}

// flushDropsLocked stores the hole of frames dropped after which none came.
func (s *Stream) flushDropsLocked() {
	if s.dropFrom > 0 && s.putLocked(nil, s.holeBefore(s.dropFrom, s.next, protocol.CauseOverrun), s.dropFrom, s.next-1) {
		s.dropFrom = 0
		s.notifyLocked()
	}
}

// holeBefore makes the hole from one sequence to before another.
func (s *Stream) holeBefore(from, before uint64, cause string) []byte {
	return appendHole(nil, s.id, s.epoch, from, protocol.Hole{To: protocol.Uint64(before - 1), Cause: cause, By: s.j.o.By})
}

// rememberLocked keeps what preambles of later files have copies of.
func (s *Stream) rememberLocked(h protocol.Header, frame []byte) {
	switch h.Type {
	case protocol.TypeDescriptor:
		s.descriptor = slices.Clone(frame)
	case protocol.TypeClock:
		if s.name == gatewayStream {
			s.j.clock = append(s.j.clock[:0], frame...)
		}
	case protocol.TypeEnd:
		s.ended = true
	}
}

// putLocked puts a frame, behind the frame lead if there is one, into the tail
// if there is room. They cover the sequences first to last.
func (s *Stream) putLocked(lead, frame []byte, first, last uint64) bool {
	size := len(lead) + len(frame)
	var c *chunk
	if n := len(s.chunks); n > 0 {
		c = s.chunks[n-1]
	}
	if c == nil || c.epoch != s.epoch || c.n+size > len(c.buf) {
		if c = s.j.tail.grow(s, size); c == nil {
			return false
		}
		c.first = first
	}
	c.n += copy(c.buf[c.n:], lead)
	c.n += copy(c.buf[c.n:], frame)
	c.last = last
	s.appended += uint64(size)
	s.unsynced.took(s.j.o.Now)
	return true
}

// wakeAppender tells the appender that there is something to do.
func (j *Journal) wakeAppender() {
	select {
	case j.work <- struct{}{}:
	default:
	}
}
