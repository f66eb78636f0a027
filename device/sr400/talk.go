package sr400

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"photongate/device"
)

const (
	answerLimit = time.Second
	quietTime   = 150 * time.Millisecond // after trouble, until the instrument owes nothing any more
)

// errEcho says that the instrument sends back what it receives.
var errEcho = errors.New("the instrument sends back what it is sent")

// talk is a conversation with the instrument: one question, one number.
type talk struct {
	ctx     context.Context
	port    device.Port
	clock   device.Clock
	adapter bool  // a Prologix-style one is between
	until   int64 // when waiting for answers ends at the latest; 0: never
	amiss   bool  // an answer did not come, or none that is a number: it may be owed

	buf   []byte
	chunk [256]byte
	sent  []string // what was set or started, for the record
	stray []byte   // the first bytes that came, for error messages
}

// write sends a command. An adapter takes lines that end in LF.
func (t *talk) write(command string) error {
	end := "\r"
	if t.adapter {
		end = "\n"
	}
	_, err := t.port.Write([]byte(command + end))
	return err
}

// tell sends a command that nothing answers. An adapter that asks the instrument
// to talk after each command would wait in vain, so it does not for once.
func (t *talk) tell(command string) error {
	t.sent = append(t.sent, strconv.Quote(command))
	if !t.adapter {
		return t.write(command)
	}
	return t.write("++auto 0\n" + command + "\n++auto 1")
}

// take adds bytes received, and keeps the first.
func (t *talk) take(b []byte) {
	t.buf = append(t.buf, b...)
	if len(t.stray) < 64 {
		t.stray = append(t.stray, b...)
	}
}

// cut removes the first line that is not empty from what was received. It is valid
// until the next is taken.
func (t *talk) cut() (line []byte, ok bool) {
	for {
		line, size, found := cutLine(t.buf)
		if !found {
			if len(t.buf) > maxLine {
				t.buf = t.buf[:0]
			}
			return nil, false
		}
		line = append([]byte(nil), line...)
		t.buf = append(t.buf[:0], t.buf[size:]...)
		if len(line) > 0 {
			return line, true
		}
	}
}

// ask sends a question and returns the number that answers it.
func (t *talk) ask(question string) (v float64, err error) {
	defer func() { t.amiss = t.amiss || err != nil }()
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	if err := t.write(question); err != nil {
		return 0, err
	}
	end := t.clock() + int64(answerLimit)
	if t.until != 0 {
		end = min(end, t.until)
	}
	for {
		if line, ok := t.cut(); ok {
			if isEcho(line, question) {
				return 0, errEcho
			}
			v, ok := parseReal(line)
			if !ok {
				return 0, fmt.Errorf("%w: %s to %q", device.ErrNonsense, device.ShowBytes(line), question)
			}
			return v, nil
		}
		n, _, err := t.port.Read(t.chunk[:], max(0, time.Duration(end-t.clock())))
		if err != nil {
			return 0, err
		}
		t.take(t.chunk[:n])
	}
}

// quiet waits until nothing comes any more, so that what is late is not taken for
// the next answer.
func (t *talk) quiet() error {
	got, err := device.Drain(t.ctx, t.port, t.clock, quietTime, time.Second)
	t.take(got)
	t.buf = t.buf[:0]
	return err
}

// sure asks until the same number came twice in succession: lines carry no
// checksum. It reports false when there is none: the instrument does not answer
// what it takes for illegal. After trouble, recover has to see to it that no answer is
// owed any more.
func (t *talk) sure(question string, recover func() error) (v float64, ok bool, err error) {
	const most, mostSilent = 6, 2
	had, silent := false, 0
	for range most {
		now, err := t.ask(question)
		switch {
		case err == nil && had && now == v:
			return v, true, nil
		case err == nil:
			v, had = now, true
			continue
		case !errors.Is(err, device.ErrTimeout) && !errors.Is(err, device.ErrNonsense):
			return 0, false, err
		}
		had = false
		if errors.Is(err, device.ErrTimeout) {
			silent++
		}
		if t.until != 0 && t.clock() > t.until {
			return 0, false, nil
		}
		if err := recover(); err != nil {
			return 0, false, err
		}
		if silent == mostSilent {
			return 0, false, nil
		}
	}
	return 0, false, nil
}

// transcript lists what was sent besides questions.
func (t *talk) transcript() string {
	if len(t.sent) == 0 {
		return "nothing was set"
	}
	return "sent " + strings.Join(t.sent, " ")
}
