package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"photongate/protocol"
)

const (
	tlsFirst     = 0x16    // the first byte of a TLS connection (RFC 8446, 5.1: handshake)
	maxHandshake = 8 << 10 // bytes of a dialer up to the end of its handshake, hello included
	tlsRecord    = 16 << 10
)

// seal is TLS over a link.
type seal struct {
	tls *tls.Conn
	out []byte // short buffers become one record
}

// encrypt puts the link under TLS, in the time and the bytes that an opening
// has.
func (l *link) encrypt(ctx context.Context, config *tls.Config) error {
	w := &sealed{Conn: l.conn, l: l, room: maxHandshake}
	l.seal = &seal{tls: tls.Server(w, config)}
	err := l.seal.tls.HandshakeContext(ctx)
	w.room = -1
	return err
}

// write writes records that are as long as TLS has them.
func (s *seal) write(bufs net.Buffers) error {
	s.out = s.out[:0]
	for _, b := range bufs {
		if len(s.out)+len(b) <= tlsRecord {
			s.out = append(s.out, b...)
			continue
		}
		if err := s.flush(); err != nil {
			return err
		}
		if len(b) <= tlsRecord {
			s.out = append(s.out, b...)
		} else if _, err := s.tls.Write(b); err != nil {
			return err
		}
	}
	return s.flush()
}

func (s *seal) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.tls.Write(s.out)
	s.out = s.out[:0]
	return err
}

// sealed is what TLS writes to and reads from: the bytes of a link. A write that
// ended at a deadline would spoil TLS for good, so the link's own waiting takes
// place below it.
type sealed struct {
	net.Conn
	l    *link
	room int // bytes that may still come; negative: any number
}

func (w *sealed) Read(p []byte) (int, error) {
	if w.room < 0 {
		return w.l.readBytes(p)
	}
	if w.room == 0 {
		return 0, protocol.Refusal{Code: protocol.RefuseLimit, Text: "the TLS handshake is too long"}
	}
	n, err := w.l.readBytes(p[:min(len(p), w.room)])
	w.room -= n
	return n, err
}

func (w *sealed) Write(p []byte) (int, error) {
	if !w.l.limit.IsZero() {
		return w.Conn.Write(p) // the opening's deadline is set
	}
	if err := w.l.writeBytes(net.Buffers{p}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetDeadline and its likes are the link's affair.
func (w *sealed) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (w *sealed) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (w *sealed) SetWriteDeadline(time.Time) error { return nil }
