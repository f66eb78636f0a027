package receiver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"photongate/protocol"
)

// damagedFrame says that bytes arrived that are not what was sent.
type damagedFrame struct{ err error }

func (e *damagedFrame) Error() string { return fmt.Sprintf("what arrived is damaged: %v", e.err) }
func (e *damagedFrame) Unwrap() error { return e.err }

// goodbye says that the gateway ended the session in good order.
type goodbye struct{ reason string }

func (e *goodbye) Error() string {
	if e.reason == "" {
		return "the gateway said goodbye"
	}
	return "the gateway said goodbye: " + e.reason
}

// Refused is wrapped by errors of a gateway that answered, and refused.
type Refused struct {
	Gateway string // host:port
	protocol.Refusal
}

// Error is a sentence with the gateway's own words.
func (e *Refused) Error() string {
	text := e.Text
	if text == "" {
		text = "it gives no reason"
	}
	hint := map[string]string{
		protocol.RefuseVersion:   "update the older of the two programs",
		protocol.RefuseName:      "choose another --name, or, if the folder of that archive is given up, take the name over from it with --take-over",
		protocol.RefuseDisplaced: "another photonrecv records into this archive; one of them is enough",
		protocol.RefuseBusy:      "trying again later may help",
		protocol.RefuseLimit:     "trying again later may help",
	}[e.Code]
	if strings.Contains(text, "--take-over") { // the gateway says it itself
		hint = ""
	}
	if hint != "" {
		hint = " (" + hint + ")"
	}
	return fmt.Sprintf("the gateway at %s refuses: %s%s", e.Gateway, text, hint)
}

// final reports whether trying again cannot help.
func (e *Refused) final() bool {
	switch e.Code {
	case protocol.RefuseVersion, protocol.RefuseName, protocol.RefuseDisplaced, protocol.RefuseToken, protocol.RefuseRights:
		return true
	}
	return false
}

// explainOpening turns what went wrong before the proof into a sentence. head
// is the first bytes the other end sent.
func explainOpening(peer string, head []byte, err error) error {
	say := func(format string, args ...any) error {
		return &unreachable{text: fmt.Sprintf(format, args...), cause: err}
	}
	if refused := refusal(peer, err); refused != nil {
		return refused
	}
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, protocol.ErrMagic) && len(head) > 1 && head[0] == 0x15 && head[1] == 0x03:
		return say("%s speaks TLS, this connection was made without: it is a gateway that asks for encryption, or a web server", peer)
	case errors.Is(err, protocol.ErrMagic):
		return say("%s answers, but is not a photongate: it sent %s; check the port (photongate uses %s)", peer, printable(head), DefaultPort)
	case isNet && netErr.Timeout() && len(head) > 0:
		return say("%s began a greeting that had not ended after %v: the line is so slow, or loses so much, or the gateway hangs", peer, openTimeout)
	case isNet && netErr.Timeout():
		return say("%s accepts connections but says nothing: another program listens there, or the gateway hangs", peer)
	case len(head) == 0 && (isEOF(err) || isReset(err)):
		return say("%s accepted the connection and closed it without a word: another program listens there, or a tunnel whose far end is not running", peer)
	case isEOF(err) || isReset(err):
		return say("%s closed the connection in the middle of the greeting", peer)
	}
	return say("greeting with %s: %v", peer, err)
}

// refusal is why one end of a greeting wants nothing to do with the other; nil when
// that is not what went wrong.
func refusal(peer string, err error) error {
	if r, ok := errors.AsType[*protocol.Refusal](err); ok {
		return &Refused{Gateway: peer, Refusal: *r}
	}
	switch {
	case errors.Is(err, errUntrusted):
		return err
	case errors.Is(err, protocol.ErrVersion):
		return &Refused{Gateway: peer, Refusal: protocol.Refusal{Code: protocol.RefuseVersion, Text: err.Error()}}
	}
	return nil
}

// explainLost turns the end of an open session into a sentence.
func explainLost(peer string, err error) error {
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case isNet && netErr.Timeout():
		return &unreachable{text: fmt.Sprintf("nothing came from %s for %v: the cable is out, or it is switched off or hangs", peer, deadAfter), cause: err}
	case isEOF(err) || isReset(err):
		return &unreachable{text: fmt.Sprintf("%s closed the connection", peer), cause: err}
	}
	return &unreachable{text: fmt.Sprintf("connection to %s: %v", peer, err), cause: err}
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed)
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || strings.Contains(err.Error(), "forcibly closed")
}

// printable quotes bytes for a message.
func printable(b []byte) string {
	text := fmt.Sprintf("%q", b)
	if len(b) == headBytes {
		text += "..."
	}
	return text
}
