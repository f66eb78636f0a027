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

const (
	// lateness is how much later than asked for a read may have come back when
	// it was recorded, since the computer had other things to do.
	lateness = 250 * time.Millisecond
	// earliness is the same the other way: timers are rounded.
	earliness = 2 * time.Millisecond
)

// Playback is a port that plays a recording: it gives the bytes that were read
// and wants those written that were written. Its time is the recording's: no
// call waits, and each one moves the time on to when the same call came back as
// it was recorded, so that a driver does now what it did then. At the end of the
// recording the port is closed.
type Playback struct {
	name string

	mu     sync.Mutex
	now    time.Duration
	rest   []entry
	exact  bool // silences are recorded
	closed bool
}

var _ device.Port = (*Playback)(nil)

// Play returns a port that plays the recording, from the begin.
func (r *Recording) Play() *Playback {
	p := &Playback{name: r.About.Port, exact: r.silences}
	if p.name == "" {
		p.name = "recording"
	}
	for _, e := range r.entries {
		e.bytes = bytes.Clone(e.bytes)
		p.rest = append(p.rest, e)
	}
	return p
}

// Clock is the time of the recording, in nanoseconds since its begin.
func (p *Playback) Clock() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.now)
}

// Read implements device.Port.
func (p *Playback) Read(b []byte, timeout time.Duration) (int, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, int64(p.now), device.ErrClosed
	}
	n, err := p.next(b, p.now+max(timeout, 0))
	return n, int64(p.now), err
}

// next does what a read that may last until deadline did.
func (p *Playback) next(b []byte, deadline time.Duration) (int, error) {
	for len(p.rest) > 0 {
		e := &p.rest[0]
		latest := deadline
		if p.exact || e.kind == failure {
			latest += lateness
		}
		switch {
		case e.kind == written: // the driver's turn; who reads is the one who writes
			return p.nothing(deadline)
		case e.kind == silence && e.at < deadline-earliness:
			p.rest = p.rest[1:] // a shorter wait than this one
			continue
		case e.at > latest:
			return p.nothing(deadline)
		}
		p.now = max(p.now, e.at)
		return p.give(e, b)
	}
	p.now = max(p.now, deadline)
	return 0, device.ErrClosed
}

func (p *Playback) nothing(deadline time.Duration) (int, error) {
	p.now = max(p.now, deadline)
	return 0, device.ErrTimeout
}

// give returns what a read returned.
func (p *Playback) give(e *entry, b []byte) (int, error) {
	switch e.kind {
	case silence:
		p.rest = p.rest[1:]
		return 0, device.ErrTimeout
	case failure:
		return 0, recordedError(e.text)
	case closed:
		return 0, device.ErrClosed
	}
	n := copy(b, e.bytes)
	if e.bytes = e.bytes[n:]; len(e.bytes) == 0 {
		p.rest = p.rest[1:]
	}
	return n, nil
}

// recordedError is why a port failed when it was recorded.
type recordedError string

func (e recordedError) Error() string { return string(e) }

// Unwrap returns device.ErrGone: whatever it was, the port could be used no
// more.
func (e recordedError) Unwrap() error { return device.ErrGone }

// Write implements device.Port. Bytes the instrument had sent before, and which
// the driver did not wait for, are dropped.
func (p *Playback) Write(b []byte) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return int64(p.now), device.ErrClosed
	}
	for len(p.rest) > 0 && (p.rest[0].kind == read || p.rest[0].kind == silence) {
		p.rest = p.rest[1:]
	}
	if len(p.rest) > 0 && p.rest[0].kind == failure {
		return int64(p.now), recordedError(p.rest[0].text)
	}
	if len(p.rest) == 0 || p.rest[0].kind == closed {
		return int64(p.now), fmt.Errorf("%w: wrote %s after the end", ErrDeviation, device.ShowBytes(b))
	}
	if want := p.rest[0].bytes; !bytes.Equal(want, b) {
		return int64(p.now), fmt.Errorf("%w: wrote %s instead of %s", ErrDeviation, device.ShowBytes(b), device.ShowBytes(want))
	}
	// Answers come as long after the question as they did, also when it is asked
	// later than it was.
	if late := p.now - p.rest[0].at; late > 0 {
		for i := range p.rest {
			p.rest[i].at += late
		}
	}
	p.now = p.rest[0].at
	p.rest = p.rest[1:]
	return int64(p.now), nil
}

// Discard implements device.Port. What was thrown away when it was recorded is
// not in the recording.
func (p *Playback) Discard() error { return nil }

// Left returns how many reads and writes were not played.
func (p *Playback) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, e := range p.rest {
		if e.kind == read || e.kind == written {
			n++
		}
	}
	return n
}

// Name implements device.Port.
func (p *Playback) Name() string { return p.name }

// Close implements device.Port.
func (p *Playback) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}
