package gateway

import "time"

// DefaultTagWait is how long time tags wait for others in their frame at most where few
// come, nobody looks on and Batch is left out: 1000 tags/s then take half as much.
const DefaultTagWait = time.Second

// worthTags is how many tags make a frame worth its header: that and what else a frame
// takes is a fifth of a bit for each then.
const worthTags = 4096

// tagWait says whether few tags may wait longer than readings do.
type tagWait struct {
	longest time.Duration // 0: no longer
	watched func() bool   // whether somebody looks on, who is to see them soon; nil: nobody
}

// waitsOn reports whether what waits, since a moment, can wait for one more batch
// time. The batcher asks when one is over.
func (b *batcher) waitsOn(since time.Time) bool {
	if b.tags == nil || !b.tags.isWaiting() {
		return false
	}
	w := &b.wait
	return len(b.tags.waiting.Ticks) < worthTags && time.Since(since)+b.batch <= w.longest && !(w.watched != nil && w.watched())
}

// watched reports whether a view shows a stream now, or a program that an output
// serves may.
func (g *Gateway) watched(stream uint32) bool {
	return len(g.config.Outputs) > 0 || g.server.watched(stream)
}

// watched reports whether a view of a session shows a stream.
func (v *server) watched(stream uint32) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for s := range v.sessions {
		if s.views(stream) {
			return true
		}
	}
	return false
}

// views reports whether a view of the session shows a stream.
func (s *session) views(stream uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		if sub.archive {
			continue
		}
		for _, f := range sub.feeds {
			if f.stream.ID() == stream {
				return true
			}
		}
	}
	return false
}
