package gateway

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// doubtsKept bounds how many frames are remembered that arrived damaged. When
// there are more, one is forgotten: it may be sent as it was once more.
const doubtsKept = 256

// errBad says that a session ended since a frame arrived damaged. The receiver
// comes back for it.
var errBad = errors.New("a frame arrived damaged at the receiver")

// doubts remembers which frames arrived damaged at which archive: until it has
// been sent what lies up to there, whatever is sent is checked. It may be used
// concurrently.
type doubts struct {
	mu    sync.Mutex
	last  map[doubtKey]journal.Position
	count map[protocol.ID]uint64 // frames that arrived damaged at an archive, since the start; as many archives as are known
}

type doubtKey struct {
	archive protocol.ID
	stream  uint32
}

func newDoubts() *doubts {
	return &doubts{last: map[doubtKey]journal.Position{}, count: map[protocol.ID]uint64{}}
}

func (d *doubts) add(k doubtKey, p journal.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count[k.archive]++
	for other := range d.last {
		if len(d.last) < doubtsKept {
			break
		}
		delete(d.last, other)
	}
	d.last[k] = p
}

// of is the frame that arrived damaged; false: none did.
func (d *doubts) of(k doubtKey) (journal.Position, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.last[k]
	return p, ok
}

// over notes that all up to p was sent well.
func (d *doubts) over(k doubtKey, p journal.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if last, ok := d.last[k]; ok && !behind(p, last) {
		delete(d.last, k)
	}
}

func (d *doubts) counted(archive protocol.ID) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count[archive]
}

// bad notes that a frame arrived damaged, and ends the session, as the receiver
// does. When it comes back it is sent the frame as it is in its file, or a hole.
func (s *session) bad(b *protocol.Bad) error {
	at := journal.Position{Epoch: b.Epoch, Seq: uint64(b.Seq)}
	s.mu.Lock()
	var f *feed
	sub := s.subs[b.Sub]
	if sub != nil {
		if i := slices.IndexFunc(sub.feeds, func(f *feed) bool { return f.stream.ID() == b.Stream && !f.refused }); i >= 0 && !behind(sub.feeds[i].sent, at) {
			f = sub.feeds[i]
		}
	}
	s.mu.Unlock()
	if f == nil {
		return refused("frame %d of epoch %d of stream %d is said to be bad, and was never sent", b.Seq, b.Epoch, b.Stream)
	}
	if sub.archive {
		s.server.doubts.add(doubtKey{s.peer.ID, b.Stream}, at)
	}
	here := "the frame is good in its file"
	if frames := s.server.fromFile(f.stream, at.Epoch, at.Seq, at.Seq); isHole(frames) {
		here = "the frame is damaged in its file: a hole is sent for it"
	}
	s.log.Warn().Str("stream", f.stream.Name()).Uint32("epoch", b.Epoch).Uint64("seq", uint64(b.Seq)).Str("detail", b.Detail).Str("here", here).
		Msg("a frame arrived damaged at the receiver")
	return errBad
}

func isHole(frame []byte) bool {
	h, err := protocol.ParseHeader(frame)
	return err != nil || h.Type == protocol.TypeHole
}

// doubt has a feed check what it sends, when a frame of it arrived damaged.
func (s *session) doubt(f *feed) {
	k := doubtKey{s.peer.ID, f.stream.ID()}
	p, ok := s.server.doubts.of(k)
	if !ok || !behind(f.sent, p) {
		return
	}
	f.doubt = &p
	f.check = func(frames []byte, end journal.Position) []byte {
		frames = s.server.whole(f.stream, f.sent, frames, end)
		if !behind(end, p) {
			f.doubt, f.check = nil, nil
			s.server.doubts.over(k, end)
		}
		return frames
	}
}

// whole returns frames of one epoch that follow after and go up to end, as they
// are when every checksum holds, otherwise from the first that does not as they
// are in their file: memory may be damaged where the disk is not.
func (v *server) whole(st *journal.Stream, after journal.Position, frames []byte, end journal.Position) []byte {
	next := uint64(1)
	if after.Epoch == end.Epoch {
		next = after.Seq + 1
	}
	for n := 0; n < len(frames); {
		h, payload, _, err := protocol.ParseFrame(frames[n:])
		if err != nil {
			good := slices.Clone(frames[:n])
			v.log.Error().Str("stream", st.Name()).Uint32("epoch", end.Epoch).Uint64("seq", next).Err(err).
				Msg("a frame is damaged in this computer's memory: it is sent as its file has it; test the memory")
			return append(good, v.fromFile(st, end.Epoch, next, end.Seq)...)
		}
		next = h.Seq + 1
		var hole protocol.Hole
		if h.Type == protocol.TypeHole && protocol.DecodeJSON(payload, &hole) == nil {
			next = uint64(hole.To) + 1
		}
		n += h.FrameLen()
	}
	return frames
}

// fromFile reads frames of an epoch from their files, not from memory. What is
// not there, or damaged, is a hole.
func (v *server) fromFile(st *journal.Stream, epoch uint32, from, to uint64) []byte {
	var out []byte
	folder, err := journal.OpenFolder(v.fs, v.journal.Dir())
	if err == nil {
		r := folder.ReaderFrom(st.Name(), journal.Position{Epoch: epoch, Seq: from - 1})
		defer r.Close()
		for err == nil && from <= to {
			var frames []byte
			if frames, err = r.Next(); err == nil {
				frames, from, err = upTo(frames, epoch, from, to)
				out = append(out, frames...)
			}
		}
	}
	out = v.damaged(out)
	if from > to {
		return out
	}
	hole, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHole, Stream: st.ID(), Epoch: epoch, Seq: from},
		&protocol.Hole{To: protocol.Uint64(to), Cause: protocol.CauseDamaged, By: v.name})
	if err != nil {
		v.log.Error().Err(err).Msg("a hole cannot be told")
	}
	return append(out, hole...)
}

// damaged gives holes of what this process wrote their cause: a file alone does
// not tell a bad sector at its end from one that was never written.
func (v *server) damaged(frames []byte) []byte {
	var out []byte
	for len(frames) > 0 {
		h, payload, rest, err := protocol.ParseFrame(frames)
		if err != nil {
			return append(out, frames...) // a reader checked them
		}
		frame := frames[:h.FrameLen()]
		frames = rest
		var hole protocol.Hole
		if h.Type == protocol.TypeHole && protocol.DecodeJSON(payload, &hole) == nil && hole.Cause == protocol.CauseUnsyncedTail {
			hole.Cause, hole.Detail = protocol.CauseDamaged, ""
			if made, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHole, Stream: h.Stream, Epoch: h.Epoch, Seq: h.Seq}, &hole); err == nil {
				frame = made
			}
		}
		out = append(out, frame...)
	}
	return out
}

// errElsewhere says that a reader has gone on to other frames.
var errElsewhere = errors.New("other frames")

// upTo cuts frames of an epoch that begin with sequence from behind sequence to,
// and returns what is next then.
func upTo(frames []byte, epoch uint32, from, to uint64) ([]byte, uint64, error) {
	for n := 0; n < len(frames) && from <= to; {
		h, payload, _, err := protocol.ParseFrame(frames[n:])
		if err == nil && (h.Epoch != epoch || h.Seq != from) {
			err = errElsewhere
		}
		last := h.Seq
		if err == nil && h.Type == protocol.TypeHole {
			var hole protocol.Hole
			err = protocol.DecodeJSON(payload, &hole)
			if last = uint64(hole.To); err == nil && last > to {
				err = fmt.Errorf("%w: a hole that goes further", errElsewhere)
			}
		}
		if err != nil {
			return frames[:n], from, err
		}
		n += h.FrameLen()
		if from = last + 1; from > to {
			return frames[:n], from, nil
		}
	}
	return frames, from, nil
}
