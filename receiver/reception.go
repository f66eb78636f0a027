package receiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
)

// Bounds of a receiver that listens.
const (
	maxOpening  = 64       // connections whose opening is not done, from this computer and from others
	maxDoorstep = 16 << 10 // bytes of a connection until its opening is done
	maxDoubted  = 64       // gateways of this computer whose token is not shown any more
	acceptAgain = time.Second
)

// Listener listens on host:port.
type Listener func(ctx context.Context, hostPort string) (net.Listener, error)

// reception is where gateways dial in: it listens, does the opening of each
// connection, and hands on the session.
type reception struct {
	log  zerolog.Logger
	told callers

	own   func() identity                               // how this end introduces itself
	admit func(v *visitor, hello *protocol.Hello) error // refuses whom there is no use for, before anything is told to it
	take  func(ctx context.Context, s *session) error   // takes a session, or refuses it
	final func(err error)                               // is told that who was admitted refuses this end for good; nil: not

	listeners       []net.Listener
	opening, nearby chan struct{}  // one token for each connection being opened: of other computers, and of this one
	visits          sync.WaitGroup // accepting and opening

	doubting sync.Mutex
	doubted  map[protocol.ID]bool // journals whose token, as it was found on this computer, was refused
}

func newReception(log zerolog.Logger, own func() identity, admit func(*visitor, *protocol.Hello) error, take func(context.Context, *session) error) reception {
	return reception{
		log: log, told: callers{log: log, seen: map[string]*caller{}}, own: own, admit: admit, take: take,
		opening: make(chan struct{}, maxOpening), nearby: make(chan struct{}, maxOpening), doubted: map[protocol.ID]bool{},
	}
}

// listen listens on all addresses, as the user named them, or on none. cure is
// what to do about a port that is taken.
func (c *reception) listen(ctx context.Context, open Listener, addresses []string, cure string) error {
	if open == nil {
		open = func(ctx context.Context, hostPort string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", hostPort)
		}
	}
	for _, address := range addresses {
		hostPort, err := ParseListen(address)
		var l net.Listener
		if err == nil {
			l, err = open(ctx, hostPort)
		}
		if err != nil {
			c.closeListeners()
			return usage{explainListen(address, err, cure)}
		}
		c.listeners = append(c.listeners, l)
	}
	return nil
}

func explainListen(address string, err error, cure string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: %w; another program has this port, perhaps a gateway or another photonrecv: %s", address, err, cure)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: %w: no address of this computer; --listen :%s is all it has", address, err, DefaultPort)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: %w: ports below 1024 are not for every user; choose another one", address, err)
	}
	return fmt.Errorf("listen on %s: %w", address, err)
}

func (c *reception) closeListeners() {
	for _, l := range c.listeners {
		l.Close()
	}
}

// where says in words where gateways dial in.
func (c *reception) where() string {
	var list []string
	for _, l := range c.listeners {
		list = append(list, l.Addr().String())
	}
	return strings.Join(list, " or ")
}

// receive lets gateways in until leave is called, which waits until nobody is at
// the door any more. Sessions that were handed on stay.
func (c *reception) receive(ctx context.Context) (leave func()) {
	visiting, stop := context.WithCancel(ctx)
	for _, l := range c.listeners {
		c.visits.Go(func() { c.accept(ctx, visiting, l) })
	}
	return func() {
		c.closeListeners()
		stop()
		c.visits.Wait()
	}
}

// accept takes connections until the listener is closed.
func (c *reception) accept(ctx, visiting context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err == nil {
			c.visit(ctx, visiting, conn)
			continue
		}
		if visiting.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		c.told.tell(l.Addr().String(), fmt.Sprintf("a connection could not be accepted: %v", err))
		if !sleep(visiting, acceptAgain) {
			return
		}
	}
}

// visit starts the goroutine of a connection, or turns it away.
func (c *reception) visit(ctx, visiting context.Context, conn net.Conn) {
	opening := c.opening
	if isHere(conn.RemoteAddr()) {
		opening = c.nearby
	}
	select {
	case opening <- struct{}{}:
		c.visits.Go(func() {
			defer func() { <-opening }()
			c.open(ctx, visiting, conn)
		})
	default:
		c.told.tell(host(conn.RemoteAddr()), "too many connections are being opened: turned away")
		conn.Close()
	}
}

// open does the opening of a connection, and hands the session on.
func (c *reception) open(ctx, visiting context.Context, conn net.Conn) {
	opening, cancel := context.WithTimeoutCause(visiting, openTimeout, errTooSlow)
	defer cancel()
	v := &visitor{at: c, conn: conn, from: host(conn.RemoteAddr())}
	s, err := v.open(opening)
	if err != nil {
		conn.Close()
		if cause := context.Cause(opening); errors.Is(cause, errTooSlow) {
			err = fmt.Errorf("%s dialled in, and %w", v.from, cause)
		} else if cause != nil {
			return // what it dials in for ends
		}
		c.told.tell(v.from, err.Error())
		return
	}
	if err := c.take(ctx, s); err != nil {
		s.turnAway(err)
		s.conn.Close()
	}
}

// distrust has the token that was found on this computer not be shown to a
// gateway again.
func (c *reception) distrust(journal protocol.ID) {
	c.doubting.Lock()
	defer c.doubting.Unlock()
	if len(c.doubted) < maxDoubted {
		c.doubted[journal] = true
	}
}

func (c *reception) trusts(journal protocol.ID) bool {
	c.doubting.Lock()
	defer c.doubting.Unlock()
	return !c.doubted[journal]
}
