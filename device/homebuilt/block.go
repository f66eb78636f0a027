package homebuilt

import (
	"encoding/binary"
	"math"
	"slices"

	"photongate/device"
	"photongate/instrument"
)

// block reads many records at once, a column at a time. It takes only those of
// which there is nothing to say: whatever it does not take, cut judges.
type block struct {
	record  *record
	columns []column
	number  *column  // numbers the readings; nil for none
	numbers []uint64 // read from it
}

// column is one number of a record, as it stands in many of them.
type column struct {
	place instrument.Place
	slot  *slot
	limit uint64
	read  func(dst []uint64, p []byte, at, length int) // nil for an unusual one
}

// blockSink is a sink that can take many readings which came together.
type blockSink interface {
	// addMany takes in n readings whose values are in b already.
	addMany(b *device.Batch, n int, flags device.ReadingFlags) error
}

// newBlock returns nil for records that are read one at a time.
func newBlock(f format, s sink) *block {
	r, ok := f.(*record)
	if _, many := s.(blockSink); !ok || !many {
		return nil
	}
	b := &block{record: r}
	for i := range r.slots {
		s := &r.slots[i]
		c := newColumn(s, r.places[s.ref.Index-1])
		switch {
		case s.channel >= 0:
			b.columns = append(b.columns, c)
		case s.own == ownNumber:
			b.number = &c
		}
	}
	return b
}

// newColumn finds the quickest way to read a number of many records.
func newColumn(s *slot, p instrument.Place) column {
	n := &s.spec
	if p.Signed || n.factor != 1 || n.overflow != nil || len(n.absent) > 0 {
		return column{place: p, slot: s}
	}
	c := column{place: p, slot: s, limit: n.max}
	if n.width > 0 && n.width < 64 {
		c.limit = min(c.limit, 1<<n.width-1)
	}
	if bits := p.Width * p.Bits; bits < 64 && c.limit >= 1<<bits-1 {
		c.limit = math.MaxUint64
	}
	c.read = readerOf(p)
	return c
}

// fill reads the column of as many records as dst has places, and returns of how
// many it is plain: neither too large nor anything else there would be to say.
func (c *column) fill(dst []uint64, p []byte, length int, row *row) int {
	if c.read == nil {
		for i := range dst {
			row.marks = 0
			if !c.slot.decode(p[i*length:], &c.place, row) || row.marks != 0 || c.slot.channel >= 0 && row.flags[c.slot.channel] != 0 {
				return i
			}
			dst[i] = row.of(c.slot)
		}
		return len(dst)
	}
	c.read(dst, p, c.place.At, length)
	if c.place.Mask != 0 || c.place.Shift != 0 {
		mask := c.place.Mask
		if mask == 0 {
			mask = math.MaxUint64
		}
		for i, v := range dst {
			dst[i] = v & mask >> c.place.Shift
		}
	}
	if c.limit != math.MaxUint64 {
		if i := slices.IndexFunc(dst, func(v uint64) bool { return v > c.limit }); i >= 0 {
			return i
		}
	}
	return len(dst)
}

// of is what was read for a slot.
func (r *row) of(s *slot) uint64 {
	if s.channel < 0 {
		return r.own[s.own]
	}
	return r.values[s.channel]
}

// extend makes a slice longer by n and returns it with the new end.
func extend[T any](s []T, n int) (longer, end []T) {
	at := len(s)
	s = slices.Grow(s, n)[:at+n]
	return s, s[at:]
}

// follow reads the numbers of n records and returns how many of these follow each
// other, the first one last.
func (b *block) follow(p []byte, n int, last uint64, row *row) int {
	if b.number == nil {
		return n
	}
	b.numbers, _ = extend(b.numbers[:0], n)
	n = b.number.fill(b.numbers, p, b.record.r.Length, row)
	for i, v := range b.numbers[:n] {
		if last++; v != last {
			return i
		}
	}
	return n
}

// fill appends the values of n records to a batch and returns how many there are
// now: fewer where there is something to say of one.
func (b *block) fill(batch *device.Batch, p []byte, n int, row *row) int {
	rows := len(batch.Flags)
	for k := range b.columns {
		c := b.columns[k].slot.channel
		longer, end := extend(batch.Values[c], n)
		n = b.columns[k].fill(end, p, b.record.r.Length, row)
		batch.Values[c] = longer
	}
	for c := range batch.Values {
		batch.Values[c] = batch.Values[c][:rows+n]
		var flags []device.ChannelFlags
		batch.ValueFlags[c], flags = extend(batch.ValueFlags[c], n)
		clear(flags)
	}
	return n
}

// takeBlock takes in as many of the next records as there is nothing to say of, at
// most so many, and returns how many.
func (r *free) takeBlock(b *device.Batch, most int) (n int, err error) {
	if r.block == nil || r.bad > 0 || r.back > 0 || r.block.number != nil && !r.counted {
		return 0, nil
	}
	p, came := r.together()
	n = r.block.follow(p, r.block.record.whole(p, most), r.number, &r.row)
	if n == 0 {
		return 0, nil
	}
	if came != r.from {
		r.sink.flush(b, r.from)
		r.from = came
	}
	if !r.block.record.event {
		if n = r.block.fill(b, p, n, &r.row); n == 0 {
			return 0, nil
		}
	}
	if r.block.number != nil {
		r.number = r.block.numbers[n-1]
	}
	r.badPieces, r.again = 0, 0
	r.drop(n * r.f.Record.Length)
	return n, r.sink.(blockSink).addMany(b, n, r.unverified)
}

// readerOf returns what reads a number of many records: those at an offset, in records
// of a length.
func readerOf(p instrument.Place) func(dst []uint64, records []byte, at, length int) {
	type shape struct {
		order               instrument.Order
		width, stride, bits int
	}
	usual := map[shape]func([]uint64, []byte, int, int){
		{instrument.Little, 1, 1, 8}: readBytes, {instrument.Big, 1, 1, 8}: readBytes,
		{instrument.Little, 2, 1, 8}: readLittle16, {instrument.Big, 2, 1, 8}: readBig16,
		{instrument.Little, 4, 1, 8}: readLittle32, {instrument.Big, 4, 1, 8}: readBig32,
		{instrument.Little, 8, 1, 8}: readLittle64, {instrument.Big, 8, 1, 8}: readBig64,
	}
	if read := usual[shape{p.Order, p.Width, p.Stride, p.Bits}]; read != nil {
		return read
	}
	return func(dst []uint64, records []byte, at, length int) {
		first, step := at, p.Stride // the most significant byte, and the way from there
		if p.Order == instrument.Little {
			first, step = at+(p.Width-1)*p.Stride, -p.Stride
		}
		for i := range dst {
			v := uint64(0)
			for k := range p.Width {
				v = v<<p.Bits | uint64(records[first+k*step])
			}
			dst[i] = v
			first += length
		}
	}
}

func readBytes(dst []uint64, p []byte, at, length int) {
	for i := range dst {
		dst[i] = uint64(p[at])
		at += length
	}
}

func readLittle16(dst []uint64, p []byte, at, length int) {
	for i := range dst {
		dst[i] = uint64(binary.LittleEndian.Uint16(p[at : at+2]))
		at += length
	}
}

func readLittle32(dst []uint64, p []byte, at, length int) {
	for i := range dst {
		dst[i] = uint64(binary.LittleEndian.Uint32(p[at : at+4]))
		at += length
	}
}

func readLittle64(dst []uint64, p []byte, at, length int) {
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint64(p[at : at+8])
		at += length
	}
}

func readBig16(dst []uint64, p []byte, at, length int) {
	for i := range dst {
		dst[i] = uint64(binary.BigEndian.Uint16(p[at : at+2]))
		at += length
	}
}

func readBig32(dst []uint64, p []byte, at, length int) {
	for i := range dst {
		dst[i] = uint64(binary.BigEndian.Uint32(p[at : at+4]))
		at += length
	}
}

func readBig64(dst []uint64, p []byte, at, length int) {
	for i := range dst {
		dst[i] = binary.BigEndian.Uint64(p[at : at+8])
		at += length
	}
}
