package gateway

import (
	"runtime"
	"sync"

	"photongate/device"
)

// Bounds of the queue between a device's read loop and its batcher: so many
// batches, and so many 64-bit words in all their columns together (32 MiB; of tags
// the memory of their columns counts, filled or not: 3.7 million tags at most).
// The batcher waits for nothing but the first sync of a new epoch, so the
// queue holds what arrives while a slow disk does that.
const (
	queueBatches = 4096
	queueWords   = 4 << 20
	queueSpare   = 8  // empty batches kept for reuse
	smallSpare   = 64 // and so many, if they have room for few readings only
	smallRows    = 64
)

// queue passes batches from one read loop to one batcher. The read loop never
// waits: what finds no room is dropped by overrun, and counted.
type queue struct {
	channels int
	wake     chan struct{} // holds one token when something may be there
	urgent   chan struct{} // holds one token when much is there, or the queue was closed

	mu     sync.Mutex
	items  []*device.Batch
	head   int // items[:head] are taken
	words  int
	spare  []*device.Batch
	made   []*madeChange // that the batcher does not know yet
	closed bool
}

func newQueue(channels int) *queue {
	return &queue{channels: channels, wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
}

// empty returns an empty batch to fill.
func (q *queue) empty() *device.Batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.spare)
	if n == 0 {
		return device.NewBatch(q.channels)
	}
	b := q.spare[n-1]
	q.spare = q.spare[:n-1]
	return b
}

// recycle takes back a batch that nobody uses any more.
func (q *queue) recycle(b *device.Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.keep(b)
}

// keep is recycle for who holds mu.
func (q *queue) keep(b *device.Batch) {
	b.Reset()
	if len(q.spare) < queueSpare || len(q.spare) < smallSpare && cap(b.Begin)+cap(b.Tags.Tick) <= smallRows {
		q.spare = append(q.spare, b)
	}
}

// waiting is how many batches wait to be taken.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - q.head
}

// full reports whether put would refuse b now.
func (q *queue) full(b *device.Batch) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.words <= queueWords && q.joins(b) != nil {
		return false
	}
	waiting := len(q.items) - q.head
	return waiting >= queueBatches || waiting > 0 && q.words+q.wordsOf(b) > queueWords
}

// put hands b over. It is for the read loop, after full said that there is
// room, and for a last gap, which always has room.
func (q *queue) put(b *device.Batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.join(b) {
		return
	}
	if q.head > 0 && len(q.items) == cap(q.items) {
		q.items = append(q.items[:0], q.items[q.head:]...)
		q.head = 0
	}
	q.items = append(q.items, b)
	q.words += q.wordsOf(b)
	signal(q.wake)
	if q.crowded() {
		signal(q.urgent)
	}
}

// crowded reports whether much waits. The caller holds mu.
func (q *queue) crowded() bool {
	return len(q.items)-q.head >= queueBatches/4 || q.words >= queueWords/4
}

// giveWay lets the batcher run before the read loop goes on, when much waits: where
// there are fewer processors than goroutines with work, both get their turns, and
// reading more would only lead to dropping it.
func (q *queue) giveWay() {
	q.mu.Lock()
	crowded := q.crowded()
	q.mu.Unlock()
	if crowded {
		runtime.Gosched()
	}
}

// Sizes of batches of tags for which memory is taken to join them.
const (
	joinTags = 512     // one of so many at most is put into the one before it
	joinMost = 1 << 13 // as long as that has no more than so many
)

// join puts tags into the batch that was put last, if that still waits and has room:
// an instrument whose bytes come a few at a time would fill the queue with batches
// otherwise, and a driver that makes room for many tags and gives some would fill
// it with room. The caller holds mu.
func (q *queue) join(b *device.Batch) bool {
	last := q.joins(b)
	if last == nil {
		return false
	}
	q.words -= q.wordsOf(last)
	last.Append(b)
	q.words += q.wordsOf(last)
	q.keep(b)
	signal(q.wake)
	return true
}

// joins is the batch that tags can be put into, nil when there is none. The caller
// holds mu.
func (q *queue) joins(b *device.Batch) *device.Batch {
	n := len(b.Tags.Tick)
	if n == 0 || len(b.Notes) > 0 || q.head == len(q.items) {
		return nil
	}
	last := q.items[len(q.items)-1]
	have := len(last.Tags.Tick)
	room := have+n <= min(cap(last.Tags.Tick), cap(last.Tags.Channel), device.MaxTags)
	if have == 0 || !room && (n > joinTags || have+n > joinMost) {
		return nil
	}
	return last
}

// take returns the oldest batch; nil when there is none now, and then whether
// the queue is closed.
func (q *queue) take() (b *device.Batch, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
		return nil, q.closed
	}
	b = q.items[q.head]
	q.items[q.head] = nil
	q.head++
	q.words -= q.wordsOf(b)
	return b, false
}

// close ends the queue: what is in it can still be taken, what comes later is
// thrown away.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	signal(q.wake)
	signal(q.urgent)
}

// signal leaves a token in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wordsOf is the size of a batch in 64-bit words: four columns for all
// channels together, and one for each; of tags one, and a byte.
func (q *queue) wordsOf(b *device.Batch) int {
	if t := &b.Tags; cap(t.Tick) > 0 {
		return cap(t.Tick) + cap(t.Channel)/8 + 5*len(t.Losses)
	}
	return len(b.Begin) * (4 + q.channels)
}

// overrun counts what the read loop had to drop because the queue was full.
type overrun struct {
	active  bool
	begin   int64  // begin of the first reading dropped
	end     int64  // end of the last one, or of the last gap of known count
	missing uint64 // readings dropped, and lost in gaps of known count between them
	unknown string // cause of a dropped gap of unknown count, empty for none
	heard   int64  // of tags: when the bytes arrived by which the clock was known last, before what is dropped
}

// pass hands b to the queue, or drops and counts it.
func (o *overrun) pass(q *queue, b *device.Batch) {
	if q.full(b) {
		o.drop(b)
		q.recycle(b)
		return
	}
	if b.Tags.At != 0 {
		o.heard = b.Tags.At
	}
	if o.active {
		b.Notes = append(o.notes(), b.Notes...)
		*o = overrun{heard: o.heard}
	}
	q.put(b)
}

// finish hands over what was counted and not yet told.
func (o *overrun) finish(q *queue) {
	if !o.active {
		return
	}
	b := q.empty()
	b.Notes = o.notes()
	*o = overrun{}
	q.put(b)
}

func (o *overrun) drop(b *device.Batch) {
	o.dropTags(&b.Tags)
	if n := len(b.Begin); n > 0 {
		if !o.active {
			o.begin = b.Begin[0]
		}
		o.active = true
		o.end = b.Begin[n-1] + b.Length[n-1]
		o.missing += uint64(n)
	}
	for _, note := range b.Notes {
		if note.Gap == nil {
			continue
		}
		if !o.active {
			o.begin, o.end = note.Gap.Begin, note.Gap.Begin
		}
		o.active = true
		if note.Gap.Known {
			o.missing += note.Gap.Missing
			o.end = max(o.end, note.Gap.Begin+note.Gap.Duration)
		} else if o.unknown == "" {
			o.unknown = note.Gap.Cause
		}
	}
}

// dropTags counts tags: the times of what is missing are those at which the bytes
// arrived.
func (o *overrun) dropTags(t *device.Tags) {
	if len(t.Tick)+len(t.Losses) == 0 {
		return
	}
	if !o.active {
		o.begin = o.heard
		if o.begin == 0 {
			o.begin = t.At // nothing came before
		}
		o.end = o.begin
	}
	o.active = true
	o.missing += uint64(len(t.Tick))
	o.end = max(o.end, t.At)
	for _, l := range t.Losses {
		if o.missing += l.Missing; !l.Known && o.unknown == "" {
			o.unknown = device.CauseLost
		}
	}
}

// notes are the gaps to stand before the next batch: one for what was dropped,
// another one when an unknown number was missing besides.
func (o *overrun) notes() []device.Note {
	notes := []device.Note{{Gap: &device.Gap{
		Cause: device.CauseOverrun, Detail: "the queue between reading and batching was full",
		Begin: o.begin, Duration: o.end - o.begin, Missing: o.missing, Known: true,
	}}}
	if o.unknown != "" {
		notes = append(notes, device.Note{Gap: &device.Gap{Cause: o.unknown, Begin: o.end}})
	}
	return notes
}
