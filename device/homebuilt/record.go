package homebuilt

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"photongate/device"
	"photongate/instrument"
)

// record cuts binary records.
type record struct {
	f      *instrument.File
	r      *instrument.Record
	sync   []byte
	trail  []byte
	places []instrument.Place  // all numbers, to check those that are always the same
	checks []*instrument.Place // of these, those with seven bits in a byte, or always the same
	slots  []slot
	event  bool
	tags   *tagPlan // nil for readings
	short  [wordBytes]byte
}

func newRecord(f *instrument.File) *record {
	r := &record{
		f: f, r: f.Record, sync: []byte(f.Record.Sync), trail: []byte(f.Record.Trail),
		places: f.Record.Values(), slots: slots(f), event: f.Channels[0].Kind == instrument.Event,
	}
	for i := range r.places {
		if p := &r.places[i]; p.Bits == 7 || p.Is != nil {
			r.checks = append(r.checks, p)
		}
	}
	if f.Tags != nil {
		r.tags = newTagPlan(f)
	}
	return r
}

// cut implements format. A record without a checksum must be followed by what a
// record begins with, as far as more has come.
func (r *record) cut(buf []byte, row *row) (int, verdict) {
	length := r.r.Length
	if k := min(len(buf), len(r.sync)); !bytes.Equal(buf[:k], r.sync[:k]) {
		return r.skip(buf), unfit
	}
	if len(buf) < length {
		if n := r.early(buf); n > 0 {
			return n, unfit
		}
		return 0, unclear
	}
	if next := buf[length:]; len(r.sync) > 0 && len(next) > 0 && r.r.Checksum == instrument.NoChecksum {
		k := min(len(next), len(r.sync))
		if !bytes.Equal(next[:k], r.sync[:k]) {
			return r.skip(buf), unfit
		}
	}
	if !r.valid(buf[:length], row) {
		return r.skip(buf), unfit
	}
	switch {
	case r.event:
		return length, event
	case r.tags != nil:
		return length, r.tagIn(buf[:length], row)
	}
	return length, reading
}

// tagIn says what a whole record of an instrument of tags is.
func (r *record) tagIn(p []byte, row *row) verdict {
	if len(p) < wordBytes {
		copy(r.short[:], p)
		p = r.short[:]
	}
	t, ok := r.tags.read(p)
	row.tag = t
	switch {
	case !ok:
		return unfit
	case t.special != nil:
		return ignored
	}
	return reading
}

// early reports where a record ends before its time: at a byte that is in none but
// at its end.
func (r *record) early(buf []byte) int {
	if len(r.sync) > 0 || len(r.trail) != 1 || !r.sevenBits() {
		return 0
	}
	return bytes.IndexByte(buf, r.trail[0]) + 1
}

// sevenBits reports whether all bytes of fields have their upper bit clear, and
// the trail has it set.
func (r *record) sevenBits() bool {
	for _, p := range r.places {
		if p.Bits != 7 {
			return false
		}
	}
	return r.trail[0] >= 0x80
}

// skip is how many bytes to drop of those that are no record: up to where one may
// begin.
func (r *record) skip(buf []byte) int {
	switch {
	case len(r.sync) > 0:
		for i := 1; i < len(buf); i++ {
			k := min(len(buf)-i, len(r.sync))
			if bytes.Equal(buf[i:i+k], r.sync[:k]) {
				return i
			}
		}
		return len(buf)
	case len(r.trail) > 0:
		if i := bytes.Index(buf, r.trail); i >= 0 {
			return i + len(r.trail)
		}
		return max(len(buf)-len(r.trail)+1, 1)
	}
	return min(len(buf), r.r.Length)
}

// valid reports whether p is a record, and reads it.
func (r *record) valid(p []byte, row *row) bool {
	if !bytes.HasSuffix(p, r.trail) || !r.checksum(p) {
		return false
	}
	for _, f := range r.checks {
		if v, ok := number7(p, f); !ok || f.Is != nil && v != *f.Is {
			return false
		}
	}
	row.marks = 0
	for i := range r.slots {
		if !r.slots[i].decode(p, &r.places[r.slots[i].ref.Index-1], row) {
			return false
		}
	}
	return true
}

// checksum reports whether the checksum is right, where there is one.
func (r *record) checksum(p []byte) bool {
	if r.r.Checksum == instrument.NoChecksum {
		return true
	}
	return sumOf(r.r.Checksum, p[r.r.ChecksumOver[0]:r.r.ChecksumOver[1]+1]) == p[*r.r.ChecksumAt]
}

// sumOf is the checksum of bytes.
func sumOf(kind instrument.Checksum, p []byte) (sum byte) {
	for _, b := range p {
		if kind == instrument.Xor8 {
			sum ^= b
		} else {
			sum += b
		}
	}
	return sum
}

// badSum says what is wrong with a checksum, and which would be right.
func (r *record) badSum(p []byte) string {
	over, at := r.r.ChecksumOver, *r.r.ChecksumAt
	text := fmt.Sprintf("record whose %s is %02x and not as its bytes have it: that of bytes %d to %d is %02x",
		r.r.Checksum, p[at], over[0], over[1], sumOf(r.r.Checksum, p[over[0]:over[1]+1]))
	for _, kind := range []instrument.Checksum{r.r.Checksum, instrument.Sum8, instrument.Xor8} {
		for _, from := range []int{over[0], 0, len(r.sync), 1} {
			if from < at && sumOf(kind, p[from:at]) == p[at] {
				return text + fmt.Sprintf("; checksum = %q with checksum_over = [%d, %d] fits this one", kind, from, at-1)
			}
		}
	}
	return text
}

// number7 reads a number, whatever its bits, order and stride. It reports false for
// a byte with an upper bit that cannot be set.
func number7(p []byte, f *instrument.Place) (v uint64, ok bool) {
	var upper byte
	for k := range f.Width {
		at := k
		if f.Order == instrument.Little {
			at = f.Width - 1 - k
		}
		b := p[f.At+at*f.Stride]
		if f.Bits == 7 {
			upper |= b
		}
		v = v<<f.Bits | uint64(b)
	}
	if f.Mask != 0 {
		v &= f.Mask
	}
	return v >> f.Shift, upper < 0x80
}

// raw reads a number; it is quick for those of four bytes in a row.
func raw(p []byte, f *instrument.Place) uint64 {
	if f.Width == 4 && f.Stride == 1 && f.Bits == 8 && f.Mask == 0 && f.Shift == 0 {
		if f.Order == instrument.Little {
			return uint64(binary.LittleEndian.Uint32(p[f.At:]))
		}
		return uint64(binary.BigEndian.Uint32(p[f.At:]))
	}
	v, _ := number7(p, f)
	return v
}

// decode reads one value of a record.
func (s *slot) decode(p []byte, f *instrument.Place, row *row) bool {
	v, negative := raw(p, f), false
	if bits := f.Width*f.Bits - f.Shift; f.Signed && bits < 64 && f.Mask == 0 {
		v = uint64(int64(v<<(64-bits)) >> (64 - bits))
	}
	if f.Signed && int64(v) < 0 {
		v, negative = -v, true
	}
	if flags, special := s.spec.sentinel(v, negative); special {
		row.put(s, 0, flags)
		return true
	}
	v, flags, ok := s.spec.stored(v, v, negative)
	if ok {
		row.put(s, v, flags)
	}
	return ok
}

// explain implements format.
func (r *record) explain(p []byte, v verdict) string {
	length := r.r.Length
	switch {
	case v == event:
		return "record of one event"
	case r.tags != nil && (v == reading || v == ignored):
		return r.tagText(p)
	case v == reading:
		return fmt.Sprintf("record of %s", plural(len(r.f.Channels), "value"))
	case !bytes.HasPrefix(p, r.sync):
		return fmt.Sprintf("%s before what a record begins with, % x", plural(len(p), "byte"), r.sync)
	case len(p) != length:
		return fmt.Sprintf("record of %s, expected %d", plural(len(p), "byte"), length)
	case !bytes.HasSuffix(p, r.trail):
		return fmt.Sprintf("record that does not end with % x", r.trail)
	case !r.checksum(p):
		return r.badSum(p)
	}
	for i := range r.places {
		f := &r.places[i]
		if n, ok := number7(p, f); !ok || f.Is != nil && n != *f.Is {
			return fmt.Sprintf("record in which value %d, %s, cannot be", i+1, device.ShowBytes(p[f.At:f.At+1]))
		}
	}
	row := newRow(len(r.f.Channels))
	for i := range r.slots {
		f := &r.places[r.slots[i].ref.Index-1]
		if !r.slots[i].decode(p, f, &row) {
			return fmt.Sprintf("record in which value %d, %d, is larger than it can be", r.slots[i].ref.Index, raw(p, f))
		}
	}
	if r.tags != nil && r.tagIn(p, &row) == unfit {
		return "record of a channel that the file does not name"
	}
	return "record that is not followed by another"
}
