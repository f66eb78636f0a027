// Package recording keeps what went over a port, both ways, in a text file, and
// plays it back as a port. A recording made on the bench becomes a test that
// needs no instrument.
//
// The file has a first line that names the format, comments behind "#", and one
// line per call of the port: what happened, seconds since the recording began,
// and what belongs to it. Comments of the form "# key: value" before the first
// of these say what was recorded; see [About].
//
//	photongate recording 1
//	# driver: cd48
//	# port: /dev/ttyACM0
//	> 0.000000000 63 0d                      written, bytes in hex
//	< 0.004210000 35 37 30 31 32 20 0d 0a    read
//	- 0.254210000                            a read found nothing until then
//	! 1.500000000 device went away           the port failed
//	. 1.500000000                            closed by the reader itself
package recording

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

const (
	header   = "photongate recording 1"
	maxBytes = 64 << 10 // of one line of a recording
)

// Kinds of lines.
const (
	written = '>'
	read    = '<'
	silence = '-'
	failure = '!'
	closed  = '.'
)

// entry is one line.
type entry struct {
	kind  byte
	at    time.Duration // since the begin
	bytes []byte        // of written and read
	text  string        // of failure
}

// Recording is what went over a port.
type Recording struct {
	// About says what was recorded, as far as the file tells.
	About About

	entries  []entry
	silences bool // the file tells which reads found nothing
}

// Exchanges returns what was read and written.
func (r *Recording) Exchanges() []device.Exchange {
	var list []device.Exchange
	for _, e := range r.entries {
		if e.kind == written || e.kind == read {
			list = append(list, device.Exchange{Sent: e.kind == written, At: e.at, Bytes: e.bytes})
		}
	}
	return list
}

// End returns when the last thing recorded happened, since the begin.
func (r *Recording) End() time.Duration {
	if len(r.entries) == 0 {
		return 0
	}
	return r.entries[len(r.entries)-1].at
}

// Parse reads a recording. Its errors name the line.
func Parse(r io.Reader) (*Recording, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 4*maxBytes)
	rec := &Recording{}
	n := 1
	for ; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		switch {
		case n == 1:
			if line != header {
				return nil, fmt.Errorf("line 1: this is no recording: expected %q", header)
			}
		case line == "":
		case line[0] == '#':
			if len(rec.entries) == 0 {
				if err := rec.About.parse(line); err != nil {
					return nil, fmt.Errorf("line %d: %w", n, err)
				}
			}
		default:
			e, err := parseEntry(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			if e.at < rec.End() {
				return nil, fmt.Errorf("line %d: time runs backwards", n)
			}
			rec.entries = append(rec.entries, e)
			rec.silences = rec.silences || e.kind == silence
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n, err)
	}
	if n == 1 {
		return nil, fmt.Errorf("line 1: this is no recording: the file is empty")
	}
	return rec, nil
}

func parseEntry(line string) (entry, error) {
	part := strings.SplitN(line, " ", 3)
	if len(part) < 2 || len(part[0]) != 1 || !strings.Contains("><-!.", part[0]) {
		return entry{}, fmt.Errorf("expected one of > < - ! . and a time")
	}
	at, err := parseTime(part[1])
	if err != nil {
		return entry{}, err
	}
	e := entry{kind: part[0][0], at: at}
	rest := ""
	if len(part) == 3 {
		rest = part[2]
	}
	switch e.kind {
	case written, read:
		e.bytes, err = hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		if err != nil || len(e.bytes) == 0 {
			return entry{}, fmt.Errorf("bytes %.40q: expected pairs of hexadecimal digits", rest)
		}
	case failure:
		e.text = rest
	}
	return e, nil
}

func parseTime(text string) (time.Duration, error) {
	seconds, fraction, found := strings.Cut(text, ".")
	s, err := strconv.ParseUint(seconds, 10, 32)
	if err != nil || !found || len(fraction) != 9 {
		return 0, fmt.Errorf("time %q: expected seconds with nine decimals", text)
	}
	ns, err := strconv.ParseUint(fraction, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("time %q: expected seconds with nine decimals", text)
	}
	return time.Duration(s)*time.Second + time.Duration(ns), nil
}
