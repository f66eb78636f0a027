package mccctr

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"photongate/device"
)

// reader reads in one of the ways there are.
type reader interface {
	read(b *device.Batch) error
	flush(b *device.Batch) // tells what is still held back
	close() error          // frees read
}

// source is an open USB-CTR.
type source struct {
	reader
	box    *opening
	desc   device.Description
	opened *device.Event
	failed error // returned again by every Read after the first failure
}

var _ device.Checker = (*source)(nil)

// Describe returns what the device said of itself.
func (s *source) Describe() device.Description { return s.desc }

// Close gives the device back and frees a blocked Read.
func (s *source) Close() error { return errors.Join(s.close(), s.box.usb.Close()) }

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
		s.flush(b)
		s.failed = explain("read", s.box.usb, err)
	}
	return s.failed
}

// Check implements device.Checker: it asks the counters for their settings.
func (s *source) Check() error {
	if s.failed != nil {
		return s.failed
	}
	was := s.box.now
	s.box.ctx = context.Background()
	err := s.box.askParams()
	now := s.box.now
	s.box.now = was
	switch {
	case err == nil && !slices.Equal(was, now):
		return explain("check", s.box.usb, fmt.Errorf("%w: counters were set %v and are %v", device.ErrChanged, was, now))
	case errors.Is(err, device.ErrGone), errors.Is(err, device.ErrClosed):
		return explain("check", s.box.usb, err)
	default:
		return nil // no clear answer
	}
}
