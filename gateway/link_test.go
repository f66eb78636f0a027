package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/pairing"
)

// pipeServer is a server with an empty journal, for sessions over pipes in a
// synctest bubble.
func pipeServer(t *testing.T) *server {
	t.Helper()
	j, err := journal.Open(t.TempDir(), journal.Options{Gateway: "pi-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := j.Stream(gatewayStream, 0); err != nil {
		t.Fatal(err)
	}
	wall := func() int64 { return time.Now().UnixNano() }
	known, err := loadArchives(journal.OS{}, j.Dir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	base := newTimeBase(ClockSource{Even: wall, UTC: wall, Boot: "boot"})
	v := newServer("pi-test", "test", j, base, known, func() []byte { return nil }, zerolog.New(zerolog.NewTestWriter(t)))
	v.control = &control{now: base.now, measuring: &measurements{}}
	return v
}

// pipeSession is the receiver's end of a session over a pipe.
func pipeSession(t *testing.T, v *server) *client {
	t.Helper()
	here, there := net.Pipe()
	v.accept(t.Context(), there)
	t.Cleanup(func() { here.Close() })
	c := &client{t: t, conn: here}
	c.frames = protocol.NewFrameReader(here, protocol.MaxFrame)
	c.open("desk", protocol.NewID())
	return c
}

func TestHeartbeatsEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		c := pipeSession(t, v)
		mine := protocol.Int64(77)
		begin := time.Now()
		for i := range 10 {
			h, frame, err := c.frames.Next()
			if err != nil || h.Type != protocol.TypeHeartbeat {
				t.Fatalf("got %v, %v; want a heartbeat", h.Type, err)
			}
			if at := time.Since(begin); at != time.Duration(i)*time.Second {
				t.Errorf("heartbeat %d came after %v", i, at)
			}
			var b protocol.Heartbeat
			if err := protocol.DecodeJSON(frame[h.HeaderLen:], &b); err != nil {
				t.Fatal(err)
			}
			if i == 0 && b.Echo != nil || i > 0 && (b.Echo == nil || b.Echo.TNs != mine+protocol.Int64(i-1) || b.Echo.ReceivedNs != protocol.Int64(time.Now().Add(-time.Second).UnixNano())) {
				t.Errorf("heartbeat %d returns %+v", i, b.Echo)
			}
			c.say(protocol.TypeHeartbeat, &protocol.Heartbeat{TNs: mine + protocol.Int64(i)})
		}
		c.say(protocol.TypeBye, &protocol.Bye{})
		v.wg.Wait()
	})
}

// A peer that sends nothing is dead after five seconds, though the system
// takes what is sent to it.
func TestSilentPeerIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		c := pipeSession(t, v)
		begin := time.Now()
		_, err := io.Copy(io.Discard, c.conn) // takes all, sends nothing
		if at := time.Since(begin); err != nil || at < deadAfter || at > deadAfter+2*linkSlice {
			t.Errorf("closed after %v with %v, want about %v", at, err, deadAfter)
		}
		v.wg.Wait()
	})
}

// A link that moves one byte every three seconds is slow, not dead, either
// way.
func TestSlowLinkIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		c := pipeSession(t, v)
		frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHeartbeat}, &protocol.Heartbeat{TNs: 1})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for _, b := range frame { // upwards, within one frame
				time.Sleep(3 * time.Second)
				if _, err := c.conn.Write([]byte{b}); err != nil {
					return
				}
			}
			c.conn.Close()
		}()
		begin := time.Now()
		if _, err := io.Copy(io.Discard, c.conn); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
		if at := time.Since(begin); at != 3*time.Second*time.Duration(len(frame)) {
			t.Errorf("the session ended after %v, before the frame of %d bytes was there", at, len(frame))
		}
		v.wg.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		c := pipeSession(t, v)
		begin := time.Now()
		var one [1]byte
		for range 100 { // downwards: the gateway's writes have to wait
			time.Sleep(3 * time.Second)
			if _, err := c.conn.Read(one[:]); err != nil {
				t.Fatalf("the session ended after %v: %v", time.Since(begin), err)
			}
		}
		c.conn.Close()
		v.wg.Wait()
	})
}

// Half a hello, and then nothing.
func TestOpeningHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		here, there := net.Pipe()
		v.accept(t.Context(), there)
		if _, err := here.Write([]byte("\xf5PG\x01\x0e")); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		text, err := io.ReadAll(here)
		if err != nil || time.Since(begin) != openingLimit || !bytes.Contains(text, []byte("hello and proof must be done within 5s")) {
			t.Errorf("got %q, %v after %v", text, err, time.Since(begin))
		}
		v.wg.Wait()
	})
}

// Not more than so many connections are being opened at a time.
func TestTooManyOpenings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		var ends []net.Conn
		for range maxOpening {
			here, there := net.Pipe()
			v.accept(t.Context(), there)
			ends = append(ends, here)
		}
		here, there := net.Pipe()
		v.accept(t.Context(), there)
		c := &client{t: t, conn: here, frames: protocol.NewFrameReader(here, protocol.MaxHello)}
		c.refusedWith(protocol.RefuseBusy)
		for range 2 * maxOpening { // nobody reads what these are told
			here, there := net.Pipe()
			v.accept(t.Context(), there)
			defer here.Close()
		}
		for _, c := range ends {
			c.Close()
		}
		v.wg.Wait()
		if pipeSession(t, v).hello.Name != "pi-test" {
			t.Error("no room after they have gone")
		}
	})
}

// TestNetworkLocksNobodyOut: connections from other computers that say nothing
// leave room for programs on the gateway's own.
func TestNetworkLocksNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, _ := trusted(t)
		for range 2*maxOpening + 1 {
			reach(t, v, true, nil)
		}
		c := pipeSession(t, v)
		if c.hello.Name != "pi-test" {
			t.Errorf("%+v", c.hello)
		}
		c.conn.Close()
		v.wg.Wait()
	})
}

// A view that lags is moved forward and told so; an archive never is.
func TestLaggingViewSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := pipeServer(t)
		st, err := v.journal.Stream("bench", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Begin(0, 1); err != nil {
			t.Fatal(err)
		}
		put := func(typ protocol.Type, body any) {
			t.Helper()
			frame, err := protocol.AppendJSON(nil, protocol.Header{Type: typ, Stream: st.ID(), Epoch: 1, Seq: st.NextSeq()}, body)
			if err == nil {
				err = st.Append(frame)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		put(protocol.TypeDescriptor, &protocol.Descriptor{Stream: "bench"})
		c := pipeSession(t, v)
		c.keepAlive()
		view := protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeView, Streams: []string{"bench"}, From: protocol.FromNow, Credit: 1}
		c.subscribe(view)
		c.expect(protocol.TypeCopy, nil) // overdraws the credit
		for range 5 {
			put(protocol.TypeEvent, &protocol.Event{What: "x"})
			time.Sleep(time.Second)
		}
		var skip protocol.Skip
		c.expect(protocol.TypeSkip, &skip)
		if skip.Sub != 1 || skip.Stream != st.ID() || skip.Epoch != 1 || skip.Seq < 4 || skip.Seq > 7 {
			t.Errorf("skip: got %+v", skip)
		}
		c.say(protocol.TypeCredit, &protocol.Credit{Sub: 1, Bytes: 1 << 20})
		put(protocol.TypeEvent, &protocol.Event{What: "y"})
		for {
			g, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			if g.Type == protocol.TypeSkip {
				if err := protocol.DecodeJSON(g.payload, &skip); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if g.Type != protocol.TypeEvent || g.Seq != uint64(skip.Seq) {
				t.Errorf("got %v %d, want event %d", g.Type, g.Seq, skip.Seq)
			}
			break
		}
		c.say(protocol.TypeBye, &protocol.Bye{})
		v.wg.Wait()
	})
}

// scripted is a connection that gives prepared bytes and swallows all else.
type scripted struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (s *scripted) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *scripted) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// Whatever comes first, the opening ends, and answers nothing but frames or,
// to what looks like HTTP, a text.
func FuzzOpening(f *testing.F) {
	good := func(typ protocol.Type, v any) []byte {
		frame, err := protocol.AppendJSON(nil, protocol.Header{Type: typ}, v)
		if err != nil {
			f.Fatal(err)
		}
		return frame
	}
	hello := good(protocol.TypeHello, &protocol.Hello{Format: [2]int{1, 1}, Role: "receiver", Name: "desk", ID: protocol.ID{1}, Software: "x", Nonce: protocol.ID{2}})
	f.Add(append(bytes.Clone(hello), good(protocol.TypeProof, &protocol.Proof{})...))
	f.Add(hello[:70])
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte("\x16\x03\x01\x02\x00\x01"))
	j, err := journal.Open(f.TempDir(), journal.Options{Gateway: "pi-test"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { j.Close() })
	base := newTimeBase(SystemClock())
	v := newServer("pi-test", "test", j, base, nil, func() []byte { return nil }, zerolog.Nop())
	if v.identity, err = pairing.LoadIdentity(f.TempDir()); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		conn := &scripted{in: bytes.NewReader(in)}
		l := newLink(conn)
		_, peer, _, err := v.greet(t.Context(), l)
		if err == nil && (peer.ID.IsZero() || peer.Name == "" || peer.Role != "receiver") {
			t.Errorf("let in: %+v", peer)
		}
		if words := lastWords(err, l.first); err != nil && len(words) > 0 && words[0] != 0xF5 && !bytes.HasPrefix(words, []byte("HTTP/1.0 400 ")) {
			t.Errorf("last words: %q", words)
		}
		if l.seal != nil {
			return // what is answered is TLS
		}
		for rest := conn.out.Bytes(); len(rest) > 0; {
			h, _, more, err := protocol.ParseFrame(rest)
			if err != nil || h.Type != protocol.TypeHello && h.Type != protocol.TypeProof {
				t.Fatalf("answered %v, %v", h.Type, err)
			}
			rest = more
		}
	})
}

// Whatever a receiver asks for, it is answered or refused.
func FuzzRequest(f *testing.F) {
	f.Add(uint8(protocol.TypeSubscribe), []byte(`{"sub":1,"kind":"archive","streams":["*"],"from":"cursor","cursors":[{"stream":"gateway","epoch":1,"seq":"1","crc":"00000000"}],"credit":"1"}`))
	f.Add(uint8(protocol.TypeSubscribe), []byte(`{"sub":1,"kind":"view","streams":["?*"],"from":"time","time_ns":"-1","to_ns":"0","credit":"18446744073709551615"}`))
	f.Add(uint8(protocol.TypeAck), []byte(`{"sub":1,"streams":[{"id":1,"epoch":1,"seq":"18446744073709551615"}]}`))
	f.Add(uint8(protocol.TypeCredit), []byte(`{"sub":1,"bytes":"18446744073709551615"}`))
	f.Add(uint8(protocol.TypeHeartbeat), []byte(`{"t_ns":"1"}`))
	f.Add(uint8(protocol.TypeBad), []byte(`{"sub":1,"stream":1,"epoch":1,"seq":"1"}`))
	j, err := journal.Open(f.TempDir(), journal.Options{Gateway: "pi-test"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { j.Close() })
	st, err := j.Stream(gatewayStream, 0)
	if err != nil {
		f.Fatal(err)
	}
	base := newTimeBase(SystemClock())
	own := &ownStream{stream: st, base: base, log: zerolog.Nop(), tell: func([]byte) {}}
	if err := own.begin("test"); err != nil {
		f.Fatal(err)
	}
	known, err := loadArchives(journal.OS{}, j.Dir(), time.Now)
	if err != nil {
		f.Fatal(err)
	}
	v := newServer("pi-test", "test", j, base, known, func() []byte { return nil }, zerolog.Nop())
	f.Fuzz(func(t *testing.T, typ uint8, payload []byte) {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		s := v.newSession(t.Context(), newLink(there), nil, protocol.Hello{Name: "desk", ID: protocol.ID{1}}, nil)
		subscribe := []byte(`{"sub":2,"kind":"archive","streams":["*"],"from":"oldest","credit":"1000"}`)
		if err := s.request(protocol.Header{Type: protocol.TypeSubscribe}, subscribe); err != nil {
			t.Fatal(err)
		}
		_ = s.request(protocol.Header{Type: protocol.Type(typ)}, payload)
		w := s.newSender()
		if err := w.pass(); err != nil {
			t.Errorf("cannot send: %v", err)
		}
		s.closeFeeds()
	})
}
