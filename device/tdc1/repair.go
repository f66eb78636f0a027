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
	start, until := s.stamps, s.until
	rows, losses, notes := len(b.Tags.Tick), len(b.Tags.Losses), len(b.Notes)
	pos, c := 0, course{}
	for pos+recordBytes <= len(p) {
		rest := s.run(p[pos:], &b.Tags)
		if pos = len(p) - len(rest); len(rest) < recordBytes {
			break
		}
		fits := s.fits(rest, at, drained)
		if !fits {
			skip, back, sure := s.where(rest, at, drained, must)
			if !sure {
				s.stamps, s.until = start, until
				undo(&b.Tags, rows)
				b.Tags.Losses, b.Notes = b.Tags.Losses[:losses], b.Notes[:notes]
				return false
			}
			pos += s.skip(b, rest, skip, back, at, rows)
		}
		step := &c
		if !fits {
			step = &course{} // it is told of
		}
		s.one(word(p[pos:]), &b.Tags, step)
		pos += recordBytes
	}
	s.held = copy(s.buf, p[pos:])
	c.records = pos / recordBytes
	s.give(b, start, 0, c, at)
	return true
}

// where says behind how many bytes from here on records go on that can be followed,
// and whether the record before is none either. It reports false when that is not
// clear.
func (s *streaming) where(rest []byte, at int64, drained, must bool) (skip int, back, sure bool) {
	least := tailRecords * recordBytes
	if must {
		least /= 2
	}
	// The record before may have been none, of a time that had not come: those behind
	// it may be up to 33.5 ms before it.
	earlier := s.stamps
	earlier.time, earlier.tick = (earlier.time-disorder)&timeMask, earlier.tick-min(disorder, earlier.tick)
	earlier.top = earlier.tick
	for ; skip < mostSkipped && skip+least <= len(rest); skip++ {
		fits := s.fitsBehind(s.stamps, rest[skip:], at, drained)
		if back = !fits && s.fitsBehind(earlier, rest[skip:], at, drained); fits || back {
			return skip, back, true
		}
	}
	return 0, false, false
}

// skip leaves bytes out in front of those where records go on, but for whole records
// at their begin, and tells of it. Where words were cut in the wrong place some just
// before may have been as well, and the first behind. It returns where it goes on.
func (s *streaming) skip(b *device.Batch, rest []byte, skip int, back bool, at int64, rows int) int {
	shift := skip % recordBytes
	good := s.good(rest, skip, at)
	if shift != 0 {
		good = max(0, good-1)
		skip = max(skip, good*recordBytes+shift) + recordBytes
	}
	s.take(rest[:good*recordBytes], &b.Tags)
	from, to := s.tick, s.next(rest[skip:])
	if n := max(rows, len(b.Tags.Tick)-rolledBack); shift != 0 && good == 0 && n < len(b.Tags.Tick) {
		from = min(from, b.Tags.Tick[n])
		undo(&b.Tags, n)
	}
	if back { // how far back it is wrong is not known, but it was right before what was given last
		from = min(from, to, s.was)
		s.until, s.top = max(s.until, s.top), to
	}
	left := rest[good*recordBytes : skip]
	s.damage(b, device.CauseDamaged, from, to, fmt.Sprintf("%d bytes left out, behind which the records go on: %s", len(left), device.ShowBytes(left)))
	return skip
}

// good is how many whole records there are at most before the place where records go
// on. Where those are cut elsewhere that place lies the later the more there are.
func (s *streaming) good(rest []byte, skip int, at int64) (good int) {
	shift := skip % recordBytes
	trial := s.stamps
	var none device.Tags
	var c course
	for n := 1; n < mostSkipped/recordBytes; n++ {
		behind := skip
		if shift != 0 {
			behind = max(skip, n*recordBytes+shift)
		}
		if behind+2*recordBytes > len(rest) || n*recordBytes > behind {
			break
		}
		trial.one(word(rest[(n-1)*recordBytes:]), &none, &c)
		if c.odd > 0 || s.dense() && s.wide(c) { // where times are late there is room for a wrong one, and for the wrap behind it
			break
		}
		if s.fitsBehind(trial, rest[behind:], at, false) {
			good = n
		}
	}
	return good
}

// fits reports whether records that begin here can follow the one before: none is
// odd, none is of a time that has not come yet, and, where they are the last there
// are, not of one that is long past.
func (s *streaming) fits(p []byte, at int64, drained bool) bool {
	_, ok := s.follow(s.stamps, p, at, drained)
	return ok && !(s.dense() && s.better(p, at))
}

// better reports whether records that follow the one before closely begin a few bytes
// further on, and not here: then those bytes are damage, and no light that was dark for a
// while. What is late leaves room for a wrap too many.
func (s *streaming) better(p []byte, at int64) bool {
	near := uint32(max(calm, wideSteps*s.pace))
	if (word(p)>>5-s.time)&timeMask < near {
		return false
	}
	for skip := 1; skip <= 3*recordBytes && skip+tailRecords*recordBytes <= len(p); skip++ {
		if (word(p[skip:])>>5-s.time)&timeMask < near && s.fitsBehind(s.stamps, p[skip:], at, false) {
			return true
		}
	}
	return false
}

// fitsBehind is fits for records behind a damage, which besides follow each other
// about as closely as those of late did, where these were many: at high rates words
// that are cut in the wrong place may look like records with longer steps.
func (s *streaming) fitsBehind(before stamps, p []byte, at int64, drained bool) bool {
	span, ok := s.follow(before, p, at, drained)
	return ok && (!s.dense() || span < uint64(4*s.pace*lookRecords))
}

// follow says whether records that begin here can follow those before, and what
// time lies between the first and the last of them.
func (s *streaming) follow(trial stamps, p []byte, at int64, drained bool) (span uint64, ok bool) {
	whole := len(p) < (lookRecords+1)*recordBytes
	var none device.Tags
	p = p[:min(len(p), lookRecords*recordBytes)]
	c := trial.take(p[:recordBytes], &none)
	first := trial.tick
	if c.odd += trial.take(p[recordBytes:], &none).odd; c.odd > 0 || trial.top > s.tie.limit(at) {
		return 0, false
	}
	return trial.tick - first, !whole || !drained || s.tie.lag(at, trial.tick) <= s.tie.slow()
}
