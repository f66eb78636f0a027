package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
)

// stub is a gateway written from SPEC.md, section 9, for tests: it has streams
// of frames that the test made, answers subscriptions, and can be told to
// misbehave. Each connection is served by serve, one after the other.
type stub struct {
	t       testing.TB
	name    string
	journal protocol.ID
	base    protocol.ID
	rights  []string
	token   []byte
	binding []byte                  // of proofs, with TLS
	wrap    func(net.Conn) net.Conn // puts its end under TLS; nil: plain
	nowNs   int64
	pipe    func() (mine, theirs net.Conn) // nil: net.Pipe
	utcNs   *int64                         // nil: as nowNs

	mu       sync.Mutex
	streams  []*stubStream
	acks     map[uint32]protocol.AckStream // the last of each stream
	bads     []protocol.Bad
	refusals []protocol.Refusal
	byes     int
	beats    int // heartbeats of the receiver
	credit   uint64
	asks     []protocol.Subscribe
	answers  []string // to each subscription of bench
	sessions int
	shown    []bool // whether each proof held a mac

	// What goes wrong; called with the number of the session, 1, 2...
	cutAfter    func(session int) int                                 // bytes from the gateway until the connection is cut; negative: none
	mangle      func(session int, h protocol.Header, f []byte) []byte // a frame as it is really sent
	onAck       func(protocol.AckStream)                              // sees every ack when it comes
	onRequest   func(protocol.Request) []protocol.Reply               // answers at once; nil: requests are not known
	answer      func(session int, s *stubStream) string               // overrides the answer for a stream
	mute        bool                                                  // no heartbeats
	sent        *int                                                  // counts bytes, with cutAfter
	fromNow     int                                                   // frames of bench before a subscription from now
	refuseLater *protocol.Refusal                                     // after the first frames
	conns       []net.Conn
	stay        bool // nothing ends the subscription
	lies        bool // takes every mac for right
}

// netConn saves tests an import.
type netConn = net.Conn

// stubStream is one stream: numbered frames in order of epoch and sequence, or holes.
type stubStream struct {
	name   string
	id     uint32
	frames [][]byte
}

func newStub(t testing.TB) *stub {
	return &stub{
		t: t, name: "pi-lab3", journal: mustID(t, "00112233445566778899aabbccddeeff"), base: mustID(t, "b0000000000000000000000000000001"),
		rights: []string{"read", "archive"}, nowNs: baseNs, acks: map[uint32]protocol.AckStream{},
	}
}

// baseNs is 2026-11-20T13:30:12.100000Z, where the frames of tests begin.
const baseNs = int64(1795181412_100000000)

const second = int64(time.Second)

func mustID(t testing.TB, s string) protocol.ID {
	t.Helper()
	id, err := protocol.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// dial connects to the stub through a pipe and serves the connection.
func (g *stub) dial(ctx context.Context, _ string) (net.Conn, error) {
	mine, theirs := net.Pipe()
	if g.pipe != nil {
		mine, theirs = g.pipe()
	}
	if g.wrap != nil {
		theirs = g.wrap(theirs)
	}
	g.mu.Lock()
	g.sessions++
	n := g.sessions
	g.mu.Unlock()
	go func() {
		defer theirs.Close()
		cut := -1
		if g.cutAfter != nil {
			cut = g.cutAfter(n)
		}
		if err := g.serve(&cutConn{Conn: theirs, left: cut, cut: cut >= 0, sent: g.sent}, n); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errCut) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, net.ErrClosed) {
			g.t.Errorf("stub gateway, session %d: %v", n, err)
		}
	}()
	return mine, nil
}

var errCut = errors.New("cut")

// cutConn breaks off after so many bytes written, in the middle of a frame if
// need be.
type cutConn struct {
	net.Conn
	mu   sync.Mutex
	left int
	cut  bool
	sent *int
}

func (c *cutConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cut || c.left >= len(b) {
		c.left -= len(b)
		if c.sent != nil {
			*c.sent += len(b)
		}
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:c.left])
	c.left -= n
	c.Conn.Close()
	return n, errCut
}

func (g *stub) send(conn net.Conn, t protocol.Type, v any) error {
	frame, err := protocol.AppendJSON(nil, protocol.Header{Type: t}, v)
	if err != nil {
		return err
	}
	_, err = conn.Write(frame)
	return err
}

func (g *stub) serve(conn net.Conn, session int) error {
	frames := protocol.NewFrameReader(conn, protocol.MaxFrame)
	h, frame, err := frames.Next()
	if err != nil {
		return err
	}
	if h.Type != protocol.TypeHello {
		return fmt.Errorf("first frame is %v", h.Type)
	}
	theirs := append([]byte(nil), frame[h.HeaderLen:]...)
	hello := protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleGateway, Name: g.name, ID: g.journal, Software: "stub", Nonce: protocol.NewID(),
		Base: g.base, Boot: "boot", NowNs: protocol.Int64(g.nowNs), UTCNs: protocol.Int64(g.nowNs)}
	if g.utcNs != nil {
		hello.UTCNs = protocol.Int64(*g.utcNs)
	}
	mine, err := protocol.EncodeJSON(&hello)
	if err != nil {
		return err
	}
	out, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeHello}, mine)
	if err != nil {
		return err
	}
	if _, err := conn.Write(out); err != nil {
		return err
	}
	h, frame, err = frames.Next()
	if err != nil {
		return err
	}
	var proof protocol.Proof
	if err := protocol.DecodeJSON(frame[h.HeaderLen:], &proof); err != nil || h.Type != protocol.TypeProof {
		return fmt.Errorf("second frame is %v: %w", h.Type, err)
	}
	g.mu.Lock()
	g.shown = append(g.shown, proof.MAC != "")
	g.mu.Unlock()
	answer := protocol.Proof{Rights: g.rights}
	if proof.MAC != "" {
		if proof.MAC != protocol.ProofMAC(g.token, true, theirs, mine, g.binding) {
			return g.send(conn, protocol.TypeRefuse, &protocol.Refusal{Code: protocol.RefuseToken, Text: "the token is wrong"})
		}
		answer.MAC = protocol.ProofMAC(g.token, false, theirs, mine, g.binding)
	}
	if err := g.send(conn, protocol.TypeProof, &answer); err != nil {
		return err
	}
	return g.run(conn, frames, session)
}

// run answers what the receiver sends until it leaves.
func (g *stub) run(conn net.Conn, frames *protocol.FrameReader, session int) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer conn.Close()
	turn := make(chan struct{}, 1) // one subscription sends at a time: a turn is for all that follows it
	for {
		h, frame, err := frames.Next()
		if err != nil {
			return err
		}
		payload := frame[h.HeaderLen:]
		switch h.Type {
		case protocol.TypeSubscribe:
			var ask protocol.Subscribe
			if err := protocol.DecodeJSON(payload, &ask); err != nil {
				return err
			}
			g.mu.Lock()
			g.asks = append(g.asks, ask)
			g.mu.Unlock()
			wg.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				if err := g.stream(conn, &ask, session); err != nil && !errors.Is(err, errCut) && !errors.Is(err, io.ErrClosedPipe) {
					g.t.Errorf("stub gateway, session %d: %v", session, err)
				}
			})
		case protocol.TypeAck:
			var ack protocol.Ack
			if err := protocol.DecodeJSON(payload, &ack); err != nil {
				return err
			}
			g.mu.Lock()
			for _, a := range ack.Streams {
				g.acks[a.ID] = a
				if g.onAck != nil {
					g.onAck(a)
				}
			}
			g.mu.Unlock()
		case protocol.TypeBad:
			var bad protocol.Bad
			if err := protocol.DecodeJSON(payload, &bad); err != nil {
				return err
			}
			g.mu.Lock()
			g.bads = append(g.bads, bad)
			g.mu.Unlock()
		case protocol.TypeRefuse:
			var r protocol.Refusal
			if err := protocol.DecodeJSON(payload, &r); err != nil {
				return err
			}
			g.mu.Lock()
			g.refusals = append(g.refusals, r)
			g.mu.Unlock()
			return nil
		case protocol.TypeBye:
			g.mu.Lock()
			g.byes++
			g.mu.Unlock()
			return nil
		case protocol.TypeHeartbeat:
			var beat protocol.Heartbeat
			if err := protocol.DecodeJSON(payload, &beat); err != nil {
				return err
			}
			g.mu.Lock()
			g.beats++
			g.mu.Unlock()
			if !g.stay || g.mute {
				continue
			}
			// Its clock is the receiver's plus 3 s; 1 ms passes on either way.
			received := int64(beat.TNs) + 3_000_000_000 + 1_000_000
			wg.Go(func() {
				_ = g.send(conn, protocol.TypeHeartbeat, &protocol.Heartbeat{TNs: protocol.Int64(received), // a session that ends needs none
					Echo: &protocol.Echo{TNs: beat.TNs, ReceivedNs: protocol.Int64(received)}})
			})
		case protocol.TypeCredit:
			var credit protocol.Credit
			if err := protocol.DecodeJSON(payload, &credit); err != nil {
				return err
			}
			g.mu.Lock()
			g.credit += uint64(credit.Bytes)
			g.mu.Unlock()
		case protocol.TypeRequest:
			if err := g.reply(conn, payload); err != nil {
				return err
			}
		default:
			return fmt.Errorf("unexpected %v", h.Type)
		}
	}
}

// reply answers a request as the test says.
func (g *stub) reply(conn net.Conn, payload []byte) error {
	var ask protocol.Request
	if err := protocol.DecodeJSON(payload, &ask); err != nil {
		return err
	}
	if g.onRequest == nil {
		return g.send(conn, protocol.TypeReply, &protocol.Reply{ID: ask.ID, Code: protocol.ReplyUnknown, Text: "requests are not known here"})
	}
	for _, r := range g.onRequest(ask) {
		if err := g.send(conn, protocol.TypeReply, &r); err != nil {
			return err
		}
	}
	return nil
}

// stream sends all frames behind the cursors, and finished.
func (g *stub) stream(conn net.Conn, ask *protocol.Subscribe, session int) error {
	g.mu.Lock()
	streams := append([]*stubStream(nil), g.streams...)
	g.mu.Unlock()
	var answers []protocol.SubscribedStream
	var rest, copies [][]byte
	for _, s := range streams {
		if !fitsAny(ask.Streams, s.name) && (s.name != gatewayStream || ask.Kind != protocol.SubscribeArchive) {
			continue
		}
		a, frames := s.from(ask)
		if ask.From == protocol.FromNow && s.name == "bench" && g.fromNow > 0 {
			frames = s.frames[g.fromNow:]
			h, _ := protocol.ParseHeader(frames[0])
			a.Epoch, a.Seq = h.Epoch, protocol.Uint64(h.Seq)
			copies = append(copies, s.frames[0])
		}
		if g.answer != nil {
			if word := g.answer(session, s); word != "" {
				a.Answer = word
			}
		}
		answers = append(answers, a)
		if s.name == "bench" {
			g.mu.Lock()
			g.answers = append(g.answers, a.Answer)
			g.mu.Unlock()
		}
		if a.Answer != protocol.AnswerDiverged && a.Answer != protocol.AnswerUnknownJournal {
			rest = append(rest, frames...)
		}
	}
	if err := g.send(conn, protocol.TypeSubscribed, &protocol.Subscribed{Sub: ask.Sub, Streams: answers}); err != nil {
		return err
	}
	if err := g.send(conn, protocol.TypeTurn, &protocol.Turn{Sub: ask.Sub}); err != nil {
		return err
	}
	for _, c := range copies {
		frame, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeCopy}, c)
		if err != nil {
			return err
		}
		if _, err := conn.Write(frame); err != nil {
			return err
		}
	}
	for _, frame := range rest {
		h, err := protocol.ParseHeader(frame)
		if err != nil {
			return err
		}
		if g.mangle != nil {
			frame = g.mangle(session, h, frame)
		}
		if _, err := conn.Write(frame); err != nil {
			return err
		}
	}
	if g.refuseLater != nil {
		return g.send(conn, protocol.TypeRefuse, g.refuseLater)
	}
	if g.stay {
		g.mu.Lock()
		g.conns = append(g.conns, conn)
		g.mu.Unlock()
		return nil
	}
	return g.send(conn, protocol.TypeFinished, &protocol.Finished{Sub: ask.Sub})
}

// push sends frames to those who stay.
func (g *stub) push(frames [][]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.conns {
		for _, f := range frames {
			if _, err := conn.Write(f); err != nil {
				g.t.Errorf("stub gateway: %v", err)
			}
		}
	}
}

func fitsAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// from answers a subscription for one stream, and gives the frames it gets.
func (s *stubStream) from(ask *protocol.Subscribe) (protocol.SubscribedStream, [][]byte) {
	a := protocol.SubscribedStream{Name: s.name, ID: s.id, Answer: protocol.AnswerStart}
	frames := s.frames
	for _, c := range ask.Cursors {
		if c.Stream == s.name {
			a.Answer, frames = s.behind(c)
		}
	}
	if len(frames) > 0 {
		h, _ := protocol.ParseHeader(frames[0])
		a.Epoch, a.Seq = h.Epoch, protocol.Uint64(h.Seq)
	}
	a.Oldest, a.Newest = s.extent()
	return a, frames
}

// behind answers a cursor as section 9.2 says, and gives the frames to go on with.
func (s *stubStream) behind(c protocol.Cursor) (answer string, frames [][]byte) {
	last := uint64(0) // of the cursor's epoch
	for i, f := range s.frames {
		h, err := protocol.ParseHeader(f)
		switch {
		case err != nil || h.Epoch < c.Epoch:
		case h.Epoch > c.Epoch && last > 0 && last < uint64(c.Seq):
			return protocol.AnswerAhead, s.frames[i:]
		case h.Epoch > c.Epoch:
			return protocol.AnswerHole, s.frames
		case h.Seq == uint64(c.Seq) && h.HeaderCRC != uint32(c.CRC):
			return protocol.AnswerDiverged, nil
		case h.Seq == uint64(c.Seq):
			return protocol.AnswerResumed, s.frames[i+1:]
		default:
			last = h.Seq
		}
	}
	if last == 0 && len(s.frames) > 0 {
		return protocol.AnswerUnknownJournal, nil // it never had this epoch
	}
	return protocol.AnswerHole, s.frames
}

// extent is what the stub holds of a stream.
func (s *stubStream) extent() (oldest, newest *protocol.Extent) {
	for _, f := range s.frames {
		h, err := protocol.ParseHeader(f)
		if err != nil || h.Type == protocol.TypeHole {
			continue
		}
		newest = &protocol.Extent{Epoch: h.Epoch, Seq: protocol.Uint64(h.Seq), TimeNs: protocol.Int64(h.Time)}
		if oldest == nil {
			oldest = newest
		}
	}
	return oldest, newest
}

// frameMaker makes the frames of one stream and epoch.
type frameMaker struct {
	t      testing.TB
	stream uint32
	epoch  uint32
	seq    uint64
	index  uint64
	time   int64
	out    [][]byte
}

func (m *frameMaker) header(kind protocol.Type) protocol.Header {
	m.seq++
	return protocol.Header{Type: kind, Stream: m.stream, Epoch: m.epoch, Seq: m.seq, Index: m.index, Time: m.time}
}

func (m *frameMaker) json(kind protocol.Type, v any) *frameMaker {
	m.t.Helper()
	frame, err := protocol.AppendJSON(nil, m.header(kind), v)
	if err != nil {
		m.t.Fatal(err)
	}
	m.out = append(m.out, frame)
	return m
}

// describe appends the descriptor.
func (m *frameMaker) describe(base protocol.ID, stream string, channels ...protocol.Channel) *frameMaker {
	m.t.Helper()
	return m.json(protocol.TypeDescriptor, &protocol.Descriptor{Stream: stream, Base: base, Boot: "boot", Software: "stub", Cause: "gateway started",
		Driver: "cd48", GateNs: 100_000_000, Timing: protocol.TimingDevice, Channels: channels})
}

// counts appends one frame of gates of 100 ms, one row of values for each.
func (m *frameMaker) counts(rows ...[]uint64) *frameMaker {
	m.t.Helper()
	c := protocol.Counts{Values: make([][]uint64, len(rows[0]))}
	for i, row := range rows {
		c.Begin = append(c.Begin, m.time+int64(i)*100_000_000)
		c.Length = append(c.Length, 100_000_000)
		for ch, v := range row {
			c.Values[ch] = append(c.Values[ch], v)
		}
	}
	return m.columns(&c)
}

// columns appends one frame of counts and goes on at its end.
func (m *frameMaker) columns(c *protocol.Counts) *frameMaker {
	m.t.Helper()
	frame, err := new(protocol.CountsEncoder).Append(nil, m.header(protocol.TypeCounts), c)
	if err != nil {
		m.t.Fatal(err)
	}
	m.out = append(m.out, frame)
	last := len(c.Begin) - 1
	m.index += uint64(len(c.Begin))
	m.time = c.Begin[last] + c.Length[last]
	return m
}

// clock appends a clock frame that says UTC is the base plus offset.
func (m *frameMaker) clock(offset int64, sync string) *frameMaker {
	m.t.Helper()
	return m.json(protocol.TypeClock, &protocol.Clock{Kind: protocol.ClockHost, UTCNs: protocol.Int64(m.time + offset), MonoNs: protocol.Int64(m.time - baseNs + 1_000_000_000), Cause: protocol.ClockStart, Sync: sync})
}

func twoChannels() []protocol.Channel {
	return []protocol.Channel{{Name: "A", Kind: protocol.KindCount, Width: 24}, {Name: "B", Kind: protocol.KindCount, Width: 24}}
}

// withBench gives the stub the streams "gateway" and "bench", the latter with
// so many frames of two readings each.
func (g *stub) withBench(frames int) *stub {
	gate := (&frameMaker{t: g.t, stream: 1, epoch: 1, time: baseNs}).describe(g.base, gatewayStream).clock(0, protocol.SyncSynchronised)
	bench := (&frameMaker{t: g.t, stream: 2, epoch: 1, time: baseNs}).describe(g.base, "bench", twoChannels()...)
	for i := range uint64(frames) {
		bench.counts([]uint64{1000 + 2*i, 7}, []uint64{1001 + 2*i, 8})
	}
	g.streams = []*stubStream{{gatewayStream, 1, gate.out}, {"bench", 2, bench.out}}
	return g
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("%s (-got +want):\n%s", what, diff)
	}
}

// hole makes the statement of a gateway that frames are not there.
func hole(t testing.TB, epoch uint32, from, to uint64, cause string) []byte {
	t.Helper()
	f, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHole, Stream: 2, Epoch: epoch, Seq: from}, &protocol.Hole{To: protocol.Uint64(to), Cause: cause, By: "pi-lab3"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}
