package receiver

import (
	"context"
	"fmt"
	"sync"

	"photongate/protocol"
)

const (
	// creditBytes is what a gateway may send ahead of the archive, and so what
	// a stalled disk makes a session hold in memory.
	creditBytes = 4 << 20
	// queueBytes bounds a frameQueue: the credit, the less than one frame by
	// which it may be overdrawn, and as much for messages that need no credit.
	queueBytes = creditBytes + 2*protocol.MaxFrame
)

// frameQueue takes whole frames from a session's reader, which never waits, to
// the one who stores them. It holds at most queueBytes.
type frameQueue struct {
	mu    sync.Mutex
	buf   []byte // frames back to back
	ended error  // no more will come, and why
	ready chan struct{}
}

func newFrameQueue() *frameQueue { return &frameQueue{ready: make(chan struct{}, 1)} }

// put copies a frame into the queue. It fails when the other end sent more
// than it was allowed to.
func (q *frameQueue) put(frame []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.buf)+len(frame) > queueBytes {
		return fmt.Errorf("%w: more bytes sent than the credit of %d allows", protocol.ErrLimit, creditBytes)
	}
	q.buf = append(q.buf, frame...)
	q.signal()
	return nil
}

// end says that nothing more comes. What is in the queue can still be taken.
func (q *frameQueue) end(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended == nil {
		q.ended = why
	}
	q.signal()
}

func (q *frameQueue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for frames and returns all that are there, back to back; spare is
// memory the queue may use from now on. When the queue is empty and ended it
// returns the reason; when ctx ends, its error.
func (q *frameQueue) take(ctx context.Context, spare []byte) ([]byte, error) {
	for {
		q.mu.Lock()
		if len(q.buf) > 0 {
			frames := q.buf
			q.buf = spare[:0]
			q.mu.Unlock()
			return frames, nil
		}
		ended := q.ended
		q.mu.Unlock()
		if ended != nil {
			return nil, ended
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// why is the reason why nothing more will come, nil when more may.
func (q *frameQueue) why() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended
}
