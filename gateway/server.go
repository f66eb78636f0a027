package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"photongate/gateway/repeats"
	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/pairing"
)

// Bounds of the server.
const (
	maxOpening   = 64              // connections whose opening is not done, of this computer and of others; and as many that are told so
	maxSessions  = 256             // sessions
	acceptAgain  = time.Second     // pause after accept failed
	archivesSave = 5 * time.Second // how often acknowledgements are saved
)

// server accepts receivers and serves the journal to them.
type server struct {
	name     string
	software string
	journal  *journal.Journal
	base     *timeBase
	archives *archives
	control  *control          // answers requests
	clock    func() []byte     // the last clock frame, nil for none
	closed   map[uint32]uint32 // the last epoch of each stream that another process wrote
	log      zerolog.Logger
	trouble  repeats.Filter
	identity *pairing.Identity // nil: no token, no TLS
	tokenNow []byte            // when checkToken looked last; its goroutine alone uses it
	renewed  func()            // called when the token is another one than before; nil: not
	forwards []*forward        // receivers that are dialled

	fs      journal.FS    // of the journal; nil: the operating system's
	doubts  *doubts       // frames that arrived damaged
	budget  *budget       // memory of all sessions
	opening chan struct{} // one token for each connection of other computers being opened
	nearby  chan struct{} // and of this one, whose programs nobody in the network locks out
	turning chan struct{} // one token for each that is told that they are too many
	wg      sync.WaitGroup

	mu       sync.Mutex
	sessions map[*session]struct{}
	feeding  map[protocol.ID]*session // the session of each archive
	greeting map[*link]protocol.ID    // connections being opened, and the receiver that was found where one was dialled
	draining bool
}

func newServer(name, software string, j *journal.Journal, base *timeBase, a *archives, clock func() []byte, log zerolog.Logger) *server {
	return &server{
		name: name, software: software, journal: j, base: base, archives: a, clock: clock, log: log,
		opening: make(chan struct{}, maxOpening), nearby: make(chan struct{}, maxOpening), turning: make(chan struct{}, maxOpening), sessions: map[*session]struct{}{}, feeding: map[protocol.ID]*session{},
		greeting: map[*link]protocol.ID{}, closed: map[uint32]uint32{},
		doubts: newDoubts(), budget: &budget{limit: memoryBytes},
	}
}

// listen opens all addresses, or none.
func listen(ctx context.Context, addrs []string) ([]net.Listener, error) {
	var list []net.Listener
	for _, addr := range addrs {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			for _, l := range list {
				l.Close()
			}
			if errors.Is(err, syscall.EADDRINUSE) {
				err = fmt.Errorf("%w; is another photongate running? Otherwise choose another port with listen", err)
			}
			if errors.Is(err, syscall.EADDRNOTAVAIL) {
				err = fmt.Errorf("%w: no address of this computer; \"0.0.0.0:%s\" is all it has", err, DefaultPort)
			}
			return nil, fmt.Errorf("listen on %s: %w", addr, err)
		}
		list = append(list, l)
	}
	return list, nil
}

// serve accepts connections until the listener is closed. Sessions end with
// ctx.
func (v *server) serve(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err == nil {
			v.accept(ctx, conn)
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		if n, now := v.trouble.Tell("accept"); now {
			v.log.Error().Err(err).Int("times", n).Msg("a connection could not be accepted")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(acceptAgain):
		}
	}
}

// accept starts the goroutine of a connection, or turns it away.
func (v *server) accept(ctx context.Context, conn net.Conn) {
	opening := v.opening
	if fromHere(conn.RemoteAddr()) {
		opening = v.nearby
	}
	select {
	case opening <- struct{}{}:
		v.wg.Go(func() {
			_ = v.open(ctx, newLink(conn), func(error) { <-opening }) // it is logged where it happens
		})
		return
	default:
	}
	busy := protocol.Refusal{Code: protocol.RefuseBusy, Text: "too many connections are being opened: try again in a few seconds"}
	v.refusal(conn.RemoteAddr(), busy)
	select {
	case v.turning <- struct{}{}:
		v.wg.Go(func() {
			newLink(conn).farewell(lastWords(busy, 0), false)
			<-v.turning
		})
	default:
		conn.Close()
	}
}

// open does the opening of a connection, calls greeted with what came of it, and
// runs its session. It returns why that ended, or why there was none; of a
// connection that the gateway dialled the latter is not logged.
func (v *server) open(ctx context.Context, l *link, greeted func(error)) error {
	v.mu.Lock()
	v.greeting[l] = protocol.ID{}
	v.mu.Unlock()
	frames, peer, rights, err := v.greet(ctx, l)
	greeted(err)
	if err != nil {
		if !l.dialled && !errors.Is(err, net.ErrClosed) { // by askToEnd
			v.refusal(l.conn.RemoteAddr(), err)
		}
		v.forget(l)
		first := l.first
		if l.dialled {
			first = 0 // what was dialled is no browser
		}
		l.farewell(lastWords(err, first), l.seal != nil)
		return err
	}
	s := v.newSession(ctx, l, frames, peer, rights)
	l.opened(s.ctx)
	if err := v.add(s); err != nil {
		s.end(err)
		v.refusal(l.conn.RemoteAddr(), err)
		l.farewell(lastWords(err, 0), false)
		return err
	}
	defer v.remove(s)
	s.run()
	return context.Cause(s.ctx)
}

func (v *server) forget(l *link) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.greeting, l)
}

// refusal logs that somebody was turned away: once for each address and code,
// then counted.
func (v *server) refusal(addr net.Addr, err error) {
	host, _, splitErr := net.SplitHostPort(addr.String())
	if splitErr != nil {
		host = addr.String()
	}
	code := ""
	if r, ok := errors.AsType[protocol.Refusal](err); ok {
		code = r.Code
	}
	if n, now := v.trouble.Tell(host + " " + code); now {
		v.log.Warn().Str("address", host).Int("times", n).AnErr("err", err).Msg("connection turned away")
	}
}

// add has a session take the place of its greeting.
func (v *server) add(s *session) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.greeting, s.link)
	if v.draining {
		return protocol.Refusal{Code: protocol.RefuseBusy, Text: errDrained.Error()}
	}
	if len(v.sessions) >= maxSessions {
		return protocol.Refusal{Code: protocol.RefuseBusy, Text: fmt.Sprintf("there are %d sessions, which is the limit", maxSessions)}
	}
	if err := v.budget.take(sessionBytes, "another session"); err != nil {
		return err
	}
	s.held.Add(sessionBytes)
	v.sessions[s] = struct{}{}
	return nil
}

func (v *server) remove(s *session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.sessions, s)
	v.budget.give(s.held.Swap(0))
	if v.feeding[s.peer.ID] == s {
		delete(v.feeding, s.peer.ID)
		v.archives.left(s.peer.ID, s.complete())
	}
}

// claim makes s the one session that feeds its archive. An older one is told
// so and ends.
func (v *server) claim(s *session, takeOver bool) error {
	if err := v.archives.seen(s.peer.Name, s.peer.ID, takeOver, s.asker); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if old := v.feeding[s.peer.ID]; old != nil && old != s {
		if old.link.begin.After(s.link.begin) { // what s says has waited: its end may have gone long ago
			return protocol.Refusal{Code: protocol.RefuseDisplaced, Text: fmt.Sprintf("the same archive is fed from %s, which connected later", old.link.conn.RemoteAddr())}
		}
		old.end(protocol.Refusal{Code: protocol.RefuseDisplaced,
			Text: fmt.Sprintf("the same archive is now fed from %s", s.link.conn.RemoteAddr())})
	}
	v.feeding[s.peer.ID] = s
	return nil
}

// takenOver ends the session of an archive whose name another one has now.
func (v *server) takenOver(id protocol.ID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.feeding[id]; s != nil {
		s.end(protocol.Refusal{Code: protocol.RefuseName, Text: fmt.Sprintf("another archive has taken over the name %q", s.peer.Name)})
	}
}

// here are the archives that are connected.
func (v *server) here() map[protocol.ID]bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	here := make(map[protocol.ID]bool, len(v.feeding))
	for id := range v.feeding {
		here[id] = true
	}
	return here
}

// drain lets all sessions send the rest and say goodbye, and waits for them.
// When ctx ends they say goodbye at once; those that cannot are cut off with endAll.
func (v *server) drain(ctx context.Context, endAll context.CancelFunc) {
	v.askToEnd(false)
	done := make(chan struct{})
	go func() { v.wg.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	v.askToEnd(true)
	limit := time.NewTimer(refuseLimit)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
	endAll()
	<-done
}

// askToEnd has the sessions end, at once or when the archives have all, and
// the openings at once.
func (v *server) askToEnd(atOnce bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.draining = true
	for s := range v.sessions {
		s.drain(atOnce)
	}
	for l := range v.greeting {
		l.conn.Close()
	}
}

// keepArchives saves the list of archives now and then, until ctx ends.
func (v *server) keepArchives(ctx context.Context) {
	tick := time.NewTicker(archivesSave)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.archives.soon:
			v.saveArchives()
		case <-tick.C:
			v.saveArchives()
			v.checkToken()
		}
	}
}

func (v *server) saveArchives() {
	if err := v.archives.save(); err != nil {
		if n, now := v.trouble.Tell("save archives"); now {
			v.log.Error().Err(err).Int("times", n).Msg("acknowledgements are not saved")
		}
	}
}

// status lists sessions and archives.
func (v *server) status() ([]protocol.SessionInfo, []protocol.ArchiveInfo) {
	v.mu.Lock()
	list := make([]protocol.SessionInfo, 0, len(v.sessions))
	for s := range v.sessions {
		list = append(list, s.status())
	}
	feeding := maps.Clone(v.feeding)
	v.mu.Unlock()
	slices.SortFunc(list, func(a, b protocol.SessionInfo) int { return a.Since.Compare(b.Since) })
	known := v.archives.status()
	for i := range known {
		if s := feeding[known[i].ID]; s != nil {
			known[i].Connected, known[i].Trouble = true, s.troubleOf()
		}
		known[i].BadFrames = protocol.Uint64(v.doubts.counted(known[i].ID))
	}
	return list, known
}
