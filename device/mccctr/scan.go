package mccctr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

const (
	transfers   = 32                    // of a scan, kept under way
	packetTime  = 20 * time.Millisecond // a packet holds scans of this long at most
	mostSamples = 256                   // in a packet
	statusEvery = int64(time.Second)    // how often the device is asked whether it could keep up
	silence     = 2 * time.Second       // without a packet, beside three gates
)

// scanning reads what the device sends by its own clock.
type scanning struct {
	*talk
	counters []int
	gate     time.Duration
	stream   device.USBStream
	phase    *device.Phase
	buf      []byte
	scan     []uint64
	last     []uint64
	began    bool
	at       int64 // of the last packet
	asked    int64 // when the status was asked for
}

// newScanning starts a scan.
func newScanning(o *opening) (*scanning, error) {
	if err := o.stopScan(); err != nil {
		return nil, err
	}
	e, err := o.usb.Info().Endpoint(endpointIn)
	if err != nil {
		return nil, err
	}
	list, last := scanList(o.counters)
	if err := o.tell(reqScanList, 0, last, list[:]); err != nil {
		return nil, err
	}
	stream, err := o.usb.Stream(endpointIn, e.MaxPacket, transfers)
	if err != nil {
		return nil, err
	}
	start := scanStart(o.gate, samplesOf(o.gate, len(o.counters), e.MaxPacket))
	if err := o.tell(reqScanStart, 0, 0, start); err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	now := o.clock()
	o.limit = readLimit
	return &scanning{
		talk: o.talk, counters: o.counters, gate: o.gate, stream: stream, phase: device.NewPhase(o.gate, len(o.counters), 0),
		buf: make([]byte, e.MaxPacket), last: make([]uint64, len(o.counters)), at: now, asked: now,
	}, nil
}

// samplesOf is how many samples make a packet: whole scans, one at low rates, which
// would wait for a packet to fill otherwise.
func samplesOf(gate time.Duration, counters, maxPacket int) int {
	scan := banks * counters
	n := min(int(packetTime/gate), min(mostSamples, maxPacket/2)/scan)
	return max(n, 1) * scan
}

func (s *scanning) flush(b *device.Batch) { s.phase.Flush(b) }

func (s *scanning) close() error { return s.stream.Close() }

func (s *scanning) read(b *device.Batch) error {
	s.ctx = context.Background()
	if s.phase.Room(b) < len(s.buf)/counterBytes {
		return nil
	}
	n, at, err := s.stream.Read(s.buf, device.MaxWait-readLimit)
	now := s.clock()
	idle := errors.Is(err, device.ErrTimeout)
	switch {
	case idle:
		s.phase.Tick(b, now)
	case err != nil:
		return err
	default:
		if err := s.take(b, s.buf[:n], at); err != nil {
			return err
		}
	}
	if now-s.asked >= statusEvery {
		s.asked = now
		return s.watch(now, idle)
	}
	return nil
}

// take makes readings of a packet: whole scans.
func (s *scanning) take(b *device.Batch, p []byte, at int64) error {
	size := counterBytes * len(s.counters)
	if len(p)%size != 0 {
		return fmt.Errorf("%w: a packet of %d bytes, expected whole scans of %d", device.ErrNonsense, len(p), size)
	}
	for ; len(p) > 0; p = p[size:] {
		s.scan = appendScan(s.scan[:0], p[:size])
		if err := grown(s.counters, s.last, s.scan); err != nil {
			return err
		}
		copy(s.last, s.scan)
		for i, v := range s.scan {
			b.Values[i] = append(b.Values[i], v)
			b.ValueFlags[i] = append(b.ValueFlags[i], 0)
		}
		flags := device.First
		if s.began {
			flags = 0
		}
		b.Flags = append(b.Flags, flags)
		s.began, s.at = true, at
		if len(p) == size {
			s.phase.Take(b, s.held(b), at)
		}
	}
	return nil
}

// held is how many readings at the end of b have no times yet.
func (s *scanning) held(b *device.Batch) int { return len(b.Flags) - len(b.Begin) }

// watch asks whether the device could send all. Idle says that nothing waits to be
// read.
func (s *scanning) watch(now int64, idle bool) error {
	status, err := s.status()
	switch {
	case errors.Is(err, device.ErrGone), errors.Is(err, device.ErrClosed):
		return err
	case err != nil:
		return nil // asked again in a second
	case status&statusOverrun != 0:
		return &device.Error{Op: "scan", Port: s.usb.Name(), Err: fmt.Errorf("%w: scan overrun, status %04x", device.ErrNonsense, status),
			Hint: "the computer could not keep up; the scan is started anew, a longer gate or fewer counters help"}
	case idle && (status&statusPacer == 0 || now-s.at > int64(silence+3*s.gate)):
		return fmt.Errorf("%w: the scan stands still, status %04x", device.ErrTimeout, status)
	}
	return nil
}
