package homebuilt

import (
	"fmt"
	"time"

	"photongate/device"
)

// clocked times readings that say how long their interval was, or what the
// instrument's own clock was at its end. Intervals follow each other; they are
// fitted from below to the latest arrivals, since bytes are never early.
type clocked struct {
	clock    bool // of the two ways
	unit     time.Duration
	decimals int
	nominal  int64 // length of an interval, where the file says; 0 when it does not

	begun   bool
	last    uint64 // clock of the last reading
	back    bool   // it went back there
	elapsed int64  // by the instrument, since the first reading
	edge    int64  // end of the last interval
	early   [keptArrivals]int64
	count   int
	late    int   // arrivals in a row that came much later than the others
	least   int64 // by how much at least
	pending []pending
	gap     *device.Gap
}

// pending is a reading whose times are still to be given.
type pending struct {
	length int64
	first  bool
	gap    *device.Gap // before it; its Begin is still to be given
}

const (
	// keptArrivals is how many arrivals the fit stands on.
	keptArrivals = 64
	// plainly is how many arrivals in a row must be late for readings to be missing,
	// and not only held up.
	plainly = 3
	// astrayNs is by how much they must be late at least.
	astrayNs = int64(250 * time.Millisecond)
	// wrapNear is from where on a clock of 32 bits may begin anew, as millis() does
	// after seven weeks.
	wrapNear = 0xF0000000
)

func newClocked(o *opening) *clocked {
	s := &clocked{clock: !o.f.Gate.Clock.IsZero(), unit: o.f.Gate.Unit, nominal: int64(o.gate)}
	if o.f.Text != nil && o.f.Text.Base == 10 {
		s.decimals = ownDecimals
	}
	return s
}

func (s *clocked) room(b *device.Batch) int { return device.MaxRows - b.Len() - len(s.pending) }

func (s *clocked) add(b *device.Batch, r *row, flags device.ReadingFlags) error {
	p := pending{length: scale(r.own[ownLength], s.unit, s.decimals), gap: s.gap}
	s.gap = nil
	if s.clock {
		length, err := s.sinceLast(r.own[ownClock], &flags)
		if err != nil {
			return err
		}
		p = s.byClock(p.gap, length)
	}
	switch {
	case p.first:
		flags |= device.First
	case p.length <= 0:
		p.length = 1
		flags |= device.Implausible
	}
	addValues(b, r, flags)
	s.pending = append(s.pending, p)
	return nil
}

// byClock is a reading whose clock went on by so much, -1 when that is not known.
// Behind lost readings this is longer than the interval.
func (s *clocked) byClock(gap *device.Gap, length int64) pending {
	switch {
	case length < 0:
		return pending{first: true, gap: gap}
	case s.nominal > 0 && length > s.nominal*3/2:
		if gap == nil {
			gap = &device.Gap{Cause: device.CauseLost, Detail: fmt.Sprintf("the instrument's clock went on by %v", time.Duration(length))}
		}
		gap.Duration = length - s.nominal
		gap.Missing, gap.Known = uint64((length-1)/s.nominal), true
		if k := (length + s.nominal/2) / s.nominal; k > 1 {
			gap.Missing = uint64(k - 1)
		}
		return pending{length: s.nominal, gap: gap}
	case gap != nil && s.nominal == 0:
		gap.Duration = length
		return pending{first: true, gap: gap}
	}
	return pending{length: length, gap: gap}
}

// sinceLast is how far the instrument's clock went on, -1 for the first reading.
func (s *clocked) sinceLast(now uint64, flags *device.ReadingFlags) (int64, error) {
	last := s.last
	s.last = now
	if !s.begun && len(s.pending) == 0 {
		return -1, nil
	}
	if now >= last {
		s.back = false
		return scale(now-last, s.unit, s.decimals), nil
	}
	unit := uint64(1)
	for range s.decimals {
		unit *= 10
	}
	if whole := last / unit; whole>>32 == 0 && whole >= wrapNear {
		return scale(now+unit<<32-last, s.unit, s.decimals), nil
	}
	if s.back {
		return 0, fmt.Errorf("%w: its clock went back again: the instrument began anew", device.ErrChanged)
	}
	s.back = true
	*flags |= device.Implausible
	return s.nominal, nil
}

// flush gives the readings that arrived together their times.
func (s *clocked) flush(b *device.Batch, at int64) {
	for i, p := range s.pending {
		if !s.begun {
			s.begun, s.edge = true, at-p.length
			if p.first {
				s.edge = at
			}
		}
		if p.gap != nil {
			s.tell(b, p.gap, p.gap.Duration)
		}
		if p.first {
			addTimes(b, s.edge, 0, 0, 0)
			continue
		}
		s.elapsed += p.length
		s.place(b, p.length, at, i == len(s.pending)-1)
	}
	s.pending = s.pending[:0]
}

// place puts one interval behind the last one, a little longer or shorter where
// they have left the arrivals. Own says that nothing arrived together behind it.
func (s *clocked) place(b *device.Batch, length, at int64, own bool) {
	offset := at - s.elapsed
	lowest := offset
	for _, v := range s.early[:min(s.count, keptArrivals)] {
		lowest = min(lowest, v)
	}
	if own && s.isLate(offset-lowest, length) {
		s.tell(b, &device.Gap{Cause: device.CauseLost,
			Detail: "the instrument's own intervals do not explain how late its bytes come; it may have been some readings earlier"}, s.least)
		s.late, offset = 0, at-s.elapsed
	}
	if own && s.late == 0 {
		s.early[s.count%keptArrivals] = offset
		s.count++
	}
	off := lowest + s.elapsed - (s.edge + length)
	slew := min(max(off, -length/1000), length/1000)
	addTimes(b, s.edge, length+slew, min(length, length+slew), max(off-slew, slew-off))
	s.edge += length + slew
}

// isLate watches arrivals, and reports whether so many in a row came so late that
// readings are missing.
func (s *clocked) isLate(by, length int64) bool {
	if by <= max(length/2, astrayNs) {
		s.late = 0
		return false
	}
	if s.late++; s.late == 1 || by < s.least {
		s.least = by
	}
	return s.late >= plainly
}

// tell notes a gap before the next reading.
func (s *clocked) tell(b *device.Batch, g *device.Gap, duration int64) {
	g.Begin, g.Duration = s.edge, duration
	b.Notes = append(b.Notes, device.Note{Row: len(b.Begin), Gap: g})
	s.edge += duration
	s.elapsed += duration
}

// damage notes what is to become a gap before the next reading.
func (s *clocked) damage(_ *device.Batch, guess int, sure bool, cause, detail string, _ int64) {
	if !s.begun {
		return
	}
	s.gap = &device.Gap{Cause: cause, Detail: detail}
	if sure {
		s.gap.Missing, s.gap.Known = uint64(guess), true
	}
	if s.nominal > 0 && !s.clock {
		s.gap.Duration = int64(guess) * s.nominal
	}
}

func (s *clocked) wait(int64) time.Duration { return device.MaxWait }

func (s *clocked) tick(*device.Batch, int64) {}

func (s *clocked) end(b *device.Batch) {
	if s.gap != nil {
		s.tell(b, s.gap, 0)
		s.gap = nil
	}
}
