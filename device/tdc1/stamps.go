package tdc1

import (
	"encoding/binary"
	"slices"

	"photongate/device"
)

// A record of the stream of time stamps is a little-endian word of 32 bits:
//
//	bits 31..5  time in ticks of 2 ns, 27 bits: it wraps every 268.435456 ms
//	bit  4      a marker, and no event; bits 3..0 mean nothing then
//	bits 3..0   inputs 4 to 1, several where edges coincide
//
// Markers come just after each half of a period, at times 3960 and 67112824 in the
// one capture that is printed (pyS15 examples/TDC1_time_to_digital_converter.ipynb),
// so that the dark hides no wrap; one of them may be missing, as it is there.
const (
	recordBytes = 4
	tickNs      = 2
	period      = 1 << 27 // ticks
	periodNs    = period * tickNs
	timeMask    = period - 1
	markerBit   = 1 << 4
	inputMask   = 1<<inputs - 1
	kindMask    = markerBit | inputMask

	// disorder is by how many ticks the time may fall without having wrapped, as the
	// maker's newer decoder has it: 33.5 ms.
	disorder = 1 << 24
	// calm bounds the steps, of 262 us, that are taken without a second look. Words
	// that are cut in the wrong place rarely follow each other so closely.
	calm = 1 << 17
	// backwards is how far, 66 us, events may come behind later ones; more is odd.
	backwards = 1 << 15
)

// several stands in inputOf for a record that is no event of one input.
const several = 0xFF

// inputOf is the channel of a record's low five bits.
var inputOf = func() (list [kindMask + 1]uint8) {
	for kind := range list {
		list[kind] = several
	}
	for n := range uint8(inputs) {
		list[1<<n] = n
	}
	return list
}()

// stamps turns records into tags. Its value is all there is to know of the records
// before, so that a copy of it is a way back.
type stamps struct {
	begun  bool
	time   uint32 // of the last record, 27 bits
	tick   uint64 // the same, wraps undone
	top    uint64 // the latest tick there was
	marked uint64 // tick of the last marker; 0: none yet
	marks  marks
	onward bool // a fall of the time by more than backwards is a wrap, too
}

// marks are what markers have in common: their time within half a period. A word
// that says it is a marker, and is of another time, is none. The zero value: that
// is not known, and any may be one.
type marks struct {
	known bool
	phase uint32
}

func (m marks) fits(w uint32) bool { return !m.known || w>>5&(period/2-1) == m.phase }

// course is what a run of records was like.
type course struct {
	records int
	odd     int // that can hardly be, after the one before
	apart   int // further from the one before than calm
	last    int // which of them was the last of these; 0 is the first record

	widest uint32 // longest step of these, ticks
	before uint64 // the tick before it
}

// take appends the tags of all whole records of p.
func (s *stamps) take(p []byte, t *device.Tags) (c course) {
	c.records = len(p) / recordBytes
	for len(p) >= recordBytes {
		p = s.run(p, t)
		if len(p) >= recordBytes {
			if s.one(word(p), t, &c) {
				c.apart, c.last = c.apart+1, c.records-len(p)/recordBytes
			}
			p = p[recordBytes:]
		}
	}
	return c
}

// run appends tags up to a record that needs a second look, and returns what is
// left from there.
func (s *stamps) run(p []byte, t *device.Tags) []byte {
	if !s.begun {
		return p
	}
	n, room := len(t.Tick), len(p)/recordBytes
	t.Tick, t.Channel = slices.Grow(t.Tick, room), slices.Grow(t.Channel, room)
	ticks, channels := t.Tick[n:n+room], t.Channel[n:n+room]
	channels = channels[:len(ticks)]
	tick, last, used := s.tick, s.time, 0
	for i := range ticks {
		w := word(p[i*recordBytes:])
		step := (w>>5 - last) & timeMask
		input := inputOf[w&kindMask]
		if step >= calm || input == several {
			break
		}
		tick += uint64(step)
		last = w >> 5
		ticks[i], channels[i] = tick, input
		used = i + 1
	}
	t.Tick, t.Channel = t.Tick[:n+used], t.Channel[:n+used]
	s.tick, s.time, s.top = tick, last, max(s.top, tick)
	return p[used*recordBytes:]
}

// one takes one record, whatever it is. It reports whether it is far from the one
// before.
func (s *stamps) one(w uint32, t *device.Tags, c *course) (apart bool) {
	step, known := int64((w>>5-s.time)&timeMask), s.begun
	marker := w&markerBit != 0
	switch {
	case !s.begun:
		// From the second period on, so that no disorder leads below 0.
		s.begun, s.tick, step = true, period, int64(w>>5)
	case step >= period-backwards, step >= period-disorder && !s.onward:
		step -= period
	}
	if marker && s.marked != 0 && s.tick+uint64(step) <= s.marked {
		step += period // the same marker again, and no record in between that showed the wrap
	}
	if known && step > int64(c.widest) {
		c.widest, c.before = uint32(step), s.tick
	}
	if w&kindMask == 0 || int64(s.tick)+step < int64(s.top)-backwards || marker && !s.marks.fits(w) {
		c.odd++
	}
	s.time = w >> 5
	s.tick += uint64(step)
	s.top = max(s.top, s.tick)
	if marker {
		s.marked = s.tick
		return step >= calm
	}
	for n := range uint8(inputs) {
		if w>>n&1 != 0 {
			t.Tick, t.Channel = append(t.Tick, s.tick), append(t.Channel, n)
		}
	}
	return step >= calm
}

// later moves the clock on by whole periods that no record showed.
func (s *stamps) later(periods uint64) {
	s.tick += periods * period
	if s.marked != 0 {
		s.marked += periods * period // the next one may come a whole period behind it yet
	}
}

// undo takes back the tags from row n on.
func undo(t *device.Tags, n int) { t.Tick, t.Channel = t.Tick[:n], t.Channel[:n] }

// word is the record that p begins with.
func word(p []byte) uint32 { return binary.LittleEndian.Uint32(p) }
