package recording

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"photongate/device"
)

// ErrDeviation says that a driver wrote something else than what was recorded.
var ErrDeviation = errors.New("not what was recorded")

// Playback is a port that plays a recording: it gives the bytes that were read,
// when they were read or as fast as they are asked for, and wants those written
// that were written. After the end the device has gone away.
type Playback struct {
	clock device.Clock
	fast  bool
	begin int64

	mu      sync.Mutex
	rest    []exchange
	closed  bool
	closing chan struct{}
}

var _ device.Port = (*Playback)(nil)

// Port returns a port that plays the recording. Fast gives bytes without waiting
// for their time, but never before the writes they followed.
func (r *Recording) Port(clock device.Clock, fast bool) *Playback {
	p := &Playback{clock: clock, fast: fast, begin: clock(), closing: make(chan struct{})}
	for _, e := range r.exchanges {
		e.bytes = bytes.Clone(e.bytes)
		p.rest = append(p.rest, e)
	}
	return p
}

// Read implements device.Port.
func (p *Playback) Read(b []byte, timeout time.Duration) (int, int64, error) {
	for end := p.clock() + int64(timeout); ; {
		n, wait, err := p.next(b)
		now := p.clock()
		if n > 0 || err != nil {
			return n, now, err
		}
		left := time.Duration(end - now)
		if left <= 0 {
			return 0, now, device.ErrTimeout
		}
		timer := time.NewTimer(min(wait, left))
		select {
		case <-timer.C:
		case <-p.closing:
			timer.Stop()
		}
	}
}

// next reads what is due, or says how long it is until something is.
func (p *Playback) next(b []byte) (n int, wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return 0, 0, device.ErrClosed
	case len(p.rest) == 0:
		return 0, 0, device.ErrGone
	case p.rest[0].toDevice:
		return 0, time.Hour, nil // the driver's turn; who reads is the one who writes
	}
	e := &p.rest[0]
	if wait = e.at - time.Duration(p.clock()-p.begin); wait > 0 && !p.fast {
		return 0, wait, nil
	}
	n = copy(b, e.bytes)
	if e.bytes = e.bytes[n:]; len(e.bytes) == 0 {
		p.rest = p.rest[1:]
	}
	return n, 0, nil
}

// Write implements device.Port. Bytes the instrument had sent before, and which
// the driver did not wait for, are dropped.
func (p *Playback) Write(b []byte) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.clock()
	if p.closed {
		return at, device.ErrClosed
	}
	for len(p.rest) > 0 && !p.rest[0].toDevice {
		p.rest = p.rest[1:]
	}
	if len(p.rest) == 0 {
		return at, fmt.Errorf("%w: wrote %s after the end", ErrDeviation, device.ShowBytes(b))
	}
	if !bytes.Equal(p.rest[0].bytes, b) {
		return at, fmt.Errorf("%w: wrote %s instead of %s", ErrDeviation, device.ShowBytes(b), device.ShowBytes(p.rest[0].bytes))
	}
	p.begin = at - int64(p.rest[0].at) // answers come as long after the question as they did
	p.rest = p.rest[1:]
	return at, nil
}

// Discard implements device.Port: what would have arrived by now is dropped.
func (p *Playback) Discard() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.rest) > 0 && !p.rest[0].toDevice && p.rest[0].at <= time.Duration(p.clock()-p.begin) && !p.fast {
		p.rest = p.rest[1:]
	}
	return nil
}

// Left returns how many reads and writes were not played.
func (p *Playback) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.rest)
}

// Name implements device.Port.
func (p *Playback) Name() string { return "recording" }

// Close implements device.Port.
func (p *Playback) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	return nil
}
