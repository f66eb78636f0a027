package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"photongate/protocol"
)

// Times of dialling.
const (
	forwardDial   = 10 * time.Second // one attempt to connect, looking the name up included
	forwardTLS    = 3 * time.Second  // for the receiver to begin TLS
	forwardGood   = 2 * time.Second  // a session as long makes the pauses begin anew, and one that ended in good order: a receiver that is started again is found soon
	forwardNobody = 3 * time.Second  // between two attempts while nothing listens there
)

// frameFirst is the first byte of every frame (SPEC.md, section 6).
const frameFirst = 0xF5

// States of a forward, as protocol.ForwardStatus has them.
const (
	forwardConnected = "connected"
	forwardTrying    = "trying"  // nobody is there, which may pass by itself
	forwardRefused   = "refused" // somebody is there with whom there is no session, and somebody should look
)

// forward is a receiver that listens, and that the gateway dials. One goroutine
// dials it and serves the session; it is as one that was accepted.
type forward struct {
	server  *server
	address string // host:port
	dial    func(ctx context.Context, hostPort string) (net.Conn, error)
	backoff backoff

	mu sync.Mutex
	s  protocol.ForwardStatus
}

func (v *server) newForwards(addresses []string, dial func(context.Context, string) (net.Conn, error)) []*forward {
	if dial == nil {
		dial = func(ctx context.Context, hostPort string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", hostPort)
		}
	}
	var list []*forward
	for _, address := range addresses {
		list = append(list, &forward{
			server: v, address: address, dial: dial,
			s: protocol.ForwardStatus{Address: address, State: forwardTrying, Since: time.Now()},
		})
	}
	return list
}

// run dials again and again until ctx ends. Sessions end with sessions, or are
// drained as all others.
func (f *forward) run(ctx, sessions context.Context) {
	for {
		began := time.Now()
		err := f.once(ctx, sessions)
		if ctx.Err() != nil {
			return
		}
		trouble := explainForward(f.address, err)
		f.tell(trouble)
		if trouble.hadSession && (time.Since(began) > forwardGood || errors.Is(err, errBye)) {
			f.backoff.reset()
		}
		if refusal, ok := errors.AsType[protocol.Refusal](err); ok && refusal.Code == protocol.RefuseDisplaced {
			f.backoff.next = backoffMax // the archive is fed otherwise
		}
		if !sleep(ctx, f.pause(err)) {
			return
		}
	}
}

// sleep waits; it reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// pause is how long to wait after err. Where nothing listens, dialling costs next to
// nothing, and somebody who gives a command there waits for it.
func (f *forward) pause(err error) time.Duration {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return f.backoff.upTo(forwardNobody)
	}
	return f.backoff.upTo(backoffMax)
}

// once dials and serves a session until it ends. It returns why that ended, or
// why there was none.
func (f *forward) once(ctx, sessions context.Context) error {
	dialling, cancel := context.WithTimeout(ctx, forwardDial)
	conn, err := f.dial(dialling, f.address)
	cancel()
	if err != nil {
		return &notDialled{err}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // also while it is greeted
	l := newLink(conn)
	l.dialled = true
	var opening error
	err = f.server.open(sessions, l, func(failed error) {
		stop()
		if opening = failed; failed == nil {
			f.set(forwardConnected, "")
		}
	})
	if opening != nil {
		return &notOpened{opening, l.first, fromHere(conn.RemoteAddr())}
	}
	return err
}

// tell notes and logs why there is no session.
func (f *forward) tell(t forwardTrouble) {
	state := forwardTrying
	if t.refused {
		state = forwardRefused
	}
	f.set(state, t.text)
	if n, now := f.server.trouble.Tell("forward " + f.address + " " + t.text); now {
		f.server.log.Warn().Str("address", f.address).Int("times", n).Str("cause", t.text).Msg("no session with a receiver; it is dialled again")
	}
}

func (f *forward) set(state, trouble string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.s.State != state {
		f.s.State, f.s.Since = state, time.Now()
	}
	f.s.Trouble = trouble
}

func (f *forward) snapshot() protocol.ForwardStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.s
}

// errSecondWay says that a receiver that was dialled has a session already, over
// another address.
var errSecondWay = errors.New("it has a session already")

// firstWay refuses a second session with a receiver that is dialled: it would
// take this one for the first one come back, and end that. Both would displace
// each other for ever.
func (v *server) firstWay(l *link, receiver protocol.ID) error {
	if !l.dialled {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for s := range v.sessions {
		if s.link.dialled && s.peer.ID == receiver && (s.link.token != nil || l.token == nil) {
			return secondWay(s.link)
		}
	}
	for other, greeted := range v.greeting {
		if other != l && greeted == receiver && (other.token != nil || l.token == nil) {
			return secondWay(other)
		}
	}
	v.greeting[l] = receiver
	return nil
}

func secondWay(first *link) error {
	return fmt.Errorf("%w: %w", errSecondWay, protocol.Refusal{Code: protocol.RefuseBusy,
		Text: fmt.Sprintf("this gateway has a session with it already, over %s, which is another address of the same receiver in forward; this one is for when that one fails", first.conn.RemoteAddr())})
}

// awaitTLS waits for the receiver that was dialled to begin TLS, which it does
// on another computer: the gateway has the certificate.
func awaitTLS(l *link) error {
	if fromHere(l.conn.RemoteAddr()) {
		return nil
	}
	limit := l.limit
	l.limit = time.Now().Add(forwardTLS) // shorter, so that the other end, which may wait for a hello, can be told
	first, err := l.peek()
	l.limit = limit
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: %w", errNoTLS, protocol.Refusal{Code: protocol.RefuseProtocol,
			Text: fmt.Sprintf("this gateway dialled %s, which is another computer, and waits for encryption to be begun there, but the connection came out on one that takes it for its own: "+
				"a tunnel must begin on the gateway's computer (forward to its end there, as in \"127.0.0.1:7310\"), or be left out", l.conn.RemoteAddr())})
	case err != nil:
		return err
	case first != tlsFirst:
		return errNoTLS
	}
	return nil
}

// errNoTLS says that the other end does not begin TLS.
var errNoTLS = errors.New("it does not begin TLS")

// turnedAway is a refusal of the other end.
type turnedAway struct{ protocol.Refusal }

// Error is the other end's sentence with its code.
func (e *turnedAway) Error() string {
	return fmt.Sprintf("the receiver refuses: %s: %s", e.Code, e.Text)
}

// refusedBy is what the other end says when it refuses.
func refusedBy(payload []byte) error {
	var r protocol.Refusal
	if err := protocol.DecodeJSON(payload, &r); err != nil {
		return errBye
	}
	r.Code, r.Text = protocol.Saying(r.Code), protocol.Saying(r.Text)
	return &turnedAway{r}
}
