package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/rs/zerolog"

	"photongate/gateway/repeats"
)

// Sizes and times of a connection.
const (
	writeBytes   = 16 << 10 // of blocks joined into one write
	socketBuffer = 16 << 10 // what stands unsent in the socket is lost to drop; the system may double it
	readBytes    = 4 << 10
	farewell     = time.Second // for what waits to be sent when a connection is ended by us
)

// dialect is what one kind of output speaks with one client.
type dialect interface {
	// begin queues what is said first.
	begin(c *client) error
	// take takes what the client sent; an error ends the connection.
	take(c *client, data []byte) error
	// halfClosed is asked when the client said that it sends no more: it returns
	// what is closed when there is nothing more to be sent to it, nil for now.
	halfClosed() <-chan struct{}
	// end stops and awaits what begin and take started.
	end()
}

// client is one connection. A goroutine reads from it, and one writes what
// stands in its queue.
type client struct {
	conn  net.Conn
	queue *queue
	log   zerolog.Logger
	most  int // bytes of blocks in one write

	trouble repeats.Filter
	ctx     context.Context // ends with stop
	cancel  context.CancelFunc
}

func newClient(conn net.Conn, log zerolog.Logger, most int) *client {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true)                // Go's default, and a promise here
		_ = tcp.SetWriteBuffer(socketBuffer)    // a wish: where it is refused, a stalled client is noticed later
		_ = tcp.SetKeepAlivePeriod(time.Minute) // likewise
	}
	c := &client{conn: conn, queue: newQueue(), most: most, log: log.With().Str("client", conn.RemoteAddr().String()).Logger()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// run serves the connection, whose dialect has begun, until either side ends
// it, and closes it. The error says why; it is nil when the client went, or
// after stop.
func (c *client) run(d dialect) error {
	defer c.cancel()
	writing := make(chan error, 1)
	go func() {
		err := c.write()
		c.conn.Close() // the reading half ends with this one
		writing <- err
	}()
	err := c.read(d)
	if errors.Is(err, io.EOF) {
		if sent := d.halfClosed(); sent != nil {
			select {
			case written := <-writing:
				writing <- written
			case <-sent:
			case <-c.ctx.Done():
			}
		}
	}
	d.end()
	c.queue.end()
	_ = c.conn.SetWriteDeadline(time.Now().Add(farewell)) // fails on a closed connection only
	written := <-writing
	if err = gone(err); err == nil {
		err = gone(written)
	}
	return err
}

// stop has run end the connection as soon as what waits is sent, or a moment
// later.
func (c *client) stop() {
	c.cancel()
	_ = c.conn.SetReadDeadline(time.Now()) // fails on a closed connection only
}

// gone is nil for an error that says no more than that the client went, or was
// cut off because the output ends.
func gone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, os.ErrDeadlineExceeded) || isReset(err) {
		return nil
	}
	return err
}

// read gives what the client sends to the dialect.
func (c *client) read(d dialect) error {
	buf := make([]byte, readBytes)
	for {
		n, err := c.conn.Read(buf)
		if n > 0 {
			if err := d.take(c, buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// write sends what stands in the queue until it has ended.
func (c *client) write() error {
	var buf []byte
	for {
		out, done := c.queue.take(buf[:0], c.most)
		if done {
			return nil
		}
		if len(out) == 0 {
			<-c.queue.wake
			continue
		}
		if _, err := c.conn.Write(out); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if cap(out) <= 4*writeBytes {
			buf = out
		}
	}
}
