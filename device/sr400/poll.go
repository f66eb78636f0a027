package sr400

import (
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

// poller asks a scan's questions, one at a time. After anything unclear it waits
// until nothing comes any more, and gets in step (see step.go) before it goes on.
type poller struct {
	talk *talk
	proofs

	asked   string // under way; empty: nothing
	wrote   int64  // begin of writing it
	heard   int64  // bytes came last
	first   int64  // the answer's first byte came; 0 before it
	until   int64  // when it is given up
	settle  bool   // it waits for silence
	settled int64  // until when nothing may come
	trouble bool   // since something was unclear it is not in step yet
	why     string // what that was
	wasting bool   // a question was under way then, whose answer is lost
	hold    bool   // no more questions
}

// answer is the answer to a question, and when it was asked and came. That to a mark
// has no value.
type answer struct {
	value        int64
	wrote, first int64
}

// asker decides what is asked, and makes readings of the answers.
type asker interface {
	// question is asked next, and not before when.
	question() (text string, when int64)
	// answered takes its answer. The error ends the reading.
	answered(b *device.Batch, a answer) error
	// lost says that the conversation may have been out of step since the last mark; or
	// that it was not, and a mark was answered by a whole number.
	lost(b *device.Batch, why string, inStep bool) error
}

// idle reports whether the instrument owes no answer.
func (p *poller) idle() bool { return p.asked == "" && !p.trouble && !p.talk.amiss }

// poll asks and takes answers up to the next reading, not for longer than
// device.MaxWait.
func (p *poller) poll(b *device.Batch, s asker) error {
	rows, notes := b.Len(), len(b.Notes)
	for end := p.talk.clock() + int64(device.MaxWait); b.Len() == rows && len(b.Notes) == notes; {
		now := p.talk.clock()
		if now >= end || p.hold && p.idle() {
			return nil
		}
		wait, err := p.step(b, now, s)
		if err != nil {
			return err
		}
		n, at, err := p.talk.port.Read(p.talk.chunk[:], time.Duration(max(0, min(end, wait)-now)))
		switch {
		case errors.Is(err, device.ErrTimeout):
			err = p.timeout(b, s)
		case err == nil:
			err = p.received(b, s, n, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// step sends the next question when it is time to. It returns until when to wait
// for bytes.
func (p *poller) step(b *device.Batch, now int64, s asker) (until int64, err error) {
	if p.talk.amiss && !p.trouble {
		p.lose("an answer that did not come")
	}
	switch {
	case p.settle:
		return p.settled, nil
	case p.asked != "":
		return p.until, nil
	case p.proof != nil:
		return p.ask(p.proof.ask())
	}
	text, when := s.question()
	if now < when {
		return when, nil
	}
	n, at, err := p.talk.port.Read(p.talk.chunk[:], 0)
	if err != nil && !errors.Is(err, device.ErrTimeout) {
		return 0, err
	}
	if n > 0 {
		p.heard = at
	}
	p.talk.take(p.talk.chunk[:n])
	if _, ok := p.talk.cut(); ok || len(p.talk.buf) > 1 { // one may be the LF of CR LF
		p.lose("unasked bytes")
		return p.settled, nil
	}
	p.talk.buf = p.talk.buf[:0]
	return p.ask(text)
}

// ask sends a question.
func (p *poller) ask(text string) (until int64, err error) {
	p.asked, p.first, p.wrote = text, 0, p.talk.clock()
	p.until = p.wrote + int64(answerLimit)
	return p.until, p.talk.write(text)
}

// lose gives up what is under way: from now on it is not in step.
func (p *poller) lose(why string) {
	p.wasting = p.asked != ""
	p.asked, p.why, p.trouble, p.talk.amiss = "", why, true, false
	p.proof, p.even = nil, false
	p.quiet()
}

// quiet waits for silence.
func (p *poller) quiet() {
	p.settle, p.settled = true, p.heard+int64(p.pause())
	p.talk.buf = p.talk.buf[:0]
}

// timeout ends a wait in which nothing came.
func (p *poller) timeout(b *device.Batch, s asker) error {
	now := p.talk.clock()
	switch {
	case p.settle && now >= p.settled:
		if p.settle = false; p.blind {
			return p.inStep(b, s)
		}
		p.beginProof()
	case p.proof != nil && p.asked != "" && now >= p.until:
		return p.noProof()
	case p.asked != "" && now >= p.until:
		p.lose(fmt.Sprintf("no answer to %q within %v", p.asked, time.Duration(now-p.wrote).Round(time.Millisecond)))
		return p.flush()
	}
	return nil
}

// noProof tries again.
func (p *poller) noProof() error {
	p.asked = ""
	if err := p.endProof(); err != nil {
		return err
	}
	p.quiet()
	return p.flush()
}

// inStep goes on after trouble.
func (p *poller) inStep(b *device.Batch, s asker) error {
	p.succeed()
	p.asked, p.trouble = "", false
	return s.lost(b, p.why, p.even)
}

// flush fetches what the instrument has said and an adapter did not hear: it hears one
// answer for each question, and would be behind for ever.
func (p *poller) flush() error {
	if !p.talk.adapter {
		return nil
	}
	return p.talk.write("++read eoi")
}

// received takes bytes in.
func (p *poller) received(b *device.Batch, s asker, n int, at int64) error {
	if p.heard = at; p.settle {
		p.settled, p.even = at+int64(p.pause()), false
		return p.flush()
	}
	if p.asked != "" && p.first == 0 {
		p.first = at
	}
	p.talk.take(p.talk.chunk[:n])
	for p.asked != "" || p.proof != nil {
		line, ok := p.talk.cut()
		if !ok {
			if len(p.talk.buf) > 0 { // a line comes in one go
				p.until = min(p.until, at+2*int64(quietTime))
			}
			return nil
		}
		if isEcho(line, p.asked) {
			return errEcho
		}
		if err := p.line(b, s, line, at); err != nil {
			return err
		}
	}
	return nil
}

// line takes a line for the answer.
func (p *poller) line(b *device.Batch, s asker, line []byte, at int64) error {
	if p.proof != nil {
		return p.prove(b, s, line, at)
	}
	v, whole := parseWhole(line)
	asksMark := p.asked == marks[p.mark]
	if asksMark && !isMark(line) || !asksMark && !(whole && fits(p.asked, v)) {
		p.lose(fmt.Sprintf("%s to %q", device.ShowBytes(line), p.asked))
		if asksMark && whole {
			p.even, p.settled = true, at
			p.nextMark()
		}
		return p.flush()
	}
	p.asked = ""
	return s.answered(b, answer{v, p.wrote, p.first})
}

// prove takes a line in a proof. When as many came as were asked for, and none shows
// that it is in step, the mark may be owed; or it is a whole number.
func (p *poller) prove(b *device.Batch, s asker, line []byte, at int64) error {
	switch {
	case p.proof.take(line):
		return p.inStep(b, s)
	case !p.proof.marked && p.proof.asked < 4*p.proof.ahead:
		p.asked = ""
	case p.proof.answered >= p.proof.asked:
		p.until = min(p.until, at+int64(quietTime))
	}
	return nil
}
