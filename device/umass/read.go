package umass

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"photongate/device"
)

const (
	bufferBytes = 8192                   // for a transfer
	mostLeft    = 8 * recordBytes        // of data that were not enough to judge
	mostSkipped = 16 << 10               // bytes that one damage may cost before the clock is given up
	readLimit   = 40 * time.Millisecond  // for each transfer of a question while data come
	readWait    = 150 * time.Millisecond // for data; a question may follow
	gatherTime  = int64(10 * time.Millisecond)
	gatherMost  = device.MaxTags / 4     // tags after which a Read ends
	lookEvery   = int64(time.Second)     // how often a counter is asked for
	idleTime    = int64(5 * time.Second) // without data the tagger is asked whether it still captures
	aheadMost   = int64(5 * time.Second) // that its clock may be before the computer's
	driftParts  = 5000                   // two crystals agree to one part in so many
	behindParts = 2                      // its clock may be behind by a wrap divided by so much
)

// blind is what its bytes cannot reveal.
const blind = "edges in the same tick as a change of a delta input are not recorded, several of one input in a tick are one, " +
	"and nothing tells of either; at low rates tags wait in the tagger until a packet is full"

// source is an open tagger.
type source struct {
	*talk
	asking sync.Mutex // held while a register is asked for
	stream device.USBStream
	decoder
	hertz   uint32
	data    []byte // what is left of a record, a transfer, and two bytes to spare
	left    int    // bytes of a record at its begin
	bad     bool   // bytes were left out since the last record
	skipped int    // how many

	at       int64 // when the last data came
	heard    int64 // when it last gave a sign of life
	looked   int64 // when a counter was asked for
	low      int64 // delay of the fastest data, ns
	lossFrom uint64
	flagged  bool   // records were lost since the counter was asked for
	told     uint32 // what it said

	registers []register // as they were when it was opened

	desc    device.Description
	opened  *device.Event
	failed  error // returned again by every Read after the first failure
	closing sync.Once
}

// register is one and its value.
type register struct {
	reg   uint16
	value uint32
}

var _ device.Checker = (*source)(nil)

// Describe returns what the tagger said of itself.
func (s *source) Describe() device.Description { return s.desc }

// Close stops the capture, gives the device back and frees a blocked Read.
func (s *source) Close() (err error) {
	s.closing.Do(func() {
		s.asking.Lock()
		_, _ = s.usb.Out(endCommand, command(true, regCapture, 0), s.limit) // one that is not told goes on, and is stopped when it is opened again
		s.asking.Unlock()
		err = errors.Join(s.stream.Close(), s.usb.Close())
	})
	return err
}

// Read implements device.Source.
func (s *source) Read(b *device.Batch) error {
	if s.opened != nil {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: s.opened})
		s.opened = nil
	}
	if s.failed != nil {
		return s.failed
	}
	if err := s.read(b); err != nil {
		s.failed = explain("read", s.usb, err)
	}
	return s.failed
}

// read takes the data that have come.
func (s *source) read(b *device.Batch) error {
	began := s.clock()
	for wait := readWait; ; wait = 0 {
		n, at, err := s.stream.Read(s.data[s.left:len(s.data)-2], wait)
		switch {
		case errors.Is(err, device.ErrTimeout):
			return s.look(b)
		case err != nil:
			return err
		}
		if err := s.take(b, s.left+n, at); err != nil {
			return err
		}
		if b.Len() >= gatherMost || at-began >= gatherTime || s.clock()-began >= gatherTime {
			return s.look(b)
		}
	}
}

// take makes tags of data.
func (s *source) take(b *device.Batch, size int, at int64) error {
	s.at, s.heard = at, at
	first, before := !s.begun, b.Tags
	pos, records := 0, 0
	if fresh := s.data[s.left:size]; s.begun && s.left > 0 && s.left < recordBytes && len(fresh) >= recordBytes &&
		(len(fresh)%recordBytes == 0 || len(fresh) >= sure*recordBytes) && !s.smooth(s.data[:size]) && s.smooth(fresh) {
		pos, s.bad = s.left, true // the rest of a record that was cut off never came
	}
	for size-pos >= recordBytes {
		if !s.bad {
			n := s.run(s.data[pos:size], &b.Tags)
			pos, records = pos+n*recordBytes, records+n
		}
		if size-pos < recordBytes {
			break
		}
		if !s.plausible(s.data[pos:size]) {
			skip := s.resume(s.data[pos:size])
			if skip == 0 {
				break
			}
			if s.skipped += skip; s.skipped > mostSkipped {
				return s.lost(b, before, fmt.Sprintf("%d bytes are no records that follow those before", s.skipped))
			}
			s.bad = true
			pos += skip
			continue
		}
		s.slowly(b, word(s.data[pos:pos+recordBytes+2]))
		pos, records = pos+recordBytes, records+1
	}
	s.left = copy(s.data, s.data[pos:size])
	if records == 0 {
		return nil
	}
	if why := s.disagreement(first, at); why != "" {
		return s.lost(b, before, why)
	}
	b.Tags.Until, b.Tags.At = s.tick, at
	return nil
}

// slowly takes a record that needs a second look.
func (s *source) slowly(b *device.Batch, w uint64) {
	from := s.tick
	tick := s.tick + (w-s.tick)&timeMask
	switch {
	case !s.begun:
		tick, from = w&timeMask, w&timeMask // a wrap before the first record is none of ours
	case w&wrapBit != 0 && tick>>36 == s.tick>>36:
		tick += period
	}
	lost := w&lostBit != 0 && s.begun
	switch {
	case s.bad:
		s.damage(b, from, tick)
		lost = true
	case lost:
		s.lose(b, from, tick)
		s.flagged = true
	}
	s.bad, s.skipped = false, 0
	s.one(w, tick, lost, &b.Tags)
	s.lossFrom = max(s.lossFrom, lastFrom(&b.Tags))
}

func lastFrom(t *device.Tags) uint64 {
	if n := len(t.Losses); n > 0 {
		return t.Losses[n-1].From
	}
	return 0
}

// lose tells that tags of all channels may be missing between two ticks. Stretches that
// touch are one.
func (s *source) lose(b *device.Batch, from, to uint64) {
	from = max(from, s.lossFrom)
	if n := len(b.Tags.Losses); n > 0 && b.Tags.Losses[n-1].Channel < 0 && b.Tags.Losses[n-1].To == from {
		b.Tags.Losses[n-1].To = to
		return
	}
	b.Tags.Losses = append(b.Tags.Losses, device.Loss{From: from, To: max(from, to), Channel: -1})
	s.lossFrom = from
}

// damage tells of bytes that were left out.
func (s *source) damage(b *device.Batch, from, to uint64) {
	s.lose(b, from, to)
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: &device.Gap{
		Cause: device.CauseDamaged, Detail: "bytes that are no records", Begin: s.ns(from) + s.low, Duration: s.ns(to) - s.ns(from),
	}})
}

// ns is a tick in nanoseconds.
func (s *source) ns(tick uint64) int64 {
	return int64(tick/uint64(s.hertz))*1e9 + int64(tick%uint64(s.hertz)*1e9/uint64(s.hertz))
}

// plausible reports whether bytes begin with a record that can follow the one before.
func (s *source) plausible(p []byte) bool {
	w := word(p[: recordBytes+2 : cap(p)])
	if !s.fits(w) {
		return false
	}
	fell := s.begun && w&timeMask < s.tick&timeMask
	return !fell || w&(wrapBit|lostBit) != 0 || s.bad
}

// sure is how many records have to follow each other where it is open where they begin.
const sure = 4

// smooth reports whether bytes begin with records that can follow each other and those
// before, as far as there are any.
func (s *source) smooth(p []byte) bool {
	last := s.tick & timeMask
	for k := 0; k < sure && (k+1)*recordBytes <= len(p); k++ {
		w := word(p[k*recordBytes:][: recordBytes+2 : cap(p)-k*recordBytes])
		t := w & timeMask
		if !s.fits(w) || s.begun && (t-last)&timeMask >= period/2 || k > 0 && t < last && w&(wrapBit|lostBit) == 0 {
			return false
		}
		last = t
	}
	return true
}

// resume returns how many bytes are to be left out before records go on, at least one;
// 0: there are too few bytes to tell.
func (s *source) resume(p []byte) int {
	for skip := 1; skip+sure*recordBytes <= len(p); skip++ {
		if s.smooth(p[skip:]) {
			return skip
		}
	}
	if len(p) > (sure+2)*recordBytes {
		return len(p) - (sure+1)*recordBytes
	}
	return 0
}

// disagreement holds its clock against the computer's: it cannot be ahead, and when it
// is behind by half a wrap it is not known any more how often it has wrapped. It says
// what is wrong, empty for nothing.
func (s *source) disagreement(first bool, at int64) string {
	delay := at - s.ns(s.tick)
	if first || delay < s.low && delay > s.low-aheadMost {
		s.low = delay
	}
	off := delay - s.low
	slack := s.ns(s.tick) / driftParts
	switch {
	case off < -aheadMost-slack:
		return fmt.Sprintf("its clock is %v ahead of the computer's: it began anew, or bytes are damaged", time.Duration(-off))
	case off > s.ns(period)/behindParts+slack:
		return fmt.Sprintf("its clock is %v behind the computer's: it began anew, or wraps were not told", time.Duration(off))
	}
	return ""
}

// lost gives up the tagger's clock, and the tags since before.
func (s *source) lost(b *device.Batch, before device.Tags, why string) error {
	b.Tags = before
	for i := range b.Notes {
		b.Notes[i].Row = min(b.Notes[i].Row, b.Len())
	}
	b.Notes = append(b.Notes, device.Note{Row: b.Len(), Gap: &device.Gap{Cause: device.CauseDamaged, Detail: why, Begin: s.clock()}})
	return device.Anew("the tagger's time is lost: %s", why)
}

// look asks, now and then, what data do not tell: how many records were lost where a
// flag said so, and whether a tagger that is quiet still captures.
func (s *source) look(b *device.Batch) error {
	now := s.clock()
	switch {
	case now-s.looked < lookEvery:
		return nil
	case s.flagged:
		s.looked = now
		n, err := s.askNow(regLost)
		if err != nil {
			return serious(err)
		}
		s.flagged = false
		if n != s.told {
			b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{
				Time: now, What: "records lost", Old: fmt.Sprint(s.told), New: fmt.Sprint(n),
				Text: fmt.Sprintf("the tagger had no room for %d records since the last word of it; one may be of several inputs, and some may be none but for a wrap", n-s.told),
			}})
			s.told = n
		}
	case now-s.heard >= idleTime:
		s.looked = now
		n, err := s.askNow(regCapture)
		if err != nil {
			return serious(err)
		}
		if s.heard = now; n != countOn|captureOn {
			return device.Anew("it captures no more: its capture register is %x, by somebody else, or because the tagger began anew", n)
		}
	}
	return nil
}

// askNow asks for a register while data come.
func (s *source) askNow(reg uint16) (value uint32, err error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	value, err = s.ask(reg)
	if err != nil && passing(err) {
		if again := s.calm(); again != nil {
			err = again
		}
	}
	return value, err
}

// serious is the error unless it will pass.
func serious(err error) error {
	if passing(err) {
		return nil
	}
	return err
}

// Check implements device.Checker: it asks for the registers that decide what is
// recorded.
func (s *source) Check() error {
	if s.failed != nil {
		return s.failed
	}
	s.asking.Lock()
	defer s.asking.Unlock()
	s.ctx, s.limit = context.Background(), 4*readLimit
	defer func() { s.limit = readLimit }()
	for _, r := range s.registers {
		value, err := s.steady(r.reg)
		switch {
		case err == nil && value != r.value:
			return explain("check", s.usb, fmt.Errorf("%w: register %02x was %x and is %x", device.ErrChanged, r.reg, r.value, value))
		case errors.Is(err, device.ErrGone), errors.Is(err, device.ErrClosed):
			return explain("check", s.usb, err)
		case err != nil:
			return nil // no clear answer
		}
	}
	return nil
}
