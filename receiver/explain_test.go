package receiver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
)

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// TestDialSentences: each reason why there is no connection is a sentence of
// its own, with what to look at.
func TestDialSentences(t *testing.T) {
	op := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	local := func(host string) bool { return host == "127.0.0.1" }
	for name, c := range map[string]struct {
		hostPort string
		err      error
		want     []string
	}{
		"refused here": {"127.0.0.1:7310", op(syscall.ECONNREFUSED), []string{"no gateway listens on 127.0.0.1:7310: is photongate running?"}},
		"refused here by another name": {"ws1:7310", &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7310}, Err: syscall.ECONNREFUSED},
			[]string{"no gateway listens on ws1:7310: is photongate running?"}},
		"refused there": {"pi-lab3:7310", op(syscall.ECONNREFUSED), []string{
			"pi-lab3 answers, but nothing listens there on 7310", "the gateway is not running, or serves programs on its own computer only", `listen = "0.0.0.0:7310"`, "paste here the line"}},
		"no route":     {"pi-lab3:7310", op(syscall.EHOSTUNREACH), []string{"no way to pi-lab3", "cable", "address"}},
		"no network":   {"pi-lab3:7310", op(syscall.ENETUNREACH), []string{"no way to pi-lab3", "cable"}},
		"timeout":      {"pi-lab3:7310", op(timeoutError{}), []string{"pi-lab3 does not answer on 7310", "firewall", "cable"}},
		"our timeout":  {"pi-lab3:7310", context.DeadlineExceeded, []string{"does not answer"}},
		"no such name": {"pi-lab33:7310", op(&net.DNSError{Err: "no such host", Name: "pi-lab33", IsNotFound: true}), []string{"no machine is called pi-lab33", "spelling"}},
		"no name server": {"pi-lab3:7310", op(&net.DNSError{Err: "server misbehaving", Name: "pi-lab3", IsTemporary: true}),
			[]string{"cannot be looked up", "network"}},
		"anything else": {"pi-lab3:7310", errors.New("too many open files"), []string{"pi-lab3:7310", "too many open files"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := explainDial(c.hostPort, c.err, local)
			for _, w := range c.want {
				if !strings.Contains(got.Error(), w) {
					t.Errorf("got %q, want %q in it", got, w)
				}
			}
			if !errors.Is(got, ErrUnreachable) || !errors.Is(got, c.err) {
				t.Errorf("%v is not ErrUnreachable, or lost its cause", got)
			}
		})
	}
}

// TestRefusedOnLoopback is the real thing.
func TestRefusedOnLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, err = dialTCP(t.Context(), address)
	if want := "no gateway listens on " + address + ": is photongate running?"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestOpeningSentences: what answers is no gateway, or one that refuses.
func TestOpeningSentences(t *testing.T) {
	hello := func(change func(*protocol.Hello)) string {
		h := protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleGateway, Name: "pi-lab3", ID: protocol.NewID(), Software: "x", Nonce: protocol.NewID(),
			Base: protocol.NewID(), Boot: "b", NowNs: 1, UTCNs: 1}
		change(&h)
		frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHello}, &h)
		if err != nil {
			t.Fatal(err)
		}
		return string(frame)
	}
	refuse := func(code, text string) string {
		frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeRefuse}, &protocol.Refusal{Code: code, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		return string(frame)
	}
	proof := func(rights ...string) string {
		frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeProof}, &protocol.Proof{Rights: rights})
		if err != nil {
			t.Fatal(err)
		}
		return string(frame)
	}
	newer := []byte(hello(func(*protocol.Hello) {}))
	newer[3] = 2
	clear(newer[12:16])
	binary.LittleEndian.PutUint32(newer[12:], protocol.Checksum(newer[:protocol.HeaderSize]))
	same := func(*protocol.Hello) {}
	for name, c := range map[string]struct {
		says   string
		silent bool // and keeps the connection
		want   string
		final  bool // trying again cannot help
	}{
		"web server":         {"HTTP/1.1 400 Bad Request\r\n", false, `is not a photongate: it sent "HTTP/1.1 400 Bad Request\r\n"`, false},
		"ssh":                {"SSH-2.0-OpenSSH_9.6\r\n", true, `is not a photongate: it sent "SSH-2.0-OpenSSH_9.6\r\n"`, false},
		"TLS":                {"\x15\x03\x03\x00\x02\x02\x0a", false, "speaks TLS", false},
		"silence":            {"", true, "accepts connections but says nothing", false},
		"a line too slow":    {hello(same)[:30], true, "so slow", false},
		"closed at once":     {"", false, "closed it without a word", false},
		"closed in greeting": {hello(same)[:30], false, "in the middle of the greeting", false},
		"newer format":       {string(newer), false, "update the older of the two programs", true},
		"other formats only": {hello(func(h *protocol.Hello) { h.Format = [2]int{2, 3} }), false, "formats 2 to 3", true},
		"a receiver":         {hello(func(h *protocol.Hello) { h.Role = protocol.RoleReceiver }), false, "the other end is a receiver, not a gateway", false},
		"a bad name":         {hello(func(h *protocol.Hello) { h.Name = "../etc" }), false, "../etc", false},
		"refused: token":     {hello(same) + refuse("token", "no token was shown"), false, "refuses: no token was shown", true},
		"refused: name":      {hello(same) + refuse("name", "ws-ana is known with another archive"), false, "ws-ana is known with another archive (choose another --name", true},
		"refused: displaced": {hello(same) + refuse("displaced", "a newer session"), false, "another photonrecv records into this archive", true},
		"refused: busy":      {hello(same) + refuse("busy", "64 connections"), false, "64 connections (trying again later may help)", false},
		"refused: paints":    {hello(same) + refuse("busy", "\x1b[2J\nall is well"), false, "refuses: ?[2J?all is well (trying", false},
		"painted role":       {hello(func(h *protocol.Hello) { h.Role = "\x1b[2J" }), false, "the other end is a ?[2J, not a gateway", false},
		"no right":           {hello(same) + proof("read"), false, "grants no right to archive without its token", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mine, theirs := net.Pipe()
				defer theirs.Close()
				go func() { _, _ = io.Copy(io.Discard, theirs) }()
				go func() {
					_, _ = io.WriteString(theirs, c.says)
					if !c.silent {
						theirs.Close()
					}
				}()
				_, err := greet(t.Context(), mine, "pi-lab3:7310", identity{name: "ws", id: protocol.NewID(), software: "test", needs: protocol.RightArchive})
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "pi-lab3:7310") {
					t.Fatalf("got %v, want %q and the address in it", err, c.want)
				}
				refused, ok := errors.AsType[*Refused](err)
				if final := ok && refused.final(); final != c.final {
					t.Errorf("final is %v, want %v", final, c.final)
				}
			})
		})
	}
}

// TestRemedyIsSaidOnce: where the gateway says what to do, the receiver does not add it.
func TestRemedyIsSaidOnce(t *testing.T) {
	said := "the name is that of another archive: photonrecv record --take-over gives it to this one"
	err := &Refused{Gateway: "pi-lab3:7310", Refusal: protocol.Refusal{Code: protocol.RefuseName, Text: said}}
	if !strings.HasSuffix(err.Error(), said) {
		t.Errorf("got %v", err)
	}
}

// TestToken: both ends prove that they know it.
func TestToken(t *testing.T) {
	for name, c := range map[string]struct {
		mine, theirs string
		want         string // in the error; empty: it works
	}{
		"same":          {"secret", "secret", ""},
		"none is shown": {"", "secret", ""},
		"another":       {"secret", "other", "the token is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newStub(t)
				g.token = []byte(c.theirs)
				conn, err := g.dial(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				s, err := greet(t.Context(), conn, "x:1", identity{name: "ws", id: protocol.NewID(), software: "test", token: []byte(c.mine), needs: protocol.RightArchive})
				if c.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					s.conn.Close()
				} else if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		})
	}
}

// TestImpostor: a gateway that does not know the token is left.
func TestImpostor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			g := newStub(t)
			frames := protocol.NewFrameReader(theirs, protocol.MaxFrame)
			if _, _, err := frames.Next(); err != nil {
				return
			}
			h := protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleGateway, Name: "pi-lab3", ID: g.journal, Software: "x", Nonce: protocol.NewID(), Base: g.base, Boot: "b", NowNs: 1, UTCNs: 1}
			if g.send(theirs, protocol.TypeHello, &h) != nil {
				return
			}
			if _, _, err := frames.Next(); err != nil {
				return
			}
			_ = g.send(theirs, protocol.TypeProof, &protocol.Proof{MAC: strings.Repeat("0", 64), Rights: []string{"read", "archive"}})
		}()
		_, err := greet(t.Context(), mine, "x:1", identity{name: "ws", id: protocol.NewID(), software: "test", token: []byte("secret"), needs: protocol.RightArchive})
		if err == nil || !strings.Contains(err.Error(), "does not know the token") {
			t.Errorf("got %v", err)
		}
	})
}

// byteConn is a connection on which the other end has said all it will say.
type byteConn struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *byteConn) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *byteConn) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *byteConn) Close() error                     { return nil }
func (c *byteConn) LocalAddr() net.Addr              { return nil }
func (c *byteConn) RemoteAddr() net.Addr             { return nil }
func (c *byteConn) SetDeadline(time.Time) error      { return nil }
func (c *byteConn) SetReadDeadline(time.Time) error  { return nil }
func (c *byteConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzSession: whatever the other end says, a session ends with an error, holds
// no more than its bounds, and lets nothing pass whose checksums do not hold.
func FuzzSession(f *testing.F) {
	g := newStub(f).withBench(2)
	greeting, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHello}, &protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleGateway,
		Name: "pi-lab3", ID: g.journal, Software: "x", Nonce: g.base, Base: g.base, Boot: "b", NowNs: 1, UTCNs: 1})
	if err != nil {
		f.Fatal(err)
	}
	greeting, err = protocol.AppendJSON(greeting, protocol.Header{Type: protocol.TypeProof}, &protocol.Proof{Rights: []string{"archive"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil))
	f.Add(greeting)
	f.Add(bytes.Join(append([][]byte{greeting}, g.streams[1].frames...), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		conn := &byteConn{in: bytes.NewReader(b)}
		s, err := greet(t.Context(), conn, "x:1", identity{name: "ws", id: g.base, software: "test", needs: protocol.RightArchive})
		if err != nil {
			return
		}
		q := newFrameQueue()
		q.end(s.read(q))
		for {
			frames, err := q.take(t.Context(), nil)
			if err != nil {
				return
			}
			for len(frames) > 0 {
				_, _, rest, err := protocol.ParseFrame(frames)
				if err != nil {
					t.Fatalf("a bad frame passed: %v", err)
				}
				frames = rest
			}
		}
	})
}
