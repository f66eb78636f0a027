package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"photongate/protocol"
)

// formatMajor is the one major number of the format that this version speaks.
const formatMajor = 1

// sessionFrame is the longest frame a receiver may send: a JSON payload behind
// the longest header.
const sessionFrame = protocol.MaxJSON + 63*4

// greet opens a session: TLS where it must be or the other end wants it, then
// the two hellos, the receiver's proof and the gateway's own. It returns the
// rights that were granted. A refusal to be told to the other end is returned as
// protocol.Refusal; one that the other end told as *turnedAway.
func (v *server) greet(ctx context.Context, l *link) (*protocol.FrameReader, protocol.Hello, []string, error) {
	frames := protocol.NewFrameReader(l, protocol.MaxHello)
	var theirs protocol.Hello
	if err := v.secure(ctx, l); err != nil {
		return nil, theirs, nil, err
	}
	hellos, err := v.exchange(l, frames, &theirs)
	if err != nil {
		return nil, theirs, nil, err
	}
	var proof protocol.Proof
	if _, err := next(frames, protocol.TypeProof, &proof); err != nil {
		return nil, theirs, nil, err
	}
	answer, err := v.judge(l, proof.MAC, hellos)
	if err != nil {
		return nil, theirs, nil, err
	}
	if err := v.firstWay(l, theirs.ID); err != nil {
		return nil, theirs, nil, err
	}
	if err := say(l, protocol.TypeProof, &answer); err != nil {
		return nil, theirs, nil, err
	}
	frames.SetLimit(sessionFrame)
	return frames, theirs, answer.Rights, nil
}

// hellos are the payloads of the two, as they crossed the wire.
type hellos struct{ dialer, listener []byte }

// exchange exchanges the hellos: the end that dialled speaks first.
func (v *server) exchange(l *link, frames *protocol.FrameReader, theirs *protocol.Hello) (h hellos, err error) {
	if l.dialled {
		if h.dialer, err = v.sayHello(l); err != nil {
			return h, err
		}
	}
	their, err := next(frames, protocol.TypeHello, theirs)
	if err != nil {
		return h, err
	}
	if err := checkHello(*theirs); err != nil {
		return h, err
	}
	if l.dialled {
		h.listener = their
		return h, nil
	}
	h.dialer = their
	h.listener, err = v.sayHello(l)
	return h, err
}

// sayHello writes the gateway's hello and returns its payload.
func (v *server) sayHello(l *link) ([]byte, error) {
	payload, err := protocol.EncodeJSON(v.hello())
	if err != nil {
		return nil, err
	}
	frame, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeHello}, payload)
	if err == nil {
		_, err = l.Write(frame)
	}
	return payload, err
}

// hello is the gateway's own.
func (v *server) hello() *protocol.Hello {
	now, ahead := v.base.pair()
	return &protocol.Hello{
		Format: [2]int{formatMajor, formatMajor}, Role: protocol.RoleGateway, Name: v.name, ID: v.journal.ID(),
		Software: v.software, Nonce: protocol.NewID(),
		Base: v.base.id, Boot: v.base.source.Boot, NowNs: protocol.Int64(now), UTCNs: protocol.Int64(now + ahead),
	}
}

// checkHello refuses whom this gateway cannot serve.
func checkHello(h protocol.Hello) error {
	switch {
	case h.Format[0] > formatMajor || h.Format[1] < formatMajor:
		return protocol.Refusal{Code: protocol.RefuseVersion,
			Text: fmt.Sprintf("this gateway speaks format %d, you speak %d to %d: update the older of the two", formatMajor, h.Format[0], h.Format[1])}
	case h.Role != protocol.RoleReceiver:
		return refused("expected a receiver, not role %q", h.Role)
	case h.ID.IsZero():
		return refused("a receiver needs an id that is not zero")
	case !goodPeerName(h.Name):
		return refused("the name %.80q cannot be used: expected 1 to 63 letters without spaces around them", h.Name)
	case len(h.Needs) > 0:
		return protocol.Refusal{Code: protocol.RefuseUnknown, Text: fmt.Sprintf("feature %.80q is not known to this gateway", h.Needs[0])}
	}
	return nil
}

func goodPeerName(name string) bool {
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return name != "" && utf8.RuneCountInString(name) <= 63 && strings.TrimSpace(name) == name
}

// next reads a frame that must be of one type into v, and returns a copy of its
// payload.
func next(frames *protocol.FrameReader, want protocol.Type, v any) ([]byte, error) {
	h, frame, err := frames.Next()
	if err != nil {
		return nil, badInput(err)
	}
	if h.Type == protocol.TypeRefuse {
		return nil, refusedBy(frame[h.HeaderLen:])
	}
	if h.Type != want {
		return nil, refused("expected %v, not %v", want, h.Type)
	}
	payload := bytes.Clone(frame[h.HeaderLen:])
	if err := protocol.DecodeJSON(payload, v); err != nil {
		return nil, refused("%v: %v", want, err)
	}
	return payload, nil
}

// badInput turns an error of reading into the refusal it deserves. Errors of
// the connection stay as they are.
func badInput(err error) error {
	var net net.Error
	switch {
	case errors.Is(err, protocol.ErrVersion):
		return protocol.Refusal{Code: protocol.RefuseVersion, Text: err.Error()}
	case errors.Is(err, protocol.ErrLimit):
		return protocol.Refusal{Code: protocol.RefuseLimit, Text: err.Error()}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refused("hello and proof must be done within %v", openingLimit)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errDead), errors.As(err, &net):
		return err
	}
	return refused("%v", err)
}

// refused is a refusal for breaking the rules of the protocol.
func refused(format string, args ...any) error {
	return protocol.Refusal{Code: protocol.RefuseProtocol, Text: fmt.Sprintf(format, args...)}
}

// say writes a session frame. It is for the opening and for last words.
func say(w io.Writer, t protocol.Type, v any) error {
	frame, err := sessionJSON(nil, t, v)
	if err != nil {
		return err
	}
	_, err = w.Write(frame)
	return err
}

// sessionJSON appends a session frame.
func sessionJSON(dst []byte, t protocol.Type, v any) ([]byte, error) {
	return protocol.AppendJSON(dst, protocol.Header{Type: t}, v)
}

// lastWords is what the other end is told when a session ends with err; nil
// when there is nothing to tell. first is what one that was never opened began
// with, were it a browser.
func lastWords(err error, first byte) []byte {
	var refusal protocol.Refusal
	if !errors.As(err, &refusal) {
		return nil
	}
	if first >= 'A' && first <= 'Z' { // a browser or another HTTP client
		return []byte("HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
			"This is the data port of a photongate gateway. It does not speak HTTP: use photonrecv.\n")
	}
	words, err := sessionJSON(nil, protocol.TypeRefuse, &refusal)
	if err != nil {
		return nil
	}
	return words
}
