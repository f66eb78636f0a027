package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
)

const (
	// ackEvery is how often a session looks for what the disk has synced.
	ackEvery = 200 * time.Millisecond
	// noteClocksEvery is how often a comparison of clocks is noted in a session.
	noteClocksEvery = 10 * time.Minute
)

// serve records over one session until it ends: a reader that never waits, one
// goroutine each for heartbeats and acks, and this one, which stores and may be
// held up by the disk. All have ended when it returns.
func (r *recorder) serve(ctx context.Context, s *session) error {
	q := newFrameQueue()
	acks := newAckBook(r.store.asked())
	watch := newDiskWatch(r, s, acks)
	beatCtx, stopBeats := context.WithCancel(context.Background())
	defer stopBeats()
	reading, ended := context.WithCancel(ctx)
	defer ended()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.conn.Close()
	wg.Go(func() { s.beat(beatCtx) })
	wg.Go(func() { r.keepAcking(beatCtx, s, acks) })
	wg.Go(func() { watch.run(beatCtx) })
	wg.Go(func() {
		q.end(s.read(&sorter{q, watch.replies}))
		ended()
	})
	defer context.AfterFunc(ctx, s.stopReading)()
	defer context.AfterFunc(ctx, r.store.journal.StopWaiting)()

	err := r.storeAll(reading, s, q, watch)
	if _, full := errors.AsType[*diskTrouble](err); full && ctx.Err() == nil && reading.Err() != nil {
		err = q.why() // the session was lost while the disk took nothing
	}
	inOrder := errors.Is(err, errDone) || ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded)
	s.stopReading()
	if leave := r.leave(s, acks, inOrder); leave != nil {
		r.log.Warn().Err(leave).Msg("the last ack did not reach the gateway; it will send the end again")
	}
	stopBeats()
	return err
}

// storeAll takes frames from the queue until the session or the run ends.
// While the disk takes nothing it waits, for as long as the session is read.
func (r *recorder) storeAll(reading context.Context, s *session, q *frameQueue, watch *diskWatch) error {
	var frames []byte
	for {
		takeCtx, cancel := r.untilOverdue()
		taken, err := q.take(takeCtx, frames)
		cancel()
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrUnreachable) {
				r.board.incomplete("the run is over, but %s did not say so", r.hostPort)
				return errDone
			}
			return err
		}
		frames = taken
		used, err := r.storeFrames(reading, s, frames, watch)
		if err != nil {
			return err
		}
		if used > 0 && !r.enough() {
			// When it cannot be sent, the reader finds out why.
			_ = s.send(protocol.TypeCredit, &protocol.Credit{Sub: 1, Bytes: protocol.Uint64(used)})
		}
		if r.enough() {
			return errDone
		}
	}
}

// untilOverdue bounds the wait for the next frame of a run for a time. The end
// of the recording does not end it: what has arrived is stored first.
func (r *recorder) untilOverdue() (context.Context, context.CancelFunc) {
	if r.deadline.IsZero() {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), max(0, time.Until(r.deadline))+grace)
}

// storeFrames handles whole frames, back to back, that passed their checks. It
// returns how many bytes of credit they used.
func (r *recorder) storeFrames(reading context.Context, s *session, frames []byte, watch *diskWatch) (credit int, err error) {
	for len(frames) > 0 {
		h, err := protocol.ParseHeader(frames)
		if err != nil {
			return credit, err
		}
		frame := frames[:h.FrameLen()]
		frames = frames[h.FrameLen():]
		payload := frame[h.HeaderLen:]
		if h.Type.Stored() {
			credit += len(frame)
			err := watch.insist(reading, func() error { return r.storeFrame(s, h, frame, watch.acks) })
			if err != nil {
				return credit, err
			}
			continue
		}
		if h.Type == protocol.TypeCopy {
			credit += len(frame)
		}
		if err := r.message(reading, s, h, payload, watch); err != nil {
			return credit, err
		}
	}
	return credit, nil
}

func (r *recorder) storeFrame(s *session, h protocol.Header, frame []byte, acks *ackBook) error {
	stored, err := r.store.put(h, frame)
	switch {
	case errors.Is(err, protocol.ErrFormat):
		return s.refuse(err)
	case err != nil:
		return onDisk(err)
	}
	stream := r.store.targets[h.Stream].stream
	if err := acks.came(stream, h, frame[h.HeaderLen:]); err != nil || !stored {
		return err
	}
	r.seen[stream.Name()] = true
	r.board.stored(streamKey{r.store.journal.Gateway(), stream.Name()}, h, frame[h.HeaderLen:], s.clock)
	return nil
}

// message handles what a gateway says of a subscription.
func (r *recorder) message(reading context.Context, s *session, h protocol.Header, payload []byte, watch *diskWatch) error {
	switch h.Type {
	case protocol.TypeSubscribed:
		var m protocol.Subscribed
		if err := protocol.DecodeJSON(payload, &m); err != nil {
			return s.refuse(err)
		}
		return r.subscribed(reading, s, &m, watch)
	case protocol.TypeCopy:
		inner, _, rest, err := protocol.ParseFrame(payload)
		if err != nil || len(rest) > 0 {
			return s.refuse(fmt.Errorf("%w: a copy that is no frame", protocol.ErrFormat))
		}
		r.store.context(inner, payload)
		r.board.context(streamKey{r.store.journal.Gateway(), r.store.nameOf(inner.Stream)}, inner, payload[inner.HeaderLen:])
	case protocol.TypeFinished:
		return errDone
	}
	return nil
}

// subscribed takes the answer for each stream.
func (r *recorder) subscribed(reading context.Context, s *session, m *protocol.Subscribed, watch *diskWatch) error {
	if err := checkAnswer(m); err != nil {
		return s.refuse(err)
	}
	if m.Sub == listSub {
		r.listed(m)
		return nil
	}
	if err := r.askForNames(s, m); err != nil {
		return err
	}
	r.named = true
	for _, a := range m.Streams {
		if a.Answer == protocol.AnswerDiverged || a.Answer == protocol.AnswerUnknownJournal {
			return fmt.Errorf("%w: stream %s: the gateway answers %q", errDiverged, a.Name, a.Answer)
		}
		var t *target
		err := watch.insist(reading, func() (err error) {
			if t, err = r.store.target(a.Name, a.ID); err != nil && !errors.Is(err, journal.ErrOther) {
				err = onDisk(err)
			}
			return err
		})
		if errors.Is(err, journal.ErrOther) {
			return fmt.Errorf("%w: stream %s: %w", errDiverged, a.Name, err)
		}
		if err != nil {
			return err
		}
		t.start = a.Answer == protocol.AnswerStart
		key := streamKey{r.store.journal.Gateway(), a.Name}
		r.board.add(key, r.hostPort, r.path, t.start)
		if c := a.Confirmed; c != nil {
			r.log.Warn().Str("stream", a.Name).Msg(fmt.Sprintf("the archive ends before what it had confirmed to the gateway: that was up to frame %d of part %d, and it goes on with frame %d of part %d; what lies between was cut off or removed here, and is fetched again as far as the gateway has it", c.Seq, c.Epoch, a.Seq, a.Epoch))
		}
		switch a.Answer {
		case protocol.AnswerAhead:
			r.log.Warn().Str("stream", a.Name).Msg("the archive holds more of this part than the gateway, which lost what it had not yet synced; the archive keeps it, and recording goes on with the next part")
			continue
		case protocol.AnswerHole:
			r.log.Warn().Str("stream", a.Name).Msg("the gateway does not hold what follows the archive's last frame; a hole says what is lacking")
			continue
		}
		line := r.log.Info().Str("stream", a.Name)
		if !r.o.run() || r.o.Resume {
			line = t.note(line, a)
		}
		line.Msg(map[bool]string{true: "recording begins", false: "recording goes on"}[a.Answer == protocol.AnswerStart])
	}
	r.missed(m.Streams)
	r.announce(m.Streams, r.manner())
	r.board.setConnected(r.hostPort, true)
	return nil
}

// checkAnswer checks the names and numbers of streams: names become folders.
func checkAnswer(m *protocol.Subscribed) error {
	named := map[uint32]string{}
	for _, a := range m.Streams {
		if err := protocol.CheckName(a.Name); err != nil {
			return fmt.Errorf("a stream of the answer: %w", err)
		}
		if other := named[a.ID]; a.ID == 0 || other != "" {
			return fmt.Errorf("%w: stream %s has the number %d, which is none or that of %q", protocol.ErrFormat, a.Name, a.ID, other)
		}
		named[a.ID] = a.Name
	}
	return nil
}

// listSub is the subscription that is made for the names in its answer alone:
// without credit no frame follows.
const listSub = 2

// askForNames asks which streams there are, when none fits what was asked for.
func (r *recorder) askForNames(s *session, m *protocol.Subscribed) error {
	aimed := patternsFor(r.o.Streams, s.hello.Name)
	fits := func(a protocol.SubscribedStream) bool { return matches(aimed, s.hello.Name, a.Name) }
	if len(r.o.Streams) == 0 || len(aimed) == 0 || slices.ContainsFunc(m.Streams, fits) {
		r.fits = true
	}
	if r.fits {
		return nil
	}
	ask := &protocol.Subscribe{Sub: listSub, Kind: protocol.SubscribeView, Streams: []string{"*"}, From: protocol.FromNow}
	if err := s.send(protocol.TypeSubscribe, ask); err != nil {
		return explainLost(r.hostPort, err)
	}
	return nil
}

// listed notes which streams there are.
func (r *recorder) listed(m *protocol.Subscribed) {
	r.streams = r.streams[:0]
	for _, a := range m.Streams {
		if a.Name != gatewayStream {
			r.streams = append(r.streams, a.Name)
		}
	}
	r.log.Warn().Msg(r.misfit() + "; recording begins when one appears")
}

// manner says in words where a recording begins.
func (r *recorder) manner() string {
	switch {
	case r.o.run() && !r.o.Resume:
		return "from now on"
	case len(r.store.cursors(nil)) == 0:
		return "beginning with the oldest that the gateway holds"
	}
	return "resuming where the archive ends"
}

// note adds to a log line where a stream is taken up: what the gateway holds,
// and how far behind it the archive is.
func (t *target) note(log *zerolog.Event, a protocol.SubscribedStream) *zerolog.Event {
	if a.Epoch > 0 {
		log = log.Uint32("part", a.Epoch)
	}
	if a.Oldest == nil || a.Newest == nil {
		return log
	}
	from := int64(a.Oldest.TimeNs)
	if _, at, ok := t.stream.Newest(); ok && a.Answer != protocol.AnswerStart {
		from = at
	} else {
		log = log.Str("gateway_holds_since", time.Unix(0, from).UTC().Format(time.RFC3339))
	}
	if behind := time.Duration(int64(a.Newest.TimeNs) - from).Round(time.Second); behind > 0 {
		log = log.Stringer("behind", behind)
	}
	return log
}

// enough reports whether a run for a number of readings is at its end.
func (r *recorder) enough() bool {
	return r.o.Readings > 0 && r.board.allHave(r.store.journal.Gateway(), r.o.Readings)
}

// leave syncs what was stored. When the session ends in good order, it acks for
// the last time and says goodbye.
func (r *recorder) leave(s *session, acks *ackBook, inOrder bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := r.store.journal.Sync(ctx); err != nil {
		return err
	}
	if !inOrder {
		return nil
	}
	if err := s.ack(acks); err != nil {
		return err
	}
	if err := s.send(protocol.TypeBye, &protocol.Bye{Reason: "recording ends"}); err != nil {
		return err
	}
	s.drain()
	return nil
}

// drain reads until the gateway closes: closing with bytes unread would throw
// away what it has not yet read of ours.
func (s *session) drain() {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // a connection that is gone is drained
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.Copy(io.Discard, s.conn) // its end is all that is waited for
}

// nameOf is the name of a stream the gateway announced.
func (s *store) nameOf(id uint32) string {
	if t := s.targets[id]; t != nil {
		return t.stream.Name()
	}
	return ""
}

// ackBook knows of which streams a session has brought frames, up to where, and
// what was acked. It may be used concurrently.
type ackBook struct {
	mu      sync.Mutex
	floor   map[uint32]journal.Position // what lies up to here the session did not bring
	brought map[uint32]journal.Position // what lies behind this neither
	sent    map[uint32]journal.Position // acked last
	streams map[uint32]*journal.Stream  // of which the session brought frames
}

// newAckBook is that of a session that was asked for what lies behind cursors.
func newAckBook(cursors map[uint32]journal.Position) *ackBook {
	return &ackBook{floor: cursors, brought: map[uint32]journal.Position{}, sent: map[uint32]journal.Position{}, streams: map[uint32]*journal.Stream{}}
}

// came notes a frame that the archive holds now, or held before.
func (b *ackBook) came(s *journal.Stream, h protocol.Header, payload []byte) error {
	last := journal.Position{Epoch: h.Epoch, Seq: h.Seq}
	if h.Type == protocol.TypeHole {
		var hole protocol.Hole
		if err := protocol.DecodeJSON(payload, &hole); err != nil {
			return err
		}
		last.Seq = uint64(hole.To)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if after(last, b.brought[s.ID()]) {
		b.brought[s.ID()] = last
	}
	if b.streams[s.ID()] != nil {
		return nil
	}
	b.streams[s.ID()] = s
	if before := (journal.Position{Epoch: h.Epoch, Seq: h.Seq - 1}); after(before, b.floor[s.ID()]) {
		b.floor[s.ID()] = before
	}
	return nil
}

// due returns what is synced and was not acked yet. It never acks what this
// session did not send.
func (b *ackBook) due() []protocol.AckStream {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []protocol.AckStream
	for id, s := range b.streams {
		at := s.Durable()
		if brought := b.brought[id]; after(at, brought) {
			at = brought
		}
		if after(at, b.floor[id]) && after(at, b.sent[id]) {
			b.sent[id] = at
			due = append(due, protocol.AckStream{ID: id, Epoch: at.Epoch, Seq: protocol.Uint64(at.Seq)})
		}
	}
	return due
}

func after(a, b journal.Position) bool {
	return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Seq > b.Seq
}

func (s *session) ack(acks *ackBook) error {
	due := acks.due()
	if len(due) == 0 {
		return nil
	}
	return s.send(protocol.TypeAck, &protocol.Ack{Sub: 1, Streams: due})
}

// keepAcking acks what the disk has synced, and notes comparisons of clocks,
// until ctx ends or sending fails.
func (r *recorder) keepAcking(ctx context.Context, s *session, acks *ackBook) {
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	var noted time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s.ack(acks) != nil {
			return
		}
		if _, onDisk := r.dir.fs.(journal.OS); !onDisk || time.Since(noted) < noteClocksEvery {
			continue
		}
		if c, ok := s.clock.latest(); ok {
			noted = time.Now()
			if err := appendClockFile(r.store.journal.Dir(), s.hello.Base, c); err != nil {
				r.log.Warn().Err(err).Msg("the comparison of clocks is not noted")
			}
		}
	}
}
