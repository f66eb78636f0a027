package ftdi

import (
	"iter"

	"photongate/device"
)

// statusBytes stand at the begin of each packet, idle ones have nothing else.
const statusBytes = 2

// Bits of the second status byte. They are of meaning only where data follows:
// an idle packet repeats them.
const (
	lineOverrun = 1 << 1
	lineParity  = 1 << 2
	lineFraming = 1 << 3
	lineBreak   = 1 << 4
)

// packets cuts a transfer into its packets of at most size bytes, and gives of
// each the line status and the data behind it. A packet without data, or one too
// short to have a status, is passed over.
func packets(transfer []byte, size int) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for size > 0 && len(transfer) > 0 {
			packet := transfer[:min(size, len(transfer))]
			transfer = transfer[len(packet):]
			if len(packet) > statusBytes && !yield(packet[1], packet[statusBytes:]) {
				return
			}
		}
	}
}

// note adds what a line status tells.
func note(t *device.Trouble, status byte) {
	for bit, n := range map[byte]*uint64{lineOverrun: &t.Overrun, lineParity: &t.Parity, lineFraming: &t.Framing, lineBreak: &t.Break} {
		if status&bit != 0 {
			*n++
		}
	}
}

// ring holds bytes that were fetched and not read.
type ring struct {
	buf      []byte // its length is a power of two
	from, to uint64 // positions in the stream
}

// Bounds of a ring, bytes; the first and the most are powers of two.
const (
	ringFirst = 64 << 10
	ringMost  = 16 << 20
	fifoMost  = 4 << 20 // of a FIFO: 0.1 s at the full speed of USB 2.0
)

func (r *ring) len() int { return int(r.to - r.from) }

// push appends what there is room for, and returns how much that is.
func (r *ring) push(p []byte) int {
	for len(r.buf)-r.len() < len(p) && len(r.buf) < ringMost {
		r.grow()
	}
	p = p[:min(len(p), len(r.buf)-r.len())]
	at := int(r.to & uint64(len(r.buf)-1))
	n := copy(r.buf[at:], p)
	copy(r.buf, p[n:])
	r.to += uint64(len(p))
	return len(p)
}

func (r *ring) grow() {
	bigger := ring{buf: make([]byte, max(ringFirst, 2*len(r.buf)))}
	n := r.pop(bigger.buf)
	bigger.to = uint64(n)
	*r = bigger
}

// pop moves the oldest bytes to p and returns how many.
func (r *ring) pop(p []byte) int {
	p = p[:min(len(p), r.len())]
	if len(p) == 0 {
		return 0
	}
	at := int(r.from & uint64(len(r.buf)-1))
	n := copy(p, r.buf[at:])
	copy(p[n:], r.buf)
	r.from += uint64(len(p))
	return len(p)
}
