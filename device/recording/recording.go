// Package recording keeps what went over a port, both ways, in a text file, and
// plays it back as a port. A recording made on the bench becomes a test that
// needs no instrument.
//
// The file has a first line that names the format, comments behind "#", and one
// line per read or write: direction ("<" from the instrument, ">" to it), seconds
// since the recording began, and the bytes in hex:
//
//	photongate recording 1
//	# /dev/ttyACM0
//	> 0.000000000 63 0d
//	< 0.004210000 35 37 30 31 32 20 0d 0a
package recording

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"photongate/device"
)

const (
	header   = "photongate recording 1"
	maxBytes = 64 << 10 // of one line of a recording
)

// exchange is one read or write.
type exchange struct {
	toDevice bool
	at       time.Duration // since the begin
	bytes    []byte
}

// recorder writes down what goes over a port.
type recorder struct {
	device.Port
	clock device.Clock
	begin int64

	mu  sync.Mutex // Close may come from another goroutine
	w   io.Writer
	err error // of the first write that failed
}

// Record returns a port that works like p and writes what goes over it to w. What
// could not be written is told by Close; the port works on without it.
func Record(p device.Port, w io.Writer, clock device.Clock) device.Port {
	r := &recorder{Port: p, clock: clock, begin: clock(), w: w}
	_, r.err = fmt.Fprintf(w, "%s\n# %s\n", header, strings.ReplaceAll(p.Name(), "\n", " "))
	return r
}

// Read implements device.Port.
func (r *recorder) Read(b []byte, timeout time.Duration) (int, int64, error) {
	n, at, err := r.Port.Read(b, timeout)
	if n > 0 {
		r.note('<', at, b[:n])
	}
	return n, at, err
}

// Write implements device.Port.
func (r *recorder) Write(b []byte) (int64, error) {
	at, err := r.Port.Write(b)
	if err == nil {
		r.note('>', at, b)
	}
	return at, err
}

// Close implements device.Port.
func (r *recorder) Close() error {
	err := r.Port.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && r.err != nil {
		err = fmt.Errorf("recording of %s is incomplete: %w", r.Name(), r.err)
	}
	return err
}

func (r *recorder) note(direction byte, at int64, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := max(0, at-r.begin)
	for len(b) > 0 && r.err == nil {
		n := min(len(b), maxBytes)
		_, r.err = fmt.Fprintf(r.w, "%c %d.%09d % x\n", direction, since/1e9, since%1e9, b[:n])
		b = b[n:]
	}
}

// Recording is what went over a port.
type Recording struct {
	exchanges []exchange
}

// Parse reads a recording. Its errors name the line.
func Parse(r io.Reader) (*Recording, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 4*maxBytes)
	rec := &Recording{}
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		switch {
		case n == 1:
			if line != header {
				return nil, fmt.Errorf("line 1: this is no recording: expected %q", header)
			}
		case line == "" || line[0] == '#':
		default:
			e, err := parseExchange(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			if k := len(rec.exchanges); k > 0 && e.at < rec.exchanges[k-1].at {
				return nil, fmt.Errorf("line %d: time runs backwards", n)
			}
			rec.exchanges = append(rec.exchanges, e)
		}
	}
	return rec, s.Err()
}

func parseExchange(line string) (exchange, error) {
	part := strings.SplitN(line, " ", 3)
	if len(part) != 3 || part[0] != "<" && part[0] != ">" {
		return exchange{}, fmt.Errorf("expected a direction < or >, a time and bytes")
	}
	seconds, fraction, found := strings.Cut(part[1], ".")
	s, err := strconv.ParseUint(seconds, 10, 32)
	if err != nil || !found || len(fraction) != 9 {
		return exchange{}, fmt.Errorf("time %q: expected seconds with nine decimals", part[1])
	}
	ns, err := strconv.ParseUint(fraction, 10, 32)
	if err != nil {
		return exchange{}, fmt.Errorf("time %q: expected seconds with nine decimals", part[1])
	}
	b, err := hex.DecodeString(strings.ReplaceAll(part[2], " ", ""))
	if err != nil || len(b) == 0 {
		return exchange{}, fmt.Errorf("bytes %.40q: expected pairs of hexadecimal digits", part[2])
	}
	return exchange{part[0] == ">", time.Duration(s)*time.Second + time.Duration(ns), b}, nil
}
