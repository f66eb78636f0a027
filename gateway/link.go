package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Times of a connection.
const (
	openingLimit = 5 * time.Second // hello and proof, both ways
	deadAfter    = 5 * time.Second // no byte moved either way: the other end is dead
	linkSlice    = time.Second     // longest wait in one system call, to look whether it is
	refuseLimit  = time.Second     // for telling the other end why
	slowWrite    = 100 * time.Millisecond
)

// errDead says that the other end is dead.
var errDead = fmt.Errorf("no byte came or went for %v: the other end is taken for dead", deadAfter)

// link is a connection that knows when bytes moved last. One goroutine reads
// and another one writes.
type link struct {
	conn  net.Conn
	begin time.Time
	moved atomic.Int64 // ns since begin
	limit time.Time    // of the opening; zero when it is over. Only changed while one goroutine uses the link
	first byte         // that came; 0: none yet. It is the reader's
	torn  bool         // a write ended within a frame: nothing can be said any more. It is the writer's
}

func newLink(conn net.Conn) *link {
	now := time.Now()
	return &link{conn: conn, begin: now, limit: now.Add(openingLimit)}
}

// opened ends the time limit of the opening.
func (l *link) opened() {
	l.limit = time.Time{}
	l.touch()
}

func (l *link) touch() { l.moved.Store(int64(time.Since(l.begin))) }

// idle is how long no byte has moved.
func (l *link) idle() time.Duration { return time.Since(l.begin) - time.Duration(l.moved.Load()) }

// Read reads at least one byte, for as long as bytes move either way.
func (l *link) Read(p []byte) (int, error) {
	for {
		deadline := time.Now().Add(linkSlice)
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
		if l.idle() > deadAfter {
			return 0, errDead
		}
	}
}

// write writes all of bufs, for as long as the other end takes bytes or sends
// some, and until ctx ends. The system accepts bytes for a dead peer, too, while its
// buffer has room: only those that had to wait for room prove that bytes move.
func (l *link) write(ctx context.Context, bufs net.Buffers) error {
	began := time.Now()
	for {
		if err := l.conn.SetWriteDeadline(time.Now().Add(linkSlice)); err != nil {
			return err
		}
		n, err := bufs.WriteTo(l.conn)
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if n > 0 && (late || time.Since(began) > slowWrite) {
			l.touch()
		}
		if !late {
			l.torn = err != nil
			return err
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		} else if l.idle() > deadAfter {
			err = errDead
		} else {
			continue
		}
		l.torn = true
		return err
	}
}

// Write is for the opening, and has its time limit.
func (l *link) Write(p []byte) (int, error) {
	if err := l.conn.SetWriteDeadline(l.limit); err != nil {
		return 0, err
	}
	return l.conn.Write(p)
}

// farewell writes last words, if any, and closes. It gives the other end a
// little time to read what was sent: closing with unread input would throw that away.
func (l *link) farewell(words []byte, linger bool) {
	defer l.conn.Close()
	if l.torn || len(words) == 0 && !linger {
		return
	}
	limit := time.AfterFunc(refuseLimit, func() { l.conn.Close() })
	defer limit.Stop()
	if l.conn.SetWriteDeadline(time.Now().Add(refuseLimit)) != nil {
		return
	}
	if len(words) > 0 {
		if _, err := l.conn.Write(words); err != nil {
			return
		}
	}
	half, ok := l.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || l.conn.SetReadDeadline(time.Now().Add(refuseLimit)) != nil {
		return
	}
	var rest [4 << 10]byte
	for range 64 {
		if _, err := l.conn.Read(rest[:]); err != nil {
			return
		}
	}
}
