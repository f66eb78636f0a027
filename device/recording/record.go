package recording

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"photongate/device"
)

// recorder writes down what goes over a port.
type recorder struct {
	device.Port
	clock device.Clock
	begin int64

	mu     sync.Mutex // Close may come from another goroutine
	w      io.Writer
	ended  bool
	failed string // the failure written last, which comes again with every Read
	err    error  // of the first write that failed
}

// Record returns a port that works like p and writes what goes over it to w.
// Times are since begin, by the clock of p. What could not be written is told
// by Close; the port works on without it.
func Record(p device.Port, w io.Writer, clock device.Clock, begin int64, about About) device.Port {
	r := &recorder{Port: p, clock: clock, begin: begin, w: w}
	if about.Port == "" {
		about.Port = p.Name()
	}
	if _, r.err = fmt.Fprintln(w, header); r.err == nil {
		r.err = about.write(w)
	}
	return r
}

// Read implements device.Port.
func (r *recorder) Read(b []byte, timeout time.Duration) (int, int64, error) {
	n, at, err := r.Port.Read(b, timeout)
	switch {
	case n > 0:
		r.bytes(read, at, b[:n])
	case errors.Is(err, device.ErrTimeout):
		r.line(silence, at, "")
	case err != nil:
		r.failure(at, err)
	}
	return n, at, err
}

// Write implements device.Port.
func (r *recorder) Write(b []byte) (int64, error) {
	at, err := r.Port.Write(b)
	if err == nil {
		r.bytes(written, at, b)
	} else {
		r.failure(at, err)
	}
	return at, err
}

// Close implements device.Port.
func (r *recorder) Close() error {
	err := r.Port.Close()
	r.mu.Lock()
	first := !r.ended
	r.mu.Unlock()
	if first {
		r.line(closed, r.clock(), "")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	if err == nil && r.err != nil {
		err = fmt.Errorf("recording of %s is incomplete: %w", r.Name(), r.err)
	}
	return err
}

// failure writes down that the port failed, once. That it was closed is no
// failure.
func (r *recorder) failure(at int64, err error) {
	if errors.Is(err, device.ErrClosed) || err.Error() == r.failed {
		return
	}
	r.failed = err.Error()
	r.line(failure, at, strings.NewReplacer("\n", " ", "\r", " ").Replace(r.failed))
}

func (r *recorder) bytes(kind byte, at int64, b []byte) {
	for len(b) > 0 {
		n := min(len(b), maxBytes)
		r.line(kind, at, fmt.Sprintf("% x", b[:n]))
		b = b[n:]
	}
}

func (r *recorder) line(kind byte, at int64, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || r.ended {
		return
	}
	since := max(0, at-r.begin)
	line := fmt.Sprintf("%c %d.%09d %s", kind, since/1e9, since%1e9, text)
	_, r.err = fmt.Fprintln(r.w, strings.TrimRight(line, " "))
}
