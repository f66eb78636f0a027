package cmd_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// probeChild names the variable that makes this program a probe: a dialer that
// does what photonrecv does not, from whichever namespace it is started in. It
// prints what the gateway answers.
const probeChild = "PHOTONGATE_PROBE"

// probeAt runs a probe somewhere and returns what it printed.
func (l *lab) probeAt(at place, what string, args ...string) string {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	line := append(append(append([]string{}, at.enter...), self), args...)
	c := exec.Command(line[0], line[1:]...)
	c.Env = append(os.Environ(), probeChild+"="+what)
	out, err := c.CombinedOutput()
	if err != nil {
		l.t.Fatalf("probe %s: %v\n%s", what, err, out)
	}
	return string(out)
}

// probe is the child. args are the address, and the line of the gateway for
// what knows it.
func probe(what string, args []string) int {
	if err := probing(what, args); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func probing(what string, args []string) error {
	dial := func() (net.Conn, error) {
		conn, err := net.DialTimeout("tcp", args[0], 5*time.Second)
		if err == nil {
			err = conn.SetDeadline(time.Now().Add(10 * time.Second))
		}
		return conn, err
	}
	if what == "listen" {
		return listening(args[0], args[1])
	}
	conn, err := dial()
	if err != nil {
		return err
	}
	anyKey := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}
	switch what {
	case "plain":
		_, err := converse(conn, nil, nil)
		return tell(err)
	case "no token":
		_, err := converse(tls.Client(conn, anyKey), nil, nil)
		return tell(err)
	case "replay":
		p, err := pairing.ParseLine(args[1])
		if err != nil {
			return err
		}
		token, err := p.TokenBytes()
		if err != nil {
			return err
		}
		raw := &recorded{Conn: conn}
		inside := tls.Client(raw, p.ClientTLS())
		if err := inside.Handshake(); err != nil {
			return err
		}
		said, err := converse(inside, token, pairing.Binding(inside.ConnectionState().PeerCertificates[0].Raw))
		if err != nil {
			return fmt.Errorf("the session to be overheard: %w", err)
		}
		conn.Close()
		fmt.Println("overheard a session")
		// The bytes that crossed the cable, again.
		if conn, err = dial(); err != nil {
			return err
		}
		if _, err := conn.Write(raw.sent.Bytes()); err != nil {
			return err
		}
		answer, _ := io.ReadAll(conn) // it ends as it ends
		fmt.Printf("cable again: a frame in the answer: %v\n", bytes.Contains(answer, []byte("\xf5PG\x01")))
		// What was said inside, again, within TLS of one's own.
		if conn, err = dial(); err != nil {
			return err
		}
		inside = tls.Client(conn, anyKey)
		if _, err := inside.Write(said); err != nil {
			return err
		}
		_, err = answers(inside)
		fmt.Print("hello and proof again: ")
		return tell(err)
	}
	return fmt.Errorf("no probe %q", what)
}

func tell(err error) error {
	if err == nil {
		fmt.Println("let in")
		return nil
	}
	fmt.Println(err)
	return nil
}

// recorded keeps what is written.
type recorded struct {
	net.Conn
	sent bytes.Buffer
}

func (r *recorded) Write(p []byte) (int, error) {
	r.sent.Write(p)
	return r.Conn.Write(p)
}

// converse says hello and proves to know a token, if any. It returns what it
// said.
func converse(conn net.Conn, token, binding []byte) (said []byte, err error) {
	mine, err := protocol.EncodeJSON(&protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleReceiver, Name: "probe", ID: protocol.NewID(), Software: "probe", Nonce: protocol.NewID()})
	if err != nil {
		return nil, err
	}
	hello, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeHello}, mine)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(hello); err != nil {
		return nil, err
	}
	frames := protocol.NewFrameReader(conn, protocol.MaxFrame)
	h, frame, err := frames.Next()
	if err != nil {
		return nil, err
	}
	if h.Type != protocol.TypeHello {
		return nil, fmt.Errorf("%v %s", h.Type, frame[h.HeaderLen:])
	}
	mac := ""
	if token != nil {
		mac = protocol.ProofMAC(token, true, mine, frame[h.HeaderLen:], binding)
	}
	proof, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeProof}, &protocol.Proof{MAC: mac})
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(proof); err != nil {
		return nil, err
	}
	h, frame, err = frames.Next()
	if err == nil && h.Type != protocol.TypeProof {
		err = fmt.Errorf("%v %s", h.Type, frame[h.HeaderLen:])
	}
	return append(hello, proof...), err
}

// answers reads up to the proof of a gateway; what comes instead is the error.
func answers(conn net.Conn) (protocol.Header, error) {
	frames := protocol.NewFrameReader(conn, protocol.MaxFrame)
	for {
		h, frame, err := frames.Next()
		if err != nil || h.Type == protocol.TypeProof {
			return h, err
		}
		if h.Type != protocol.TypeHello {
			return h, fmt.Errorf("%v %s", h.Type, frame[h.HeaderLen:])
		}
	}
}
