package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// Bounds of a session.
const (
	maxSubscriptions = 64
	maxCredit        = 1 << 40
)

// errBye says that the receiver ended the session in good order.
var errBye = errors.New("the receiver said goodbye")

// session serves one receiver: a goroutine reads what it says, another one
// sends, a third one answers its requests. The end of one of the first two is the end of all; the
// journal keeps the data.
type session struct {
	server *server
	link   *link
	frames *protocol.FrameReader
	peer   protocol.Hello
	rights []string // protocol.RightRead and others; granted in the opening
	asker  *asker   // as whom it makes requests
	since  time.Time
	log    zerolog.Logger
	ctx    context.Context
	end    context.CancelCauseFunc
	wake   chan struct{} // holds one token when the sender should look

	mu       sync.Mutex
	answers  [][]byte        // to be sent; at most one for each subscription
	fresh    []*subscription // to be taken over by the sender
	subs     map[int]*subscription
	echo     *protocol.Echo // of the receiver's last heartbeat, not yet returned
	draining bool           // say goodbye when the archive has all
	atOnce   bool           // or at once
	archive  bool
	behind   int64
	trouble  string // what keeps the archive from taking frames, as it says
	shown    bool   // it was logged: it subscribed to something

	requests chan *protocol.Request // not answered yet
	replies  [][]byte               // to be sent
	waiting  int                    // requests whose reply the sender has not taken yet

	pending int           // bytes of answers and replies
	room    chan struct{} // closed, and made anew, when the sender takes them
	held    atomic.Int64  // of server.budget
}

func (v *server) newSession(ctx context.Context, l *link, frames *protocol.FrameReader, peer protocol.Hello, rights []string) *session {
	s := &session{
		server: v, link: l, frames: frames, peer: peer, rights: rights, since: time.Now(), wake: make(chan struct{}, 1), subs: map[int]*subscription{},
		asker: askerAt(l.conn.RemoteAddr(), peer.Name, rights), requests: make(chan *protocol.Request, maxWaiting), room: make(chan struct{}),
		log: v.log.With().Str("session", peer.Name).Str("address", l.conn.RemoteAddr().String()).Logger(),
	}
	s.ctx, s.end = context.WithCancelCause(ctx)
	return s
}

// run serves until either side ends it.
func (s *session) run() {
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		s.end(s.read())
	}()
	answering := make(chan struct{})
	go func() {
		defer close(answering)
		s.answerAll()
	}()
	s.end(s.newSender().run())
	err := context.Cause(s.ctx)
	s.link.farewell(lastWords(err, 0), errors.Is(err, errDrained))
	<-reading
	<-answering
	s.closeFeeds()
	s.logEnd(err)
}

// complete reports whether the archive has all that it asked for, up to an end.
// It is for when the session has ended.
func (s *session) complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		if sub.archive && !sub.finished {
			return false
		}
		for _, f := range sub.feeds {
			if sub.archive && !f.refused && behind(f.acked, f.sent) {
				return false
			}
		}
	}
	return s.archive
}

func (s *session) closeFeeds() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		for _, f := range sub.feeds {
			f.reader.Close()
		}
	}
}

func (s *session) logEnd(err error) {
	var refusal protocol.Refusal
	s.mu.Lock()
	level := zerolog.DebugLevel // a question, as of photongate status
	if s.shown {
		level = zerolog.InfoLevel
	}
	s.mu.Unlock()
	switch {
	case errors.Is(err, errBye), errors.Is(err, errDrained), errors.Is(err, errBad), errors.Is(err, context.Canceled):
		s.log.WithLevel(level).Msg("receiver disconnected")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.log.WithLevel(level).Msg("receiver went away")
	case errors.As(err, &refusal):
		s.server.refusal(s.link.conn.RemoteAddr(), err)
	default:
		s.log.Warn().Err(err).Msg("session ended")
	}
}

// drain has the session say goodbye: at once, or when the archive has all.
func (s *session) drain(atOnce bool) {
	s.mu.Lock()
	s.draining, s.atOnce = true, atOnce
	s.mu.Unlock()
	s.poke()
}

// poke wakes the sender.
func (s *session) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// asksOnly reports whether the session has subscribed to nothing.
func (s *session) asksOnly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.subs) == 0
}

func (s *session) status() protocol.SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return protocol.SessionInfo{
		Name: s.peer.Name, Address: s.link.conn.RemoteAddr().String(), Since: s.since, TLS: s.link.seal != nil, Rights: s.rights,
		Archive: s.archive, Behind: protocol.Int64(s.behind), Forward: s.link.dialled,
	}
}

// read takes the receiver's requests until the connection ends or one is
// refused.
func (s *session) read() error {
	for {
		h, frame, err := s.frames.Next()
		if err != nil {
			return badInput(err)
		}
		if err := s.request(h, frame[h.HeaderLen:]); err != nil {
			return err
		}
	}
}

func (s *session) request(h protocol.Header, payload []byte) error {
	switch h.Type {
	case protocol.TypeSubscribe:
		return with(h, payload, s.subscribe)
	case protocol.TypeCredit:
		return with(h, payload, s.credit)
	case protocol.TypeAck:
		return with(h, payload, s.ack)
	case protocol.TypeHeartbeat:
		return with(h, payload, s.heartbeat)
	case protocol.TypeBad:
		return with(h, payload, s.bad)
	case protocol.TypeRequest:
		return with(h, payload, s.ask)
	case protocol.TypeBye:
		return errBye
	case protocol.TypeRefuse:
		return refusedBy(payload)
	}
	if h.Type.Session() && !h.Critical && !h.Type.Known() {
		return nil // of a later version, and said to be of no matter
	}
	return refused("a receiver does not send %v", h.Type)
}

// with decodes a request and passes it on.
func with[T any](h protocol.Header, payload []byte, do func(*T) error) error {
	v := new(T)
	if err := protocol.DecodeJSON(payload, v); err != nil {
		return refused("%v: %v", h.Type, err)
	}
	return do(v)
}

// subscribe starts a subscription.
func (s *session) subscribe(req *protocol.Subscribe) error {
	if err := s.checkSubscribe(req); err != nil {
		return err
	}
	sub := &subscription{
		id: req.Sub, archive: req.Kind == protocol.SubscribeArchive, patterns: slices.Clone(req.Streams),
		to: (*int64)(req.ToNs), credit: int64(min(req.Credit, maxCredit)),
	}
	if sub.archive {
		sub.patterns = append(sub.patterns, gatewayStream)
		if err := s.server.claim(s, req.TakeOver); err != nil {
			return err
		}
	}
	now := s.server.base.now()
	answer := protocol.Subscribed{Sub: sub.id}
	begins := map[string]start{}
	streams := slices.DeleteFunc(s.server.journal.Streams(), func(st *journal.Stream) bool { return !matches(sub.patterns, st.Name()) })
	if err := s.charge(len(streams), fmt.Sprintf("a subscription of %d streams", len(streams))); err != nil {
		return err
	}
	if err := s.awaitRoom(s.lookAlive); err != nil {
		return err
	}
	for _, st := range streams {
		at, err := startOf(st, s.server.closed[st.ID()], req, now)
		if err != nil {
			return fmt.Errorf("stream %s: %w", st.Name(), err)
		}
		if at.answer == protocol.AnswerDiverged || at.answer == protocol.AnswerUnknownJournal {
			answer.Streams = append(answer.Streams, refusedFeed(st, at.answer))
			sub.feeds = append(sub.feeds, &feed{stream: st, reader: st.Reader(at.after), done: true, refused: true})
			continue
		}
		f, a := s.server.newFeed(st, at)
		if sub.archive {
			s.doubt(f)
		}
		sub.feeds = append(sub.feeds, f)
		answer.Streams = append(answer.Streams, a)
		begins[st.Name()] = start{answer: at.answer, after: f.sent}
	}
	if sub.archive {
		s.tellCut(&answer, s.server.archives.begins(s.peer.ID, sub.patterns, begins, !s.archive))
	}
	frame, err := sessionJSON(nil, protocol.TypeSubscribed, &answer)
	if err != nil {
		return err
	}
	s.show()
	s.log.Info().Int("sub", sub.id).Str("kind", req.Kind).Str("from", req.From).Int("streams", len(sub.feeds)).Msg("subscribed")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[sub.id] = sub
	s.pending += len(frame)
	s.answers, s.fresh = append(s.answers, frame), append(s.fresh, sub) // together: the answer comes first
	s.archive = s.archive || sub.archive
	s.poke()
	return nil
}

// tellCut tells of an archive that ends before what it had confirmed: here, in the
// record, and to itself in the answer.
func (s *session) tellCut(answer *protocol.Subscribed, had map[string]acked) {
	for i := range answer.Streams {
		a := &answer.Streams[i]
		at, ok := had[a.Name]
		if !ok {
			continue
		}
		a.Confirmed = &protocol.FramePlace{Epoch: at.Epoch, Seq: at.Seq}
		text := fmt.Sprintf("the archive %s ends before what it had confirmed of %s: that was up to frame %d of part %d, and it goes on with frame %d of part %d; what lies between is sent again as far as it is here",
			s.peer.Name, a.Name, at.Seq, at.Epoch, a.Seq, a.Epoch)
		s.log.Warn().Str("stream", a.Name).Msg(text)
		if tell := s.server.archives.cut; tell != nil {
			tell(&protocol.Event{What: protocol.EventArchiveCut, Who: whoGateway, Old: s.peer.Name, Text: text})
		}
	}
}

// show tells that the receiver is here, with the first that it subscribes to.
func (s *session) show() {
	s.mu.Lock()
	first := !s.shown
	s.shown = true
	s.mu.Unlock()
	if first {
		s.log.Info().Str("software", s.peer.Software).Msg("receiver connected")
	}
}

func (s *session) checkSubscribe(req *protocol.Subscribe) error {
	s.mu.Lock()
	n, twice := len(s.subs), s.subs[req.Sub] != nil
	s.mu.Unlock()
	switch {
	case req.Sub < 1 || req.Sub > 65535:
		return refused("subscription %d: expected 1 to 65535", req.Sub)
	case twice:
		return refused("subscription %d exists already", req.Sub)
	case n >= maxSubscriptions:
		return protocol.Refusal{Code: protocol.RefuseLimit, Text: fmt.Sprintf("more than %d subscriptions in one session", maxSubscriptions)}
	case req.Kind != protocol.SubscribeArchive && req.Kind != protocol.SubscribeView:
		return protocol.Refusal{Code: protocol.RefuseUnknown, Text: fmt.Sprintf("a subscription of kind %.40q is not known", req.Kind)}
	case req.From == protocol.FromTime && req.TimeNs == nil:
		return refused("subscription %d: from time without time_ns", req.Sub)
	}
	switch req.From {
	case protocol.FromNow, protocol.FromNextGate, protocol.FromOldest, protocol.FromTime, protocol.FromCursor:
		return nil
	}
	return protocol.Refusal{Code: protocol.RefuseUnknown, Text: fmt.Sprintf("a subscription from %.40q is not known", req.From)}
}

// credit allows more bytes.
func (s *session) credit(c *protocol.Credit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subs[c.Sub]
	if sub == nil {
		return refused("credit for subscription %d, which does not exist", c.Sub)
	}
	sub.credit = min(sub.credit+int64(min(c.Bytes, maxCredit)), maxCredit)
	s.poke()
	return nil
}

// ack notes what is synced at the archive.
func (s *session) ack(a *protocol.Ack) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subs[a.Sub]
	if sub == nil || !sub.archive {
		return refused("ack for subscription %d, which is no archive's", a.Sub)
	}
	feeds := make([]*feed, len(a.Streams))
	for k, one := range a.Streams { // all of it is checked before any of it is believed
		i := slices.IndexFunc(sub.feeds, func(f *feed) bool { return f.stream.ID() == one.ID && !f.refused })
		if i < 0 || behind(sub.feeds[i].sent, position(one)) {
			return refused("ack of frame %d of epoch %d of stream %d, which was never sent", one.Seq, one.Epoch, one.ID)
		}
		feeds[k] = sub.feeds[i]
	}
	for k, one := range a.Streams {
		if f, p := feeds[k], position(one); behind(f.acked, p) {
			f.acked = p
			s.server.archives.ack(s.peer.ID, f.stream.Name(), s.ackedLocked(f.stream))
		}
	}
	s.poke()
	return nil
}

// ackedLocked is how far the archive has a stream: of several subscriptions to it
// the one that is behind says so.
func (s *session) ackedLocked(st *journal.Stream) (p journal.Position) {
	first := true
	for _, sub := range s.subs {
		for _, f := range sub.feeds {
			if sub.archive && f.stream == st && !f.refused && (first || behind(f.acked, p)) {
				p, first = f.acked, false
			}
		}
	}
	return p
}

func position(a protocol.AckStream) journal.Position {
	return journal.Position{Epoch: a.Epoch, Seq: uint64(a.Seq)}
}

// behind reports whether p lies before q.
func behind(p, q journal.Position) bool {
	return p.Epoch < q.Epoch || p.Epoch == q.Epoch && p.Seq < q.Seq
}

// heartbeat remembers what to send back, and how the archive is.
func (s *session) heartbeat(b *protocol.Heartbeat) error {
	trouble := []rune(b.Trouble)
	text := string(trouble[:min(len(trouble), troubleLimit)])
	s.mu.Lock()
	s.echo = &protocol.Echo{TNs: b.TNs, ReceivedNs: protocol.Int64(s.server.base.now())}
	before := s.trouble
	s.trouble = text
	s.mu.Unlock()
	switch {
	case before == "" && text != "":
		s.log.Warn().Str("trouble", text).Msg("the archive takes nothing just now: the journal keeps it")
	case before != "" && text == "":
		s.log.Info().Msg("the archive takes what comes again")
	}
	return nil
}

// troubleLimit is how much of what an archive says of its trouble is kept, in letters.
const troubleLimit = 200

// troubleOf is what keeps the archive of a session from taking frames.
func (s *session) troubleOf() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}
