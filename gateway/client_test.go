package gateway

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// patience bounds every wait for the other side. It is no measure of speed.
const patience = 30 * time.Second

// client is a receiver made of nothing but package protocol.
type client struct {
	t      testing.TB
	conn   net.Conn
	frames *protocol.FrameReader
	hello  protocol.Hello // of the gateway
	turn   int
	beats  int // heartbeats that came
}

// got is one frame that came.
type got struct {
	protocol.Header
	frame   []byte
	payload []byte
	turn    int
}

func dial(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// connect opens a session.
func connect(t testing.TB, addr net.Addr, name string, id protocol.ID) *client {
	t.Helper()
	c := &client{t: t, conn: dial(t, addr)}
	c.frames = protocol.NewFrameReader(c.conn, protocol.MaxFrame)
	c.open(name, id)
	return c
}

// open does the opening.
func (c *client) open(name string, id protocol.ID) {
	c.t.Helper()
	c.say(protocol.TypeHello, &protocol.Hello{
		Format: [2]int{1, 1}, Role: protocol.RoleReceiver, Name: name, ID: id, Software: "test", Nonce: protocol.NewID(),
	})
	c.expect(protocol.TypeHello, &c.hello)
	c.say(protocol.TypeProof, &protocol.Proof{})
	var proof protocol.Proof
	c.expect(protocol.TypeProof, &proof)
	if len(proof.Rights) != 2 || proof.Rights[0] != "read" || proof.Rights[1] != "archive" {
		c.t.Fatalf("rights: got %q, want read and archive", proof.Rights)
	}
}

// keepAlive sends heartbeats until the test ends.
func (c *client) keepAlive() {
	frame, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHeartbeat}, &protocol.Heartbeat{TNs: 1})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx := c.t.Context()
	go func() {
		for ctx.Err() == nil {
			if _, err := c.conn.Write(frame); err != nil {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}()
}

func (c *client) say(typ protocol.Type, v any) {
	c.t.Helper()
	frame, err := protocol.AppendJSON(nil, protocol.Header{Type: typ}, v)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatalf("send %v: %v", typ, err)
	}
}

// next is the next frame but heartbeats and turns.
func (c *client) next() (got, error) {
	for {
		h, frame, err := c.frames.Next()
		if err != nil {
			return got{}, err
		}
		payload := append([]byte(nil), frame[h.HeaderLen:]...)
		switch h.Type {
		case protocol.TypeHeartbeat:
			c.beats++
		case protocol.TypeTurn:
			var turn protocol.Turn
			if err := protocol.DecodeJSON(payload, &turn); err != nil {
				return got{}, err
			}
			c.turn = turn.Sub
		default:
			return got{Header: h, frame: append([]byte(nil), frame...), payload: payload, turn: c.turn}, nil
		}
	}
}

// expect is the next frame, which must have this type.
func (c *client) expect(typ protocol.Type, v any) got {
	c.t.Helper()
	g, err := c.next()
	if err != nil {
		c.t.Fatalf("waiting for %v: %v", typ, err)
	}
	if g.Type != typ {
		c.t.Fatalf("got %v %s, want %v", g.Type, g.payload, typ)
	}
	if v != nil {
		if err := protocol.DecodeJSON(g.payload, v); err != nil {
			c.t.Fatalf("%v: %v", typ, err)
		}
	}
	return g
}

// until reads frames up to the first of this type.
func (c *client) until(typ protocol.Type) []got {
	c.t.Helper()
	var list []got
	for {
		g, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for %v: %v", typ, err)
		}
		list = append(list, g)
		if g.Type == typ {
			return list
		}
	}
}

// subscribe asks for streams and returns the answer.
func (c *client) subscribe(req protocol.Subscribe) protocol.Subscribed {
	c.t.Helper()
	if req.Credit == 0 {
		req.Credit = 1 << 30
	}
	c.say(protocol.TypeSubscribe, &req)
	var answer protocol.Subscribed
	c.expect(protocol.TypeSubscribed, &answer)
	return answer
}

// refusedWith reads to the refusal that ends the session.
func (c *client) refusedWith(code string) protocol.Refusal {
	c.t.Helper()
	list := c.until(protocol.TypeRefuse)
	var r protocol.Refusal
	if err := protocol.DecodeJSON(list[len(list)-1].payload, &r); err != nil {
		c.t.Fatal(err)
	}
	if r.Code != code {
		c.t.Fatalf("refused with %q (%s), want %q", r.Code, r.Text, code)
	}
	if _, err := c.next(); !errors.Is(err, io.EOF) {
		c.t.Fatalf("after refuse: got %v, want the end", err)
	}
	return r
}

func archiveFrom(from string, streams ...string) protocol.Subscribe {
	return protocol.Subscribe{Sub: 1, Kind: protocol.SubscribeArchive, Streams: streams, From: from}
}

// stream is a stream of the journal.
func (r *recorded) stream(t *testing.T, name string) *journal.Stream {
	t.Helper()
	for _, st := range r.journal.Streams() {
		if st.Name() == name {
			return st
		}
	}
	t.Fatalf("there is no stream %s", name)
	return nil
}
