package receiver

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// guest is the meeting with a gateway that dials in. The door puts its sessions
// here, and its recorder takes them.
type guest struct {
	name    string // for messages
	changed func() // is called when the recorder has no session any more; nil: not

	mu   sync.Mutex
	next *session      // waits to be taken
	last *session      // was taken last
	come chan struct{} // holds one token when next may be there
	idle bool          // the recorder waits for a session
	shut bool          // the recorder has a session otherwise
	over bool          // nothing is taken any more
}

func newGuest(name string, changed func()) *guest {
	return &guest{name: name, changed: changed, come: make(chan struct{}, 1)}
}

func (g *guest) dials() bool { return false }

// pause is not needed: whoever waits here disturbs nobody.
func (g *guest) pause(context.Context, time.Duration) bool { return true }

// put leaves a session to be taken. A gateway that dials again has given up the
// session before, whether this end knows it or not: that ends. It reports false
// when none is taken any more, or none at present.
func (g *guest) put(s *session) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over || g.shut {
		return false
	}
	g.putLocked(s)
	return true
}

// lend leaves a session to be taken when the recorder waits for one.
func (g *guest) lend(s *session) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over || !g.idle || g.next != nil {
		return false
	}
	g.putLocked(s)
	return true
}

func (g *guest) putLocked(s *session) {
	for _, before := range []*session{g.next, g.last} {
		if before != nil {
			before.conn.Close()
		}
	}
	g.next = s
	select {
	case g.come <- struct{}{}:
	default:
	}
}

// waits reports whether the recorder waits for a session, and none is there.
func (g *guest) waits() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.idle && g.next == nil && !g.over
}

// taken reports whether the recorder has a session otherwise.
func (g *guest) taken() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

// setIdle notes that the recorder waits for a session.
func (g *guest) setIdle() {
	g.mu.Lock()
	g.idle, g.shut = true, false
	g.mu.Unlock()
	if g.changed != nil {
		g.changed()
	}
}

// end turns all further sessions away.
func (g *guest) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	if g.next != nil {
		g.next.conn.Close()
		g.next = nil
	}
}

func (g *guest) ended() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.over
}

// session waits for the gateway to dial in.
func (g *guest) session(ctx context.Context, _ identity, until time.Time) (*session, error) {
	var overdue <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		overdue = timer.C
	}
	g.setIdle()
	for {
		select {
		case <-g.come:
			if s := g.take(); s != nil {
				return s, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-overdue:
			return nil, &unreachable{text: fmt.Sprintf("%s did not dial in again", g.name), cause: ErrUnreachable, silent: true}
		}
	}
}

func (g *guest) take() *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.next
	if s != nil {
		g.last, g.next, g.idle = s, nil, false
	}
	return s
}

// shutOut notes that the recorder has a session otherwise.
func (g *guest) shutOut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle, g.shut = false, true
	if g.next != nil {
		g.next.conn.Close()
		g.next = nil
	}
}
