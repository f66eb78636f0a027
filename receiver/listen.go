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

	"photongate/protocol"
)

// Bounds of a receiver that listens.
const (
	maxOpening  = 64       // connections whose opening is not done, from this computer and from others
	maxGuests   = 64       // gateways that dial in
	maxDoorstep = 16 << 10 // bytes of a connection until its opening is done
	acceptAgain = time.Second
)

// door is where gateways dial in. Each gets a recorder of its own, which waits
// for it when it has gone away.
type door struct {
	o      *RecordOptions
	dir    *archiveDir
	board  *scoreboard
	cancel context.CancelFunc // of the recording, when a recorder fails
	told   callers

	listeners       []net.Listener
	opening, nearby chan struct{}  // one token for each connection being opened: of other computers, and of this one
	visits          sync.WaitGroup // accepting and opening
	recorders       sync.WaitGroup

	mu      sync.Mutex
	guests  map[protocol.ID]*guest // by journal
	plain   map[protocol.ID]bool   // journals whose token, as it was found on this computer, was refused
	running int                    // recorders
	closed  bool
	over    chan struct{} // closed when a run is over: somebody came, and all recorders have ended
	failed  []error
}

// openDoor listens on all addresses, or on none.
func openDoor(ctx context.Context, o *RecordOptions, dir *archiveDir, board *scoreboard, cancel context.CancelFunc) (*door, error) {
	d := &door{
		o: o, dir: dir, board: board, cancel: cancel, told: callers{log: o.Log, seen: map[string]*caller{}},
		opening: make(chan struct{}, maxOpening), nearby: make(chan struct{}, maxOpening),
		guests: map[protocol.ID]*guest{}, plain: map[protocol.ID]bool{}, over: make(chan struct{}),
	}
	for _, address := range o.Listen {
		l, err := o.listener(ctx, address)
		if err != nil {
			d.closeListeners()
			return nil, usage{explainListen(address, err)}
		}
		d.listeners = append(d.listeners, l)
	}
	for _, l := range d.listeners {
		board.listens(l.Addr().String())
		o.Log.Info().Msgf("listening on %s for gateways that dial in", l.Addr())
	}
	return d, nil
}

// listener listens on an address as the user named it.
func (o *RecordOptions) listener(ctx context.Context, address string) (net.Listener, error) {
	hostPort, err := ParseListen(address)
	if err != nil {
		return nil, err
	}
	if o.OpenListener != nil {
		return o.OpenListener(ctx, hostPort)
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", hostPort)
}

func explainListen(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: %w; another program has this port, perhaps a gateway or another photonrecv: choose another one, as in --listen :7311, and name it in forward on the gateway", address, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: %w: no address of this computer; --listen :%s is all it has", address, err, DefaultPort)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: %w: ports below 1024 are not for every user; choose another one", address, err)
	}
	return fmt.Errorf("listen on %s: %w", address, err)
}

func (d *door) closeListeners() {
	for _, l := range d.listeners {
		l.Close()
	}
}

// run lets gateways in until ctx ends or, of a run, until it is over.
func (d *door) run(ctx context.Context) error {
	visiting, leave := context.WithCancel(ctx)
	defer leave()
	for _, l := range d.listeners {
		d.visits.Go(func() { d.accept(visiting, l) })
	}
	select {
	case <-ctx.Done():
	case <-d.over:
	}
	d.mu.Lock()
	d.closed = true
	none := len(d.guests) == 0
	d.mu.Unlock()
	d.closeListeners()
	leave()
	d.visits.Wait()
	d.recorders.Wait()
	if none && len(d.o.Addresses) == 0 {
		d.board.incomplete("no gateway dialled in at %s", d.where())
	}
	return errors.Join(d.failed...)
}

// where says in words where the door is.
func (d *door) where() string {
	var list []string
	for _, l := range d.listeners {
		list = append(list, l.Addr().String())
	}
	return strings.Join(list, " or ")
}

// accept takes connections until the listener is closed.
func (d *door) accept(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err == nil {
			d.visit(ctx, conn)
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		d.told.tell(l.Addr().String(), fmt.Sprintf("a connection could not be accepted: %v", err))
		if !sleep(ctx, acceptAgain) {
			return
		}
	}
}

// visit starts the goroutine of a connection, or turns it away.
func (d *door) visit(ctx context.Context, conn net.Conn) {
	opening := d.opening
	if isHere(conn.RemoteAddr()) {
		opening = d.nearby
	}
	select {
	case opening <- struct{}{}:
		d.visits.Go(func() {
			defer func() { <-opening }()
			d.open(ctx, conn)
		})
	default:
		d.told.tell(host(conn.RemoteAddr()), "too many connections are being opened: turned away")
		conn.Close()
	}
}

// open does the opening of a connection, and hands the session to the recorder of
// its gateway.
func (d *door) open(ctx context.Context, conn net.Conn) {
	opening, cancel := context.WithTimeoutCause(ctx, openTimeout, errTooSlow)
	defer cancel()
	v := &visitor{door: d, conn: conn, from: host(conn.RemoteAddr())}
	s, err := v.open(opening)
	if err != nil {
		conn.Close()
		if cause := context.Cause(opening); errors.Is(cause, errTooSlow) {
			err = fmt.Errorf("%s dialled in, and %w", v.from, cause)
		} else if cause != nil {
			return // the recording ends
		}
		d.told.tell(v.from, err.Error())
		return
	}
	if !d.hand(ctx, s) {
		s.turnAway(errors.New(recordingEnds))
		s.conn.Close()
	}
}

// What gateways are told that are not let in.
const (
	alreadyRecorded = "this gateway is recorded there already, over another connection"
	recordingEnds   = "the recording there is at its end"
	fullHouse       = "too many gateways dial in there"
)

// room refuses gateways that cannot be recorded, before they are told anything.
func (d *door) room(hello *protocol.Hello) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.guests[hello.ID]
	switch {
	case d.closed, g != nil && g.ended():
		return &busyHere{recordingEnds}
	case g == nil && len(d.guests) >= maxGuests:
		return &busyHere{fullHouse}
	case g == nil && d.dir.uses(hello.Name, hello.ID):
		return &busyHere{alreadyRecorded}
	}
	return nil
}

// busyHere says that a gateway is not let in now.
type busyHere struct{ text string }

func (e *busyHere) Error() string { return e.text }

// hand gives a session to the recorder of its gateway. It reports false when
// none takes it any more.
func (d *door) hand(ctx context.Context, s *session) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	g := d.guests[s.hello.ID]
	if g == nil {
		g = newGuest(s.name)
		d.guests[s.hello.ID] = g
		d.recordLocked(ctx, g)
	}
	return g.put(s)
}

// recordLocked starts the recorder of a gateway.
func (d *door) recordLocked(ctx context.Context, g *guest) {
	r := &recorder{o: d.o, via: g, hostPort: g.name, dir: d.dir, board: d.board, log: d.o.Log.With().Str("gateway", g.name).Logger()}
	d.running++
	d.recorders.Go(func() {
		err := r.run(ctx)
		g.end()
		d.mu.Lock()
		defer d.mu.Unlock()
		if err != nil {
			d.failed = append(d.failed, err)
			d.cancel()
		}
		if d.running--; d.running == 0 && !d.closed && d.o.run() {
			d.closed = true
			close(d.over)
		}
	})
}
