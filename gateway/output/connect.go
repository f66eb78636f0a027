package output

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Bounds of connections.
const (
	maxClients  = 64
	dialEvery   = time.Second // between two attempts to dial
	dialLimit   = 5 * time.Second
	listenEvery = time.Second // between two attempts to listen
)

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
	err := d.begin(c)
	if err == nil {
		if err = o.add(c); err != nil {
			d.end()
		}
	}
	if err != nil {
		c.cancel()
		if n, now := o.trouble.Tell("turned away"); now {
			c.log.Warn().Err(err).Int("times", n).Msg("client turned away")
		}
		conn.Close()
		return
	}
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	times, tell := o.trouble.Tell("connected " + host)
	if tell {
		c.log.Info().Int("times", times).Msg("client connected")
	}
	err = c.run(d)
	o.remove(c)
	sent, dropped := c.queue.counts()
	switch {
	case err != nil: // a script that is wrong may come again every second
		if n, now := o.trouble.Tell("ended " + host); now {
			c.log.Warn().Err(err).Uint64("sent", sent).Uint64("dropped", dropped).Int("times", n).Msg("connection ended")
		}
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
