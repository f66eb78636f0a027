package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// queueBytes bounds what waits to be written because of pacing or a late
// message; what comes beyond it is dropped.
const queueBytes = 64 * 1024

// paceChunk is how many bytes a paced line writes at once, about the trigger
// level of the receive FIFO of a UART.
const paceChunk = 8

// junkLine is what nobody asked for.
const junkLine = "busy\r\n"

// wire is the [Line] of a [Runner]: it damages what an instrument sends as the
// faults say and keeps it until its time to be written has come.
type wire struct {
	conn   Conn
	start  time.Time
	pace   time.Duration // per byte; 0 writes each message at once
	rng    *rand.Rand
	truth  *truth
	report func(Fired)

	open       bool
	tear       bool
	tags       bool  // a stream of tags was sent
	packets    bool  // a message is a packet of a bus
	produced   int64 // bytes sent while open, before faults
	losing     int   // bytes still to be lost of a drop that began in an earlier message
	stallUntil time.Time
	message    []Fault // faults that wait for their message, in the order given
	unplug     *Fault  // set by Send when one fired, until the runner has pulled the cable: nothing more is sent
	other      []Fault // fired by their byte position, done by the runner: overflow, reboot, those of the light

	queue   []chunk
	queued  int  // bytes in queue, but for those of a stream
	kept    int  // bytes of a stream in queue
	blocked bool // the host did not take all of a stream
}

// chunk is written as one piece at its time. One of a stream is kept until the host has
// taken it.
type chunk struct {
	at     time.Time
	bytes  []byte
	stream bool
}

// TearNext implements [Line]. A paced line is torn by itself.
func (w *wire) TearNext() { w.tear = w.pace == 0 }

// Latched implements [Line].
func (w *wire) Latched(at time.Time, values []uint64) { w.truth.latched(at, values) }

// Send implements [Line].
func (w *wire) Send(at time.Time, message []byte) {
	if len(message) == 0 || !w.open && w.pace == 0 || w.unplug != nil {
		return
	}
	out := delivery{bytes: slices.Clone(message), splitAt: -1}
	if w.open {
		w.apply(at, &out, len(message))
		w.produced += int64(len(message))
	}
	w.enqueue(at, out)
}

// Tags implements [TagLine].
func (w *wire) Tags(tags []Tag) {
	w.tags = true
	if w.truth.w != nil && w.truth.take(ofTags) {
		w.truth.tags.tags(tags)
	}
}

// Lost implements [TagLine].
func (w *wire) Lost(from, to uint64, channel int, reason string) {
	w.truth.tags.lost(tagLoss{from, to, channel, reason})
}

// Waiting implements [TagLine].
func (w *wire) Waiting() int { return w.kept }

// Stream implements [TagLine].
func (w *wire) Stream(at time.Time, piece []byte) (harm string) {
	switch {
	case len(piece) == 0:
		return ""
	case !w.open:
		return "nobody has the port open"
	case w.unplug != nil:
		return string(FaultUnplug)
	}
	out := delivery{bytes: slices.Clone(piece), splitAt: -1, stream: true}
	w.apply(at, &out, len(piece))
	w.produced += int64(len(piece))
	w.enqueue(at, out)
	w.flush(at) // many pieces may be due at once, and a host takes only so much of them in one go
	return out.harm
}

// Passed is what faults leave of a message.
type Passed struct {
	// Bytes are what is left of it, or more than there were; they may lie in the
	// memory of the message.
	Bytes []byte
	// Held is how long it is held back.
	Held time.Duration
	// Cut, if not 0, is where it is cut in two pieces that come Between apart.
	Cut     int
	Between time.Duration
	// Harm says what changed its bytes; empty: nothing did.
	Harm string
}

// Pass does to a message what the faults say and hands it back, for a bus that
// carries its messages itself instead of calling Send.
func (w *wire) Pass(at time.Time, message []byte) Passed {
	if w.unplug != nil {
		return Passed{}
	}
	w.packets = true
	out := delivery{bytes: message, splitAt: -1}
	w.apply(at, &out, len(message))
	w.produced += int64(len(message))
	passed := Passed{Bytes: out.bytes, Held: out.hold, Harm: out.harm}
	if out.splitAt > 0 && out.splitAt < len(out.bytes) {
		passed.Cut, passed.Between = out.splitAt, out.splitBy
	}
	return passed
}

// delivery is a message on its way through the faults.
type delivery struct {
	bytes   []byte
	hold    time.Duration // before the first byte
	splitAt int           // if not negative, the rest comes splitBy later
	splitBy time.Duration
	stream  bool
	harm    string // what changed the bytes
}

// apply damages one message. The later of two positions goes first, so that
// the earlier one still points at the byte it meant.
func (w *wire) apply(at time.Time, out *delivery, length int) {
	if at.Before(w.stallUntil) {
		out.bytes, out.harm = nil, string(FaultStall)
	}
	if lost := min(w.losing, len(out.bytes)); lost > 0 {
		w.losing -= lost
		out.bytes, out.harm = out.bytes[lost:], string(FaultDrop)
	}
	if w.tear && len(out.bytes) > 1 {
		w.tear, out.harm = false, string(FaultTorn)
		out.bytes = out.bytes[1+w.rng.IntN(len(out.bytes)-1):]
	}
	if len(w.message) == 0 {
		return
	}
	type hit struct {
		fault Fault
		pos   int
	}
	var hits []hit
	w.message = slices.DeleteFunc(w.message, func(f Fault) bool {
		pos, due := w.position(f, at, length)
		if due {
			hits = append(hits, hit{f, pos})
		}
		return due
	})
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.pos, a.pos) })
	for _, h := range hits {
		if h.fault.hurts() {
			out.harm = string(h.fault.Kind)
		}
		detail := w.damage(at, out, h.fault, min(h.pos, len(out.bytes)))
		if h.fault.Kind == FaultReboot {
			continue // tells of itself when the port is opened
		}
		w.report(Fired{Fault: h.fault, After: at.Sub(w.start), Byte: w.produced + int64(h.pos), Detail: detail})
	}
}

// position says whether a fault hits the message of this length now, and where.
func (w *wire) position(f Fault, at time.Time, length int) (int, bool) {
	if f.Byte >= 0 {
		return int(max(f.Byte-w.produced, 0)), f.Byte < w.produced+int64(length)
	}
	return w.rng.IntN(length), at.Sub(w.start) >= f.After && !at.Before(w.stallUntil)
}

// damage does one fault to out at pos and says what it did.
func (w *wire) damage(at time.Time, out *delivery, f Fault, pos int) string {
	b := out.bytes
	switch f.Kind {
	case FaultTorn:
		if pos == 0 && len(b) > 1 {
			pos = 1 + w.rng.IntN(len(b)-1)
		}
		out.bytes = b[pos:]
		return fmt.Sprintf("the first %d bytes of a message are missing", pos)
	case FaultGarbage:
		noise := make([]byte, f.Count)
		for i := range noise {
			noise[i] = byte(w.rng.Uint32())
		}
		out.bytes = slices.Insert(b, pos, noise...)
		return fmt.Sprintf("%d bytes inserted", len(noise))
	case FaultFlood:
		out.bytes = slices.Insert(b, pos, bytes.Repeat([]byte{0xFF}, f.Count)...)
		return fmt.Sprintf("%d bytes FF inserted", f.Count)
	case FaultLostPacket, FaultDrop:
		if f.Kind == FaultLostPacket && w.packets {
			out.bytes = nil
			return fmt.Sprintf("a packet of %d bytes lost", len(b))
		}
		here := min(f.Count, len(b)-pos)
		out.bytes = slices.Delete(b, pos, pos+here)
		w.losing += f.Count - here
		return fmt.Sprintf("%d bytes lost", f.Count)
	case FaultFlip:
		if pos == len(b) {
			return "nothing was left of the message to change"
		}
		old := b[pos]
		b[pos] ^= byte(1 + w.rng.IntN(255))
		return fmt.Sprintf("byte %02X became %02X", old, b[pos])
	case FaultDuplicate:
		out.bytes = append(b, b...)
		return fmt.Sprintf("message of %d bytes came twice", len(b))
	case FaultLate:
		out.hold = f.For
		return fmt.Sprintf("message held back for %v", f.For)
	case FaultSplit:
		out.splitAt, out.splitBy = pos, f.For
		return fmt.Sprintf("message in two pieces, %v apart", f.For)
	case FaultStall:
		out.bytes = b[:pos]
		w.stallUntil = at.Add(f.For)
		return fmt.Sprintf("silent for %v", f.For)
	case FaultUnplug:
		out.bytes = b[:pos]
		w.unplug = &f
		return unplugDetail(f)
	case FaultLeak, FaultDead:
		w.other = append(w.other, f)
		return f.lightDetail()
	case FaultJunk:
		out.bytes = slices.Insert(b, 0, []byte(junkLine)...)
		return fmt.Sprintf("%q came first", junkLine)
	default: // the instrument's own
		w.other = append(w.other, f)
		return "told the instrument"
	}
}

func unplugDetail(f Fault) string {
	if f.For == 0 {
		return "unplugged until told otherwise"
	}
	return fmt.Sprintf("unplugged for %v", f.For)
}

// enqueue plans when the bytes are written: in order, never before what is
// already waiting.
func (w *wire) enqueue(at time.Time, out delivery) {
	at = w.last(at).Add(out.hold)
	if out.splitAt > 0 && out.splitAt < len(out.bytes) {
		w.plan(at, out.bytes[:out.splitAt], out.stream)
		out.bytes = out.bytes[out.splitAt:]
		at = at.Add(out.splitBy)
	}
	w.plan(at, out.bytes, out.stream)
}

func (w *wire) plan(at time.Time, b []byte, stream bool) {
	switch {
	case len(b) == 0:
		return
	case stream:
		w.kept += len(b)
	case w.queued+len(b) > queueBytes:
		return
	default:
		w.queued += len(b)
	}
	if w.pace == 0 {
		w.queue = append(w.queue, chunk{at, b, stream})
		return
	}
	for len(b) > 0 {
		n := min(paceChunk, len(b))
		at = at.Add(time.Duration(n) * w.pace)
		w.queue = append(w.queue, chunk{at, b[:n], stream})
		b = b[n:]
	}
}

// next is when flush has something to do; zero if nothing waits, or for the host.
func (w *wire) next() time.Time {
	if len(w.queue) == 0 || w.blocked {
		return time.Time{}
	}
	return w.queue[0].at
}

// last is when the last of what waits is written, now if nothing waits.
func (w *wire) last(now time.Time) time.Time {
	if n := len(w.queue); n > 0 && w.queue[n-1].at.After(now) {
		return w.queue[n-1].at
	}
	return now
}

// flush writes what is due; what the host cannot take is lost, but for a stream.
func (w *wire) flush(now time.Time) {
	w.blocked = false
	for len(w.queue) > 0 && !w.queue[0].at.After(now) {
		c, n := &w.queue[0], 0
		if w.open {
			n = w.conn.TryWrite(c.bytes)
		}
		if !c.stream {
			n = len(c.bytes)
			w.queued -= n
		} else {
			w.kept -= n
		}
		if c.bytes = c.bytes[n:]; len(c.bytes) > 0 {
			w.blocked = true
			return
		}
		w.queue = w.queue[1:]
	}
}

// forget drops what waits: the host it was for is gone.
func (w *wire) forget() {
	w.queue, w.queued, w.losing, w.tear = nil, 0, 0, false
	w.kept, w.blocked = 0, false
}
