package instrument

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxRecord bounds the bytes of a record.
const maxRecord = 1 << 16

// hexLike is a text that was meant as hex digits.
var hexLike = regexp.MustCompile(`^[0-9A-Fa-f]{2}( [0-9A-Fa-f]{2})+$`)

// asHex refuses bytes of a record that were meant as hex digits and are letters.
func (c *checker) asHex(path string, b Bytes) {
	if hexLike.MatchString(string(b)) {
		c.report(path, "%q is taken letter by letter (expected \"hex: %s\" for bytes in hex)", string(b), string(b))
	}
}

func (c *checker) record() {
	r := c.f.Record
	c.asHex("record.sync", r.Sync)
	c.asHex("record.trail", r.Trail)
	for i, e := range c.f.Examples {
		c.asHex(index("example", i)+".bytes", Bytes(strings.Join(strings.Fields(string(e.Bytes)), " ")))
	}
	if t := c.f.Tags; t != nil {
		c.asHex("tags.begin", t.Begin)
	}
	if r.Order == "" {
		r.Order = Little
	}
	if r.Bits == 0 {
		r.Bits = 8
	}
	if r.Stride == 0 {
		r.Stride = 1
	}
	if r.Checksum == "" {
		r.Checksum = NoChecksum
	}
	if r.MaxBad == 0 {
		r.MaxBad = defaultMaxBad
	}
	c.within("record.max_bad", r.MaxBad, 1, 1_000_000)
	if r.Format != "" && len(r.Fields) > 0 {
		c.report("record.format", "there are [[record.field]] as well (expected one of the two)")
		return
	}
	end := c.fields(r)
	if r.Format != "" {
		var err error
		if r.Fields, end, err = parseFormat(r.Format, len(r.Sync)); err != nil {
			c.report("record.format", "%v", err)
			return
		}
	}
	c.layout(r, end)
}

// fields fills in and checks the fields, and returns where the last one ends.
func (c *checker) fields(r *Record) (end int) {
	end = len(r.Sync)
	for i := range r.Fields {
		at, f := index("record.field", i), &r.Fields[i]
		if f.Order == "" {
			f.Order = r.Order
		}
		if f.Bits == 0 {
			f.Bits = r.Bits
		}
		if f.Stride == 0 {
			f.Stride = r.Stride
		}
		if f.Repeat == 0 {
			f.Repeat = 1
		}
		c.within(at+".width", f.Width, 1, 8)
		c.within(at+".stride", f.Stride, 1, 64)
		c.within(at+".repeat", f.Repeat, 1, maxValues)
		c.within(at+".shift", f.Shift, 0, 63)
		c.within(at+".at", f.At, 0, maxRecord)
		if f.Bits != 7 && f.Bits != 8 {
			c.report(at+".bits", "%d cannot be (expected 7 or 8)", f.Bits)
		}
		if f.Step == 0 {
			f.Step = f.Width * f.Stride
		}
		c.within(at+".step", f.Step, 1, maxRecord)
		end = max(end, f.end())
	}
	return end
}

// end is the offset behind the last byte of a field.
func (f Field) end() int { return f.At + (f.Repeat-1)*f.Step + (f.Width-1)*f.Stride + 1 }

// layout checks that everything has its place.
func (c *checker) layout(r *Record, end int) {
	if r.Checksum != NoChecksum && r.ChecksumAt == nil {
		at := end
		if r.Length > 0 {
			at = r.Length - len(r.Trail) - 1
		}
		r.ChecksumAt = &at
	}
	if r.Checksum == NoChecksum && (r.ChecksumAt != nil || len(r.ChecksumOver) > 0) {
		c.report("record.checksum", `is missing (expected "sum8" or "xor8")`)
	}
	if r.ChecksumAt != nil {
		c.within("record.checksum_at", *r.ChecksumAt, 0, maxRecord)
		end = max(end, *r.ChecksumAt+1)
		if len(r.ChecksumOver) == 0 {
			r.ChecksumOver = []int{0, *r.ChecksumAt - 1}
		}
		if o := r.ChecksumOver; len(o) != 2 || o[0] < 0 || o[1] < o[0] || o[0] <= *r.ChecksumAt && *r.ChecksumAt <= o[1] {
			c.report("record.checksum_over", "%v cannot be (expected the first and the last byte, without the checksum itself: [0, 7])", r.ChecksumOver)
		} else {
			end = max(end, o[1]+1)
		}
	}
	values := 0
	for _, f := range r.Fields {
		values += f.Repeat
	}
	if values > maxValues {
		c.report("record", "has %d values (expected at most %d)", values, maxValues)
		r.Fields = nil // so many are not looked at any further
	}
	least := end + len(r.Trail)
	if r.Length == 0 {
		r.Length = least
	}
	if r.Length < least || r.Length < 1 || r.Length > maxRecord {
		c.report("record.length", "%d bytes cannot be: sync, fields, checksum and trail need %d (expected %d to %d)", r.Length, least, max(1, least), maxRecord)
	}
	if r.Length > 1 && r.Sync == "" && r.Trail == "" && r.Idle == 0 && c.f.Poll == nil && c.f.Tags == nil {
		c.report("record", "nothing says where a record begins (expected sync, trail or idle)")
	}
}

// Place is one number in a record: a field, or one of those alike.
type Place struct {
	Name string // empty for a value of Format
	At   int    // offset of its first byte
	Field
}

// largest is the largest number that stands there.
func (p Place) largest() uint64 {
	bits := min(p.Width*max(p.Bits, 1), 64)
	v := ^uint64(0) >> (64 - bits)
	if p.Mask != 0 {
		v &= p.Mask
	}
	return v >> p.Shift
}

// Values returns the numbers in a record, in the order in which Ref.Index counts
// them, from 1.
func (r *Record) Values() []Place {
	var list []Place
	for _, f := range r.Fields {
		for k := range f.Repeat {
			p := Place{Name: f.Name, At: f.At + k*f.Step, Field: f}
			if f.Name != "" && f.Repeat > 1 {
				p.Name = fmt.Sprintf("%s%d", f.Name, k+1)
			}
			list = append(list, p)
		}
	}
	return list
}

// recordReference finds a value of a record.
func (c *checker) recordReference(path string, ref *Ref) {
	values := c.f.Record.Values()
	if ref.Name != "" {
		i := slices.IndexFunc(values, func(p Place) bool { return p.Name == ref.Name })
		if i < 0 {
			c.report(path, "there is no field %v (expected the number of a value, 1 to %d, or one of %s)", ref, len(values), orNone(placeNames(values)))
			return
		}
		ref.Index = i + 1
	}
	if ref.Index > len(values) {
		c.report(path, "there is no value %d: a record has %d (expected [[record.field]] or a format with more)", ref.Index, len(values))
	}
}

// placeNames are the names that values have.
func placeNames(values []Place) []string {
	var names []string
	for _, p := range values {
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	return names
}
