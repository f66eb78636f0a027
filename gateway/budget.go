package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"photongate/protocol"
)

// What sessions may hold in memory, the system's part included. A session is
// charged with the most it can come to:
//
//	128 KiB  what the receiver said and was not looked at yet (protocol.FrameReader)
//	256 KiB  answers and replies that wait for the sender: pendingBytes, and one
//	         more of 64 KiB from each of the two goroutines that make them
//	 64 KiB  TLS: a record each way, and what is put together for one
//	256 KiB  the system's buffer for sending, 128 KiB as it counts: it doubles them
//	128 KiB  the system's buffer for receiving, likewise
//
// and with each stream of a subscription: 256 KiB read from its file at once, or
// a piece of the journal's memory that is kept for it, and its descriptor of at
// most 64 KiB. A stream whose frames are longer than 256 KiB holds one of them
// more, 1 MiB at most.
const (
	pendingBytes = 128 << 10
	sessionBytes = 1 << 20
	feedBytes    = 320 << 10
	memoryBytes  = 256 << 20 // all sessions
)

// budget is the memory of all sessions. It may be used concurrently.
type budget struct {
	mu    sync.Mutex
	used  int64
	limit int64
}

// take takes bytes for something, unless there are too few: the error is for the
// one who asked.
func (b *budget) take(bytes int64, what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+bytes > b.limit {
		return protocol.Refusal{Code: protocol.RefuseBusy, Text: fmt.Sprintf(
			"there is no room for %s: this gateway keeps %d MiB for all that its receivers have not fetched yet, and those connected may need %d MiB of it; close one that is not needed (`photongate status` lists them), or ask for fewer streams",
			what, b.limit>>20, b.used>>20)}
	}
	b.used += bytes
	return nil
}

// force takes bytes that are needed whether they are there or not: for streams
// that appear while they are subscribed to.
func (b *budget) force(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += bytes
}

// give gives bytes back.
func (b *budget) give(bytes int64) { b.force(-bytes) }

// charge takes room for so many streams.
func (s *session) charge(feeds int, what string) error {
	bytes := int64(feeds) * feedBytes
	if err := s.server.budget.take(bytes, what); err != nil {
		return err
	}
	s.held.Add(bytes)
	return nil
}

// awaitRoom waits until answers and replies that the sender has not taken yet
// are less than pendingBytes. look is called now and then; its error, and the
// end of the session, end the waiting.
func (s *session) awaitRoom(look func() error) error {
	for {
		s.mu.Lock()
		if s.pending < pendingBytes {
			s.mu.Unlock()
			return nil
		}
		room := s.room
		s.mu.Unlock()
		if err := s.wait(room, look); err != nil {
			return err
		}
	}
}

// wait waits for room, or for a moment.
func (s *session) wait(room <-chan struct{}, look func() error) error {
	moment := time.NewTimer(linkSlice)
	defer moment.Stop()
	select {
	case <-room:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	case <-moment.C:
		return look()
	}
}

// lookAlive is for the goroutine that reads, while it does not.
func (s *session) lookAlive() error {
	if s.link.dead() {
		return errDead
	}
	return nil
}

// taken is for the sender, with the session's lock held, when it took all
// answers and replies.
func (s *session) taken() {
	if s.pending > 0 {
		s.pending = 0
		close(s.room)
		s.room = make(chan struct{})
	}
}
