package receiver

import (
	"context"
	"time"
)

// either is the meeting with a gateway that is dialled, and may dial in while that
// does not work.
type either struct {
	*dialled
	in *guest
}

// session dials, and takes who dials in meanwhile.
func (e *either) session(ctx context.Context, own identity, until time.Time) (*session, error) {
	e.in.setIdle()
	dialling, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		s   *session
		err error
	}
	done := make(chan result, 1)
	go func() {
		s, err := e.dialled.session(dialling, own, until)
		done <- result{s, err}
	}()
	for {
		select {
		case r := <-done:
			if r.err == nil {
				e.in.shutOut()
			}
			return r.s, r.err
		case <-e.in.come:
			s := e.in.take()
			if s == nil {
				continue
			}
			stop()
			if r := <-done; r.err == nil {
				r.s.conn.Close()
			}
			return s, nil
		}
	}
}

// pause waits before the gateway is dialled again, and no longer when it dials in.
func (e *either) pause(ctx context.Context, d time.Duration) bool {
	e.in.setIdle()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-e.in.come:
		select {
		case e.in.come <- struct{}{}: // for session
		default:
		}
	case <-timer.C:
	}
	return true
}
