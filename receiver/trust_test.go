package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// TestMain keeps the user's own pairings out of the tests.
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

// far is a connection to another computer.
type far struct{ net.Conn }

func (far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7310} }

// pairedStub is a gateway with a key and a token, with which this user is paired
// as "pi-lab3", at two addresses.
func pairedStub(t *testing.T) (*stub, pairing.Pairing, *pairing.Identity) {
	t.Helper()
	t.Setenv(pairing.FolderVariable, t.TempDir())
	id, err := pairing.LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := id.Pairing("pi-lab3", []string{"192.0.2.1:7310", "192.0.2.2:7310"})
	if err != nil {
		t.Fatal(err)
	}
	g := newStub(t)
	g.rights = []string{"read", "archive", "change"}
	g.binding = id.Binding()
	if g.token, err = p.TokenBytes(); err != nil {
		t.Fatal(err)
	}
	g.wrap = func(conn net.Conn) net.Conn { return tls.Server(conn, id.ServerTLS()) }
	p.Journal = g.journal
	if err := pairing.Save(p); err != nil {
		t.Fatal(err)
	}
	return g, p, id
}

// says makes a dialer to something that says so much, and then nothing, or
// closes.
func says(t *testing.T, text string, stays bool) Dialer {
	return func(context.Context, string) (net.Conn, error) {
		mine, theirs := net.Pipe()
		t.Cleanup(func() { theirs.Close() })
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		go func() {
			_, _ = io.WriteString(theirs, text)
			if !stays {
				theirs.Close()
			}
		}()
		return far{mine}, nil
	}
}

// TestPaired: the name of a pairing, or an address of it, brings TLS and the
// token, at whichever address the gateway is.
func TestPaired(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		dead    string // address at which nothing answers
		dialled string
	}{
		"by name":          {"pi-lab3", "", "192.0.2.1:7310"},
		"in capitals":      {"Pi-Lab3", "", "192.0.2.1:7310"},
		"second address":   {"pi-lab3", "192.0.2.1:7310", "192.0.2.1:7310 192.0.2.2:7310"},
		"by address":       {"192.0.2.2", "", "192.0.2.2:7310"},
		"by name and port": {"pi-lab3:7311", "", "pi-lab3:7311"},
	} {
		t.Run(name, func(t *testing.T) {
			g, _, _ := pairedStub(t)
			synctest.Test(t, func(t *testing.T) {
				var dialled []string
				dial := func(ctx context.Context, hostPort string) (net.Conn, error) {
					dialled = append(dialled, hostPort)
					if hostPort == c.dead {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					conn, err := g.dial(ctx, hostPort)
					return far{conn}, err
				}
				client, err := Connect(t.Context(), c.address, ConnectOptions{Dial: dial, Needs: protocol.RightChange})
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "dialled", strings.Join(dialled, " "), c.dialled)
				if err := client.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestTrustSentences: every way in which a pairing does not hold is a sentence
// of its own.
func TestTrustSentences(t *testing.T) {
	other := func(t *testing.T) *pairing.Identity {
		id, err := pairing.LoadIdentity(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	type world struct {
		g    *stub
		id   *pairing.Identity
		dial Dialer
	}
	for name, c := range map[string]struct {
		change  func(t *testing.T, w *world)
		address string
		want    []string
		again   bool // trying again may help
	}{
		"not paired": {func(t *testing.T, w *world) {}, "192.0.2.9",
			[]string{"192.0.2.9:7310 is another computer", "`photongate pair` there", "paired are pi-lab3"}, false},
		"changed key": {func(t *testing.T, w *world) {
			id := other(t)
			w.g.wrap = func(conn net.Conn) net.Conn { return tls.Server(conn, id.ServerTLS()) }
		}, "", []string{"is not the one that pi-lab3 was paired with", "set up anew", "in between", "`photongate pair --fingerprint`"}, false},
		"wrong token": {func(_ *testing.T, w *world) { w.g.token = make([]byte, 32) }, "", []string{"refuses: the token is wrong"}, false},
		"other journal": {func(_ *testing.T, w *world) { w.g.journal = protocol.ID{0xab, 0xcd} }, "",
			[]string{"calls itself pi-lab3", "another journal (abcd0000, paired was 00112233)", "cloned card", "--replace", "--as"}, false},
		"bound to another certificate": {func(_ *testing.T, w *world) { w.g.binding = make([]byte, 32) }, "", []string{"the token is wrong"}, false},
		"older version": {func(t *testing.T, w *world) {
			w.dial = says(t, "\xf5PG\x01\x0e\x22\x00\x00", true)
		}, "", []string{"photongate without encryption", "update photongate there"}, true},
		"web server": {func(t *testing.T, w *world) { w.dial = says(t, "HTTP/1.0 400 Bad Request\r\n", false) }, "",
			[]string{`is not a photongate: it began with "HTTP/"`}, true},
		"silence":         {func(t *testing.T, w *world) { w.dial = says(t, "", true) }, "", []string{"says nothing"}, true},
		"a line too slow": {func(t *testing.T, w *world) { w.dial = says(t, "\x16\x03\x03\x00\x7a\x02", true) }, "", []string{"the line is so slow"}, true},
		"closed":          {func(t *testing.T, w *world) { w.dial = says(t, "", false) }, "", []string{"closed the connection before it was encrypted"}, true},
		"old TLS": {func(_ *testing.T, w *world) {
			config := w.id.ServerTLS()
			config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
			w.dial = func(context.Context, string) (net.Conn, error) {
				mine, theirs := net.Pipe()
				go func() { _ = tls.Server(theirs, config).Handshake(); theirs.Close() }()
				return far{mine}, nil
			}
		}, "", []string{"does not speak TLS as a photongate does"}, true},
		"nothing anywhere": {func(_ *testing.T, w *world) {
			w.dial = func(ctx context.Context, hostPort string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}, "", []string{"192.0.2.1 does not answer on 7310", "pi-lab3 was looked for at 192.0.2.1:7310, 192.0.2.2:7310"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{}
			w.g, _, w.id = pairedStub(t)
			synctest.Test(t, func(t *testing.T) {
				w.dial = func(ctx context.Context, hostPort string) (net.Conn, error) {
					conn, err := w.g.dial(ctx, hostPort)
					return far{conn}, err
				}
				c.change(t, w)
				if c.address == "" {
					c.address = "pi-lab3"
				}
				// A gateway that fails in its handshake says so to the test, which is what is wanted here.
				w.g.t = quiet{t}
				_, err := Connect(t.Context(), c.address, ConnectOptions{Dial: w.dial})
				if err == nil {
					t.Fatal("connected")
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("got %q, want %q in it", err, want)
					}
				}
				if MayRecover(err) != c.again {
					t.Errorf("MayRecover is %v, want %v", !c.again, c.again)
				}
			})
		})
	}
}

// quiet is a test that does not fail for what a stub gateway reports.
type quiet struct{ testing.TB }

func (quiet) Errorf(string, ...any) {}

// TestLocalToken: programs of the gateway's user on its own computer find the
// token; one that is out of date does not keep them from reading.
func TestLocalToken(t *testing.T) {
	_, p, _ := pairedStub(t)
	token, err := p.TokenBytes()
	if err != nil {
		t.Fatal(err)
	}
	if err := pairing.SaveLocal(p); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		theirs string
		shown  []bool
	}{
		"known":       {string(token), []bool{true}},
		"out of date": {"another", []bool{true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newStub(t)
				g.token = []byte(c.theirs)
				client, err := Connect(t.Context(), "localhost", ConnectOptions{Dial: g.dial})
				if err != nil {
					t.Fatal(err)
				}
				if err := client.Close(); err != nil {
					t.Error(err)
				}
				equal(t, "proofs with a mac", g.shown, c.shown)
			})
		})
	}
}

func TestClockNotes(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	early := time.Unix(200, 0)
	for name, c := range map[string]struct {
		gateway, own time.Time
		want         []string
	}{
		"agree":           {now, now, nil},
		"nearly":          {now.Add(59 * time.Minute), now, nil},
		"gateway in 1970": {early, now, []string{"THE CLOCK OF pi-lab3 SAYS 1970-01-01 00:03 UTC: it was not set since it was switched on; times will be corrected when it is set"}},
		"own in 1970":     {now, early, []string{"THIS COMPUTER'S CLOCK SAYS 1970-01-01 00:03 UTC: set it"}},
		"both in 1970":    {early, early, []string{"THE CLOCK OF pi-lab3", "THIS COMPUTER'S CLOCK"}},
		"ahead":           {now.Add(2 * time.Hour), now, []string{"the clock of pi-lab3 says 2026-11-21 12:00 UTC and is 2h0m0s ahead of this computer's"}},
		"behind":          {now.Add(-26 * time.Hour), now, []string{"is 26h0m0s behind this computer's"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := clockNotes("pi-lab3", c.gateway, c.own)
			if len(got) != len(c.want) {
				t.Fatalf("got %q", got)
			}
			for i := range got {
				if !strings.Contains(got[i], c.want[i]) {
					t.Errorf("got %q, want %q", got[i], c.want[i])
				}
			}
		})
	}
}

// TestDamagedPairing: a pairing that cannot be read is told, not passed over.
func TestDamagedPairing(t *testing.T) {
	_, p, _ := pairedStub(t)
	dir, err := pairing.Folder()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/gateways/"+p.Name+".json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Connect(t.Context(), "pi-lab3", ConnectOptions{})
	if err == nil || !strings.Contains(err.Error(), "pi-lab3.json cannot be used") || errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}
