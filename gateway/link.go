package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"photongate/protocol/pulse"
)

// Times of a connection.
const (
	openingLimit = 5 * time.Second // TLS, hello and proof, both ways
	deadAfter    = 5 * time.Second // no byte moved either way: the other end is dead
	linkSlice    = time.Second / 4 // longest wait in one system call, to look whether it is
	refuseLimit  = time.Second     // for telling the other end why
)

// errDead says that the other end is dead.
var errDead = fmt.Errorf("no byte came or went for %v: the other end is taken for dead", deadAfter)

// link is a connection, plain or under TLS, that knows when bytes moved last.
// One goroutine reads and another one writes.
type link struct {
	conn  net.Conn
	begin time.Time
	moved atomic.Int64    // ns since begin
	pulse *pulse.Pulse    // of bytes that move unseen; the reader's
	limit time.Time       // of the opening; zero when it is over. Only changed while one goroutine uses the link
	ctx   context.Context // of the session; set when the opening is over
	first byte            // that came; 0: none yet. It is the reader's
	ahead bool            // first was looked at, and is still to be read
	torn  bool            // a write ended within a frame: nothing can be said any more. It is the writer's

	dialled bool // by the gateway: the other end is a receiver that listens

	seal  *seal  // nil: plain
	token []byte // that the other end proved to know; nil: none
}

func newLink(conn net.Conn) *link {
	now := time.Now()
	return &link{conn: conn, pulse: pulse.Of(conn), begin: now, limit: now.Add(openingLimit), ctx: context.Background()}
}

// opened ends the time limit of the opening. What is sent from now on is given
// up when ctx ends.
func (l *link) opened(ctx context.Context) {
	l.limit, l.ctx = time.Time{}, ctx
	l.touch()
}

func (l *link) touch() { l.moved.Store(int64(time.Since(l.begin))) }

// idle is how long no byte has moved.
func (l *link) idle() time.Duration { return time.Since(l.begin) - time.Duration(l.moved.Load()) }

// peek waits for the first byte and leaves it to be read.
func (l *link) peek() (byte, error) {
	var one [1]byte
	if _, err := l.readBytes(one[:]); err != nil {
		return 0, err
	}
	l.first, l.ahead = one[0], true
	return l.first, nil
}

// Read reads at least one byte, for as long as bytes move either way.
func (l *link) Read(p []byte) (int, error) {
	if l.seal != nil {
		return l.seal.tls.Read(p)
	}
	return l.readBytes(p)
}

// untilDead is how long to wait before looking again whether the other end is
// dead.
func (l *link) untilDead() time.Duration { return max(0, min(linkSlice, deadAfter-l.idle())) }

// dead reports whether no byte has moved for too long, after a look at those
// that move unseen.
func (l *link) dead() bool {
	if l.pulse.Moved() {
		l.touch()
	}
	return l.idle() >= deadAfter
}

// readBytes reads what crosses the wire.
func (l *link) readBytes(p []byte) (int, error) {
	if l.ahead && len(p) > 0 {
		p[0], l.ahead = l.first, false
		return 1, nil
	}
	for {
		deadline := time.Now().Add(l.untilDead())
		if !l.limit.IsZero() {
			deadline = l.limit
		}
		if err := l.conn.SetReadDeadline(deadline); err != nil {
			return 0, err
		}
		n, err := l.conn.Read(p)
		if n > 0 {
			if l.first == 0 {
				l.first = p[0]
			}
			l.touch()
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !l.limit.IsZero() {
			return n, err
		}
		if l.dead() {
			return 0, errDead
		}
	}
}

// write writes all of bufs, for as long as the other end takes bytes or sends
// some, and until the session ends.
func (l *link) write(bufs net.Buffers) error {
	var err error
	if l.seal != nil {
		err = l.seal.write(bufs)
	} else {
		err = l.writeBytes(bufs)
	}
	l.torn = l.torn || err != nil
	return err
}

// writeBytes writes what crosses the wire. The system accepts bytes for a dead
// peer, too, while its buffer has room: only those that had to wait for room
// prove that bytes move, and those that the first system call took did not
// wait for long. Where there is a pulse it tells as much, and more.
func (l *link) writeBytes(bufs net.Buffers) error {
	for first := true; ; first = false {
		if err := l.conn.SetWriteDeadline(time.Now().Add(linkSlice)); err != nil {
			return err
		}
		n, err := bufs.WriteTo(l.conn)
		if n > 0 && !first && l.pulse == nil {
			l.touch()
		}
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case l.ctx.Err() != nil:
			return context.Cause(l.ctx)
		case l.idle() > deadAfter+linkSlice: // the reader, which looks at the pulse, has the first word
			return errDead
		}
	}
}

// Write is for the opening, and has its time limit.
func (l *link) Write(p []byte) (int, error) {
	if err := l.conn.SetWriteDeadline(l.limit); err != nil {
		return 0, err
	}
	if err := l.say(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// say writes with the deadline that is set.
func (l *link) say(p []byte) (err error) {
	if l.seal != nil {
		_, err = l.seal.tls.Write(p)
	} else {
		_, err = l.conn.Write(p)
	}
	return err
}

// farewell writes last words, if any, and closes. It gives the other end a
// little time to read what was sent: closing with unread input would throw that away.
func (l *link) farewell(words []byte, linger bool) {
	defer l.conn.Close()
	if tcp, ok := l.conn.(*net.TCPConn); ok && l.torn {
		// What waits for a peer that is dead, or within a frame, is of no use: it
		// would stay in the system's memory for minutes.
		_ = tcp.SetLinger(0)
	}
	if l.torn || len(words) == 0 && !linger {
		return
	}
	limit := time.AfterFunc(refuseLimit, func() { l.conn.Close() })
	defer limit.Stop()
	if l.conn.SetWriteDeadline(time.Now().Add(refuseLimit)) != nil {
		return
	}
	if len(words) > 0 && l.say(words) != nil {
		return
	}
	if l.closeWrite() != nil || l.conn.SetReadDeadline(time.Now().Add(refuseLimit)) != nil {
		return
	}
	var rest [4 << 10]byte
	for range 64 {
		if _, err := l.conn.Read(rest[:]); err != nil {
			return
		}
	}
}

// closeWrite tells the other end that nothing more will come.
func (l *link) closeWrite() error {
	if l.seal != nil {
		// Its error says that the handshake failed, which the other end was told.
		_ = l.seal.tls.CloseWrite()
	}
	half, ok := l.conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}
