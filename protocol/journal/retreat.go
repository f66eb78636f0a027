package journal

import "photongate/protocol"

// retreat goes back to where a power cut tore the first frame out of the tail,
// so that an archive asks for it again: whoever sent it may still have it. What
// stands behind it stays, and comes again.
func (s *Stream) retreat() {
	segs := epochSegments(s.segs, s.epoch)
	if len(segs) == 0 {
		return
	}
	m := newMerge(s.j.fs, s.j.o.By, s.id, s.epoch, s.afterMark(segs[len(segs)-1]))
	m.segs, m.ended = segs, true
	defer m.close()
	for m.want < s.next {
		p, ok := m.next(maxWrite, s.next)
		if !ok {
			return
		}
		if p.made && p.cause == protocol.CauseUnsyncedTail {
			s.next = p.from
			s.cutOff()
			return
		}
	}
}

// cutOff leaves out what lies behind s.next.
func (s *Stream) cutOff() {
	s.ended, s.have, s.head, s.lastTime = false, false, protocol.Header{}, lastTime{}
	on := Position{Epoch: s.epoch, Seq: min(s.durable.Seq, s.next-1)}
	s.durable = Position{}
	s.findNumbered(s.epoch, s.next)
	if !s.have {
		s.findLast(epochBefore(s.segs, s.epoch))
	}
	if on.Seq > 0 {
		if s.durable = on; s.head.Epoch == s.epoch && s.head.Seq == on.Seq {
			s.durable.HeaderCRC = s.head.HeaderCRC
		}
	}
}

// afterMark is the first sequence of a file that its last mark does not speak of.
func (s *Stream) afterMark(seg *segment) uint64 {
	f, err := s.j.fs.Open(seg.path)
	if err != nil {
		return seg.first
	}
	defer f.Close()
	if mark, _, ok := lastMark(f, seg.size.Load()); ok {
		return max(seg.first, mark.LastSeq+1)
	}
	return seg.first
}
