package gateway

import (
	"fmt"
	"sort"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// start is where the sending of one stream begins.
type start struct {
	answer string           // one of protocol's Answer words
	after  journal.Position // the frame before the first one to be sent
	atEnd  bool             // with the next frame appended, instead of after
	seek   *int64           // and of these with the first that holds a reading which begins after this
}

// startOf finds where a subscription begins in a stream. now is the time base
// at the subscription; closed is the stream's last epoch of an earlier process.
func startOf(st *journal.Stream, closed uint32, req *protocol.Subscribe, now int64) (start, error) {
	switch req.From {
	case protocol.FromNow:
		return start{answer: protocol.AnswerStart, atEnd: true}, nil
	case protocol.FromNextGate:
		s := start{answer: protocol.AnswerStart, atEnd: true}
		if st.Name() != gatewayStream {
			s.seek = &now
		}
		return s, nil
	case protocol.FromOldest:
		return start{answer: protocol.AnswerStart}, nil
	case protocol.FromTime:
		after, err := beforeTime(st, int64(*req.TimeNs))
		return start{answer: protocol.AnswerStart, after: after}, err
	}
	for _, c := range req.Cursors {
		if c.Stream == st.Name() {
			return atCursor(st, closed, c)
		}
	}
	return start{answer: protocol.AnswerStart, atEnd: req.Rest != protocol.FromOldest}, nil
}

// atCursor compares what the receiver holds with what is here.
func atCursor(st *journal.Stream, closed uint32, c protocol.Cursor) (start, error) {
	after := journal.Position{Epoch: c.Epoch, Seq: uint64(c.Seq), HeaderCRC: uint32(c.CRC)}
	if c.Epoch == 0 || c.Epoch > st.Epoch() {
		return start{answer: protocol.AnswerUnknownJournal}, nil
	}
	h, found, err := st.Lookup(after.Epoch, after.Seq)
	if err != nil {
		return start{}, fmt.Errorf("look up a cursor: %w", err)
	}
	if found {
		if h.HeaderCRC != after.HeaderCRC {
			return start{answer: protocol.AnswerDiverged}, nil
		}
		return start{answer: protocol.AnswerResumed, after: after}, nil
	}
	switch last, _, found := st.EpochEnd(after.Epoch); {
	case found && last < after.Seq && after.Epoch == st.Epoch() && after.Epoch > closed:
		// The epoch goes on here, and with numbers that the receiver has used.
		return start{answer: protocol.AnswerDiverged}, nil
	case found && last < after.Seq:
		return start{answer: protocol.AnswerAhead, after: after}, nil
	}
	if _, follows, err := st.Lookup(after.Epoch, after.Seq+1); err == nil && follows {
		return start{answer: protocol.AnswerResumed, after: after}, nil
	}
	return start{answer: protocol.AnswerHole, after: after}, nil
}

// beforeTime finds the frame before the one that holds a moment of the time
// base: of all frames that begin at or before it the last.
func beforeTime(st *journal.Stream, timeNs int64) (journal.Position, error) {
	oldest, oldestNs, ok := st.Oldest()
	if !ok || timeNs <= oldestNs {
		return journal.Position{}, nil
	}
	newest, _, _ := st.Newest()
	for epoch := newest.Epoch; epoch >= oldest.Epoch; epoch-- {
		last, _, found := st.EpochEnd(epoch)
		if !found || last == 0 {
			continue
		}
		first := uint64(1)
		if epoch == oldest.Epoch {
			first = oldest.Seq
		}
		h, held, err := st.Lookup(epoch, first)
		if err != nil {
			return journal.Position{}, err
		}
		if held && h.Time > timeNs {
			continue
		}
		seq := lastCounts(st, epoch, first, first+searchTime(st, epoch, first, last, timeNs))
		return journal.Position{Epoch: epoch, Seq: seq - 1}, nil
	}
	return journal.Position{}, nil
}

// searchTime finds, among the frames first..last of an epoch, how far behind
// first the last one stands that begins at or before a moment. A frame that is
// not held counts as one that does.
func searchTime(st *journal.Stream, epoch uint32, first, last uint64, timeNs int64) uint64 {
	span := int(min(last-first+1, 1<<31-1))
	later := sort.Search(span, func(i int) bool {
		h, held, err := st.Lookup(epoch, first+uint64(i))
		return err == nil && held && h.Time > timeNs
	})
	return uint64(max(later-1, 0))
}

// lookBack is how many frames without readings may stand in a row for
// lastCounts to pass them.
const lookBack = 16

// lastCounts is the sequence of the last frame with readings up to seq, or seq
// itself when there is none near: what stands between readings bears the time at
// which it was written, and the reading before it may last longer.
func lastCounts(st *journal.Stream, epoch uint32, first, seq uint64) uint64 {
	for s := seq; s >= first && seq-s < lookBack; s-- {
		if h, held, err := st.Lookup(epoch, s); err == nil && held && (h.Type == protocol.TypeCounts || h.Type == protocol.TypeTags) {
			return s
		}
	}
	return seq
}
