package homebuilt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"photongate/device"
	"photongate/instrument"
)

const (
	// firstLimit bounds how long the first line or record is waited for; what comes
	// more rarely is opened without having seen one.
	firstLimit = 3 * time.Second
	// probeLimit bounds how long a question of the opening may take.
	probeLimit = 4 * time.Second
	// fewBad lines or records and no good one refuse the instrument.
	fewBad = 3
	// answerLimit is how long an answer to a command may take.
	answerLimit = time.Second

	// late is by how much edges may lie after the true ones where they are fitted to
	// arrivals, or are arrivals: an adapter may hold bytes back for 16 ms (the latency
	// timer of FTDI's, AN232B-04), the rest is for the computer to notice.
	late = 20 * time.Millisecond
)

// opening gathers what is learned while the instrument is opened.
type opening struct {
	*wire
	ctx      context.Context
	req      device.OpenRequest
	row      row
	settings []device.Setting
	unsure   bool // something that was set could not be read back
	notes    []string
	gate     time.Duration

	lastBad, badBefore string // what was wrong with the last two that could not be read
}

func openFile(ctx context.Context, f *instrument.File, req device.OpenRequest) (device.Source, error) {
	o := &opening{wire: newWire(f, req), ctx: ctx, req: req, row: newRow(len(f.Channels)), gate: gateOf(f, req.Settings)}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"open", o.begin},
		{"open", o.modemLines},
		{"open", o.settle},
		{"identify", o.identify},
		{"open", o.send},
		{"set", o.push},
		{"identify", o.first},
	} {
		if err := step.do(); err != nil {
			if _, ok := errors.AsType[*device.Error](err); ok {
				return nil, err
			}
			return nil, &device.Error{Op: step.name, Port: o.port.Name(), Err: err}
		}
	}
	return o.source(), nil
}

// gateOf is the length of the gate as far as it is known before the instrument is.
func gateOf(f *instrument.File, settings device.Settings) time.Duration {
	name := f.Gate.Setting
	if name == "" {
		if d, ok := settings[gateOption].(time.Duration); ok && f.Setting(gateOption) == nil {
			return d
		}
		return f.Gate.Time
	}
	if d, ok := settings[name].(time.Duration); ok {
		return d
	}
	if d, ok := f.Setting(name).Default.V.(time.Duration); ok {
		return d
	}
	return f.Gate.Time
}

// begin throws away what came before. A FIFO is turned on by that.
func (o *opening) begin() error {
	if !o.f.Link.FIFO {
		return o.port.Discard()
	}
	fifo, ok := o.port.(device.FIFO)
	if !ok {
		return &device.Error{Op: "open", Port: o.port.Name(), Err: fmt.Errorf("%w: the instrument file says fifo = true, and this port has no FIFO", device.ErrSetting),
			Hint: "write the port as ftdi:VID:PID or ftdi:VID:PID:SERIAL"}
	}
	return fifo.SetFIFO(true)
}

// modemLines sets DTR and RTS where the file says how.
func (o *opening) modemLines() error {
	l := o.f.Link
	if l.DTR == nil && l.RTS == nil {
		return nil
	}
	lines, ok := o.port.(device.ModemLines)
	if !ok {
		o.notes = append(o.notes, "this port has no lines DTR and RTS to set")
		return nil
	}
	var err error
	if l.DTR != nil {
		err = lines.SetDTR(*l.DTR)
	}
	if l.RTS != nil {
		err = errors.Join(err, lines.SetRTS(*l.RTS))
	}
	return err
}

// settle waits for an instrument that restarts when it is opened.
func (o *opening) settle() error {
	if err := o.wait(o.ctx, o.clock()+int64(o.f.Open.Settle)); err != nil {
		return err
	}
	if o.f.Open.Settle > 0 {
		o.clear()
	}
	if o.f.Poll != nil {
		return o.silent(o.ctx)
	}
	return o.ctx.Err()
}

// identify asks what it is, where the file knows a question, twice if need be.
func (o *opening) identify() error {
	open := o.f.Open
	if open.Ask.IsEmpty() {
		return nil
	}
	var heard []byte
	for range 2 {
		if err := o.say(o.ctx, open.Ask); err != nil {
			return err
		}
		found, err := o.contains(o.ctx, open.Answer, open.Timeout)
		if err != nil {
			return err
		}
		if found {
			return o.pastAnswer()
		}
		heard = append(heard, o.rest()...)
		o.clear()
		o.aligned = false
	}
	e := &device.Error{Op: "identify", Port: o.port.Name()}
	question := o.sent[len(o.sent)-1]
	if len(heard) == 0 {
		e.Err = fmt.Errorf("%w to %s", device.ErrTimeout, question)
		e.Hint = o.silenceHint()
		return e
	}
	e.Err = fmt.Errorf("%w: asked %s, expected %q in the answer, got %s", device.ErrNonsense, question, open.Answer, device.ShowBytes(heard))
	e.Hint = o.nonsenseHint()
	return e
}

// pastAnswer drops what is left of the answer.
func (o *opening) pastAnswer() error {
	if o.f.Poll != nil {
		return o.silent(o.ctx)
	}
	o.aligned = false
	return nil
}

// send sends what the file wants sent before the settings.
func (o *opening) send() error {
	for _, t := range o.f.Open.Send {
		if err := o.say(o.ctx, t); err != nil {
			return err
		}
	}
	if len(o.f.Open.Send) > 0 && o.f.Poll != nil {
		return o.silent(o.ctx)
	}
	return nil
}

// first waits for a line or record that is as described.
func (o *opening) first() error {
	if o.f.Poll != nil {
		return o.firstAnswer()
	}
	limit := min(max(firstLimit, 5*o.gate/2), probeLimit)
	bad, detail, heard := 0, "", bytes.Clone(o.rest())
	for until := o.clock() + int64(limit); ; {
		found, err := o.firstPiece(&bad, &detail)
		if found || err != nil {
			return err
		}
		left := time.Duration(until - o.clock())
		if bad >= o.maxBad() || bad >= fewBad && left <= 0 {
			return o.nonsense(bad, detail)
		}
		if left <= 0 {
			return o.nothing(heard, detail, limit)
		}
		if err := o.ctx.Err(); err != nil {
			return err
		}
		had := len(o.rest())
		if _, err := o.read(min(left, device.MaxWait)); err != nil && !errors.Is(err, device.ErrTimeout) {
			return err
		}
		if new := o.rest(); len(heard) < 64 && len(new) > had {
			heard = append(heard, new[had:]...)
		}
	}
}

// firstPiece looks at what has come. A reading stays where it is.
func (o *opening) firstPiece(bad *int, detail *string) (bool, error) {
	for o.align(&o.row) {
		start, border := o.start, o.border
		piece, v := o.next(&o.row)
		switch v {
		case unclear:
			return false, nil
		case reading, event:
			o.start, o.border, o.proven = start, border, start
			return true, nil
		case unfit, trouble:
			*bad++
			text := o.format.explain(piece, v)
			if text != o.lastBad {
				o.lastBad, o.badBefore = text, o.lastBad
			}
			*detail = o.lastBad
		}
	}
	return false, nil
}

// nothing judges that no reading came in time: from an instrument that gives one
// rarely, or only when there are events, that is no fault.
func (o *opening) nothing(heard []byte, detail string, limit time.Duration) error {
	rare := o.f.Channels[0].Kind == instrument.Event || o.f.Tags != nil || o.gate > limit/2
	switch {
	case detail != "":
		return o.nonsense(1, detail)
	case rare && len(heard) <= o.longest():
		o.notes = append(o.notes, fmt.Sprintf("no reading came in the first %v", limit))
		return nil
	case len(heard) == 0:
		return &device.Error{Op: "identify", Port: o.port.Name(), Hint: o.silenceHint(),
			Err: fmt.Errorf("%w: nothing came for %v", device.ErrTimeout, limit)}
	}
	return &device.Error{Op: "identify", Port: o.port.Name(), Hint: o.nonsenseHint(),
		Err: fmt.Errorf("%w: no %s among what came in %v: %s", device.ErrNonsense, o.pieceName(), limit, device.ShowBytes(heard))}
}

// longest is how many bytes may come before they are taken for nonsense.
func (o *opening) longest() int {
	const lineOfATag = 40 // and a tag is no long line
	if o.f.Tags != nil && o.f.Text != nil {
		return lineOfATag
	}
	if o.f.Text != nil {
		return o.f.Text.MaxLength
	}
	return 2 * o.f.Record.Length
}

func (o *opening) pieceName() string {
	if o.f.Text != nil {
		return "line of it"
	}
	return "record of it"
}

func (o *opening) nonsense(bad int, detail string) error {
	err := fmt.Errorf("%w: %s", device.ErrNonsense, detail)
	switch {
	case bad > 1 && o.badBefore != "":
		err = fmt.Errorf("%w: %d in a row cannot be read, the last two: %s; %s", device.ErrNonsense, bad, o.badBefore, detail)
	case bad > 1:
		err = fmt.Errorf("%w: %d in a row cannot be read, the last one: %s", device.ErrNonsense, bad, detail)
	}
	return &device.Error{Op: "identify", Port: o.port.Name(), Err: err, Hint: o.nonsenseHint()}
}

// maxBad is how many pieces in a row may be unreadable.
func (w *wire) maxBad() int {
	if w.f.Text != nil {
		return w.f.Text.MaxBad
	}
	return w.f.Record.MaxBad
}

func (w *wire) silenceHint() string {
	if w.f.Link.FIFO {
		return "is it switched on, and does the chip's EEPROM say that it is a FIFO?"
	}
	hint := fmt.Sprintf("is it switched on, is this its port, is the line %d Bd?", w.f.Link.Baud)
	if w.f.Open.Settle == 0 {
		hint += " One that restarts when it is opened needs settle = \"2s\" under [open]"
	}
	return hint
}

func (w *wire) nonsenseHint() string {
	if w.f.Link.FIFO {
		return fmt.Sprintf("is %s the right description? `photongate try` shows the bytes and how they are cut", fileOf(w.f))
	}
	if t, ok := w.format.(*text); ok && t.legible { // at another rate it would not be
		return fmt.Sprintf("is %s the right description? `photongate try` shows the lines and how they are cut", fileOf(w.f))
	}
	return fmt.Sprintf("is the line %d Bd, is %s the right description? `photongate try` shows the bytes and how they are cut", w.f.Link.Baud, fileOf(w.f))
}

// fileOf is what a file is called to people.
func fileOf(f *instrument.File) string {
	if f.Path == "" || !instrument.FromPath(f.Path) || strings.HasPrefix(f.Path, "presets/") {
		return f.Name
	}
	return f.Path
}

// firstAnswer asks once or twice, unless an answer takes long.
func (o *opening) firstAnswer() error {
	timeout := o.f.Poll.Timeout
	if timeout > probeLimit {
		o.notes = append(o.notes, "it was not asked yet, since an answer may take long")
		return o.ctx.Err()
	}
	var detail string
	var heard []byte
	tries := 2
	if timeout > probeLimit/2 {
		tries = 1
	}
	for range tries {
		if err := o.say(o.ctx, o.f.Poll.Send); err != nil {
			return err
		}
		for until := o.clock() + int64(timeout); o.clock() < until; {
			if err := o.ctx.Err(); err != nil {
				return err
			}
			if _, err := o.read(min(time.Duration(until-o.clock()), device.MaxWait)); err != nil && !errors.Is(err, device.ErrTimeout) {
				return err
			}
			if rest := o.rest(); len(rest) > 0 {
				heard = bytes.Clone(rest)
			}
			bad := 0
			found, err := o.firstPiece(&bad, &detail)
			if err != nil {
				return err
			}
			if found || bad > 0 {
				answer := len(o.rest())
				more, err := o.drain(o.ctx)
				if found && o.f.Record != nil && answer+len(more) > o.f.Record.Length {
					found, detail = false, fmt.Sprintf("an answer of more than %d bytes", o.f.Record.Length)
				}
				if err != nil || found {
					return err
				}
				break
			}
		}
		o.clear()
	}
	question := o.sent[len(o.sent)-1]
	if len(heard) == 0 {
		return &device.Error{Op: "identify", Port: o.port.Name(), Hint: o.silenceHint(),
			Err: fmt.Errorf("%w to %s", device.ErrTimeout, question)}
	}
	if detail == "" {
		detail = "got " + device.ShowBytes(heard)
	}
	return &device.Error{Op: "identify", Port: o.port.Name(), Hint: o.nonsenseHint(),
		Err: fmt.Errorf("%w: asked %s: %s", device.ErrNonsense, question, detail)}
}

func joined(list []string) string { return strings.Join(list, " ") }
