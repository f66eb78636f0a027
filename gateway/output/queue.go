package output

import (
	"errors"
	"slices"
	"sync"
)

// Bounds of what waits for one client. Beyond them the oldest blocks are
// dropped, whole.
const (
	queueBlocks = 512
	queueBytes  = 256 << 10
	// ackedBlocks is the bound where each block waits for the client's word
	// that it has the one before: what waits longer is no live reading any more.
	ackedBlocks = 10
	answerBytes = 256 << 10 // of answers to a client that asks and does not read
)

// errUnread ends the connection of a client that asks and asks, and does not
// read the answers.
var errUnread = errors.New("it does not read the answers to its requests")

// queue holds what one client will be sent: answers, which are sent in any
// case, and blocks of readings, which come and are dropped as the client reads.
// Any goroutine may put something in; none ever waits to do so.
type queue struct {
	limit int  // blocks
	acked bool // each block is held until release

	wake chan struct{} // holds one token when there may be something to send

	mu       sync.Mutex
	answers  [][]byte
	answered int // bytes of answers
	blocks   []block
	bytes    int // of blocks
	held     bool
	dropped  uint64
	sent     uint64
	ended    bool // nothing is put in any more
}

// block is what is sent whole, or not at all.
type block struct {
	data []byte
	keep bool // it is not dropped: what follows means nothing without it
}

func newQueue() *queue { return &queue{limit: queueBlocks, wake: make(chan struct{}, 1)} }

// ackEach has each block wait for a release, the first one too.
func (q *queue) ackEach() { q.acked, q.held, q.limit = true, true, ackedBlocks }

// hold has the first block wait for a release.
func (q *queue) hold() { q.held = true }

// put adds a block of readings and returns how many had to be dropped for it.
// The queue keeps data, and nobody may change it any more.
func (q *queue) put(data []byte, keep bool) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return 0
	}
	q.blocks = append(q.blocks, block{data, keep})
	q.bytes += len(data)
	for len(q.blocks) > q.limit || q.bytes > queueBytes && len(q.blocks) > 1 {
		// When all are to be kept, the oldest means nothing before the next one.
		i := max(slices.IndexFunc(q.blocks, func(b block) bool { return !b.keep }), 0)
		q.bytes -= len(q.blocks[i].data)
		q.blocks = slices.Delete(q.blocks, i, i+1)
		dropped++
	}
	q.dropped += uint64(dropped)
	q.poke()
	return dropped
}

// answer adds what is sent before all blocks that wait.
func (q *queue) answer(data []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended || len(data) == 0 {
		return nil
	}
	if q.answered+len(data) > answerBytes {
		return errUnread
	}
	q.answers = append(q.answers, data)
	q.answered += len(data)
	q.poke()
	return nil
}

// release lets the next block go.
func (q *queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = false
	q.poke()
}

// clear throws away the blocks that wait: they answer a request that another
// one has replaced.
func (q *queue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.blocks)
	q.blocks, q.bytes = q.blocks[:0], 0
}

// end lets what waits be sent, and nothing be added.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take appends to dst what is to be sent next: answers, else blocks, as many as
// fit into max bytes, and at least one. It reports whether all is done: the
// queue has ended and nothing is left that may be sent.
func (q *queue) take(dst []byte, max int) (out []byte, done bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.answers) > 0 {
		for _, a := range q.answers {
			dst = append(dst, a...)
		}
		clear(q.answers)
		q.answers, q.answered = q.answers[:0], 0
		return dst, false
	}
	n := 0
	for n < len(q.blocks) && !q.held {
		data := q.blocks[n].data
		if n > 0 && len(dst)+len(data) > max {
			break
		}
		dst = append(dst, data...)
		q.bytes -= len(data)
		n++
		q.held = q.acked
	}
	q.sent += uint64(n)
	q.blocks = slices.Delete(q.blocks, 0, n)
	return dst, q.ended && n == 0
}

// counts are how many blocks were sent, and how many dropped.
func (q *queue) counts() (sent, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sent, q.dropped
}
