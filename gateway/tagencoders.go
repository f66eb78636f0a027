package gateway

import (
	"runtime"
	"sync"

	"photongate/device"
	"photongate/protocol"
)

// Bounds of encoding side by side.
const (
	mostEncoders  = 4 // goroutines
	slotsEach     = 2 // frames under way for each: of at most 1 MiB, as a rule of 200 KiB
	mostTagFrames = mostEncoders * slotsEach
)

// tagSlot is a frame of tags that is being made.
type tagSlot struct {
	header protocol.Header
	tags   protocol.Tags
	batch  *device.Batch // whose memory the tags are; nil: another's
	frame  []byte
	err    error
	done   chan struct{} // 1 element: it is encoded
}

func (s *tagSlot) encode(encoder *protocol.TagsEncoder, channels int) {
	s.frame, s.err = encoder.Append(s.frame[:0], s.header, channels, &s.tags)
}

// tagEncoders encode frames of tags on several cores. They take part only while the
// queue holds more than the batcher has in hand: at low rates it encodes itself. The
// frames go to the log in the order in which they were given out. The batcher owns
// the goroutines.
type tagEncoders struct {
	slots []*tagSlot // a ring
	first int        // the oldest frame under way
	n     int        // frames under way
	work  chan *tagSlot
	wg    sync.WaitGroup
}

// start starts the goroutines, if there is more than one core for them.
func (e *tagEncoders) start(channels int) {
	n := min(runtime.GOMAXPROCS(0), mostEncoders)
	if n < 2 || e.work != nil {
		return
	}
	e.work = make(chan *tagSlot, mostTagFrames)
	for range n * slotsEach {
		e.slots = append(e.slots, &tagSlot{done: make(chan struct{}, 1)})
	}
	for range n {
		e.wg.Go(func() {
			var encoder protocol.TagsEncoder
			for s := range e.work {
				s.encode(&encoder, channels)
				s.done <- struct{}{}
			}
		})
	}
}

// stop ends the goroutines, when nothing is under way any more.
func (e *tagEncoders) stop() {
	if e.work == nil {
		return
	}
	close(e.work)
	e.wg.Wait()
	e.work, e.slots = nil, nil
}

// putWhole makes one frame of a long batch without notes, and reports whether it
// has taken the batch. While more wait in the queue it is encoded on the side.
func (b *batcher) putWhole(in *device.Batch) bool {
	t, g := b.tags, &in.Tags
	if len(g.Losses) > 0 || g.At == 0 {
		return false
	}
	e := &t.side
	if e.n == 0 && b.queue.waiting() == 0 {
		return false
	}
	if e.start(t.channels); e.work == nil {
		return false
	}
	if e.n == len(e.slots) {
		b.appendOldest()
	}
	if len(t.alarms) > 0 {
		b.drain()
	}
	b.comeTo(in, in.Len())
	s := e.slots[(e.first+e.n)%len(e.slots)]
	s.tags = protocol.Tags{Ticks: g.Tick, Channels: g.Channel, Until: t.until}
	s.header = b.tagsHeader(&s.tags, e.n)
	s.batch = in
	e.n++
	e.work <- s
	if b.clocks.due(b.now()) {
		b.putPairs()
	}
	return true
}

// appendOldest waits for the oldest frame under way and appends it.
func (b *batcher) appendOldest() {
	e := &b.tags.side
	s := e.slots[e.first]
	<-s.done
	e.first = (e.first + 1) % len(e.slots)
	e.n--
	batch := s.batch
	s.batch = nil
	b.putTags(s)
	b.queue.recycle(batch)
}

// drain appends all frames under way, and what waits for them.
func (b *batcher) drain() {
	if b.tags == nil {
		return
	}
	for b.tags.side.n > 0 {
		b.appendOldest()
	}
	b.tellAlarms()
}
