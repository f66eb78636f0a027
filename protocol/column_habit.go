package protocol

import "encoding/binary"

// habit is how a column was coded when the best way was looked for last. A
// channel's columns are alike from frame to frame, and looking takes several times
// as long as coding. The zero value is none.
type habit struct {
	best   choice
	values int // of the column for which it was best
	left   int // columns more that may be coded so
}

const (
	habitValues  = 256 // shorter columns, which are those of slow instruments, have no habits
	habitColumns = 15
	habitLoss    = 128 // one part in so many more bytes for each value ends a habit
	habitGain    = 32  // and in so many less: there may be a way that is shorter still
	habitSlack   = 4   // bytes
)

// appendBy is append for a column that comes in each frame.
func (e *columnEncoder) appendBy(h *habit, dst []byte, x []uint64) []byte {
	if len(x) < habitValues || isConstant(x) {
		return e.append(dst, x)
	}
	if h.left > 0 {
		if c, ok := e.again(h, x); ok {
			if c.codec < codecRiceDiff || c.rice.all != 0 { // it could be that there is a shorter way
				h.left--
			}
			return e.write(dst, x, c)
		}
	}
	best, tried := e.choose(x, surveyOf(x))
	*h = habit{best: best, values: len(x), left: habitColumns}
	e.prepare(x, best, tried)
	return e.write(dst, x, best)
}

// again is the choice for x by habit, with its words in e.z. It reports false when
// they do not take as much room as they did.
func (e *columnEncoder) again(h *habit, x []uint64) (c choice, ok bool) {
	c = h.best
	if c.codec < codecRice && !isBell(c.codec) {
		return c, false
	}
	e.z = resize(e.z, len(x))
	if c.codec >= codecRiceDiff {
		step := unzigzag(c.step)
		if c.ref = x[0] - step; c.rice.all == 0 && c.rice.k == 0 && isLinear(x, step) {
			c.rice.unary = int64(len(x))
			clear(e.z) // other columns were in it
			return c, true
		}
		e.sizeAgain(x, &c)
		return c, h.bears(c, len(x))
	}
	if e.sizeAgain(x, &c); h.bears(c, len(x)) {
		return c, true
	}
	c.ref = e.medianValue(x) // a level that jumps, as that of intervals does
	e.sizeAgain(x, &c)
	return c, h.bears(c, len(x))
}

// bears reports whether a choice takes about as much room as what the habit is from.
func (h *habit) bears(c choice, n int) bool {
	size, usual := c.size*int64(h.values), h.best.size*int64(n)
	slack := habitSlack * int64(h.values)
	return size-slack <= usual+usual/habitLoss && size+slack >= usual-usual/habitGain
}

// sizeAgain makes the words of c and their size, with the parameters it has.
func (e *columnEncoder) sizeAgain(x []uint64, c *choice) {
	n, k := len(x), c.rice.k
	if isBell(c.codec) {
		e.words(x, *c)
		e.quotients = resize(e.quotients, n)
		c.bell = bellQuotients(e.z, e.quotients, c.bell.k, c.bell.s)
		c.size = 1 + int64(uvarintSize(c.ref)) + c.bell.bytes(n)
		return
	}
	all, unary := e.wordsBy(x, *c, k)
	if c.rice = (riceCost{k, all, int64(n) + int64(unary), 0}); all>>k >= escapeQuotient {
		c.rice = costOf(e.z, k, all)
	}
	c.size = 1 + int64(uvarintSize(c.ref)) + c.rice.bytes(n)
	if c.codec >= codecRiceDiff {
		c.size += int64(uvarintSize(c.step))
	}
}

// wordsBy is words for a k that is known: it gives the OR of the words and the sum of
// their quotients.
func (e *columnEncoder) wordsBy(x []uint64, c choice, k uint) (all, unary uint64) {
	z := e.z[:len(x)]
	if c.codec >= codecRiceDiff {
		last, step := c.ref, unzigzag(c.step)
		for i, v := range x {
			w := zigzag(v - last - step)
			last = v
			z[i] = w
			all |= w
			unary += w >> (k & 63)
		}
		return all, unary
	}
	for i, v := range x {
		w := zigzag(v - c.ref)
		z[i] = w
		all |= w
		unary += w >> (k & 63)
	}
	return all, unary
}

// isConstant reports whether all values, of which there is one at least, are equal.
// It looks at eight together, as most columns are.
func isConstant[T int64 | uint64 | uint32 | uint8](x []T) bool {
	first := x[0]
	for ; len(x) >= 8; x = x[8:] {
		v := x[:8:8]
		if (v[0]^first)|(v[1]^first)|(v[2]^first)|(v[3]^first)|(v[4]^first)|(v[5]^first)|(v[6]^first)|(v[7]^first) != 0 {
			return false
		}
	}
	for _, v := range x {
		if v != first {
			return false
		}
	}
	return true
}

// isLinear reports whether each value is by step more than the one before.
func isLinear[T int64 | uint64](x []T, step T) bool {
	next := x[0]
	for ; len(x) >= 4; x = x[4:] {
		v := x[:4:4]
		if (v[0]^next)|(v[1]^(next+step))|(v[2]^(next+2*step))|(v[3]^(next+3*step)) != 0 {
			return false
		}
		next += 4 * step
	}
	for _, v := range x {
		if v != next {
			return false
		}
		next += step
	}
	return true
}

// appendConstantOrRaw appends n equal values, in the shorter way.
func appendConstantOrRaw(dst []byte, v uint64, n int) []byte {
	if 1+uvarintSize(v) <= 1+8*n {
		return appendConstant(dst, v)
	}
	dst = append(dst, codecRaw) // n is 1, and v takes more than 8 bytes as uvarint
	for range n {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}
