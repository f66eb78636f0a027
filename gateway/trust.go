package gateway

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"photongate/protocol"
)

// howToPair ends the sentences that tell a workstation's user what to do.
const howToPair = "pair this computer with it: `photongate pair` on the gateway prints the line to paste here"

// secure finds out whether the other end wants TLS, and puts it in place. Only
// programs on this computer may do without.
func (v *server) secure(ctx context.Context, l *link) error {
	if l.dialled {
		if err := awaitTLS(l); err != nil || fromHere(l.conn.RemoteAddr()) {
			return err
		}
	}
	first, err := l.peek()
	if err != nil {
		return badInput(err)
	}
	if first != tlsFirst {
		if !fromHere(l.conn.RemoteAddr()) {
			return tokenRefusal("this gateway speaks without encryption to programs on its own computer only: %s; a photonrecv that does not know `pair` is too old", howToPair)
		}
		return nil
	}
	if v.identity == nil {
		return refused("this gateway has no key, and speaks no TLS: its log says why")
	}
	if err := l.encrypt(ctx, v.identity.ServerTLS()); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
			return err
		}
		return fmt.Errorf("TLS: %w", err)
	}
	return nil
}

// fromHere reports whether a connection comes from this computer.
func fromHere(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback() // what is no TCP does not leave the computer
}

// judge compares the mac that the other end showed with the gateway's token, and
// answers what it may do.
func (v *server) judge(l *link, mac string, said hellos) (protocol.Proof, error) {
	if mac == "" {
		if !fromHere(l.conn.RemoteAddr()) {
			return protocol.Proof{}, tokenRefusal("no token was shown, without which this gateway serves programs on its own computer only: %s", howToPair)
		}
		return protocol.Proof{Rights: []string{protocol.RightRead, protocol.RightArchive}}, nil
	}
	if v.identity == nil {
		return protocol.Proof{}, tokenRefusal("this gateway has no token: connect without one")
	}
	tokens, err := v.identity.Tokens()
	if err != nil {
		v.tokenTrouble(err)
		return protocol.Proof{}, protocol.Refusal{Code: protocol.RefuseBusy, Text: "this gateway cannot read its own token: its log says why"}
	}
	var binding []byte
	if l.seal != nil {
		binding = v.identity.Binding()
	}
	knows := func(token []byte) bool {
		return protocol.EqualMAC(mac, protocol.ProofMAC(token, !l.dialled, said.dialer, said.listener, binding))
	}
	if knows(tokens.Current) {
		l.token = tokens.Current
		return protocol.Proof{
			MAC:    protocol.ProofMAC(tokens.Current, l.dialled, said.dialer, said.listener, binding),
			Rights: []string{protocol.RightRead, protocol.RightArchive, protocol.RightChange},
		}, nil
	}
	for _, old := range tokens.Old {
		if knows(old.Token) {
			return protocol.Proof{}, tokenRefusal("the token shown is an old one, which was renewed on %s: %s", old.Until, howToPair)
		}
	}
	return protocol.Proof{}, tokenRefusal("the token shown is not this gateway's: %s", howToPair)
}

func tokenRefusal(format string, args ...any) error {
	return protocol.Refusal{Code: protocol.RefuseToken, Text: fmt.Sprintf(format, args...)}
}

// tokenTrouble logs that the token cannot be read.
func (v *server) tokenTrouble(err error) {
	if n, now := v.trouble.Tell("token"); now {
		v.log.Error().Err(err).Int("times", n).Msg("nobody can prove anything: the token cannot be read")
	}
}

// checkToken looks whether the token was renewed, and ends the sessions of those
// who proved to know the one before.
func (v *server) checkToken() {
	if v.identity == nil {
		return
	}
	tokens, err := v.identity.Tokens()
	if err != nil {
		v.tokenTrouble(err)
		return
	}
	renewed := v.tokenNow != nil && subtle.ConstantTimeCompare(v.tokenNow, tokens.Current) != 1
	v.tokenNow = tokens.Current
	if renewed && v.renewed != nil {
		v.renewed()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	ended := 0
	for s := range v.sessions {
		if s.link.token != nil && subtle.ConstantTimeCompare(s.link.token, tokens.Current) != 1 {
			s.end(tokenRefusal("the gateway's token was renewed: %s", howToPair))
			ended++
		}
	}
	if !renewed && ended == 0 { // one may have shown the old one and was opened since
		return
	}
	v.log.Warn().Int("sessions_ended", ended).Msg("the token was renewed: all who were paired before must be paired anew")
}
