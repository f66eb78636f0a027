package labjack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

// source is an open U3 or U6.
type source struct {
	*talk
	box    *opening
	desc   device.Description
	rounds *device.Rounds
	opened *device.Event
	failed error // returned again by every Read after the first failure

	read32  []int // the counters that are read
	clears  bool
	values  []uint64
	last    []uint64 // values before
	lastAt  int64    // when these were asked for
	command []byte
	echo    byte
	pending bool  // an answer is due
	asked   int64 // begin of writing the question
	resent  int   // how often it was sent again
}

var _ device.Checker = (*source)(nil)

// Describe returns what the device said of itself.
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
		s.rounds.Flush(b, s.clock())
		s.failed = explain("read", s.usb, err)
	}
	return s.failed
}

// read asks, when it is time to, and takes the answer.
func (s *source) read(b *device.Batch) error {
	end := s.clock() + int64(device.MaxWait)
	if !s.pending {
		if due, err := s.rounds.Wait(); !due || err != nil {
			return err
		}
		s.echo++
		s.resent = 0
		if err := s.ask(); err != nil || !s.pending {
			return err
		}
	}
	for {
		limit := s.asked + int64(answerLimit)
		n, at, err := s.usb.In(endpointIn, s.buf, time.Duration(min(end, limit)-s.clock()))
		switch {
		case errors.Is(err, device.ErrTimeout) && s.clock() < limit:
			return nil // it is still due
		case err != nil:
			return s.lose(endpointIn, err)
		}
		fits, err := parseFeedback(s.buf[:n], s.echo, s.values)
		_, reported := errors.AsType[deviceCode](err)
		switch {
		case errors.Is(err, errResend) && s.resent < tries: // nothing was cleared
			s.resent++
			if err := s.ask(); err != nil || !s.pending {
				return err
			}
		case reported:
			return err
		case err != nil:
			s.pending = false
			return s.rounds.Lost(device.CauseDamaged, err.Error())
		case fits:
			return s.take(b, at)
		}
		if s.clock() >= end {
			return nil
		}
	}
}

// ask sends the question.
func (s *source) ask() error {
	s.command = appendFeedback(s.command, s.echo, s.read32, s.clears)
	s.asked, s.pending = s.clock(), true
	if _, err := s.usb.Out(endpointOut, s.command, device.MaxWait/4); err != nil {
		return s.lose(endpointOut, err)
	}
	return nil
}

// lose gives up an answer, unless the device is gone.
func (s *source) lose(endpoint uint8, err error) error {
	s.pending = false
	cause := device.CauseDamaged
	switch {
	case errors.Is(err, device.ErrTimeout):
		cause, err = device.CauseLost, fmt.Errorf("%w from endpoint %#02x", err, endpoint)
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

// take makes a reading of the answer.
func (s *source) take(b *device.Batch, at int64) error {
	s.pending = false
	for i, v := range s.values {
		if !s.clears && s.lastAt != 0 && !device.Reachable32(uint32(s.last[i]), uint32(v), time.Duration(at-s.lastAt)) {
			return fmt.Errorf("%w: the total of counter %d was %d and is %d: another program cleared it, or the device restarted",
				device.ErrChanged, s.read32[i], s.last[i], v)
		}
	}
	copy(s.last, s.values)
	s.lastAt = s.asked
	if !s.rounds.Answered(b, device.Bracket{From: s.asked, To: at}) {
		return nil
	}
	for c, v := range s.values {
		b.Values[c] = append(b.Values[c], v)
		b.ValueFlags[c] = append(b.ValueFlags[c], 0)
	}
	return nil
}

// Check implements device.Checker: it asks for the pins.
func (s *source) Check() error {
	if s.failed != nil || s.pending {
		return s.failed
	}
	s.ctx = context.Background()
	now, err := s.box.askPins(nil)
	switch {
	case err == nil && now != s.box.now:
		return explain("check", s.usb, fmt.Errorf("%w: pins were %v and are %v", device.ErrChanged, s.box.now, now))
	case errors.Is(err, device.ErrGone), errors.Is(err, device.ErrClosed):
		return explain("check", s.usb, err)
	default:
		return nil // no clear answer
	}
}
