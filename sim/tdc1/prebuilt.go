package tdc1

import (
	"time"

	"photongate/sim"
)

// Prebuilt makes the bytes of a stream beforehand, for a measurement of how fast they can
// be read: so many periods of its time (268.435456 ms each), which may be sent over and
// over again without a seam, for each begins where the one before has ended. It returns
// how many tags are in them. Of more than ten million words per second the rest is left
// out.
func Prebuilt(light *sim.Light, settings sim.TagSettings, periods int) (words []byte, tags int64, err error) {
	u, err := New(Options{Light: light, Tags: settings})
	if err != nil {
		return nil, 0, err
	}
	u.marker = input1
	now := time.Unix(0, 0)
	u.light.Begin(now, 0)
	const piece = 1 << (timeBits - 8)
	for from := uint64(0); from < uint64(periods)<<timeBits; from += piece {
		now = now.Add(piece * tickNs)
		u.tags = u.light.Until(now, from+piece, u.tags[:0])
		u.words = u.words[:0]
		lost := u.write(from, from+piece)
		words = append(words, u.words...)
		for _, t := range u.tags {
			if t.Tick() < lost {
				tags++
			}
		}
	}
	return words, tags, nil
}
