package tdc1

import (
	"fmt"

	"photongate/device"
)

const (
	lookRecords = 64  // looked at to judge a place
	mostSkipped = 256 // bytes that one damage may cost before the time is given up
	rolledBack  = 2   // tags before a damage that may be of it: the maker's decoder drops as many
)

// repair finds where records begin again behind bytes that fit nothing: at high
// rates the unit may lose two bytes, so that all words behind are cut in the wrong
// place. It gives the tags before and behind, and says what is missing. It reports
// false, and has done nothing, when the bytes do not tell.
func (s *streaming) repair(b *device.Batch, at int64, drained, must bool) bool {
	p := s.buf[:s.held]
	start := s.stamps
	rows, losses, notes := len(b.Tags.Tick), len(b.Tags.Losses), len(b.Notes)
	pos := 0
	for pos+recordBytes <= len(p) {
		rest := s.run(p[pos:], &b.Tags)
		if pos = len(p) - len(rest); len(rest) < recordBytes {
			break
		}
		if !s.fits(rest, at, drained) {
			skip, sure := s.where(rest, at, drained, must)
			if !sure {
				s.stamps = start
				undo(&b.Tags, rows)
				b.Tags.Losses, b.Notes = b.Tags.Losses[:losses], b.Notes[:notes]
				return false
			}
			s.skip(b, rest, skip, rows)
			pos += skip
		}
		var c course
		s.one(word(p[pos:]), &b.Tags, &c)
		pos += recordBytes
	}
	s.held = copy(s.buf, p[pos:])
	s.give(b, start, 0, pos/recordBytes, at)
	return true
}

// where says how many bytes from here on make no records that can be followed. It
// reports false when that is not clear.
func (s *streaming) where(rest []byte, at int64, drained, must bool) (skip int, sure bool) {
	least := tailRecords * recordBytes
	if must {
		least /= 2
	}
	for skip = 1; skip < mostSkipped && skip+least <= len(rest); skip++ {
		if !s.fits(rest[skip:], at, drained) {
			continue
		}
		if skip%recordBytes != 0 {
			skip += recordBytes // the first record may be one by chance, made of two others
		}
		return skip, true
	}
	return 0, false
}

// skip leaves bytes out, but for whole records at their begin, and tells of it. Where
// words were cut in the wrong place some just before may have been as well.
func (s *streaming) skip(b *device.Batch, rest []byte, skip, rows int) {
	good := 0
	for keep := skip/recordBytes - 1; good < keep; good++ {
		trial := s.stamps
		var c course
		var none device.Tags
		if trial.one(word(rest[good*recordBytes:]), &none, &c); c.odd > 0 || trial.top >= s.next(rest[skip:]) {
			break
		}
		s.one(word(rest[good*recordBytes:]), &b.Tags, &c)
	}
	from := s.tick
	if n := max(rows, len(b.Tags.Tick)-rolledBack); skip%recordBytes != 0 && n < len(b.Tags.Tick) {
		from = min(from, b.Tags.Tick[n])
		undo(&b.Tags, n)
	}
	left := rest[good*recordBytes : skip]
	s.damage(b, device.CauseDamaged, from, s.next(rest[skip:]), fmt.Sprintf("%d bytes left out, behind which the records go on: %s", len(left), device.ShowBytes(left)))
}

// fits reports whether records that begin here can follow the one before: none is
// odd, none is of a time that has not come yet, and, where they are the last there
// are, not of one that is long past.
func (s *streaming) fits(p []byte, at int64, drained bool) bool {
	whole := len(p) < (lookRecords+1)*recordBytes
	trial := s.stamps
	var none device.Tags
	c := trial.take(p[:min(len(p), lookRecords*recordBytes)], &none)
	if c.odd > 0 || trial.top > s.tie.limit(at) {
		return false
	}
	return !whole || !drained || s.tie.lag(at, trial.tick) <= s.tie.slow()
}
