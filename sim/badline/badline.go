// Package badline is a line for TCP connections that breaks on command: it cuts
// them with RST or FIN before a given byte, flips single bits, swallows all that
// comes without a word, passes bytes one by one with pauses, slowly, or late.
//
// A [Line] is a proxy: programs connect to its address, and it connects to the
// real one. [Join] does the same to two connections that are there already; with
// pipes it runs under testing/synctest, where pauses take no time.
//
// What a line does to each connection stands in a [Script]; offsets count the
// bytes of one direction of one connection, from 0. What carries the bytes is
// one goroutine for each direction; it holds at most one piece of 32 KiB.
package badline

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Action is what happens to a connection.
type Action int

// Actions.
const (
	Reset  Action = iota + 1 // both ends get an RST; on what is no TCP, the end
	End                      // both ends get a FIN
	Flip                     // one bit of the byte is another one; the rest passes
	Stall                    // both directions are swallowed from here on, and nobody is told: half-open, behind a box that still answers
	Freeze                   // nothing is taken any more in either direction, and nobody is told
)

// Break is an action that happens before the byte at an offset passes; of
// [Flip], as it passes.
type Break struct {
	At  int64
	Do  Action
	Bit uint8 // of Flip: 0 to 7
}

// Way says what happens in one direction. The zero value passes all bytes as
// they come.
type Way struct {
	Breaks []Break // in order of their offsets

	After   int64         // all below begins with the byte at this offset
	Segment int           // bytes that pass at once at most; 0: as they come
	Pause   time.Duration // after each piece that passed
	Rate    int           // bytes per second; 0: no limit. The line's own buffers are small then
	due     time.Time     // when the next piece may pass, of the rate
	Jitter  time.Duration // each piece is late by a random time up to this; their order stays
}

// Script says what happens to one connection: Up is from the one who dialled.
type Script struct {
	Up, Down Way
	Seed     uint64 // of the jitter
}

// lateness is what a limited rate makes up for when the system was late.
const lateness = 50 * time.Millisecond

// pieceBytes bounds what one direction of a connection holds; slowBytes is the
// least size of socket buffers where a rate is limited, else an eighth of what
// passes in a second.
const (
	pieceBytes = 32 << 10
	slowBytes  = 4 << 10
)

// Joint is one connection that a line carries. Its methods may be called
// concurrently.
type Joint struct {
	near, far net.Conn
	up, down  atomic.Int64  // bytes that passed
	stalled   chan struct{} // closed: what comes is swallowed
	frozen    chan struct{} // closed: nothing is taken
	broken    chan struct{} // closed: the connection is over
	once      [3]sync.Once
	wg        sync.WaitGroup
}

// Join carries bytes between near, the end of the one who dialled, and far,
// until either ends or [Joint.Close] is called. It closes both.
func Join(near, far net.Conn, s Script) *Joint {
	j := &Joint{near: near, far: far, stalled: make(chan struct{}), frozen: make(chan struct{}), broken: make(chan struct{})}
	for _, way := range []Way{s.Up, s.Down} {
		if way.Rate > 0 {
			small(near, way.Rate)
			small(far, way.Rate)
		}
	}
	j.wg.Go(func() { j.carry(near, far, s.Up, &j.up, rand.New(rand.NewPCG(s.Seed, 1))) })
	j.wg.Go(func() { j.carry(far, near, s.Down, &j.down, rand.New(rand.NewPCG(s.Seed, 2))) })
	return j
}

// small makes the buffers of a socket small, so that a slow line is slow for
// those who use it.
func small(conn net.Conn, rate int) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(max(slowBytes, rate/8)) // a wish
		_ = tcp.SetWriteBuffer(max(slowBytes, rate/8))
	}
}

// Passed is how many bytes went up and down so far.
func (j *Joint) Passed() (up, down int64) { return j.up.Load(), j.down.Load() }

// Do does something to the connection now. [Flip] needs an offset, and does
// nothing here.
func (j *Joint) Do(a Action) {
	switch a {
	case Reset:
		j.end(true)
	case End:
		j.end(false)
	case Stall:
		j.once[0].Do(func() { close(j.stalled) })
	case Freeze:
		j.once[1].Do(func() { close(j.frozen) })
	}
}

// Close ends the connection and waits until nothing is carried any more.
func (j *Joint) Close() {
	j.end(false)
	j.wg.Wait()
}

// end ends both connections.
func (j *Joint) end(reset bool) {
	j.once[2].Do(func() {
		for _, conn := range []net.Conn{j.near, j.far} {
			if tcp, ok := conn.(*net.TCPConn); ok && reset {
				_ = tcp.SetLinger(0) // one that is gone needs no RST
			}
			_ = conn.Close()
		}
		close(j.broken)
	})
}

// carry passes the bytes of one direction.
func (j *Joint) carry(from, to net.Conn, way Way, passed *atomic.Int64, random *rand.Rand) {
	buf := make([]byte, way.piece())
	for {
		size := len(buf)
		if ahead := way.After - passed.Load(); ahead > 0 {
			size = min(pieceBytes, int(ahead))
		}

		if isClosed(j.frozen) {
			<-j.broken
			return
		}
		n, err := from.Read(buf[:min(size, cap(buf))])
		if isClosed(j.frozen) {
			continue // what was taken just now is lost, as all that follows
		}
		if n > 0 && !isClosed(j.stalled) && !j.pass(to, buf[:n], &way, passed, random) {
			return
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && !isClosed(j.stalled):
			if half, ok := to.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
				return // the other direction goes on
			}
			j.end(false)
			return
		case isClosed(j.stalled): // the other end is not told
			<-j.broken
			return
		default:
			j.end(true)
			return
		}
	}
}

// piece is how many bytes are taken at once.
func (w *Way) piece() int {
	n := pieceBytes
	if w.Segment > 0 {
		n = min(n, w.Segment)
	}
	if w.Rate > 0 {
		n = min(n, max(1, w.Rate/10))
	}
	return n
}

// delays are the pause after n bytes from an offset on, and the most they may be
// late.
func (w *Way) delays(n int, at int64) (pause, jitter time.Duration) {
	if at < w.After {
		return 0, 0
	}
	if w.Rate > 0 {
		now := time.Now()
		if w.due.Before(now.Add(-lateness)) {
			w.due = now
		}
		w.due = w.due.Add(time.Duration(n) * time.Second / time.Duration(w.Rate))
		pause = max(0, w.due.Sub(now))
	}
	return pause + w.Pause, w.Jitter
}

// pass passes a piece on, with all that happens to it. It reports whether the
// direction goes on.
func (j *Joint) pass(to net.Conn, piece []byte, way *Way, passed *atomic.Int64, random *rand.Rand) bool {
	for len(piece) > 0 {
		n := len(piece)
		for len(way.Breaks) > 0 {
			b := way.Breaks[0]
			ahead := b.At - passed.Load()
			if ahead >= int64(len(piece)) {
				break
			}
			if b.Do == Flip {
				piece[max(ahead, 0)] ^= 1 << (b.Bit & 7)
				way.Breaks = way.Breaks[1:]
				continue
			}
			if ahead > 0 {
				n = int(ahead)
				break
			}
			way.Breaks = way.Breaks[1:]
			j.Do(b.Do)
			if b.Do == Reset || b.Do == End {
				return false
			}
			return true // the rest is swallowed
		}
		late, jitter := way.delays(n, passed.Load())
		if jitter > 0 && !j.wait(time.Duration(random.Int64N(int64(jitter)))) {
			return false
		}
		passed.Add(int64(n)) // before the other end can have it
		if _, err := to.Write(piece[:n]); err != nil {
			j.end(true)
			return false
		}
		piece = piece[n:]
		if late > 0 && !j.wait(late) {
			return false
		}
	}
	return true
}

// wait waits; it reports false when the connection ended meanwhile.
func (j *Joint) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-j.broken:
		return false
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
