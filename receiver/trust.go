package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// openPaired opens a session with a gateway whose key is known.
func openPaired(ctx context.Context, to destination, conn net.Conn, hostPort string, own identity) (*session, error) {
	p := to.pairing
	token, err := p.TokenBytes()
	if err != nil {
		conn.Close()
		return nil, err
	}
	if len(own.token) == 0 {
		own.token = token
	}
	life := watched(conn)
	secure := tls.Client(life, p.ClientTLS())
	shake, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := secure.HandshakeContext(shake); err != nil {
		conn.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, explainTLS(to.name, hostPort, life.heard.Load(), err)
	}
	own.binding = pairing.Binding(secure.ConnectionState().PeerCertificates[0].Raw)
	own.journal, own.gateway = p.Journal, p.Gateway
	s, err := greet(ctx, secure, hostPort, own)
	if err != nil {
		return nil, err
	}
	s.name = to.name
	s.met(p)
	return s, nil
}

// met notes which journal the gateway of a pairing has that was made without
// reaching it.
func (s *session) met(p *pairing.Pairing) {
	if !p.Journal.IsZero() {
		return
	}
	kept, err := pairing.Load(p.Name)
	if errors.Is(err, pairing.ErrNotPaired) || err == nil && (!kept.Journal.IsZero() || kept.CertificateSHA256 != p.CertificateSHA256) {
		return // it is being paired, or was paired otherwise meanwhile
	}
	if err == nil {
		kept.Journal = s.hello.ID
		err = pairing.Save(kept)
	}
	if err != nil {
		s.notes = append(s.notes, fmt.Sprintf("which journal %s has is not noted in its pairing: %v", p.Name, err))
	}
}

// errUntrusted is wrapped by errors that say that a gateway is not the one that
// was paired.
var errUntrusted = errors.New("not the gateway that was paired")

// untrusted is a sentence for the user.
type untrusted struct {
	text  string
	cause error
}

func (e *untrusted) Error() string   { return e.text }
func (e *untrusted) Unwrap() []error { return []error{errUntrusted, e.cause} }

// isTrust reports whether an error is about the pairing: pairing anew mends it.
func isTrust(err error) bool {
	refused, ok := errors.AsType[*Refused](err)
	return errors.Is(err, errUntrusted) || ok && refused.Code == protocol.RefuseToken
}

// notPaired says how to pair.
func notPaired(hostPort string) error {
	if host, port, err := net.SplitHostPort(hostPort); err == nil && onThisMachine(host) {
		return &untrusted{cause: pairing.ErrNotPaired, text: fmt.Sprintf("%s is this computer, by way of the network, where a gateway wants to be paired: use localhost:%s, or paste here the line that `photongate pair` prints", hostPort, port)}
	}
	text := hostPort + " is another computer, and this one is not paired with a gateway there: run `photongate pair` there, and paste here the line that it prints"
	if all, _ := pairing.List(); len(all) > 0 {
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
		}
		text += " (paired are " + strings.Join(names, ", ") + ")"
	}
	return &untrusted{text: text, cause: pairing.ErrNotPaired}
}

// otherJournal says that a gateway has the key that was paired, but is another
// one.
func otherJournal(peer, name string, want, got protocol.ID) error {
	return &untrusted{cause: errUntrusted, text: fmt.Sprintf("the gateway at %s calls itself %s, and has the key that was paired, but another journal (%.8s, paired was %.8s): "+
		"it is a copy of that gateway (a cloned card), or its journal was made anew; to go on with it, paste here the line that `photongate pair` prints there, with --replace, or with --as and another name", peer, name, got, want)}
}

// otherName says that a gateway that was paired without reaching it calls itself
// otherwise than it did when it printed the line.
func otherName(peer, got, want string) error {
	return &untrusted{cause: errUntrusted, text: fmt.Sprintf("the gateway at %s has the key that was paired as %s, but calls itself %s: "+
		"it was renamed or is a copy of that gateway (a cloned card); to go on with it, paste here the line that `photongate pair` prints there", peer, want, got)}
}

// explainTLS turns the failure of a TLS handshake with a paired gateway into a
// sentence. heard says that bytes came.
func explainTLS(name, peer string, heard bool, err error) error {
	say := func(format string, args ...any) error {
		return &unreachable{text: fmt.Sprintf(format, args...), cause: err}
	}
	if changed, ok := errors.AsType[*pairing.ChangedKey](err); ok {
		return &untrusted{cause: err, text: fmt.Sprintf("the key at %s is not the one that %s was paired with: either the gateway was set up anew, or another computer has its address now, or somebody is in between; nothing was told to it. "+
			"Compare on the gateway: if `photongate pair --fingerprint` prints %s there, all is well, and its line from `photongate pair` is to be pasted here; otherwise this is not your gateway (paired was %s)", peer, name, changed.Got, changed.Want)}
	}
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if string(record.RecordHeader[:3]) == "\xf5PG" {
			return say("%s is a photongate without encryption, of an older version or on this computer only: update photongate there", peer)
		}
		return say("%s answers, but is not a photongate: it began with %s; check the port (photongate uses %s)", peer, printable(record.RecordHeader[:]), DefaultPort)
	}
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case (errors.Is(err, context.DeadlineExceeded) || isNet && netErr.Timeout()) && heard:
		return say("%s answers, but encryption was not agreed on within %v: the line is so slow, or loses so much, or the gateway hangs", peer, openTimeout)
	case errors.Is(err, context.DeadlineExceeded) || isNet && netErr.Timeout():
		return say("%s accepts connections but says nothing: another program listens there, or the gateway hangs", peer)
	case isEOF(err) || isReset(err):
		return say("%s closed the connection before it was encrypted: another program listens there, a gateway that is busy, or a tunnel whose far end is not running", peer)
	}
	return say("%s does not speak TLS as a photongate does (%v): another program listens there", peer, err)
}

// alsoTried adds to the sentence about the first address that the others are
// silent as well.
func alsoTried(to destination, err error) error {
	return &unreachable{text: fmt.Sprintf("%v (%s was looked for at %s)", err, to.name, strings.Join(to.tries, ", ")), cause: err, silent: true}
}

// Differences of clocks that are told.
const clockNote = time.Hour

// firstSane is before any photongate ran: a clock that says less was never set.
var firstSane = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// clockNotes says what is wrong with the clocks: of the gateway, when its
// hello came, and of this computer.
func clockNotes(name string, gateway, own time.Time) []string {
	const form = "2006-01-02 15:04 MST"
	var notes []string
	if gateway.Before(firstSane) {
		notes = append(notes, fmt.Sprintf("THE CLOCK OF %s SAYS %s: it was not set since it was switched on; times will be corrected when it is set, which a time server in its network does", name, gateway.UTC().Format(form)))
	}
	if own.Before(firstSane) {
		notes = append(notes, fmt.Sprintf("THIS COMPUTER'S CLOCK SAYS %s: set it; the times of readings are the gateway's and are right, names of folders with a date are not", own.UTC().Format(form)))
	}
	off := gateway.Sub(own)
	if len(notes) > 0 || off.Abs() < clockNote {
		return notes
	}
	way := "ahead of"
	if off < 0 {
		way = "behind"
	}
	return []string{fmt.Sprintf("the clock of %s says %s and is %v %s this computer's: one of the two is wrong; the times of readings are the gateway's", name, gateway.UTC().Format(form), off.Abs().Round(time.Minute), way)}
}
