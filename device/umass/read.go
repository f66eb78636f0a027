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
	gatherMost  = device.MaxTags / 4           // tags after which a Read ends
	lookEvery   = int64(time.Second)           // how often a counter is asked for
	idleTime    = int64(5 * time.Second)       // without data the tagger is asked whether it still captures
	leadMost    = int64(20 * time.Millisecond) // that one record may be of a time before the fastest data's
	aheadMost   = int64(5 * time.Second)       // that several in a row may be: those before came late
	driftParts  = 5000                         // two crystals agree to one part in so many
	behindParts = 2                            // its clock may be behind by a wrap divided by so much
)

// blind is what its bytes cannot reveal.
const blind = "edges in the same tick as a change of a delta input are not recorded, several of one input in a tick are one, " +
	"and nothing tells of either; at low rates tags wait in the tagger until a packet is full; " +
	"records carry no checksum: one that was changed may name another input, or a time between its neighbours', unseen"

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
	fell    bool   // the first of them was a record of a time before the last
	skipped int    // how many

	at       int64 // when the last data came
	heard    int64 // when it last gave a sign of life
	looked   int64 // when a counter was asked for
	low      int64 // delay of the fastest data, ns
	lowAt    int64 // when it was looked at
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
		(len(fresh)%recordBytes == 0 || len(fresh) >= sure*recordBytes) && !s.smooth(s.data[:size], s.tick) && s.smooth(fresh, s.tick) {
		pos, s.bad = s.left, true // the rest of a record that was cut off never came
	}
	limit := s.latest(at)
	for size-pos >= recordBytes {
		if !s.bad {
			n := s.run(s.data[pos:size], limit, &b.Tags)
			pos, records = pos+n*recordBytes, records+n
		}
		p := s.data[pos:size]
		if len(p) < recordBytes {
			break
		}
		good := s.plausible(p)
		if w := word(p[: recordBytes+2 : cap(p)]); good && s.begun && s.unwrapped(w) > limit {
			if len(p) < sure*recordBytes {
				break // until more come
			}
			// A turned wrap flag alone makes no fall behind it.
			next := p[recordBytes:]
			if good = s.smooth(p, s.tick) && s.unwrapped(word(next[:recordBytes+2:cap(next)])) > limit; good {
				limit = s.earlier(s.unwrapped(w), at)
			}
		} else if !good && s.takeBack(p, len(before.Tick), &b.Tags) {
			continue
		}
		if !good {
			skip := s.resume(p)
			if skip == 0 {
				break
			}
			if s.skipped += skip; s.skipped > mostSkipped {
				return s.lost(b, before, fmt.Sprintf("%d bytes are no records that follow those before", s.skipped))
			}
			s.fell = s.fell || !s.bad && s.fits(word(p[:recordBytes+2:cap(p)]))
			s.bad = true
			pos += skip
			continue
		}
		s.slowly(b, word(p[:recordBytes+2:cap(p)]))
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

// takeBack takes the last record back where those from here on follow the one before it,
// and not it: its time is wrong, and too late. Its tags are among those from row on.
func (s *source) takeBack(p []byte, row int, t *device.Tags) bool {
	n := len(t.Tick)
	for n > row && t.Tick[n-1] == s.tick {
		n--
	}
	if !s.begun || n == len(t.Tick) || !s.fits(word(p[:recordBytes+2:cap(p)])) ||
		!s.smooth(p, s.before) || s.smooth(p[recordBytes:], s.tick) {
		return false
	}
	t.Tick, t.Channel = t.Tick[:n], t.Channel[:n]
	s.tick, s.bad = s.before, true
	return true
}

// slowly takes a record that needs a second look.
func (s *source) slowly(b *device.Batch, w uint64) {
	from, tick := s.tick, s.unwrapped(w)
	if !s.begun {
		tick, from = w&timeMask, w&timeMask // a wrap before the first record is none of ours
	}
	lost := w&lostBit != 0 && s.begun
	switch {
	case s.bad:
		if s.fell {
			from = s.before // it may be the time of the last one that was wrong
		}
		s.damage(b, from, tick)
		lost = true
	case lost:
		s.lose(b, from, tick)
		s.flagged = true
	}
	s.bad, s.fell, s.skipped = false, false, 0
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

// smooth reports whether bytes begin with records that can follow each other and one of a
// tick, as far as there are any.
func (s *source) smooth(p []byte, tick uint64) bool {
	last := tick & timeMask
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
		if s.smooth(p[skip:], s.tick) {
			return skip
		}
	}
	if len(p) > (sure+2)*recordBytes {
		return len(p) - (sure+1)*recordBytes
	}
	return 0
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
