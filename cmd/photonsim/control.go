package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"photongate/sim"
)

// maxControllers bounds the connections that may change the light at once, and
// maxControlLine the length of a line on them.
const (
	maxControllers = 8
	maxControlLine = 4096
)

// control changes the light as lines on a TCP port say. close stops it.
type control struct {
	light    *sim.Light
	inputs   []string
	listener net.Listener
	done     sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// openControl begins to listen on addr.
func openControl(addr string, light *sim.Light, inputs []string) (*control, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--control %s: %w", addr, err)
	}
	c := &control{
		light: light, inputs: inputs, listener: listener,
		conns: map[net.Conn]struct{}{},
	}
	c.done.Go(c.accept)
	return c, nil
}

// close ends the listener and all connections and waits for their goroutines.
func (c *control) close() {
	c.mu.Lock()
	c.closed = true
	c.listener.Close()
	for conn := range c.conns {
		conn.Close()
	}
	c.mu.Unlock()
	c.done.Wait()
}

func (c *control) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // closed, and nothing else happens to a listener on this machine
		}
		if !c.add(conn) {
			conn.Close()
		}
	}
}

// add begins to serve a connection, unless there are too many.
func (c *control) add(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.conns) == maxControllers {
		return false
	}
	c.conns[conn] = struct{}{}
	c.done.Go(func() { c.serve(conn) })
	return true
}

// serve obeys the lines of one connection.
func (c *control) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		c.mu.Lock()
		delete(c.conns, conn)
		c.mu.Unlock()
	}()
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, maxControlLine)
	for lines.Scan() {
		answer := "error: " // what follows stays on one line
		if at, err := c.obey(lines.Text()); err != nil {
			answer += strings.ReplaceAll(err.Error(), "\n", " ")
		} else {
			answer = fmt.Sprintf("ok %d", at.UnixNano())
		}
		if _, err := fmt.Fprintln(conn, answer); err != nil {
			return
		}
	}
}

// obey does what one line says and returns when.
func (c *control) obey(line string) (time.Time, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch word {
	case "rates":
		rates, err := parseRates("control", strings.TrimSpace(rest), len(c.inputs))
		if err != nil {
			return time.Time{}, err
		}
		return c.light.SetRates(rates)
	case "pairs":
		pairs, err := parsePairs(strings.TrimSpace(rest), c.inputs)
		if err != nil {
			return time.Time{}, err
		}
		return c.light.SetPairs(pairs)
	}
	return time.Time{}, fmt.Errorf("%q: expected a line such as rates 50k,20k,0,0 or pairs AB=3k", line)
}
