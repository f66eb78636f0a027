package h11890

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"photongate/device"
)

const (
	// silence is how long nothing may come, beside three integrations.
	silence = 5 * time.Second
	// stopLimit is how long Close waits for the head to take the word.
	stopLimit = 100 * time.Millisecond
)

// source is an H11890 that counts.
type source struct {
	usb    device.USBDevice
	clock  device.Clock
	out    uint8
	stream device.USBStream
	buf    []byte
	desc   device.Description
	opened *device.Event
	failed error // returned again by every Read after the first failure

	gate     time.Duration
	phase    *device.Phase
	next     uint32 // index of the next packet
	last     int64  // when one came
	overload bool   // bit 15 says so

	once sync.Once
}

// Describe returns what the head said of itself.
func (s *source) Describe() device.Description { return s.desc }

// Close stops the count, gives the device back and frees a blocked Read. Read uses
// nothing but the stream, so the head can be told meanwhile. One that is not told
// goes on, and is stopped when it is opened again.
func (s *source) Close() (err error) {
	s.once.Do(func() {
		_, _ = s.usb.Out(s.out, cmdStop, stopLimit)
		err = errors.Join(s.stream.Close(), s.usb.Close())
	})
	return err
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
		s.phase.Flush(b)
		s.failed = explain("read", s.usb, err)
	}
	return s.failed
}

// read takes the next packet.
func (s *source) read(b *device.Batch) error {
	if s.phase.Room(b) == 0 {
		return nil
	}
	n, at, err := s.stream.Read(s.buf, device.MaxWait)
	if errors.Is(err, device.ErrTimeout) {
		now := s.clock()
		s.phase.Tick(b, now)
		if quiet := time.Duration(now - s.last); quiet > silence+3*s.gate {
			return fmt.Errorf("%w: the head sent nothing for %v", err, quiet.Round(time.Second))
		}
		return nil
	}
	if err != nil {
		return err
	}
	p, err := parsePacket(s.buf[:n])
	if err != nil {
		s.phase.Damage(0, device.CauseDamaged, err.Error())
		return nil
	}
	return s.take(b, p, at)
}

// take makes a reading of a packet.
func (s *source) take(b *device.Batch, p packet, at int64) error {
	if p.tag < s.next {
		return fmt.Errorf("%w: integration %d came, expected %d: the head began anew", device.ErrChanged, p.tag, s.next)
	}
	missing := p.tag - s.next
	if quiet := at - s.last + int64(silence); int64(missing) > quiet/int64(s.gate) {
		return fmt.Errorf("%w: integration %d came, expected %d, and there was no time for as many", device.ErrNonsense, p.tag, s.next)
	}
	s.last = at
	if missing > 0 {
		s.phase.Damage(int(missing), device.CauseLost, fmt.Sprintf("integration %d came, expected %d", p.tag, s.next))
	}
	s.next = p.tag + 1
	var flag device.ChannelFlags
	if s.overload && p.value&overloadBit != 0 {
		flag = device.Overflow
	}
	b.Values[0] = append(b.Values[0], uint64(p.value))
	b.ValueFlags[0] = append(b.ValueFlags[0], flag)
	b.Flags = append(b.Flags, 0)
	s.phase.Take(b, 1, at)
	return nil
}
