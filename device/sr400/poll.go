package sr400

import (
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

// poller asks a scan's questions, one at a time. After anything unclear it waits
// until nothing comes any more: a late answer would be taken for the next one.
type poller struct {
	talk *talk

	asked   string // under way; empty: nothing
	wrote   int64  // begin of writing it
	first   int64  // the answer's first byte came; 0 before it
	until   int64  // when it is given up
	settle  string // why it waits for silence; empty: it does not
	wasting bool   // a question was under way then, whose answer is lost
	settled int64  // until when nothing may come
	hold    bool   // no more questions
}

// answer is the answer to a question, and when it was asked and came.
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
	// lost says that there was none, or none that is a whole number.
	lost(b *device.Batch, why string) error
}

// idle reports whether the instrument owes no answer.
func (p *poller) idle() bool { return p.asked == "" && p.settle == "" }

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
	switch {
	case p.settle != "":
		return p.settled, nil
	case p.asked != "":
		return p.until, nil
	}
	text, when := s.question()
	if now < when {
		return when, nil
	}
	n, _, err := p.talk.port.Read(p.talk.chunk[:], 0)
	if err != nil && !errors.Is(err, device.ErrTimeout) {
		return 0, err
	}
	p.talk.take(p.talk.chunk[:n])
	if _, ok := p.talk.cut(); ok || len(p.talk.buf) > 1 { // one may be the LF of CR LF
		p.lose("unasked bytes")
		return p.settled, nil
	}
	p.talk.buf = p.talk.buf[:0]
	p.asked, p.first, p.wrote = text, 0, p.talk.clock()
	p.until = p.wrote + int64(answerLimit)
	return p.until, p.talk.write(text)
}

// lose gives up an answer.
func (p *poller) lose(why string) {
	p.wasting = p.asked != ""
	p.asked, p.settle, p.settled = "", why, p.talk.clock()+int64(quietTime)
	p.talk.buf = p.talk.buf[:0]
}

// timeout ends a wait in which nothing came.
func (p *poller) timeout(b *device.Batch, s asker) error {
	now := p.talk.clock()
	switch {
	case p.settle != "" && now >= p.settled:
		why := p.settle
		p.settle = ""
		return s.lost(b, why)
	case p.asked != "" && now >= p.until:
		p.lose(fmt.Sprintf("no answer to %q within %v", p.asked, time.Duration(now-p.wrote).Round(time.Millisecond)))
	}
	return nil
}

// received takes bytes in.
func (p *poller) received(b *device.Batch, s asker, n int, at int64) error {
	if p.settle != "" {
		p.settled = at + int64(quietTime)
		return nil
	}
	if p.asked != "" && p.first == 0 {
		p.first = at
	}
	p.talk.take(p.talk.chunk[:n])
	for p.asked != "" {
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
		v, ok := parseWhole(line)
		if !ok {
			p.lose(fmt.Sprintf("%s to %q", device.ShowBytes(line), p.asked))
			return nil
		}
		p.asked = ""
		if err := s.answered(b, answer{v, p.wrote, p.first}); err != nil {
			return err
		}
	}
	return nil
}
