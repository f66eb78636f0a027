package umass

import (
	"encoding/binary"
	"fmt"
	"slices"

	"photongate/device"
)

// Endpoints.
const (
	endCommand = 0x02
	endReply   = 0x88
	endData    = 0x86
)

// Registers.
const (
	regNone    = 0x00 // there is none: writing it may end half a command
	regVersion = 0x01
	regClock   = 0x02 // Hz
	regCapture = 0x03
	regStrobe  = 0x04 // bits 3..0: which strobe inputs are recorded
	regDelta   = 0x05 // the same of the delta inputs
	regRecords = 0x06 // recorded, since the counter was cleared
	regLost    = 0x07 // not recorded for lack of room, since the counter was cleared
	regFIFO    = 0x08
)

// Bits of regCapture and regFIFO.
const (
	captureOn  = 1 << 0
	countOn    = 1 << 1
	countReset = 1 << 2
	fifoClear  = 1 << 0
)

// Vendor requests of the FX2.
const (
	vendorOut  = 0x40
	reqPacket  = 0x01 // wValue: bytes of a packet of data
	reqFlush   = 0x02
	replyBytes = 4
)

// command reads a register, or writes it. Both are answered with its value.
func command(write bool, reg uint16, value uint32) []byte {
	p := make([]byte, 8)
	p[0] = 0xAA
	if write {
		p[1] = 1
	}
	binary.LittleEndian.PutUint16(p[2:], reg)
	binary.LittleEndian.PutUint32(p[4:], value)
	return p
}

// parseReply reads the value of a register.
func parseReply(p []byte) (uint32, error) {
	if len(p) != replyBytes {
		return 0, fmt.Errorf("%w: a register is answered with %d bytes, got %s", device.ErrNonsense, replyBytes, device.ShowBytes(p))
	}
	return binary.LittleEndian.Uint32(p), nil
}

// A record is a big-endian word of 48 bits:
//
//	bit 47      records were lost before this one
//	bit 46      the time has wrapped since the record before
//	bit 45      0: strobe inputs had an edge; 1: delta inputs changed, and are so now
//	bits 44..40 0
//	bits 39..36 inputs 3 to 0; of a strobe record none where it only tells the wrap
//	bits 35..0  time in ticks of the clock of regClock
const (
	recordBytes = 6
	period      = 1 << 36
	timeMask    = period - 1
	lostBit     = 1 << 47
	wrapBit     = 1 << 46
	deltaBit    = 1 << 45
	unusedMask  = 0x1F << 40
	inputs      = 4
	inputMask   = 1<<inputs - 1
)

// word is the record that p begins with. Two bytes behind it are read, too.
func word(p []byte) uint64 { return binary.BigEndian.Uint64(p) >> 16 }

// several stands in a table of channels for records that are no event of one input.
const several = 0xFF

// wiring says which channels the inputs are.
type wiring struct {
	strobe   [inputMask + 1]uint8 // channel of a strobe record's inputs where it is one of them
	inputs   [inputs]uint8        // channel of a strobe input; several: it is not on
	rising   [inputs]uint8        // channel of a delta input's edges
	falling  [inputs]uint8
	deltas   uint8 // delta inputs that are on
	channels []device.Channel
}

// wire numbers the channels of the inputs that are on.
func wire(strobes, deltas uint32) *wiring {
	w := &wiring{deltas: uint8(deltas & inputMask)}
	for k := range w.strobe {
		w.strobe[k] = several
	}
	add := func(c device.Channel) uint8 {
		w.channels = append(w.channels, c)
		return uint8(len(w.channels) - 1)
	}
	for n := range inputs {
		w.inputs[n], w.rising[n], w.falling[n] = several, several, several
		if strobes>>n&1 != 0 {
			w.inputs[n] = add(device.Channel{Name: fmt.Sprintf("S%d", n), Input: fmt.Sprintf("strobe %d", n), Kind: device.Tag, Edge: device.Rising})
			w.strobe[1<<n] = w.inputs[n]
		}
	}
	for n := range inputs {
		if deltas>>n&1 != 0 {
			w.rising[n] = add(device.Channel{Name: fmt.Sprintf("D%d+", n), Input: fmt.Sprintf("delta %d rising", n), Kind: device.Marker, Edge: device.Rising})
			w.falling[n] = add(device.Channel{Name: fmt.Sprintf("D%d-", n), Input: fmt.Sprintf("delta %d falling", n), Kind: device.Marker, Edge: device.Falling})
		}
	}
	return w
}

// decoder turns records into tags. Its value is all there is to know of those before.
type decoder struct {
	*wiring
	begun  bool
	tick   uint64 // of the last record, wraps undone
	before uint64 // of the one before it
	levels uint8  // of the delta inputs, where known
	known  bool
}

// calm bounds the steps that are taken without a second look: half a minute at 128 MHz.
const calm = 1 << 32

// run appends the tags of whole records up to one that needs a second look, as one of a
// time behind limit does, and returns how many it took. Two bytes behind p can be read.
func (d *decoder) run(p []byte, limit uint64, t *device.Tags) (records int) {
	n, room := len(t.Tick), len(p)/recordBytes
	if !d.begun || room == 0 {
		return 0
	}
	t.Tick, t.Channel = slices.Grow(t.Tick, room), slices.Grow(t.Channel, room)
	ticks, channels := t.Tick[n:n+room], t.Channel[n:n+room]
	channels = channels[:len(ticks)]
	p = p[:room*recordBytes+2]
	tick := d.tick
	for i := range ticks {
		w := binary.BigEndian.Uint64(p[i*recordBytes:]) >> 16
		step := (w - tick) & timeMask
		if w>>40 != 0 || step >= calm {
			break
		}
		channel := d.strobe[w>>36]
		if channel == several {
			break
		}
		tick += step
		ticks[i], channels[i] = tick, channel
		records = i + 1
	}
	for records > 0 && ticks[records-1] > limit {
		records--
	}
	t.Tick, t.Channel = t.Tick[:n+records], t.Channel[:n+records]
	if records > 0 {
		d.before, d.tick = d.tick, ticks[records-1]
	}
	if records > 1 {
		d.before = ticks[records-2]
	}
	return records
}

// fits reports whether a record can be one at all: unused bits are 0, and the inputs
// it names are on.
func (d *decoder) fits(w uint64) bool {
	named := uint8(w >> 36 & inputMask)
	switch {
	case w&unusedMask != 0:
		return false
	case w&deltaBit != 0:
		return named&^d.deltas == 0
	case named == 0:
		return w&wrapBit != 0 // none but for the wrap
	}
	for n := range inputs {
		if named>>n&1 != 0 && d.inputs[n] == several {
			return false
		}
	}
	return true
}

// one takes one record that fits, at a tick, and appends what it tells. Lost says that
// records before it may be missing.
func (d *decoder) one(w, tick uint64, lost bool, t *device.Tags) {
	if !d.begun {
		d.begun, d.tick = true, tick
	}
	d.before, d.tick = d.tick, tick
	named := uint8(w >> 36 & inputMask)
	if w&deltaBit == 0 {
		d.known = d.known && !lost
		for n := range inputs {
			if named>>n&1 != 0 {
				t.Tick, t.Channel = append(t.Tick, tick), append(t.Channel, d.inputs[n])
			}
		}
		return
	}
	d.edges(named, tick, d.known && !lost, t)
	d.levels, d.known = named, true
}

// edges appends the edges of the delta inputs that changed. Where it is not known how
// they were before, one that alone is on has changed for sure; of more than one it is
// open which did, and that is a loss of one tick.
func (d *decoder) edges(now uint8, tick uint64, known bool, t *device.Tags) {
	changed := now ^ d.levels
	if !known {
		changed = d.deltas
	}
	sure := known || changed&(changed-1) == 0
	for n := range inputs {
		if changed>>n&1 == 0 {
			continue
		}
		channel := d.falling[n]
		if now>>n&1 != 0 {
			channel = d.rising[n]
		}
		if sure {
			t.Tick, t.Channel = append(t.Tick, tick), append(t.Channel, channel)
		} else {
			t.Losses = append(t.Losses, device.Loss{From: tick, To: tick + 1, Channel: int(channel)})
		}
	}
}
