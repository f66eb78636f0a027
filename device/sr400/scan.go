package sr400

import (
	"fmt"
	"time"

	"photongate/device"
)

const (
	// clockPart is by which part the instrument's clock may be off, and overhead how
	// much longer than gate and dwell a period may be: neither is documented.
	clockPart = 10000
	overhead  = 2 * time.Millisecond
	// idleEvery is how often an instrument that does not count is asked.
	idleEvery = 500 * time.Millisecond
	// overdueLeast is how late a point may be before something else is looked for.
	overdueLeast = time.Second
	overdueBlind = 5 * time.Second // where nobody knows when it is due
	// pollPause is between two questions where nobody knows when a point is due.
	pollPause = 5 * time.Millisecond
)

// stage is what a scan does.
type stage int

const (
	waiting  stage = iota // for point m: QA m is -1
	readingA              // its counts
	readingB
	status   // SS, which tells what happened in it
	skipping // QA m+1: is the one after it there already?
	looking  // QA m-1: are those before it still there?
	starting // CR;CS;SS
	resting  // SI 2: does it count?
	proving  // a mark: was all that in step?
)

// scan reads the points of a scan by their number. That can be repeated, so that
// nothing that gets lost on the way, and no delay of this computer, costs a count:
// the instrument keeps up to 2000 points. Each is asked for until it was the same
// twice, since lines carry no checksum.
//
// A period ends between the last question that was answered -1 and the first one
// that was not. As all periods of a scan are alike, they narrow down together when
// (device.Bracket).
type scan struct {
	*poller
	clock  device.Clock
	onlyA  bool
	signed bool
	start  bool // scans are started by us
	again  bool // the instrument starts them again itself
	points int  // of a scan
	gate   int64
	dwell  int64
	period int64 // 0: not known
	doubt  bool  // settings are not known to be in force

	stage   stage
	m       int // the point that is next
	begins  device.Bracket
	known   bool  // when its period began is known
	not     int64 // when the last question was written that was answered "not yet"
	soon    int64 // when to ask again
	took    int64 // how long a question takes
	seen    device.Bracket
	counts  [2]int64
	before  [2]int64
	twice   bool   // the point was read once, as in before
	proves  stage  // what the mark is asked for
	said    answer // in that
	events  int64  // status bits that may belong to points not read yet
	late    bool   // the point was complete when it was first asked for
	looked  int64  // when it was looked for something else last; 0: it was not overdue
	first   bool   // the point is the first of a scan
	wrapped bool   // which the instrument began by itself
	stale   bool   // the buffer holds the points of the scan before
	changed bool   // settings may have been changed on the panel

	anchor  device.Bracket // end of a period of this scan
	periods int64          // since then
	short   int64          // bounds of a period, as learned
	long    int64
}

func newScan(o *opening, onlyA bool) scan {
	s := scan{
		poller: o.poller, clock: o.clock, onlyA: onlyA, signed: o.says("mode") == modes[1],
		start: o.want["start"] == true, again: o.says("at_end") == ends[1],
		points: int(o.value("periods", maxPoints)), doubt: o.unverified() || o.poller.blind,
		m: o.next, begins: o.begins, known: o.known,
	}
	gate, timed := o.timed()
	s.dwell = int64(o.value("dwell", 0) * 1e9)
	if timed {
		s.gate = int64(gate)
		if s.dwell > 0 {
			s.period = s.gate + s.dwell
			s.forget()
		}
	}
	s.first = s.m == 1
	if o.idle {
		s.stage = resting
	}
	return s
}

func (s *scan) read(b *device.Batch) error { return s.poll(b, s) }

// forget takes for the length of a period what the settings say.
func (s *scan) forget() {
	s.periods = 0
	s.short = s.period - s.period/clockPart
	s.long = s.period + s.period/clockPart + int64(overhead)
}

// learn narrows the length of a period by the ends of several.
func (s *scan) learn(at device.Bracket) {
	if s.periods == 0 {
		s.anchor = at
	} else {
		s.short = max(s.short, (at.From-s.anchor.To)/s.periods)
		s.long = min(s.long, (at.To-s.anchor.From)/s.periods+1)
		if s.short > s.long {
			s.forget()
			s.anchor = at
		}
	}
	s.periods++
}

// due is when the running period ends, as far as is known. Before the first of a
// scan there is no pause, or nobody knows whether there is.
func (s *scan) due() (device.Bracket, bool) {
	if s.period == 0 || !s.known {
		return device.Bracket{}, false
	}
	short, long := s.short, s.long
	if s.first {
		short -= s.dwell
	}
	if s.first && !s.wrapped {
		long -= s.dwell
	}
	return s.begins.After(1, time.Duration(short), time.Duration(long)), true
}

// question implements asker.
func (s *scan) question() (text string, when int64) {
	switch s.stage {
	case waiting:
		when = s.soon
		due, timed := s.due()
		probe := s.first && s.wrapped && !s.stale && s.not == 0 // is the buffer cleared?
		if timed && !probe {                                    // so that the answer halves what is not known
			when = max(when, due.Middle()-s.took/2)
		}
		if s.byStatus() {
			return "SS 1", when
		}
		return s.point('A'), when
	case readingB:
		return s.point('B'), 0
	case status:
		return "SS", 0
	case skipping:
		return fmt.Sprintf("QA %d", s.m+1), 0
	case looking:
		return fmt.Sprintf("QA %d", s.m-1), 0
	case starting:
		return startCommand, 0
	case resting:
		return countingQuestion, s.soon
	case proving:
		return marks[s.mark], 0
	default:
		return s.point('A'), 0
	}
}

// point asks for the counts of the point. The last one of a scan after which the
// instrument goes on by itself may be gone from the buffer as soon as it is
// complete: it is asked for as the one completed last.
func (s *scan) point(counter byte) string {
	if s.byLast() {
		return "Q" + string(counter)
	}
	return fmt.Sprintf("Q%c %d", counter, s.m)
}

// byLast reports whether the point is asked for as the one completed last.
func (s *scan) byLast() bool { return s.again && s.m == s.points }

// byStatus reports whether the point is waited for by the bit "data ready".
func (s *scan) byStatus() bool { return s.stale || s.byLast() }

// answered implements asker.
func (s *scan) answered(b *device.Batch, a answer) error {
	s.took = max(a.first-a.wrote, s.took/2)
	switch s.stage {
	case waiting:
		return s.waited(b, a)
	case readingA:
		if a.value == notReady && !s.byStatus() { // it was there, and is gone
			s.stage = waiting
			return nil
		}
		s.counts[0] = a.value
		s.stage = readingB
		if s.onlyA {
			return s.complete(a.first)
		}
	case readingB:
		s.counts[1] = a.value
		return s.complete(a.first)
	case status:
		s.awaitMark(b, a)
	case proving:
		s.proved(b, s.proves, s.said)
	case skipping:
		switch {
		case a.value != notReady: // this one has no count, the next one has
			s.absent(device.Bracket{From: s.from(), To: a.first})
		case s.m > 1:
			s.stage = looking
		default:
			s.stage, s.not = resting, 0
		}
	case looking:
		s.stage = waiting
		if a.value == notReady {
			return fmt.Errorf("%w: the counters were reset, or a new scan began: point %d of this one is gone", device.ErrChanged, s.m-1)
		}
	case starting:
		s.awaitMark(b, a)
	case resting:
		s.rested(b, a)
	}
	return nil
}

// awaitMark keeps an answer until a mark shows that the conversation was in step.
func (s *scan) awaitMark(b *device.Batch, a answer) {
	if s.blind {
		s.proved(b, s.stage, a)
		return
	}
	s.stage, s.proves, s.said = proving, s.stage, a
}

// proved takes an answer for what it seemed to be.
func (s *scan) proved(b *device.Batch, of stage, a answer) {
	switch of {
	case status:
		s.give(b, a)
	case starting:
		s.begin(device.Bracket{From: a.wrote, To: a.first})
	case resting: // it counts
		from := s.not
		s.begin(device.Bracket{From: from, To: a.first})
		s.known = from != 0
	}
}

// lost implements asker. What was said since the last mark may have been the answers to
// other questions. Points can be asked for again, but the status is cleared by reading
// it.
func (s *scan) lost(b *device.Batch, why string, inStep bool) error {
	if inStep && s.stage == proving {
		s.proved(b, s.proves, s.said)
		return nil
	}
	of := s.stage
	if of == proving {
		of = s.proves
	}
	if of == status && (s.wasting || s.stage == proving) {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: s.clock(), What: "status not known", Text: why + ": had a counter run over just now, it would not be known"}})
	}
	s.twice, s.not = false, 0
	switch _, timed := s.due(); {
	case of == starting || of == resting:
		s.stage = of
	case of != waiting && s.byLast() && !timed: // nobody can tell any more whether it is the last
		s.absent(device.Bracket{From: s.from(), To: s.clock()})
	default:
		s.stage = waiting
	}
	return nil
}

// absent takes the point for one without counts.
func (s *scan) absent(seen device.Bracket) {
	s.seen, s.counts, s.stage = seen, [2]int64{notReady, notReady}, status
}

// from is before when the running period cannot have ended.
func (s *scan) from() int64 {
	from := max(s.not, s.begins.From)
	if due, ok := s.due(); ok && s.not == 0 {
		from = due.From
	}
	return from
}

// waited takes an answer to whether the point is complete.
func (s *scan) waited(b *device.Batch, a answer) error {
	due, timed := s.due()
	ready := a.value != notReady
	if s.byStatus() {
		ready = a.value == 1 || timed && a.wrote > due.To+s.period/2 // or the bit was lost on the way
	}
	switch {
	case ready && s.wrapped && s.first && !s.byStatus() && (!timed || a.first <= due.To):
		s.stale = true // point 1 is there when it should not be yet
		if !timed {
			return fmt.Errorf("%w: it began a new scan, its buffer still holds the old one, and nobody knows when a period ends; name start = true, at_end = \"stop\"", device.ErrNonsense)
		}
		return nil
	case s.again && timed && a.first > due.From+int64(s.points)*s.short:
		return errTooLate
	case ready && s.byLast() && timed && a.first > due.From+s.short:
		s.absent(due) // the next may be complete
		return nil
	case ready && !s.known && s.not == 0 && s.m < s.points: // it was complete before anybody looked
		s.next()
		return nil
	case ready:
		return s.ready(a)
	}
	s.not, s.events, s.soon = a.wrote, 0, a.first
	if !timed {
		s.soon += int64(pollPause)
	}
	s.overdue(a.wrote, due, timed)
	return nil
}

// ready takes the first answer that shows that the point is complete.
func (s *scan) ready(a answer) error {
	s.late = s.not == 0
	s.seen = device.Bracket{From: s.from(), To: a.first}
	s.stage, s.twice = readingA, false
	if s.byStatus() {
		return nil
	}
	s.counts[0] = a.value
	if s.stage = readingB; s.onlyA {
		return s.complete(a.first)
	}
	return nil
}

// errTooLate says that the next scan has come to where the point was, or may have.
var errTooLate = fmt.Errorf("%w: this computer asked too late, and points of the scan are overwritten", device.ErrChanged)

// overdue looks for something else when a point is late: it may have no count, or
// the counters were reset, or the instrument does not count.
func (s *scan) overdue(now int64, due device.Bracket, timed bool) {
	patience := int64(overdueBlind)
	if timed {
		patience = max(int64(overdueLeast), s.period/2)
	}
	switch {
	case timed && now < due.To+patience:
		return
	case s.looked == 0:
		s.looked = now
		if !timed {
			return
		}
	case now < s.looked+patience:
		return
	}
	s.looked = now
	s.soon += int64(pollPause)
	switch {
	case s.byStatus():
	case s.m < s.points:
		s.stage = skipping
	case s.m > 1:
		s.stage = looking
	}
}

// complete compares the counts with those read before, and asks for them again
// where there are none.
func (s *scan) complete(now int64) error {
	if s.again && s.period > 0 && now > s.seen.From+int64(s.points)*s.short {
		return errTooLate
	}
	if s.twice && s.counts == s.before {
		s.stage = status
		return nil
	}
	s.before, s.twice, s.stage = s.counts, true, readingA
	return nil
}

// begin takes the begin of a scan.
func (s *scan) begin(at device.Bracket) {
	s.next()
	s.m, s.begins, s.known, s.first, s.wrapped, s.stale = 1, at, true, true, false, false
	s.forget()
}

// next goes on to the next point.
func (s *scan) next() {
	s.m++
	s.stage, s.not, s.soon, s.looked, s.first = waiting, 0, 0, 0, false
}

// rested takes an answer to whether the instrument counts.
func (s *scan) rested(b *device.Batch, a answer) {
	if a.value == 1 {
		s.awaitMark(b, a)
		return
	}
	s.not, s.soon = a.wrote, a.first+int64(idleEvery)
}
