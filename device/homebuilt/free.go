package homebuilt

import (
	"errors"
	"fmt"
	"math"
	"time"

	"photongate/device"
	"photongate/instrument"
)

// sink gives readings that came by themselves their times.
type sink interface {
	// room is how many readings may be added to b.
	room(b *device.Batch) int
	// add takes a reading in, which came at w.at.
	add(b *device.Batch, r *row, flags device.ReadingFlags) error
	// flush ends what arrived together.
	flush(b *device.Batch, at int64)
	// damage tells of bytes that are no reading, as many as guess readings have; sure
	// says that the instrument's own numbers tell how many are missing.
	damage(b *device.Batch, guess int, sure bool, cause, detail string, at int64)
	// wait is how long may be waited for bytes.
	wait(now int64) time.Duration
	// tick tells that nothing came up to now.
	tick(b *device.Batch, now int64)
	// end hands out what is held back.
	end(b *device.Batch)
}

// free reads an instrument that sends by itself.
type free struct {
	*wire
	sink  sink
	block *block // nil where pieces are taken one at a time
	row   row
	full  bool  // pieces were left because the batch was
	from  int64 // when those pieces came that the sink was given and not told so yet

	unverified device.ReadingFlags

	bad       int    // bytes discarded since the last reading
	badPieces int    // pieces they were, in a row
	badDetail string // what was wrong with the first
	lastBad   string // and with the last
	badAt     int64
	typical   int // bytes of a reading

	crKnown, cr bool // lines end in CR LF
	odd         bool // the last one did not end like the others

	number  uint64 // of the last reading
	counted bool   // number is known
	back    int    // readings in a row that are numbered anew
	again   int    // readings in a row with the number of the one before

	skipped   int
	skippedAt int64 // when the last event about it was made
}

// skippedEvery bounds how often it is told that lines are left out.
const skippedEvery = int64(time.Minute)

func newFree(o *opening) *free {
	r := &free{wire: o.wire, row: newRow(len(o.f.Channels))}
	g := o.f.Gate
	switch {
	case o.f.Channels[0].Kind == instrument.Event:
		r.sink = &events{bin: int64(o.gate)}
		for v := event; r.align(&r.row) && v != unclear; { // what came before the first interval
			_, v = r.next(&r.row)
		}
	case !g.Length.IsZero() || !g.Clock.IsZero():
		r.sink = newClocked(o)
	case g.By == instrument.ByInstrument:
		r.sink = newPhased(o)
	default:
		r.sink = &arriving{}
	}
	if o.f.Record != nil {
		r.typical = o.f.Record.Length
	}
	r.block = newBlock(o.format, r.sink)
	return r
}

// doubt implements reader.
func (r *free) doubt() { r.unverified = device.Unverified }

// pause implements reader: an instrument that sends by itself is always ready.
func (r *free) pause(int64) error { return nil }

// resume implements reader.
func (r *free) resume() {}

// read implements reader.
func (r *free) read(b *device.Batch) error {
	if err := r.take(b); err != nil || r.full {
		return err
	}
	wait := min(device.MaxWait, r.sink.wait(r.clock()))
	if bySilence(r.f) && len(r.rest()) > 0 {
		wait = min(wait, time.Duration(r.silence))
	}
	if r.block != nil { // what comes together has room in one batch, and is timed together
		r.most = min(r.sink.room(b)*r.f.Record.Length, bufferSize)
	}
	_, err := r.wire.read(wait)
	switch {
	case errors.Is(err, device.ErrTimeout):
		err = r.take(b)
		r.sink.tick(b, r.clock())
		return err
	case err != nil:
		r.tellDamage(b, 0, false)
		r.sink.end(b)
		return err
	}
	err = r.take(b)
	r.sink.tick(b, r.at)
	return err
}

// take takes in the pieces received.
func (r *free) take(b *device.Batch) (err error) {
	r.full = false
	defer func() { r.sink.flush(b, r.from) }()
	if !r.align(&r.row) {
		return nil
	}
	for {
		room := r.sink.room(b)
		if room == 0 {
			r.full = true
			return nil
		}
		if n, err := r.takeBlock(b, room); n > 0 || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		piece, v := r.next(&r.row)
		if r.came != r.from {
			r.sink.flush(b, r.from)
			r.from = r.came
		}
		switch v {
		case unclear:
			return nil
		case reading, event:
			if r.endsOddly() {
				err = r.discard(b, piece, v)
			} else {
				err = r.good(b, len(piece))
			}
			if err != nil {
				return err
			}
		case ignored:
			r.skip(b, piece)
		case unfit, trouble:
			if err := r.discard(b, piece, v); err != nil {
				return err
			}
		}
	}
}

// endsOddly reports whether a line does not end like the others, with CR LF or
// without CR: a byte is missing at its end, or was put in. Two such in a row are
// how lines end.
func (r *free) endsOddly() bool {
	if r.f.Text == nil {
		return false
	}
	if r.crKnown && r.cr != r.row.cr && !r.odd {
		r.odd = true
		return true
	}
	r.crKnown, r.cr, r.odd = true, r.row.cr, false
	return false
}

// good takes a reading in.
func (r *free) good(b *device.Batch, length int) error {
	flags := r.unverified
	if twice, err := r.cameTwice(b); twice || err != nil {
		return err
	}
	missing, err := r.numbers(b, &flags)
	if err != nil {
		return err
	}
	if r.bad > 0 || missing > 0 {
		r.typical = max(r.typical, length) // the shorter one may have been a part of one
		if r.bad > 0 && 4*r.bad < 3*r.typical {
			flags |= device.Implausible // it may be what is left of a longer one
		}
		r.sink.flush(b, r.from)
		r.tellDamage(b, missing, missing > 0 || r.counted)
	}
	if r.f.Text != nil && flags&device.Implausible == 0 {
		r.typical = max(length, 1)
	}
	r.badPieces = 0
	return r.sink.add(b, &r.row, flags)
}

// maxAgain is how often in a row a number may come again.
const maxAgain = 3

// cameTwice reports whether a reading has the number of the one before: it came
// twice and counts once. Numbers that stand still number nothing.
func (r *free) cameTwice(b *device.Batch) (bool, error) {
	number := r.row.own[ownNumber]
	if r.f.Gate.Number.IsZero() || !r.counted || number != r.number {
		r.again = 0
		return false, nil
	}
	if r.again++; r.again >= maxAgain {
		return true, &device.Error{Op: "read", Port: r.port.Name(),
			Err:  fmt.Errorf("%w: %d readings in a row are numbered %d", device.ErrNonsense, r.again+1, number),
			Hint: "what gate.number names in the instrument file does not count readings: leave it out, or name another"}
	}
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
		Time: r.from, What: "came twice",
		Text: fmt.Sprintf("a reading numbered %d came again and is not recorded twice", number),
	}})
	return true, nil
}

// maxJump is how many readings may be missing by their numbers; more are none.
const maxJump = 1_000_000

// numbers looks at the number of a reading, where it has one: it says how many are
// missing, or that the instrument began anew.
func (r *free) numbers(b *device.Batch, flags *device.ReadingFlags) (missing int, err error) {
	if r.f.Gate.Number.IsZero() {
		return 0, nil
	}
	last, now := r.number, r.row.own[ownNumber]
	known := r.counted
	r.number, r.counted = now, true
	ahead := r.ahead(last, now)
	switch {
	case !known || ahead == 1:
		if r.back > 0 {
			r.back++
		}
	case ahead > 1:
		r.back = 0
		return int(ahead - 1), nil
	default:
		r.back = 1
		*flags |= device.Implausible
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
			Time: r.from, What: "numbered out of order",
			Text: fmt.Sprintf("a reading numbered %d came after one numbered %d", now, last),
		}})
	}
	if r.back >= 3 {
		return 0, &device.Error{
			Op: "read", Port: r.port.Name(), Err: &beganAnew{fmt.Sprintf("it began again: its readings are numbered anew, now %d", now)},
			Hint: "if it did not restart and its numbers begin at 0 again by themselves, gate.number_max in the instrument file is the largest",
		}
	}
	return 0, nil
}

// ahead is by how much one number is ahead of another, 0 when it is behind or so far
// ahead that it is another count. The largest is followed by 0. That a restart looks
// like readings that are missing is bounded: a quarter of all numbers at most.
func (r *free) ahead(last, now uint64) uint64 {
	if now > last {
		if now-last <= maxJump {
			return now - last
		}
		return 0
	}
	top := r.f.Gate.NumberMax
	if top == 0 || last > top || now > top {
		return 0
	}
	if n := top - last + now + 1; n <= min(maxJump, max(top/4, 1)) {
		return n
	}
	return 0
}

// beganAnew is a restart that the instrument's own numbers tell.
type beganAnew struct{ text string }

func (e *beganAnew) Error() string { return e.text }

func (e *beganAnew) Unwrap() error { return device.ErrChanged }

// skip notes a line that is left out.
func (r *free) skip(b *device.Batch, piece []byte) {
	r.skipped++
	if r.skippedAt != 0 && r.from-r.skippedAt < skippedEvery {
		return
	}
	r.sink.flush(b, r.from)
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
		Time: r.from, What: "lines left out",
		Text: fmt.Sprintf("%s, the last %s", plural(r.skipped, "line"), device.ShowBytes(piece)),
	}})
	r.skipped, r.skippedAt = 0, r.from
}

// discard notes bytes that are no reading, and gives up after too many.
func (r *free) discard(b *device.Batch, piece []byte, v verdict) error {
	detail := r.format.explain(piece, v)
	if v == reading || v == event { // it may be a part of one: a byte was put in or lost
		detail = "line that does not end like the others, " + device.ShowBytes(piece)
	}
	if r.bad == 0 {
		r.badDetail = detail
	}
	r.lastBad, r.badAt = detail, r.from
	r.bad += len(piece)
	r.badPieces++
	if r.badPieces < r.maxBad() || r.f.Record != nil && r.bad < r.maxBad()*r.typical {
		return nil
	}
	r.sink.flush(b, r.from)
	pieces := r.badPieces
	r.tellDamage(b, 0, false)
	r.sink.end(b)
	return &device.Error{
		Op: "read", Port: r.port.Name(), Hint: r.nonsenseHint(),
		Err: fmt.Errorf("%w: %d in a row cannot be read, the last one: %s", device.ErrNonsense, pieces, r.lastBad),
	}
}

// tellDamage tells the sink what was discarded. Missing is how many readings are
// missing by their numbers, when sure.
func (r *free) tellDamage(b *device.Batch, missing int, sure bool) {
	if r.bad == 0 && missing == 0 {
		return
	}
	cause, detail, at := device.CauseLost, "their numbers are missing", r.from
	if r.bad > 0 {
		cause, at = device.CauseDamaged, r.badAt
		detail = fmt.Sprintf("%s (%s discarded)", r.badDetail, plural(r.bad, "byte"))
	}
	if !sure {
		missing = int(math.Round(float64(r.bad) / float64(max(r.typical, 1))))
		if r.typical == 0 {
			missing = r.badPieces
		}
	}
	r.sink.damage(b, missing, sure, cause, detail, at)
	r.bad = 0
}
