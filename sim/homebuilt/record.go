package homebuilt

import "photongate/instrument"

// newRecord finds out what a record looks like: that of the first example, with
// the numbers replaced.
func (c *Counter) newRecord() (message, error) {
	r := c.file.Record
	blank := make([]byte, r.Length)
	switch first := c.file.Examples[0].Bytes; {
	case c.play.Fill != "":
		copy(blank, c.play.Fill)
	case len(first) >= r.Length:
		copy(blank, first)
	}
	copy(blank, r.Sync)
	copy(blank[r.Length-len(r.Trail):], r.Trail)
	values := r.Values()
	for _, p := range values {
		if p.Is != nil {
			place(blank, p, *p.Is)
		}
	}
	byIndex := c.namesByIndex()
	names := make([]string, len(values))
	for i := range values {
		names[i] = byIndex[i+1]
	}
	return func(value func(string) (any, bool)) []byte {
		out := append([]byte(nil), blank...)
		for i, p := range values {
			if v, ok := value(names[i]); ok {
				place(out, p, asBits(v))
			}
		}
		sum(out, r)
		return out
	}, nil
}

// asBits is a value as the bits of a number.
func asBits(v any) uint64 {
	switch v := v.(type) {
	case uint64:
		return v
	case int64:
		return uint64(v)
	case float64:
		return uint64(v)
	}
	return 0
}

// capacity is the largest number that a place in a record holds.
func capacity(p instrument.Place) uint64 {
	most := fieldBits(p) >> p.Shift
	if p.Signed {
		most >>= 1
	}
	return most
}

// fieldBits are the bits of a field that are its number's.
func fieldBits(p instrument.Place) uint64 {
	all := ^uint64(0)
	if n := p.Width * p.Bits; n < 64 {
		all = 1<<n - 1
	}
	if p.Mask != 0 {
		all &= p.Mask
	}
	return all
}

// place writes a number where it belongs, and leaves the bits that are not its own.
// Of one that is too large the upper bits are lost.
func place(out []byte, p instrument.Place, n uint64) {
	own := fieldBits(p)
	n = n << p.Shift & own
	for k := range p.Width {
		at := p.At + k*p.Stride
		low := k * p.Bits
		if p.Order == instrument.Big {
			low = (p.Width - 1 - k) * p.Bits
		}
		if low >= 64 {
			continue
		}
		mask := byte(own >> low)
		if p.Bits == 7 {
			mask &= 0x7F
			out[at] &= 0x7F
		}
		out[at] = out[at]&^mask | byte(n>>low)&mask
	}
}

// sum writes the checksum.
func sum(out []byte, r *instrument.Record) {
	if r.ChecksumAt == nil {
		return
	}
	var s byte
	for _, b := range out[r.ChecksumOver[0] : r.ChecksumOver[1]+1] {
		if r.Checksum == instrument.Xor8 {
			s ^= b
		} else {
			s += b
		}
	}
	out[*r.ChecksumAt] = s
}
