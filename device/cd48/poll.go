package cd48

import (
	"bytes"
	"errors"
	"math"
	"time"

	"photongate/device"
)

const (
	quietTime  = 100 * time.Millisecond // after damaged bytes, silence for this long
	lateTime   = time.Second            // for an answer that is overdue
	clearLimit = 200 * time.Millisecond // for the answer to "E"
)

// pollState is what polling waits for.
type pollState int

const (
	idle     pollState = iota // the next slot
	asked                     // the answer to "c"
	clearing                  // the answer to "E"
	resync                    // silence, after an answer was lost
)

// polling asks for counts with "c" on a grid of slots. The box clears its
// counters at some time between the begin of writing "c" and the arrival of the
// first byte of its answer, however the computer is held up between. The edge
// between two readings is the middle of that, and half of it the uncertainty. A
// reading of which an edge is too uncertain to make a rate of it is flagged.
type polling struct {
	rows
	port  device.Port
	clock device.Clock
	term  string
	gate  int64
	crlf  bool

	command []byte // "c" as it is written

	state   pollState
	slot    int64 // when "c" is to be sent next
	wrote   int64 // begin of writing the command
	first   int64 // first byte of the answer; 0 before it
	quiet   int64 // until when resync has to hear nothing
	buf     []byte
	chunk   [512]byte
	hasEdge bool  // edge is where the next reading begins
	edge    int64 // end of the last reading; 0 before the first
	blur    int64 // its uncertainty

	lost       string // what went wrong, while an answer is lost
	lostCause  string
	overflowed bool

	before *device.Batch // what was read while the box was to be made idle
	stray  []byte        // first line that was neither asked for nor counts
}

func newPolling(o *opening, gate time.Duration, r rows) *polling {
	return &polling{rows: r, port: o.port, clock: o.clock, term: o.term, gate: int64(gate), crlf: o.crlf, slot: o.clock(), command: []byte("c" + o.term)}
}

// read implements reader.
func (p *polling) read(b *device.Batch) error {
	if p.before != nil && p.before.Len()+len(p.before.Notes) > 0 {
		b.Append(p.before)
		p.before.Reset()
		return nil
	}
	return p.fill(b)
}

// fill reads up to the next reading, and not for longer than device.MaxWait.
func (p *polling) fill(b *device.Batch) error {
	had := b.Len()
	for end := p.clock() + int64(device.MaxWait); b.Len() == had; {
		now := p.clock()
		if now >= end {
			return nil
		}
		if p.state == idle && now >= p.slot {
			if err := p.ask(now); err != nil {
				return p.fail(b, err)
			}
			continue
		}
		n, at, err := p.port.Read(p.chunk[:], time.Duration(max(0, min(end, p.until())-now)))
		switch {
		case errors.Is(err, device.ErrTimeout):
			p.timeout(p.clock())
		case err != nil:
			return p.fail(b, err)
		default:
			if err := p.received(b, p.chunk[:n], at); err != nil {
				return p.fail(b, err)
			}
		}
	}
	return nil
}

// until returns when the state ends if nothing comes.
func (p *polling) until() int64 {
	switch p.state {
	case asked:
		return p.wrote + int64(answerLimit)
	case clearing:
		return p.wrote + int64(clearLimit)
	case resync:
		return p.quiet
	default:
		return p.slot
	}
}

// ask sends "c". What came since the last answer makes the next one doubtful.
func (p *polling) ask(now int64) error {
	if len(p.buf) > 0 {
		p.lose(now, device.CauseDamaged, "unasked bytes "+device.ShowBytes(p.buf))
		return nil
	}
	// Not the time when Write returned: should the computer be held up in it,
	// the box has answered before.
	p.state, p.wrote, p.first = asked, p.clock(), 0
	_, err := p.port.Write(p.command)
	return err
}

// timeout ends a state in which nothing came.
func (p *polling) timeout(now int64) {
	if now < p.until() {
		return
	}
	switch p.state {
	case asked:
		p.lose(now, device.CauseLost, "no answer to \"c\" within 1 s")
		p.quiet = now + int64(lateTime)
	case clearing:
		p.state = idle
	case resync:
		p.state, p.slot = idle, now
		p.buf = p.buf[:0]
	}
}

// lose gives up the answer that is due: the counters may have been cleared at a
// time nobody knows, so counting begins anew after a silence.
func (p *polling) lose(now int64, cause, detail string) {
	if p.lost == "" {
		p.lost, p.lostCause = detail, cause
	}
	p.state, p.quiet = resync, now+int64(quietTime)
	p.hasEdge = false
	p.buf = p.buf[:0]
}

// received takes bytes in.
func (p *polling) received(b *device.Batch, chunk []byte, at int64) error {
	if p.state == resync {
		p.quiet = at + int64(quietTime)
		return nil
	}
	if p.state == asked && p.first == 0 {
		p.first = at
	}
	p.buf = append(p.buf, chunk...)
	for {
		line, rest, found := bytes.Cut(p.buf, []byte{'\n'})
		if !found {
			if len(p.buf) > maxLine {
				p.lose(at, device.CauseDamaged, "bytes without a line end")
			}
			return nil
		}
		err := p.line(b, line, at)
		if p.state == resync {
			return err
		}
		p.buf = append(p.buf[:0], rest...)
		if err != nil {
			return err
		}
	}
}

// line takes one line in.
func (p *polling) line(b *device.Batch, line []byte, at int64) error {
	trimmed, cr := trimLine(line)
	command := map[pollState]string{asked: "c", clearing: "E"}[p.state]
	trimmed = trimEcho(trimmed, command)
	c, ok := parseCounts(trimmed)
	switch {
	case isAck(trimmed, command):
		p.first = 0 // the answer is still to come
		if p.state == asked && len(p.buf) > len(line)+1 {
			p.first = at
		}
	case p.state == asked && ok:
		return p.answer(b, c, cr, at)
	case p.state == clearing && len(bytes.Trim(trimmed, "0123456789")) == 0:
		p.state = idle
	case p.state == idle:
		p.lose(at, device.CauseDamaged, "unasked line "+device.ShowBytes(line))
	default:
		p.lose(at, device.CauseDamaged, "answer "+device.ShowBytes(line))
	}
	return nil
}

// answer makes a reading of the counts since the last edge.
func (p *polling) answer(b *device.Batch, c counts, cr bool, at int64) error {
	edge, blur := (p.wrote+p.first)/2, (p.first-p.wrote)/2
	switch {
	case p.hasEdge:
		var flags device.ReadingFlags
		if cr != p.crlf {
			flags |= device.Implausible
		}
		if p.late(edge, blur) {
			flags |= device.Late
		}
		p.add(b, c, flags)
		p.times(b, edge)
	case p.lost != "" && p.edge != 0:
		b.Notes = append(b.Notes, p.gap(b, edge))
	}
	p.edge, p.blur, p.hasEdge, p.lost = edge, blur, true, ""
	p.state = idle
	p.slot += p.gate
	if p.slot <= at {
		p.slot += (at - p.slot) / p.gate * p.gate
		if p.slot <= at {
			p.slot += p.gate
		}
	}
	return p.watchOverflow(b, c)
}

// late reports whether the reading that ends at edge is much longer than the
// gate, or one of its edges is uncertain by more than a tenth of it.
func (p *polling) late(edge, blur int64) bool {
	length := edge - p.edge
	return length > 2*p.gate || 10*max(p.blur, blur) > min(length, p.gate)
}

// times appends the time columns of the reading that ends at edge.
func (p *polling) times(b *device.Batch, edge int64) {
	b.Begin = append(b.Begin, p.edge)
	b.Length = append(b.Length, edge-p.edge)
	b.Live = append(b.Live, edge-p.edge)
	b.Uncertainty = append(b.Uncertainty, p.blur)
}

// gap returns the note of the readings lost between the last edge and the next.
func (p *polling) gap(b *device.Batch, edge int64) device.Note {
	missing := max(1, math.Round(float64(edge-p.edge)/float64(p.gate)))
	return device.Note{Row: b.Len(), Gap: &device.Gap{
		Cause: p.lostCause, Detail: p.lost,
		Begin: p.edge, Duration: edge - p.edge, Missing: uint64(missing), Known: true,
	}}
}

// watchOverflow clears overflow flags with "E".
func (p *polling) watchOverflow(b *device.Batch, c counts) error {
	was := p.overflowed
	p.overflowed = c.status != 0
	if c.status == 0 {
		return nil
	}
	at, err := p.port.Write([]byte("E" + p.term))
	if err != nil {
		return err
	}
	p.state, p.wrote = clearing, at
	if !was {
		b.Notes = append(b.Notes, overflowNote(b, at, c))
	}
	return nil
}

// fail hands out what is known of a loss when the port ends.
func (p *polling) fail(b *device.Batch, err error) error {
	if p.lost != "" && p.edge != 0 {
		b.Notes = append(b.Notes, p.gap(b, max(p.clock(), p.edge)))
		p.lost = ""
	}
	return err
}

// lend implements reader: it waits until the box owes no answer.
func (p *polling) lend(t *talk) error {
	if p.before == nil {
		p.before = device.NewBatch(counters)
	}
	for p.state != idle {
		if p.clock() > t.until-int64(answerLimit)/2 {
			return device.ErrTimeout
		}
		if err := p.fill(p.before); err != nil {
			return err
		}
	}
	t.buf, t.wrote = append(t.buf[:0], p.buf...), p.wrote
	p.buf, p.stray = p.buf[:0], nil
	t.aside = func(line []byte) {
		if p.stray == nil {
			p.stray = bytes.Clone(line)
		}
	}
	return nil
}

// giveBack implements reader. A line that nobody asked for makes the next answer
// doubtful.
func (p *polling) giveBack(t *talk) {
	p.buf = append(p.buf[:0], t.buf...)
	if p.stray != nil {
		p.lose(p.clock(), device.CauseDamaged, "unasked line "+device.ShowBytes(p.stray))
	}
}
