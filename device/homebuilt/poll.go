package homebuilt

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// pollState is what polling waits for.
type pollState int

const (
	idle   pollState = iota // the next question
	asked                   // the answer
	resync                  // silence, after an answer was lost
)

// polling asks for readings on a grid of slots. Where the question ends an
// interval, the edge lies between the begin of writing it and the first byte of
// the answer: its middle, with half of that as the uncertainty. Where the
// instrument counts for a gate of its own when it is asked, the interval is that
// gate.
type polling struct {
	*wire
	question instrument.Template
	name     string // of the question, for people
	every    int64
	timeout  int64
	gate     int64 // of its own; 0 when the question ends an interval
	length   bool  // each answer says how long its gate was
	decimals int
	totals   bool // a channel is a running total
	row      row

	unverified device.ReadingFlags

	state   pollState
	slot    int64 // when to ask next
	began   int64 // begin of writing the question
	first   int64 // first byte of the answer; 0 before it
	until   int64 // until when resync has to hear nothing
	hasEdge bool
	edge    int64 // end of the last interval
	blur    int64 // its uncertainty

	lost, lostCause string // what went wrong, while an answer is lost
	bad             int    // answers in a row that could not be read

	crKnown, cr bool
	before      *device.Batch // what was read while the instrument was to be made idle
}

func newPolling(o *opening) *polling {
	f := o.f
	p := &polling{
		wire: o.wire, question: f.Poll.Send, every: int64(o.every()), timeout: int64(f.Poll.Timeout),
		length: !f.Gate.Length.IsZero(), row: newRow(len(f.Channels)), slot: o.clock(),
	}
	if f.Text != nil && f.Text.Base == 10 {
		p.decimals = ownDecimals
	}
	if f.Gate.By == instrument.ByAnswer {
		p.gate = int64(o.gate)
		p.timeout = max(p.timeout, int64(o.gate)+int64(answerLimit))
	}
	for _, ch := range f.Channels {
		p.totals = p.totals || ch.Kind == instrument.Total
	}
	b, _ := f.Poll.Send.Append(nil, func(name string) (any, bool) { v, ok := o.values[name]; return v, ok })
	p.name = strconv.QuoteToASCII(string(b))
	return p
}

// doubt implements reader.
func (p *polling) doubt() { p.unverified = device.Unverified }

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
		_, err := p.wire.read(time.Duration(max(0, min(end, p.ends())-now)))
		switch {
		case errors.Is(err, device.ErrTimeout):
			p.timedOut(p.clock())
		case err != nil:
			return p.fail(b, err)
		default:
			if err := p.received(b); err != nil {
				return p.fail(b, err)
			}
		}
	}
	return nil
}

// ends returns when the state ends if nothing comes.
func (p *polling) ends() int64 {
	switch p.state {
	case asked:
		if len(p.rest()) > 0 { // there is no such silence within an answer
			return min(p.began+p.timeout, p.at+p.silence)
		}
		return p.began + p.timeout
	case resync:
		return p.until
	}
	return p.slot
}

// ask sends the question. What came since the last answer makes the next one
// doubtful.
func (p *polling) ask(now int64) error {
	if rest := p.rest(); len(rest) > 0 {
		p.lose(now, device.CauseDamaged, "unasked bytes "+device.ShowBytes(rest))
		return nil
	}
	// Not the time when Write returned: should the computer be held up in it, the
	// instrument has answered before.
	p.state, p.began, p.first = asked, p.clock(), 0
	_, err := p.write(p.question)
	return err
}

// timedOut ends a state in which nothing came.
func (p *polling) timedOut(now int64) {
	if now < p.ends() {
		return
	}
	switch p.state {
	case asked:
		if rest := p.rest(); len(rest) > 0 {
			p.lose(now, device.CauseDamaged, fmt.Sprintf("half an answer to %s: %s", p.name, device.ShowBytes(rest)))
			return
		}
		p.lose(now, device.CauseLost, fmt.Sprintf("no answer to %s within %v", p.name, time.Duration(p.timeout)))
		p.until = now + int64(answerLimit)
	case resync:
		p.state, p.slot = idle, now
		p.clear()
	}
}

// lose gives up the answer that is due: counters may have been cleared at a time
// nobody knows, so counting begins anew after a silence.
func (p *polling) lose(now int64, cause, detail string) {
	if p.lost == "" {
		p.lost, p.lostCause = detail, cause
	}
	p.state, p.until = resync, now+p.silence
	p.hasEdge = false
	p.clear()
}

// received takes bytes in.
func (p *polling) received(b *device.Batch) error {
	if p.state == resync {
		p.until = p.at + p.silence
		p.clear()
		return nil
	}
	p.border = 0 // an answer may come in pieces
	if p.state == asked && p.first == 0 {
		p.first = p.at
	}
	for {
		piece, v := p.next(&p.row)
		switch {
		case v == unclear:
			return nil
		case v == ignored || v == nothings:
			if p.first = 0; len(p.rest()) > 0 {
				p.first = p.at
			}
		case v == reading && p.f.Record != nil && len(p.rest()) > 0:
			return p.refuse(fmt.Sprintf("answer of %s, expected %d", plural(len(piece)+len(p.rest()), "byte"), len(piece)))
		case v == reading && p.state == asked:
			p.bad = 0
			p.answer(b)
		case v == reading:
			p.lose(p.at, device.CauseDamaged, "unasked: "+device.ShowBytes(piece))
		default:
			return p.refuse(p.format.explain(piece, v))
		}
		if p.state == resync {
			return nil
		}
	}
}

// refuse gives up an answer that cannot be read, and the instrument after too many.
func (p *polling) refuse(detail string) error {
	p.lose(p.at, device.CauseDamaged, detail)
	if p.bad++; p.bad < p.maxBad() {
		return nil
	}
	return &device.Error{
		Op: "read", Port: p.port.Name(), Hint: p.nonsenseHint(),
		Err: fmt.Errorf("%w: %d answers in a row cannot be read, the last one: %s", device.ErrNonsense, p.bad, detail),
	}
}

// answer makes a reading of an answer.
func (p *polling) answer(b *device.Batch) {
	flags := p.unverified
	if p.f.Text != nil {
		if p.crKnown && p.cr != p.row.cr {
			flags |= device.Implausible
		}
		if !p.crKnown {
			p.crKnown, p.cr = true, p.row.cr
		}
	}
	if p.gate > 0 || p.length {
		p.ownGate(b, flags)
	} else {
		p.sinceEdge(b, flags)
	}
	p.lost = ""
	p.state = idle
	p.slot += p.every
	if late := p.at - p.slot; late >= 0 {
		p.slot += (late/p.every + 1) * p.every
	}
}

// sinceEdge is a reading of what was counted since the last question.
func (p *polling) sinceEdge(b *device.Batch, flags device.ReadingFlags) {
	edge, blur := (p.began+p.first)/2, (p.first-p.began)/2
	switch {
	case p.hasEdge:
		if length := edge - p.edge; length > 2*p.every || 10*max(p.blur, blur) > min(length, p.every) {
			flags |= device.Late
		}
		addValues(b, &p.row, flags)
		addTimes(b, p.edge, max(edge-p.edge, 1), max(edge-p.edge, 1), p.blur)
		edge = max(edge, p.edge+1)
	case p.lost != "" && p.edge != 0:
		p.gap(b, edge)
		fallthrough
	default:
		if p.totals { // what the next one is to be compared with
			addValues(b, &p.row, flags|device.First)
			addTimes(b, edge, 0, 0, blur)
		}
	}
	p.edge, p.blur, p.hasEdge = edge, blur, true
}

// ownGate is a reading of a gate that the instrument counted because it was asked.
func (p *polling) ownGate(b *device.Batch, flags device.ReadingFlags) {
	gate := p.gate
	if p.length {
		gate = max(scale(p.row.own[ownLength], p.f.Gate.Unit, p.decimals), 1)
	}
	from, to := p.began, p.first-gate
	if to < from {
		from = p.began - gate // the gate ran already when it was asked
	}
	if p.edge != 0 {
		from, to = max(from, p.edge), max(to, p.edge)
	}
	begin, blur := from+(to-from)/2, (to-from)/2
	if p.lost != "" && p.edge != 0 {
		p.gap(b, begin)
	}
	if 10*blur > gate {
		flags |= device.Late
	}
	addValues(b, &p.row, flags)
	addTimes(b, begin, gate, gate, blur)
	p.edge, p.hasEdge = begin+gate, true
}

// gap notes the readings lost between the last edge and the next.
func (p *polling) gap(b *device.Batch, edge int64) {
	missing := max(1, math.Round(float64(edge-p.edge)/float64(p.every)))
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: &device.Gap{
		Cause: p.lostCause, Detail: p.lost,
		Begin: p.edge, Duration: max(edge-p.edge, 0), Missing: uint64(missing), Known: true,
	}})
}

// fail hands out what is known of a loss when the port ends.
func (p *polling) fail(b *device.Batch, err error) error {
	if p.lost != "" && p.edge != 0 {
		p.gap(b, max(p.clock(), p.edge))
		p.lost = ""
	}
	return err
}

// pause implements reader: it waits until no answer is due.
func (p *polling) pause(until int64) error {
	if p.before == nil {
		p.before = device.NewBatch(len(p.f.Channels))
	}
	for p.state != idle {
		if p.clock() >= until {
			return device.ErrTimeout
		}
		if err := p.fill(p.before); err != nil {
			return err
		}
	}
	return nil
}

// resume implements reader.
func (p *polling) resume() { p.clear() }
