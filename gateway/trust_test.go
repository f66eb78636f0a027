package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// TestMain keeps gateways under test from leaving anything with the user.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "photongate-config-")
	if err != nil {
		panic(err)
	}
	os.Setenv(pairing.FolderVariable, dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// elsewhere is a connection from another computer.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 999} }

// wiretap keeps what the dialer sent.
type wiretap struct {
	net.Conn
	mu   sync.Mutex
	sent bytes.Buffer
}

func (w *wiretap) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.sent.Write(p)
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// trusted is a server with a key and a token, and how it is paired.
func trusted(t *testing.T) (*server, pairing.Pairing) {
	t.Helper()
	v := pipeServer(t)
	id, err := pairing.LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	v.identity = id
	v.checkToken()
	p, err := id.Pairing("pi-test", []string{"192.0.2.1:7310"})
	if err != nil {
		t.Fatal(err)
	}
	return v, p
}

// attempt opens a session as a workstation would. It returns what the gateway
// granted, or the refusal.
func attempt(t *testing.T, conn net.Conn, token, binding []byte) (protocol.Proof, error) {
	t.Helper()
	frames := protocol.NewFrameReader(conn, protocol.MaxFrame)
	mine, err := protocol.EncodeJSON(&protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleReceiver, Name: "desk", ID: protocol.ID{1}, Software: "test", Nonce: protocol.NewID()})
	if err != nil {
		t.Fatal(err)
	}
	hello, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeHello}, mine)
	if err != nil {
		t.Fatal(err)
	}
	read := func(want protocol.Type, v any) ([]byte, error) {
		h, frame, err := frames.Next()
		if err != nil {
			return nil, err
		}
		payload := bytes.Clone(frame[h.HeaderLen:])
		if h.Type == protocol.TypeRefuse {
			var r protocol.Refusal
			if err := protocol.DecodeJSON(payload, &r); err != nil {
				t.Fatal(err)
			}
			return nil, r
		}
		if h.Type != want {
			t.Fatalf("got %v, want %v", h.Type, want)
		}
		return payload, protocol.DecodeJSON(payload, v)
	}
	var theirs protocol.Hello
	var answer protocol.Proof
	go conn.Write(hello) // a refusal may come before anybody reads this
	their, err := read(protocol.TypeHello, &theirs)
	if err != nil {
		return answer, err
	}
	mac := ""
	if token != nil {
		mac = protocol.ProofMAC(token, true, mine, their, binding)
	}
	if err := say(conn, protocol.TypeProof, &protocol.Proof{MAC: mac}); err != nil {
		t.Fatal(err)
	}
	if _, err := read(protocol.TypeProof, &answer); err != nil {
		return answer, err
	}
	if mac != "" && answer.MAC != protocol.ProofMAC(token, false, mine, their, binding) {
		t.Error("the gateway's mac is wrong")
	}
	return answer, nil
}

// reach connects to a server, from here or elsewhere, plain or with TLS.
func reach(t *testing.T, v *server, far bool, config *tls.Config) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close() })
	if far {
		there = elsewhere{there}
	}
	v.accept(t.Context(), there)
	if config == nil {
		return here
	}
	c := tls.Client(here, config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWhoMayWhat: from where, with TLS or not, and with which token.
func TestWhoMayWhat(t *testing.T) {
	all := []string{"read", "archive", "change"}
	for name, c := range map[string]struct {
		far, tls bool
		token    string // "", "right", "wrong", "old"
		unbound  bool   // the proof is not bound to the certificate
		rights   []string
		refused  string
	}{
		"here, no token":                {rights: all[:2]},
		"here, token":                   {token: "right", rights: all},
		"here, wrong token":             {token: "wrong", refused: "not this gateway's"},
		"here, old token":               {token: "old", refused: "renewed on 2026-11-21"},
		"here, TLS, no token":           {tls: true, rights: all[:2]},
		"here, TLS, token":              {tls: true, token: "right", rights: all},
		"elsewhere, plain":              {far: true, refused: "speaks without encryption to programs on its own computer only"},
		"elsewhere, plain, token":       {far: true, token: "right", refused: "`photongate pair` on the gateway prints the line"},
		"elsewhere, TLS, token":         {far: true, tls: true, token: "right", rights: all},
		"elsewhere, TLS, no token":      {far: true, tls: true, refused: "no token was shown"},
		"elsewhere, TLS, wrong token":   {far: true, tls: true, token: "wrong", refused: "not this gateway's"},
		"elsewhere, TLS, old token":     {far: true, tls: true, token: "old", refused: "renewed on 2026-11-21"},
		"elsewhere, TLS, proof unbound": {far: true, tls: true, token: "right", unbound: true, refused: "not this gateway's"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, p := trusted(t)
				var token, binding []byte
				switch c.token {
				case "right", "old":
					var err error
					if token, err = p.TokenBytes(); err != nil {
						t.Fatal(err)
					}
				case "wrong":
					token = make([]byte, 32)
				}
				if c.token == "old" {
					if err := v.identity.Renew(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)); err != nil {
						t.Fatal(err)
					}
				}
				var config *tls.Config
				if c.tls {
					config = p.ClientTLS()
					if !c.unbound {
						binding = v.identity.Binding()
					}
				}
				conn := reach(t, v, c.far, config)
				answer, err := attempt(t, conn, token, binding)
				if c.refused != "" {
					var r protocol.Refusal
					if !errors.As(err, &r) || r.Code != protocol.RefuseToken || !strings.Contains(r.Text, c.refused) {
						t.Errorf("got %+v, %v, want a refusal with %q", answer, err, c.refused)
					}
				} else if err != nil {
					t.Error(err)
				} else if diff := cmp.Diff(answer.Rights, c.rights); diff != "" {
					t.Error(diff)
				}
				conn.Close()
				v.wg.Wait()
			})
		})
	}
}

// TestReplay: hello and proof that were overheard are worth nothing, plain or
// within TLS.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, p := trusted(t)
		token, err := p.TokenBytes()
		if err != nil {
			t.Fatal(err)
		}
		here, there := net.Pipe()
		v.accept(t.Context(), there)
		tap := &wiretap{Conn: here}
		if _, err := attempt(t, tap, token, nil); err != nil {
			t.Fatal(err)
		}
		here.Close()
		again := reach(t, v, false, nil)
		go again.Write(tap.sent.Bytes())
		c := &client{t: t, conn: again, frames: protocol.NewFrameReader(again, protocol.MaxFrame)}
		c.expect(protocol.TypeHello, nil)
		c.refusedWith(protocol.RefuseToken)
		again.Close()
		v.wg.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		v, p := trusted(t)
		token, err := p.TokenBytes()
		if err != nil {
			t.Fatal(err)
		}
		here, there := net.Pipe()
		v.accept(t.Context(), elsewhere{there})
		tap := &wiretap{Conn: here}
		inside := tls.Client(tap, p.ClientTLS())
		if _, err := attempt(t, inside, token, v.identity.Binding()); err != nil {
			t.Fatal(err)
		}
		here.Close()
		for what, secret := range map[string]string{"the token": string(token), "the token as text": p.Token, "a frame": "\xf5PG\x01", "a hello": `"nonce"`} {
			if bytes.Contains(tap.sent.Bytes(), []byte(secret)) {
				t.Errorf("what crosses the wire shows %s", what)
			}
		}
		again := reach(t, v, true, nil)
		go again.Write(tap.sent.Bytes())
		answer, err := io.ReadAll(again)
		if err != nil || bytes.Contains(answer, []byte("\xf5PG\x01")) {
			t.Errorf("answered %q, %v", answer, err)
		}
		v.wg.Wait()
		if len(v.sessions) > 0 {
			t.Error("there is a session")
		}
	})
}

// TestHandshakeHasLimits: TLS has no more time and bytes than any opening.
func TestHandshakeHasLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, _ := trusted(t)
		conn := reach(t, v, true, nil)
		begin := time.Now()
		if _, err := conn.Write([]byte{tlsFirst, 3, 1}); err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(conn)
		if at := time.Since(begin); at < openingLimit || at > openingLimit+2*refuseLimit {
			t.Errorf("closed after %v", at)
		}
		v.wg.Wait()
	})
	v, _ := trusted(t)
	// Records of a handshake message that says it is 65520 bytes long.
	record := append([]byte{tlsFirst, 3, 1, 0x10, 0}, make([]byte, 0x1000)...)
	record[5], record[6], record[7], record[8] = 1, 0, 0xff, 0xf0
	in := bytes.NewReader(bytes.Repeat(record, 20))
	var r protocol.Refusal
	err := newLink(&scripted{in: in}).encrypt(t.Context(), v.identity.ServerTLS())
	if !errors.As(err, &r) || r.Code != protocol.RefuseLimit {
		t.Errorf("got %v", err)
	}
	if taken := 20*len(record) - in.Len(); taken != maxHandshake {
		t.Errorf("%d bytes were taken, at most %d are an opening's", taken, maxHandshake)
	}
}

// TestOldTLSIsRefused: less than TLS 1.3 is not spoken.
func TestOldTLSIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, p := trusted(t)
		config := p.ClientTLS()
		config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		c := tls.Client(reach(t, v, true, nil), config)
		if err := c.Handshake(); err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("got %v", err)
		}
		c.Close()
		v.wg.Wait()
	})
}

// TestRenewedTokenEndsSessions: who knew the old token is told; who showed none
// is left alone.
func TestRenewedTokenEndsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, p := trusted(t)
		token, err := p.TokenBytes()
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		v.renewed = func() { calls++ }
		conn := reach(t, v, true, p.ClientTLS())
		if _, err := attempt(t, conn, token, v.identity.Binding()); err != nil {
			t.Fatal(err)
		}
		c := &client{t: t, conn: conn, frames: protocol.NewFrameReader(conn, protocol.MaxFrame)}
		reader := pipeSession(t, v)
		v.checkToken()
		if err := v.identity.Renew(time.Now()); err != nil {
			t.Fatal(err)
		}
		v.checkToken()
		v.checkToken()
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
		if r := c.refusedWith(protocol.RefuseToken); !strings.Contains(r.Text, "was renewed") {
			t.Errorf("told %q", r.Text)
		}
		conn.Close()
		reader.say(protocol.TypeBye, &protocol.Bye{})
		v.wg.Wait()
	})
}

// TestSessionOpenedWhileRenewed: who proved the old token just before it was
// renewed, and whose session begins just after that was noticed, is told as well.
func TestSessionOpenedWhileRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, _ := trusted(t)
		before, err := v.identity.Tokens()
		if err != nil {
			t.Fatal(err)
		}
		if err := v.identity.Renew(time.Now()); err != nil {
			t.Fatal(err)
		}
		v.checkToken()
		c := pipeSession(t, v)
		synctest.Wait()
		v.mu.Lock()
		for s := range v.sessions {
			s.link.token = before.Current
		}
		v.mu.Unlock()
		v.checkToken()
		if r := c.refusedWith(protocol.RefuseToken); !strings.Contains(r.Text, "was renewed") {
			t.Errorf("told %q", r.Text)
		}
		v.wg.Wait()
	})
}

func TestAddressesOutside(t *testing.T) {
	nics := []nic{
		{"eth0", []net.IP{net.ParseIP("fe80::1"), net.ParseIP("2001:db8::5"), net.ParseIP("192.168.1.5")}},
		{"wlan0", []net.IP{net.ParseIP("10.0.0.7"), net.ParseIP("169.254.3.3")}},
		{"docker0", []net.IP{net.ParseIP("172.17.0.1")}},
	}
	for name, c := range map[string]struct{ listen, want []string }{
		"loopback":    {[]string{"127.0.0.1:7310", "[::1]:7310", "localhost:7310"}, nil},
		"all of IPv4": {[]string{"0.0.0.0:7310"}, []string{"192.168.1.5:7310", "10.0.0.7:7310"}},
		"all":         {[]string{"[::]:7310"}, []string{"192.168.1.5:7310", "10.0.0.7:7310", "[2001:db8::5]:7310"}},
		"no host":     {[]string{":7311"}, []string{"192.168.1.5:7311", "10.0.0.7:7311", "[2001:db8::5]:7311"}},
		"one":         {[]string{"127.0.0.1:7310", "10.0.0.7:7310"}, []string{"10.0.0.7:7310"}},
		"twice":       {[]string{"0.0.0.0:7310", "10.0.0.7:7310"}, []string{"192.168.1.5:7310", "10.0.0.7:7310"}},
		"a name":      {[]string{"pi-lab3.example:7310"}, []string{"pi-lab3.example:7310"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(addressesOutside(c.listen, nics), c.want); diff != "" && len(c.want)+len(addressesOutside(c.listen, nics)) > 0 {
				t.Error(diff)
			}
		})
	}
	if diff := cmp.Diff(addressesHere([]string{"0.0.0.0:1", "[::]:2", "10.0.0.7:3"}), []string{"127.0.0.1:1", "[::1]:2", "127.0.0.1:2", "10.0.0.7:3"}); diff != "" {
		t.Error(diff)
	}
}
