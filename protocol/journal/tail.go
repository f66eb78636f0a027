package journal

import (
	"cmp"
	"encoding/binary"
	"slices"

	"photongate/protocol"
)

// Sizes of chunks, in bytes. A stream's first chunk is small, since many
// streams are slow; each next one is twice as large.
const (
	minChunk = 8 << 10
	maxChunk = 256 << 10
)

// chunk is a piece of the tail in memory: whole frames of one epoch of one
// stream, back to back. buf[:n] never changes again, so it is read without a
// lock and without a copy; what lies behind is written by Append alone. All
// fields but buf are guarded by Journal.mu.
type chunk struct {
	s       *Stream
	epoch   uint32
	buf     []byte
	n       int    // bytes that hold frames
	written int    // of these, bytes that stand in a file
	first   uint64 // sequence of the first frame
	last    uint64 // last sequence covered
	evicted bool
}

// tail is the memory of a journal: the newest frames of all its streams. It is
// guarded by Journal.mu.
type tail struct {
	limit  int64
	used   int64    // bytes of all chunks that were not evicted, by capacity
	chunks []*chunk // oldest first
}

// room makes room for a chunk of size bytes: the oldest chunks whose frames
// all stand in files go first. It reports whether there is room.
func (t *tail) room(size int64) bool {
	for i := 0; t.used+size > t.limit && i < len(t.chunks); {
		c := t.chunks[i]
		if c.written < c.n || c.n == 0 {
			i++
			continue
		}
		t.chunks = slices.Delete(t.chunks, i, i+1)
		t.drop(c)
	}
	// An empty tail takes any frame: the largest frame is 1 MiB.
	return t.used+size <= t.limit || t.used == 0
}

// readAhead is the part of a tail kept for readers when nothing else needs it:
// frames that are on the disk can be read there.
const readAhead = 8

// forget drops the oldest chunks that are on the disk, but for a part of the
// tail.
func (t *tail) forget() {
	kept := int64(0)
	for i := len(t.chunks) - 1; i >= 0; i-- {
		c := t.chunks[i]
		if kept += int64(len(c.buf)); kept > t.limit/readAhead && c.durable() {
			t.chunks = slices.Delete(t.chunks, i, i+1)
			t.drop(c)
		}
	}
}

// durable reports whether all frames of the chunk are on the disk.
func (c *chunk) durable() bool {
	d := c.s.durable
	return c.written == c.n && c.n > 0 && (d.Epoch > c.epoch || d.Epoch == c.epoch && d.Seq >= c.last)
}

// drop takes a chunk out of its stream. Readers that look at it keep it until
// they are through.
func (t *tail) drop(c *chunk) {
	c.evicted = true
	t.used -= int64(len(c.buf))
	if i := slices.Index(c.s.chunks, c); i >= 0 {
		c.s.chunks = slices.Delete(c.s.chunks, i, i+1)
	}
}

// grow gives a stream a new chunk that holds a frame of size bytes, nil when
// there is no room for it.
func (t *tail) grow(s *Stream, size int) *chunk {
	want := max(min(2*s.chunkSize, maxChunk), minChunk)
	// The tail must hold several chunks, or nothing could be read from it.
	want = min(want, int(max(t.limit/8, 1)))
	want = max(want, size)
	t.forget()
	if !t.room(int64(want)) {
		if want == size || !t.room(int64(size)) {
			return nil
		}
		want = size
	}
	s.chunkSize = want
	c := &chunk{s: s, epoch: s.epoch, buf: make([]byte, want)}
	t.used += int64(want)
	t.chunks = append(t.chunks, c)
	s.chunks = append(s.chunks, c)
	return c
}

// chunkLocked finds the chunk that covers a sequence, nil when none does.
func (s *Stream) chunkLocked(epoch uint32, seq uint64) *chunk {
	i, ok := slices.BinarySearchFunc(s.chunks, seq, func(c *chunk, seq uint64) int {
		switch {
		case c.epoch != epoch:
			return cmp.Compare(c.epoch, epoch)
		case c.last < seq:
			return -1
		case c.first > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return s.chunks[i]
}

// tailFirstLocked is the first sequence of an epoch in memory, 0 when none is.
func (s *Stream) tailFirstLocked(epoch uint32) uint64 {
	for _, c := range s.chunks {
		if c.epoch == epoch && c.n > 0 {
			return c.first
		}
	}
	return 0
}

// frameSize is the length of the frame at the begin of b, a frame that was
// checked before.
func frameSize(b []byte) int {
	return 4*int(b[4]) + int(binary.LittleEndian.Uint32(b[8:]))
}

// frameSeq is the sequence of the frame at the begin of b.
func frameSeq(b []byte) uint64 { return binary.LittleEndian.Uint64(b[32:]) }

// coveredSeq is the last sequence that the frame at the begin of b covers.
func coveredSeq(b []byte) uint64 {
	if protocol.Type(b[5]&^0x80) != protocol.TypeHole {
		return frameSeq(b)
	}
	size := frameSize(b)
	to, err := holeEnd(protocol.Header{Seq: frameSeq(b)}, b[4*int(b[4]):size])
	if err != nil {
		return frameSeq(b)
	}
	return to
}

// cut returns how many bytes of b, whole frames back to back, make at most max
// bytes, at least one frame; and where its last frame begins.
func cut(b []byte, max int) (n, last int) {
	for n < len(b) {
		size := frameSize(b[n:])
		if n > 0 && n+size > max {
			break
		}
		last = n
		n += size
	}
	return n, last
}
