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
	name string // for messages

	mu   sync.Mutex
	next *session      // waits to be taken
	last *session      // was taken last
	come chan struct{} // holds one token when next may be there
	over bool          // nothing is taken any more
}

func newGuest(name string) *guest { return &guest{name: name, come: make(chan struct{}, 1)} }

func (g *guest) dials() bool { return false }

// put leaves a session to be taken. A gateway that dials again has given up the
// session before, whether this end knows it or not: that ends. It reports false
// when none is taken any more.
func (g *guest) put(s *session) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return false
	}
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
	return true
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
		g.last, g.next = s, nil
	}
	return s
}
