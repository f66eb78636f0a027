package tdc1

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

const (
	question  = "counts?"
	lateLimit = time.Second            // for an answer after its gate
	lateTime  = time.Second            // of silence after one that did not come
	quietTime = 100 * time.Millisecond // of silence after a damaged one
	usualWay  = 20 * time.Millisecond  // what question and answer may take without anything being wrong
	lineLimit = 250 * time.Millisecond // from the first byte of an answer to its last
	badLimit  = 5                      // answers of the other mode, or of no form at all, in succession
)

// state is what counting waits for.
type state int

const (
	resting   state = iota // silence, until quiet
	asked                  // the answer to the question
	verifying              // the answer to one for a setting, until quiet
)

// counting asks for counts, one measurement after the other. A measurement is
// gate long; it began after its question was written, and after the answer to the
// one before, and ended before the first byte of its answer. When an answer was
// given, the next question goes out at once: what lies between is dead time.
type counting struct {
	port       device.Port
	clock      device.Clock
	gate       int64
	size       int // numbers of an answer
	unverified bool
	question   []byte

	state state
	since int64 // the measurement began after this
	due   int64 // when its answer is given up
	first int64 // when the answer began to come; 0 before it
	quiet int64
	buf   []byte
	chunk [512]byte

	crlf bool  // answers end in CR LF
	odd  int   // those in succession that did not
	end  int64 // of the last reading; 0 before the first

	lost      uint64 // answers lost since the last reading
	lostText  string // how the first of them was
	lostCause string
	bad       int // answers in succession that were none of this mode

	verification
	doubt bool     // settings are to be asked for before the next question
	held  *reading // waits for them
}

// reading is one answer and where its measurement lies.
type reading struct {
	counts
	begin, length, blur int64
	flags               device.ReadingFlags
}

func newCounting(port device.Port, clock device.Clock, gate time.Duration, size int, crlf bool) *counting {
	return &counting{port: port, clock: clock, gate: int64(gate), size: size, crlf: crlf, question: []byte(question + lineEnd)}
}

// stop leaves a measurement to end by itself.
func (c *counting) stop() error { return nil }

// fill reads up to the next reading, and not for longer than device.MaxWait.
func (c *counting) fill(b *device.Batch) error {
	had := b.Len()
	for end := c.clock() + int64(device.MaxWait); b.Len() == had; {
		now := c.clock()
		if now >= end {
			return nil
		}
		if c.state == resting && now >= c.quiet {
			if err := c.next(); err != nil {
				return c.fail(b, err)
			}
			continue
		}
		until := c.quiet
		if c.state == asked {
			until = c.due
		}
		n, at, err := c.port.Read(c.chunk[:], time.Duration(max(0, min(end, until)-now)))
		switch {
		case errors.Is(err, device.ErrTimeout):
			err = c.timeout()
		case err != nil:
		case c.state == resting:
			c.quiet = max(at, c.since+c.gate) + int64(quietTime)
		case c.state == verifying:
			err = c.told(c.chunk[:n])
		default:
			err = c.received(b, c.chunk[:n], at)
		}
		if err != nil {
			return c.fail(b, err)
		}
		if c.held != nil && c.state != verifying {
			c.give(b)
		}
	}
	return nil
}

// next asks for the settings where they are in doubt, or begins a measurement.
func (c *counting) next() error {
	if c.doubt && len(c.checks) > 0 {
		return c.verify()
	}
	return c.ask()
}

// ask begins a measurement.
func (c *counting) ask() error {
	// Not the time when Write returned: should the computer be held up in it, the
	// unit has begun before.
	c.since = c.clock()
	c.awaits()
	c.state, c.buf = asked, c.buf[:0]
	_, err := c.port.Write(c.question)
	return err
}

// lose gives up the answer that is due. The next question waits for silence, so
// that what is left of this answer is not taken for part of the next, and until
// the measurement is over.
func (c *counting) lose(cause, detail string) {
	if c.lost == 0 {
		c.lostText, c.lostCause = detail, cause
	}
	c.lost++
	c.doubt = true
	c.state, c.quiet = resting, max(c.clock(), c.since+c.gate)+int64(quietTime)
}

// timeout gives up an answer that did not come in time, or not all of it.
func (c *counting) timeout() error {
	switch {
	case c.state == verifying && c.clock() >= c.quiet:
		return c.judge("")
	case c.state != asked || c.clock() < c.due:
		return nil
	}
	if len(c.buf) > 0 {
		c.lose(device.CauseDamaged, "answer without a line end: "+device.ShowBytes(c.buf))
		return nil
	}
	c.lose(device.CauseLost, fmt.Sprintf("no answer to %q within %v", question, time.Duration(c.gate)+lateLimit))
	c.quiet = c.clock() + int64(lateTime)
	return nil
}

// received takes bytes in while an answer is due.
func (c *counting) received(b *device.Batch, chunk []byte, at int64) error {
	if c.first == 0 {
		c.begins(at)
	}
	c.buf = append(c.buf, chunk...)
	for c.state == asked {
		line, rest, found := bytes.Cut(c.buf, []byte{'\n'})
		if !found {
			if len(c.buf) > maxLine {
				c.lose(device.CauseDamaged, fmt.Sprintf("%d bytes without a line end", len(c.buf)))
			}
			return nil
		}
		if err := c.line(b, line, len(rest) > 0); err != nil {
			return err
		}
		if c.held != nil {
			return c.next()
		}
		c.buf = append(c.buf[:0], rest...)
		if c.awaits(); len(rest) > 0 {
			c.begins(at)
		}
	}
	return nil
}

// awaits says that no part of the answer has come, and until when one may.
func (c *counting) awaits() { c.first, c.due = 0, c.since+c.gate+int64(lateLimit) }

// begins says that the first byte of an answer came.
func (c *counting) begins(at int64) {
	c.first = at
	c.due = min(c.due, max(at, c.since+c.gate)+int64(lineLimit))
}

// line takes one line in while an answer is due. More says that bytes follow it
// already, which nobody asked for.
func (c *counting) line(b *device.Batch, line []byte, more bool) error {
	trimmed, cr := trimLine(line)
	if len(trimmed) == 0 || bytes.EqualFold(trimmed, []byte(question)) {
		return nil
	}
	got, ok := parseCounts(trimmed)
	switch {
	case ok && got.n == c.size && c.early():
		c.since = c.first
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: c.first, What: "answer dropped",
			Text: fmt.Sprintf("an answer came before its %v were over, so it is to an older question: %s", time.Duration(c.gate), device.ShowBytes(line)),
		}})
	case ok && got.n == c.size:
		c.hold(got, c.flags(got, cr, more))
	default:
		return c.damaged(line, got.n)
	}
	return nil
}

// damaged gives up an answer that is none of this mode; n is how many counts it
// has, 0 when it is no line of counts.
func (c *counting) damaged(line []byte, n int) error {
	c.lose(device.CauseDamaged, "answer "+device.ShowBytes(line))
	if c.bad++; c.bad < badLimit {
		return nil
	}
	if n > 0 {
		return fmt.Errorf("%w: its answers have %d numbers instead of %d, as in the other mode", device.ErrChanged, n, c.size)
	}
	return fmt.Errorf("%w: %d answers in succession are no lines of %d counts, the last %s",
		device.ErrNonsense, c.bad, c.size, device.ShowBytes(line))
}

// early reports whether the answer came before a measurement that began after the
// question can be over. Clocks differ a little, and the unit counts milliseconds.
func (c *counting) early() bool {
	slack := min(int64(time.Millisecond)+c.gate/1000, c.gate/2)
	return c.first-c.since < c.gate-slack
}

// flags judges an answer. One that ends unlike the others, or has more behind it,
// may be a part of one.
func (c *counting) flags(got counts, cr, more bool) device.ReadingFlags {
	var f device.ReadingFlags
	if c.unverified {
		f |= device.Unverified
	}
	if cr == c.crlf {
		c.odd = 0
	} else if c.odd++; c.odd > 1 {
		c.crlf, c.odd = cr, 0
	}
	if cr != c.crlf || more {
		f |= device.Implausible
	}
	for _, v := range got.value[:got.n] {
		if v > c.most() {
			f |= device.Implausible
		}
	}
	return f
}

// most is what an input can count in a gate.
func (c *counting) most() uint64 { return uint64(float64(c.gate)/1e9*maxRate*1.01) + 1 }

// hold takes an answer for a reading. One that came late waits until the settings
// have been asked for: its gate may have been another one.
func (c *counting) hold(got counts, flags device.ReadingFlags) {
	length := min(c.gate, max(1, c.first-c.since)) // by the host's clock the gate may be a little shorter
	begin := device.Bracket{From: c.since, To: c.first - length}
	blur := begin.Half()
	if blur > c.gate/10 && blur > int64(usualWay) {
		flags |= device.Late
		c.doubt = true
	}
	c.held = &reading{got, begin.Middle(), length, blur, flags}
}

// give appends the reading that was held, and before it what was lost.
func (c *counting) give(b *device.Batch) {
	r := c.held
	c.tellLost(b, r.begin)
	b.Begin = append(b.Begin, r.begin)
	b.Length = append(b.Length, r.length)
	b.Live = append(b.Live, r.length)
	b.Uncertainty = append(b.Uncertainty, r.blur)
	b.Flags = append(b.Flags, r.flags)
	for n, v := range r.value[:r.n] {
		var f device.ChannelFlags
		if v > c.most() {
			f = device.Suspect
		}
		b.Values[n] = append(b.Values[n], v)
		b.ValueFlags[n] = append(b.ValueFlags[n], f)
	}
	c.end, c.bad, c.held = r.begin+r.length, 0, nil
}

// tellLost notes the answers that were lost before a moment: a gap between two
// readings, an event before the first.
func (c *counting) tellLost(b *device.Batch, until int64) {
	switch {
	case c.lost == 0:
		return
	case c.end == 0:
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: c.clock(), What: "answer lost", Text: c.lostText,
		}})
	default:
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: &device.Gap{
			Cause: c.lostCause, Detail: c.lostText,
			Begin: c.end, Duration: max(0, until-c.end), Missing: c.lost, Known: true,
		}})
	}
	c.lost = 0
}

// fail hands out what is known when the port ends or the unit is given up. A reading
// whose settings turned out to be others is lost; one that waited only for the
// question to go out is as good as any.
func (c *counting) fail(b *device.Batch, err error) error {
	if c.held != nil && errors.Is(err, device.ErrChanged) {
		c.held = nil
		c.lost++
		c.lostCause, c.lostText = device.CauseDamaged, err.Error()
	}
	if c.held != nil {
		c.give(b)
	}
	c.tellLost(b, c.clock())
	return err
}
