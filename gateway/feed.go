package gateway

import (
	"fmt"
	"slices"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// viewLag is how long a view that had caught up may be behind before it is
// moved forward.
const viewLag = 2 * time.Second

// subscription is what a receiver asked for. Its credit and what was sent are
// guarded by session.mu; all else belongs to the sender once it was handed
// over.
type subscription struct {
	id       int
	archive  bool
	patterns []string
	to       *int64 // ends before the first frame that begins at or after this; nil: never
	finished bool
	feeds    []*feed

	credit int64 // bytes that may be sent; below 0 when overdrawn
}

// feed is one stream of a subscription.
type feed struct {
	stream  *journal.Stream
	closed  uint32 // its last epoch that another process wrote
	reader  *journal.Reader
	copies  [][]byte         // session frames to be sent first
	known   uint32           // epoch whose descriptor the receiver has, 0: none
	seek    *int64           // next-gate: nothing is sent before a reading that begins after this; nil: found
	caught  bool             // has been at the end once: a view may be moved forward from then on
	since   time.Time        // not at the end for so long; zero: at the end
	done    bool             // the subscription's to was reached
	refused bool             // nothing is sent: the cursor did not fit
	skipped uint64           // where it was moved forward to last, 0: never; guarded as sent is
	sent    journal.Position // all up to here was sent, or was there before
	acked   journal.Position
	doubt   *journal.Position                                // this one arrived damaged: what lies up to it is checked; nil: none
	check   func(frames []byte, end journal.Position) []byte // with doubt
	decoder protocol.CountsDecoder
	counts  protocol.Counts
}

// newFeed makes the feed of a stream that is to be sent from after start on,
// and the answer for the receiver.
func (v *server) newFeed(st *journal.Stream, s start) (*feed, protocol.SubscribedStream) {
	f := &feed{stream: st, seek: s.seek, closed: v.closed[st.ID()]}
	if s.atEnd {
		f.reader = st.ReaderAtEnd()
		s.after = f.reader.Position()
		f.caught = true
	} else {
		f.reader = st.Reader(s.after)
	}
	f.sent, f.acked = s.after, s.after
	epoch, seq := f.nextFrame(s.after)
	if seq > 1 {
		f.copyDescriptor(epoch)
	}
	if clock := v.clock(); s.atEnd && clock != nil && st.Name() == gatewayStream {
		f.addCopy(clock)
	}
	answer := protocol.SubscribedStream{
		Name: st.Name(), ID: st.ID(), Answer: s.answer, Epoch: epoch, Seq: protocol.Uint64(seq),
		Oldest: extent(st.Oldest()), Newest: extent(st.Newest()),
	}
	return f, answer
}

// refusedFeed is the answer to a cursor that nothing can be sent to.
func refusedFeed(st *journal.Stream, answer string) protocol.SubscribedStream {
	return protocol.SubscribedStream{Name: st.Name(), ID: st.ID(), Answer: answer, Oldest: extent(st.Oldest()), Newest: extent(st.Newest())}
}

func extent(p journal.Position, timeNs int64, ok bool) *protocol.Extent {
	if !ok {
		return nil
	}
	return &protocol.Extent{Epoch: p.Epoch, Seq: protocol.Uint64(p.Seq), TimeNs: protocol.Int64(timeNs)}
}

// nextFrame is the identity of the frame that follows a position: in the next
// epoch when that one is over.
func (f *feed) nextFrame(after journal.Position) (epoch uint32, seq uint64) {
	if after.Epoch == 0 {
		oldest, _, ok := f.stream.Oldest()
		if !ok {
			return 0, 0
		}
		return oldest.Epoch, oldest.Seq
	}
	last, _, found := f.stream.EpochEnd(after.Epoch)
	if found && after.Seq >= last && f.epochOver(after.Epoch) {
		return after.Epoch + 1, 1
	}
	return after.Epoch, after.Seq + 1
}

// epochOver reports whether nothing is appended to an epoch any more: it has
// its end, a later one has begun, or it is one of an earlier process.
func (f *feed) epochOver(epoch uint32) bool {
	_, clean, found := f.stream.EpochEnd(epoch)
	return found && clean || epoch < f.stream.Epoch() || epoch <= f.closed
}

// copyDescriptor has the descriptor of an epoch sent first. One of which no file
// is left cannot be sent.
func (f *feed) copyDescriptor(epoch uint32) {
	if frame, err := f.stream.Descriptor(epoch); err == nil {
		f.addCopy(frame)
		f.known = epoch
	}
}

func (f *feed) addCopy(frame []byte) {
	if c, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeCopy}, frame); err == nil {
		f.copies = append(f.copies, c)
	}
}

// next returns the next frames to be sent, at most limit bytes but at least
// one frame, and the last one's position; nil when there is nothing now. What
// it returns is valid until the next call.
func (f *feed) next(limit int, to *int64) ([]byte, journal.Position, error) {
	for !f.done {
		frames, err := f.reader.TryNext(limit)
		if err != nil {
			return nil, f.sent, fmt.Errorf("stream %s: %w", f.stream.Name(), err)
		}
		if len(frames) == 0 {
			f.caught = true
			break
		}
		end := f.reader.Position()
		if f.doubt != nil {
			frames = f.check(frames, end)
		}
		if f.seek != nil {
			frames = f.findGate(frames)
		}
		if to != nil {
			frames, end = f.cutAt(frames, end, *to)
		}
		if len(frames) > 0 {
			if end.Epoch != f.known && len(f.copies) == 0 && !beginsEpoch(frames) {
				f.copyDescriptor(end.Epoch) // the quota dropped the frame itself
			}
			f.known = end.Epoch
			return frames, end, nil
		}
	}
	return nil, f.sent, nil
}

// beginsEpoch reports whether the first of some frames is a descriptor.
func beginsEpoch(frames []byte) bool {
	h, err := protocol.ParseHeader(frames)
	return err == nil && h.Type == protocol.TypeDescriptor
}

// atEnd reports whether all there is was sent.
func (f *feed) atEnd() bool {
	last, have := f.stream.Last()
	return !have || !behind(f.reader.Position(), last)
}

// late reports whether a feed has been behind for too long, and notes since
// when it is.
func (f *feed) late() bool {
	if f.atEnd() {
		f.since = time.Time{}
		return false
	}
	if f.since.IsZero() {
		f.since = time.Now()
	}
	return time.Since(f.since) > viewLag
}

// findGate drops frames up to the first one that holds a reading which begins
// after f.seek. The descriptor of an epoch that begins meanwhile is kept as a
// copy.
func (f *feed) findGate(frames []byte) []byte {
	for len(frames) > 0 {
		h, payload, rest, err := protocol.ParseFrame(frames)
		if err != nil {
			return frames // the receiver sees what is wrong
		}
		switch h.Type {
		case protocol.TypeCounts:
			if f.decoder.Decode(h, payload, &f.counts) != nil || slices.Max(f.counts.Begin) > *f.seek {
				f.seek = nil
				return frames
			}
		case protocol.TypeTags:
			if h.Time > *f.seek { // all its tags are of after it
				f.seek = nil
				return frames
			}
		case protocol.TypeDescriptor:
			f.copies = nil
			f.addCopy(frames[:h.FrameLen()])
		}
		frames = rest
	}
	return nil
}

// cutAt drops the first frame that begins at or after to, and all behind it.
func (f *feed) cutAt(frames []byte, end journal.Position, to int64) ([]byte, journal.Position) {
	before := f.sent
	for n := 0; n < len(frames); {
		h, err := protocol.ParseHeader(frames[n:])
		if err != nil {
			break
		}
		if h.Time >= to && f.dated(h.Type) && !approximate(h, frames[n:]) {
			f.done = true
			return frames[:n], before
		}
		next := n + h.FrameLen()
		if h.Type.Numbered() {
			before = journal.Position{Epoch: h.Epoch, Seq: h.Seq, HeaderCRC: h.HeaderCRC}
		}
		var hole protocol.Hole
		if h.Type == protocol.TypeHole && protocol.DecodeJSON(frames[n+h.HeaderLen:next], &hole) == nil {
			before = journal.Position{Epoch: h.Epoch, Seq: uint64(hole.To)}
		}
		n = next
	}
	return frames, end
}

// dated reports whether frames of a type say by their time which readings may
// follow. Events, device clocks and ends bear the time at which they were
// written, and readings that began before that may follow them.
func (f *feed) dated(t protocol.Type) bool {
	switch t {
	case protocol.TypeEvent, protocol.TypeClock, protocol.TypeEnd:
		return f.stream.Name() == gatewayStream
	}
	return t.Numbered()
}

// approximate reports whether a frame is a gap whose begin is known by the clock of
// an earlier process only: by that of this one it may lie behind the reading that
// follows it.
func approximate(h protocol.Header, frame []byte) bool {
	var g protocol.Gap
	return h.Type == protocol.TypeGap && protocol.DecodeJSON(frame[h.HeaderLen:h.FrameLen()], &g) == nil && g.Approximate
}

// over reports whether nothing that begins before to can come any more: now is
// past it, the reader is at the end, and the epoch is over or the stream is
// the gateway's own, whose frames bear the time when they are written.
func (f *feed) over(to, now int64) bool {
	if f.done {
		return true
	}
	if now < to || !f.atEnd() {
		return false
	}
	last, have := f.stream.Last()
	f.done = f.stream.Name() == gatewayStream || !have || f.epochOver(last.Epoch)
	return f.done
}

// skip moves a view to the end and returns where that is and the frame that
// says so.
func (f *feed) skip(sub int) (journal.Position, []byte, error) {
	end := f.reader.SkipToEnd()
	f.since = time.Time{}
	epoch, seq := f.nextFrame(end)
	if epoch != f.known && seq > 1 {
		f.copyDescriptor(epoch)
	}
	frame, err := sessionJSON(nil, protocol.TypeSkip,
		&protocol.Skip{Sub: sub, Stream: f.stream.ID(), Epoch: epoch, Seq: protocol.Uint64(seq)})
	return end, frame, err
}

// has reports whether a stream is fed already.
func (sub *subscription) has(st *journal.Stream) bool {
	return slices.ContainsFunc(sub.feeds, func(f *feed) bool { return f.stream == st })
}

// matches reports whether a name fits one of the patterns: * is any
// characters, ? is one.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matchOne(p, name) })
}

func matchOne(pattern, name string) bool {
	star, mark, p, n := -1, 0, 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
