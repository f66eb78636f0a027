package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// gate is a listener at which tests dial in.
type gate struct {
	conns chan net.Conn
	once  sync.Once
	shut  chan struct{}
}

func newGate() *gate { return &gate{conns: make(chan net.Conn), shut: make(chan struct{})} }

func (g *gate) Accept() (net.Conn, error) {
	select {
	case c := <-g.conns:
		return c, nil
	case <-g.shut:
		return nil, net.ErrClosed
	}
}

func (g *gate) Close() error { g.once.Do(func() { close(g.shut) }); return nil }

func (g *gate) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 7310} }

// enter brings a connection to the listener; it reports false when that is closed.
func (g *gate) enter(conn net.Conn) bool {
	select {
	case g.conns <- conn:
		return true
	case <-g.shut:
		return false
	}
}

// listens changes a recording to one that listens at a gate.
func listens(g *gate) func(*RecordOptions) {
	return func(o *RecordOptions) {
		o.Addresses, o.Listen = nil, []string{":7310"}
		o.OpenListener = func(_ context.Context, hostPort string) (net.Listener, error) {
			if hostPort != ":7310" {
				return nil, fmt.Errorf("listens on %s", hostPort)
			}
			return g, nil
		}
	}
}

// callIn is a gateway that dials, written from SPEC.md, section 9.1: it says hello
// first, takes the receiver's hello and proof, and sends nothing before that holds.
// It returns why it was turned away, or how the session ended.
func (g *stub) callIn(conn net.Conn, session int) error {
	defer conn.Close()
	mine, err := protocol.EncodeJSON(&protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleGateway, Name: g.name, ID: g.journal, Software: "stub", Nonce: protocol.NewID(),
		Base: g.base, Boot: "boot", NowNs: protocol.Int64(g.nowNs), UTCNs: protocol.Int64(g.nowNs)})
	if err != nil {
		return err
	}
	hello, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeHello}, mine)
	if err != nil {
		return err
	}
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	frames := protocol.NewFrameReader(conn, protocol.MaxFrame)
	read := func(want protocol.Type, v any) ([]byte, error) {
		h, frame, err := frames.Next()
		if err != nil {
			return nil, err
		}
		payload := bytes.Clone(frame[h.HeaderLen:])
		if h.Type == protocol.TypeRefuse {
			return nil, decodeRefusal(payload)
		}
		if h.Type != want {
			return nil, fmt.Errorf("%v where %v was expected", h.Type, want)
		}
		return payload, protocol.DecodeJSON(payload, v)
	}
	var receiver protocol.Hello
	theirs, err := read(protocol.TypeHello, &receiver)
	if err != nil {
		return err
	}
	if receiver.Role != protocol.RoleReceiver {
		return fmt.Errorf("a %s listens", receiver.Role)
	}
	var proof protocol.Proof
	if _, err := read(protocol.TypeProof, &proof); err != nil {
		return err
	}
	g.mu.Lock()
	g.shown = append(g.shown, proof.MAC != "")
	g.mu.Unlock()
	answer := protocol.Proof{Rights: g.rights}
	if proof.MAC != "" {
		if !g.lies && proof.MAC != protocol.ProofMAC(g.token, false, mine, theirs, g.binding) {
			return g.send(conn, protocol.TypeRefuse, &protocol.Refusal{Code: protocol.RefuseToken, Text: "the token is wrong"})
		}
		answer.MAC = protocol.ProofMAC(g.token, true, mine, theirs, g.binding)
	}
	if err := g.send(conn, protocol.TypeProof, &answer); err != nil {
		return err
	}
	return g.run(conn, frames, session)
}

// calls has a gateway dial in again and again, until the door is closed or the
// session ended as it should.
func (g *stub) calls(door *gate, wrap func(net.Conn) net.Conn) (last error) {
	for n := 1; ; n++ {
		mine, theirs := net.Pipe()
		if !door.enter(wrap(theirs)) {
			return last
		}
		cut := -1
		if g.cutAfter != nil {
			cut = g.cutAfter(n)
		}
		last = g.callIn(&cutConn{Conn: mine, left: cut, cut: cut >= 0}, n)
		if last == nil {
			return nil
		}
		<-time.After(time.Second) // of a bubble
	}
}

func near(conn net.Conn) net.Conn { return conn }

// TestListenRecordsWhoDialsIn: several gateways dial in, each is recorded whole
// into a folder of its own, and acked.
func TestListenRecordsWhoDialsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 5)
		other := newStub(t).withBench(3)
		other.name, other.journal = "pi-lab4", mustID(t, "ffeeddccbbaa99887766554433221100")
		door := newGate()
		var gateways sync.WaitGroup
		gateways.Go(func() { _ = l.calls(door, near) })
		gateways.Go(func() { _ = other.calls(door, near) })
		ctx, stop := context.WithCancel(t.Context())
		go func() { gateways.Wait(); stop() }()
		summary, err := l.record(ctx, listens(door))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "streams", len(summary.Streams), 2)
		equal(t, "pi-lab3", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
		equal(t, "pi-lab4", held(t, l.fs, "pi-lab4-ffeeddcc", "bench"), other.streams[1].frames)
		equal(t, "last ack", l.acks[2], protocol.AckStream{ID: 2, Epoch: 1, Seq: 6})
		equal(t, "macs", l.shown, []bool{false})
	})
}

// TestListenTornAnywhere cuts the connection after so many bytes, from the first
// to the last; the gateway dials again, and every frame is held once.
func TestListenTornAnywhere(t *testing.T) {
	for cut := 0; cut < 2600; cut += 37 {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 4)
			l.cutAfter = func(session int) int { return map[bool]int{true: cut, false: -1}[session == 1] }
			door := newGate()
			done := make(chan struct{})
			go func() { defer close(done); _ = l.calls(door, near) }()
			l.mustRecord(t, listens(door), func(o *RecordOptions) { o.Readings, o.Resume = 1000, true })
			<-done
			if diff := len(held(t, l.fs, labFolder, "bench")) - len(l.streams[1].frames); diff != 0 {
				t.Fatalf("cut after %d bytes: %d frames too many", cut, diff)
			}
			equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
		})
	}
}

// TestDialsInAnewBeforeTheOldSessionIsKnownDead: a gateway that was switched off
// and on is recorded at once, whatever became of its last connection.
func TestDialsInAnewBeforeTheOldSessionIsKnownDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 4)
		l.stay = true
		door := newGate()
		ctx, stop := context.WithCancel(t.Context())
		var gateways sync.WaitGroup
		gateways.Go(func() {
			for range 2 { // the second while the first still stands
				mine, theirs := net.Pipe()
				door.enter(theirs)
				gateways.Go(func() { _ = l.callIn(mine, 1) })
				<-time.After(2 * time.Second)
			}
			stop()
		})
		summary, err := l.record(ctx, listens(door))
		if err != nil {
			t.Fatal(err)
		}
		gateways.Wait()
		equal(t, "readings", summary.Streams[0].Readings, uint64(8))
		equal(t, "subscriptions", len(l.asks), 2)
		equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
	})
}

// TestListenTrust: who may dial in from where, and what both ends are told.
func TestListenTrust(t *testing.T) {
	const here, there = false, true
	for name, c := range map[string]struct {
		far    bool
		change func(t *testing.T, g *stub, p pairing.Pairing, id *pairing.Identity)
		say    string   // sent instead of being a gateway
		want   []string // in the log; none: it is recorded
		told   string   // to the gateway
		shown  []bool
	}{
		"paired": {far: there, shown: []bool{true}},
		"met first": {far: there, shown: []bool{true}, change: func(t *testing.T, _ *stub, p pairing.Pairing, _ *pairing.Identity) {
			p.Journal, p.Addresses = protocol.ID{}, nil
			save(t, p)
		}},
		"met first, renamed": {far: there, change: func(t *testing.T, g *stub, p pairing.Pairing, _ *pairing.Identity) {
			p.Journal, g.name = protocol.ID{}, "pi-lab5"
			save(t, p)
		}, want: []string{"calls itself pi-lab5", "paired as pi-lab3", "renamed or is a copy"}, told: "calls itself pi-lab5"},
		"another journal": {far: there, change: func(_ *testing.T, g *stub, _ pairing.Pairing, _ *pairing.Identity) {
			g.journal = protocol.ID{0xab, 0xcd}
		}, want: []string{"another journal (abcd0000, paired was 00112233)", "cloned card"}, told: "another journal"},
		"a clone that is paired as well": {far: there, shown: []bool{true}, change: func(t *testing.T, g *stub, p pairing.Pairing, _ *pairing.Identity) {
			p.Name, p.Journal = "clone", protocol.ID{0xab, 0xcd}
			save(t, p)
			g.journal = protocol.ID{0xab, 0xcd}
		}},
		"not paired": {far: there, change: func(t *testing.T, _ *stub, p pairing.Pairing, id *pairing.Identity) {
			if err := pairing.Remove(p.Name); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"dials in from 192.0.2.1 that is not paired", "`photongate pair` there", "--unreached", "--fingerprint"}},
		"a token it does not know": {far: there, change: func(_ *testing.T, g *stub, _ pairing.Pairing, _ *pairing.Identity) {
			g.token = make([]byte, 32)
		}, want: []string{"refuses: the token is wrong"}, shown: []bool{true}},
		"bound to another certificate": {far: there, change: func(_ *testing.T, g *stub, _ pairing.Pairing, _ *pairing.Identity) {
			g.binding = make([]byte, 32)
		}, want: []string{"the token is wrong"}, shown: []bool{true}},
		"without encryption": {far: there, change: func(_ *testing.T, g *stub, _ pairing.Pairing, _ *pairing.Identity) {
			g.wrap = nil
		}, want: []string{"from 192.0.2.1 without encryption", "tunnel", "forward"}},
		"a browser":       {far: there, say: "GET / HTTP/1.1\r\n\r\n", want: []string{"192.0.2.1 dials in, but is not a photongate"}},
		"a browser here":  {far: here, say: "GET / HTTP/1.1\r\n\r\n", want: []string{"dials in, but is not a photongate", "GET"}},
		"a long speech":   {far: here, say: "\xf5PG\x01\x0e\x20\x00\x00" + strings.Repeat("x", 8<<10), want: []string{"greeting with"}},
		"paired, here":    {far: here, shown: []bool{true}},
		"not paired here": {far: here, shown: []bool{false}, change: unpaired},
		"met first, here": {far: here, shown: []bool{true}, change: func(t *testing.T, _ *stub, p pairing.Pairing, _ *pairing.Identity) {
			p.Journal, p.Addresses = protocol.ID{}, nil
			save(t, p)
		}},
		"met first, here, impostor": {far: here, change: func(t *testing.T, g *stub, p pairing.Pairing, _ *pairing.Identity) {
			p.Journal, p.Addresses = protocol.ID{}, nil
			save(t, p)
			g.token, g.lies = make([]byte, 32), true
		}, want: []string{"does not know the token it was shown"}, told: "does not know the token", shown: []bool{true}},
		// Nobody is taken for a gateway of which there is a token without knowing it.
		"paired, here, impostor": {far: here, change: func(_ *testing.T, g *stub, _ pairing.Pairing, _ *pairing.Identity) {
			g.token, g.lies = make([]byte, 32), true
		}, want: []string{"does not know the token it was shown"}, told: "does not know the token", shown: []bool{true}},
	} {
		t.Run(name, func(t *testing.T) {
			g, p, id := pairedStub(t)
			l := newLab(t, 3)
			l.wrap, l.binding, l.token, l.rights = g.wrap, g.binding, g.token, g.rights
			if !c.far {
				l.wrap, l.binding = nil, nil
			}
			if c.change != nil {
				c.change(t, l.stub, p, id)
			}
			pipe := overTCP(t)
			door := newGate()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			turned := make(chan error, 1)
			go func() {
				mine, theirs := pipe()
				var outside net.Conn = theirs
				if c.far {
					outside = far{theirs}
				}
				door.enter(outside)
				if len(c.want) > 0 && c.change == nil {
					_, _ = io.WriteString(mine, c.say)
					_, err := io.Copy(io.Discard, mine)
					turned <- err
					return
				}
				if l.wrap != nil {
					mine = l.wrap(mine)
				}
				turned <- l.callIn(mine, 1)
			}()
			summary, err := l.record(ctx, listens(door), func(o *RecordOptions) {
				o.Readings, o.Resume = 1000, true
				if len(c.want) > 0 {
					o.Log = zerolog.New(zerolog.SyncWriter(&until{&l.log, c.want[0], stop}))
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			said := l.log.String()
			for _, want := range c.want {
				if !strings.Contains(said, want) {
					t.Errorf("said %s, want %q", said, want)
				}
			}
			equal(t, "proofs with a mac", l.shown, c.shown)
			err = <-turned
			for _, r := range l.refusals { // told behind its proof
				err = errors.Join(err, &r)
			}
			if c.told != "" && (err == nil || !strings.Contains(err.Error(), c.told)) {
				t.Errorf("the gateway is told %v, want %q", err, c.told)
			}
			if len(c.want) > 0 {
				equal(t, "streams", len(summary.Streams), 0)
				return
			}
			equal(t, "held", held(t, l.fs, "pi-lab3-"+l.journal.String()[:8], "bench"), l.streams[1].frames)
			if kept, err := pairing.Load("pi-lab3"); strings.HasPrefix(name, "met first") && (err != nil || kept.Journal != l.journal) {
				t.Errorf("the pairing is now %v, %v", kept.Journal, err)
			}
		})
	}
}

// until stops a recording when it has said something.
type until struct {
	w    io.Writer
	want string
	stop func()
}

func (u *until) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(u.want)) {
		defer u.stop()
	}
	return u.w.Write(b)
}

func unpaired(t *testing.T, _ *stub, p pairing.Pairing, _ *pairing.Identity) {
	t.Helper()
	if err := pairing.Remove(p.Name); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, p pairing.Pairing) {
	t.Helper()
	if err := pairing.Save(p); err != nil {
		t.Fatal(err)
	}
}

// TestListenLimits: many who dial in and say nothing lock nobody out for long, and
// those of this computer not at all.
func TestListenLimits(t *testing.T) {
	t.Setenv(pairing.FolderVariable, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		door := newGate()
		var silent []net.Conn
		var gateways sync.WaitGroup
		gateways.Go(func() {
			for range maxOpening + 1 {
				mine, theirs := net.Pipe()
				door.enter(far{theirs})
				silent = append(silent, mine)
			}
			begin := time.Now()
			if _, err := silent[maxOpening].Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(begin) != 0 {
				t.Errorf("one too many: %v after %v", err, time.Since(begin))
			}
			for i, conn := range silent[:maxOpening] {
				gateways.Go(func() {
					if _, err := io.Copy(io.Discard, conn); err != nil || time.Since(begin) != openTimeout {
						t.Errorf("silent connection %d ended after %v: %v", i, time.Since(begin), err)
					}
				})
			}
			time.Sleep(openTimeout + time.Second)
			if err := l.calls(door, near); err != nil {
				t.Error(err)
			}
		})
		summary := l.mustRecord(t, listens(door), func(o *RecordOptions) { o.Readings, o.Resume = 1000, true })
		gateways.Wait()
		equal(t, "readings", summary.Streams[0].Readings, uint64(4))
		if said := l.log.String(); strings.Count(said, "too many connections") != 1 || strings.Count(said, "did not say who it is") != 1 {
			t.Errorf("said %s", said)
		}
	})
}

// TestNobodyDialsIn: a recording that is ended before says so, and listening in
// vain is no error of one that also dials.
func TestNobodyDialsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		summary, err := l.record(ctx, listens(newGate()))
		if err != nil || summary.Complete || len(summary.Why) != 1 || summary.Why[0] != "no gateway dialled in at 192.0.2.9:7310" {
			t.Errorf("got %+v, %v", summary, err)
		}
	})
}

// TestStaleLocalToken: what a gateway left for this user is out of date; it is
// recorded without when it dials again.
func TestStaleLocalToken(t *testing.T) {
	_, p, _ := pairedStub(t)
	unpaired(t, nil, p, nil)
	if err := pairing.SaveLocal(p); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		l.token = []byte("another")
		door := newGate()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for len(l.shown) < 2 {
				mine, theirs := net.Pipe()
				door.enter(theirs)
				_ = l.callIn(mine, 1)
				time.Sleep(time.Second)
			}
		}()
		l.mustRecord(t, listens(door), func(o *RecordOptions) { o.Readings, o.Resume = 1000, true })
		<-done
		equal(t, "proofs with a mac", l.shown, []bool{true, false})
	})
}

func TestParseListen(t *testing.T) {
	for text, want := range map[string]string{
		":7310": ":7310", "7311": ":7311", ":0": ":0", "0.0.0.0": "0.0.0.0:7310", "192.168.1.7:99": "192.168.1.7:99", "::": "[::]:7310", "[fd00::7]:7311": "[fd00::7]:7311",
		"tcp://:7310": ":7310", "": "", ":": "", ":x": "", "a b": "", "host:99999": "",
	} {
		if got, err := ParseListen(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}
