package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// One encoder codes light of all kinds in frames of all lengths, in any order: what it
// keeps from one frame for the next shows in none.
func TestTagsOfOneEncoder(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	four := equalShares(4)
	lights := []light{
		poissonLight("steady", 1e7, 1e-12, four),
		pulsedLight("pulses", 1e6, 80e6, 100e-12, 1e-12, four),
		pulsedLight("other pulses", 1e5, 76.3e6, 300e-12, 81e-12, four),
	}
	var e TagsEncoder
	var d TagsDecoder
	for frame := range 120 {
		l := lights[frame/10%len(lights)] // a habit needs some frames
		tags := l.draw(r, l, 300+r.IntN(5000))
		if frame/30%2 == 0 {
			for i := 7; i < len(tags.Ticks); i += 1 + r.IntN(90) {
				tags.Ticks[i], tags.Ticks[i-1] = tags.Ticks[i-1], tags.Ticks[i]
			}
		}
		bytes, err := e.Append(nil, Header{Stream: 1, Epoch: 1, Seq: uint64(frame + 1)}, len(four), tags)
		if err != nil {
			t.Fatalf("frame %d of %s: %v", frame, l.name, err)
		}
		h, payload, _, err := ParseFrame(bytes)
		var got Tags
		if err == nil {
			err = d.Decode(h, payload, &got)
		}
		if err != nil || !slices.Equal(got.Ticks, tags.Ticks) || !slices.Equal(got.Channels, tags.Channels) {
			t.Fatalf("frame %d of %d tags of %s is not what it was: %v", frame, len(tags.Ticks), l.name, err)
		}
	}
}
