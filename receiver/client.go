package receiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
)

// Bounds of a Client.
const (
	maxWaiting  = 16      // requests without a reply (SPEC.md, section 10)
	maxViews    = 64      // subscriptions
	clientViews = 1 << 20 // bytes that a gateway may send of a view ahead of its reader
)

// ConnectOptions say how to connect to a gateway.
type ConnectOptions struct {
	Software string // "photonrecv 0.1.0"
	Who      string // the person for whom requests are made; empty: nobody is named
	Needs    string // a right without which Connect fails, protocol.RightRead...; empty: RightRead
	Token    []byte // shown to the gateway; empty: none
	Dial     Dialer // nil: TCP

	// Listen are addresses, "host:port" or "host", at which the gateway is waited
	// for, which dials this computer; none: it is dialled. Connect waits for a
	// minute.
	Listen       []string
	OpenListener Listener       // nil: TCP
	Log          zerolog.Logger // says what is waited for, and who is turned away; the zero value says nothing
}

// Client is a session with a gateway for requests and views. It sends the
// heartbeats. It does not connect again when the session is lost. It may be
// used concurrently.
type Client struct {
	s   *session
	who string

	asking  sync.Mutex // keeps the order of requests and of pending the same
	closing context.CancelFunc
	running sync.WaitGroup
	ended   chan struct{}
	calls   clientCalls
	way     *way // that ends with the client; nil: another one's
}

// clientCalls is what a Client waits for.
type clientCalls struct {
	waiting chan struct{} // holds one token for each of pending

	mu      sync.Mutex
	lastID  protocol.Uint64
	lastSub int
	pending []*pendingRequest // in their order
	views   map[int]*View
	turn    *View
	err     error // why the session ended
}

type pendingRequest struct {
	id    protocol.Uint64
	reply protocol.Reply
	done  chan struct{} // closed when reply is there, or never will be
	err   error
}

// NotDone says that a gateway did not do what a request asked for. Its text is
// a sentence of the gateway.
type NotDone struct{ protocol.Reply }

// Error is the gateway's sentence.
func (e *NotDone) Error() string {
	if e.Text == "" {
		return "the gateway did not do it, and gives no reason (" + e.Code + ")"
	}
	return e.Text
}

// Connect opens a session with the gateway of that address, as the command
// line takes it: the name of a pairing, or an address. Its errors are sentences; [MayRecover] tells whether trying again
// may help. ctx bounds the connecting alone.
func Connect(ctx context.Context, address string, o ConnectOptions) (*Client, error) {
	w, err := openWay(ctx, wanted{address: address}, &o)
	if err != nil {
		return nil, err
	}
	c, err := w.connect(ctx, o.Who, firstVisit)
	if err != nil {
		w.end()
		return nil, err
	}
	c.way = w
	return c, nil
}

// connect opens or awaits a session, the latter for a time.
func (w *way) connect(ctx context.Context, who string, patience time.Duration) (*Client, error) {
	s, err := w.session(ctx, patience)
	if err != nil {
		return nil, err
	}
	return newClient(s, who), nil
}

// newClient is a session in use.
func newClient(s *session, who string) *Client {
	beating, stop := context.WithCancel(context.Background())
	c := &Client{s: s, who: who, closing: stop, ended: make(chan struct{})}
	c.calls.waiting, c.calls.views = make(chan struct{}, maxWaiting), map[int]*View{}
	c.running.Go(func() { s.beat(beating) })
	c.running.Go(func() {
		c.calls.end(s.read(&c.calls))
		stop()
		close(c.ended)
	})
	return c
}

// MayRecover reports whether connecting again may help after an error of
// [Connect], of a [Client] or of a [View].
func MayRecover(err error) bool {
	if refused, ok := errors.AsType[*Refused](err); ok {
		return !refused.final()
	}
	return errors.Is(err, ErrUnreachable) || isSessionEnd(err)
}

// Hello is what the gateway said of itself.
func (c *Client) Hello() protocol.Hello { return c.s.hello }

// Rights is what the gateway granted: protocol.RightRead and others.
func (c *Client) Rights() []string { return slices.Clone(c.s.rights) }

// May reports whether the gateway granted a right.
func (c *Client) May(right string) bool { return slices.Contains(c.s.rights, right) }

// Peer is the host:port of the gateway, for messages.
func (c *Client) Peer() string { return c.s.peer }

// Notes are sentences for the user on what is odd, though the session works:
// clocks that are wrong.
func (c *Client) Notes() []string { return slices.Clone(c.s.notes) }

// BaseNow estimates what the gateway's time base reads, in ns. It is late by
// the way the gateway's hello took.
func (c *Client) BaseNow() int64 { return c.s.clock.baseNow(time.Now()) }

// Done is closed when the session has ended.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Err says why the session ended, in a sentence; nil while it goes on. After
// Close it is [ErrClosed].
func (c *Client) Err() error {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	return c.calls.err
}

// ErrClosed is the end of a session that Close brought about.
var ErrClosed = errors.New("the session was closed")

// Close says goodbye, closes the connection and waits until all has ended. Its
// error is always nil.
func (c *Client) Close() error {
	c.calls.end(ErrClosed)
	c.s.life.leave()
	_ = c.s.send(protocol.TypeBye, &protocol.Bye{Reason: "client ends"}) // it ends either way
	c.s.stopReading()
	c.closing()
	c.running.Wait()
	c.s.drain()
	_ = c.s.conn.Close() // nothing is left to be lost
	if c.way != nil {
		c.way.end()
	}
	return nil
}

// Do asks the gateway for something and waits for the answer. ID is chosen
// here, and Who filled in when it is empty. What the gateway did not do is a
// *NotDone. When ctx ends first, the request may be done all the same. At most
// 16 requests wait for their replies at once; more wait here for their turn.
func (c *Client) Do(ctx context.Context, ask protocol.Request) (protocol.Reply, error) {
	select {
	case c.calls.waiting <- struct{}{}:
	case <-ctx.Done():
		return protocol.Reply{}, ctx.Err()
	case <-c.ended:
		return protocol.Reply{}, c.Err()
	}
	if ask.Who == "" {
		ask.Who = c.who
	}
	p, err := c.ask(&ask)
	if err != nil {
		return protocol.Reply{}, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return protocol.Reply{}, ctx.Err()
	}
	if p.err == nil && p.reply.Code != "" {
		return p.reply, &NotDone{p.reply}
	}
	return p.reply, p.err
}

// ask sends a request, for which a token stands in waiting already.
func (c *Client) ask(ask *protocol.Request) (*pendingRequest, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	p, err := c.calls.expect()
	if err != nil {
		return nil, err
	}
	ask.ID = p.id
	payload, err := protocol.EncodeJSON(ask)
	if err != nil {
		c.calls.forget(p)
		return nil, fmt.Errorf("request %s: %w", ask.Do, err)
	}
	if err := c.s.sendPayload(protocol.TypeRequest, payload); err != nil {
		c.broken(err)
	}
	return p, nil
}

// broken ends a session on which no more can be sent, since a frame may have
// left in part. Of a connection that is gone the reader finds out why.
func (c *Client) broken(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.calls.end(explainLost(c.s.peer, err))
		c.s.stopReading()
	}
}

// expect notes a request that will be sent. It takes over the token in waiting.
func (c *clientCalls) expect() (*pendingRequest, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		<-c.waiting
		return nil, c.err
	}
	c.lastID++
	p := &pendingRequest{id: c.lastID, done: make(chan struct{})}
	c.pending = append(c.pending, p)
	return p, nil
}

// forget takes back a request that was not sent.
func (c *clientCalls) forget(p *pendingRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.pending)
	c.pending = slices.DeleteFunc(c.pending, func(q *pendingRequest) bool { return q == p })
	if len(c.pending) < before {
		<-c.waiting
	}
}

// end tells all who wait that nothing more will come. The first reason stays.
func (c *clientCalls) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = why
	for _, p := range c.pending {
		p.err = why
		close(p.done)
		<-c.waiting
	}
	c.pending = nil
	for _, v := range c.views {
		v.q.end(why)
	}
}

// put hands a frame to whom it is for.
func (c *clientCalls) put(frame []byte) error {
	h, err := protocol.ParseHeader(frame)
	if err != nil {
		return err
	}
	payload := frame[h.HeaderLen:]
	c.mu.Lock()
	defer c.mu.Unlock()
	switch h.Type {
	case protocol.TypeReply:
		return c.answer(payload)
	case protocol.TypeTurn, protocol.TypeSubscribed, protocol.TypeSkip, protocol.TypeFinished:
		var of struct {
			Sub int `json:"sub"`
		}
		if err := protocol.DecodeJSON(payload, &of); err != nil {
			return err
		}
		v := c.views[of.Sub]
		if v == nil {
			return fmt.Errorf("%w: %v of subscription %d, which was not asked for", protocol.ErrFormat, h.Type, of.Sub)
		}
		if h.Type == protocol.TypeTurn {
			c.turn = v
			return nil
		}
		return v.q.put(frame)
	}
	if h.Type != protocol.TypeCopy && !h.Type.Stored() {
		return nil // of a later version
	}
	if c.turn == nil {
		return fmt.Errorf("%w: %v before a turn", protocol.ErrFormat, h.Type)
	}
	return c.turn.q.put(frame)
}

// answer takes a reply, which must be that of the oldest request.
func (c *clientCalls) answer(payload []byte) error {
	var r protocol.Reply
	if err := protocol.DecodeJSON(payload, &r); err != nil {
		return err
	}
	if c.err != nil {
		return nil
	}
	if len(c.pending) == 0 || c.pending[0].id != r.ID {
		return fmt.Errorf("%w: a reply to request %d, which is not the one that waits", protocol.ErrFormat, r.ID)
	}
	p := c.pending[0]
	c.pending = c.pending[1:]
	p.reply = r
	close(p.done)
	<-c.waiting
	return nil
}

// View is a subscription of a Client: what a gateway measures, as it comes. It
// is used by one goroutine.
type View struct {
	c      *Client
	sub    int
	q      *frameQueue
	frames []byte
	used   int // bytes of credit in frames
}

// Subscribe asks for a view of streams. From, Streams, TimeNs, Cursors, Rest and
// ToNs are the caller's; Sub, Kind and (when it is 0) Credit are chosen here. What
// the gateway answers comes with the frames.
func (c *Client) Subscribe(ask protocol.Subscribe) (*View, error) {
	ask.Kind = protocol.SubscribeView
	if ask.Credit == 0 {
		ask.Credit = clientViews
	}
	if ask.Credit > creditBytes {
		return nil, fmt.Errorf("a view with %d bytes of credit: at most %d", ask.Credit, creditBytes)
	}
	v, err := c.calls.subscribe(c)
	if err != nil {
		return nil, err
	}
	ask.Sub = v.sub
	if err := c.s.send(protocol.TypeSubscribe, &ask); err != nil {
		c.broken(err)
	}
	return v, nil
}

// subscribe makes the view that will take what comes.
func (c *clientCalls) subscribe(client *Client) (*View, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if len(c.views) >= maxViews {
		return nil, fmt.Errorf("more than %d views of one gateway", maxViews)
	}
	c.lastSub++
	v := &View{c: client, sub: c.lastSub, q: newFrameQueue()}
	c.views[v.sub] = v
	return v, nil
}

// Next waits for frames and returns all that are there, back to back and whole,
// valid until the next call: stored frames and holes, and subscribed, copy, skip
// and finished as SPEC.md says, section 9.2. Calling it again tells the gateway
// that those before were used. Its error says why the session ended, in a
// sentence, or is that of ctx.
func (v *View) Next(ctx context.Context) ([]byte, error) {
	if v.used > 0 {
		// When it cannot be sent, the reader finds out why.
		_ = v.c.s.send(protocol.TypeCredit, &protocol.Credit{Sub: v.sub, Bytes: protocol.Uint64(v.used)})
		v.used = 0
	}
	frames, err := v.q.take(ctx, v.frames)
	if err != nil {
		return nil, err
	}
	v.frames = frames
	err = forEachFrame(frames, func(h protocol.Header, _ []byte) error {
		if h.Type == protocol.TypeCopy || h.Type.Stored() {
			v.used += h.FrameLen()
		}
		return nil
	})
	return frames, err
}
