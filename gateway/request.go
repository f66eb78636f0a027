package gateway

import (
	"errors"
	"fmt"
	"slices"

	"photongate/protocol"
)

// maxWaiting bounds the requests of a session whose replies were not sent yet.
const maxWaiting = 16

// ask takes a request of the receiver; it is answered in its turn, by answerAll.
func (s *session) ask(r *protocol.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting >= maxWaiting {
		return protocol.Refusal{Code: protocol.RefuseLimit, Text: fmt.Sprintf("more than %d requests wait for their replies", maxWaiting)}
	}
	s.waiting++
	s.requests <- r // it has room for all that may wait
	return nil
}

// answerAll answers requests one after the other until the session ends: a slow
// one holds up those behind it, and nothing else.
func (s *session) answerAll() {
	defer s.server.control.measuring.left(s.asker)
	for {
		select {
		case <-s.ctx.Done():
			return
		case r := <-s.requests:
			reply := s.server.control.answer(s.ctx, s.asker, r)
			s.leaveOut(reply.Status)
			s.reply(reply)
		}
	}
}

// leaveOut takes this session out of a status, if it does nothing but ask.
func (s *session) leaveOut(status *protocol.Status) {
	if status != nil && s.asksOnly() {
		own := s.status()
		status.Sessions = slices.DeleteFunc(status.Sessions, func(one protocol.SessionInfo) bool { return one.Address == own.Address && one.Since.Equal(own.Since) })
	}
}

// reply has a reply sent.
func (s *session) reply(r *protocol.Reply) {
	frame, err := sessionJSON(nil, protocol.TypeReply, r)
	if errors.Is(err, protocol.ErrLimit) && shorten(r) {
		frame, err = sessionJSON(nil, protocol.TypeReply, r)
	}
	if err != nil {
		frame, err = sessionJSON(nil, protocol.TypeReply, &protocol.Reply{ID: r.ID, TNs: r.TNs, Code: protocol.ReplyLimit, Text: "the answer is too long for one message: ask for less"})
	}
	if err != nil {
		s.end(err)
		return
	}
	if s.awaitRoom(func() error { return nil }) != nil {
		return // the session ends
	}
	s.mu.Lock()
	s.pending += len(frame)
	s.replies = append(s.replies, frame)
	s.mu.Unlock()
	s.poke()
}

// shorten leaves the rates of single channels out of a status that is too long.
func shorten(r *protocol.Reply) bool {
	if r.Status == nil {
		return false
	}
	for i := range r.Status.Devices {
		r.Status.Devices[i].Rates = nil
	}
	r.Text = "there are too many channels to tell the rates of all"
	return true
}

// takeReplies is for the sender, with the session's lock held.
func (s *session) takeReplies(bufs [][]byte) [][]byte {
	bufs = append(bufs, s.replies...)
	s.waiting -= len(s.replies)
	clear(s.replies)
	s.replies = s.replies[:0]
	return bufs
}
