package cc1

import (
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

// reader decides what is asked while the box counts, and makes readings of the
// answers.
type reader interface {
	// next says which lines are to be sent, the last of them a question, and not
	// before when.
	next() (lines []string, when int64)
	// answered takes the answer. What next says is another question from then on.
	answered(b *device.Batch, a answer)
	// lost says that an answer did not come, or none that can be trusted; the box
	// owes none any more. Silent: nothing came at all, so it may have restarted.
	lost(b *device.Batch, why string, silent bool)
	// end hands out what is complete when the port ends.
	end(b *device.Batch)
	// broken is an error when what the box says makes no sense.
	broken() error
}

// answer is an answer, and what surrounded it.
type answer struct {
	count  uint64 // unless the question was FIRM?
	wrote  int64  // begin of writing the question
	first  int64  // the answer's first byte came
	extra  int    // lines before it that might be counts
	said   string // to the question for the dwell time; then count is none
	refuse string // a refusal that came before it; empty: none
}

// junkLimit is how long an answer is waited for after a line that is none, or after
// a part of one.
const junkLimit = 300 * time.Millisecond

// poller asks a reader's questions, one at a time. After anything unclear it asks
// FIRM? until it is answered: the box answers in order, so all that comes before
// is of no interest any more.
type poller struct {
	talk   *talk
	reader reader
	newer  bool // the firmware's command set

	asked    []string // under way; nil: nothing
	answer   answer
	until    int64 // when it is given up
	junk     int
	aligning string // why; empty: it does not
	silent   bool   // nothing had come then
	hold     bool   // no more questions for counts
}

// read asks and takes answers up to the next reading, not for longer than
// device.MaxWait.
func (p *poller) read(b *device.Batch) error {
	rows, notes := b.Len(), len(b.Notes)
	for end := p.talk.clock() + int64(device.MaxWait); b.Len() == rows && len(b.Notes) == notes; {
		now := p.talk.clock()
		if now >= end || p.hold && p.idle() {
			return nil
		}
		wait, err := p.step(now)
		if err != nil {
			return p.fail(b, err)
		}
		n, at, err := p.talk.port.Read(p.talk.chunk[:], time.Duration(max(0, min(end, wait)-now)))
		switch {
		case errors.Is(err, device.ErrTimeout):
			if now = p.talk.clock(); p.asked != nil && now >= p.until {
				p.lose(fmt.Sprintf("no answer to %q within %v", p.asked[len(p.asked)-1],
					time.Duration(now-p.answer.wrote).Round(time.Millisecond)))
			}
		case err != nil:
			return p.fail(b, err)
		default:
			p.talk.take(p.talk.chunk[:n], at)
			p.lines(b, at)
		}
		if err := p.reader.broken(); err != nil {
			return err
		}
	}
	return nil
}

// step sends the next question when it is time to. It returns until when to wait
// for bytes.
func (p *poller) step(now int64) (until int64, err error) {
	if p.asked != nil {
		return p.until, nil
	}
	lines, when := []string{whoAreYou}, now
	if p.aligning == "" {
		lines, when = p.reader.next()
	}
	if now < when {
		return when, nil
	}
	if p.aligning == "" {
		if err := p.listen(); err != nil || p.aligning != "" {
			return now, err
		}
	}
	p.asked, p.junk = lines, 0
	p.answer = answer{wrote: p.talk.clock()}
	p.until = p.answer.wrote + int64(answerLimit)
	if err := p.talk.write(lines...); err != nil {
		return 0, err
	}
	return p.until, nil
}

// listen looks whether something came that nobody asked for: it would be taken for
// the next answer.
func (p *poller) listen() error {
	n, at, err := p.talk.port.Read(p.talk.chunk[:], 0)
	if err != nil && !errors.Is(err, device.ErrTimeout) {
		return err
	}
	if err == nil {
		p.talk.take(p.talk.chunk[:n], at)
	}
	if len(p.talk.buf) > 0 {
		p.lose("unasked bytes " + device.ShowBytes(p.talk.buf))
		p.talk.buf = p.talk.buf[:0]
	}
	return nil
}

// lose gives up an answer.
func (p *poller) lose(why string) {
	if p.aligning == "" {
		p.aligning, p.silent = why, p.asked != nil && p.junk == 0 && len(p.talk.buf) == 0 && p.talk.clock() >= p.until
	}
	p.asked = nil
}

// lines takes the lines received.
func (p *poller) lines(b *device.Batch, at int64) {
	for p.asked != nil {
		line, begun, ok := p.talk.cutLine(at)
		if !ok {
			break
		}
		p.line(b, line, begun)
		if p.asked != nil && p.junk > 0 { // it may have been the answer
			p.until = min(p.until, at+int64(junkLimit))
		}
	}
	if p.asked != nil && len(p.talk.buf) > 0 { // a line comes in one go
		p.until = min(p.until, at+int64(junkLimit))
	}
}

// line takes one line in.
func (p *poller) line(b *device.Batch, line []byte, begun int64) {
	question := p.asked[len(p.asked)-1]
	count, isCount := parseCount(line)
	_, isFirmware := parseFirmware(line)
	switch {
	case len(line) == 0:
	case isEcho(line, p.asked):
		p.talk.echo = true
	case question == whoAreYou && isFirmware:
		p.answer.first, p.asked = begun, nil
		if why := p.aligning; why != "" {
			p.aligning = ""
			p.reader.lost(b, why, p.silent)
			return
		}
		p.reader.answered(b, p.answer)
	case question == whoAreYou && isRefusal(line):
		p.answer.refuse = string(line)
	case question == whoAreYou && isCount:
		p.answer.extra++
	case question == dwellQuestion:
		p.dwell(b, line, begun)
	case question != whoAreYou && isCount:
		p.answer.count, p.answer.first, p.asked = count, begun, nil
		p.reader.answered(b, p.answer)
	case isRefusal(line):
		p.lose(fmt.Sprintf("%q to %q", line, question))
	case question == whoAreYou && p.junk >= maxJunk: // all that comes before the answer is of no interest
	default:
		if p.junk++; p.junk > maxJunk {
			p.lose(fmt.Sprintf("%d lines and none that answers %q, the last %s", p.junk, question, device.ShowBytes(line)))
		}
	}
}

// dwell takes a line for the answer to the question for the dwell time.
func (p *poller) dwell(b *device.Batch, line []byte, begun int64) {
	d, ok := parseDwell(line, p.newer)
	if !ok {
		p.lose(fmt.Sprintf("%s to %q", device.ShowBytes(line), dwellQuestion))
		return
	}
	p.answer.said, p.answer.first, p.asked = d.String(), begun, nil
	p.reader.answered(b, p.answer)
}

// fail hands out what is known when the port ends.
func (p *poller) fail(b *device.Batch, err error) error {
	p.reader.end(b)
	return err
}

// idle reports whether the box owes no answer.
func (p *poller) idle() bool { return p.asked == nil && p.aligning == "" }

// lend waits until the box owes no answer, for a conversation of another kind.
// What is read meanwhile goes to b.
func (p *poller) lend(b *device.Batch, limit int64) error {
	p.hold = true
	defer func() { p.hold = false }()
	for !p.idle() {
		if p.talk.clock() > limit {
			return device.ErrTimeout
		}
		if err := p.read(b); err != nil {
			return err
		}
	}
	return nil
}
