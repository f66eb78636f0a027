package tdc1

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

const (
	identify    = "*idn?"
	lineEnd     = "\r\n"                 // ends a command
	answerLimit = 300 * time.Millisecond // text answers come within 10 ms
	settle      = 100 * time.Millisecond // after a command without an answer, as the maker's programs wait
	drainQuiet  = 300 * time.Millisecond // two marks of a stream without events are 134 ms apart, and one may be missing
)

// talk is a conversation with the unit while it is opened.
type talk struct {
	ctx   context.Context
	port  device.Port
	clock device.Clock

	buf   []byte   // received after the last line end
	sent  []string // commands, for the event that tells of the opening
	stray []byte   // the first that came, for error messages
	crlf  bool     // the last answer ended in CR LF
}

// drain reads until the unit is quiet and returns what came.
func (t *talk) drain() ([]byte, error) {
	t.buf = t.buf[:0]
	got, err := device.Drain(t.ctx, t.port, t.clock, drainQuiet, time.Second)
	t.note(got)
	return got, err
}

func (t *talk) note(b []byte) {
	if len(t.stray) < 64 {
		t.stray = append(t.stray, b[:min(len(b), 64)]...)
	}
}

// send writes a command.
func (t *talk) send(command string) error {
	if _, err := t.port.Write([]byte(command + lineEnd)); err != nil {
		return err
	}
	if command != "" {
		t.sent = append(t.sent, strconv.Quote(command))
	}
	return nil
}

// set writes a command that is not answered, and lets the unit take it in.
// Whatever it says to it is dropped.
func (t *talk) set(command string) error {
	if err := t.send(command); err != nil {
		return err
	}
	for end := t.clock() + int64(settle); ; {
		_, err := t.line(time.Duration(end - t.clock()))
		if errors.Is(err, device.ErrTimeout) {
			t.buf = t.buf[:0]
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line returns the next line within a time, without its LF. It is valid until
// the next call.
func (t *talk) line(limit time.Duration) ([]byte, error) {
	var chunk [512]byte
	for end := t.clock() + int64(limit); ; {
		if i := bytes.IndexByte(t.buf, '\n'); i >= 0 {
			line := bytes.Clone(t.buf[:i])
			t.buf = append(t.buf[:0], t.buf[i+1:]...)
			return line, nil
		}
		if len(t.buf) > maxLine {
			t.buf = t.buf[:0]
		}
		if err := t.ctx.Err(); err != nil {
			return nil, err
		}
		left := time.Duration(end - t.clock())
		if left <= 0 {
			return nil, device.ErrTimeout
		}
		n, _, err := t.port.Read(chunk[:], left)
		if err != nil {
			return nil, err
		}
		t.note(chunk[:n])
		t.buf = append(t.buf, chunk[:n]...)
	}
}

// ask sends a query once and returns the first line that is accepted; ok is false
// when none came in time.
func (t *talk) ask(query string, accept func(string) bool) (answer string, ok bool, err error) {
	t.buf = t.buf[:0]
	if err := t.send(query); err != nil {
		return "", false, err
	}
	for end := t.clock() + int64(answerLimit); ; {
		line, err := t.line(time.Duration(end - t.clock()))
		if errors.Is(err, device.ErrTimeout) {
			return "", false, nil
		}
		if err != nil {
			return "", false, err
		}
		trimmed, cr := trimLine(line)
		if text := string(trimmed); !strings.EqualFold(text, query) && accept(text) {
			t.crlf = cr
			return text, true, nil
		}
	}
}

// askTwice asks until the same answer came twice in succession: lines carry no
// checksum. It reports false when the unit gives no such answer.
func (t *talk) askTwice(query string, accept func(string) bool) (string, bool, error) {
	const most = 5
	last, known, silent := "", false, 0
	for range most {
		answer, ok, err := t.ask(query, accept)
		switch {
		case err != nil:
			return "", false, err
		case ok && known && answer == last:
			return answer, true, nil
		case !ok:
			if silent++; silent == 2 {
				return "", false, nil
			}
		}
		last, known = answer, ok
	}
	return "", false, nil
}

// transcript lists the commands sent, each once, in the order of the first time.
func (t *talk) transcript() string {
	var list []string
	seen := map[string]bool{}
	for _, c := range t.sent {
		if !seen[c] {
			list = append(list, c)
		}
		seen[c] = true
	}
	return "sent " + strings.Join(list, " ")
}
