package cd48

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
	commandPause = 50 * time.Millisecond // least distance of two commands
	answerLimit  = time.Second
	drainQuiet   = 150 * time.Millisecond // longer than the shortest repeat interval
)

// talk is a conversation with the box, while it is being opened or a setting is
// changed. It may repeat lines of counts at any moment.
type talk struct {
	ctx   context.Context
	port  device.Port
	clock device.Clock
	term  string
	until int64             // when waiting for answers ends at the latest; 0: never
	aside func(line []byte) // takes lines that are no answers; nil: they are dropped

	buf     []byte   // received after the last line end
	at      int64    // when the last of it came
	sent    []string // since it was begun
	command string   // sent last
	wrote   int64
	stray   []byte // what came that was no answer, for error messages
	crlf    bool   // lines of counts end in CR LF
	streams bool   // a line of counts came unasked
}

// drain reads until the box is quiet, and notes whether it repeats.
func (t *talk) drain() error {
	got, err := device.Drain(t.ctx, t.port, t.clock, drainQuiet, time.Second)
	if err != nil {
		return err
	}
	_, got, _ = bytes.Cut(got, []byte{'\n'}) // the first line may be torn
	for line := range bytes.Lines(got) {
		if line, ended := bytes.CutSuffix(line, []byte{'\n'}); ended {
			t.judge(line)
		}
	}
	return nil
}

// judge notes what an unasked line says of the box.
func (t *talk) judge(line []byte) {
	trimmed, cr := trimLine(line)
	if _, ok := parseCounts(trimmed); ok {
		t.streams, t.crlf = true, cr
	}
}

// unasked takes a line that is no answer to a question.
func (t *talk) unasked(line []byte) {
	if t.aside == nil {
		return
	}
	trimmed, _ := trimLine(line)
	if _, late := parseSettings(trimEcho(trimmed, "p")); !late && !isAck(trimEcho(trimmed, t.command), t.command) {
		t.aside(line)
	}
}

// send writes one command, not sooner than commandPause after the one before,
// and reads what comes in the pause after it.
func (t *talk) send(command string) error {
	if err := t.write(command); err != nil {
		return err
	}
	return t.pause()
}

func (t *talk) write(command string) error {
	if err := t.pause(); err != nil {
		return err
	}
	at, err := t.port.Write([]byte(command + t.term))
	if err != nil {
		return err
	}
	t.sent = append(t.sent, strconv.Quote(command+t.term))
	t.command, t.wrote = command, at
	return nil
}

// pause waits until commandPause has passed since the last command, by reading.
func (t *talk) pause() error {
	for t.wrote != 0 {
		left := commandPause - time.Duration(t.clock()-t.wrote)
		if left <= 0 {
			return nil
		}
		line, err := t.line(left)
		if errors.Is(err, device.ErrTimeout) {
			continue
		}
		if err != nil {
			return err
		}
		t.judge(line)
		t.unasked(line)
	}
	return nil
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
			t.unasked(t.buf)
			t.buf = t.buf[:0]
		}
		if err := t.ctx.Err(); err != nil {
			return nil, err
		}
		n, at, err := t.port.Read(chunk[:], max(0, time.Duration(end-t.clock())))
		if err != nil {
			return nil, err
		}
		t.at = at
		t.buf = append(t.buf, chunk[:n]...)
		if len(t.stray) < 64 {
			t.stray = append(t.stray, chunk[:n]...)
		}
	}
}

// ask sends a command and reads lines until one is accepted. It reports false
// when none came in time.
func (t *talk) ask(command string, limit time.Duration, accept func(line []byte, cr bool) bool) (bool, error) {
	if err := t.write(command); err != nil {
		return false, err
	}
	end := t.clock() + int64(limit)
	if t.until != 0 {
		end = min(end, t.until)
	}
	for {
		line, err := t.line(time.Duration(end - t.clock()))
		if errors.Is(err, device.ErrTimeout) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		trimmed, cr := trimLine(line)
		if accept(trimEcho(trimmed, command), cr) {
			return true, nil
		}
		t.unasked(line)
	}
}

// askSettings reads the settings with "p". Lines carry no checksum, so an
// answer counts when it came twice in succession. It reports false when there is
// none of a form known.
func (t *talk) askSettings() (settings, bool, error) {
	const most = 5
	var last settings
	known, silent := false, 0
	for range most {
		var s settings
		ok, err := t.ask("p", answerLimit/2, func(line []byte, _ bool) bool {
			var ok bool
			s, ok = parseSettings(line)
			return ok
		})
		if err != nil {
			return settings{}, false, err
		}
		if ok && known && s == last {
			return s, true, nil
		}
		if !ok {
			if silent++; silent == 2 {
				break
			}
		}
		known, last = ok, s
	}
	return settings{}, false, nil
}

// listen reports whether the box repeats, by waiting for a line for a time.
func (t *talk) listen(limit time.Duration) (bool, error) {
	t.streams = false
	for end := t.clock() + int64(limit); !t.streams; {
		line, err := t.line(time.Duration(end - t.clock()))
		if errors.Is(err, device.ErrTimeout) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		t.judge(line)
	}
	return true, nil
}

// transcript lists the commands sent.
func (t *talk) transcript() string {
	if len(t.sent) == 0 {
		return "nothing sent"
	}
	return "sent " + strings.Join(t.sent, " ")
}
