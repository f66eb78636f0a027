package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"photongate/protocol"
)

// notDialled says that there was no connection, notOpened that there was no
// session on one.
type (
	notDialled struct{ error }
	notOpened  struct {
		error
		first byte // that came; 0: none
		here  bool // what answers is on this computer, as it seems
	}
)

func (e *notDialled) Unwrap() error { return e.error }
func (e *notOpened) Unwrap() error  { return e.error }

// forwardTrouble is why there is no session with a receiver that is dialled.
type forwardTrouble struct {
	text       string // a sentence
	refused    bool   // waiting does not mend it
	hadSession bool   // there was one, and it ended
}

// explainForward turns the end of an attempt into a sentence.
func explainForward(address string, err error) forwardTrouble {
	host, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		host, port = address, DefaultPort
	}
	if dial, ok := errors.AsType[*notDialled](err); ok {
		return forwardTrouble{text: explainDial(host, port, dial.error)}
	}
	if open, ok := errors.AsType[*notOpened](err); ok {
		return explainOpening(address, open)
	}
	return explainEnd(address, err)
}

// explainDial says why there is no connection.
func explainDial(host, port string, err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return fmt.Sprintf("no computer is called %s: check the spelling in forward, or write its number (as in 192.168.1.7)", host)
		}
		return fmt.Sprintf("the name %s cannot be looked up, as no name server answers: check the network, or write the computer's number in forward (as in 192.168.1.7)", host)
	}
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens at %s: is `photonrecv record --listen` running there, on port %s?", net.JoinHostPort(host, port), port)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("there is no way to %s: check the cable, the address, and that it is switched on", host)
	case errors.Is(err, context.DeadlineExceeded), isNet && netErr.Timeout():
		return fmt.Sprintf("%s does not answer on port %s: it is switched off, the cable is out, or a firewall there drops the connection", host, port)
	}
	return fmt.Sprintf("connect to %s: %v", net.JoinHostPort(host, port), err)
}

// explainOpening says why there is no session on a connection.
func explainOpening(address string, e *notOpened) forwardTrouble {
	no := func(format string, args ...any) forwardTrouble {
		return forwardTrouble{text: fmt.Sprintf(format, args...), refused: true}
	}
	if away, ok := errors.AsType[*turnedAway](e); ok {
		return no("%s refuses: %s", address, orNoReason(away.Text))
	}
	refusal, ours := errors.AsType[protocol.Refusal](e)
	switch {
	case errors.Is(e, errSecondWay):
		return forwardTrouble{text: fmt.Sprintf("the receiver at %s is reached otherwise: %s", address, refusal.Text)}
	case strings.Contains(e.Error(), "bad certificate"): // the alert of a receiver that does not know the key
		return no("the workstation at %s is not paired with this gateway, or with another key of it: `photongate pair` here prints the line; paste it there, with photonrecv pair --unreached", address)
	case errors.Is(e, errNoTLS) && e.first == 0:
		return no("%s accepts connections, but nothing there begins encryption as `photonrecv record --listen` does: another program listens there, or the connection goes through a tunnel", address)
	case errors.Is(e, errNoTLS):
		return no("what listens at %s is no `photonrecv record --listen`, which begins encryption there: check the port", address)
	case e.first == tlsFirst && e.here:
		return no("what listens at %s begins encryption, as towards another computer, though that is an address of this one: where a tunnel begins here, it must end on the workstation's own computer", address)
	case ours && refusal.Code == protocol.RefuseToken:
		return no("the receiver at %s does not know the token: `photongate pair` here prints the line; paste it there, with photonrecv pair --unreached (%s)", address, refusal.Text)
	case ours && e.first != 0 && e.first != frameFirst && e.first != tlsFirst:
		return no("what listens at %s is no `photonrecv record --listen`: check the port", address)
	case ours && errors.Is(e, os.ErrDeadlineExceeded), ours && e.first == 0:
		return no("%s accepts connections but says nothing: another program listens there, or the receiver hangs", address)
	case ours:
		return no("the receiver at %s is refused: %s", address, refusal.Text)
	}
	if isEnd(e) {
		return forwardTrouble{text: fmt.Sprintf("%s closed the connection before there was a session: another program listens there, or the receiver ends", address)}
	}
	return forwardTrouble{text: fmt.Sprintf("greeting with %s: %v", address, e.error)}
}

// explainEnd says why a session ended.
func explainEnd(address string, err error) forwardTrouble {
	had := func(refused bool, format string, args ...any) forwardTrouble {
		return forwardTrouble{text: fmt.Sprintf(format, args...), refused: refused, hadSession: true}
	}
	if away, ok := errors.AsType[*turnedAway](err); ok {
		return had(true, "%s refuses: %s", address, orNoReason(away.Text))
	}
	if refusal, ok := errors.AsType[protocol.Refusal](err); ok {
		return had(true, "the receiver at %s is refused: %s", address, refusal.Text)
	}
	switch {
	case errors.Is(err, errBye):
		return had(false, "the receiver at %s is done, and said goodbye", address)
	case errors.Is(err, errDead):
		return had(false, "nothing came from %s for %v: it is switched off, or the cable is out", address, deadAfter)
	case isEnd(err):
		return had(false, "the receiver at %s went away", address)
	}
	return had(false, "the session with %s ended: %v", address, err)
}

func orNoReason(text string) string {
	if text == "" {
		return "it gives no reason"
	}
	return text
}

// isEnd reports whether an error is the end of a connection.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
