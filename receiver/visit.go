package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// errTooSlow ends openings that take too long.
var errTooSlow = fmt.Errorf("did not say who it is within %v: it is no gateway, or waits for this end to speak first (a tunnel between the two must begin and end on their own computers)", openTimeout)

// visitor is a connection that was accepted, until it is known which gateway it
// comes from.
type visitor struct {
	at       *reception
	conn     net.Conn
	from     string            // the address, without a port
	known    []pairing.Pairing // that have the certificate it shows; nil without TLS
	pairing  *pairing.Pairing  // the gateway's, with TLS one of these; nil: not paired
	unproved bool              // what is shown is a token that was found on this computer
	met      protocol.ID       // the journal of its hello
	admitted bool              // there is use for it
}

// open opens a session. Its errors are sentences.
func (v *visitor) open(ctx context.Context) (*session, error) {
	own := v.at.own()
	own.meet = v.meet
	step := &doorstep{Conn: watched(v.conn), room: maxDoorstep}
	var conn net.Conn = step
	if !isHere(v.conn.RemoteAddr()) {
		secure, err := v.encrypt(ctx, step)
		if err != nil {
			return nil, err
		}
		own.binding = pairing.Binding(secure.ConnectionState().PeerCertificates[0].Raw)
		conn = secure
	}
	s, err := greet(ctx, conn, v.from, own)
	switch refused, ok := errors.AsType[*Refused](err); {
	case !ok:
	case v.unproved && refused.Code == protocol.RefuseToken:
		v.at.distrust(v.met) // what a gateway left for this user is out of date; without it it can be read all the same
	case v.admitted && refused.final() && v.at.final != nil:
		v.at.final(refused)
	}
	if err != nil {
		return nil, err
	}
	step.opened()
	if v.pairing != nil {
		s.met(v.pairing)
	}
	return s, nil
}

// encrypt begins TLS, and finds the pairings with the certificate that the
// gateway shows.
func (v *visitor) encrypt(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	all, listErr := pairing.List()
	secure := tls.Client(conn, pairing.DialledTLS(func(sum string) bool {
		v.known = slices.DeleteFunc(all, func(p pairing.Pairing) bool { return p.CertificateSHA256 != sum })
		return len(v.known) > 0
	}))
	err := secure.HandshakeContext(ctx)
	if err == nil {
		return secure, nil
	}
	err = explainCallerTLS(v.from, err)
	if listErr != nil {
		err = fmt.Errorf("%w (%w)", err, listErr)
	}
	linger(v.conn)
	return nil, err
}

// meet finds out which gateway it is that says hello, and which token it is shown.
func (v *visitor) meet(s *session, own *identity) error {
	hello := &s.hello
	v.met = hello.ID
	s.name = hello.Name
	s.peer = fmt.Sprintf("%s (%s)", hello.Name, v.from)
	if err := v.find(hello); err != nil {
		return err
	}
	if err := v.at.admit(v, hello); err != nil {
		return err
	}
	v.admitted = true
	if v.pairing == nil {
		own.local = len(own.token) == 0 && v.at.trusts(hello.ID)
		v.unproved = own.local
		return nil
	}
	s.name = v.pairing.Name
	token, err := v.pairing.TokenBytes()
	if err == nil && len(own.token) == 0 {
		own.token = token
	}
	return err
}

// find finds the pairing with the gateway. With TLS there must be one.
func (v *visitor) find(hello *protocol.Hello) error {
	if v.known == nil {
		all, _ := pairing.List() // what cannot be read is told when it is named
		v.pairing = pairingOf(all, hello)
		return nil
	}
	if v.pairing = pairingOf(v.known, hello); v.pairing != nil {
		return nil
	}
	if i := slices.IndexFunc(v.known, func(p pairing.Pairing) bool { return p.Journal.IsZero() }); i >= 0 {
		return otherName(v.from, hello.Name, v.known[i].Gateway)
	}
	return otherJournal(v.from, hello.Name, v.known[0].Journal, hello.ID)
}

// pairingOf is the one of several pairings that is a gateway's: that with its journal, or one that was made without reaching it.
func pairingOf(known []pairing.Pairing, hello *protocol.Hello) *pairing.Pairing {
	for i, p := range known {
		if p.Journal == hello.ID {
			return &known[i]
		}
	}
	for i, p := range known {
		if p.Journal.IsZero() && p.Gateway == hello.Name {
			return &known[i]
		}
	}
	return nil
}

// turnAway tells a gateway that dialled in why it is not let in.
func (s *session) turnAway(err error) {
	r := protocol.Refusal{Code: protocol.RefuseProtocol, Text: err.Error()}
	refusal, isRefusal := errors.AsType[*protocol.Refusal](err)
	_, busy := errors.AsType[*busyHere](err)
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case isRefusal:
		r = *refusal
	case busy:
		r.Code = protocol.RefuseBusy
	case errors.Is(err, errUntrusted):
		r.Code = protocol.RefuseToken
	case errors.Is(err, protocol.ErrVersion):
		r.Code = protocol.RefuseVersion
	case isEOF(err), isReset(err), isNet && netErr.Timeout():
		return
	}
	if s.send(protocol.TypeRefuse, &r) == nil {
		s.drain()
	}
}

// linger lets the other end read what it was sent before the connection is
// closed.
func linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil && conn.SetReadDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = io.CopyN(io.Discard, conn, maxDoorstep) // its end is all that is waited for
	}
}

// explainCallerTLS turns the failure of a TLS handshake with a gateway that
// dialled in into a sentence.
func explainCallerTLS(from string, err error) error {
	say := func(format string, args ...any) error {
		return &unreachable{text: fmt.Sprintf(format, args...), cause: err}
	}
	if unknown, ok := errors.AsType[*pairing.UnknownKey](err); ok {
		return &untrusted{cause: err, text: fmt.Sprintf("a gateway dials in from %s that is not paired with this computer: run `photongate pair` there, and paste here the line that it prints, as photonrecv pair --unreached LINE. "+
			"If it was paired before, it was set up anew or is another one: `photongate pair --fingerprint` prints %s there if it is this one", from, unknown.Got)}
	}
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if string(record.RecordHeader[:3]) == "\xf5PG" {
			return say("a gateway dials in from %s without encryption, since it takes this computer for its own: a tunnel that begins on the gateway's computer must end on this one; or name this computer in forward there", from)
		}
		return say("%s dials in, but is not a photongate: it began with %s", from, printable(record.RecordHeader[:]))
	}
	if isEOF(err) || isReset(err) {
		return say("%s dialled in and went away before anything was said", from)
	}
	return say("%s dials in and does not speak TLS as a photongate does: %v", from, err)
}

// explainCaller turns what went wrong in the greeting of a gateway that dialled
// in into a sentence. head is what it sent first.
func explainCaller(peer string, head []byte, err error) error {
	say := func(format string, args ...any) error {
		return &unreachable{text: fmt.Sprintf(format, args...), cause: err}
	}
	if refused := refusal(peer, err); refused != nil {
		return refused
	}
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, protocol.ErrMagic):
		return say("%s dials in, but is not a photongate: it sent %s", peer, printable(head))
	case isNet && netErr.Timeout():
		return say("%s dialled in, and %v", peer, errTooSlow)
	case isEOF(err) || isReset(err):
		return say("%s dialled in and went away in the middle of the greeting", peer)
	}
	if busy, ok := errors.AsType[*busyHere](err); ok {
		return say("%s dials in and is not let in: %s", peer, busy.text)
	}
	return say("greeting with %s, which dialled in: %v", peer, err)
}

// doorstep is a connection that brings so many bytes until its opening is done.
// One goroutine reads.
type doorstep struct {
	net.Conn
	room int // bytes that may still come; negative: any number
}

func (d *doorstep) Read(p []byte) (int, error) {
	if d.room < 0 {
		return d.Conn.Read(p)
	}
	if d.room == 0 {
		return 0, fmt.Errorf("%w: it says too much before it has said who it is", protocol.ErrLimit)
	}
	n, err := d.Conn.Read(p[:min(len(p), d.room)])
	d.room -= n
	return n, err
}

func (d *doorstep) opened() { d.room = -1 }

// NetConn is the connection itself.
func (d *doorstep) NetConn() net.Conn { return d.Conn }

// CloseWrite tells the other end that nothing more will come.
func (d *doorstep) CloseWrite() error {
	half, ok := d.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// host is an address without its port.
func host(addr net.Addr) string {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return host
}

// callers tells of those who are not let in: the same once in a while, however
// often it happens. It may be used concurrently.
type callers struct {
	log  zerolog.Logger
	also func(text string) // is called each time as well; nil: not

	mu   sync.Mutex
	seen map[string]*caller // by what is told
}

type caller struct {
	times int // since it was told
	next  time.Time
}

const (
	callersEvery = time.Minute
	callersKept  = 256
)

func (c *callers) tell(from, text string) {
	if c.also != nil {
		c.also(text)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	one := c.seen[text]
	if one == nil && len(c.seen) >= callersKept {
		for key, old := range c.seen {
			if now.After(old.next) {
				delete(c.seen, key)
			}
		}
		if len(c.seen) >= callersKept {
			return // there are more that are told than anybody reads
		}
	}
	if one == nil {
		one = &caller{}
		c.seen[text] = one
	}
	one.times++
	if now.Before(one.next) {
		return
	}
	event := c.log.Warn().Str("address", from)
	if one.times > 1 {
		event = event.Int("times", one.times)
	}
	event.Msg(text)
	one.next, one.times = now.Add(callersEvery), 0
}
