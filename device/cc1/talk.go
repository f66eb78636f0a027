package cc1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

const (
	answerLimit = time.Second // for one answer; published clients wait longer, and find nothing more
	drainQuiet  = 100 * time.Millisecond
	maxJunk     = 5 // lines before an answer that are none, as published clients allow
	whoAreYou   = "FIRM?"
)

// errRefused is "Unknown Command" or "Unable to comply".
var errRefused = errors.New("the box refused")

// talk is a conversation with the box: one question, one line.
type talk struct {
	ctx   context.Context
	port  device.Port
	clock device.Clock
	until int64 // when waiting for answers ends at the latest; 0: never

	buf   []byte // received after the last line end
	chunk [512]byte
	first int64    // when the first of buf came; 0: buf is empty
	echo  bool     // the box sends commands back
	sent  []string // what was set, for the record
	stray []byte   // the first bytes that came, for error messages
}

// take adds bytes received.
func (t *talk) take(b []byte, at int64) {
	if len(t.buf) == 0 {
		t.first = at
	}
	t.buf = append(t.buf, b...)
	if len(t.stray) < 64 {
		t.stray = append(t.stray, b...)
	}
}

// cutLine removes the first line from what was received. It is valid until
// the next one is taken. Begun is when its first byte came.
func (t *talk) cutLine(at int64) (line []byte, begun int64, ok bool) {
	i := bytes.IndexByte(t.buf, '\n')
	if i < 0 {
		if len(t.buf) > maxLine {
			t.buf = t.buf[:0]
		}
		return nil, 0, false
	}
	line, begun = bytes.Clone(t.buf[:i]), t.first
	t.buf, t.first = append(t.buf[:0], t.buf[i+1:]...), at
	return trimLine(line), begun, true
}

// line returns the next line within a time.
func (t *talk) line(limit time.Duration) ([]byte, error) {
	for end := t.clock() + int64(limit); ; {
		if line, _, ok := t.cutLine(t.clock()); ok {
			return line, nil
		}
		if err := t.ctx.Err(); err != nil {
			return nil, err
		}
		n, at, err := t.port.Read(t.chunk[:], max(0, time.Duration(end-t.clock())))
		if err != nil {
			return nil, err
		}
		t.take(t.chunk[:n], at)
	}
}

func (t *talk) write(lines ...string) error {
	_, err := t.port.Write([]byte(strings.Join(lines, "\n") + "\n"))
	return err
}

// ask sends lines, of which the last is a question, and reads lines until one is
// accepted. Echoes are left out, and a few lines that nobody asked for. The error
// is device.ErrTimeout when no answer came, errRefused when it was none.
func (t *talk) ask(accept func(line []byte) bool, lines ...string) error {
	if err := t.write(lines...); err != nil {
		return err
	}
	end := t.clock() + int64(answerLimit)
	if t.until != 0 {
		end = min(end, t.until)
	}
	var refused error
	for junk := 0; junk <= maxJunk; {
		line, err := t.line(time.Duration(end - t.clock()))
		switch {
		case errors.Is(err, device.ErrTimeout) && refused != nil:
			return refused
		case err != nil:
			return err
		case isEcho(line, lines):
			t.echo = true
		case accept(line):
			return refused
		case isRefusal(line) && len(lines) == 1 && lines[0] != whoAreYou:
			return fmt.Errorf("%w: %s", errRefused, line)
		case isRefusal(line):
			refused = fmt.Errorf("%w: %s", errRefused, line)
		case len(line) > 0:
			junk++
		}
	}
	return device.ErrTimeout
}

// isEcho reports whether a line is one of those sent.
func isEcho(line []byte, lines []string) bool {
	return slices.Contains(lines, string(line))
}

// align asks for the firmware until it is said, so that no answer is owed any
// more: the box answers in the order it is asked.
func (t *talk) align(tries int) (fw firmware, err error) {
	accept := func(line []byte) bool {
		f, ok := parseFirmware(line)
		if ok {
			fw = f
		}
		return ok
	}
	for range tries {
		if err = t.ask(accept, whoAreYou); err == nil || errors.Is(err, errRefused) && fw.text != "" {
			return fw, nil
		}
		if !errors.Is(err, device.ErrTimeout) && !errors.Is(err, errRefused) {
			return fw, err
		}
	}
	return fw, err
}

// askItem asks for a setting until the same answer came twice in succession:
// lines carry no checksum. It reports false when the box does not say.
func (t *talk) askItem(it item, newer bool) (value string, ok bool, err error) {
	const most, mostSilent = 5, 2
	last, silent := "", 0
	for range most {
		err := t.ask(func(line []byte) (ok bool) { value, ok = it.parse(line, newer); return ok }, it.query)
		switch {
		case err == nil && value == last:
			return value, true, nil
		case err == nil:
			last = value
			continue
		case !errors.Is(err, device.ErrTimeout) && !errors.Is(err, errRefused):
			return "", false, err
		}
		if silent++; silent == mostSilent || t.until != 0 && t.clock() > t.until {
			return "", false, nil
		}
		if _, err := t.align(2); err != nil {
			return "", false, err
		}
	}
	return "", false, nil
}

// tell sends a command that sets something. An error that is errRefused: the
// box said so.
func (t *talk) tell(command string) error {
	t.sent = append(t.sent, strconv.Quote(command))
	return t.ask(func(line []byte) bool { _, ok := parseFirmware(line); return ok }, command, whoAreYou)
}

// transcript lists what was set.
func (t *talk) transcript() string {
	if len(t.sent) == 0 {
		return "nothing was set"
	}
	return "sent " + strings.Join(t.sent, " ")
}
