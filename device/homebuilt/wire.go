package homebuilt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// bufferSize bounds what was received and not yet taken. It holds any line or
// record a file can describe, and one more.
const bufferSize = 256 << 10

// leastRoom is how many bytes are asked for at least.
const leastRoom = 4 << 10

// wire is the port with what came from it and was not taken yet.
type wire struct {
	port   device.Port
	clock  device.Clock
	f      *instrument.File
	format format
	values map[string]any // of the settings, as they are sent

	buf        []byte // received: buf[start:end]
	start, end int
	most       int   // bytes: no more is asked for than makes the rest so long, or leastRoom
	border     int   // bytes before this one are not continued by those behind; 0 for none
	proven     int   // up to here records have been told apart by silence; see bySilence
	at         int64 // when the last bytes came
	borderAt   int64 // when those before the border came
	came       int64 // when the piece came that was cut last
	quiet      int64 // how long it was waited in vain since
	silence    int64 // this long a silence lies between lines or records, and within none
	aligned    bool  // buf[start] begins a line or record
	began      bool  // the bytes that come before the first record came

	wrote int64 // when something was sent last
	going bool  // the instrument is set and is to be kept going
	kept  int64 // when something was sent for that
	sent  []string
}

func newWire(f *instrument.File, req device.OpenRequest) *wire {
	w := &wire{
		port: req.Port, clock: req.Clock, f: f, format: newFormat(f), values: map[string]any{},
		buf: make([]byte, bufferSize), most: bufferSize, at: req.Clock(), silence: int64(f.Open.Drain),
	}
	switch {
	case f.Link.FIFO: // it fills when it is fetched: its silence is this computer's
		w.silence = math.MaxInt64
	case f.Record != nil && f.Record.Idle > 0:
		w.silence = int64(f.Record.Idle)
	}
	for i := range f.Settings {
		s := &f.Settings[i]
		v, named := req.Settings[s.Name]
		if !named {
			v = s.Default.V
		}
		if v != nil {
			w.values[s.Name] = s.ToSend(v)
		}
	}
	return w
}

func newFormat(f *instrument.File) format {
	if f.Text != nil {
		return newText(f)
	}
	return newRecord(f)
}

// rest is what was received and not yet taken.
func (w *wire) rest() []byte { return w.buf[w.start:w.end] }

// drop takes away the first n bytes of the rest.
func (w *wire) drop(n int) {
	w.start += n
	if w.border <= w.start {
		w.border = 0
	}
	w.proven = max(w.proven, w.start)
}

// clear takes away all.
func (w *wire) clear() { w.start, w.end, w.border, w.proven = 0, 0, 0, 0 }

// read waits at most timeout for bytes and puts them behind the rest. A silence
// before them is noted as a border.
func (w *wire) read(timeout time.Duration) (int, error) {
	if w.start > 0 {
		copy(w.buf, w.buf[w.start:w.end])
		w.border = max(w.border-w.start, 0)
		w.proven -= w.start
		w.start, w.end = 0, w.end-w.start
	}
	if w.end == len(w.buf) { // cannot be: pieces are shorter than the buffer
		w.clear()
	}
	if err := w.keepAlive(&timeout); err != nil {
		return 0, err
	}
	began := w.clock()
	room := w.buf[w.end:min(max(w.most, w.end+leastRoom), len(w.buf))]
	n, at, err := w.port.Read(room, timeout)
	if errors.Is(err, device.ErrTimeout) {
		w.quiet += max(w.clock()-began, 0)
		return 0, err
	}
	if err != nil {
		return 0, err
	}
	if w.quiet += max(at-began, 0); w.quiet >= w.silence {
		if w.end > w.start {
			w.border, w.borderAt = w.end, w.at
		} else {
			w.aligned = true
		}
	}
	w.quiet, w.at = 0, at
	w.end += n
	return n, nil
}

// next cuts the next piece from the rest. Bytes before a border that are not
// continued are unfit.
func (w *wire) next(row *row) (piece []byte, v verdict) {
	rest := w.rest()
	w.came = w.at
	if w.border > 0 {
		rest, w.came = w.buf[w.start:w.border], w.borderAt
	}
	if len(rest) == 0 {
		return nil, unclear
	}
	if bySilence(w.f) && w.proven == w.start {
		if piece, v := w.prove(rest); v != reading {
			return piece, v
		}
	}
	n, v := w.format.cut(rest, row)
	if v == unclear {
		if w.border == 0 {
			return nil, unclear
		}
		if w.goesOn() {
			w.border = 0
			return w.next(row)
		}
		n, v = len(rest), unfit
	}
	piece = rest[:n]
	w.drop(n)
	return piece, v
}

// enough records in a row prove that bytes belong together.
const enough = 4

// goesOn reports whether what stands before a border is continued behind it, as
// the records show that come of it: it was this computer that was silent.
func (w *wire) goesOn() bool {
	r, ok := w.format.(*record)
	if !ok || bySilence(w.f) || unmarked(w.f) {
		return false
	}
	n := r.whole(w.rest(), enough)
	return n == enough && r.whole(w.buf[w.border:w.end], enough) < n
}

// together is what can be cut at once, having come together, and when that was.
func (w *wire) together() (rest []byte, came int64) {
	switch {
	case bySilence(w.f):
		rest, came = w.buf[w.start:max(w.proven, w.start)], w.at
	default:
		rest, came = w.rest(), w.at
	}
	if w.border > 0 {
		rest, came = rest[:min(len(rest), w.border-w.start)], w.borderAt
	}
	return rest, came
}

// bySilence reports whether nothing but silence tells records apart that come
// unasked.
func bySilence(f *instrument.File) bool {
	r := f.Record
	return r != nil && r.Sync == "" && r.Trail == "" && r.Idle > 0 && f.Poll == nil
}

// unproven is how many records may wait for a silence to prove them: more came
// together after this computer was held up.
const unproven = 64

// prove judges what came between two silences: whole records, or damaged ones, of
// which nobody knows where they begin.
func (w *wire) prove(rest []byte) (piece []byte, v verdict) {
	length := w.f.Record.Length
	ended := w.border > 0 || w.quiet >= w.silence
	switch {
	case !ended && len(rest) < min(unproven*length, bufferSize/2):
		return nil, unclear
	case ended && len(rest)%length != 0:
		w.drop(len(rest))
		return rest, unfit
	}
	w.proven = w.start + len(rest)/length*length
	return nil, reading
}

// align looks for where a line or record begins, after the port was opened in the
// middle of one, and drops what is before. It reports whether it is found.
func (w *wire) align(row *row) bool {
	if w.aligned {
		return true
	}
	if w.border > 0 {
		w.drop(w.border - w.start)
		w.aligned = true
		return true
	}
	switch r := w.f.Record; {
	case w.f.Text != nil:
		i, length := w.format.(*text).lineEnd(w.rest())
		if i >= 0 {
			w.drop(i + length)
			w.aligned = true
		} else if len(w.rest()) > w.f.Text.MaxLength {
			w.clear()
		}
	case r.Length == 1:
		w.aligned = true
	case w.f.Tags != nil && w.f.Tags.Begin != "" && !w.began:
		if i := bytes.Index(w.rest(), []byte(w.f.Tags.Begin)); i >= 0 {
			w.drop(i + len(w.f.Tags.Begin))
			w.aligned, w.began = true, true
		} else {
			w.drop(max(len(w.rest())-len(w.f.Tags.Begin)+1, 0))
		}
	case r.Sync != "":
		w.alignSync(row)
	case unmarked(w.f):
		w.alignTags(row)
	case r.Trail != "":
		if i := bytes.Index(w.rest(), []byte(r.Trail)); i >= 0 {
			w.drop(i + len(r.Trail))
			w.aligned = true
		}
	}
	return w.aligned
}

// alignSync looks for a record that another one follows: what it begins with may
// also stand in the middle of one.
func (w *wire) alignSync(row *row) {
	r := w.f.Record
	for rest := w.rest(); len(rest) >= r.Length+len(r.Sync); rest = w.rest() {
		n, v := w.format.cut(rest, row)
		if v == reading || v == event {
			w.aligned = true
			return
		}
		w.drop(max(n, 1))
	}
}

// keepAlive sends what keeps the instrument going, when it is time.
func (w *wire) keepAlive(timeout *time.Duration) error {
	k := w.f.KeepAlive
	if k == nil || !w.going {
		return nil
	}
	now := w.clock()
	left := time.Duration(w.kept + int64(k.Every) - now)
	if w.kept == 0 || left <= 0 {
		if _, err := w.write(k.Send); err != nil {
			return err
		}
		w.kept, left = now, k.Every
	}
	*timeout = min(*timeout, left)
	return nil
}

// write sends a template and returns its bytes.
func (w *wire) write(t instrument.Template) ([]byte, error) {
	b, err := t.Append(nil, func(name string) (any, bool) {
		v, ok := w.values[name]
		return v, ok
	})
	if err != nil {
		return nil, err
	}
	if x, ok := w.format.(*text); ok {
		x.sent(b)
	}
	w.wrote, err = w.port.Write(b)
	return b, err
}

// say sends one thing of the opening, not sooner than the pause after the last,
// and notes it.
func (w *wire) say(ctx context.Context, t instrument.Template) error {
	if err := w.wait(ctx, w.wrote+int64(w.f.Open.Pause)); err != nil {
		return err
	}
	b, err := w.write(t)
	const most = 32
	if len(w.sent) < most {
		w.sent = append(w.sent, strconv.QuoteToASCII(string(b)))
	}
	return err
}

// wait reads until a time, and keeps what comes.
func (w *wire) wait(ctx context.Context, until int64) error {
	for {
		left := time.Duration(until - w.clock())
		if left <= 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(w.rest()) > bufferSize/2 {
			w.drop(bufferSize / 4)
			w.aligned = false
		}
		if _, err := w.read(min(left, device.MaxWait)); err != nil && !errors.Is(err, device.ErrTimeout) {
			return err
		}
	}
}

// drain throws away what comes until the instrument is silent, at most for a
// second and two silences, and returns it. Records, which nothing marks, can only
// be told from bytes that come unasked by the silence before them.
func (w *wire) drain(ctx context.Context) ([]byte, error) {
	w.clear()
	silence := time.Duration(w.silence)
	began, limit := w.clock(), time.Second+2*silence
	got, err := device.Drain(ctx, w.port, w.clock, silence, limit)
	if w.f.Record != nil && err == nil && w.clock()-began >= int64(limit) {
		err = &device.Error{Op: "identify", Port: w.port.Name(), Hint: w.nonsenseHint(),
			Err: fmt.Errorf("%w: bytes come unasked and without a pause: %s", device.ErrNonsense, device.ShowBytes(got))}
	}
	w.at, w.quiet, w.aligned = w.clock(), w.silence, true
	return got, err
}

// silent throws away what comes until the instrument is silent.
func (w *wire) silent(ctx context.Context) error {
	_, err := w.drain(ctx)
	return err
}

// answer waits for a line that match accepts, and takes it out of what was
// received. With drop the lines before it go too. It reports false when none came
// before the limit.
func (w *wire) answer(ctx context.Context, limit time.Duration, drop bool, match func(line []byte) bool) (bool, error) {
	t, ok := w.format.(*text)
	if !ok {
		return false, nil
	}
	until := w.clock() + int64(limit)
	for from := 0; ; {
		i, length := t.lineEnd(w.rest()[from:])
		if i < 0 {
			left := time.Duration(until - w.clock())
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if left <= 0 || len(w.rest()) > bufferSize/2 {
				return false, nil
			}
			if _, err := w.read(min(left, device.MaxWait)); err != nil && !errors.Is(err, device.ErrTimeout) {
				return false, err
			}
			continue
		}
		line, _ := t.content(w.rest()[from : from+i])
		found := len(line) > 0 && match(line)
		switch {
		case drop:
			w.drop(from + i + length)
			from = 0
		case found:
			copy(w.buf[w.start+from:], w.buf[w.start+from+i+length:w.end])
			w.end -= i + length
			w.border = 0
		default:
			from += i + length
		}
		if found {
			return true, nil
		}
	}
}

// contains waits until bytes came that contain others.
func (w *wire) contains(ctx context.Context, wanted instrument.Bytes, limit time.Duration) (bool, error) {
	for until := w.clock() + int64(limit); ; {
		if i := bytes.Index(w.rest(), []byte(wanted)); i >= 0 {
			w.drop(i + len(wanted))
			return true, nil
		}
		left := time.Duration(until - w.clock())
		if left <= 0 || len(w.rest()) > bufferSize/2 {
			return false, nil
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if _, err := w.read(min(left, device.MaxWait)); err != nil && !errors.Is(err, device.ErrTimeout) {
			return false, err
		}
	}
}

// transcript says what was sent.
func (w *wire) transcript() string {
	if len(w.sent) == 0 {
		return "nothing was sent"
	}
	return fmt.Sprintf("sent %s", joined(w.sent))
}
