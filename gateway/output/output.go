package output

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"photongate/gateway/repeats"
	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
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
	Usual   string         // of them that a client means who names none; empty: the only one
	Clock   func() []byte  // the last clock frame of the stream "gateway", nil: none yet
	Control Controller     // nil: there is no control
	Log     zerolog.Logger // the zero value is silent
}

// Output serves one [[output]] of a configuration.
type Output struct {
	config  Config
	deps    Deps
	log     zerolog.Logger
	trouble repeats.Filter
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
		if before == "" {
			return
		}
		if n, now := o.trouble.Tell("no more " + about); now {
			o.log.Info().Int("times", n).Msgf("no more: %s", before)
		}
		return
	}
	if n, now := o.trouble.Tell(about); now {
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
		unfit: func(err error) {
			if err != nil {
				err = fmt.Errorf("a reading is left out: %w", err)
			}
			o.wrong("values", err)
		},
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
	if times, now := c.trouble.Tell("drop"); now {
		_, all := c.queue.counts()
		c.log.Warn().Uint64("dropped", all).Int("times", times).Msg("the client does not read as fast as readings come: the oldest blocks are dropped, whole")
	}
}
