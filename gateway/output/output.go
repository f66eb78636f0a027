package output

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

// Bounds of an output.
const (
	maxClients  = 64
	dialEvery   = time.Second // between two attempts to dial
	dialLimit   = 5 * time.Second
	listenEvery = time.Second // between two attempts to listen
)

// Controller answers requests about settings. It may be used concurrently.
type Controller interface {
	// Do does what a client at an address asks for: protocol.DoGet, or
	// protocol.DoSet of an output that allows it. It returns when that is done,
	// or ctx ends.
	Do(ctx context.Context, from net.Addr, r protocol.Request) protocol.Reply
}

// Deps are what an output is given by the gateway.
type Deps struct {
	Journal *journal.Journal
	Gateway string         // its name
	Devices []string       // names of the streams that can be asked for; each is in the journal when Run begins
	Clock   func() []byte  // the last clock frame of the stream "gateway", nil: none yet
	Control Controller     // nil: there is no control
	Log     zerolog.Logger // the zero value is silent
}

// Output serves one [[output]] of a configuration.
type Output struct {
	config  Config
	deps    Deps
	log     zerolog.Logger
	trouble repeats
	latest  *latest

	dropped atomic.Uint64 // blocks, of all clients
	served  atomic.Uint64 // clients, ever

	mu       sync.Mutex
	listener net.Listener
	clients  map[*client]struct{}
	cause    map[string]string // what is wrong, by what it is about
	ending   bool
}

// New makes an output of a configuration that Check has nothing to say about.
// Nothing is opened before Open or Run.
func New(config Config, deps Deps) (*Output, error) {
	var err error
	config.Check(func(key, text string) {
		if err == nil {
			err = fmt.Errorf("output %s: %s: %s", config.Label(), key, text)
		}
	})
	if err != nil {
		return nil, err
	}
	return &Output{
		config: config, deps: deps, log: deps.Log.With().Str("output", config.Label()).Logger(),
		latest: &latest{}, clients: map[*client]struct{}{}, cause: map[string]string{},
	}, nil
}

// Open listens, so that an address that is taken is told at the start. Run
// tries again when it failed. An output that dials opens nothing.
func (o *Output) Open(ctx context.Context) error {
	if o.config.Listen == "" || o.listening() != nil {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.config.Listen)
	if err != nil {
		err = fmt.Errorf("listen on %s: %w; is another program there? Otherwise choose another port with listen", o.config.Listen, err)
		o.wrong("listen", err)
		return err
	}
	o.wrong("listen", nil)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending {
		l.Close()
		return net.ErrClosed
	}
	o.listener = l
	o.log.Info().Str("kind", o.config.Kind).Stringer("address", l.Addr()).Str("stream", o.config.Stream).Msg("output listens")
	return nil
}

func (o *Output) listening() net.Listener {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.listener
}

// Run serves until ctx ends. Then clients are sent what was read until then,
// if they take it within a moment, and all connections are closed. It may be
// called once.
func (o *Output) Run(ctx context.Context) {
	if w := o.config.Warning(); w != "" {
		o.log.Warn().Msg(w)
	}
	var following, serving sync.WaitGroup
	if o.config.Kind != KindText {
		if f, b := o.follow(); f != nil { // before a client is there, which misses nothing then
			following.Go(func() { o.send(ctx, f, b) })
		}
	}
	if o.config.Dial != "" {
		serving.Go(func() { o.dial(ctx) })
	} else {
		serving.Go(func() { o.listen(ctx, &serving) })
	}
	<-ctx.Done()
	following.Wait() // its last blocks are sent
	o.mu.Lock()
	o.ending = true
	if o.listener != nil {
		o.listener.Close()
	}
	for c := range o.clients {
		c.stop()
	}
	o.mu.Unlock()
	serving.Wait()
}

// Status says how the output is. It may be called at any time.
func (o *Output) Status() protocol.OutputStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := protocol.OutputStatus{
		Name: o.config.Label(), Kind: o.config.Kind, Address: o.config.Address(),
		Clients: len(o.clients), Dropped: protocol.Uint64(o.dropped.Load()),
	}
	if o.listener != nil {
		s.Address = o.listener.Addr().String()
	}
	for _, about := range []string{"listen", "dial", "channels", "every", "values"} {
		if text := o.cause[about]; text != "" && s.Trouble == "" {
			s.Trouble = text
		}
	}
	return s
}

// wrong notes what is wrong about something, nil for nothing, and logs it when
// it is new, and then now and then.
func (o *Output) wrong(about string, err error) {
	o.mu.Lock()
	before := o.cause[about]
	if err == nil {
		delete(o.cause, about)
	} else {
		o.cause[about] = err.Error()
	}
	o.mu.Unlock()
	if err == nil {
		if before != "" {
			o.log.Info().Msgf("no more: %s", before)
		}
		return
	}
	if n, now := o.trouble.tell(about); now {
		o.log.Warn().Int("times", n).Msg(err.Error())
	}
}

// follow begins to follow the stream; nil when it cannot.
func (o *Output) follow() (*follower, *blocks) {
	encoder, err := o.config.encoder()
	if err != nil {
		o.wrong("channels", err) // New checked it
		return nil, nil
	}
	b := &blocks{
		fields: o.config.Fields, encoder: encoder, emit: o.emit,
		unfit: func(err error) { o.wrong("values", fmt.Errorf("a reading is left out: %w", err)) },
		lacking: func(p *table.Part, err error) {
			if err != nil {
				err = fmt.Errorf("nothing is sent: %w in stream %s", err, p.Name())
			}
			o.wrong("channels", err)
		},
	}
	f, err := o.deps.follow([]string{o.config.Stream}, func(clocks *table.ClockTable) table.Sink {
		b.clock = table.NewRowClock(clocks)
		o.latest.Sink = b
		if o.config.Every > 0 {
			pipe := table.NewPipe(&table.View{Every: o.config.Every}, clocks, b)
			o.latest.Sink = summed{pipe, func(err error) {
				if err != nil {
					err = fmt.Errorf("nothing is sent: %w", err)
				}
				o.wrong("every", err)
			}}
		}
		return o.latest
	})
	if err != nil {
		o.wrong("channels", fmt.Errorf("nothing is sent: %w", err))
		return nil, nil
	}
	return f, b
}

// send sends the readings of the stream to all clients, until ctx ends.
func (o *Output) send(ctx context.Context, f *follower, b *blocks) {
	err := f.run(ctx, func() error { return nil })
	b.flush()
	if err != nil {
		o.wrong("channels", fmt.Errorf("nothing is sent any more: %w", err))
	}
}

// emit puts a block into the queues of all clients.
func (o *Output) emit(block []byte) {
	if o.config.AnswersOnly {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.clients {
		o.put(c, block, false)
	}
}

// put puts a block into a client's queue, and tells of what is dropped.
func (o *Output) put(c *client, block []byte, keep bool) {
	n := c.queue.put(block, keep)
	if n == 0 {
		return
	}
	o.dropped.Add(uint64(n))
	if times, now := c.trouble.tell("drop"); now {
		_, all := c.queue.counts()
		c.log.Warn().Uint64("dropped", all).Int("times", times).Msg("the client does not read as fast as readings come: the oldest blocks are dropped, whole")
	}
}

// listen accepts clients until the listener is closed by Run.
func (o *Output) listen(ctx context.Context, serving *sync.WaitGroup) {
	for o.Open(ctx) != nil {
		if !pause(ctx, listenEvery) {
			return
		}
	}
	l := o.listening()
	failed := false
	for {
		conn, err := l.Accept()
		if err == nil {
			if failed {
				failed = false
				o.wrong("listen", nil)
			}
			serving.Go(func() { o.serve(conn) })
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		failed = true
		o.wrong("listen", fmt.Errorf("a client could not be accepted: %w", err))
		if !pause(ctx, listenEvery) {
			return
		}
	}
}

// dial goes to the program that waits for us, again and again, until ctx ends.
func (o *Output) dial(ctx context.Context) {
	dialer := net.Dialer{Timeout: dialLimit}
	for {
		conn, err := dialer.DialContext(ctx, "tcp", o.config.Dial)
		if ctx.Err() != nil && err == nil {
			conn.Close()
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			o.wrong("dial", fmt.Errorf("no program takes connections at %s (%w); it is tried again every second", o.config.Dial, err))
		} else {
			o.wrong("dial", nil)
			o.serve(conn)
		}
		if !pause(ctx, dialEvery) {
			return
		}
	}
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// serve serves one connection and closes it.
func (o *Output) serve(conn net.Conn) {
	c := newClient(conn, o.log, o.writeBytes())
	d := o.dialect()
	if err := d.begin(c); err != nil {
		c.log.Warn().Err(err).Msg("client turned away")
		c.cancel()
		conn.Close()
		return
	}
	if err := o.add(c); err != nil {
		d.end()
		c.cancel()
		if _, now := o.trouble.tell("turned away"); now {
			c.log.Warn().Err(err).Msg("client turned away")
		}
		conn.Close()
		return
	}
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	times, tell := o.trouble.tell("connected " + host)
	if tell {
		c.log.Info().Int("times", times).Msg("client connected")
	}
	err := c.run(d)
	o.remove(c)
	sent, dropped := c.queue.counts()
	switch {
	case err != nil:
		c.log.Warn().Err(err).Uint64("sent", sent).Uint64("dropped", dropped).Msg("connection ended")
	case tell || dropped > 0:
		c.log.Info().Uint64("sent", sent).Uint64("dropped", dropped).Msg("client disconnected")
	}
}

func (o *Output) add(c *client) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending {
		return errors.New("the gateway stops")
	}
	if len(o.clients) >= maxClients {
		return fmt.Errorf("there are %d clients, which is the limit", maxClients)
	}
	o.clients[c] = struct{}{}
	o.served.Add(1)
	return nil
}

func (o *Output) remove(c *client) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.clients, c)
}

// writeBytes is how much may be written at once.
func (o *Output) writeBytes() int {
	if o.config.Kind == KindStruct {
		return segmentBytes
	}
	return writeBytes
}

// dialect is what the output speaks with a client.
func (o *Output) dialect() dialect {
	switch o.config.Kind {
	case KindSerpy:
		return &serpy{output: o, mode: o.config.Mode}
	case KindSerpy2:
		return &serpy2{output: o, rows: rows{output: o, wrap: serpy2TextBlock}}
	case KindStruct:
		return silent{}
	}
	return &text{output: o, rows: rows{output: o}}
}
