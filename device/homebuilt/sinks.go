package homebuilt

import (
	"math/bits"
	"time"

	"photongate/device"
)

// phased times readings that the instrument's own clock spaces evenly.
type phased struct {
	phase   *device.Phase
	added   int
	o       *opening
	pace    pace
	missing int   // by their numbers, before the readings added
	wrong   error // the gate is another one
}

func newPhased(o *opening) *phased {
	return &phased{
		phase: device.NewPhase(o.gate, len(o.f.Channels), 0), o: o,
		pace: pace{nominal: int64(o.gate), numbered: !o.f.Gate.Number.IsZero()},
	}
}

func (s *phased) room(b *device.Batch) int { return s.phase.Room(b) - s.added }

func (s *phased) add(b *device.Batch, r *row, flags device.ReadingFlags) error {
	if s.wrong != nil {
		return s.wrong
	}
	addValues(b, r, flags)
	s.added++
	return nil
}

// addMany implements blockSink.
func (s *phased) addMany(b *device.Batch, n int, flags device.ReadingFlags) error {
	if s.wrong != nil {
		return s.wrong
	}
	addFlags(b, n, flags)
	s.added += n
	return nil
}

func (s *phased) flush(b *device.Batch, at int64) {
	if s.added == 0 {
		return
	}
	s.phase.Take(b, s.added, at)
	if every := s.pace.came(s.added+s.missing, at); every > 0 && s.wrong == nil {
		s.wrong = gateWrong(s.o.port, s.o.f, every, s.o.gate)
	}
	s.added, s.missing = 0, 0
}

func (s *phased) damage(_ *device.Batch, guess int, sure bool, cause, detail string, _ int64) {
	s.phase.Damage(guess, cause, detail)
	if sure {
		s.missing += guess
	} else {
		s.pace.began = false // how many there were nobody knows
	}
}

func (s *phased) wait(int64) time.Duration { return device.MaxWait }

func (s *phased) tick(b *device.Batch, now int64) { s.phase.Tick(b, now) }

func (s *phased) end(b *device.Batch) { s.phase.Flush(b) }

// arriving takes the arrival of a line or record for the end of its interval.
type arriving struct {
	begun bool
	edge  int64
	added int
}

func (s *arriving) room(b *device.Batch) int { return device.MaxRows - b.Len() - s.added }

func (s *arriving) add(b *device.Batch, r *row, flags device.ReadingFlags) error {
	addValues(b, r, flags)
	s.added++
	return nil
}

// addMany implements blockSink.
func (s *arriving) addMany(b *device.Batch, n int, flags device.ReadingFlags) error {
	addFlags(b, n, flags)
	s.added += n
	return nil
}

// flush shares the time since the last arrival among readings that arrived
// together, to each the same: what is left over, less than a ns for each, is for
// those that come next.
func (s *arriving) flush(b *device.Batch, at int64) {
	n := int64(s.added)
	s.added = 0
	if n == 0 {
		return
	}
	flags := b.Flags[len(b.Flags)-int(n):]
	if !s.begun {
		s.begun, s.edge = true, at
		for i := range flags {
			flags[i] |= device.First
			addTimes(b, at, 0, 0, 0)
		}
		return
	}
	each := max((at-s.edge)/n, 1)
	if n > 1 {
		for i := range flags {
			flags[i] |= device.Late
		}
	}
	s.stamp(b, int(n), each, each*(n-1))
}

// stamp appends the times of n intervals of a length.
func (s *arriving) stamp(b *device.Batch, n int, each, uncertainty int64) {
	var begin, length, live, uncertain []int64
	b.Begin, begin = extend(b.Begin, n)
	b.Length, length = extend(b.Length, n)
	b.Live, live = extend(b.Live, n)
	b.Uncertainty, uncertain = extend(b.Uncertainty, n)
	edge := s.edge
	for i := range begin {
		begin[i] = edge
		edge += each
	}
	s.edge = edge
	for i := range length {
		length[i] = each
	}
	copy(live, length)
	for i := range uncertain {
		uncertain[i] = uncertainty
	}
}

func (s *arriving) damage(b *device.Batch, guess int, sure bool, cause, detail string, at int64) {
	if !s.begun {
		return
	}
	at = max(at, s.edge)
	gap := &device.Gap{Cause: cause, Detail: detail, Begin: s.edge, Duration: at - s.edge}
	if sure {
		gap.Missing, gap.Known = uint64(guess), true
	}
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: gap})
	s.edge = at
}

func (s *arriving) wait(int64) time.Duration { return device.MaxWait }

func (s *arriving) tick(*device.Batch, int64) {}

func (s *arriving) end(*device.Batch) {}

// events counts events in intervals of this computer's clock.
type events struct {
	bin    int64
	from   int64 // begin of the interval
	count  uint64
	marks  device.ReadingFlags
	begun  bool
	damned bool // something in the interval was no event
}

func (s *events) room(b *device.Batch) int { return device.MaxRows - b.Len() }

func (s *events) add(_ *device.Batch, r *row, flags device.ReadingFlags) error {
	s.count++
	s.marks |= flags &^ device.Implausible
	if flags&device.Implausible != 0 {
		s.damned = true
	}
	return nil
}

// addMany implements blockSink.
func (s *events) addMany(_ *device.Batch, n int, flags device.ReadingFlags) error {
	s.count += uint64(n)
	s.marks |= flags
	return nil
}

func (s *events) flush(*device.Batch, int64) {}

// damage flags the interval: how many events the bytes were nobody knows.
func (s *events) damage(b *device.Batch, _ int, _ bool, cause, detail string, at int64) {
	s.damned = true
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{Time: at, What: cause, Text: detail}})
}

func (s *events) wait(now int64) time.Duration {
	if !s.begun {
		s.begun, s.from = true, now
	}
	return time.Duration(max(s.from+s.bin-now, 0))
}

// tick ends an interval that is over.
func (s *events) tick(b *device.Batch, now int64) {
	length := now - s.from
	if !s.begun || length < s.bin {
		return
	}
	flags := s.marks
	if s.damned {
		flags |= device.Implausible
	}
	if length > s.bin+s.bin/2 && length-s.bin > int64(late) {
		flags |= device.Late
	}
	r := row{values: []uint64{s.count}, flags: []device.ChannelFlags{0}}
	addValues(b, &r, flags)
	addTimes(b, s.from, length, length, 0)
	s.from, s.count, s.marks, s.damned = now, 0, 0, false
}

func (s *events) end(*device.Batch) {}

// scale returns v steps of a unit in ns, where the last digits of v are decimals;
// at most the largest time there is.
func scale(v uint64, unit time.Duration, decimals int) int64 {
	div := uint64(1)
	for range decimals {
		div *= 10
	}
	high, low := bits.Mul64(v, uint64(unit))
	if high >= div {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(high, low, div)
	return int64(min(q, 1<<63-1))
}
