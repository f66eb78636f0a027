package serialport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"photongate/device"
)

const (
	tcpWriteLimit = 5 * time.Second
	tcpPoll       = time.Millisecond // what a timeout of 0 becomes: a deadline already past reads nothing
	tcpDiscard    = 1 << 20          // most bytes thrown away at once
)

// tcpPort is a serial server that passes bytes as they are.
type tcpPort struct {
	conn   net.Conn
	clock  device.Clock
	name   string
	closed atomic.Bool
}

var _ device.Port = (*tcpPort)(nil)

func dialTCP(ctx context.Context, name, address string, clock device.Clock) (device.Port, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, &device.Error{Op: "open", Port: name, Err: fmt.Errorf("%w: %w", device.ErrNoPort, err),
			Hint: "write it as tcp://host:port"}
	}
	dialer := net.Dialer{
		Timeout:         openLimit,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, &device.Error{Op: "open", Port: name, Err: fmt.Errorf("%w: %w", device.ErrNoPort, err),
			Hint: "is the serial server on, is it set to raw TCP, and does nobody else use the connection?"}
	}
	return &tcpPort{conn: conn, clock: clock, name: name}, nil
}

// Read implements device.Port.
func (p *tcpPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	if len(b) == 0 {
		return 0, p.clock(), fmt.Errorf("read %s: empty buffer", p.name)
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(max(timeout, tcpPoll))); err != nil {
		return 0, p.clock(), p.gone(err)
	}
	n, err := p.conn.Read(b)
	at := p.clock()
	switch {
	case n > 0:
		return n, at, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, at, device.ErrTimeout
	default:
		return 0, at, p.gone(err)
	}
}

// Write implements device.Port.
func (p *tcpPort) Write(b []byte) (int64, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(tcpWriteLimit)); err != nil {
		return p.clock(), p.gone(err)
	}
	if _, err := p.conn.Write(b); err != nil {
		return p.clock(), p.gone(err)
	}
	return p.clock(), nil
}

func (p *tcpPort) gone(err error) error {
	switch {
	case p.closed.Load():
		return device.ErrClosed
	case err == nil || errors.Is(err, io.EOF):
		return device.ErrGone
	default:
		return fmt.Errorf("%w: %w", device.ErrGone, err)
	}
}

// Discard implements device.Port.
func (p *tcpPort) Discard() error {
	var buf [4096]byte
	for total := 0; total < tcpDiscard; {
		n, _, err := p.Read(buf[:], 0)
		if errors.Is(err, device.ErrTimeout) {
			return nil
		}
		if err != nil {
			return err
		}
		total += n
	}
	return nil
}

// Name implements device.Port.
func (p *tcpPort) Name() string { return p.name }

// Close implements device.Port.
func (p *tcpPort) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	return p.conn.Close()
}
