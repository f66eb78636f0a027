package cd48

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"photongate/device"
)

// repeating reads the lines the box sends by itself.
type repeating struct {
	rows
	port  device.Port
	clock device.Clock
	term  string
	gate  time.Duration
	phase *device.Phase
	crlf  bool // lines end in CR LF

	buf        []byte // received and not yet taken: buf[start:end]
	start, end int
	at         int64

	skip      bool // the next line is the one within which the box was opened
	bad       int  // bytes discarded since the last line of counts
	badFields int  // numbers among them
	badDetail string
	lastGood  int64

	askedE   bool // the answer to "E" is still to come
	askedEAt int64
	overflow uint8 // status of the last line

	told      string // the command set last
	toldUntil int64  // until when its acknowledgement may come
}

const (
	repeatBuffer = 64 << 10
	badLimit     = 10 * time.Second // lines but none of counts for this long, and for three gates
)

func newRepeating(o *opening, gate time.Duration, r rows) *repeating {
	s := &repeating{
		rows: r, port: o.port, clock: o.clock, term: o.term, crlf: o.crlf,
		gate: gate, phase: device.NewPhase(gate, counters, 0),
		buf: make([]byte, repeatBuffer), skip: true, at: o.clock(),
	}
	s.lastGood = s.at
	s.end = copy(s.buf, o.buf)
	return s
}

// read implements reader.
func (s *repeating) read(b *device.Batch) error {
	if full, err := s.take(b); full || err != nil {
		return err
	}
	n, at, err := s.port.Read(s.buf[s.end:], device.MaxWait)
	switch {
	case errors.Is(err, device.ErrTimeout):
		s.phase.Tick(b, s.clock())
		return nil
	case err != nil:
		s.tellDamage()
		s.phase.Flush(b)
		return err
	}
	s.end, s.at = s.end+n, at
	_, err = s.take(b)
	return err
}

// take takes the lines received. It reports whether some are left because b is
// full.
func (s *repeating) take(b *device.Batch) (full bool, err error) {
	defer s.compact()
	added := 0
	defer func() { s.phase.Take(b, added, s.at) }()
	room := s.phase.Room(b)
	for {
		rest := s.buf[s.start:s.end]
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			if len(rest) > maxLine {
				s.discard(rest)
				s.start = s.end
			}
			return false, s.nonsense()
		}
		if added == room {
			return true, nil
		}
		line, cr := trimLine(rest[:i])
		if s.askedE {
			line = trimEcho(line, "E")
		}
		s.start += i + 1
		c, ok := parseCounts(line)
		switch {
		case s.skip:
			s.skip = isAck(line, "")
		case ok:
			if s.bad > 0 {
				s.phase.Take(b, added, s.at)
				room, added = room-added, 0
			}
			s.add(b, c, s.tellDamage()|s.endFlag(cr))
			added++
			s.lastGood = s.at
			if err := s.watchOverflow(b, c); err != nil {
				return false, err
			}
		case s.isAnswer(line):
		default:
			s.discard(rest[:i+1])
		}
	}
}

// compact moves what is left to the begin of the buffer.
func (s *repeating) compact() {
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
}

// endFlag flags a line whose end differs from the others': something is missing
// or was put in.
func (s *repeating) endFlag(cr bool) device.ReadingFlags {
	if cr != s.crlf {
		return device.Implausible
	}
	return 0
}

// isAnswer reports whether a line answers the "E" that was sent.
func (s *repeating) isAnswer(line []byte) bool {
	if isAck(line, "E") && (s.askedE || len(line) == 0) {
		return true
	}
	if s.askedE && len(bytes.Trim(line, "0123456789")) == 0 {
		s.askedE = false
		return true
	}
	if s.at < s.toldUntil {
		_, late := parseSettings(trimEcho(line, "p"))
		return late || isAck(trimEcho(line, s.told), s.told) || isAck(line, "p")
	}
	return false
}

// lend implements reader. Lines of counts that come in the conversation are kept.
func (s *repeating) lend(t *talk) error {
	t.buf = append(t.buf[:0], s.buf[s.start:s.end]...)
	s.start, s.end = 0, 0
	t.aside = func(line []byte) {
		s.keep(line)
		s.keep([]byte{'\n'})
	}
	if s.askedE {
		t.wrote = s.askedEAt
	}
	return nil
}

// giveBack implements reader.
func (s *repeating) giveBack(t *talk) {
	s.keep(t.buf)
	s.at = max(s.at, t.at)
	s.told, s.toldUntil = t.command, s.clock()+int64(answerLimit)
}

// keep puts bytes behind those that wait; what finds no room is damage.
func (s *repeating) keep(b []byte) {
	n := copy(s.buf[s.end:], b)
	s.end += n
	if n < len(b) {
		s.discard(b[n:])
	}
}

// discard notes bytes that are no line of counts.
func (s *repeating) discard(line []byte) {
	if s.bad == 0 {
		s.badDetail = "line " + device.ShowBytes(line)
	}
	s.bad += len(line)
	s.badFields += len(bytes.Fields(line))
}

// tellDamage tells the phase of what was discarded before a line of counts, and
// returns flags for that line: when less than a line was discarded, the rest of
// it may be what looks like a whole one.
func (s *repeating) tellDamage() device.ReadingFlags {
	if s.bad == 0 {
		return 0
	}
	const fields = counters + 1
	guess := int(math.Round(float64(s.badFields) / fields))
	s.phase.Damage(guess, device.CauseDamaged, fmt.Sprintf("%s (%d bytes discarded)", s.badDetail, s.bad))
	tainted := s.badFields < fields
	s.bad, s.badFields = 0, 0
	if tainted {
		return device.Implausible
	}
	return 0
}

// watchOverflow clears overflow flags with "E", once per line that shows them.
func (s *repeating) watchOverflow(b *device.Batch, c counts) error {
	was := s.overflow
	s.overflow = c.status
	if c.status == 0 || s.askedE && s.at-s.askedEAt < int64(answerLimit) {
		return nil
	}
	at, err := s.port.Write([]byte("E" + s.term))
	if err != nil {
		return err
	}
	s.askedE, s.askedEAt = true, at
	if was == 0 {
		b.Notes = append(b.Notes, overflowNote(b, at, c))
	}
	return nil
}

// overflowNote says that overflow flags are being cleared.
func overflowNote(b *device.Batch, at int64, c counts) device.Note {
	return device.Note{Row: b.Len(), Event: &device.Event{
		Time: at, What: "overflow cleared",
		Text: fmt.Sprintf("overflow byte %d: sent \"E\"", c.status),
	}}
}

// nonsense fails the source when what comes is no longer lines of counts.
func (s *repeating) nonsense() error {
	if s.bad == 0 || s.at-s.lastGood < int64(max(badLimit, 3*s.gate)) || s.badFields < 3*(counters+1) {
		return nil
	}
	return fmt.Errorf("%w: %d bytes and no line of nine numbers among them, first %s",
		device.ErrNonsense, s.bad, s.badDetail)
}
