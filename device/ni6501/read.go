package ni6501

import (
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

// source is an open USB-6501.
type source struct {
	*talk
	desc   device.Description
	rounds *device.Rounds
	opened *device.Event
	failed error // returned again by every Read after the first failure

	pending bool   // an answer is due
	unclear bool   // what comes may answer an earlier question
	asked   int64  // begin of writing the question
	last    uint32 // total
	at      int64  // when it was asked for
}

// Describe returns what is known of the device.
func (s *source) Describe() device.Description { return s.desc }

// Close gives the device back and frees a blocked Read.
func (s *source) Close() error {
	s.rounds.Close()
	return s.usb.Close()
}

// Read implements device.Source.
func (s *source) Read(b *device.Batch) error {
	if s.opened != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.opened})
		s.opened = nil
	}
	if s.failed != nil {
		return s.failed
	}
	if err := s.read(b); err != nil {
		s.failed = explain("read", s.usb, err)
	}
	return s.failed
}

// read asks, when it is time to, and takes the answer.
func (s *source) read(b *device.Batch) error {
	end := s.clock() + int64(device.MaxWait)
	if s.unclear {
		if err := s.drain(); err != nil {
			return s.lose(s.in, err)
		}
		s.unclear = false
		return nil
	}
	if !s.pending {
		if due, err := s.rounds.Wait(); !due || err != nil {
			return err
		}
		s.asked, s.pending = s.clock(), true
		if _, err := s.usb.Out(s.out, cmdRead, device.MaxWait/4); err != nil {
			return s.lose(s.out, err)
		}
	}
	limit := s.asked + int64(answerLimit)
	n, at, err := s.usb.In(s.in, s.buf, time.Duration(min(end, limit)-s.clock()))
	if errors.Is(err, device.ErrTimeout) && s.clock() < limit {
		return nil // it is still due
	}
	if err != nil {
		return s.lose(s.in, err)
	}
	total, err := parseTotal(s.buf[:n])
	if err != nil {
		return s.lose(s.in, err)
	}
	return s.take(b, total, at)
}

// lose gives up an answer, unless the device is gone.
func (s *source) lose(endpoint uint8, err error) error {
	s.pending, s.unclear = false, true
	cause := device.CauseDamaged
	switch {
	case errors.Is(err, device.ErrTimeout):
		cause = device.CauseLost
	case errors.Is(err, device.ErrStall):
		if clear := s.usb.ClearHalt(endpoint); clear != nil {
			return clear
		}
	case errors.Is(err, device.ErrBus), errors.Is(err, device.ErrNonsense):
	default:
		return err
	}
	return s.rounds.Lost(cause, err.Error())
}

// take makes a reading of a total.
func (s *source) take(b *device.Batch, total uint32, at int64) error {
	s.pending = false
	if !device.Reachable32(s.last, total, time.Duration(at-s.at)) {
		return fmt.Errorf("%w: the total was %d and is %d %v later: another program set it, or the device restarted",
			device.ErrChanged, s.last, total, time.Duration(at-s.at).Round(time.Millisecond))
	}
	s.last, s.at = total, s.asked
	s.rounds.Answered(b, device.Bracket{From: s.asked, To: at})
	b.Values[0] = append(b.Values[0], uint64(total))
	b.ValueFlags[0] = append(b.ValueFlags[0], 0)
	return nil
}
