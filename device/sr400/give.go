package sr400

import (
	"fmt"
	"time"

	"photongate/device"
)

// give gives the reading of a point that is complete, with what the status byte
// says of it, and goes on to the next.
func (s *scan) give(b *device.Batch, a answer) {
	bits := a.value
	s.events |= bits
	if s.byLast() && bits&statusReady != 0 { // another point was completed since it was waited for
		s.counts = [2]int64{notReady, notReady}
	}
	if s.byLast() && s.counts[0] == notReady && !s.signed {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: s.clock(), What: "counts not known", Text: fmt.Sprintf("point %d, the last of the scan: another may have been completed before it was read", s.m)}})
	}
	var flags device.ReadingFlags
	if s.events&statusRate != 0 {
		flags |= device.Short // gates that came too fast were left out
	}
	if bits&statusPanel != 0 {
		flags |= device.Mixed
		s.changed = true
	} else if s.changed || s.doubt {
		flags |= device.Unverified
	}
	s.tell(b, bits)
	s.add(b, flags)
	s.after(b)
	if due, timed := s.due(); timed && a.first < due.From || !timed && !s.late {
		s.events = 0 // the next is not complete yet, and they are not of it
	}
}

// ended is when the running period ended.
func (s *scan) ended() device.Bracket {
	at, fits := s.seen, true
	if due, ok := s.due(); ok {
		at, fits = due.Narrow(s.seen)
	}
	if s.known && at.Middle() <= s.begins.Middle() {
		at = device.Bracket{From: s.begins.Middle() + 1, To: max(at.To, s.begins.Middle()+1)}
	}
	switch {
	case s.period == 0:
	case fits:
		s.learn(at)
	default: // it was paused, or the period is another
		s.forget()
	}
	return at
}

// add appends a reading. Of the first point of a scan that was joined the begin is
// known as well as a period is long; where nobody knows that, it only sets the
// begin of the next.
func (s *scan) add(b *device.Batch, flags device.ReadingFlags) {
	at := s.ended()
	defer func() { s.begins, s.known = at, true }()
	if !s.known {
		if s.period == 0 {
			return
		}
		s.begins = at.After(1, -time.Duration(s.period), -time.Duration(s.period))
	}
	begin, length := s.begins.Middle(), at.Middle()-s.begins.Middle()
	live := length - s.dwell
	switch {
	case s.gate > 0:
		live = s.gate
	case s.dwell == 0:
		flags |= device.Short // the pause is an external signal's
	case s.first:
		live = length
	}
	least := s.period
	if least == 0 {
		least = length
	}
	if 10*max(s.begins.Half(), at.Half()) > least {
		flags |= device.Late
	}
	for c := range b.Values {
		v, f := s.counts[c], device.ChannelFlags(0)
		if s.events&statusOverflow != 0 {
			f |= device.Overflow
		}
		if v < 0 && (!s.signed || v == notReady) {
			v, f = 0, device.Absent
		}
		b.Values[c] = append(b.Values[c], uint64(v))
		b.ValueFlags[c] = append(b.ValueFlags[c], f)
	}
	b.Begin = append(b.Begin, begin)
	b.Length = append(b.Length, length)
	b.Live = append(b.Live, min(max(live, 0), length))
	b.Uncertainty = append(b.Uncertainty, s.begins.Half())
	b.Flags = append(b.Flags, flags)
}

// tell tells what the status byte says besides.
func (s *scan) tell(b *device.Batch, bits int64) {
	for _, e := range []struct {
		bit        int64
		what, text string
	}{
		{statusPanel, "changed on the panel", "a parameter was changed on the front panel"},
		{statusOverflow, "overflow", "a counter ran over; which one is not said"},
		{statusRate, "rate error", "gates came faster than the instrument can"},
		{statusRecall, "recall error", "settings stored in the instrument were lost"},
		{statusCommand, "command error", "the instrument took a command for illegal"},
	} {
		if bits&e.bit != 0 {
			b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
				Time: s.clock(), What: e.what, Text: fmt.Sprintf("point %d: %s (status byte %d)", s.m, e.text, bits)}})
		}
	}
}

// after goes on to the next point, or the next scan.
func (s *scan) after(b *device.Batch) {
	s.next()
	if s.m <= s.points {
		return
	}
	s.m, s.first, s.stale = 1, true, false
	switch {
	case s.again:
		s.wrapped = true
	case s.start:
		s.stage = starting
	default:
		s.stage = resting
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: s.clock(), What: "scan finished",
			Text: fmt.Sprintf("all %d periods are read; the instrument stops, until somebody presses START", s.points)}})
	}
}
