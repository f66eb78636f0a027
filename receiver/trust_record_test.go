package receiver

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol/pairing"
)

// secondStub is another gateway with which this user is paired, as "pi-lab4".
func secondStub(t *testing.T) *stub {
	t.Helper()
	id, err := pairing.LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := id.Pairing("pi-lab4", []string{"192.0.2.4:7310"})
	if err != nil {
		t.Fatal(err)
	}
	g := newStub(t).withBench(3)
	g.name, g.journal, g.binding = "pi-lab4", mustID(t, "ffeeddccbbaa99887766554433221100"), id.Binding()
	if g.token, err = p.TokenBytes(); err != nil {
		t.Fatal(err)
	}
	g.wrap = func(conn net.Conn) net.Conn { return tls.Server(conn, id.ServerTLS()) }
	p.Journal = g.journal
	if err := pairing.Save(p); err != nil {
		t.Fatal(err)
	}
	return g
}

// overTCP makes connections that take what nobody reads, as TLS has to say
// something when it ends; so these tests are in real time.
func overTCP(t *testing.T) func() (mine, theirs net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return func() (mine, theirs net.Conn) {
		mine, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err = listener.Accept(); err != nil {
			t.Fatal(err)
		}
		return mine, theirs
	}
}

// TestRecordPaired: several gateways are recorded by the names of their
// pairings, over TLS, whole and each in its own folder.
func TestRecordPaired(t *testing.T) {
	g, _, _ := pairedStub(t)
	other := secondStub(t)
	other.pipe = overTCP(t)
	l := newLab(t, 3)
	l.wrap, l.binding, l.token, l.pipe = g.wrap, g.binding, g.token, overTCP(t)
	l.mustRecord(t, func(o *RecordOptions) {
		o.Addresses = []string{"pi-lab3", "pi-lab4"}
		o.Dial = func(ctx context.Context, hostPort string) (net.Conn, error) {
			from := l.stub
			if hostPort == "192.0.2.4:7310" {
				from = other
			}
			conn, err := from.dial(ctx, hostPort)
			return far{conn}, err
		}
	})
	equal(t, "pi-lab3", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
	equal(t, "pi-lab4", held(t, l.fs, "pi-lab4-ffeeddcc", "bench"), other.streams[1].frames)
}

// TestPairedAnew: a recording that was let in waits when the token is renewed,
// says why, and goes on when the gateway is paired anew. One that was never let
// in ends at once.
func TestPairedAnew(t *testing.T) {
	g, p, id := pairedStub(t)
	if err := id.Renew(time.Now()); err != nil {
		t.Fatal(err)
	}
	after, err := id.Pairing("pi-lab3", p.Addresses)
	if err != nil {
		t.Fatal(err)
	}
	after.Journal = p.Journal
	token, err := after.TokenBytes()
	if err != nil {
		t.Fatal(err)
	}
	before := g.token
	l := newLab(t, 3)
	l.wrap, l.binding, l.token, l.pipe = g.wrap, g.binding, before, overTCP(t)
	l.cutAfter = func(session int) int { return map[bool]int{true: 1400, false: -1}[session == 1] }
	dial := func(o *RecordOptions) {
		o.Dial = func(ctx context.Context, hostPort string) (net.Conn, error) {
			l.mu.Lock()
			n := l.sessions
			l.mu.Unlock()
			if n == 1 {
				l.token = token
			}
			if n == 4 {
				if err := pairing.Save(after); err != nil {
					t.Error(err)
				}
			}
			conn, err := l.dial(ctx, hostPort)
			return far{conn}, err
		}
	}
	l.mustRecord(t, dial)
	equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
	if said := l.log.String(); !strings.Contains(said, "the token is wrong; trying again until it works") || !strings.Contains(said, "connected again") {
		t.Errorf("said %s", said)
	}
	l.token, l.sessions = make([]byte, 32), 10
	if _, err := l.record(t.Context(), dial); err == nil || !strings.Contains(err.Error(), "the token is wrong") {
		t.Errorf("never let in: %v", err)
	}
}

// TestRecordTellsOfClocks: a gateway in 1970 is recorded, and it is said.
func TestRecordTellsOfClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		l.nowNs = int64(200 * time.Second)
		l.mustRecord(t)
		equal(t, "frames", len(held(t, l.fs, labFolder, "bench")), 3)
		if !strings.Contains(l.log.String(), "THE CLOCK OF pi-lab3 SAYS 1970-01-01 00:03 UTC") {
			t.Errorf("said %s", l.log.String())
		}
	})
}
