package umass

import (
	"slices"
	"time"

	"photongate/sim"
	"photongate/sim/usb"
)

// Bits of a record (record_format.h). Above those that are sent stands, of a record that
// is cut, how many of its bytes are left.
const (
	recordBytes = 6
	timeBits    = 36
	inputShift  = 36
	deltaFlag   = 1 << 45
	wrapFlag    = 1 << 46
	lostFlag    = 1 << 47
	cutShift    = 48

	wrap     = 1 << timeBits
	timeMask = wrap - 1
)

// record makes the records of what came up to a time.
func (t *Tagger) record(at time.Time, wire usb.Wire) {
	if !at.After(t.drawn) {
		return
	}
	from, to := t.tick, t.ticks(at)
	switch {
	case t.running():
		t.tags = t.light.Until(at, to, t.tags[:0])
		t.tags = slices.DeleteFunc(t.tags, func(tag sim.Tag) bool { return t.registers.strobe>>tag.Channel()&1 == 0 })
		if t.options.Delta > 0 {
			t.addChanges(from, to)
		}
		if truth, ok := wire.(usb.TagWire); ok {
			truth.Tags(t.tags)
		}
		for i := 0; i < len(t.tags); {
			i = t.recordTick(i, at, wire)
		}
	case t.registers.control&resetting != 0, t.registers.control&counting == 0:
		t.zero += int64(to - from) // the timer stands still
	}
	t.drawn, t.tick = at, to
}

// addChanges adds the changes of the delta inputs to the tags.
func (t *Tagger) addChanges(from, to uint64) {
	period := uint64(t.options.Delta.Seconds() * t.options.ClockHz)
	added := len(t.tags)
	for n := (from + period - 1) / period; n*period < to; n++ {
		if input := int(n % inputs); t.registers.delta>>input&1 == 1 {
			t.tags = append(t.tags, sim.NewTag(n*period, inputs+input))
		}
	}
	if added < len(t.tags) {
		slices.Sort(t.tags)
	}
}

// recordTick makes the records of the tick of tag i and returns the first tag behind it.
func (t *Tagger) recordTick(i int, at time.Time, wire usb.Wire) int {
	tick := t.tags[i].Tick()
	strobe, changed := uint64(0), uint8(0)
	for ; i < len(t.tags) && t.tags[i].Tick() == tick; i++ {
		if channel := t.tags[i].Channel(); channel < inputs {
			strobe |= 1 << channel
		} else {
			changed |= 1 << (channel - inputs)
		}
	}
	if strobe > 0 {
		t.put(tick, strobe<<inputShift, at, wire)
	}
	if changed > 0 {
		t.levels ^= changed
		t.put(tick, uint64(t.levels)&uint64(t.registers.delta)<<inputShift|deltaFlag, at, wire)
	}
	return i
}

// put puts a record into the memory, unless that is full.
func (t *Tagger) put(tick, what uint64, at time.Time, wire usb.Wire) {
	timer := int64(tick) - t.zero
	record := uint64(timer)&timeMask | what
	full := t.fifo.bytes+recordBytes > t.options.FIFO
	if t.losing {
		full = t.fifo.bytes+t.packet+recordBytes > t.options.FIFO
	}
	if full || at.Before(t.overrun) || at.Equal(t.overrun) {
		if !t.losing {
			t.losing, t.lost = true, tick
			t.fifo.push(record | uint64(1+t.rng.IntN(recordBytes-1))<<cutShift)
		}
		t.registers.lost++
		t.gap = true
		return
	}
	if t.losing {
		t.losing = false
		t.tell(wire, t.lost, tick, "its memory ran over")
	}
	if timer>>timeBits != t.wraps {
		t.wraps = timer >> timeBits
		record |= wrapFlag
	}
	if t.gap {
		t.gap = false
		record |= lostFlag
	}
	t.registers.records++
	t.fifo.push(record)
}

func (t *Tagger) tell(wire usb.Wire, from, to uint64, reason string) {
	if truth, ok := wire.(usb.TagWire); ok {
		truth.Lost(from, to, -1, reason)
	}
}

// drop throws away what waits.
func (t *Tagger) drop(wire usb.Wire, reason string) {
	if t.losing {
		t.losing = false
		t.tell(wire, t.lost, t.tick, "its memory ran over")
	}
	if first, ok := t.fifo.oldest(); ok {
		t.tell(wire, t.tickOf(first), t.tick, reason)
	}
	t.fifo.clear()
}

// tickOf is the tick of the truth of a record that was made within the last wrap.
func (t *Tagger) tickOf(record uint64) uint64 {
	now := int64(t.tick) - t.zero
	return uint64(now - (now-int64(record&timeMask))&timeMask + t.zero)
}

// Waiting is how many bytes the host could fetch.
func (t *Tagger) Waiting() int {
	if t.fifo.bytes < t.packet && t.fifo.cuts == 0 {
		return 0
	}
	return t.fifo.bytes
}

// Harmed is told of a packet of data that did not get to the host as it was.
func (t *Tagger) Harmed(wire usb.Wire, reason string) {
	if t.fifo.fetched {
		t.tell(wire, t.tickOf(t.fifo.first), t.tickOf(t.fifo.last)+1, reason)
	}
}

// In implements [usb.Device].
func (t *Tagger) In(_ time.Time, endpoint uint8, packet []byte, _ usb.Wire) (int, usb.Answer) {
	t.fifo.fetched = false
	switch {
	case endpoint == replyAddress && len(t.replies) > 0:
		n := copy(packet, t.replies[0])
		t.replies = t.replies[1:]
		return n, usb.ACK
	case endpoint == dataAddress && t.Waiting() > 0:
		return t.fifo.fetch(packet[:t.packet]), usb.ACK
	}
	return 0, usb.NAK
}

// fifo is what waits in the tagger. Its size is for who puts into it to keep.
type fifo struct {
	records []uint64
	head    int // the first in records
	inside  int // bytes of it that are fetched
	bytes   int
	cuts    int // records that are cut

	fetched     bool // the last packet fetched was of data
	first, last uint64
}

func (f *fifo) clear() { *f = fifo{records: f.records[:0]} }

// oldest is the first record.
func (f *fifo) oldest() (uint64, bool) {
	if f.head == len(f.records) {
		return 0, false
	}
	return f.records[f.head], true
}

// left is how many bytes of a record there are.
func left(record uint64) int {
	if cut := int(record >> cutShift); cut > 0 {
		return cut
	}
	return recordBytes
}

func (f *fifo) push(record uint64) {
	if f.head*2 >= len(f.records) && len(f.records) == cap(f.records) {
		f.records = f.records[:copy(f.records, f.records[f.head:])]
		f.head = 0
	}
	f.records = append(f.records, record)
	f.bytes += left(record)
	if record>>cutShift > 0 {
		f.cuts++
	}
}

// fetch fills a packet as far as there are bytes, up to a record that is cut.
func (f *fifo) fetch(packet []byte) (n int) {
	f.fetched, f.first = true, f.records[f.head]
	for n < len(packet) && f.head < len(f.records) {
		record := f.records[f.head]
		f.last = record
		end := left(record)
		for ; f.inside < end && n < len(packet); f.inside++ {
			const highByte = 40
			packet[n] = byte(record >> (highByte - 8*f.inside))
			n++
		}
		if f.inside < end {
			break
		}
		f.head++
		f.inside = 0
		if record>>cutShift > 0 {
			f.cuts--
			break
		}
	}
	f.bytes -= n
	return n
}
