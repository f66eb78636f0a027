package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

const (
	// tagTruthBytes is one tag in the truth: its tick with 8 bytes, the low one first,
	// and its channel.
	tagTruthBytes = 9
	// truthBuffer is what of the truth of tags may wait in memory, and truthWait how
	// long it does as long as time goes on.
	truthBuffer = 1 << 20
	truthWait   = 500 * time.Millisecond
)

// tagTruth writes what an instrument of tags really saw, and beside it where a host did
// not get all of that. Nothing is written after the first error.
type tagTruth struct {
	w      io.Writer
	losses io.Writer // nil: not wanted
	buffer []byte
	loss   tagLoss // to be written, unless the next one joins it
	err    error

	flushed time.Time
}

// tagLoss is a stretch of ticks; an empty one is none.
type tagLoss struct {
	from, to uint64
	channel  int
	reason   string
}

// tags adds tags.
func (t *tagTruth) tags(tags []Tag) {
	if t.w == nil || t.err != nil || len(tags) == 0 {
		return
	}
	if t.buffer == nil {
		t.buffer = make([]byte, 0, truthBuffer)
		if t.losses != nil { // so that there is a place to look for them
			if _, err := t.losses.Write(nil); err != nil {
				t.err = fmt.Errorf("write losses of tags: %w", err)
				return
			}
		}
	}
	for len(tags) > 0 {
		n := min(len(tags), (cap(t.buffer)-len(t.buffer))/tagTruthBytes)
		b := t.buffer[len(t.buffer) : len(t.buffer)+n*tagTruthBytes]
		for i, tag := range tags[:n] {
			record := b[i*tagTruthBytes : i*tagTruthBytes+tagTruthBytes]
			binary.LittleEndian.PutUint64(record, tag.Tick())
			record[tagTruthBytes-1] = byte(tag)
		}
		t.buffer = t.buffer[:len(t.buffer)+len(b)]
		if tags = tags[n:]; len(tags) > 0 {
			t.write()
		}
	}
}

// lost adds a loss; one that goes on where the last one ended prolongs it.
func (t *tagTruth) lost(l tagLoss) {
	if t.losses == nil || l.to <= l.from {
		return
	}
	if l.from <= t.loss.to && l.from >= t.loss.from && l.channel == t.loss.channel && l.reason == t.loss.reason {
		t.loss.to = max(t.loss.to, l.to)
		return
	}
	t.writeLoss()
	t.loss = l
}

// flushLate writes what has waited long enough.
func (t *tagTruth) flushLate(now time.Time) {
	if now.Sub(t.flushed) >= truthWait {
		t.flushed = now
		t.write()
		t.writeLoss()
	}
}

func (t *tagTruth) write() {
	if len(t.buffer) == 0 || t.err != nil {
		return
	}
	if _, err := t.w.Write(t.buffer); err != nil {
		t.err = fmt.Errorf("write truth of tags: %w", err)
	}
	t.buffer = t.buffer[:0]
}

func (t *tagTruth) writeLoss() {
	if t.loss.to == 0 || t.err != nil {
		return
	}
	channel := "all"
	if t.loss.channel >= 0 {
		channel = strconv.Itoa(t.loss.channel)
	}
	if _, err := fmt.Fprintf(t.losses, "%d %d %s %s\n", t.loss.from, t.loss.to, channel, t.loss.reason); err != nil {
		t.err = errors.Join(t.err, fmt.Errorf("write losses of tags: %w", err))
	}
	t.loss = tagLoss{}
}
