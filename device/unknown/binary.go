package unknown

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	maxRecord = 512                   // bytes of the longest record looked for
	maxSample = 64 << 10              // bytes that are compared with each other
	pause     = 20 * time.Millisecond // adapters hold bytes back for up to 16 ms by themselves
)

// binary looks for records.
func (r *Report) binary(all received) {
	length, begin := 0, -1
	if mark, every, share := repeatingByte(all.bytes); every > 0 {
		r.find("byte %02x comes every %d bytes (%.0f %% of the times it comes): looks like the mark that ends or begins a record of %d bytes", mark, every, 100*share, every)
		length, begin = every, slices.Index(all.bytes, mark)+1
		r.Sure = 1 + 0.5*share
		if seven(all.bytes, mark) {
			r.find("bit 7 is set in no byte but %02x: looks like seven bits of a number to a byte", mark)
		}
	}
	bursts := all.bursts()
	if size, share := commonSize(bursts); share >= 0.6 {
		r.find("bytes come %d at a time with a pause behind (%.0f %% of %d): looks like records, or groups of them, of %d bytes", size, 100*share, len(bursts)-2, size)
		if length == 0 {
			length, begin = size, bursts[1].from
		}
		r.Sure = max(r.Sure, 1+0.3*share)
		if length == size {
			r.Sure += 0.2
		}
	}
	if every, part, usual := autocorrelation(all.bytes); every > 0 {
		r.find("%.0f %% of the bytes are like the one %d before them, %.0f %% at other distances: looks like records of %d bytes, or a whole number of them", 100*part, every, 100*usual, every)
		if length == 0 {
			length = every
		}
		r.Sure = max(r.Sure, 1+0.3*part)
		if length == every {
			r.Sure += 0.2
		}
	}
	if length == 0 {
		r.find("no record length stands out among 1 to %d bytes", maxRecord)
	}
	if length > 0 && begin >= 0 {
		r.constants(all.bytes[begin:], length)
	}
	if p := period("groups of bytes", starts(bursts)); p != "" {
		r.find("%s", p)
	}
}

// repeatingByte finds a byte that comes at an even distance, whenever it comes,
// all along. Every is 0 when there is none.
func repeatingByte(b []byte) (mark byte, every int, share float64) {
	last := [256]int{}
	distances := [256]map[int]int{}
	counts := [256]int{}
	for i, c := range b {
		if counts[c]++; counts[c] > 1 {
			if distances[c] == nil {
				distances[c] = map[int]int{}
			}
			distances[c][i-last[c]]++
		}
		last[c] = i
	}
	most := 0
	for c := range 256 {
		if counts[c] < 4 {
			continue
		}
		for d, n := range distances[c] {
			s := float64(n) / float64(counts[c]-1)
			if d > 1 && d <= maxRecord && s >= 0.8 && n > most && counts[c]*d*10 >= len(b)*8 {
				mark, every, share, most = byte(c), d, s, n
			}
		}
	}
	return mark, every, share
}

// seven reports whether bit 7 is set in no byte but the mark, which has it.
func seven(b []byte, mark byte) bool {
	return mark >= 0x80 && !slices.ContainsFunc(b, func(c byte) bool { return c >= 0x80 && c != mark })
}

// bursts joins chunks that came without a pause between them.
func (r received) bursts() []chunk {
	var list []chunk
	for i, c := range r.chunks {
		if i > 0 && c.at-r.chunks[i-1].at < pause {
			list[len(list)-1].to = c.to
			continue
		}
		list = append(list, c)
	}
	return list
}

func starts(bursts []chunk) []time.Duration {
	var times []time.Duration
	for _, b := range bursts {
		times = append(times, b.at)
	}
	return times
}

// commonSize returns the size most bursts have, and how many of them; the first
// and the last may be torn.
func commonSize(bursts []chunk) (size int, share float64) {
	if len(bursts) < 5 {
		return 0, 0
	}
	sizes := map[int]int{}
	for _, b := range bursts[1 : len(bursts)-1] {
		sizes[b.to-b.from]++
	}
	for s, n := range sizes {
		if n > sizes[size] || n == sizes[size] && s < size {
			size = s
		}
	}
	return size, float64(sizes[size]) / float64(len(bursts)-2)
}

// autocorrelation returns the shortest distance at which bytes are alike clearly
// more often than at others, and how often. Every is 0 when there is none.
func autocorrelation(b []byte) (every int, part, usual float64) {
	b = b[:min(len(b), maxSample)]
	most := min(maxRecord, len(b)/4)
	if most < 2 {
		return 0, 0, 0
	}
	parts := make([]float64, most+1)
	best := 0.0
	for d := 1; d <= most; d++ {
		n := 0
		for i := d; i < len(b); i++ {
			if b[i] == b[i-d] {
				n++
			}
		}
		parts[d] = float64(n) / float64(len(b)-d)
		best = max(best, parts[d])
		usual += parts[d] / float64(most)
	}
	if best < usual+0.15 {
		return 0, 0, 0
	}
	for d := 1; d <= most; d++ {
		if parts[d] >= best-0.2*(best-usual) {
			return d, parts[d], usual
		}
	}
	return 0, 0, 0
}

// constants says which bytes of a record never change.
func (r *Report) constants(b []byte, length int) {
	records := len(b) / length
	if records < 3 {
		return
	}
	var fixed []string
	for i := range length {
		alike := 0
		for k := range records {
			if b[k*length+i] == b[i] {
				alike++
			}
		}
		if alike == records {
			fixed = append(fixed, fmt.Sprintf("%d: %02x", i+1, b[i]))
		}
	}
	switch {
	case len(fixed) == length:
		r.find("%d records are all alike", records)
	case len(fixed) > 24:
		r.find("of %d bytes of a record %d are the same in %d records", length, len(fixed), records)
	case len(fixed) > 0:
		r.find("bytes of a record that are the same in %d records: %s", records, strings.Join(fixed, ", "))
	}
}
