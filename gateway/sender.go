package gateway

import (
	"context"
	"errors"
	"net"
	"reflect"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// Sizes of what is written at once. All that is written at once is at most
// about a chunk for each view and one for all archives; together with the
// socket's buffer that bounds how much backfill a view's frame waits for.
const (
	sendChunk    = 64 << 10
	socketBuffer = 128 << 10 // the system doubles it; see setSocket
	inputBuffer  = 64 << 10  // likewise; a receiver says little
	beatEvery    = time.Second
)

// errDrained says that the gateway ended the session in good order.
var errDrained = errors.New("gateway stops")

// sender is the sending half of a session. One goroutine uses it.
type sender struct {
	s       *session
	subs    []*subscription
	turn    int // subscription of the last frame sent
	first   int // of the archive feeds, the one whose turn it is
	bufs    net.Buffers
	beat    time.Time // of the next heartbeat
	changed <-chan struct{}
	cases   []reflect.SelectCase
	pace    *pace
	held    bool // something waits until the line has taken more
}

func (s *session) newSender() *sender {
	return &sender{s: s, beat: time.Now(), pace: newPace(s.link.conn)}
}

// setSocket bounds what stands unsent in the socket, and unread.
func setSocket(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(socketBuffer) // a wish: where it is refused, a view is a little later
		_ = tcp.SetReadBuffer(inputBuffer)
	}
}

// run sends until the session ends.
func (w *sender) run() error {
	setSocket(w.s.link.conn)
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for w.s.ctx.Err() == nil {
		if err := w.pass(); err != nil {
			return err
		}
		if w.drained() {
			return w.bye()
		}
		if len(w.bufs) > 0 {
			for _, b := range w.bufs {
				w.pace.written += int64(len(b))
			}
			if err := w.s.link.write(w.bufs); err != nil {
				return err
			}
			continue
		}
		w.wait(tick.C)
	}
	return context.Cause(w.s.ctx)
}

// pass collects in w.bufs what is to be sent now.
func (w *sender) pass() error {
	clear(w.bufs)
	w.bufs = w.bufs[:0]
	w.takeAnswers()
	if err := w.newStreams(); err != nil {
		return err
	}
	if err := w.heartbeat(); err != nil {
		return err
	}
	room, err := w.views()
	if err != nil {
		return err
	}
	if err := w.archives(room); err != nil {
		return err
	}
	return w.finish()
}

// views sends what is new to the views, first of all, and returns how many bytes
// of backfill may follow. Without a view that is a chunk, as far as the socket
// has room.
func (w *sender) views() (room int, err error) {
	room, w.held = sendChunk, false
	first := true
	for _, sub := range w.subs {
		if sub.archive || sub.finished {
			continue
		}
		if first {
			room, first = w.pace.room(), false
		}
		for _, f := range sub.feeds {
			if err := w.skipLate(sub, f); err != nil {
				return 0, err
			}
			if room <= 0 {
				break
			}
			n, err := w.send(sub, f, min(room, sendChunk))
			if err != nil {
				return 0, err
			}
			room -= n
		}
	}
	w.held = room <= 0
	return min(room, sendChunk), nil
}

// skipLate moves a view forward that has been behind for too long.
func (w *sender) skipLate(sub *subscription, f *feed) error {
	if f.done || !f.caught || !f.late() {
		return nil
	}
	end, frame, err := f.skip(sub.id)
	if err != nil {
		return err
	}
	w.bufs = append(w.bufs, frame)
	w.account(sub, f, end, 0)
	w.s.mu.Lock()
	f.skipped = end.Seq + 1
	w.s.mu.Unlock()
	return nil
}

// takeAnswers takes what the reading half left.
func (w *sender) takeAnswers() {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	w.bufs = append(w.bufs, s.answers...)
	clear(s.answers)
	s.answers = s.answers[:0]
	w.bufs = s.takeReplies(w.bufs)
	s.taken()
	if len(s.fresh) > 0 {
		w.subs = append(w.subs, s.fresh...)
		s.fresh = nil
		w.changed = nil
	}
}

// newStreams adds streams that appeared after a subscription.
func (w *sender) newStreams() error {
	select {
	case <-w.changed:
	default:
		if w.changed != nil {
			return nil
		}
	}
	j := w.s.server.journal
	w.changed = j.Changed() // before looking, so that nothing is missed
	for _, st := range j.Streams() {
		for _, sub := range w.subs {
			if sub.has(st) || !matches(sub.patterns, st.Name()) {
				continue
			}
			w.s.server.budget.force(feedBytes)
			w.s.held.Add(feedBytes)
			f, answer := w.s.server.newFeed(st, start{answer: protocol.AnswerStart})
			w.s.mu.Lock()
			sub.feeds = append(sub.feeds, f)
			w.s.mu.Unlock()
			err := w.say(protocol.TypeSubscribed, &protocol.Subscribed{Sub: sub.id, Streams: []protocol.SubscribedStream{answer}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// say adds a session frame.
func (w *sender) say(t protocol.Type, v any) error {
	frame, err := sessionJSON(nil, t, v)
	if err == nil {
		w.bufs = append(w.bufs, frame)
	}
	return err
}

// heartbeat adds one when it is time.
func (w *sender) heartbeat() error {
	now := time.Now()
	if now.Before(w.beat) {
		return nil
	}
	for !w.beat.After(now) {
		w.beat = w.beat.Add(beatEvery)
	}
	w.s.mu.Lock()
	echo := w.s.echo
	w.s.echo = nil
	w.s.mu.Unlock()
	return w.say(protocol.TypeHeartbeat, &protocol.Heartbeat{TNs: protocol.Int64(w.s.server.base.now()), Echo: echo})
}

// archives sends at most room bytes of backfill, or little more, the feeds taking
// turns.
func (w *sender) archives(room int) error {
	var all []*feed
	var subs []*subscription
	behind := int64(0)
	for _, sub := range w.subs {
		for _, f := range sub.feeds {
			if sub.archive && !f.done {
				all, subs = append(all, f), append(subs, sub)
				behind += f.reader.Behind()
			}
		}
	}
	w.s.mu.Lock()
	w.s.behind = behind
	w.s.mu.Unlock()
	for i := range all {
		if room <= 0 {
			return nil
		}
		k := (w.first + i) % len(all)
		n, err := w.send(subs[k], all[k], room)
		if err != nil {
			return err
		}
		if room -= n; room <= 0 {
			w.first = k + 1
			return nil
		}
	}
	return nil
}

// send adds frames of one feed, as far as credit and limit allow, and returns
// how many bytes.
func (w *sender) send(sub *subscription, f *feed, limit int) (int, error) {
	if f.done || sub.finished {
		return 0, nil
	}
	w.s.mu.Lock()
	credit := sub.credit
	w.s.mu.Unlock()
	n := 0
	for len(f.copies) > 0 && credit > int64(n) {
		if err := w.add(sub, f.copies[0]); err != nil {
			return 0, err
		}
		n += len(f.copies[0])
		f.copies = f.copies[1:]
	}
	end := f.sent
	if credit > int64(n) {
		frames, last, err := f.next(int(min(credit-int64(n), int64(limit))), sub.to)
		if err != nil {
			return 0, err
		}
		for _, c := range f.copies { // of an epoch that began while a gate was looked for
			if err := w.add(sub, c); err != nil {
				return 0, err
			}
			n += len(c)
		}
		if err := w.add(sub, frames); err != nil {
			return 0, err
		}
		n += len(frames)
		f.copies, end = nil, last
	}
	if n > 0 {
		w.account(sub, f, end, n)
	}
	return n, nil
}

// add adds frames of a subscription, if any, in its turn.
func (w *sender) add(sub *subscription, frames []byte) error {
	if len(frames) == 0 {
		return nil
	}
	if w.turn != sub.id {
		if err := w.say(protocol.TypeTurn, &protocol.Turn{Sub: sub.id}); err != nil {
			return err
		}
		w.turn = sub.id
	}
	w.bufs = append(w.bufs, frames)
	return nil
}

// account notes what is sent, before it is: an ack may come at once.
func (w *sender) account(sub *subscription, f *feed, end journal.Position, n int) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	f.sent = end
	sub.credit -= int64(n)
}

// finish tells of subscriptions that came to their end.
func (w *sender) finish() error {
	now := w.s.server.base.now()
	for _, sub := range w.subs {
		if sub.to == nil || sub.finished || now < *sub.to {
			continue
		}
		done := true
		for _, f := range sub.feeds {
			done = (f.refused || f.over(*sub.to, now)) && done
		}
		if done {
			sub.finished = true
			if err := w.say(protocol.TypeFinished, &protocol.Finished{Sub: sub.id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// drained reports whether the gateway stops and the archives have all, or had
// long enough. What is in w.bufs then is still to be written.
func (w *sender) drained() bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if !w.s.draining || w.s.atOnce {
		return w.s.atOnce
	}
	for _, sub := range w.subs {
		for _, f := range sub.feeds {
			if sub.archive && !f.refused && (behind(f.acked, f.sent) || !f.done && !f.atEnd()) {
				return false
			}
		}
	}
	return true
}

func (w *sender) bye() error {
	if err := w.say(protocol.TypeBye, &protocol.Bye{Reason: errDrained.Error()}); err != nil {
		return err
	}
	if err := w.s.link.write(w.bufs); err != nil {
		return err
	}
	return errDrained
}

// wait returns when there may be something to send.
func (w *sender) wait(tick <-chan time.Time) {
	w.cases = w.cases[:0]
	add := func(c any) {
		w.cases = append(w.cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)})
	}
	add(w.s.ctx.Done())
	add(w.s.wake)
	add(tick)
	add(w.changed)
	if w.held { // what is ready waits for the line, of which nothing tells
		again := time.NewTimer(paceAgain)
		defer again.Stop()
		add(again.C)
		reflect.Select(w.cases)
		return
	}
	w.s.mu.Lock()
	for _, sub := range w.subs {
		for _, f := range sub.feeds {
			if !f.done && !sub.finished && sub.credit > 0 {
				add(f.reader.Ready())
			}
		}
	}
	w.s.mu.Unlock()
	reflect.Select(w.cases)
}
