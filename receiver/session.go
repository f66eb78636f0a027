package receiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

const (
	openTimeout  = 5 * time.Second // hello to proof
	deadAfter    = 5 * time.Second // no byte moved either way: the other end is dead
	writeTimeout = 5 * time.Second // for the last messages to leave
	beatEvery    = time.Second
)

// identity is how a receiver introduces itself.
type identity struct {
	name     string
	id       protocol.ID // of the archive; random for who has none
	software string
	token    []byte // empty: none
	needs    string // the right without which there is no use in going on

	local   bool        // without a token, that of the gateway's own computer is looked for
	binding []byte      // of a proof to the gateway's certificate; empty without TLS
	journal protocol.ID // that the gateway must have; zero: any
	gateway string      // the name that it must have; empty: any

	// meet is for a connection that the gateway dialled: it is called with its
	// hello, before anything is said, and finds out with whom this is. nil: this end
	// dialled.
	meet func(s *session, own *identity) error
}

// session is a connection to a gateway on which both sides have proved who
// they are. One goroutine reads; any may send.
type session struct {
	conn   net.Conn
	life   *lifeline // of conn
	wire   *wire
	frames *protocol.FrameReader
	peer   string         // host:port, for messages
	name   string         // of the pairing, or peer
	notes  []string       // sentences on what is odd, though the session works
	hello  protocol.Hello // the gateway's
	rights []string       // that the gateway granted
	clock  *clockCheck

	writing sync.Mutex
	out     []byte
	torn    error // a message left in part: no other can follow

	trouble atomic.Pointer[string] // what keeps the archive from taking frames, for the gateway; nil: nothing
}

// greet says hello on a fresh connection and returns the session. peer names
// the other end in errors, which are sentences. It closes the connection when it
// fails.
func greet(ctx context.Context, conn net.Conn, peer string, own identity) (*session, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	life := watched(conn)
	if conn == life.Conn {
		conn = life
	}
	w := &wire{conn: conn}
	s := &session{conn: conn, life: life, wire: w, peer: peer, name: peer, frames: protocol.NewFrameReader(w, protocol.MaxHello), clock: &clockCheck{}}
	err := conn.SetDeadline(time.Now().Add(openTimeout))
	if err == nil {
		err = s.open(own)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil && own.meet != nil {
		s.turnAway(err)
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if own.meet != nil {
			return nil, explainCaller(s.peer, w.head, err)
		}
		return nil, explainOpening(peer, w.head, err)
	}
	w.opened()
	life.opened()
	s.frames.SetLimit(protocol.MaxFrame)
	return s, nil
}

// open does what comes before subscriptions: the two hellos, the end that dialled
// first, and the two proofs, this end's first.
func (s *session) open(own identity) error {
	var dialer, listener []byte
	var err error
	if own.meet == nil {
		if dialer, err = s.sayHello(&own); err != nil {
			return err
		}
		if listener, err = s.hearHello(&own); err != nil {
			return err
		}
	} else {
		if dialer, err = s.hearHello(&own); err != nil {
			return err
		}
		if listener, err = s.sayHello(&own); err != nil {
			return err
		}
	}
	mac := func(dialed bool) string {
		return protocol.ProofMAC(own.token, dialed, dialer, listener, own.binding)
	}
	shown := ""
	if len(own.token) > 0 {
		shown = mac(own.meet == nil)
	}
	// When the other end refused and closed meanwhile, sending fails and its
	// reason still waits to be read.
	sendErr := s.send(protocol.TypeProof, &protocol.Proof{MAC: shown})
	var proof protocol.Proof
	if _, err := s.expect(protocol.TypeProof, &proof); err != nil {
		return errors.Join(err, sendErr)
	}
	if shown != "" && !protocol.EqualMAC(proof.MAC, mac(own.meet != nil)) {
		return &protocol.Refusal{Code: protocol.RefuseToken, Text: "the gateway does not know the token it was shown: it is not the one this receiver was paired with"}
	}
	if !slices.Contains(proof.Rights, own.needs) {
		return &protocol.Refusal{Code: protocol.RefuseRights, Text: noRight(own.needs, len(own.token) > 0)}
	}
	s.rights = proof.Rights
	return nil
}

// sayHello says hello and returns the payload as it was sent.
func (s *session) sayHello(own *identity) ([]byte, error) {
	hello := protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleReceiver, Name: own.name, ID: own.id, Software: own.software, Nonce: protocol.NewID()}
	payload, err := protocol.EncodeJSON(&hello)
	if err != nil {
		return nil, err
	}
	return payload, s.sendPayload(protocol.TypeHello, payload)
}

// hearHello takes the gateway's hello, completes own with what depends on who it
// is, and returns the payload as it came.
func (s *session) hearHello(own *identity) ([]byte, error) {
	payload, err := s.expect(protocol.TypeHello, &s.hello)
	if err != nil {
		return nil, err
	}
	s.clock.begin(time.Now(), int64(s.hello.NowNs))
	if err := s.checkHello(own); err != nil {
		return nil, err
	}
	s.notes = clockNotes(s.hello.Name, time.Unix(0, int64(s.hello.UTCNs)), time.Now())
	if own.local {
		own.token = s.localToken()
	}
	return payload, nil
}

// checkHello refuses whom this receiver does not know.
func (s *session) checkHello(own *identity) error {
	if s.hello.Role != protocol.RoleGateway {
		return &protocol.Refusal{Code: protocol.RefuseProtocol, Text: fmt.Sprintf("the other end is a %s, not a gateway", protocol.Saying(s.hello.Role))}
	}
	if s.hello.Format[0] > 1 || s.hello.Format[1] < 1 {
		return fmt.Errorf("%w: it speaks formats %d to %d, this receiver 1", protocol.ErrVersion, s.hello.Format[0], s.hello.Format[1])
	}
	if err := protocol.CheckName(s.hello.Name); err != nil {
		return fmt.Errorf("the gateway's name: %w", err)
	}
	if own.meet != nil {
		if err := own.meet(s, own); err != nil {
			return err
		}
	}
	if !own.journal.IsZero() && s.hello.ID != own.journal {
		return otherJournal(s.peer, s.hello.Name, own.journal, s.hello.ID)
	}
	if own.journal.IsZero() && own.gateway != "" && s.hello.Name != own.gateway {
		return otherName(s.peer, s.hello.Name, own.gateway)
	}
	return nil
}

// localToken is what the gateway left for programs of its own user on its own
// computer; nil when there is nothing.
func (s *session) localToken() []byte {
	p, found, err := pairing.LoadLocal(s.hello.ID)
	var token []byte
	if found && err == nil {
		token, err = p.TokenBytes()
	}
	if err != nil {
		s.notes = append(s.notes, fmt.Sprintf("the token that %s left for programs on this computer is not used: %v", s.hello.Name, err))
	}
	return token
}

// noRight says why a right is not granted.
func noRight(right string, shown bool) string {
	if shown {
		return fmt.Sprintf("it grants no right to %s to whoever has its token", right)
	}
	return fmt.Sprintf("it grants no right to %s without its token, which programs of the gateway's own user on its computer find by themselves, and others get by pairing (`photongate pair` there prints the line to paste here)", right)
}

// expect reads the next frame, which must be of the type, into v and returns a
// copy of its payload.
func (s *session) expect(t protocol.Type, v any) ([]byte, error) {
	h, frame, err := s.frames.Next()
	if err != nil {
		return nil, err
	}
	payload := frame[h.HeaderLen:]
	switch h.Type {
	case t:
		return slices.Clone(payload), protocol.DecodeJSON(payload, v)
	case protocol.TypeRefuse:
		return nil, decodeRefusal(payload)
	}
	return nil, fmt.Errorf("%w: %v where %v was expected", protocol.ErrFormat, h.Type, t)
}

func decodeRefusal(payload []byte) error {
	var r protocol.Refusal
	if err := protocol.DecodeJSON(payload, &r); err != nil {
		return err
	}
	r.Text = protocol.Saying(r.Text)
	return &r
}

// send sends a message, for as long as bytes move. It may be called
// concurrently. After an error nothing can be sent any more.
func (s *session) send(t protocol.Type, v any) error {
	payload, err := protocol.EncodeJSON(v)
	if err != nil {
		return err
	}
	return s.sendPayload(t, payload)
}

func (s *session) sendPayload(t protocol.Type, payload []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var err error
	s.out, err = protocol.AppendFrame(s.out[:0], protocol.Header{Type: t}, payload)
	if err != nil {
		return err
	}
	if s.torn == nil {
		_, s.torn = s.conn.Write(s.out)
	}
	return s.torn
}

// beat sends heartbeats until ctx ends or sending fails: then read finds out
// why, since the other end may have said so before it closed.
func (s *session) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		beat := s.clock.beat(time.Now())
		if trouble := s.trouble.Load(); trouble != nil {
			beat.Trouble = *trouble
		}
		if s.send(protocol.TypeHeartbeat, beat) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// setTrouble has the gateway told what keeps the archive from taking frames; empty:
// nothing does.
func (s *session) setTrouble(text string) { s.trouble.Store(&text) }

// frameTaker takes whole frames that passed their checksums, and copies what it
// keeps. It never waits. Its error ends the session: the gateway sent what it must
// not.
type frameTaker interface {
	put(frame []byte) error
}

// read reads until the session ends and puts into q what belongs to
// subscriptions and requests. It answers for the border of frames: what is put
// passed its checksums. The error says why the session ended, and is never nil.
func (s *session) read(q frameTaker) error {
	turn := 0
	for {
		h, frame, err := s.frames.Next()
		if err != nil {
			return s.readFailed(h, turn, err)
		}
		payload := frame[h.HeaderLen:]
		switch h.Type {
		case protocol.TypeHeartbeat:
			var beat protocol.Heartbeat
			if err := protocol.DecodeJSON(payload, &beat); err != nil {
				return s.refuse(err)
			}
			s.clock.heard(time.Now(), &beat)
			continue
		case protocol.TypeRefuse:
			err := decodeRefusal(payload)
			if r, ok := errors.AsType[*protocol.Refusal](err); ok {
				return &Refused{Gateway: s.peer, Refusal: *r}
			}
			return s.refuse(err)
		case protocol.TypeBye:
			var bye protocol.Bye
			if err := protocol.DecodeJSON(payload, &bye); err != nil {
				return s.refuse(err)
			}
			return &goodbye{protocol.Saying(bye.Reason)}
		case protocol.TypeTurn:
			var t protocol.Turn
			if err := protocol.DecodeJSON(payload, &t); err != nil {
				return s.refuse(err)
			}
			turn = t.Sub
		}
		if err := q.put(frame); err != nil {
			return s.refuse(err)
		}
	}
}

// readFailed answers bytes that are not what they should be.
func (s *session) readFailed(h protocol.Header, turn int, err error) error {
	switch {
	case errors.Is(err, protocol.ErrPayloadCRC) && h.Type.Stored():
		bad := protocol.Bad{Sub: turn, Stream: h.Stream, Epoch: h.Epoch, Seq: protocol.Uint64(h.Seq), Detail: "payload CRC"}
		if h.Type == protocol.TypeHole {
			return s.refuse(err)
		}
		_ = s.send(protocol.TypeBad, &bad) // it is closed either way
		return &damagedFrame{err}
	case errors.Is(err, protocol.ErrMagic), errors.Is(err, protocol.ErrVersion), errors.Is(err, protocol.ErrHeaderCRC),
		errors.Is(err, protocol.ErrFormat), errors.Is(err, protocol.ErrLimit), errors.Is(err, protocol.ErrPayloadCRC):
		return s.refuse(err)
	}
	return explainLost(s.peer, err)
}

// refuse tells the gateway that it broke the protocol, and returns the error.
func (s *session) refuse(err error) error {
	_ = s.send(protocol.TypeRefuse, &protocol.Refusal{Code: protocol.RefuseProtocol, Text: err.Error()}) // it is closed either way
	return &damagedFrame{err}
}

// stopReading ends read; sending goes on for writeTimeout.
func (s *session) stopReading() {
	s.life.leave()
	s.wire.stop()
}

// wire is the reading side of a connection. While the session opens, its first
// bytes are kept for error messages.
type wire struct {
	conn net.Conn

	mu   sync.Mutex
	open bool
	head []byte // first bytes
}

const headBytes = 40

func (w *wire) Read(b []byte) (int, error) {
	w.mu.Lock()
	open := w.open
	w.mu.Unlock()
	n, err := w.conn.Read(b)
	if room := headBytes - len(w.head); !open && room > 0 {
		w.head = append(w.head, b[:min(n, room)]...)
	}
	return n, err
}

// opened ends the keeping of first bytes.
func (w *wire) opened() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = true
}

// stop ends the present read and all further ones.
func (w *wire) stop() {
	_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // a connection that is gone fails the read as well
}
