package cmd_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// listening is the probe that a gateway dials: it is let in once as a
// workstation that knows the token, and keeps what it said; then it is somebody who
// has overheard that, and at last somebody who knows nothing.
func listening(address, line string) error {
	p, err := pairing.ParseLine(line)
	if err != nil {
		return err
	}
	token, err := p.TokenBytes()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	accept := func() (net.Conn, error) {
		conn, err := l.Accept()
		if err == nil {
			err = conn.SetDeadline(time.Now().Add(10 * time.Second))
		}
		return conn, err
	}
	conn, err := accept()
	if err != nil {
		return err
	}
	raw := &recorded{Conn: conn}
	inside := tls.Client(raw, p.ClientTLS())
	said, err := welcome(inside, token, pairing.Binding, nil)
	if err != nil {
		return fmt.Errorf("the session to be overheard: %w", err)
	}
	conn.Close()
	fmt.Println("overheard a session")

	if conn, err = accept(); err != nil {
		return err
	}
	if _, err := conn.Write(raw.sent.Bytes()); err != nil {
		return err
	}
	answer, _ := io.ReadAll(conn) // it ends as it ends
	fmt.Printf("cable again: a frame in the answer: %v\n", bytes.Contains(answer, []byte("\xf5PG\x01")))
	conn.Close()

	anyKey := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}
	for _, try := range []struct {
		what string
		said []byte
	}{{"hello and proof again: ", said}, {"no token: ", nil}} {
		if conn, err = accept(); err != nil {
			return err
		}
		_, err = welcome(tls.Client(conn, anyKey), nil, nil, try.said)
		fmt.Print(try.what)
		_ = tell(err)
		conn.Close()
	}

	if conn, err = accept(); err != nil {
		return err
	}
	if _, err := conn.Write(said); err != nil { // without encryption
		return err
	}
	answer, _ = io.ReadAll(conn) // it ends as it ends
	fmt.Printf("without encryption: a frame in the answer: %v\n", bytes.Contains(answer, []byte("\xf5PG\x01")))
	return conn.Close()
}

// welcome is what a receiver says to a gateway that dialled, or what again says.
// It returns what it said. More than a hello from the gateway before its proof is
// an error.
func welcome(conn *tls.Conn, token []byte, bind func([]byte) []byte, again []byte) (said []byte, err error) {
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	frames := protocol.NewFrameReader(conn, protocol.MaxFrame)
	h, frame, err := frames.Next()
	if err != nil || h.Type != protocol.TypeHello {
		return nil, errors.Join(err, fmt.Errorf("first came %v", h.Type))
	}
	theirs := bytes.Clone(frame[h.HeaderLen:])
	if said = again; said == nil {
		mine, err := protocol.EncodeJSON(&protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleReceiver, Name: "probe", ID: protocol.NewID(), Software: "probe", Nonce: protocol.NewID()})
		if err != nil {
			return nil, err
		}
		if said, err = protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeHello}, mine); err != nil {
			return nil, err
		}
		mac := ""
		if token != nil {
			mac = protocol.ProofMAC(token, false, theirs, mine, bind(conn.ConnectionState().PeerCertificates[0].Raw))
		}
		if said, err = protocol.AppendJSON(said, protocol.Header{Type: protocol.TypeProof}, &protocol.Proof{MAC: mac}); err != nil {
			return nil, err
		}
	}
	if _, err := conn.Write(said); err != nil {
		return nil, err
	}
	h, frame, err = frames.Next()
	if err == nil && h.Type != protocol.TypeProof {
		err = fmt.Errorf("%v %s", h.Type, frame[h.HeaderLen:])
	}
	return said, err
}
