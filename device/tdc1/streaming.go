package tdc1

import (
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

const (
	streamBuffer = device.MaxTags / inputs * recordBytes // its records give MaxTags at most
	lookEvery    = 20 * time.Millisecond                 // how often the port is seen to be empty
	freshTime    = int64(60 * time.Millisecond)          // bytes are from now when it was empty so short a time ago
	holdTime     = int64(150 * time.Millisecond)         // what leaves a doubt waits so long for more; markers are 134 ms apart
	holdMost     = int64(700 * time.Millisecond)         // and so long for enough to judge by
	stillTime    = int64(5 * time.Second)                // without a record, not even a marker
	tailRecords  = 8                                     // too few to judge by
)

// streaming reads the stream of time stamps. Bytes that leave a doubt are held
// back until more have come, for holdMost at the longest.
type streaming struct {
	port  device.Port
	clock device.Clock
	stamps
	tie  tie
	pace int64  // ticks between two records, of late; 0: not known
	was  uint64 // tick before what was given last
	loss uint64 // begin of the last loss

	until uint64 // what was given last came to

	buf   []byte
	held  int   // bytes at its begin
	again int   // so many are to be held before they are looked at again
	since int64 // when the first of them came
	fresh bool  // the port was empty just before

	at    int64 // when the last bytes came
	empty int64 // when the port was last seen to be empty
	hoard bool  // the unit was seen to hold records back itself
	standstill
}

// newStreaming reads on behind the beginning of a stream, which ended in a part of a
// record.
func newStreaming(port device.Port, clock device.Clock, m marks, part []byte) *streaming {
	now := clock()
	s := &streaming{port: port, clock: clock, stamps: stamps{marks: m}, buf: make([]byte, streamBuffer), since: now, at: now, empty: now}
	s.looked = now
	s.held = copy(s.buf, part)
	return s
}

// stop tells the unit to end the stream.
func (s *streaming) stop() error {
	_, err := s.port.Write([]byte(stopStream + lineEnd))
	return err
}

// fill reads what has come, and waits for it no longer than device.MaxWait.
func (s *streaming) fill(b *device.Batch) error {
	for end := s.clock() + int64(device.MaxWait); ; {
		now := s.clock()
		if now >= end {
			return nil
		}
		wait := min(time.Duration(end-now), lookEvery)
		n, at, err := s.port.Read(s.buf[s.held:], wait)
		s.look(now, at)
		switch {
		case errors.Is(err, device.ErrTimeout):
			s.empty = min(at, now+int64(wait))
			err = s.quiet(b, at)
		case err != nil:
			_ = s.settle(b, s.at, true, holdMost) // that the port has gone says more
			return err
		default:
			first := s.held < recordBytes
			if first {
				s.since, s.fresh = at, s.caughtUp(at)
			}
			if s.held, s.at = s.held+n, at; first && s.held >= recordBytes {
				s.arrive(at, s.held)
			}
			age := at - s.since
			if s.held == len(s.buf) {
				age = holdMost
			}
			err = s.settle(b, at, false, age)
		}
		if err != nil || b.Tags.At != 0 || len(b.Notes) > 0 {
			return err
		}
	}
}

// quiet judges what is held back when nothing more has come.
func (s *streaming) quiet(b *device.Batch, at int64) error {
	if s.held >= recordBytes {
		return s.settle(b, s.at, true, at-s.since)
	}
	if at-s.at > stillTime {
		return device.Anew("no record has come for %v, not even a marker: the stream ended, or the unit fell silent", time.Duration(stillTime))
	}
	return nil
}

// settle makes tags of what is held, whose last bytes came at a time, as far as
// there is no doubt. Drained says that nothing more waits in the port; age, since
// when the first of it waits for more.
func (s *streaming) settle(b *device.Batch, at int64, drained bool, age int64) error {
	p := s.buf[:s.held]
	if len(p) < recordBytes || len(p) < s.again && !drained && age < holdTime {
		return nil
	}
	before, rows := s.stamps, len(b.Tags.Tick)
	c := s.take(p, &b.Tags)
	if s.dense() && s.wide(c) && int64(s.tick-before.tick)-int64(c.records)*s.pace > period/2 {
		c.odd += 2 // one word that is wrong, and a wrap that is none behind it, where times are late
	}
	lag := s.tie.lag(at, s.tick)
	late := lag > s.tie.slow() && (drained || s.missed(lag) <= 0 && c.apart > 0 || s.wide(c))
	if c.odd == 0 && !late && lag >= -s.tie.slow()/2 {
		if why := s.overdue(lag, at); why != "" {
			s.stamps = before
			undo(&b.Tags, rows)
			return s.lost(b, why)
		}
		if age >= holdTime || !s.leap(c) {
			s.give(b, before, len(p), c, at)
			return nil
		}
		s.stamps = before
		undo(&b.Tags, rows)
		if c.last > 0 {
			s.take(p[:c.last*recordBytes], &b.Tags)
			s.give(b, before, c.last*recordBytes, course{records: c.last}, at)
			s.since, s.fresh = at, false
		}
		return nil
	}
	s.stamps = before
	undo(&b.Tags, rows)
	s.again = s.held + s.held/4
	return s.doubt(b, c, lag, at, drained, age)
}

// leap reports whether a course ends soon behind a long step among short ones: the
// words behind it may be cut in the wrong place, and are too few to tell.
func (s *streaming) leap(c course) bool {
	return s.dense() && c.apart > 0 && c.records-c.last <= tailRecords
}

// dense reports whether records follow each other closely of late.
func (s *streaming) dense() bool { return s.pace != 0 && s.pace < calm/8 }

// give hands out the tags that were taken of so many bytes.
func (s *streaming) give(b *device.Batch, before stamps, used int, c course, at int64) {
	used -= used % recordBytes
	records := c.records
	if before.begun && s.hole(c) {
		s.damage(b, device.CauseLost, c.before, c.before+uint64(c.widest), fmt.Sprintf("no record for %v, just when the line stood still: some may be missing",
			time.Duration(c.widest)*tickNs))
	}
	s.weigh(c, before.tick, s.tie.lag(at, s.tick), at)
	span := s.tick - before.tick
	if before.begun && s.fresh && s.since == at && records > 1 && span > (mostSlow+periodNs)/tickNs {
		s.hoard = true // they span more than two markers, and came at once
	}
	s.held = copy(s.buf, s.buf[used:s.held])
	switch {
	case !before.begun || records < 2*tailRecords && span > period/16:
		s.pace = 0
	case records >= 2*tailRecords:
		s.pace = max(1, int64(span)/int64(records))
	}
	s.was, s.again = before.tick, 0
	if !s.wary {
		s.tie.learn(at, s.tick)
	}
	s.until = max(s.until, s.top)
	b.Tags.Until, b.Tags.At = s.until, at
	s.since, s.fresh = at, false // of what is left
}

// doubt decides what to make of bytes whose course is not as it should be.
func (s *streaming) doubt(b *device.Batch, c course, lag, at int64, drained bool, age int64) error {
	must := age >= holdTime && c.records >= tailRecords-2 || age >= holdMost
	missed := s.missed(lag)
	full := s.held == len(s.buf)
	if missed > 0 && c.odd <= 1 && !(full && (c.odd > 0 || !s.caughtUp(at))) {
		if !full && (age < holdMost || !drained && !s.caughtUp(at)) {
			return nil // where it only came late the rest follows, and soon it is in time again
		}
		if !full && s.provable(missed, lag, at) {
			return s.silence(b, uint64(missed), at)
		}
		return s.lost(b, fmt.Sprintf("by the computer's clock it wrapped %d times unseen, and when is not known: records were lost, or it sends more than arrives (lower the rates)", missed))
	}
	if c.odd > 0 && s.onwards(b, at) {
		return nil
	}
	// No more than late or early: a wrap too many would be ahead by a whole period, but
	// while little is known of delays other leads may be of those before, which were late.
	whole := (leastSlow-lag)%periodNs < 2*leastSlow
	plain := c.odd == 0 && (lag > s.tie.slow()-periodNs || s.tie.young(at) && !whole)
	if sure := c.records >= 2*tailRecords && !s.dense(); plain && lag < 0 && sure { // in such a number none is cut in the wrong place
		before := s.stamps
		s.take(s.buf[:s.held], &b.Tags)
		s.give(b, before, s.held, c, at)
		return nil
	}
	switch {
	case plain && lag > 0 && age < holdTime, !must && plain && lag < 0 && s.pace == 0:
		return nil
	case (!plain || lag < 0) && s.repair(b, at, drained, must), age < holdTime:
		return nil
	case plain:
		before := s.stamps
		c = s.take(s.buf[:s.held], &b.Tags)
		s.give(b, before, s.held, c, at)
		return nil
	case !must:
		return nil
	}
	return s.lost(b, fmt.Sprintf("%d bytes are no records that follow those before: %s", s.held, device.ShowBytes(s.buf[:s.held])))
}

// provable reports whether it is sure that so many wraps passed before the first of what
// is held: what came before was in time, and so is this one then, which came alone and
// when the port was empty.
func (s *streaming) provable(missed, lag, at int64) bool {
	slow := s.tie.slow()
	first := s.tie.lag(s.since, s.next(s.buf)) - missed*periodNs
	return s.fresh && s.alone && !s.wary && !s.hoard && !s.tie.young(at) && slow < mostSlow/2 && lag-missed*periodNs <= slow && first >= -slow/2 && first <= slow
}

// onwards takes the records in if none is odd once falls of the time by less than
// 33.5 ms are wraps: there is one where a marker is missing just before the end of a
// silent period. Among records that follow each other closely it is damage.
func (s *streaming) onwards(b *device.Batch, at int64) bool {
	if s.dense() || s.wary {
		return false
	}
	before, rows := s.stamps, len(b.Tags.Tick)
	s.onward = true
	c := s.take(s.buf[:s.held], &b.Tags)
	s.onward = false
	if lag := s.tie.lag(at, s.tick); c.odd == 0 && lag >= -s.tie.slow()/2 && lag <= s.tie.slow() {
		s.give(b, before, s.held, c, at)
		return true
	}
	s.stamps = before
	undo(&b.Tags, rows)
	return false
}

// silence takes in records after a silence in which the unit's time wrapped.
func (s *streaming) silence(b *device.Batch, wraps uint64, at int64) error {
	before := s.stamps
	s.stood = false // it is told of here
	s.later(wraps)
	first := s.next(s.buf)
	s.damage(b, device.CauseLost, before.tick, first+1, fmt.Sprintf("no record for %v, in which markers are missing: by the computer's clock the unit's time wrapped %d times unseen",
		time.Duration(first-before.tick)*tickNs, wraps))
	c := s.take(s.buf[:s.held], &b.Tags)
	s.give(b, before, s.held, c, at)
	return nil
}

// next is the tick of the record that p begins with.
func (s *streaming) next(p []byte) uint64 {
	trial := s.stamps
	var none device.Tags
	trial.take(p[:recordBytes], &none)
	return trial.tick
}

// lost gives up the unit's time.
func (s *streaming) lost(b *device.Batch, why string) error {
	if s.wary && s.waryFrom < s.top {
		s.damage(b, device.CauseDamaged, s.waryFrom, s.top+1, "times given out since may be wrong by whole periods of 268 ms: "+why)
	} else {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: &device.Gap{Cause: device.CauseDamaged, Detail: why, Begin: s.timeOf(s.tick)}})
	}
	s.held = 0
	return device.Anew("the unit's time is lost: %s", why)
}

// damage tells that tags may be missing between records of two ticks; out of order they
// may be a little beyond.
func (s *streaming) damage(b *device.Batch, cause string, from, to uint64, detail string) {
	s.loss = max(from-min(from, backwards), s.loss) // in order
	from = max(from, s.loss)
	to = max(from, to)
	b.Tags.Losses = append(b.Tags.Losses, device.Loss{From: s.loss, To: to + backwards, Channel: -1})
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: &device.Gap{
		Cause: cause, Detail: detail, Begin: s.timeOf(from), Duration: int64(to-from) * tickNs,
	}})
}

// timeOf is about when a tick was, of the time base.
func (s *streaming) timeOf(tick uint64) int64 { return int64(tick)*tickNs + s.tie.low() }
